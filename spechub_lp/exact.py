"""The distribution that a rule really has: in rationals, or as rounding in a float type leaves it. Names no rule."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from spechub_lp import distributions
from spechub_lp._array.convert import as_float64, as_numpy
from spechub_lp._array.rational import RATIONAL
from spechub_lp._util import renamed
from spechub_lp.coupling import Coupling
from spechub_lp.drafts import Product
from spechub_lp.errors import SpecHubError, TooLarge
from spechub_lp.instance import Instance, enumerate_drafts
from spechub_lp.samplers import Sampler, by_name
from spechub_lp.typing import Array, ArrayLike

LARGEST_TABLE = 4_000_000
"""Numbers in the residual table of a distribution (tuples times tokens); a rational takes about 200 bytes."""


@renamed.argument(normalise="normalize")
def exact(sampler: str | Sampler | type[Sampler], p: Any, q: Any = None, *, normalize: bool = False) -> Coupling:
    """Compute the exact distribution of a sampler, by enumeration of every draft tuple in rationals.

    Parameters
    ----------
    sampler
        A verification rule with its drafts; or its name or class, with its own two drafts.
    p : [V]
        Target distribution, as rationals, strings or floats (see `distributions.parse`); or an `Instance` with the
        sampler's drafts.
    q : [V] or [k, V]
        Draft distribution, or those of k different drafters for product drafts.
    normalize
        Divide p and q by their sums, whatever they are.

    Returns
    -------
    Coupling
        Every draft tuple with its mass and its verdict; ask it for `is_lossless`, `acceptance`, `distance`.

    Raises
    ------
    InvalidDistribution
        p or q is not a distribution.
    TooLarge
        V^k tuples do not fit.
    SpecHubError
        The rule left the rationals, or its rows do not sum to 1.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> coupling = exact(samplers.RRS(), ["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"])
    >>> coupling.is_lossless, coupling.acceptance
    (True, Fraction(37, 100))
    """
    sampler = by_name(sampler)
    instance = Instance.parse(p, q, sampler.k, sampler.drafts, normalize)
    if (instance.policy, instance.k) != (sampler.drafts, sampler.k):
        raise SpecHubError(
            f"{sampler.name} takes {sampler.k} {sampler.drafts.name} drafts and {instance!r} has {instance.k} "
            f"{instance.policy.name} drafts; use sampler.with_drafts(instance.policy)"
        )
    p, q, x = instance.target_row, instance.draft_row, instance.tuples
    accept, residual = _verdict_table(sampler, p, q, x)
    _must_be_rational(sampler, accept, residual)
    _must_be_distributions(sampler, x, accept, residual)
    return Coupling(p[0].copy(), x.copy(), instance.mass.copy(), accept, residual)


def reference(sampler: str | Sampler | type[Sampler], p: ArrayLike, q: ArrayLike) -> Coupling:
    """Compute the distribution of a sampler as rounding leaves it, by the same enumeration.

    The verdicts are computed in the dtype of p and q, as a draw computes them, then summed in float64.

    Parameters
    ----------
    sampler
        A verification rule with its drafts; or its name or class, with its own two drafts.
    p : [V]
        Target distribution in floats, numpy or torch, on any device.
    q : [V] or [k, V]
        Draft distribution of the same library.

    Returns
    -------
    Coupling
        In float64; read its `distance`.

    Raises
    ------
    InvalidDistribution
        p or q is not a distribution.
    TooLarge
        V^k tuples do not fit.
    SpecHubError
        More than one pair of distributions.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> reference(samplers.RRS(), np.array([0.0, 0.2, 0.8]), np.array([0.6, 0.3, 0.1])).distance < 1e-15
    True
    """
    sampler = by_name(sampler)
    p, q = float_pair(sampler, p, q)
    if (rows := distributions.batch(p=p, q=q)) != 1:
        raise SpecHubError(
            f"the distribution of a sampler is that of one pair p, q; there are {rows} rows: take one at a time"
        )
    x, mass = enumerate_drafts(sampler.drafts, q, sampler.k)
    accept, residual = (as_float64(a) for a in _verdict_table(sampler, p, q, x))
    return Coupling(as_float64(p)[0], as_numpy(x), mass, accept, residual)


def float_pair(sampler: Sampler, p: Any, q: Any) -> tuple[Array, Array]:
    """Read and check float distributions for a sampler.

    Parameters
    ----------
    sampler
        Says how many drafts are made and how.
    p : [V] or [B, V]
        Target distributions.
    q : [V], [B, V] or [B, k, V]
        Draft distributions; for product drafts [k, V] beside one p are k drafters.

    Returns
    -------
    p [B, V], q [B, V] or [B, k, V]
        Either may have one row for all.

    Raises
    ------
    SpecHubError
        Shapes or kinds of array do not fit, or k drafts cannot be made from q.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> p, q = float_pair(samplers.RRS(), [0.5, 0.5], [0.25, 0.75])
    >>> p.shape, q.shape
    ((1, 2), (1, 2))
    """
    p, q = distributions.float_rows(p, "p"), distributions.float_rows(q, "q")
    distributions.same_library(p=p, q=q)
    if p.ndim != 2:
        raise SpecHubError(
            f"p has shape {tuple(p.shape)}; targets come as [V] or [B, V]; "
            f"join the leading axes: p.reshape(-1, {p.shape[-1]})"
        )
    if isinstance(sampler.drafts, Product) and q.ndim == 2 and q.shape[0] == sampler.k and p.shape[0] == 1:
        q = q[None]
    if p.shape[-1] != q.shape[-1]:
        raise SpecHubError(f"p has {p.shape[-1]} tokens and q has {q.shape[-1]}; both need the same vocabulary")
    sampler.drafts.check(q, sampler.k)
    return p, q


def _verdict_table(sampler: Sampler, p: Array, q: Array, x: Array) -> tuple[Array, Array]:
    """Accept [N, k] and residual [N, V] of every tuple."""
    n, vocabulary = len(x), p.shape[-1]
    if n * vocabulary > LARGEST_TABLE:
        raise TooLarge(
            f"a table of {n:,} draft tuples by {vocabulary} tokens is too large (at most {LARGEST_TABLE:,} numbers); "
            "use draw(...), a closed form of acceptance, or restrict the distributions to their top tokens"
        )
    verdict = sampler.verify(p, q, x)
    accept, residual = verdict.accept, verdict.residual
    if tuple(accept.shape) != (n, sampler.k) or residual.shape[-1] != vocabulary or residual.shape[0] not in (1, n):
        raise SpecHubError(
            f"{sampler.name}: accept has shape {tuple(accept.shape)} and residual {tuple(residual.shape)}; "
            f"they must be [{n}, {sampler.k}] and [{n}, {vocabulary}]"
        )
    return accept, array_namespace(residual).broadcast_to(residual, (n, vocabulary))


def _must_be_rational(sampler: Sampler, *tables: Array) -> None:
    for table in tables:
        for value in np.asarray(table).flat:
            if type(value) is not RATIONAL:
                raise SpecHubError(
                    f"{sampler.name}: a verdict holds {value!r}, a {type(value).__name__}, not a rational; "
                    "make zero and one from the data (_array.ops.zero, _array.ops.one)"
                )


def _must_be_distributions(sampler: Sampler, x: Array, accept: Array, residual: Array) -> None:
    sums = accept.sum(axis=1) + residual.sum(axis=1)
    wrong = (sums != 1) | (accept < 0).any(axis=1) | (residual < 0).any(axis=1)
    if wrong.any():
        n = int(np.argmax(wrong))
        raise SpecHubError(
            f"{sampler.name}: the verdict on drafts {tuple(x[n].tolist())} is not a distribution: accept "
            f"({', '.join(map(str, accept[n]))}) and residual ({', '.join(map(str, residual[n]))}) sum to {sums[n]}"
        )
