"""The theorems of theory/ as exact checks.

`holds` is an equality or an order of rationals, no tolerance. A theorem with an assumption holds trivially where the
assumption fails, so `applies` says whether the instance tests anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from spechub_lp import drafts as policies
from spechub_lp import samplers
from spechub_lp._array.rational import rational_row
from spechub_lp._util import renamed
from spechub_lp.coupling import plain
from spechub_lp.exact import exact
from spechub_lp.optimum import subsets as sets
from spechub_lp.optimum.solve import optimum
from spechub_lp.theorems import different_drafters, hockey_stick, trees
from spechub_lp.theorems.quantities import Distribution, accepts, hit, max_acceptance, one_hot, restricted, tops

__getattr__ = renamed.attributes(__name__, {"alpha": "max_acceptance"})

Check = Callable[[Distribution, Distribution, int], bool]


@dataclass(frozen=True)
class Theorem:
    """A statement about every (p, q, k), as an exact check on one of them.

    Examples
    --------
    >>> (theorem,) = [theorem for theorem in ALL if theorem.id == "T9"]
    >>> theorem.holds((Fraction(1, 2), Fraction(1, 2)), (Fraction(1, 4), Fraction(3, 4)), 2)
    True
    """

    id: str
    statement: str
    source: str
    holds: Check
    """(p, q, k) -> whether the statement holds there, exactly."""
    applies: Check = lambda p, q, k: True
    """(p, q, k) -> whether the assumptions are met there."""


# T1, T2: one optimum


PREFIX_POLICIES = tuple(policy.name for policy in policies.ALL if policy.prefix_is_optimal)


def four_ways_agree(p: Distribution, q: Distribution, k: int) -> bool:
    """T1."""
    policies = ["iid", "without_replacement", "greedy", "top_k", *(["hub"] if k == 2 else [])]
    row, draft = rational_row(p)[0], rational_row(q)
    return all(
        max_acceptance(p, q, k, name)
        == optimum(p, q, k, name, method="flow").alpha
        == sets.over_subsets(row, draft, optimum(p, q, k, name).drafts, k)[0]
        for name in policies
    )


def prefix_is_optimal(p: Distribution, q: Distribution, k: int) -> bool:
    """T2."""
    row, draft = rational_row(p)[0], rational_row(q)
    return all(
        sets.over_prefixes(row, draft, optimum(p, q, k, name).drafts, k)[0] == max_acceptance(p, q, k, name)
        for name in PREFIX_POLICIES
    )


# T3, T4, T8: dominance of the hub, and of greedy hubs, over iid drafts


def hub_dominates_iid(p: Distribution, q: Distribution, k: int = 2) -> bool:
    """T3."""
    return max_acceptance(p, q, 2, "hub") >= max_acceptance(p, q, 2, "iid")


def beyond_border(q: Distribution, k: int) -> list[int]:
    """Return the tokens x outside Top, q(x) > 0, with (1 - q(Top)) (1 + (1-q(x)) + ... + (1-q(x))^(k-1)) > 1.

    Parameters
    ----------
    q : [V]
        Draft distribution.
    k
        Number of drafts; Top is its k - 1 most likely tokens.

    Returns
    -------
    list of int
        The tokens.

    Examples
    --------
    >>> beyond_border((Fraction(2, 5), Fraction(2, 5), Fraction(1, 5)), 2)
    [2]
    """
    top = set(tops(q, k - 1))
    rest = 1 - sum(q[y] for y in top)
    return [x for x, m in enumerate(q) if x not in top and m > 0 and rest * sum((1 - m) ** j for j in range(k)) > 1]


def sharp_border(p: Distribution, q: Distribution, k: int) -> bool:
    """T4, T8: within the border greedy hubs dominate at p; beyond it at x, the target on x is a counterexample."""
    beyond = beyond_border(q, k)
    if not beyond:
        return max_acceptance(p, q, k, "greedy") >= max_acceptance(p, q, k, "iid")
    return all(
        max_acceptance(one_hot(len(q), x), q, k, "greedy") < max_acceptance(one_hot(len(q), x), q, k, "iid")
        for x in beyond
    )


# T5, T6, T7


def hub_loses_somewhere(p: Distribution, q: Distribution, k: int) -> bool:
    """T5: a target on any token outside Top is covered better by drafts without replacement."""
    top = set(tops(q, k - 1))
    targets = [one_hot(len(q), x) for x, m in enumerate(q) if x not in top and m > 0]
    return all(max_acceptance(t, q, k, "greedy") < max_acceptance(t, q, k, "without_replacement") for t in targets)


def orders_and_ends(p: Distribution, q: Distribution, k: int) -> bool:
    """T6."""
    iid, wor = (max_acceptance(p, q, k, name) for name in PREFIX_POLICIES)
    longer = [max_acceptance(p, q, k + 1, name) for name in PREFIX_POLICIES]
    single = sum(map(min, p, q))
    return (
        wor >= iid
        and longer[0] >= iid
        and longer[1] >= wor
        and max_acceptance(p, q, 1, "iid") == max_acceptance(p, q, 1, "without_replacement") == single
        and max_acceptance(q, q, k, "iid") == 1
    )


def nothing_beats_optimum(p: Distribution, q: Distribution, k: int) -> bool:
    """T7."""
    for sampler in samplers.ALL:
        if k == 2 or sampler.name not in ("spechub", "two_step"):
            c = exact(samplers.by_name(sampler.name, k), p, q)
            if not c.is_lossless or not c.acceptance <= c.membership <= max_acceptance(p, q, k, sampler.drafts.name):
                return False
    return True


def border_is_optimal(p: Distribution, q: Distribution, k: int) -> bool:
    """T21."""
    for name in ("border", "border_wor"):
        sampler = samplers.by_name(name, k)
        c = exact(sampler, p, q)
        if not (c.is_lossless and c.acceptance == max_acceptance(p, q, k, sampler.drafts.name)):
            return False
    return True


# T9 to T12: the practical rules compared


def rrsw_beats_rrs(p: Distribution, q: Distribution, k: int) -> bool:
    """T9."""
    return accepts("rrsw", p, q, k) >= accepts("rrs", p, q, k)


def kseq_beats_rrs(p: Distribution, q: Distribution, k: int) -> bool:
    """T10: K-SEQ at its root; and RRS covers p up to the level g_k that the proof says."""
    rrs = accepts("rrs", p, q, k)
    covered = 1 - hockey_stick.hockey_stick(p, q, hockey_stick.rrs_level(p, q, k))
    return rrs == covered and hockey_stick.kseq_accepts(p, q, k, rrs)


def rrs_beats_nss(p: Distribution, q: Distribution, k: int) -> bool:
    """T15."""
    return accepts("rrs", p, q, k) >= accepts("nss", p, q, k)


def promise_is_kept(p: Distribution, q: Distribution, k: int) -> bool:
    """T11."""
    least = hockey_stick.promise(k) * max_acceptance(p, q, k, "iid")
    return accepts("rrs", p, q, k) >= least and accepts("kseq", p, q, k) >= least


def sharp_shares_are_kept(p: Distribution, q: Distribution, k: int) -> bool:
    """T12."""
    best = max_acceptance(p, q, k, "iid")
    rrs = accepts("rrs", p, q, k)
    return hockey_stick.keeps_sharp_rrs_share(rrs, best, k) and hockey_stick.kseq_accepts(
        p, q, k, hockey_stick.sharp_kseq_share(k) * best
    )


# T13, T14: the worst target


def worst_target(
    q: Distribution, k: int, better: str, worse: str
) -> tuple[Fraction, frozenset[int], tuple[Fraction, ...]]:
    """Return the largest advantage of one draft policy's optimum over another's, and the target where it is.

    The value is max over A of f_better(A) - f_worse(A) (theory/T13_worst_target), with f(A) the probability that some
    draft is in A. p covers the tokens of A, one after the other, as far as the better drafts allow, and puts the rest
    on the first of them.

    Parameters
    ----------
    q : [V]
        Draft distribution.
    k
        Number of drafts.
    better, worse
        Names of the two policies.

    Returns
    -------
    value, A, p [V]
        The advantage, the token set that attains it, and the target.

    Examples
    --------
    >>> worst_target((Fraction(3, 5), Fraction(2, 5)), 2, "without_replacement", "iid")[0]
    Fraction(9, 25)
    """
    good, bad = hit(q, k, better), hit(q, k, worse)
    A = max((A for A in good if A), key=lambda A: (good[A] - bad[A], sorted(A)))
    p, done = [Fraction(0)] * len(q), frozenset[int]()
    for y in sorted(A, reverse=True):
        p[y] = good[done | {y}] - good[done]
        done |= {y}
    p[min(A)] += 1 - good[A]
    return good[A] - bad[A], A, tuple(p)


def worst_target_is_attained(p: Distribution, q: Distribution, k: int) -> bool:
    """T13."""
    for better, worse in (("iid", "greedy"), ("without_replacement", "greedy"), ("greedy", "without_replacement")):
        most, _, at = worst_target(q, k, better, worse)
        gaps = [_cut(target, q, k, better) - _cut(target, q, k, worse) for target in (p, at)]
        if not gaps[0] <= most == gaps[1]:
            return False
    return True


def _cut(p: Distribution, q: Distribution, k: int, drafts: str) -> Fraction:
    found: Fraction = plain(sets.over_subsets(rational_row(p)[0], rational_row(q), policies.by_name(drafts), k)[0])
    return found


def restricted_targets_are_covered(p: Distribution, q: Distribution, k: int) -> bool:
    """T14: on q given A, with A the tokens of positive p."""
    A = frozenset(y for y, m in enumerate(p) if m > 0)
    if not sum(q[y] for y in A):
        return True
    target = restricted(q, A)
    iid, wor = hit(q, k, "iid")[A], hit(q, k, "without_replacement")[A]
    rules = accepts("rrs", target, q, k) == iid and accepts("rrsw", target, q, k) == wor
    return rules and hockey_stick.kseq_accepts(target, q, k, iid)


ALL: tuple[Theorem, ...] = (
    Theorem(
        "T1",
        "full program = compact program = maximum flow = 1 + min over H of p(H) - Q(H)",
        "Sun et al., SpecTr, arXiv 2310.15141; SpecHub, arXiv 2411.05289; Hu et al., arXiv 2502.18779",
        four_ways_agree,
    ),
    Theorem(
        "T2",
        "for iid drafts and drafts without replacement an optimal H is a prefix of the tokens sorted by p/q",
        "Hu et al., arXiv 2502.18779 (q-convexity)",
        prefix_is_optimal,
    ),
    Theorem(
        "T3",
        "dominance: if q(a) >= 1/2, the hub's optimum is at least that of two iid drafts, for every p",
        "SpecHub, arXiv 2411.05289",
        hub_dominates_iid,
        lambda p, q, k: k == 2 and max(q) >= Fraction(1, 2),
    ),
    Theorem(
        "T4",
        "the sharp border: the hub dominates iid for every p iff (1 - q(a)) (2 - q(x)) <= 1 for every other x drafted",
        "this project, theory/dominance",
        sharp_border,
        lambda p, q, k: k == 2,
    ),
    Theorem(
        "T5",
        "with k >= 2 drafts and more than k tokens of positive q, greedy hubs never dominate drafts without replacement"
        " for every p",
        "this project, theory/dominance",
        hub_loses_somewhere,
        lambda p, q, k: k >= 2 and sum(m > 0 for m in q) >= k + 1,
    ),
    Theorem(
        "T6",
        "without replacement >= iid; both grow with k; one draft gives sum min(p, q); p = q gives 1",
        "Hu et al., arXiv 2502.18779; Leviathan et al., arXiv 2211.17192",
        orders_and_ends,
    ),
    Theorem(
        "T7",
        "every sampler with its own drafts is lossless and accepts at most the optimum of its drafts",
        "SpecTr, arXiv 2310.15141, section 4",
        nothing_beats_optimum,
    ),
    Theorem(
        "T8",
        "greedy hubs dominate k iid drafts for every p iff (1 - q(Top)) (1 + (1-q(x)) + ... + (1-q(x))^(k-1)) <= 1",
        "this project, theory/dominance",
        sharp_border,
    ),
    Theorem(
        "T9",
        "RRSw accepts at least as much as RRS, for every p, q and k",
        "this project, theory/T9_rrsw_beats_rrs",
        rrsw_beats_rrs,
    ),
    Theorem(
        "T10",
        "K-SEQ at its root accepts at least as much as RRS, for every p, q and k",
        "this project, theory/T10_kseq_beats_rrs",
        kseq_beats_rrs,
    ),
    Theorem(
        "T11",
        "K-SEQ and RRS accept at least 1 - (1 - 1/k)^k of the optimum of iid drafts",
        "K-SEQ: SpecTr, arXiv 2310.15141; RRS: this project, theory/T11_promise",
        promise_is_kept,
    ),
    Theorem(
        "T12",
        "sharp shares of the optimum of iid drafts: K-SEQ 8/9 and RRS 23/27 for k = 2, RRS 3/4 for every k",
        "this project, theory/T11_promise",
        sharp_shares_are_kept,
    ),
    Theorem(
        "T13",
        "the largest advantage of drafts X over drafts Y, over all p, is max over A of Pr(X hits A) - Pr(Y hits A)",
        "this project, theory/T13_worst_target",
        worst_target_is_attained,
    ),
    Theorem(
        "T14",
        "on the target q given A, RRS and K-SEQ accept Pr(iid drafts hit A), and RRSw the same without replacement",
        "this project, theory/T13_worst_target",
        restricted_targets_are_covered,
    ),
    Theorem(
        "T15",
        "RRS accepts at least as much as target-only sampling of the same iid drafts, for every p, q and k",
        "this project, theory/T10_kseq_beats_rrs",
        rrs_beats_nss,
    ),
    Theorem(
        "T16",
        "a loop of calls is lossless iff M(c y) = R(c) p(y|c) for every accepted context c and every token y",
        "this project, theory/trees",
        trees.lossless_calls_are_seen,
        lambda p, q, k: k == 2,
    ),
    Theorem(
        "T17",
        "tree program = least price of its contexts; one level: the optimum of a node; a chain: block verification",
        "this project, theory/trees; chains: Sun et al., arXiv 2403.10444; Thomas and Pal, arXiv 2602.16961",
        trees.tree_programs_agree,
        lambda p, q, k: len(p) <= 3,
    ),
    Theorem(
        "T18",
        "a path chosen by Border and verified as a block is lossless, and not below Border node by node",
        "this project, theory/trees",
        trees.path_is_between,
        lambda p, q, k: len(p) <= 3 and k == 2,
    ),
    Theorem(
        "T19",
        "the fairest b maximizes sum p G(b/p) over Border's polymatroid for every concave G that is linear up to 1",
        "this project, theory/trees",
        trees.fairest_is_best,
    ),
    Theorem(
        "T20",
        "different drafters: an optimal H is the prefix by p over a mix of the q_j, whose weights are the other q_i(H)",
        "this project, theory/T20_different_drafters",
        different_drafters.set_is_a_prefix,
    ),
    Theorem(
        "T21",
        "Border's rule is lossless and reaches the optimum, for iid drafts and for drafts without replacement",
        "this project, theory/border; iid drafts: Border, Econometrica 59 (1991); Khisti et al., arXiv 2410.18234",
        border_is_optimal,
    ),
)
