"""A sampler as text, such as a page's editor holds: run in a child process, so that whatever it does is a verdict."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.checks.measured import NodeDistribution
from spechub_lp.gate.checks.node import check_node
from spechub_lp.gate.checks.policy import MOST_CALLS
from spechub_lp.gate.engines.guarded import ChildDied, died, in_child
from spechub_lp.gate.engines.node import Hung, NodeEngine, crashed, one_thread
from spechub_lp.gate.noise.choice_sequence import Uncontrolled
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.protocols import ProtocolName
from spechub_lp.gate.results import Finding, Kind, Level, Report
from spechub_lp.gate.search.thresholds import Explorer, OutOfTime
from spechub_lp.gate.settings import Settings

NAME = "your code"


@dataclass(frozen=True)
class Checked:
    """A report, and what came out on one of its problems: the failing one with the smallest vocabulary, if any.

    Examples
    --------
    >>> from spechub_lp.gate import Settings, problems
    >>> few = problems("iid", k=1, random=0)[:1]
    >>> check_source("verify = None", few, Settings(levels=(0, 1))).output is None
    True
    """

    report: Report
    problem: Problem
    output: tuple[float, ...] | None
    """[V] the exact distribution of the output; None when it could not be found."""


def check_source(text: str, cases: Sequence[Problem], settings: Settings) -> Checked:
    """Gate the function `verify(p, q, drafts) -> (token, slot)` that a python text defines.

    A text that does not compile, or has no such function, ends its process or hangs fails the gate; nothing is raised.

    Parameters
    ----------
    text
        The module.
    cases
        Its problems.
    settings
        How hard to look.

    Returns
    -------
    Checked
        The report, and what came out.

    Examples
    --------
    >>> from spechub_lp.gate import Settings, problems
    >>> few = problems("iid", k=1, random=0)[:1]
    >>> check_source("def verifi(p, q, drafts): ...", few, Settings(levels=(0, 1))).report.findings[0].message
    'it defines no function verify(p, q, drafts)'
    """
    first = cases[0]
    empty = Report(NAME, ProtocolName.NODE, first.drafts.name, first.k, settings=vars(settings))

    def work(journal: Any) -> Checked:
        def tell(problem: Problem, drafts: Sequence[int]) -> None:
            journal(pickle.dumps({"problem": problem.document(), "tuple": list(drafts)}))

        room: dict[str, Any] = {"__name__": NAME}
        try:
            exec(compile(text, NAME, "exec"), room)
        except BaseException as error:
            return Checked(_rejected(empty, crashed(error)), first, None)
        if "verify" not in room:
            return Checked(_rejected(empty, "it defines no function verify(p, q, drafts)"), first, None)
        verify = room["verify"]
        try:
            report = check_node(
                verify, first.drafts.name, first.k, name="verify", settings=settings, cases=cases, journal=tell
            )
        except SpecHubError as error:  # it cannot be called with p, q and drafts
            return Checked(_rejected(empty, str(error)), first, None)
        report.engine = NAME
        problem = Problem.read(report.case["problem"]) if report.case else first
        return Checked(report, problem, output_distribution(verify, problem, settings))

    try:
        checked: Checked = in_child(work, 2 * settings.seconds + settings.time_limit)
        return checked
    except ChildDied as error:
        report = died(empty, error)
        return Checked(report, Problem.read(report.case["problem"]) if report.case else first, None)


def output_distribution(verify: Any, problem: Problem, settings: Settings) -> tuple[float, ...] | None:
    """Compute the exact distribution of what a function puts out.

    Parameters
    ----------
    verify
        The function.
    problem
        p, q and the drafts.
    settings
        How long one call may take.

    Returns
    -------
    [V] or None
        None when its noise cannot be controlled, or it fails.

    Examples
    --------
    >>> from spechub_lp.gate import Settings, problems
    >>> output_distribution(lambda p, q, drafts: (drafts[0], 0), problems("iid", k=1, random=0)[0], Settings())
    (0.5, 0.25, 0.1875, 0.0625)
    """
    engine = NodeEngine(verify, settings.time_limit)
    try:
        with one_thread():
            explorer = Explorer(
                lambda calls: engine.controlled(problem, calls), most_calls=MOST_CALLS * len(problem.tuples)
            )
            found, _ = explorer.distributions(problem.tuples, seed=settings.seed)
    except (Hung, OutOfTime, Uncontrolled):
        return None
    return tuple(NodeDistribution.build(problem, found).output.tolist())


def _rejected(report: Report, message: str) -> Report:
    return replace(report, findings=[Finding(Level.BOUNDARY, Kind.CRASH, message)])
