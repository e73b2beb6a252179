"""What an engine keeps: targets that meet several draft distributions and the other way round, in turn and late.

Problems so far came one after the other, each with numbers of its own. A cache under a key that says too little, a
buffer that is not cleared, a penalty that grows show when calls of several problems alternate, or after many calls.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from spechub_lp.gate.checks.measured import NodeDistribution
from spechub_lp.gate.checks.node_exact import MOST_UNEXPLAINED, failure_on, node_case, reproducible
from spechub_lp.gate.checks.policy import MOST_CALLS, Look, second_look
from spechub_lp.gate.checks.streams import watch
from spechub_lp.gate.clock import now
from spechub_lp.gate.engines.node import Hung, NodeEngine
from spechub_lp.gate.noise.choice_sequence import Run, Uncontrolled
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.results import Finding, Kind, Level, Report
from spechub_lp.gate.search.thresholds import Call, Distributions, Evaluate, Explorer, OutOfTime
from spechub_lp.gate.settings import Settings
from spechub_lp.gate.statistics.sequential import odds

SHARE = 0.15
"""Of the time."""
NEAR = 1e-4
"""How far a target lies from another that a key of rounded numbers takes it for."""
MOST_TRIED = 60
"""Calls until one of them puts out what the one before puts out mostly."""
ALTERNATING = 6000
"""Calls on real noise, each on another problem than the one before."""


def crossed(problems: Sequence[Problem]) -> list[Problem]:
    """Choose two problems of one vocabulary, and cross them: the target of each with the drafts of the other.

    One more has a target that is NEAR that of the first, and the drafts of the first.

    Parameters
    ----------
    problems
        To choose from.

    Returns
    -------
    list of Problem
        Five, or none where no two fit.

    Examples
    --------
    >>> from spechub_lp.gate.problems.node import problems
    >>> [problem.name for problem in crossed(problems("iid", 2))][:3:2]
    ['q is p reversed', 'p of q is p reversed, q of zeros in p']
    """
    found = [(a, b) for i, a in enumerate(problems) for b in problems[:i] if _fit(a, b)]
    if not found:
        return []
    b, a = found[0]
    swapped = [Problem(f"p of {x.name}, q of {y.name}", x.p, y.q, x.k, x.drafts) for x, y in ((a, b), (b, a))]
    near = Problem(f"p near that of {a.name}", _moved(a), a.q, a.k, a.drafts)
    return [a, b, *swapped, near]


def _moved(problem: Problem) -> tuple[float, ...]:
    """Move a little mass to an entry of the residual, if it can be so that three decimals do not show it."""
    p, V = problem.p, problem.vocabulary
    gains = np.flatnonzero(problem.target > problem.drafted).tolist() or range(V)

    def moved(i: int, j: int) -> tuple[float, ...]:
        return tuple(v + NEAR * (int(n == j) - int(n == i)) for n, v in enumerate(p))

    tried = [moved(i, j) for i, j in itertools.product(range(V), gains) if i != j and p[i] > NEAR]
    return next((near for near in tried if np.array_equal(np.round(near, 3), np.round(p, 3))), tried[0])


def _fit(a: Problem, b: Problem) -> bool:
    """Whether two problems can exchange their draft distributions, and something is left to do when they have."""
    flat = [v for rows in (a.q, b.q) for v in (rows if not isinstance(rows[0], tuple) else sum(rows, ()))]
    return a.vocabulary == b.vocabulary and a.k == b.k and a.p != b.p and a.q != b.q and min(flat) > 0


def check_memory(
    engine: NodeEngine, problems: Sequence[Problem], report: Report, settings: Settings, *, exact: bool
) -> None:
    """Try crossed problems in turn: their exact distributions, bets on real noise, and the first problem again, late.

    Parameters
    ----------
    engine
        The plain function.
    problems
        Two of these are crossed.
    report
        Is added to.
    settings
        How hard to look.
    exact
        Whether the engine has exact distributions.

    Examples
    --------
    >>> report = Report("verify", "node", "iid", 1)
    >>> engine = NodeEngine(lambda p, q, drafts: (drafts[0], 0))
    >>> check_memory(engine, [], report, Settings(), exact=True)  # no two problems to cross
    >>> report.findings
    []
    """
    todo = crossed(problems)
    deadline = now() + SHARE * settings.seconds
    if not todo:
        return
    in_turn = _in_turn(engine, todo)
    if exact:
        _exactly(in_turn, todo, report, settings, deadline, "while problems alternate")
    elif engine.together == 1:  # the calls of a batch do not come one after the other
        _after_an_output(engine, todo[0], report, settings, deadline)
    if not report.proved:
        _alternating(engine, todo, report, settings, deadline)
    if exact and not report.proved:
        _exactly(in_turn, todo[:1], report, settings, deadline, f"after {engine.calls:,} calls")


def _in_turn(engine: NodeEngine, todo: Sequence[Problem]) -> Evaluate:
    """Calls on the problems whose places come with the drafts."""

    def evaluate(calls: list[Call]) -> list[Run]:
        turns = itertools.groupby(calls, key=lambda call: call[0][0])
        return [run for i, some in turns for run in engine.controlled(todo[i], [(x, *rest) for (_, x), *rest in some])]

    return evaluate


def _after_an_output(engine: NodeEngine, problem: Problem, report: Report, settings: Settings, deadline: float) -> None:
    """The distribution of what comes after a certain output, for an engine that remembers its last output.

    Before each call comes one of the same problem, on noise of its own, whose output is always the same. What a
    lossless engine puts out then has distribution p. Noise that is left from the call before shows as calls that are
    not reproducible, and then bets on real noise decide.
    """
    rng = np.random.default_rng([settings.seed, 79])
    drafts = problem.tuples[int(np.argmax(problem.mass))]

    def pair(x: Any, *rest: Any) -> tuple[Run, Run]:
        if now() > deadline:
            raise OutOfTime("the budget ended")
        before, after = engine.controlled(problem, [(drafts, (), rng), (x, *rest)])
        return before, after

    def evaluate(calls: list[Call]) -> list[Run]:
        found = []
        for (_, x), *rest in calls:
            tried = (pair(x, *rest) for _ in range(MOST_TRIED))
            after = next((after for before, after in tried if before.outcome == usual), None)
            if after is None:
                raise Uncontrolled(f"{usual} did not come again")
            found.append(after)
        return found

    try:
        first = engine.controlled(problem, [(drafts, (), rng)] * MOST_TRIED)
        outcomes = Counter(run.outcome for run in first)
        usual = max(outcomes, key=lambda outcome: outcomes[outcome])
        reproducible(lambda calls: evaluate([((0, x), *rest) for x, *rest in calls]), problem)
    except (Hung, Uncontrolled):
        return
    _exactly(evaluate, [problem], report, settings, deadline, f"after a call that gave {usual}", coarse=True)


def _exactly(
    evaluate: Evaluate, todo: Sequence[Problem], report: Report, settings: Settings, deadline: float, when: str,
    coarse: bool = False,
) -> None:  # fmt: skip
    """The distributions of all of these problems, explored side by side."""
    keys = [(i, x) for i, problem in enumerate(todo) for x in problem.tuples]
    explorer = Explorer(evaluate, deadline=deadline, most_calls=MOST_CALLS * len(keys), coarse=coarse)
    try:
        found, roots = explorer.distributions(keys, seed=settings.seed, probes=8)
    except Hung as hung:
        report.findings.append(failure_on(*hung.case))
        return
    except Uncontrolled:
        return  # bets on real noise decide
    for i, problem in enumerate(todo):

        def build(found: Distributions, i: int = i, problem: Problem = problem) -> NodeDistribution:
            return NodeDistribution.build(problem, {x: found[i, x] for x in problem.tuples})

        own = [(j, x) for j, x in keys if j == i]
        first = Look(build(found), found, [root for root in roots if root.key[0] == i])
        if first.measured.unexplained > MOST_UNEXPLAINED:
            return
        look = second_look(first, explorer, own, problem.mass.tolist(), build, problem.name, report, settings.seed)
        if look is not None and look.measured.excess > 0:
            report.findings.append(_kept(problem, look.measured, when + look.reservation))
            return


def _kept(problem: Problem, found: NodeDistribution, when: str) -> Finding:
    text = (
        f"on {problem.name!r}, {when}, the output distribution is {found.distance:.6g} away from p: something is kept"
    )
    case = node_case(problem, problem.tuples[0])
    return Finding(Level.EXACT, Kind.BIAS, text, distance=found.distance, case=case, problem=problem.name)


def _alternating(
    engine: NodeEngine, todo: Sequence[Problem], report: Report, settings: Settings, deadline: float
) -> None:
    """Bets on real noise, each call on another problem than the one before."""
    stream = watch(
        engine, list(todo), {}, false_alarm=settings.false_alarm / 8, calls=min(ALTERNATING, settings.draws or 10**9),
        deadline=deadline, seed=settings.seed, block=engine.together,
    )  # fmt: skip
    if stream.failure:
        report.findings.append(failure_on(*stream.failure))
    elif stream.refuted:
        w, bet = stream.refuted
        text = f"on {w.problem.name!r}, while problems alternate, {bet.pointing} ({odds(bet.log_wealth)})"
        case: dict[str, Any] = node_case(w.problem, w.problem.tuples[0])
        report.findings.append(Finding(Level.STREAM, Kind.KEPT_NOISE, text, case=case, problem=w.problem.name))
