"""Uniforms that are a function of (seed, offset, place): a row's numbers do not depend on its company in the batch."""

from spechub_lp import distributions
from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError
from spechub_lp.kernels.arguments import WHOLE, fit

with extra("torch", "the kernels"):
    import torch

STEP = -7046029254386353131
"""2^64 over the golden ratio, as a signed number: the step of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
FIRST, SECOND = -4658895280553007687, -7723592293110705685


def uniforms(seed: torch.Tensor, offset: torch.Tensor | int, count: int) -> torch.Tensor:
    """Return uniforms on the grid of 2^-53 in [0, 1).

    Parameters
    ----------
    seed : [B]
        Whole numbers, one a row; any integer dtype is read as int64.
    offset : [B] or int
        Whole numbers likewise, for example the position of the token; no two calls should share one.
    count
        Numbers a row.

    Returns
    -------
    [B, count]
        float64.

    Raises
    ------
    SpecHubError
        seed or offset are no whole numbers, their shapes do not fit, or count is negative.

    Examples
    --------
    >>> alone, two = uniforms(torch.tensor([7]), 3, 2), uniforms(torch.tensor([5, 7]), 3, 2)
    >>> torch.equal(alone[0], two[1])
    True
    """
    fit(seed=(seed, WHOLE, "B"))
    try:
        at = torch.as_tensor(offset, device=seed.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SpecHubError(f"offset = {offset!r:.60} is no int64 and no tensor of them: {error}") from None
    fit(seed=(seed, WHOLE, "B"), offset=(at, WHOLE, "B" if at.ndim else ""))
    stream = _mixed(_mixed(seed.long()) + at.long() * STEP)
    place = torch.arange(1, distributions.count(count, "count", least=0) + 1, device=seed.device) * STEP
    return ((_mixed(stream[:, None] + place) >> 11) & (2**53 - 1)).double() * 2.0**-53


def _mixed(state: torch.Tensor) -> torch.Tensor:
    """The output function of SplitMix64; the shifts bring in zeros."""
    state = (state ^ ((state >> 30) & (2**34 - 1))) * FIRST
    state = (state ^ ((state >> 27) & (2**37 - 1))) * SECOND
    return state ^ ((state >> 31) & (2**33 - 1))
