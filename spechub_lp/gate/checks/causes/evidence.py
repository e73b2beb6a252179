"""What a red verdict shows: the wrong distribution on the smallest problem, and the known rule that has it."""

from collections.abc import Sequence

from spechub_lp.gate.checks.causes.known_rules import nearest_rule
from spechub_lp.gate.checks.measured import NodeDistribution
from spechub_lp.gate.results import Evidence, Kind, Report

MOST_TOKENS, MOST_TUPLES = 33, 27
"""Sizes up to which a table of tokens, and one of draft tuples, can be read."""
ABOUT_A_DISTRIBUTION = (Kind.BIAS, Kind.ABOVE_OPTIMUM)


def evidence_of(report: Report, measured: Sequence[NodeDistribution]) -> Evidence | None:
    """Choose the smallest problem on which an exact distribution is wrong, and write down what came out there.

    Parameters
    ----------
    report
        With its findings.
    measured
        What the engine does on each problem that has an exact distribution.

    Returns
    -------
    Evidence or None
        None where no exact distribution of a readable size is wrong.

    Examples
    --------
    >>> from spechub_lp.gate.problems.node import Problem
    >>> from spechub_lp.gate.search.thresholds import Distribution
    >>> from spechub_lp.gate.engines.node import Emitted1
    >>> from spechub_lp.gate.results import Finding, Kind, Level
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> found = {(x,): Distribution({Emitted1(x, 0): 1.0}, {}, 0.0, 24) for x in (0, 1)}  # every draft is accepted
    >>> report = Report("verify", "node", "iid", 1)
    >>> report.findings.append(Finding(Level.EXACT, Kind.BIAS, "0.25 away from p", problem="mine"))
    >>> evidence_of(report, [NodeDistribution.build(problem, found)]).problem
    'mine'
    """
    wrong = {f.problem for f in report.findings if f.proof and f.kind in ABOUT_A_DISTRIBUTION}
    failed = [m for m in measured if m.problem.name in wrong and m.problem.vocabulary <= MOST_TOKENS]
    if not failed:
        return None
    least = min(failed, key=lambda m: (m.problem.vocabulary, len(m.problem.tuples)))
    problem, coupling = least.problem, least.coupling
    q = problem.q if problem.drafts.different_drafters else (problem.q,)
    readable = len(problem.tuples) <= MOST_TUPLES
    return Evidence(
        problem.name, problem.target.tolist(), [list(row) for row in q], least.output.tolist(),
        coupling.tuples.tolist() if readable else [],
        coupling.accept.tolist() if readable else [],
        coupling.residual.tolist() if readable else [],
        nearest_rule(measured) or "",
    )  # fmt: skip
