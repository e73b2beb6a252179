"""The theorems of MATH section 5 as exact checks, and the false statements nearby with their counterexamples.

`holds` is an equality or an order of rationals, no tolerance. A theorem with an assumption holds trivially where the
assumption fails, so `applies` says whether the instance tests anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from spechub_lp import samplers
from spechub_lp.drafts.top_k import most_likely
from spechub_lp.faces import exact
from spechub_lp.otm import cut
from spechub_lp.otm.optimum import optimum
from spechub_lp.tuples import rational_row

Law = Sequence[Fraction]
Check = Callable[[Law, Law, int], bool]


@dataclass(frozen=True)
class Theorem:
    id: str
    statement: str
    source: str
    holds: Check
    """(p, q, k) -> whether the statement holds there, exactly."""
    applies: Check = lambda p, q, k: True
    """(p, q, k) -> whether the assumptions are met there."""


def alpha(p: Law, q: Law, k: int, drafts: str) -> Fraction:
    """The certified optimum of a draft policy."""
    return optimum(p, q, k, drafts).alpha


def tops(q: Law, n: int) -> list[int]:
    """The n most likely tokens; lowest index wins ties, and with too small a support the first repeats."""
    return most_likely(rational_row(q), n)[0].tolist()


def one_hot(length: int, token: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(y == token) for y in range(length))


# T1, T2: one optimum


def four_ways_agree(p: Law, q: Law, k: int) -> bool:
    policies = ["iid", "without_replacement", "greedy", "top_k", *(["hub"] if k == 2 else [])]
    row, draft = rational_row(p)[0], rational_row(q)
    return all(
        alpha(p, q, k, name)
        == optimum(p, q, k, name, method="flow").alpha
        == cut.over_subsets(row, draft, optimum(p, q, k, name).drafts, k)[0]
        for name in policies
    )


def prefix_is_optimal(p: Law, q: Law, k: int) -> bool:
    row, draft = rational_row(p)[0], rational_row(q)
    return all(
        cut.over_prefixes(row, draft, optimum(p, q, k, name).drafts, k)[0] == alpha(p, q, k, name)
        for name in cut.PREFIX_POLICIES
    )


# T3, T4, T8: dominance of the hub, and of greedy hubs, over iid drafts


def hub_dominates_iid(p: Law, q: Law, k: int = 2) -> bool:
    return alpha(p, q, 2, "hub") >= alpha(p, q, 2, "iid")


def beyond_border(q: Law, k: int) -> list[int]:
    """Tokens x outside Top, q(x) > 0, with (1 - q(Top)) (1 + (1-q(x)) + ... + (1-q(x))^(k-1)) > 1."""
    top = set(tops(q, k - 1))
    rest = 1 - sum(q[y] for y in top)
    return [x for x, m in enumerate(q) if x not in top and m > 0 and rest * sum((1 - m) ** j for j in range(k)) > 1]


def sharp_border(p: Law, q: Law, k: int) -> bool:
    """Inside the border greedy hubs dominate at p; beyond it at x, the target that sits on x is a counterexample."""
    beyond = beyond_border(q, k)
    if not beyond:
        return alpha(p, q, k, "greedy") >= alpha(p, q, k, "iid")
    return all(alpha(one_hot(len(q), x), q, k, "greedy") < alpha(one_hot(len(q), x), q, k, "iid") for x in beyond)


# T5, T6, T7


def hub_loses_somewhere(p: Law, q: Law, k: int) -> bool:
    """A target on any token outside Top is served better by drafts without replacement."""
    top = set(tops(q, k - 1))
    targets = [one_hot(len(q), x) for x, m in enumerate(q) if x not in top and m > 0]
    return all(alpha(t, q, k, "greedy") < alpha(t, q, k, "without_replacement") for t in targets)


def orders_and_ends(p: Law, q: Law, k: int) -> bool:
    iid, wor = (alpha(p, q, k, name) for name in cut.PREFIX_POLICIES)
    longer = [alpha(p, q, k + 1, name) for name in cut.PREFIX_POLICIES]
    single = sum(map(min, p, q))
    return (
        wor >= iid
        and longer[0] >= iid
        and longer[1] >= wor
        and alpha(p, q, 1, "iid") == alpha(p, q, 1, "without_replacement") == single
        and alpha(q, q, k, "iid") == 1
    )


def nothing_beats_optimum(p: Law, q: Law, k: int) -> bool:
    for sampler in samplers.ALL:
        if k == 2 or sampler.name not in ("spechub", "two_step"):
            c = exact(samplers.by_name(sampler.name, k), p, q)
            if not c.is_lossless or not c.acceptance <= c.membership <= alpha(p, q, k, sampler.drafts.name):
                return False
    return True


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
)


@dataclass(frozen=True)
class Counterexample:
    """A false statement "left >= right for every p" and the law pair that refutes it."""

    statement: str
    p: tuple[Fraction, ...]
    q: tuple[Fraction, ...]
    left: Callable[[Law, Law], Fraction]
    right: Callable[[Law, Law], Fraction]

    @property
    def values(self) -> tuple[Fraction, Fraction]:
        """The two sides at (p, q); the left one is smaller."""
        return self.left(self.p, self.q), self.right(self.p, self.q)


def _accepts(name: str) -> Callable[[Law, Law], Fraction]:
    return lambda p, q: exact(samplers.by_name(name), p, q).acceptance


def _best(drafts: str) -> Callable[[Law, Law], Fraction]:
    return lambda p, q: alpha(p, q, 2, drafts)


def _laws(p: Any, q: Any) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    return tuple(Fraction(v) for v in p.split()), tuple(Fraction(v) for v in q.split())


_T5 = _laws("0 1/5 4/5", "3/5 3/10 1/10")
_BELOW = _laws(".41626 .29052 .0519 .07658 .16474", ".13172 .1612 .26083 .28605 .1602")
_HUB_ONLY = _laws("1 0 0", "1/3 1/3 1/3")

FALSE: tuple[Counterexample, ...] = (
    Counterexample("spechub >= rrsw", *_T5, _accepts("spechub"), _accepts("rrsw")),
    Counterexample("spechub >= OTM without replacement", *_T5, _accepts("spechub"), _best("without_replacement")),
    Counterexample("spechub >= rrs when q(a) < 1/2", *_BELOW, _accepts("spechub"), _accepts("rrs")),
    Counterexample("OTM without replacement >= spechub", *_HUB_ONLY, _best("without_replacement"), _accepts("spechub")),
    Counterexample("greedy >= OTM without replacement", *_T5, _best("greedy"), _best("without_replacement")),
)
