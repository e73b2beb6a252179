"""The same draws on any torch device and dtype, a slice of the batch at a time."""

from typing import Any

from array_api_compat import is_numpy_array

from spechub_lp import distributions
from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError
from spechub_lp.exact import float_pair
from spechub_lp.samplers import Sampler, by_name
from spechub_lp.sampling import MEMORY, Draw, draw_in_slices, inputs

with extra("torch", "drawing with torch"):
    import torch


def draw(
    sampler: str | Sampler | type[Sampler],
    p: Any,
    q: Any,
    u: Any,
    *,
    device: Any = None,
    dtype: Any = None,
    memory: int = MEMORY,
) -> Draw:
    """Draw from explicit uniforms, as `spechub_lp.draw` does, on a device, in a dtype, in slices of the batch.

    Parameters
    ----------
    sampler
        A verification rule with its drafts; or its name or class, with its own two drafts.
    p, q : [V] or [B, V]
        Distributions (q [B, k, V] for product drafts, or [k, V] beside one p): tensors, or arrays and lists that
        torch.as_tensor takes.
    u : [B, k + 1], [B, k + 2] or [B, k + 3]
        Uniforms in [0, 1], as `spechub_lp.draw` reads them: more than k + 1 go through the kernels.
    device, dtype
        Where and in what precision to work; by default those of p.
    memory
        Bytes to stay below, beside the inputs.

    Returns
    -------
    Draw
        Tensors: tokens [B], slots [B] and drafts [B, k].

    Raises
    ------
    InvalidDistribution, SpecHubError
        As `spechub_lp.draw`.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> draw(samplers.RRS(), [0.5, 0.5], [0.25, 0.75], [[0.1, 0.9, 0.5]], dtype=torch.float32).tokens
    tensor([0])
    """
    sampler = by_name(sampler)
    p, q = _tensor(p, "p", device, dtype), _tensor(q, "q", device, dtype)
    p, q, u = inputs(sampler, p, q, _tensor(u, "u", p.device))
    return draw_in_slices(sampler, p, q, u, distributions.count(memory, "memory"))


def sample(
    sampler: str | Sampler | type[Sampler], p: Any, q: Any, *, generator: torch.Generator | None = None, **where: Any
) -> Draw:
    """Draw one output for each row of p and q with torch's own uniforms.

    Parameters
    ----------
    sampler
        A verification rule with its drafts; or its name or class, with its own two drafts.
    p, q : [V] or [B, V]
        Distributions, as `draw` takes them.
    generator
        Torch's source of uniforms; by default the global one.
    where
        `device`, `dtype` and `memory` of `draw`.

    Returns
    -------
    Draw
        Tensors: tokens [B], slots [B] and drafts [B, k].

    Raises
    ------
    SpecHubError
        The generator makes no uniforms on that device; else as `draw`.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> sample(samplers.RRS(), [0.0, 1.0], [0.5, 0.5], generator=torch.Generator().manual_seed(0)).tokens
    tensor([1])
    """
    sampler = by_name(sampler)
    p, q = (_tensor(a, name, where.get("device"), where.get("dtype")) for a, name in ((p, "p"), (q, "q")))
    batch = distributions.batch(**dict(zip("pq", float_pair(sampler, p, q), strict=True)))
    try:
        u = torch.rand(batch, sampler.k + 1, dtype=torch.float64, generator=generator, device=p.device)
    except (TypeError, RuntimeError) as error:
        raise SpecHubError(f"generator = {generator!r} makes no uniforms on {p.device}: {error}") from None
    return draw(sampler, p, q, u, **where)


def _tensor(values: Any, name: str, device: Any = None, dtype: Any = None) -> torch.Tensor:
    if not isinstance(values, torch.Tensor):
        values = distributions.as_array(values, name)
        if is_numpy_array(values) and (not values.flags.writeable or min(values.strides, default=0) < 0):
            values = values.copy()  # torch shares neither without a warning or an error
    try:
        return torch.as_tensor(values, device=device, dtype=dtype)
    except (
        TypeError,
        ValueError,
        RuntimeError,
        AssertionError,
    ) as error:  # torch's word for a device that is not there
        raise SpecHubError(
            f"{name} makes no tensor with device = {device!r} and dtype = {dtype!r}: {str(error).splitlines()[0]}"
        ) from None
