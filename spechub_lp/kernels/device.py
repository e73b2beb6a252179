"""Whether rows are verified by the kernels in Triton: on a CUDA device, where triton is installed."""

from functools import cache
from importlib.util import find_spec

from spechub_lp._util.extras import extra

with extra("torch", "the kernels"):
    import torch


@cache
def has_triton() -> bool:
    """Return whether triton is installed.

    Returns
    -------
    bool
        Looked up once.

    Examples
    --------
    >>> has_triton() in (True, False)
    True
    """
    return find_spec("triton") is not None


def by_triton(rows: torch.Tensor) -> bool:
    """Return whether these rows go through Triton.

    Parameters
    ----------
    rows : [B, V]
        Rows on any device.

    Returns
    -------
    bool
        Never on a CPU.

    Examples
    --------
    >>> by_triton(torch.zeros(1, 3))
    False
    """
    return rows.is_cuda and has_triton()
