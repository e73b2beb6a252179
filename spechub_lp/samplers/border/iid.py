"""Border: an optimal rule for independent drafts."""

from dataclasses import dataclass
from typing import ClassVar

from spechub_lp.drafts import IID, DraftPolicy
from spechub_lp.drafts.base import drafter
from spechub_lp.samplers.border import preparation
from spechub_lp.samplers.border.preparation import Mixture
from spechub_lp.samplers.choose_then_verify import ChooseThenVerify
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Border(ChooseThenVerify):
    """Choose one draft, then verify it alone; the optimum for drafts made with replacement, any k, O(V log V).

        max  sum_y min(p(y), b(y))   s.t.   b(A) <= 1 - (1 - q(A))^k for every set A of tokens,   b(V) = 1

    1. Prepare: b is p held between two multiples of q. It is the mean over t, uniform in [0, 1], of rules "take a draft
       of the best block that was hit"; the blocks at t are a partition of the tokens, in the order of falling p/q.
    2. Draw t, and choose the earliest draft of the best block that was hit. The chosen token has distribution b.
    3. Accept the chosen token y with probability min(1, p(y) / b(y)).
    4. Else draw from (p - b)+, normalized.

    Notes
    -----
    As a program (the helpers are explained in `spechub_lp.samplers`)::

        def border(p, q, k):
            drafts = [choose(q) for _ in range(k)]
            order = sorted((y for y in range(len(q)) if q[y]), key=lambda y: -p[y] / q[y])
            n, N = len(order), range(len(order) + 1)
            P, Q = ([sum((a[y] for y in order[:j]), Fraction(0)) for j in N] for a in (p, q))
            P = [m + sum(a for a, b in zip(p, q) if not b) for m in P]  # what q cannot draft comes first
            F = [1 - (1 - m) ** k for m in Q]
            cut = max(N, key=lambda j: P[j] - F[j])
            high = max([(F[cut] - P[cut] + P[j]) / Q[j] for j in N if 0 < j <= cut], default=0)
            low = min([(1 - F[cut] - P[j] + P[cut]) / (1 - Q[j]) for j in N if cut <= j < n], default=0)
            b = [0 for _ in q]
            for j, y in enumerate(order):
                b[y] = min(p[y], high * q[y]) if j < cut else max(p[y], low * q[y])
            B = [sum((b[y] for y in order[:j]), Fraction(0)) for j in N]

            def drop(G, i, j, l):
                return (G[j] - G[i]) / (Q[j] - Q[i]) - (G[l] - G[j]) / (Q[l] - Q[j])

            level = {0: 1, n: 1}  # up to this t the boundary before token j of the order parts two blocks
            for j in range(1, n):
                ways = [(drop(B, i, j, l), drop(F, i, j, l)) for i in range(j) for l in range(j + 1, n + 1)]
                level[j] = min([1, *(down / fall for down, fall in ways if down < fall)])
            ends = sorted({0, 1, *level.values()})
            t = choose({t: end - t for t, end in zip(ends, ends[1:])})  # step 2: the blocks change at `ends` only
            block = {y: sum(level[i] > t for i in range(1, j + 1)) for j, y in enumerate(order)}
            y = min(drafts, key=block.get)
            if flip(p[y] / b[y]):  # step 3
                return drafts, y
            return drafts, choose(normalized(excess(p, b)))  # step 4

    The code finds the levels with one heap (merge_tree.py), and the mean over t in closed form (`choose`).

    References
    ----------
    theory/border. The constraints are Border's, Econometrica 59 (1991); the mixture over nested partitions, Cai,
    Daskalakis and Weinberg, FOCS 2012; "choose, then verify", Khisti et al., arXiv 2410.18234, theorem 1.

    Examples
    --------
    >>> from spechub_lp import exact, optimum, samplers
    >>> p, q = ["3/5", "3/10", "1/10"], ["1/5", "3/10", "1/2"]
    >>> exact(samplers.Border(), p, q).acceptance, optimum(p, q, 2).alpha
    (Fraction(19, 25), Fraction(19, 25))
    """

    name = "border"
    own: ClassVar[tuple[DraftPolicy, ...]] = (IID(),)
    race: ClassVar[DraftPolicy] = IID()
    """How the drafts are drawn from the distribution that `prepare` is given."""

    def prepare(self, p: Array, q: Array) -> Mixture:
        """Return all that the verdicts need of p and q [B, V], before there are drafts."""
        return preparation.prepare(self.race, p, drafter(q, 0), self.k)  # step 1

    def choose(self, prepared: Mixture, x: Array) -> Array:
        """Return the probability [B, k] to choose each draft of x [B, k]; a row sums to 1. O(k log k) a tuple."""
        return preparation.earliest(*preparation.by_block(prepared, x))  # step 2
