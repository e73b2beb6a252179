"""What a run looked at: the coverage of a report, for plain functions and for batches."""

import itertools
from collections.abc import Iterable, Sequence

from spechub_lp.gate.checks.policy import TOLERANCE
from spechub_lp.gate.coverage.watch import Watcher
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.problems.searched import kinds
from spechub_lp.gate.problems.tree import TreeProblem
from spechub_lp.gate.results import Coverage, Level, Report


def note_coverage(
    report: Report,
    looked_at: Sequence[Problem | TreeProblem],
    watcher: Watcher,
    *,
    draws: int,
    drawn: float | None,
    not_reached: int = 0,
    batches: Sequence[str] = (),
    once: Sequence[str] = (),
) -> None:
    """Note what the run looked at in its report.

    Parameters
    ----------
    report
        Is added to.
    looked_at
        Its problems.
    watcher
        Of the engine's code.
    draws
        Calls on real noise against p.
    drawn
        The smallest distance that those would have caught.
    not_reached
        Problems that were planned and not reached.
    batches
        Shapes of batches, in words.
    once
        Calls that come once in a process, in words; "" for none.

    Examples
    --------
    >>> def verify(p, q, drafts):
    ...     return drafts[0], 0
    >>> report = Report("verify", "node", "iid", 1)
    >>> note_coverage(report, [Problem("mine", (0.25, 0.75), (0.5, 0.5), 1)], Watcher(verify), draws=0, drawn=None)
    >>> report.coverage.sizes, report.coverage.k
    ([2], [1])
    """
    exact = {row.problem for row in report.rows if row.level == Level.EXACT}
    coverage = report.coverage = Coverage(
        problems=len(looked_at),
        sizes=sorted({p.vocabulary for p in looked_at}),
        policies=sorted({p.drafts.name for p in looked_at}),
        k=sorted({width for p in looked_at for width in _widths(p)}),
        kinds=_kinds(looked_at),
        batches=list(batches),
        once=list(filter(None, once)),
        exact=TOLERANCE if exact else None,
        draws=draws,
        drawn=drawn,
        by_draws_only=sum(p.name not in exact for p in looked_at),
        not_reached=not_reached,
        left_out=max((row.unexplained for row in report.rows if row.problem in exact), default=0.0),
    )
    note_code(report, coverage, watcher)


def note_code(report: Report, coverage: Coverage, watcher: Watcher) -> None:
    """Note what of the engine's code has run; with --require-coverage, code that never ran is no pass.

    Parameters
    ----------
    report
        Its settings say whether coverage is required; a reason is added where it is, and is not there.
    coverage
        Is added to.
    watcher
        Of the engine's code.

    Examples
    --------
    >>> def verify(p, q, drafts):
    ...     return drafts[0], 0
    >>> report, coverage = Report("verify", "node", "iid", 1, settings={"require_coverage": True}), Coverage()
    >>> note_code(report, coverage, Watcher(verify))
    >>> coverage.complete, len(report.inconclusive)
    (False, 1)
    """
    coverage.unwatched, coverage.unvisited = watcher.why_not, watcher.unvisited()
    if watcher.measured:
        ran, lines, seen, outcomes = watcher.counts
        coverage.lines, coverage.outcomes = (ran, lines), (seen, outcomes)
    if report.settings.get("require_coverage") and not coverage.complete:
        why = coverage.unvisited or [f"its code was not watched: {coverage.unwatched}"]
        more = f", and {len(why) - 1} more" if len(why) > 1 else ""
        report.inconclusive.append(f"coverage was required, and {why[0]}{more}")


def _widths(problem: Problem | TreeProblem) -> tuple[int, ...]:
    return problem.branching if isinstance(problem, TreeProblem) else (problem.k,)


def _kinds(problems: Iterable[Problem | TreeProblem]) -> dict[str, int]:
    """On how many problems each kind of distribution was met; on some node of a tree."""
    counted = kinds([])
    for problem in problems:
        for name, met in kinds(_nodes(problem)).items():
            counted[name] += met > 0
    return counted


def _nodes(problem: Problem | TreeProblem) -> list[Problem]:
    if isinstance(problem, Problem):
        return [problem]
    tokens = range(problem.vocabulary)
    contexts = (c for depth in range(problem.depth) for c in itertools.product(tokens, repeat=depth))
    return [problem.node(c) for c in itertools.islice(contexts, MOST_NODES)]


MOST_NODES = 200
"""Nodes of a tree whose distributions are looked at for their kinds, the shallowest ones."""
