"""Masses as whole numbers: their sums have no order, and their differences are exact."""

from spechub_lp._util.extras import extra

with extra("torch", "the kernels"):
    import torch

WHOLE = 2.0**60
"""Grains that 1 has; a sum stays below 8, which is 2^63."""


def grains(a: torch.Tensor) -> torch.Tensor:
    """Return entries as whole multiples of 1 / WHOLE: integer sums have no order.

    Parameters
    ----------
    a : [B, n]
        Entries of any float dtype.

    Returns
    -------
    [B, n]
        int64.

    Examples
    --------
    >>> (grains(torch.tensor([[0.5, 0.25]])) >> 58).tolist()
    [[2, 1]]
    """
    return (a.double() * WHOLE).round_().long()
