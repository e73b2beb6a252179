"""Weighted choice: a rule for drafts of different drafters, optimal in most cases and near it in the others."""

from dataclasses import dataclass
from typing import ClassVar

from array_api_compat import array_namespace

from spechub_lp._array.ops import entries, total
from spechub_lp.drafts import IID, DraftPolicy, Product
from spechub_lp.drafts.base import drafter
from spechub_lp.samplers import weights
from spechub_lp.samplers.choose_then_verify import ChooseThenVerify
from spechub_lp.samplers.weights import Weights
from spechub_lp.typing import Array


@dataclass(frozen=True)
class WeightedChoice(ChooseThenVerify):
    """Choose one draft by weights of the tokens, then verify it alone; for any number of different drafters.

    With Q(H) = prod_j q_j(H), no rule accepts more than 1 + p(H) - Q(H), for any set H of tokens.

    1. Find the best H. A draft outside H is chosen before those in H.
    2. Find weights, all 1 at first. While b, the distribution of the chosen draft, exceeds p somewhere outside H, lower
       the weights there; while it is below p somewhere in H, raise them there.
    3. Choose among the drafts outside H, or if there are none among all, with probability in proportion to the weights.
    4. Accept the chosen token y with probability min(1, p(y) / b(y)).
    5. Else draw from (p - b)+, normalized.

    If step 2 ends, b <= p outside H and b >= p in H, so sum min(p, b) = p(H) + 1 - Q(H): the optimum. It is stopped
    after 256 rounds, with the best weights so far; it never ends where p can be b itself. Whatever the weights are, p
    is verified against the b that they make.

    Notes
    -----
    As a program; q is a list of one distribution a drafter (the helpers are explained in `spechub_lp.samplers`)::

        def weighted_choice(p, q, k):
            from itertools import combinations, product
            from math import prod

            drafts, tokens = [choose(row) for row in q], range(len(p))
            sets = [H for n in range(len(p) + 1) for H in combinations(tokens, n)]

            def gain(H):
                return prod(sum(row[y] for y in H) for row in q) - sum(p[y] for y in H)

            H = max(sets, key=gain)  # step 1
            H = H if gain(H) > Fraction(1, 10**12) else ()
            others = [prod(sum(row[y] for y in H) for i, row in enumerate(q) if i != j) for j in range(k)]
            H = {y for y in tokens if p[y] <= sum(w * row[y] for w, row in zip(others, q))}
            grid = [Fraction(64 - c % 32, 64) / 2 ** (c // 32) for c in range(1920)]

            def chances(x, place):  # step 3
                weights = [0 if y in H else grid[place[y]] for y in x]
                weights = weights if any(weights) else [1 / grid[place[y]] for y in x]
                return normalized(weights)

            def chosen(place):
                b = [0 for _ in p]
                for x in product(tokens, repeat=k):
                    for y, chance in zip(x, chances(x, place)):
                        b[y] += chance * prod(row[z] for row, z in zip(q, x))
                return b

            def lower(y, place):  # step 2
                small, large = (p[y], b[y]) if y not in H else (b[y], p[y])
                if large <= small * (1 + Fraction(1, 10**12)):
                    return place[y]
                weight = grid[place[y]] * (small / large) ** 3
                return next((c for c in range(1920) if grid[c] <= weight), 1919)

            rounds, place = [], [0 for _ in p]
            for _ in range(256):
                b = chosen(place)
                rounds.append((sum(min(m, n) for m, n in zip(p, b)), place, b))
                lowered = [lower(y, place) if b[y] else 0 for y in tokens]
                if lowered == place:
                    break
                place = lowered
            _, place, b = max(rounds, key=lambda done: done[0])
            y = drafts[choose(chances(drafts, place))]
            if flip(p[y] / b[y]):  # step 4
                return drafts, y
            return drafts, choose(normalized(excess(p, b)))  # step 5

    In floats b is an integral over the time at which a token rings whose clock has its weight as a rate: O(V) a round.

    References
    ----------
    theory/T20_different_drafters. "Choose, then verify": Khisti et al., arXiv 2410.18234, theorem 1. Choice in
    proportion to weights: Luce, Individual Choice Behavior (1959).

    Examples
    --------
    >>> from spechub_lp import exact, optimum, samplers
    >>> p, q = ["3/5", "3/10", "1/10"], [["1/5", "3/10", "1/2"], ["1/10", "4/5", "1/10"]]
    >>> exact(samplers.WeightedChoice(2, "product"), p, q).acceptance, optimum(p, q, 2, "product").alpha
    (Fraction(17, 25), Fraction(17, 25))
    """

    name = "weighted_choice"
    own: ClassVar[tuple[DraftPolicy, ...]] = (IID(), Product())

    def prepare(self, p: Array, q: Array) -> Weights:
        """Return all that the verdicts need of p and q [B, V] (q [B, k, V] for product), before there are drafts."""
        return weights.prepare(p, [drafter(q, j) for j in range(self.k)])  # steps 1 and 2

    def choose(self, prepared: Weights, x: Array) -> Array:
        """Return the probability [B, k] to choose each draft of x [B, k]; a row sums to 1."""
        xp = array_namespace(x)
        weight, before = entries(prepared.weight, x), entries(prepared.first, x)
        weight = xp.where(before | ~xp.any(before, axis=1)[:, None], weight, weight * 0)
        found: Array = weight / total(weight)
        return found
