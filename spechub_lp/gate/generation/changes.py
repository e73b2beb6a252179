"""Two reports of a whole engine, an old one and a new one: what changed, setting by setting."""

from typing import Any

from spechub_lp.gate.generation.results import Verdict
from spechub_lp.gate.report_changes import EXACTLY, Change, Effect, ReportChanges, status_change
from spechub_lp.gate.results import Status

PASSED = (Verdict.EXACT, Verdict.WITHIN)


def engine_changes(old: dict[str, Any], new: dict[str, Any]) -> ReportChanges:
    """Compare two reports of gate-engine.

    Parameters
    ----------
    old, new
        Their JSON.

    Returns
    -------
    ReportChanges
        Verdict, and for each check of each setting its verdict and distance; what was run, too.

    Examples
    --------
    >>> row = {"setting": "greedy", "check": "joint distribution", "verdict": "exact", "distance": 0.0, "message": ""}
    >>> old = {"engine": "m:Engine", "status": "pass", "rows": [row]}
    >>> found = engine_changes(old, {**old, "status": "biased", "rows": [row | {"verdict": "failed", "distance": 0.1}]})
    >>> found.exit_code, [(change.what, change.after) for change in found.changes]
    (1, [('verdict', 'biased'), ("joint distribution with 'greedy'", 'failed, 0.1 away')])
    """
    found = [
        Change(name, str(old.get(name)), str(new.get(name)))
        for name in ("engine", "version", "pair", "settings")
        if old.get(name) != new.get(name)
    ]
    found += status_change(old, new)
    before, after = ({(row["setting"], row["check"]): row for row in report["rows"]} for report in (old, new))
    both = [key for key in before if key in after]
    for key in both:
        found += _row(before[key], after[key])
    gone, added = len(before) - len(both), len(after) - len(both)
    if gone:
        found.append(Change("checks no longer made", str(gone), "0"))
    if added:
        found.append(Change("checks not made before", "0", str(added)))
    unsure = (old["status"], new["status"]) == (Status.PASS, Status.INCONCLUSIVE) or any(
        before[key]["verdict"] in PASSED and after[key]["verdict"] == Verdict.INCONCLUSIVE for key in both
    )
    return ReportChanges(str(new["engine"]), tuple(found), len(both), unsure, unit="check")


def _row(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """One check of one setting: a failure is worse, an open one is not proved to be."""
    moved = old["verdict"] != new["verdict"]
    failed = [row["verdict"] == Verdict.FAILED for row in (old, new)]
    further = (new["distance"] or 0) - (old["distance"] or 0)
    if not moved and not (failed[0] and abs(further) > EXACTLY):
        return []
    effect = Effect.OTHER
    if failed[1] and (not failed[0] or further > EXACTLY):
        effect = Effect.WORSE
    elif (failed[0] and not moved) or (new["verdict"] in PASSED and old["verdict"] not in PASSED):
        effect = Effect.BETTER
    return [Change(f"{new['check']} with {new['setting']!r}", _said(old), _said(new), effect)]


def _said(row: dict[str, Any]) -> str:
    away = f", {row['distance']:.3g} away" if row["verdict"] == Verdict.FAILED and row["distance"] is not None else ""
    return f"{row['verdict']}{away}"
