"""A sabotaged twin of each theorem: a hypothesis dropped or a constant moved. The search that passes the theorem must
refute its twin; a search that cannot fail shows nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from spechub_lp._array.rational import rational_row
from spechub_lp.drafts import IID
from spechub_lp.exact import exact
from spechub_lp.optimum import subsets
from spechub_lp.samplers import by_name
from spechub_lp.samplers.border.merge_tree import best_density, fairest_density
from spechub_lp.theorems import checks, different_drafters, hockey_stick, quantities, trees
from spechub_lp.theorems.checks import Theorem
from spechub_lp.theorems.instances import Instance, family
from spechub_lp.theorems.quantities import Distribution, accepts, hit, max_acceptance
from spechub_lp.trees import BorderPath, Drafted, NodeByNode, chain, exact_call, tree_optimum
from spechub_lp.trees.path import Choice, Place


def single_tokens_cut(p: Distribution, q: Distribution, k: int) -> bool:
    f, V = hit(q, k, "iid"), frozenset(range(len(q)))
    return max_acceptance(p, q, k, "iid") == min(sum(p[y] for y in H) + f[V - H] for H in f if len(H) <= 1)


def prefix_for_top_k(p: Distribution, q: Distribution, k: int) -> bool:
    row, draft = rational_row(p)[0], rational_row(q)
    order = subsets.rising(row, draft[0]).tolist()
    f = hit(q, k, "top_k")
    prefixes = [frozenset(order[:n]) for n in range(len(p) + 1)]
    return bool(
        max_acceptance(p, q, k, "top_k") == min(sum(p[y] for y in H) + f[frozenset(order) - H] for H in prefixes)
    )


def moved_border(p: Distribution, q: Distribution, k: int) -> bool:
    """sharp_border with 21/20 in place of 1."""
    top = set(quantities.tops(q, k - 1))
    rest = 1 - sum(q[y] for y in top)
    powers = {x: rest * sum((1 - m) ** j for j in range(k)) for x, m in enumerate(q) if x not in top and m > 0}
    if all(value <= Fraction(21, 20) for value in powers.values()):
        return max_acceptance(p, q, k, "greedy") >= max_acceptance(p, q, k, "iid")
    return True


def one_draft_more(p: Distribution, q: Distribution, k: int) -> bool:
    return max_acceptance(p, q, k, "without_replacement") >= max_acceptance(p, q, k + 1, "iid")


def rrs_takes_any_drafts(p: Distribution, q: Distribution, k: int) -> bool:
    return exact(by_name("rrs", k).with_drafts("without_replacement"), p, q).is_lossless


def rrsw_beats_one_more(p: Distribution, q: Distribution, k: int) -> bool:
    return accepts("rrsw", p, q, k) >= accepts("rrs", p, q, k + 1)


def kseq_at_k_beats_rrs(p: Distribution, q: Distribution, k: int) -> bool:
    beta = sum(min(m / k, proposal) for m, proposal in zip(p, q, strict=True))
    return 1 - (1 - beta) ** k >= accepts("rrs", p, q, k)


def rrs_beats_nss_with_one_more(p: Distribution, q: Distribution, k: int) -> bool:
    return accepts("rrs", p, q, k) >= accepts("nss", p, q, k + 1)


def promise_of_nine_tenths(p: Distribution, q: Distribution, k: int) -> bool:
    return hockey_stick.kseq_accepts(p, q, k, Fraction(9, 10) * max_acceptance(p, q, k, "iid"))


def rrs_share_raised(p: Distribution, q: Distribution, k: int) -> bool:
    """24/27 for RRS, the share of K-SEQ."""
    return accepts("rrs", p, q, k) >= Fraction(24, 27) * max_acceptance(p, q, k, "iid")


def worst_target_on_one_token(p: Distribution, q: Distribution, k: int) -> bool:
    good, bad = hit(q, k, "iid"), hit(q, k, "greedy")
    return checks.worst_target(q, k, "iid", "greedy")[0] <= max(
        [Fraction(0), *(good[A] - bad[A] for A in good if len(A) == 1)]
    )


def every_target_is_covered(p: Distribution, q: Distribution, k: int) -> bool:
    return accepts("rrs", p, q, k) == hit(q, k, "iid")[frozenset(y for y, m in enumerate(p) if m > 0)]


def one_token_is_enough(p: Distribution, q: Distribution, k: int) -> bool:
    call = exact_call(trees.everywhere(p, q), chain(2), trees.GreedyBlock())
    return bool(call.is_lossless == (call.distance(1) == 0))


def tokens_are_enough(p: Distribution, q: Distribution, k: int) -> bool:
    pair = trees.everywhere(p, q)
    return bool(tree_optimum(pair, chain(2)).value == exact_call(pair, chain(2), NodeByNode("naive")).value)


class DraftsForB(BorderPath):
    """Takes the draft distribution for that of the chosen token."""

    def choice(self, tree: Drafted, place: Place, w: Any) -> Choice:
        return Choice(tree.q[place[0]], super().choice(tree, place, w).children)


def own_b_is_best(p: Distribution, q: Distribution, k: int) -> bool:
    fair, own = (trees.gained(p, q, k, IID(), density) for density in (fairest_density, best_density))
    return all(a <= b for a, b in zip(fair, own, strict=True))


def earliest_without_replacement(p: Distribution, q: Distribution, k: int) -> bool:
    return exact(by_name("border", k).with_drafts("without_replacement"), p, q).is_lossless


def _at_least(q: Distribution, n: int, share: Fraction) -> bool:
    return sum(sorted(q)[-n:]) >= share


TWINS: tuple[Theorem, ...] = (
    Theorem("T1", "alpha = 1 + min of p(H) - Q(H) over sets H of at most one token", "fewer sets", single_tokens_cut),
    Theorem("T2", "an optimal H is a prefix for top_k drafts too", "hypothesis dropped", prefix_for_top_k),
    Theorem(
        "T3",
        "the hub dominates two iid drafts if q(a) >= 2/5",
        "1/2 moved to 2/5",
        checks.hub_dominates_iid,
        lambda p, q, k: k == 2 and max(q) >= Fraction(2, 5),
    ),
    Theorem(
        "T4",
        "the hub dominates if (1 - q(a)) (2 - q(x)) <= 21/20",
        "1 moved to 21/20",
        moved_border,
        lambda p, q, k: k == 2,
    ),
    Theorem(
        "T5",
        "k tokens of positive q are enough for greedy hubs to lose somewhere",
        "k + 1 moved to k",
        checks.hub_loses_somewhere,
        lambda p, q, k: k >= 2 and sum(m > 0 for m in q) >= k,
    ),
    Theorem("T6", "k drafts without replacement do as well as k + 1 iid drafts", "one draft moved", one_draft_more),
    Theorem("T7", "RRS is lossless with drafts without replacement", "own drafts dropped", rrs_takes_any_drafts),
    Theorem(
        "T8",
        "greedy hubs dominate if q(Top) >= 1/2, for every k",
        "1 - 1/k moved to 1/2",
        lambda p, q, k: max_acceptance(p, q, k, "greedy") >= max_acceptance(p, q, k, "iid"),
        lambda p, q, k: k >= 3 and _at_least(q, k - 1, Fraction(1, 2)),
    ),
    Theorem("T9", "RRSw with k drafts does as well as RRS with k + 1", "one draft moved", rrsw_beats_one_more),
    Theorem("T10", "K-SEQ at rho = k accepts at least as much as RRS", "the root dropped", kseq_at_k_beats_rrs),
    Theorem("T11", "K-SEQ accepts at least 9/10 of the optimum", "the constant moved to 9/10", promise_of_nine_tenths),
    Theorem("T12", "RRS accepts at least 24/27 of the optimum", "23/27 moved to 24/27", rrs_share_raised),
    Theorem("T13", "the worst target can be taken on one token", "larger A dropped", worst_target_on_one_token),
    Theorem("T14", "RRS accepts Pr(iid drafts hit A) on any target on A", "q given A dropped", every_target_is_covered),
    Theorem("T15", "RRS with k drafts does as well as NSS with k + 1", "one draft moved", rrs_beats_nss_with_one_more),
    Theorem("T16", "a call is lossless if its first token is right", "later tokens dropped", one_token_is_enough),
    Theorem("T17", "the best verifier of a chain accepts token by token", "the block dropped", tokens_are_enough),
    Theorem(
        "T18",
        "a path is lossless when it is verified with b = q",
        "b of the chosen token dropped",
        lambda p, q, k: trees.path_is_between(p, q, k, DraftsForB),
        lambda p, q, k: len(p) <= 3 and k == 2,
    ),
    Theorem("T19", "Border's own b is best for every concave G", "fairness dropped", own_b_is_best),
    Theorem(
        "T20",
        "different drafters: an optimal H is the prefix by p over the mix in which q_j has the weight q_j(H)",
        "own masses in the place of the others'",
        lambda p, q, k: different_drafters.largest_set_is_a_prefix(p, q, k, list),
        lambda p, q, k: k >= 2,
    ),
    Theorem(
        "T21",
        "the rule for iid drafts, the earliest of the best block, is lossless with drafts without replacement too",
        "hand-over dropped",
        earliest_without_replacement,
    ),
)


@dataclass(frozen=True)
class Attack:
    """What the seeded search met."""

    checked: int
    """Instances on which the statement was tested, its assumptions being met."""
    refuted_by: tuple[Instance, int] | None
    """The first instance that refutes the statement, and k; None when all held."""


def trials(count: int, seed: int) -> Iterator[tuple[Instance, int]]:
    """Instances of the family with k = 2 and 3."""
    for instance in family(count, seed):
        yield instance, 2
        yield instance, 3


def attack(statement: Theorem, count: int, seed: int = 0) -> Attack:
    """Test a theorem or a twin on `count` seeded distribution pairs, until it fails."""
    checked = 0
    for instance, k in trials(count, seed):
        if statement.applies(instance.p, instance.q, k):
            checked += 1
            if not statement.holds(instance.p, instance.q, k):
                return Attack(checked, (instance, k))
    return Attack(checked, None)
