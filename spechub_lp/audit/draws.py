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
    """Draw `draws` outputs from numpy uniforms of `seed`; enumerate the exact distribution, and that of the float64
    rows.

    Raises:
        As `exact`.
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
    """P(X <= count) below the mean, P(X >= count) above it, for a binomial X of n draws.

    The command `sample` needs no more of a statistics package than this.
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
