"""What a sampler draws beside the distribution that it should draw from.

Losslessness is decided once, on the rationals as given. Draws are made from float64 rows, where a tie or an edge can
fall otherwise; so they are compared with the distribution of those rows, at a stated rate of false alarms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, lgamma, log, sqrt
from typing import Any

import numpy as np

from spechub_lp import distributions
from spechub_lp.coupling import Coupling
from spechub_lp.exact import exact, reference
from spechub_lp.samplers.base import Sampler
from spechub_lp.sampling import draw

CHUNK = 100_000

FALSE_ALARM = 1e-6
"""Probability at most that the counts of a correct draw are called implausible, whatever the distributions and the
draws."""

ROUNDING = 1e-9
"""Distributions in float64 and in rationals that are further apart than this differ by a decision, not by rounding."""


NEGLIGIBLE = 1e-17
"""A binomial tail ends where a term no longer changes its sum: terms fall at least geometrically from there on."""


@dataclass(frozen=True)
class Sampling:
    """What a sampler drew, beside its exact distribution and that of its float64 rows.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> drawn = sample_and_compare(samplers.RRS(), "1/2, 1/2", "1/4, 3/4", 1000, 0, False, lambda what, done, of: None)
    >>> drawn.plausible, drawn.coupling.is_lossless, sum(drawn.counts)
    (True, True, 1000)
    """

    sampler: Sampler
    q: tuple[Any, ...]
    """The draft distribution [V], or the distributions [k, V] of different drafters."""
    coupling: Coupling
    """The exact distribution of p and q as given."""
    drawn: Coupling
    """The distribution in float64, as the draws compute it."""
    draws: int
    seed: int
    counts: tuple[int, ...]
    """[V] how often each token came out."""
    accepted: int
    """How often the output was an accepted draft."""

    @property
    def plausible(self) -> bool:
        """Whether no count lies in a binomial tail of FALSE_ALARM, shared evenly by both tails of all counts."""
        level = FALSE_ALARM / (2 * len(self._counts_and_masses))
        return all(binomial_tail(count, self.draws, mass) > level for count, mass in self._counts_and_masses)

    @property
    def decided_otherwise(self) -> float:
        """How far the distribution of the float64 rows is from the exact one where they decide otherwise, else 0."""
        gaps = [
            abs(float(a) - b)
            for a, b in zip(
                (*self.coupling.output_distribution, self.coupling.acceptance),
                (*self.drawn.output_distribution, self.drawn.acceptance),
                strict=True,
            )
        ]
        return max(gaps) if max(gaps) > ROUNDING else 0.0

    @property
    def z_scores(self) -> list[float]:
        """[V + 1] distance of each count, and of the accepted count, from its expectation in standard errors."""
        return [_z(count, mass, self.draws) for count, mass in self._counts_and_masses]

    @property
    def _counts_and_masses(self) -> list[tuple[int, float]]:
        masses = (*self.drawn.output_distribution, self.drawn.acceptance)
        return [(n, min(max(m, 0.0), 1.0)) for n, m in zip((*self.counts, self.accepted), masses, strict=True)]

    def document(self) -> dict[str, Any]:
        """Return the comparison as JSON has it."""
        c = self.coupling
        return {
            "sampler": self.sampler.name,
            "drafts": self.sampler.drafts.name,
            "k": self.sampler.k,
            "draws": self.draws,
            "seed": self.seed,
            "p": list(map(str, c.p)),
            "q": self.q,
            "output_distribution": c.output_distribution,
            "counts": self.counts,
            "acceptance": c.acceptance,
            "accepted": self.accepted,
            "distance": c.distance,
            "lossless": c.is_lossless,
            "z_scores": self.z_scores,
        }


def sample_and_compare(
    sampler: Sampler, p: Any, q: Any, draws: int, seed: int, normalize: bool, progress: Callable[[str, int, int], None]
) -> Sampling:
    """Draw outputs from numpy's uniforms, and compute the distributions to compare them with.

    Parameters
    ----------
    sampler
        A verification rule with its drafts.
    p : [V]
        Target distribution, as `exact` takes it.
    q : [V] or [k, V]
        Draft distribution.
    draws
        How many.
    seed
        Of the uniforms.
    normalize
        Divide p and q by their sums.
    progress
        Told what is being done, how much is done, and of how much.

    Returns
    -------
    Sampling
        Counts, and the distribution in rationals and in float64; errors are those of `exact`.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> quiet = lambda what, done, of: None
    >>> sample_and_compare(samplers.RRS(), "1/2, 1/2", "1/4, 3/4", 1000, 0, False, quiet).decided_otherwise
    0.0
    """
    target, draft = distributions.pair(p, q, normalize)
    coupling = exact(sampler, target, draft)
    rows = np.asarray(target, dtype=float), np.asarray(draft, dtype=float)
    drawn = reference(sampler, *rows)
    rng, counts, accepted = np.random.default_rng(seed), np.zeros(len(target), dtype=int), 0
    for start in range(0, draws, CHUNK):
        size = min(CHUNK, draws - start)
        result = draw(sampler, rows[0], rows[1], rng.random((size, sampler.k + 1)))
        counts += np.bincount(result.tokens, minlength=len(target))
        accepted += int((result.slots >= 0).sum())
        progress("draws", start + size, draws)
    return Sampling(sampler, draft, coupling, drawn, draws, seed, tuple(counts.tolist()), accepted)


def binomial_tail(count: int, n: int, mass: float) -> float:
    """Return P(X <= count) below the mean, P(X >= count) above it, for a binomial X.

    The command `sample` needs no more of a statistics package than this.

    Parameters
    ----------
    count
        How often it happened.
    n
        Of how many draws.
    mass
        Its probability.

    Returns
    -------
    float
        The tail.

    Examples
    --------
    >>> round(binomial_tail(1, 2, 0.5), 9)
    0.75
    """
    if mass in (0.0, 1.0):
        return float(count == n * mass)
    chance, other = mass, 1 - mass
    if count > n * mass:
        count, chance, other = n - count, other, chance
    term = exp(
        lgamma(n + 1) - lgamma(count + 1) - lgamma(n - count + 1) + count * log(chance) + (n - count) * log(other)
    )
    total = 0.0
    while term > NEGLIGIBLE * total:
        total += term
        term *= count / (n - count + 1) * (other / chance)
        count -= 1
    return total


def _z(count: int, mass: float, draws: int) -> float:
    spread = sqrt(draws * mass * (1 - mass))
    miss = count - draws * mass
    return miss / spread if spread else (0.0 if abs(miss) < 0.5 else float("inf"))
