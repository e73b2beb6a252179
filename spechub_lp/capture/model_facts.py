"""What a manifest says of a model: its settings, its files and a hash of its weights; and which texts it can read."""

import hashlib
from collections.abc import Iterable, Sequence
from math import inf
from pathlib import Path
from typing import Any

from spechub_lp._util.reading import is_file, is_folder
from spechub_lp.capture.models import Runner, local_folder, output_size, packaged_gguf
from spechub_lp.errors import SpecHubError

BESIDE_WEIGHTS = (".json", ".model", ".txt", ".jinja")
"""Endings of the files of configuration and tokenizer."""
NOT_OF_THE_MODEL = ("generation_config.json", "trainer_state.json", "training.json", "requirements.txt")
"""Files that change nothing of the next-token distribution."""


def positions_of(model: Any) -> float:
    """Return how many tokens a model was made to read.

    Parameters
    ----------
    model
        As transformers has it.

    Returns
    -------
    float
        Infinity where its configuration does not say.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> positions_of(SimpleNamespace(config=SimpleNamespace(max_position_embeddings=2048)))
    2048
    """
    config = getattr(model.config, "get_text_config", lambda: model.config)()
    positions = getattr(config, "max_position_embeddings", None)
    return positions if isinstance(positions, int) and positions > 0 else inf


def model_facts(spec: str, model: Any) -> dict[str, Any]:
    """Describe a model for a manifest, its weights identified by a hash.

    Parameters
    ----------
    spec
        As `load_model` takes it.
    model
        What was loaded.

    Returns
    -------
    dict
        Name, class, parameters, vocabulary and the sha256 of each file.
    """
    path = packaged_gguf(spec.removeprefix("package:")) if spec.startswith("package:") else Path(spec)
    return {
        "name": path.name if is_folder(path) or is_file(path) else spec,
        "class": type(model).__name__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": output_size(model),
        "files": {file.name: sha256(file) for file in model_files(spec)},
    }


def model_files(spec: str) -> list[Path]:
    """List the files on this machine that decide what a model says: weights, configuration and tokenizer.

    Parameters
    ----------
    spec
        As `load_model` takes it.

    Returns
    -------
    list of Path
        Empty where the model is not here.

    Examples
    --------
    >>> Path("tiny.gguf").touch()
    >>> model_files("tiny.gguf")
    [PosixPath('tiny.gguf')]
    """
    path = local_folder(spec)
    if path is None or not is_folder(path):
        return [] if path is None else [path]
    found = {suffix: sorted(path.glob(f"*{suffix}")) for suffix in (".safetensors", ".bin", *BESIDE_WEIGHTS)}
    weights = found[".safetensors"] or found[".bin"]
    rest = [file for suffix in BESIDE_WEIGHTS for file in found[suffix] if file.name not in NOT_OF_THE_MODEL]
    return [file for file in (*weights, *rest) if is_file(file)]


def sha256(file: Path) -> str:
    """Compute the sha256 of a file's bytes, streamed: 98 MB take a tenth of a second.

    Parameters
    ----------
    file
        The file.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    SpecHubError
        It cannot be read.

    Examples
    --------
    >>> _ = Path("a.txt").write_bytes(b"abc")
    >>> sha256(Path("a.txt"))[:8]
    'ba7816bf'
    """
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise SpecHubError(f"cannot read {file}: {error.strerror or error}") from None


def check_tokens(spec: str, runner: Runner, texts: Iterable[Sequence[int]]) -> None:
    """Check that a model has an embedding for every token of the texts, and positions for a whole text.

    Parameters
    ----------
    spec
        What errors call the model.
    runner
        The model.
    texts
        As tokens.

    Raises
    ------
    SpecHubError
        It lacks one.

    Examples
    --------
    >>> import torch
    >>> class Tiny:
    ...     class config:
    ...         max_position_embeddings = 2
    ...     def get_input_embeddings(self):
    ...         return torch.nn.Embedding(50, 4)
    >>> check_tokens("tiny", Runner(Tiny()), [[1, 2, 3]])
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: texts of 3 tokens, and tiny has 2 positions: try --max-tokens 2
    """
    rows = int(runner.model.get_input_embeddings().weight.shape[0])
    positions = positions_of(runner.model)
    for tokens in texts:
        if (largest := max(tokens)) >= rows:
            raise SpecHubError(
                f"the text has token {largest:,} and {spec} has embeddings for tokens 0 to {rows - 1:,}: the tokenizer "
                "is another model's, or the embeddings were not resized to it (model.resize_token_embeddings)"
            )
        length = len(tokens) if runner.context is None else min(len(tokens), runner.context)
        if length > positions:
            raise SpecHubError(
                f"texts of {length:,} tokens, and {spec} has {positions:,} positions: try --max-tokens {positions}"
            )
