"""What the kernels take, checked without waiting for the device: kinds, shapes and devices, never entries."""

from typing import Any

from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError

with extra("torch", "the kernels"):
    import torch

FLOATS, WHOLE = "floats", "whole numbers"
KINDS = {
    FLOATS: {torch.float64, torch.float32, torch.float16, torch.bfloat16},
    WHOLE: {torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8},
}


def fit(**arguments: tuple[Any, str, str]) -> None:
    """Check that tensors hold numbers of their kind, that their sizes agree and that they lie on one device.

    Parameters
    ----------
    arguments
        By name: the tensor, FLOATS or WHOLE, and its axes. Axes of one letter have one size; "1" is of size 1, and "."
        of any.

    Raises
    ------
    SpecHubError
        They do not; the message names the tensor, its shape and what is asked for.

    Examples
    --------
    >>> fit(p=(torch.ones(2, 3), FLOATS, "BV"), drafts=(torch.tensor([[1], [0]]), WHOLE, "Bk"))
    >>> fit(p=(torch.ones(2, 3), FLOATS, "BV"), q=(torch.ones(3), FLOATS, "BV"))
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: q has shape (3,); it must be [B, V] with B = 2 and V = 3
    """
    sizes: dict[str, int] = {"1": 1}
    at = None
    for name, (a, kind, axes) in arguments.items():
        if not isinstance(a, torch.Tensor):
            raise SpecHubError(f"{name} is a {type(a).__name__}; the kernels take tensors: torch.as_tensor({name})")
        if a.dtype not in KINDS[kind]:
            raise SpecHubError(f"{name} has dtype {str(a.dtype).removeprefix('torch.')}; it must hold {kind}")
        known, shape = len(sizes), a.shape
        if len(shape) != len(axes):
            raise _other(name, shape, axes, sizes, known)
        for axis, size in zip(axes, shape, strict=True):
            if sizes.setdefault(axis, size) != size and axis != ".":
                raise _other(name, shape, axes, sizes, known)
        at = at or a.device
        if a.device != at:
            raise SpecHubError(f"{next(iter(arguments))} is on {at} and {name} on {a.device}; pass all on one device")


def _other(name: str, shape: torch.Size, axes: str, sizes: dict[str, int], known: int) -> SpecHubError:
    """What to say of a tensor of another shape: the first `known` sizes are those of the tensors before it."""
    before = [f"{axis} = {size}" for axis, size in list(sizes.items())[:known] if axis in axes and axis not in "1."]
    asked = f"[{', '.join(axes.replace('.', '*'))}]" + (f" with {' and '.join(before)}" if before else "")
    return SpecHubError(f"{name} has shape {tuple(shape)}; it must be {asked}")
