"""One engine through the gate, in a child process; or one saved failing input again."""

import pickle
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from spechub_lp._util import objects
from spechub_lp._util.progress import Progress
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.engines.guarded import ChildDied, Journal, died, in_child
from spechub_lp.gate.engines.load import beside, load
from spechub_lp.gate.results import Report
from spechub_lp.gate.serialize import read_case
from spechub_lp.gate.settings import ADAPTERS, Logits, Settings
from spechub_lp.gate.waivers import Findings, note_unused

GRACE = 60.0
"""Seconds beyond twice the budget and the time limit before the child process is given up."""
SHARED = 30
"""How many times that wall time may pass where the budget is CPU time, as others may have the machine."""


def run(
    name: str | None, drafts: str | None, k: int, settings: Settings, cases: list[Any] | None = None,
    logits: Any = None, progress: Progress | None = None,
) -> Report:  # fmt: skip
    """Gate one engine by name, in a child process.

    Parameters
    ----------
    name
        `module:object`, or an adapter's name.
    drafts
        The draft policy by name; None for a sampler's own, and for iid with everything else.
    k
        Number of drafts.
    settings
        How hard to look.
    cases
        Problems to use instead of the built-in ones.
    logits
        Captured rows to use instead of them.
    progress
        Told, twice a second, what is being done, how many seconds have passed, and of how many.

    Returns
    -------
    Report
        The verdict.

    Raises
    ------
    SpecHubError
        No name, no such engine, or a policy that does not make k drafts.

    Examples
    --------
    >>> run("spechub/rrs", "iid", 1, Settings(levels=(0,))).status
    <Status.PASS: 'pass'>
    """
    from spechub_lp.gate import adapters
    from spechub_lp.gate.problems.node import problems

    if not name:
        raise SpecHubError(f"name an engine: module:object, or one of {', '.join(ADAPTERS)}")
    if ":" not in name:
        if name.partition("/")[0] not in ADAPTERS and (hint := beside(name)):
            raise SpecHubError(f"{name!r} is no adapter; {hint}")
        adapters.find(name)
    for claim in ((drafts or "iid", k), *settings.claims):
        problems(*claim, random=0)
    return _guarded(name, drafts, k, settings, cases, logits, progress)


def _guarded(
    name: str, drafts: str | None, k: int, settings: Settings, cases: list[Any] | None, logits: Logits | None = None,
    progress: Progress | None = None,
) -> Report:  # fmt: skip
    def work(journal: Journal) -> Report:
        from spechub_lp.gate import adapters

        return adapters.check(name, load if ":" in name else None, drafts, k, settings, cases, logits, journal)

    try:
        patience = 2 * settings.seconds + settings.time_limit + GRACE
        wait = patience * (SHARED if settings.clock == "cpu" else 1)
        report: Report = in_child(work, wait, _told(progress, name, settings.seconds))
    except ChildDied as error:
        from spechub_lp.gate.protocols import ProtocolName

        empty = Report(name, ProtocolName.NODE, drafts or "iid", k, settings=settings.document())
        empty.findings = Findings(settings.waivers)
        report = died(empty, error)
    if not report.proved:  # which ends a run before it has seen everything
        note_unused(report, settings.waivers)
    return report


def _told(progress: Progress | None, name: str, seconds: float) -> Callable[[bytes, int], None] | None:
    """What watches the child: the problem of its last call, its calls, and the seconds of the budget."""
    if progress is None:
        return None
    start = time.monotonic()

    def watch(last: bytes, calls: int) -> None:
        problem = ""
        with suppress(Exception):  # the child may be writing it
            problem = f" on {pickle.loads(last)['problem']['name']!r}" if last else ""
        done = f", {calls:,} calls" if calls else ""
        progress(f"{name}{problem}{done}; seconds", int(min(time.monotonic() - start, seconds)), int(seconds))

    return watch


def rerun(name: str | None, path: Path, settings: Settings, progress: Progress | None = None) -> Report:
    """Run a saved failing input again.

    Parameters
    ----------
    name
        The engine; None for the one that the file names.
    path
        What `--case` saved.
    settings
        How hard to look.
    progress
        As for `run`.

    Returns
    -------
    Report
        The verdict.

    Raises
    ------
    SpecHubError
        The file is not one, or names no engine.

    Examples
    --------
    >>> rerun(None, Path("no_such_case.json"), Settings())
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: cannot read no_such_case.json: No such file or directory
    """
    document = read_case(path)
    name = name or document.get("engine")
    if not name:
        raise SpecHubError(f"{path} names no engine; name one before --rerun")
    try:
        again = _saved(document["case"], settings)
    except SpecHubError as error:
        raise SpecHubError(f"{path}: {error}") from None
    return _guarded(name, *again, progress)


def _saved(case: dict[str, Any], settings: Settings) -> tuple[str, int, Settings, list[Any] | None, Logits | None]:
    """(drafts, k, settings, problems, captured rows) of a case that fits its schema."""
    from spechub_lp.gate.problems.captured_case import read_case
    from spechub_lp.gate.problems.captured_rows import CapturedTree
    from spechub_lp.gate.problems.node import Problem, problems
    from spechub_lp.gate.problems.tree import TreeProblem
    from spechub_lp.gate.processors.requests import Requests

    if "requests" in case:
        return "iid", 1, settings, [Requests.read(case["requests"])], None
    if "tree_problem" in case:
        kind = CapturedTree if "rows" in case["tree_problem"] else TreeProblem
        tree = kind.read(case["tree_problem"])
        return objects.address(tree.drafts), tree.branching[0], settings, [tree], None
    if "probe" in case:
        problems(case["probe"], case["k"], random=0)
        if case.get("batch"):
            return case["probe"], case["k"], replace(settings, levels=(3,)), [], None
        return case["probe"], case["k"], replace(settings, levels=(0,)), None, None
    if "captured" in case["problem"]:
        plan, drafts, k = read_case(case)
        return drafts, k, settings, None, plan
    problem = Problem.read(case["problem"])
    return objects.address(problem.drafts), problem.k, settings, [problem], None
