"""Recursive rejection: a rejected draft leaves a residual of p. RRS and RRSw differ in the proposals only."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from spechub_lp._array.ops import accept_probability, columns, minimum, normalize, one, pick, positive, total
from spechub_lp.drafts import IID, DraftPolicy, Product, WithoutReplacement
from spechub_lp.drafts.base import drafter, left
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.samplers.rejected_mass import CLASSES, all_rejected
from spechub_lp.typing import Array


def recursive_rejection(p: Array, proposals: Iterable[Array], x: Array) -> Verdict:
    """Verify the drafts one after the other, each against the residual that those before it left of p.

    Lossless whenever proposals[j] is the distribution of draft j given the drafts before it. Then a residual without
    mass goes with a rejection of probability 0; with other drafts, or by rounding, the residual before it stays.

    Parameters
    ----------
    p : [B, V] or [1, V]
        Target distribution.
    proposals : k arrays [B, V] or [1, V]
        Distribution of each draft.
    x : [B, k]
        Drafts, as token ids.

    Returns
    -------
    Verdict
        accept [B, k] and residual [B, V].

    Examples
    --------
    >>> import numpy as np
    >>> p, q, x = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]), np.array([[1, 0]])
    >>> recursive_rejection(p, [q, q], x).accept.round(3).tolist()
    [[0.667, 0.333]]
    """
    residual, rejected, accept = p, one(p), []
    for j, proposal in enumerate(proposals):
        accepted = accept_probability(pick(residual, x[:, j]), pick(proposal, x[:, j]))  # step 1
        accept.append(rejected * accepted)
        rejected = rejected * (1 - accepted)
        residual = normalize(positive(residual - proposal), empty=residual)  # step 2
    return Verdict(columns(*accept), rejected[:, None] * residual)  # step 3


@dataclass(frozen=True)
class RRS(Sampler):
    """Verify drafts made with replacement, each against the residual that the rejected drafts before it left of p.

    The residual starts as p.

    1. Accept draft x_j with probability min(1, residual(x_j) / q(x_j)).
    2. If it is rejected, the residual becomes (residual - q)+, normalized; go on with the next draft.
    3. After the last draft, draw from the residual.

    Notes
    -----
    As a program (the helpers are explained in `spechub_lp.samplers`)::

        def rrs(p, q, k):
            drafts = [choose(q) for _ in range(k)]
            residual = p
            for x in drafts:
                if flip(residual[x] / q[x]):  # step 1
                    return drafts, x
                residual = normalized(excess(residual, q))  # step 2
            return drafts, choose(residual)  # step 3

    References
    ----------
    SpecInfer, arXiv 2305.09781, algorithm 2 (multi-step speculative sampling).

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> coupling = exact(samplers.RRS(), ["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"])
    >>> coupling.acceptance, coupling.is_lossless
    (Fraction(37, 100), True)
    """

    name = "rrs"
    own: ClassVar[tuple[DraftPolicy, ...]] = (IID(), Product())

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        self.check_drafts(p, x)
        return recursive_rejection(p, (drafter(q, j) for j in range(self.k)), x)

    def closed_form(self, p: Array, q: Array) -> Array:
        """1 - prod_j (1 - sum min(residual_j, q_j))."""
        residual, rejected = p, one(p)
        for j in range(self.k):
            proposal = drafter(q, j)
            rejected = rejected * (1 - total(minimum(residual, proposal))[:, 0])
            residual = normalize(positive(residual - proposal), empty=residual)
        return 1 - rejected


@dataclass(frozen=True)
class RRSw(Sampler):
    """Verify drafts made without replacement: a rejected token leaves q, and (residual - q)+ is what is left of p.

    The residual starts as p.

    1. Accept draft x_j with probability min(1, residual(x_j) / q(x_j)).
    2. If it is rejected, the residual becomes (residual - q)+ and q loses x_j, both normalized; go on with the next.
    3. After the last draft, draw from the residual.

    Notes
    -----
    As a program (the helpers are explained in `spechub_lp.samplers`)::

        def rrsw(p, q, k):
            drafts = []
            for _ in range(k):
                drafts.append(choose(without(q, drafts)))
            residual = p
            for j, x in enumerate(drafts):
                proposal = without(q, drafts[:j])
                if flip(residual[x] / proposal[x]):  # step 1
                    return drafts, x
                residual = normalized(excess(residual, proposal))  # step 2
            return drafts, choose(residual)  # step 3

    References
    ----------
    RSD, arXiv 2402.14160, theorem 3.1; Sequoia, arXiv 2402.12374, section 3.2; MCSD, arXiv 2401.06706.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> exact(samplers.RRSw(), ["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"]).acceptance
    Fraction(13, 28)
    """

    name = "rrsw"
    own: ClassVar[tuple[DraftPolicy, ...]] = (WithoutReplacement(),)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        self.check_drafts(p, x)
        q = drafter(q, 0)
        return recursive_rejection(p, (left(q, x[:, :j]) if j else q for j in range(self.k)), x)

    def closed_form(self, p: Array, q: Array) -> Array | None:
        """1 - Pr[all k drafts are rejected] for k <= 4 (rejected_mass.py)."""
        return None if self.k > max(CLASSES) else 1 - all_rejected(p, drafter(q, 0), self.k)
