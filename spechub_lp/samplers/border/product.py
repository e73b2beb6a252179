"""Border for different drafters: optimal and exact for any number of them."""

from dataclasses import dataclass
from typing import ClassVar

from spechub_lp.drafts import IID, DraftPolicy, Product
from spechub_lp.drafts.base import drafter
from spechub_lp.samplers.border import set_tree
from spechub_lp.samplers.border.set_tree import Chosen
from spechub_lp.samplers.choose_then_verify import ChooseThenVerify
from spechub_lp.typing import Array


@dataclass(frozen=True)
class BorderProduct(ChooseThenVerify):
    """Choose one draft, then verify it alone; the optimum for drafts of different drafters, exactly, for any number.

        max  sum_y min(p(y), b(y))   s.t.   b(A) <= f(A) for every set A of tokens,   b(V) = 1

    where f(A) = 1 - prod_j (1 - q_j(A)) is the probability that a draft is in A.

    1. Find a set H with the least p(H) - prod_j q_j(H), and a best b: with b <= p outside H and b >= p in H. A draft
       outside H is chosen before those in H.
    2. Within each of the two parts choose a draft so that its token has the distribution b. Two drafts, x and y: split
       b between the drafters, b = q_1 r_1 + q_2 r_2; choose x with probability r_1(x) on average over y, and y with
       r_2(y) on average over x (pairs.py).
    3. More than two drafts, or where no split was found: take all drafts alike with a certain probability; else cut the
       part in two, of which one goes first, and go on with 2 (set_tree.py).
    4. Accept the chosen token y with probability min(1, p(y) / b(y)).
    5. Else draw from (p - b)+, normalized.

    Nothing is iterated to convergence: sets are found by search and numbers by sorts, in rationals where p and q are.
    With two drafters this takes O(V log V) beside the search for H. With more it takes as many searches as the tree of
    sets has levels, V at worst, made as drafts ask for them: take `WeightedChoice` for those at a large vocabulary.

    References
    ----------
    theory/T20_different_drafters. The constraints are Border's for bidders that differ: Border, Economic Theory 31
    (2007). Step 2: Gale, Pacific J. Math. 7 (1957), and Ryser, Canadian J. Math. 9 (1957). "Choose, then verify":
    Khisti et al., arXiv 2410.18234, theorem 1.

    Examples
    --------
    >>> from spechub_lp import exact, optimum, samplers
    >>> p, q = ["1/2", "3/8", "1/8"], [["1/5", "3/10", "1/2"], ["3/5", "3/10", "1/10"]]
    >>> exact(samplers.BorderProduct(2, "product"), p, q).acceptance, optimum(p, q, 2, "product").alpha
    (Fraction(1, 1), Fraction(1, 1))
    """

    name = "border_product"
    own: ClassVar[tuple[DraftPolicy, ...]] = (IID(), Product())

    def prepare(self, p: Array, q: Array) -> Chosen:
        """Return all that the verdicts need of p and q [B, V] (q [B, k, V] for product), before there are drafts."""
        return set_tree.prepare(p, [drafter(q, j) for j in range(self.k)])  # step 1

    def choose(self, prepared: Chosen, x: Array) -> Array:
        """Return the probability [B, k] to choose each draft of x [B, k]; a row sums to 1."""
        return prepared.choose(x)  # steps 2 and 3
