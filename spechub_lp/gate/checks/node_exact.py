"""Level 1 of a plain function: its exact distribution on one problem after the other."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from spechub_lp.gate.checks.causes.signs import explain
from spechub_lp.gate.checks.measured import NodeDistribution
from spechub_lp.gate.checks.policy import MOST_CALLS, NEVER, TOLERANCE, Look, Seen, impossible_leaves, second_look
from spechub_lp.gate.clock import now, now_exactly
from spechub_lp.gate.engines.node import Emitted1, Failure, Hung, NodeEngine
from spechub_lp.gate.noise.choice_sequence import DrawKind, Uncontrolled
from spechub_lp.gate.noise.interception import Generators
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.problems.searched import SEARCHED
from spechub_lp.gate.results import Finding, Kind, Level, Report, Row
from spechub_lp.gate.search.thresholds import RULES, Distribution, Distributions, Explorer, Node, OutOfTime
from spechub_lp.gate.settings import Settings

ENOUGH = 6
"""Exact distributions that make a pass when the time is up; the first ones in the list are the hardest."""
MOST_UNEXPLAINED = 0.02
"""Of the noise; with more, the regions found say nothing."""
BIASED_ENOUGH = 3
"""Problems with a bias after which no further one is tried."""
PROBES = 24
"""Random calls for each draft tuple, which test the regions that were found."""
SLOW = 0.004
"""Seconds of a call from which on the search is coarse: fewer calls for the same problems."""
TIMED = 5
"""Calls of which the fastest says how long one takes; others may have waited for the machine."""
LARGEST_SHARE = 0.6
"""Of the time, for one problem: with more, there can be no exact distributions on ENOUGH of them."""
KEPT_POINTS = 8
"""Starting points of earlier problems, for each uniform, with which a search begins."""


@dataclass
class Exact:
    """Level 1 of one engine: problem after problem, and what was found.

    Examples
    --------
    >>> engine = NodeEngine(lambda p, q, drafts: (drafts[0], 0))
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> report = Report("verify", "node", "iid", 1)
    >>> exact = Exact(engine, report, Settings(), deadline=now() + 60)
    >>> exact.look(problem).measured.distance
    0.25
    """

    engine: NodeEngine
    report: Report
    settings: Settings
    deadline: float
    until: float = math.inf
    """The time of the problem that is being looked at."""
    seconds: float = 0.0
    """Of one call."""
    distributions: dict[str, dict[Any, Distribution]] = field(default_factory=dict)
    generators: Generators = field(default_factory=Generators)
    points: dict[int, list[float]] = field(default_factory=dict)
    """Where random calls on earlier problems met a region that the search had not, for each uniform of a call."""
    cells: Sequence[float] = ()
    """Places of a uniform at which every search begins, beside others: cells that the engine's code may have."""
    measured: list[NodeDistribution] = field(default_factory=list)
    """What the engine does on each problem that has an exact distribution."""

    @property
    def slow(self) -> bool:
        """Whether calls take so long that fewer must do."""
        return self.seconds > SLOW

    def explorer(self, problem: Problem) -> Explorer:
        """A search over the noise of one problem."""

        def evaluate(calls: list[Any]) -> Any:
            return self.engine.controlled(problem, calls)

        most = MOST_CALLS * len(problem.tuples)
        explorer = Explorer(evaluate, deadline=min(self.deadline, self.until), most_calls=most, coarse=self.slow)
        explorer.guesses, explorer.start = problem.thresholds, (*explorer.start, *self.cells)
        explorer.at_once = explorer.at_once or self.engine.together > 1
        explorer.extra = {place: points[-KEPT_POINTS:] for place, points in self.points.items()}
        return explorer

    def look(self, problem: Problem, probes: int = PROBES, thorough: bool = True) -> Look[NodeDistribution] | None:
        """The exact distribution on one problem, its row and its findings; None when time was too short for a failure.

        thorough: whether what follows a region is compared by two rules; a second look always does.

        Raises
        ------
        Hung
            A call did not end.
        OutOfTime, Uncontrolled
            There is no exact distribution; the message says why.
        """
        explorer = self.explorer(problem)
        explorer.rules = explorer.rules if thorough else RULES[1:]
        reproducible(explorer.evaluate, problem)
        found, roots = explorer.distributions(problem.tuples, probes=probes, seed=self.settings.seed)
        self.points = explorer.extra
        if moved := self.generators.moved():
            self.distributions.clear()
            raise Uncontrolled(f"{', '.join(moved)} moved under controlled noise")

        def build(found: Distributions) -> NodeDistribution:
            return NodeDistribution.build(problem, found)

        first = Look(build(found), found, roots)
        if (unexplained := first.measured.unexplained) > MOST_UNEXPLAINED:
            raise Uncontrolled(
                f"on {problem.name!r} the regions found leave {unexplained:.2g} of the noise unexplained"
            )
        mass, seed = problem.mass.tolist(), self.settings.seed
        look = second_look(first, explorer, problem.tuples, mass, build, problem.name, self.report, seed)
        if look is not None:
            self.distributions[problem.name] = look.found
            self.measured.append(look.measured)
            _judge(problem, look, self.report)
        return look

    @property
    def failed_enough(self) -> bool:
        """Whether so many problems failed that no further one is needed."""
        failed = {f.problem for f in self.report.findings if f.proof and f.problem is not None}
        return sum(row.problem in failed for row in self.report.rows) >= BIASED_ENOUGH


def exact_distributions(exact: Exact, todo: Sequence[Problem], enough: int = ENOUGH) -> str | None:
    """Look at levels 0 and 1 on these problems.

    Parameters
    ----------
    exact
        The engine and its report, which is added to.
    todo
        The problems, the hardest first.
    enough
        How many distributions make a pass when the time is up.

    Returns
    -------
    str or None
        Why draws must decide; None where they need not.

    Examples
    --------
    >>> engine = NodeEngine(lambda p, q, drafts: (drafts[0], 0))
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> report = Report("verify", "node", "iid", 1)
    >>> exact_distributions(Exact(engine, report, Settings(), deadline=now() + 60), [problem]) is None
    True
    >>> report.rows[0].distance
    0.25
    """
    report = exact.report
    if Level.EXACT not in exact.settings.levels:
        return "level 1 was not asked for"
    first = exact.engine.warm_up(todo[0])
    if isinstance(first, Failure):
        report.findings.append(failure_on(todo[0], todo[0].tuples[0], first))
        return None
    exact.seconds = seconds_of(exact.engine, todo[0])
    exact.generators = Generators()
    most = LARGEST_SHARE * (exact.deadline - now())
    for problem in todo:
        exact.until = now() + most
        try:
            exact.look(problem, PROBES // 4 if exact.slow else PROBES)
        except Hung as hung:
            report.findings.append(failure_on(*hung.case))
            return None
        except OutOfTime as error:
            if len(report.rows) >= enough and now() > exact.deadline:
                left = ", ".join(repr(p.name) for p in todo[len(report.rows) :])
                report.findings.append(Finding(Level.EXACT, Kind.LEFT_OUT, f"for want of time: {left}", proof=False))
                break
            why = f"the exact distribution of {problem.name!r} takes too long: {error}"
            report.findings.append(not_controlled(f"{why}; draws instead"))
            return why
        except Uncontrolled as error:
            report.findings.append(not_controlled(f"no exact distribution: {error}; draws instead"))
            return str(error)
        if exact.failed_enough:
            break
    exact.until = math.inf
    report.level = "level 1: the exact distribution, from controlled noise"
    report.levels = [Level.BOUNDARY, Level.EXACT]
    report.smallest_caught = TOLERANCE
    return None


def seconds_of(engine: NodeEngine, problem: Problem) -> float:
    """Time the fastest of some calls; where calls are slow, these are few.

    Parameters
    ----------
    engine
        The plain function.
    problem
        On whose first drafts it is called.

    Returns
    -------
    float
        Seconds.

    Examples
    --------
    >>> engine = NodeEngine(lambda p, q, drafts: (drafts[0], 0))
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> seconds_of(engine, problem) > 0
    True
    """
    taken: list[float] = []
    while len(taken) < TIMED and sum(taken) < TIMED * SLOW:
        start = now_exactly()
        calls = list(engine.several(problem, problem.tuples[:1] * engine.together))
        taken.append((now_exactly() - start) / len(calls))
    return min(taken)


def not_controlled(message: str) -> Finding:
    """Note that draws must decide.

    Parameters
    ----------
    message
        Why.

    Returns
    -------
    Finding
        No proof of anything.

    Examples
    --------
    >>> not_controlled("no exact distribution: it reads a device's noise").proof
    False
    """
    return Finding(Level.EXACT, Kind.NOT_CONTROLLED, message, proof=False)


def failure_on(problem: Problem, drafts: tuple[int, ...], failure: Failure) -> Finding:
    """Make the finding of a call that failed.

    Parameters
    ----------
    problem
        It was called on.
    drafts
        The k drafts.
    failure
        What it did.

    Returns
    -------
    Finding
        With the input of the call as its case.

    Examples
    --------
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> failure_on(problem, (0,), Failure(Kind.CRASH, "ValueError")).message
    "on 'mine', drafts (0,): ValueError"
    """
    text = f"on {problem.name!r}, drafts {drafts}: {failure.message}"
    return Finding(Level.BOUNDARY, failure.kind, text, case=node_case(problem, drafts), problem=problem.name)


def node_case(problem: Problem, drafts: Any, values: Any = None) -> dict[str, Any]:
    """Write the input of a call as JSON.

    Parameters
    ----------
    problem
        It is called on.
    drafts
        The k drafts.
    values
        The choices of noise that it was given; None for real noise.

    Returns
    -------
    dict
        What `--rerun` reads.

    Examples
    --------
    >>> node_case(Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1), (0,))["tuple"]
    [0]
    """
    return {"problem": problem.document(), "tuple": list(drafts), "values": values}


def reproducible(evaluate: Callable[[list[Any]], Any], problem: Problem) -> None:
    """Make calls with the same choices, which must give the same answers.

    Parameters
    ----------
    evaluate
        Runs calls of the engine.
    problem
        It is called on.

    Raises
    ------
    Uncontrolled
        Some noise, or some state, is not controlled.

    Examples
    --------
    >>> engine = NodeEngine(lambda p, q, drafts: (drafts[0], 0))
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> reproducible(lambda calls: engine.controlled(problem, calls), problem)
    """
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
    open_mass = unexplained + found.left_out
    report.rows.append(
        Row(
            name, Level.EXACT, distance, distance + open_mass, accepted, found.optimum, open_mass,
            searched=problem.name.startswith(SEARCHED),
        )
    )  # fmt: skip
    report.findings += impossible_leaves(name, look.roots, problem.mass, lambda root, leaf: _seen(problem, root, leaf))
    if distance > found.slack and found.failed < TOLERANCE:
        text = f"on {name!r} the output distribution is {distance:.6g} away from p: {explain(found)}{look.reservation}"
        case = node_case(problem, problem.tuples[0])
        report.findings.append(Finding(Level.EXACT, Kind.BIAS, text, True, distance, case, problem=name))
    if found.above > found.slack:
        text = (
            f"on {name!r} it accepts {accepted:.6g}, above the optimum {found.optimum:.6g} of {problem.k} "
            f"{problem.drafts.name} drafts: acceptance above the optimum is a proof of bias{look.reservation}"
        )
        excess = accepted - found.optimum
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
