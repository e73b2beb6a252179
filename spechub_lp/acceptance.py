"""The acceptance of a sampler at any vocabulary: in closed form, by enumeration, or averaged over drawn drafts."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp import distributions
from spechub_lp._array.convert import as_float64
from spechub_lp._array.equality import equal_fields
from spechub_lp._util.tabular import Tabular, few
from spechub_lp.errors import SpecHubError
from spechub_lp.exact import float_pair, reference
from spechub_lp.samplers import Sampler, by_name
from spechub_lp.sampling import draw_drafts
from spechub_lp.typing import Array, ArrayLike, NumpyArray

MOST_ENUMERATED = 4096
"""Draft tuples V^k of a row up to which they are all taken."""
AT_ONCE = 2**22
"""Entries of the residuals that are in work at once."""


@dataclass(frozen=True)
class Acceptance(Tabular):
    """Round acceptance of rows, each with its error.

    Examples
    --------
    >>> Acceptance(np.array([0.5, 0.75]), np.array([0.0, 0.0]), 0).mean
    (0.625, 0.0)
    """

    value: Array
    """[B] Pr[the output is an accepted draft]."""
    error: Array
    """[B] standard error over the drawn drafts; 0 where the value is in closed form or of all drafts."""
    draws: int
    """Draft tuples that were drawn for each row; 0 where none were."""

    __eq__ = equal_fields

    def __repr__(self) -> str:
        drawn = f", error={few(self.error)}, {self.draws:,} draws a row" if self.draws else ""
        return f"Acceptance({few(self.value)}{drawn})"

    def as_rows(self) -> list[dict[str, Any]]:
        """Return the value of each row, and its error where drafts were drawn."""
        errors = [{"error": error} if self.draws else {} for error in self.error.tolist()]
        return [
            {"row": b, "acceptance": v} | e for b, (v, e) in enumerate(zip(self.value.tolist(), errors, strict=True))
        ]

    @property
    def mean(self) -> tuple[float, float]:
        """The mean of the rows, and the standard error that it has from the draws."""
        n = len(self.value)
        if not n:
            raise SpecHubError("no rows have no mean; p and q need at least one row")
        return float(self.value.mean()), math.sqrt(float((self.error**2).sum())) / n


def acceptance(
    sampler: str | Sampler | type[Sampler], p: ArrayLike, q: ArrayLike, *, draws: int = 1024, seed: int = 0
) -> Acceptance:
    """Compute how often a sampler accepts a draft, for any pair of a rule and a draft policy.

    A closed form is taken where the rule has one for its drafts. Else all draft tuples are enumerated where they are
    few, and drawn where they are many; the conditional acceptance of each tuple is averaged, not its outcome, so the
    error is that of the drafts alone.

    Parameters
    ----------
    sampler
        A verification rule with its drafts; or its name or class, with its own two drafts.
    p : [V] or [B, V]
        Target distributions, numpy or torch.
    q : [V] or [B, V]
        Draft distributions; for product drafts [B, k, V], or [k, V] beside one p.
    draws
        Draft tuples to draw for a row that has too many; at least 2.
    seed
        Of the draws, at least 0.

    Returns
    -------
    Acceptance
        Value and standard error [B], float64 in numpy.

    Raises
    ------
    InvalidDistribution
        p or q is not a distribution.
    SpecHubError
        Shapes or kinds of array do not fit, k drafts cannot be made from q, or fewer than two draws.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> acceptance(samplers.RRS(), [0.0, 0.2, 0.8], [0.6, 0.3, 0.1]).value.round(3).tolist()
    [0.37]
    >>> rows = np.random.default_rng(0).dirichlet(np.ones(5000), size=2)
    >>> drawn = acceptance(samplers.RRS().with_drafts("without_replacement"), rows[:1], rows[1:], draws=64)
    >>> drawn.draws, bool(0 < drawn.error[0] < 0.1)
    (64, True)
    """
    sampler = by_name(sampler)
    p, q = float_pair(sampler, p, q)
    n = distributions.batch(p=p, q=q)
    if (closed := sampler.acceptance(p, q)) is not None:
        value = np.broadcast_to(as_float64(closed), (n,))
        return Acceptance(value, np.zeros(n), 0)
    pairs = [(p[b % p.shape[0]], q[b % q.shape[0]]) for b in range(n)]
    if p.shape[-1] ** sampler.k <= MOST_ENUMERATED:
        return Acceptance(np.array([reference(sampler, *pair).acceptance for pair in pairs]), np.zeros(n), 0)
    if distributions.count(draws, "draws", least=0) < 2:
        raise SpecHubError(f"draws = {draws}; an error needs at least 2 drawn tuples")
    rng = np.random.default_rng(distributions.count(seed, "seed", least=0))
    drawn = np.array([_drawn(sampler, *pair, rng.random((draws, sampler.k))) for pair in pairs]).reshape(n, draws)
    return Acceptance(drawn.mean(axis=1), drawn.std(axis=1, ddof=1) / math.sqrt(draws), draws)


def _drawn(sampler: Sampler, p: Array, q: Array, u: NumpyArray) -> NumpyArray:
    """[n] the conditional acceptance of each drawn tuple."""
    rows = max(1, AT_ONCE // p.shape[-1])
    parts = [verdicts(sampler, p[None], q[None], u[start : start + rows]) for start in range(0, len(u), rows)]
    found: NumpyArray = np.concatenate(parts).sum(axis=1)
    return found


def verdicts(sampler: Sampler, p: Array, q: Array, u: Array) -> NumpyArray:
    """Draw drafts from one row, and return how they are verified.

    Parameters
    ----------
    sampler
        A verification rule with its drafts.
    p : [1, V]
        Target distribution.
    q : [1, V] or [1, k, V]
        Draft distribution.
    u : [n, k]
        Uniforms, in numpy.

    Returns
    -------
    [n, k]
        accept of each verdict, as numpy.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> rows = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    >>> verdicts(samplers.RRS(), *rows, np.array([[0.1, 0.9]])).tolist()
    [[1.0, 0.0]]
    """
    x = draw_drafts(sampler.drafts, q, array_namespace(q).asarray(u, device=device(q)))
    accept: NumpyArray = as_float64(sampler.verify(p, q, x).accept)
    return accept
