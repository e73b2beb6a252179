"""What a sampler draws beside the law that it should draw from."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from spechub_lp import laws
from spechub_lp.coupling import Coupling
from spechub_lp.faces import draw, exact
from spechub_lp.verdict import Sampler

CHUNK = 100_000

LARGEST_Z = 7.0
"""Standard errors that no count may be away from the exact law: about 3e-12 for each token of a correct draw."""


@dataclass(frozen=True)
class Sampling:
    sampler: Sampler
    q: tuple[Any, ...]
    """The draft law [V], or the laws [k, V] of different drafters."""
    coupling: Coupling
    draws: int
    seed: int
    counts: tuple[int, ...]
    """[V] how often each token came out."""
    accepted: int
    """How often the output was an accepted draft."""

    @property
    def plausible(self) -> bool:
        """Whether the draws fit the exact law."""
        return all(abs(z) <= LARGEST_Z for z in self.z_scores)

    @property
    def z_scores(self) -> list[float]:
        """[V + 1] distance of each count, and of the accepted count, from its expectation in standard errors."""
        pairs = [*zip(self.counts, self.coupling.output_law, strict=True), (self.accepted, self.coupling.acceptance)]
        return [_z(count, float(mass), self.draws) for count, mass in pairs]

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
            "output_law": c.output_law,
            "counts": self.counts,
            "acceptance": c.acceptance,
            "accepted": self.accepted,
            "distance": c.distance,
            "lossless": c.is_lossless,
            "z_scores": self.z_scores,
        }


def sample_and_compare(
    sampler: Sampler, p: Any, q: Any, draws: int, seed: int, normalise: bool, progress: Callable[[str, int, int], None]
) -> Sampling:
    """Draw `draws` outputs from numpy uniforms of `seed` and enumerate the exact law. See `exact`."""
    target, draft = laws.pair(p, q, normalise)
    coupling = exact(sampler, target, draft)
    rows = np.asarray(target, dtype=float), np.asarray(draft, dtype=float)
    rng, counts, accepted = np.random.default_rng(seed), np.zeros(len(target), dtype=int), 0
    for start in range(0, draws, CHUNK):
        size = min(CHUNK, draws - start)
        result = draw(sampler, rows[0], rows[1], rng.random((size, sampler.k + 1)))
        counts += np.bincount(result.tokens, minlength=len(target))
        accepted += int((result.slots >= 0).sum())
        progress("draws", start + size, draws)
    return Sampling(sampler, draft, coupling, draws, seed, tuple(counts.tolist()), accepted)


def _z(count: int, mass: float, draws: int) -> float:
    spread = sqrt(draws * mass * (1 - mass))
    miss = count - draws * mass
    return miss / spread if spread else (0.0 if abs(miss) < 0.5 else float("inf"))
