"""Whether a pair of models fits into memory: from the headers of its files, before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from spechub_lp.errors import MissingPackage, SpecHubError

ROW_COPIES = 5
"""float32 rows [positions, V] at once: logits, their concatenation, a softmax, and what is stored."""
ACTIVATIONS = 24
"""float32 numbers of one token in work, over the width of the model: a block's inner layer is up to four widths."""
LIBRARIES = 200 << 20
"""Bytes that transformers and a tokenizer take on the CPU (181 MiB measured with SmolLM2-135M)."""
MEBI = 1 << 20


@dataclass(frozen=True)
class Weights:
    """What the headers say of one model.

    Examples
    --------
    >>> Weights(parameters=1000, vocabulary=50, width=10, unpacked=0).vocabulary
    50
    """

    parameters: int
    vocabulary: int
    """Rows of its largest matrix: those of the embedding."""
    width: int
    unpacked: int
    """Bytes in passing on the CPU while it is loaded: a quantised matrix in float32, before and after it is turned."""


def check_device(device: str) -> None:
    """Check that a device exists and holds numbers, unlike "meta".

    Parameters
    ----------
    device
        A torch device.

    Raises
    ------
    SpecHubError
        It cannot be used.

    Examples
    --------
    >>> check_device("cpu")
    """
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:  # NotImplementedError, a RuntimeError, where there are no numbers
        raise SpecHubError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from None


def check_memory(paths: Sequence[Path], device: str, dtype: torch.dtype, tokens: int, rows: int) -> None:
    """Check that models can be held on a device before they are loaded.

    Parameters
    ----------
    paths
        Different models: folders with .safetensors or .gguf files; one whose files say nothing is left out.
    device
        A torch device.
    dtype
        Of the weights.
    tokens
        How many are read at once.
    rows
        How many distributions at full vocabulary come of it.

    Raises
    ------
    SpecHubError
        They need more memory than is free.

    Examples
    --------
    >>> check_memory([], "cpu", torch.float32, tokens=1024, rows=256)
    """
    found = [weights for path in paths if (weights := weights_of(path))]
    if not found:
        return
    held = [w.parameters * dtype.itemsize for w in found]
    widest, largest = max(w.width for w in found), max(w.vocabulary for w in found)
    work = 4 * (tokens * ACTIVATIONS * widest + rows * ROW_COPIES * largest)
    if torch.device(device).type == "cpu":
        work = LIBRARIES + max(work, *(w.unpacked for w in found))
    else:
        passing = max(h + w.unpacked for h, w in zip(held, found, strict=True))
        _compare(LIBRARIES + passing, "cpu", dtype, "before they are moved")
    _compare(sum(held) + work, device, dtype, f"{sum(held) / MEBI:,.0f} MiB of weights")


def weights_of(path: Path) -> Weights | None:
    """Read what the headers of a model's files say.

    Parameters
    ----------
    path
        A folder with .safetensors, or a .gguf file.

    Returns
    -------
    Weights or None
        None where they cannot be read, which loading will say better.

    Examples
    --------
    >>> weights_of(Path("no_such_model")) is None
    True
    """
    try:
        shapes = _gguf_shapes(path) if path.suffix == ".gguf" else _safetensors_shapes(path)
    except Exception:  # gguf raises whatever a damaged header leads to
        return None
    if not shapes:
        return None
    embedding = max((shape for shape in shapes if len(shape) == 2), key=max, default=[1, 1])
    unpacked = 8 * prod(embedding) if path.suffix == ".gguf" else 0
    return Weights(sum(map(prod, shapes)), max(embedding), min(embedding), unpacked)


def free_memory(device: str) -> int:
    """Return the bytes that can still be had on a device.

    Parameters
    ----------
    device
        A torch device.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    MissingPackage
        psutil is needed to see the memory of the machine.

    Examples
    --------
    >>> free_memory("cpu") > 0
    True
    """
    kind = torch.device(device).type
    if kind == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if kind == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    try:
        import psutil
    except ImportError:
        raise MissingPackage("psutil", "seeing how much memory is free", "'spechub-lp[models]'") from None
    return int(psutil.virtual_memory().available)


def _compare(needed: int, device: str, dtype: torch.dtype, what: str) -> None:
    free = free_memory(device)
    if needed > free:
        name = str(dtype).removeprefix("torch.")
        raise SpecHubError(
            f"the models need about {needed / MEBI:,.0f} MiB on {device} in {name} ({what}), and "
            f"{free / MEBI:,.0f} MiB are free: try --dtype bfloat16, another --device, or a smaller --batch, --shard "
            "or --max-tokens"
        )


def _safetensors_shapes(folder: Path) -> list[list[int]]:
    from safetensors import SafetensorError, safe_open

    shapes = []
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as opened:
                shapes += [opened.get_slice(name).get_shape() for name in opened.keys()]  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(str(error)) from None
    return shapes


def _gguf_shapes(file: Path) -> list[list[int]]:
    from gguf import GGUFReader

    return [[int(n) for n in tensor.shape] for tensor in GGUFReader(file).tensors]
