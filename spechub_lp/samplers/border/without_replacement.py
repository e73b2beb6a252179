"""Border: an optimal rule for drafts without replacement."""

from dataclasses import dataclass
from typing import ClassVar

from array_api_compat import array_namespace

from spechub_lp._array.ops import columns, entries, minimum, positive, ratio
from spechub_lp.drafts import DraftPolicy, WithoutReplacement
from spechub_lp.samplers.border import preparation
from spechub_lp.samplers.border.iid import Border
from spechub_lp.samplers.border.preparation import Mixture
from spechub_lp.samplers.border.selection import walk
from spechub_lp.typing import Array


@dataclass(frozen=True)
class BorderWor(Border):
    """Border for drafts made without replacement; the optimum for these drafts, verifying the very drafts of RRSw.

        max  sum_y min(p(y), b(y))   s.t.   b(A) <= Pr[some draft is in A] for every set A of tokens,   b(V) = 1

    As `border`, but step 2 must make up for this: after a heavy token the drafts still to come hit the better blocks A
    more often, so neither the earliest nor a uniform draft of the block G has a distribution proportional to q.

    1. Prepare, as `border`.
    2. Draw t. In the best block G that was hit walk through the drafts in the order drawn: choose the first, but if a
       later one is in G too, hand over to those that follow with probability theta (selection.py). Two drafts x, y of
       one block in closed form: choose x with probability [1 - q(y) + q(A)/q(G) (q(x) - q(y))] / (2 - q(x) - q(y)).
    3. Accept the chosen token y with probability min(1, p(y) / b(y)).
    4. Else draw from (p - b)+, normalized.

    Notes
    -----
    As a program for any k (the helpers are explained in `spechub_lp.samplers`)::

        def border_wor(p, q, k):
            drafts = []
            for _ in range(k):
                drafts.append(choose(without(q, drafts)))

            def hit(A, gone, r):  # Pr[one of r further drafts is in A], after the drafts that are gone
                pool = {y: m for y, m in enumerate(q) if m and y not in gone}
                if not r or not pool:
                    return Fraction(0)
                found = sum(m * (1 if y in A else hit(A, gone | {y}, r - 1)) for y, m in pool.items())
                return found / sum(pool.values())

            order = sorted((y for y in range(len(q)) if q[y]), key=lambda y: -p[y] / q[y])
            n, N = len(order), range(len(order) + 1)
            P, Q = ([sum((a[y] for y in order[:j]), Fraction(0)) for j in N] for a in (p, q))
            P = [m + sum(a for a, b in zip(p, q) if not b) for m in P]  # what q cannot draft comes first
            F = [hit(set(order[:j]), frozenset(), k) for j in N]
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
            best = min(block[y] for y in drafts)
            A, G = {y for y in order if block[y] < best}, {y for y in order if block[y] == best}
            chosen, gone = min(drafts, key=block.get), frozenset()
            if k == 2 and len(G & set(drafts)) == 2:
                x, y = drafts
                rho = sum(q[z] for z in A) / sum(q[z] for z in G)
                chosen = x if flip((1 - q[y] + rho * (q[x] - q[y])) / (2 - q[x] - q[y])) else y
            for j, y in enumerate(drafts if k > 2 else []):
                if y in G - gone:
                    chosen, r = y, k - 1 - j
                    if not (G - gone) & set(drafts[j + 1 :]) - {y}:
                        break
                    heaviest = max(G - gone, key=lambda z: q[z])
                    more = hit(A, gone | {heaviest}, r) - hit(A, gone | {y}, r)
                    others = sum(q[z] for z in G - gone - {y}) / sum(q[z] for z in G - gone)
                    if not flip(others * more / (hit(A | G, gone | {y}, r) - hit(A, gone | {y}, r))):  # theta
                        break
                gone |= {y}
            if flip(p[chosen] / b[chosen]):  # step 3
                return drafts, chosen
            return drafts, choose(normalized(excess(p, b)))  # step 4

    The code finds the levels with one heap (merge_tree.py), and the mean over t in closed form for two drafts
    (`choose`). For more drafts it computes each distribution of hits once (selection.py).

    References
    ----------
    theory/border, section 6; that Pr[.] is submodular here: Hu et al., arXiv 2502.18779.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> p, q = ["3/5", "3/10", "1/10"], ["1/5", "3/10", "1/2"]
    >>> exact(samplers.BorderWor(), p, q).acceptance, exact(samplers.RRSw(), p, q).acceptance
    (Fraction(31, 35), Fraction(19, 25))
    """

    name = "border_wor"
    own: ClassVar[tuple[DraftPolicy, ...]] = (WithoutReplacement(),)
    race: ClassVar[DraftPolicy] = WithoutReplacement()

    def choose(self, prepared: Mixture, x: Array) -> Array:
        if self.k != 2:
            return super().choose(prepared, x) if self.k == 1 else walk(prepared, x)
        order, apart = preparation.by_block(prepared, x)
        xp = array_namespace(x)
        best, other = (entries(x, order[:, s : s + 1]) for s in (0, 1))
        q_best, q_other = (entries(prepared.q, y)[:, 0] for y in (best, other))
        ranks = entries(prepared.rank, x)
        odds = -prepared.odds(*(entries(ranks, order[:, s : s + 1])[:, 0] for s in (0, 1)))
        together = 1 - apart[:, 1]
        both = 1 - q_best + 1 - q_other
        keep = apart[:, 1] + ratio(together * (1 - q_other) + odds * (q_best - q_other), both)
        keep = minimum(positive(keep), keep * 0 + 1)  # floats may end a rounding outside
        return xp.where((order[:, 0] == 0)[:, None], columns(keep, 1 - keep), columns(1 - keep, keep))
