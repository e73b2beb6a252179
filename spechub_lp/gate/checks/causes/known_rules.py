"""Which known wrong rule an engine is: recursive rejection with one or two steps done otherwise.

Recursive rejection verifies the drafts in their order. With r the distribution that is left over (p at first) and q
the distribution of the draft x given the earlier drafts, it accepts x with probability min(1, r(x)/q(x)); after a
rejection the normalized (r - q)+ is left over; what is left over after the last draft is drawn from. A known wrong rule
is a choice of other steps, and its coupling is computed here with the same loop.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from spechub_lp._array import ops
from spechub_lp.coupling import Coupling
from spechub_lp.gate.checks.causes.signs import NEAR
from spechub_lp.gate.checks.measured import NodeDistribution
from spechub_lp.gate.problems.node import Problem
from spechub_lp.typing import Array

MOST_TOKENS, MOST_TUPLES = 16, 300
"""Problems up to this size are compared."""

RIGHT = ""
"""The step of recursive rejection itself."""


@dataclass(frozen=True)
class _At:
    """Where the loop stands: rows of N draft tuples, before one draft is verified or after all were."""

    left: Array
    """[N, V] what is left over, r."""
    q: Array
    """[N, V] the distribution of this draft given the earlier ones, as the rule takes it."""
    p: Array
    """[N, V] the target, as the rule takes it."""
    drafts: Array
    """[N] this draft, x."""

    def of_draft(self, rows: Array) -> Array:
        """[N] the entry of the draft in each row."""
        return ops.pick(rows, self.drafts)


Step = Callable[[_At], Array]


def _normalized(rows: Array) -> Array:
    """The rows over their sums; a row of zeros stays one."""
    return ops.normalize(rows, empty=ops.zero(rows))


def _over(a: Array, b: Array) -> Array:
    """[N] a/b, and 2 where b is 0: what is divided by 0 is accepted."""
    found: Array = np.where(b > 0, ops.ratio(a, b), 2.0)
    return found


def _top(rows: Array) -> Array:
    return ops.one_hot(rows, ops.argmax(rows))


def _filled_up(rows: Array) -> Array:
    """[N, V] what a row lacks of 1 is its last token's."""
    last = np.arange(rows.shape[-1]) == rows.shape[-1] - 1
    full: Array = rows + last * (1 - ops.total(rows))
    return full


TEMPERATURES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.25, 1.5, 2.0)

TARGETS: Mapping[str, Callable[[Array], Array]] = {
    RIGHT: lambda p: p,
    **{
        f"p is taken at {t:g} times its temperature": lambda p, t=t: _normalized(p ** (1 / t))  # type: ignore[misc]
        for t in TEMPERATURES
    },
    "p goes through a softmax again": lambda p: _normalized(np.exp(p)),
    "p is taken as its most likely token alone": _top,
}
CONDITIONALS: Mapping[str, Callable[[Array, Array], Array]] = {
    RIGHT: lambda q, drafts: q,
    "each draft is taken as drawn from the first draft's q": lambda q, drafts: np.broadcast_to(q[:1, :1], q.shape),
    **{
        f"q is taken at {t:g} times its temperature": lambda q, drafts, t=t: _normalized(q ** (1 / t))  # type: ignore[misc]
        for t in TEMPERATURES
    },
    "q goes through a softmax again": lambda q, drafts: _normalized(np.exp(q)),
    "q is taken as uniform": lambda q, drafts: np.full(q.shape, 1 / q.shape[-1]),
    "each draft is taken as certain": lambda q, drafts: np.eye(q.shape[-1])[drafts],
}
ACCEPTS: Mapping[str, Step] = {
    RIGHT: lambda at: _over(at.of_draft(at.left), at.of_draft(at.q)),
    "a draft is always accepted": lambda at: np.ones(len(at.drafts)),
    "a draft is accepted wherever its p is not 0": lambda at: (at.of_draft(at.left) > 0).astype(float),
    "a draft is accepted where its p is at least its q, and never elsewhere": lambda at: (
        at.of_draft(at.left) >= at.of_draft(at.q)
    ).astype(float),
    "a draft is accepted with p/q, not with what is left of p over q": lambda at: _over(
        at.of_draft(at.p), at.of_draft(at.q)
    ),
    "a draft is accepted with its p, without a division by q": lambda at: at.of_draft(at.left),
    "a draft is accepted with q/p": lambda at: _over(at.of_draft(at.q), at.of_draft(at.left)),
    "a draft is accepted with p/(p + q)": lambda at: _over(
        at.of_draft(at.left), at.of_draft(at.left) + at.of_draft(at.q)
    ),
}
ENDS: Mapping[str, Callable[[_At, Array], Array]] = {
    RIGHT: lambda at, before: at.left,
    "the last token is drawn from p, not from the residual": lambda at, before: at.p,
    "the last token is drawn from q": lambda at, before: at.q,
    "the last token is the most likely one of the residual, not a draw from it": lambda at, before: _top(at.left),
    "the last rejection is not subtracted": lambda at, before: before,
    "the last residual is not normalized, and what it lacks falls to the last token": lambda at, before: _filled_up(
        np.maximum(before - at.q, 0)
    ),
    "the last token is drawn uniformly": lambda at, before: np.ones_like(at.left),
}
RESIDUALS: Mapping[str, Step] = {
    RIGHT: lambda at: _normalized(np.maximum(at.left - at.q, 0)),
    "the residual is not normalized after a rejection": lambda at: np.maximum(at.left - at.q, 0),
    "the residual is |p - q|, not (p - q)+": lambda at: _normalized(np.abs(at.left - at.q)),
    "the residual is (q - p)+, the wrong way round": lambda at: _normalized(np.maximum(at.q - at.left, 0)),
    "q is not subtracted after a rejection": lambda at: at.left,
    "after a rejection only the draft itself is taken out of p": lambda at: _normalized(
        ops.without(at.left, at.drafts[:, None])
    ),
    "each residual starts from p again, not from what was left over": lambda at: _normalized(
        np.maximum(at.p - at.q, 0)
    ),
}
ORDERS: Mapping[str, Callable[[int], list[int]]] = {
    RIGHT: lambda k: list(range(k)),
    "only the first draft is verified": lambda k: [0],
    "the drafts are verified in the reversed order": lambda k: list(range(k))[::-1],
}
REPEATS: Mapping[str, bool] = {RIGHT: False, "a draft that came before is passed over": True}
UNIFORMS: Mapping[str, bool] = {RIGHT: False, "one uniform serves all drafts": True}

STEPS: tuple[Mapping[str, Any], ...] = (TARGETS, CONDITIONALS, ACCEPTS, ENDS, RESIDUALS, ORDERS, REPEATS, UNIFORMS)


@dataclass(frozen=True)
class KnownRule:
    """Recursive rejection with some steps done otherwise.

    Examples
    --------
    >>> KnownRule.with_steps({2: "a draft is always accepted"}).says
    'as recursive rejection, but a draft is always accepted'
    """

    steps: tuple[str, ...]
    """The name of each step, in the order of `STEPS`."""

    @classmethod
    def with_steps(cls, others: Mapping[int, str]) -> "KnownRule":
        """The rule with these steps, by their place in `STEPS`, and the others as they are in recursive rejection."""
        return cls(tuple(others.get(place, RIGHT) for place in range(len(STEPS))))

    @property
    def says(self) -> str:
        """The rule in words."""
        others = " and ".join(name for name in self.steps if name != RIGHT)
        return f"as recursive rejection, but {others}" if others else "recursive rejection itself"

    def coupling(self, problem: Problem) -> Coupling:
        """Return what the rule does with every draft tuple of a problem.

        Parameters
        ----------
        problem
            All of whose tuples are looked at.

        Returns
        -------
        Coupling
            Accept probabilities [N, k] and residuals [N, V] of the N tuples.
        """
        target, conditional, accept, end, residual, order, repeats, one_uniform = (
            table[name] for table, name in zip(STEPS, self.steps, strict=True)
        )
        tuples = np.asarray(problem.tuples)
        n, k = tuples.shape
        p = target(np.tile(problem.target, (n, 1)))
        q = conditional(problem.conditionals, tuples)
        left, reached, covered = p, np.ones(n), np.zeros(n)
        accepted = np.zeros((n, k))
        for slot in order(k):
            at = _At(left, q[:, slot], p, tuples[:, slot])
            verified = ~ops.repeated(tuples, slot) if repeats else np.ones(n, dtype=bool)
            chance = np.where(verified, np.clip(accept(at), 0, 1), 0.0)
            if one_uniform:
                accepted[:, slot] = np.maximum(chance - covered, 0)
                covered = np.maximum(covered, chance)
                reached = 1 - covered
            else:
                accepted[:, slot] = reached * chance
                reached = reached * (1 - chance)
            before, left = left, np.where(verified[:, None], residual(at), left)
        last = _normalized(end(_At(left, at.q, p, at.drafts), before))
        return Coupling(problem.target, tuples, problem.mass, accepted, reached[:, None] * last)


def known_rules() -> Iterator[KnownRule]:
    """Yield recursive rejection with one step done otherwise, and then with two.

    Yields
    ------
    KnownRule
        Each once.

    Examples
    --------
    >>> next(known_rules()).says.startswith("as recursive rejection, but ")
    True
    """
    others = [[name for name in table if name != RIGHT] for table in STEPS]
    for changed in (1, 2):
        for places in combinations(range(len(STEPS)), changed):
            for names in product(*(others[place] for place in places)):
                yield KnownRule.with_steps(dict(zip(places, names, strict=True)))


def nearest_rule(measured: Sequence[NodeDistribution]) -> str | None:
    """Name the known wrong rule that does the same as an engine on every problem that was measured.

    Parameters
    ----------
    measured
        What the engine does; problems that are too large are passed over.

    Returns
    -------
    str or None
        The rule with the fewest steps done otherwise; None where none does the same.

    Examples
    --------
    >>> from spechub_lp.gate.problems.node import Problem
    >>> from spechub_lp.gate.search.thresholds import Distribution
    >>> from spechub_lp.gate.engines.node import Emitted1
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> found = {(x,): Distribution({Emitted1(x, 0): 1.0}, {}, 0.0, 24) for x in (0, 1)}  # every draft is accepted
    >>> nearest_rule([NodeDistribution.build(problem, found)])
    'as recursive rejection, but a draft is always accepted'
    """
    small = [m for m in measured if m.problem.vocabulary <= MOST_TOKENS and len(m.problem.tuples) <= MOST_TUPLES]
    small = [m for m in small if not m.left_out]
    if not any(m.distance > m.slack for m in small):
        return None
    small.sort(key=lambda m: (len(m.problem.tuples), m.problem.name))
    return next((rule.says for rule in known_rules() if all(_same(rule, m) for m in small)), None)


def _same(rule: KnownRule, found: NodeDistribution) -> bool:
    """Whether both do the same with every draft tuple; a crash counts as any answer at all."""
    theirs, ours = found.coupling, rule.coupling(found.problem)
    missing = 1 - theirs.accept.sum(axis=1) - theirs.residual.sum(axis=1)
    answered = np.asarray(missing) < NEAR + found.unexplained
    slack = NEAR + found.unexplained
    return bool(
        answered.any()
        and np.abs(ours.accept - theirs.accept)[answered].max() < slack
        and np.abs(ours.residual - theirs.residual)[answered].max() < slack
    )
