"""The search for a problem on which a plain function fails, and for the smallest one like it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spechub_lp.gate.checks.node_exact import Exact, failure_on, node_case
from spechub_lp.gate.clock import now
from spechub_lp.gate.coverage.watch import Watcher
from spechub_lp.gate.engines.node import Failure, Hung, NodeEngine
from spechub_lp.gate.noise.choice_sequence import Uncontrolled
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.problems.searched import MOST_DENSE, Search, cost
from spechub_lp.gate.results import Finding, Kind, Level, Report
from spechub_lp.gate.search.thresholds import OutOfTime
from spechub_lp.gate.statistics.sequential import Bet, Claim, odds
from spechub_lp.typing import Array

LEAST_PROBES, PROBES = 3, 32
"""Random calls that test the regions of a searched problem: for each draft tuple, and in all at least."""
LARGEST_SHARE = 0.25
"""Of the time that is left, for one problem; one that is estimated to take longer is passed over."""
DRAWN = 400
"""Calls on real noise for a searched problem whose noise is not controlled."""
GROUPS = 4
"""Groups of tokens that those calls are counted in."""
SHRINKING = 8.0
"""Seconds for making a failing problem smaller."""
MOST_DROPPED = 70
"""Tokens up to which each one is tried to be left out."""
GRIDS = (4, 8, 16, 64, 1024)
"""Simple numbers are multiples of one of these fractions."""


@dataclass
class Searched:
    """What the search looked at.

    Examples
    --------
    >>> Searched(left=3).exact
    []
    """

    exact: list[Problem] = field(default_factory=list)
    drawn: list[Problem] = field(default_factory=list)
    """By draws, as they have no exact distribution."""
    left: int = 0
    """Problems that were planned and not reached."""


def search_exactly(
    exact: Exact, search: Search, watcher: Watcher, planned: int, first: Sequence[Problem] = ()
) -> Searched:
    """Look for a problem with a wrong exact distribution; the first failure is shrunk, and ends the search.

    Parameters
    ----------
    exact
        The engine and its report, which is added to.
    search
        Chooses the problems.
    watcher
        Of the engine's code, whose open lines guide the choice.
    planned
        How many problems.
    first
        Problems to look at before those, and beside them.

    Returns
    -------
    Searched
        What was looked at.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> def verify(p, q, drafts):  # accepts whatever was drafted
    ...     return drafts[0], 0
    >>> exact = Exact(NodeEngine(verify), Report("verify", "node", "iid", 1), None, deadline=now() - 1)
    >>> search_exactly(exact, Search([(IID(), 1)], seed=0), Watcher(verify), planned=4).left  # no time is left
    4
    """
    report, done = exact.report, Searched()
    for turn in range(-len(first), planned):
        left = exact.deadline - now()
        if left < 0:
            done.left += planned - turn
            break
        problem = first[turn] if turn < 0 else search.next(watcher.open_lines().__contains__)
        if cost(problem) * exact.seconds > LARGEST_SHARE * left:
            done.left += 1
            continue
        watcher.fresh()
        try:
            exact.look(problem, max(LEAST_PROBES, PROBES // len(problem.tuples)), thorough=False)
            done.exact.append(problem)
        except Hung as hung:
            report.findings.append(failure_on(*hung.case))
        except OutOfTime:
            done.left += 1
        except Uncontrolled:
            if not problem.left_out:
                done.drawn.append(problem)
        if report.proved:
            _shrink(exact, problem)
            break
    return done


def search_by_draws(
    engine: NodeEngine, problems: Iterator[Problem], report: Report, alpha: float, seed: int, deadline: float
) -> list[Problem]:
    """Try each problem with few calls on real noise: a gross bias shows, a small one does not.

    Parameters
    ----------
    engine
        The plain function.
    problems
        In this order.
    report
        Is added to.
    alpha
        The false-alarm rate of each problem.
    seed
        Of the drafts.
    deadline
        When it must end, by `gate.clock.now`.

    Returns
    -------
    list of Problem
        Those that were tried.

    Examples
    --------
    >>> engine = NodeEngine(lambda p, q, drafts: (drafts[0], 0))
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> report = Report("verify", "node", "iid", 1)
    >>> len(search_by_draws(engine, iter([problem]), report, 1e-6, seed=0, deadline=now() + 60)), report.exit_code
    (1, 1)
    """
    rng, done = np.random.default_rng([seed, 31]), []
    for problem in problems:
        if now() > deadline or report.proved:
            break
        groups = _groups(problem)
        target = np.bincount(groups, weights=problem.target, minlength=GROUPS)
        bet = Bet(Claim.OUTPUT, target.tolist(), "its outputs do not follow p")
        drawn = [problem.tuples[i] for i in rng.choice(len(problem.tuples), size=DRAWN, p=problem.mass)]
        for drafts, outcome in zip(drawn, engine.several(problem, drawn), strict=False):
            if isinstance(outcome, Failure):
                report.findings.append(failure_on(problem, drafts, outcome))
                break
            if problem.p[outcome.token] == 0:
                text = f"it puts out token {outcome.token}, which has p = 0"
                report.findings.append(failure_on(problem, drafts, Failure(Kind.IMPOSSIBLE_TOKEN, text)))
                break
            bet.update(int(groups[outcome.token]))
            if bet.log_wealth > math.log(1 / alpha):
                text = f"on {problem.name!r}, {bet.pointing} (after {bet.n} draws, {odds(bet.log_wealth)})"
                case = node_case(problem, problem.tuples[0])
                report.findings.append(Finding(Level.DRAWS, Kind.BIAS, text, case=case, problem=problem.name))
                break
        done.append(problem)
    return done


def _groups(problem: Problem) -> Array:
    """[V] the group of each token: likelier in q than in p, and the others by falling p."""
    p, q = problem.target, problem.drafted
    groups = np.zeros(len(p), dtype=np.int64)
    others = np.flatnonzero(p >= q)
    order = others[np.argsort(-p[others], kind="stable")]
    before = p[order].cumsum() - p[order]  # type: ignore[attr-defined]
    groups[order] = 1 + np.minimum(2, (3 * before / max(p[order].sum(), 1e-300)).astype(np.int64))
    return groups


def _shrink(exact: Exact, problem: Problem) -> None:
    """Look for fewer tokens and simpler numbers on which it still fails, and report them too."""
    report, deadline = exact.report, now() + SHRINKING
    if report.failed_on(problem.name) == []:
        return
    trial = replace(exact, report=Report("", "", "", 0), deadline=deadline, points=dict(exact.points), measured=[])
    small = problem
    try:
        while (smaller := next((c for c in _smaller(small) if _fails(trial, c)), None)) is not None:
            small = smaller
    except (Hung, OutOfTime):
        pass
    if small is not problem:
        small = replace(small, name=f"shrunk to {small.vocabulary} tokens from {problem.name!r}")
        try:
            replace(exact, deadline=deadline + SHRINKING).look(small)
        except (Hung, OutOfTime, Uncontrolled):
            return


def _fails(trial: Exact, problem: Problem) -> bool:
    trial.report.findings.clear()
    try:
        problem.check()
        trial.look(problem, LEAST_PROBES, thorough=False)
    except (Hung, OutOfTime):
        raise
    except Exception:
        return False
    return trial.report.proved


def _smaller(problem: Problem) -> Iterator[Problem]:
    """Smaller problems: half of the tokens; rounder numbers; one token less."""
    V = problem.vocabulary
    if V > 8:
        yield from _without(problem, range(V // 2))
        yield from _without(problem, range(V // 2, V))
    for grid in GRIDS:
        rounded = list(_with(problem, lambda row, grid=grid: _rounded(row, grid)))
        if rounded and (rounded[0].p, rounded[0].q) == (problem.p, problem.q):
            break
        yield from rounded
    for token in range(V if V <= MOST_DROPPED else 0):
        yield from _without(problem, [token])


def _without(problem: Problem, gone: Iterable[int]) -> Iterator[Problem]:
    kept = np.setdiff1d(np.arange(problem.vocabulary), list(gone))
    return _with(problem, lambda row: row[kept])


def _with(problem: Problem, change: Any) -> Iterator[Problem]:
    """The problem with its distributions changed, if they still are some."""
    several = problem.drafts.different_drafters
    rows = [change(np.asarray(row)) for row in (problem.p, *(problem.q if several else (problem.q,)))]
    if any(row.sum() <= 0 for row in rows) or len(rows[0]) < 2:
        return
    p, *q = [tuple((row / row.sum()).tolist()) for row in rows]
    drafted = tuple(q) if several else q[0]
    explored = problem.explored if len(p) ** problem.k > MOST_DENSE else None
    yield replace(problem, p=p, q=drafted, explored=explored)


def _rounded(row: Array, grid: int) -> Array:
    """Multiples of 1/grid with the same sum, by largest remainders."""
    scaled = row / row.sum() * grid
    counts = np.floor(scaled)
    short = round(grid - counts.sum())
    counts[np.argsort(-(scaled - counts), kind="stable")[:short]] += 1
    return counts / grid
