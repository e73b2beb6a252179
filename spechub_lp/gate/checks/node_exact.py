"""Level 1 of a plain function: its exact distribution on one problem after the other."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from spechub_lp.gate.checks.diagnosis import explain
from spechub_lp.gate.checks.measured import NodeDistribution
from spechub_lp.gate.checks.policy import MOST_CALLS, NEVER, TOLERANCE, Look, Seen, impossible_leaves, second_look
from spechub_lp.gate.engines.node import Emitted1, Failure, Hung, NodeEngine
from spechub_lp.gate.noise.choice_sequence import DrawKind, Uncontrolled
from spechub_lp.gate.noise.interception import Generators
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.results import Finding, Kind, Level, Report, Row
from spechub_lp.gate.search.thresholds import Distribution, Distributions, Explorer, Node, OutOfTime
from spechub_lp.gate.settings import Settings

ENOUGH = 6
"""Exact distributions that make a pass when the time is up; the first ones in the list are the hardest."""
MOST_UNEXPLAINED = 0.02
"""Of the noise; with more, the regions found say nothing."""
BIASED_ENOUGH = 3
"""Problems with a bias after which no further one is tried."""


def exact_distributions(
    engine: NodeEngine,
    todo: Sequence[Problem],
    report: Report,
    settings: Settings,
    deadline: float,
    enough: int = ENOUGH,
) -> tuple[dict[str, dict[Any, Distribution]], str | None]:
    """Levels 0 and 1: the distributions that were found, by problem, and why draws must decide (None: they need not).

    enough: how many distributions make a pass when the time is up.
    """
    distributions: dict[str, dict[Any, Distribution]] = {}
    if Level.EXACT not in settings.levels:
        return distributions, "level 1 was not asked for"
    first = engine.warm_up(todo[0])
    if isinstance(first, Failure):
        report.findings.append(failure_on(todo[0], todo[0].tuples[0], first))
        return distributions, None
    generators = Generators()
    for problem in todo:

        def evaluate(calls: list[Any], problem: Problem = problem) -> Any:
            return engine.controlled(problem, calls)

        def build(found: Distributions, problem: Problem = problem) -> NodeDistribution:
            return NodeDistribution.build(problem, found)

        explorer = Explorer(evaluate, deadline=deadline, most_calls=MOST_CALLS * len(problem.tuples))
        try:
            _reproducible(evaluate, problem)
            found, roots = explorer.distributions(problem.tuples, seed=settings.seed)
        except Hung as hung:
            report.findings.append(failure_on(*hung.case))
            return distributions, None
        except OutOfTime as error:
            if len(report.rows) >= enough and time.monotonic() > deadline:
                left = ", ".join(repr(p.name) for p in todo[len(report.rows) :])
                report.findings.append(Finding(Level.EXACT, Kind.LEFT_OUT, f"for want of time: {left}", proof=False))
                break
            why = f"the exact distribution of {problem.name!r} takes too long: {error}; draws instead"
            report.findings.append(not_controlled(why))
            return distributions, why
        except Uncontrolled as error:
            report.findings.append(not_controlled(f"no exact distribution: {error}; draws instead"))
            return distributions, str(error)
        if moved := generators.moved():
            why = f"{', '.join(moved)} moved under controlled noise; no exact distribution, draws instead"
            report.findings.append(not_controlled(why))
            return {}, why
        first_look = Look(build(found), found, roots)
        if (unexplained := first_look.measured.unexplained) > MOST_UNEXPLAINED:
            why = f"on {problem.name!r} the regions found leave {unexplained:.2g} of the noise unexplained"
            report.findings.append(not_controlled(f"{why}; draws instead"))
            return distributions, why
        mass = problem.mass.tolist()
        look = second_look(first_look, explorer, problem.tuples, mass, build, problem.name, report, settings.seed)
        if look is None:
            continue
        distributions[problem.name] = look.found
        _judge(problem, look, report)
        if sum(row.distance > TOLERANCE for row in report.rows) >= BIASED_ENOUGH:
            break
    report.level = "level 1: the exact distribution, from controlled noise"
    report.levels = [Level.BOUNDARY, Level.EXACT]
    report.smallest_caught = TOLERANCE
    return distributions, None


def not_controlled(message: str) -> Finding:
    """The note that draws must decide."""
    return Finding(Level.EXACT, Kind.NOT_CONTROLLED, message, proof=False)


def failure_on(problem: Problem, drafts: tuple[int, ...], failure: Failure) -> Finding:
    """The finding of a call that failed."""
    text = f"on {problem.name!r}, drafts {drafts}: {failure.message}"
    return Finding(Level.BOUNDARY, failure.kind, text, case=node_case(problem, drafts), problem=problem.name)


def node_case(problem: Problem, drafts: Any, values: Any = None) -> dict[str, Any]:
    """The input of a call as JSON; values: the choices that it was given."""
    return {"problem": problem.document(), "tuple": list(drafts), "values": values}


def _reproducible(evaluate: Callable[[list[Any]], Any], problem: Problem) -> None:
    """Same choices, same answer; otherwise some noise, or some state, is not controlled."""
    first, last = problem.tuples[0], problem.tuples[-1]
    order = ((first, 0), (first, 0), (first, 1), (last, 0), (last, 1), (first, 1), (first, 0))
    calls = [(x, (), rule) for x, rule in order]
    runs = evaluate(calls)
    for a, b in ((0, 1), (2, 5), (0, 6)):
        if runs[a] != runs[b]:
            asked = [[draw.source for draw in runs[i].draws] for i in (a, b)]
            if asked[0] != asked[1]:
                raise Uncontrolled(
                    f"two calls with the same choices asked for different noise ({_short(asked[0])} and then "
                    f"{_short(asked[1])}): something is kept from call to call"
                )
            raise Uncontrolled(
                "two calls with the same choices gave different answers: state is kept from call to call, or there is "
                "noise that the gate does not control"
            )


def _short(sources: list[str]) -> str:
    return ", ".join(dict.fromkeys(sources)) or "none"


def _judge(problem: Problem, look: Look[NodeDistribution], report: Report) -> None:
    """The row of one problem, and what it proves."""
    found, name, distance, accepted = look.measured, problem.name, look.measured.distance, look.measured.accepted
    unexplained = found.unexplained
    report.rows.append(Row(name, Level.EXACT, distance, distance + unexplained, accepted, found.alpha, unexplained))
    report.findings += impossible_leaves(name, look.roots, problem.mass, lambda root, leaf: _seen(problem, root, leaf))
    if distance > found.slack and found.failed < TOLERANCE:
        text = f"on {name!r} the output distribution is {distance:.6g} away from p: {explain(found)}{look.reservation}"
        case = node_case(problem, problem.tuples[0])
        report.findings.append(Finding(Level.EXACT, Kind.BIAS, text, True, distance, case, problem=name))
    if accepted > found.alpha + found.slack:
        text = (
            f"on {name!r} it accepts {accepted:.6g}, above the optimum {found.alpha:.6g} of {problem.k} "
            f"{problem.drafts.name} drafts: acceptance above the optimum is a proof of bias{look.reservation}"
        )
        excess = accepted - found.alpha
        report.findings.append(Finding(Level.ACCEPTANCE, Kind.ABOVE_OPTIMUM, text, True, excess, problem=name))


def _seen(problem: Problem, root: Node, leaf: Node) -> Seen | None:
    """A crash, an illegal answer or a token of probability 0 at a leaf."""
    at_zero = any(
        value == 0 and isinstance(value, int) and kind is DrawKind.UNIFORM
        for value, kind in zip(leaf.prefix, _kinds(root, leaf), strict=True)
    )
    proof = leaf.mass > NEVER
    if isinstance(leaf.outcome, Failure):
        kind, message = leaf.outcome.kind, leaf.outcome.message
    elif isinstance(leaf.outcome, Emitted1) and problem.p[leaf.outcome.token] == 0:
        kind, message = Kind.IMPOSSIBLE_TOKEN, f"it puts out token {leaf.outcome.token}, which has p = 0"
        proof = proof or at_zero
    else:
        return None
    if at_zero:
        message += " (at a uniform that is exactly 0)"
    elif leaf.mass <= 2.0**-20:
        message += " (at a uniform within rounding of a threshold or of 1)"
    return Seen(kind, message, proof, leaf.key, node_case(problem, leaf.key, leaf.prefix))


def _kinds(root: Node, leaf: Node) -> list[DrawKind]:
    kinds: list[DrawKind] = []
    node = root
    while node.draw is not None:
        kinds.append(node.draw.kind)
        node = next(c for c in node.children if c.prefix == leaf.prefix[: len(c.prefix)])
    return kinds
