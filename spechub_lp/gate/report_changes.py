"""Two reports of the gate, an old one and a new one: what changed, and whether something got worse."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from spechub_lp._util.tabular import Tabular
from spechub_lp._util.words import counted
from spechub_lp.gate.results import Level, Status

ORDER = (Status.PASS, Status.INCONCLUSIVE, Status.BIASED)
"""Verdicts, the best first."""
EXACTLY = 1e-6
"""Exact acceptances and distances are equal within it."""
NAMED = 3
"""Problems of a list that are named."""
POWER = 1.05
"""A smallest distance caught that grew by more is weaker; it varies with the machine's speed."""


class Effect(StrEnum):
    """What a change means."""

    BETTER = "better"
    WORSE = "worse"
    OTHER = "other"


@dataclass(frozen=True)
class Change:
    """One thing that the reports say differently.

    Examples
    --------
    >>> Change("verdict", "pass", "biased", Effect.WORSE).effect.value
    'worse'
    """

    what: str
    before: str
    after: str
    effect: Effect = Effect.OTHER


@dataclass(frozen=True, repr=False)
class ReportChanges(Tabular):
    """What changed between two reports.

    Examples
    --------
    >>> old = {"engine": "m:verify", "drafts": "iid", "k": 2, "status": "pass", "findings": [], "problems": []}
    >>> found = changes(old, old | {"status": "biased"})
    >>> found.exit_code, found
    (1, ReportChanges(WORSE, m:verify, 1 change))
    """

    engine: str
    changes: tuple[Change, ...]
    compared: int
    """Problems that both reports measured."""
    inconclusive: bool = False
    """Whether the new run says neither yes nor no where the old one said yes."""
    unit: str = "problem"
    """What was compared, in a word: problems of the gate, or checks of a whole engine."""

    @property
    def worse(self) -> list[Change]:
        """The changes for the worse."""
        return [change for change in self.changes if change.effect is Effect.WORSE]

    @property
    def exit_code(self) -> int:
        """0 nothing got worse, 1 something did, 3 the new run could not tell."""
        if any(change.what != "verdict" or not self.inconclusive for change in self.worse):
            return 1
        return 3 if self.inconclusive else 0

    @property
    def verdict(self) -> str:
        """A line that says it."""
        number, compared = len(self.worse), f"{counted(self.compared, self.unit)} compared"
        match self.exit_code:
            case 0:
                return f"no worse: {self.engine}, {counted(len(self.changes), 'change')}, {compared}"
            case 3:
                return f"INCONCLUSIVE: {self.engine} passed before, and the new run could not tell"
        return f"WORSE: {self.engine}, {counted(number, 'change')} for the worse, {compared}"

    def __repr__(self) -> str:
        word = {0: "no worse", 1: "WORSE", 3: "INCONCLUSIVE"}[self.exit_code]
        return f"ReportChanges({word}, {self.engine}, {counted(len(self.changes), 'change')})"

    def __str__(self) -> str:
        return self.verdict

    def as_rows(self) -> list[dict[str, Any]]:
        """Return the changes, those for the worse first."""
        rows = sorted(self.changes, key=lambda change: change.effect is not Effect.WORSE)
        shown = {Effect.WORSE: "WORSE", Effect.BETTER: "better", Effect.OTHER: ""}
        return [{"": shown[c.effect], "what": c.what, "before": c.before, "after": c.after} for c in rows]

    def document(self) -> dict[str, Any]:
        """Return the changes as JSON."""
        fields = ("verdict", "exit_code", "engine", "compared", "inconclusive")
        return {name: getattr(self, name) for name in fields} | {"changes": [asdict(c) for c in self.changes]}


def changes(old: dict[str, Any], new: dict[str, Any]) -> ReportChanges:
    """Compare two reports of the gate.

    Parameters
    ----------
    old, new
        The JSON of two runs, as `serialize.read_report` reads it.

    Returns
    -------
    ReportChanges
        Verdict, findings, and for each problem acceptance and distance; what the runs were, too.

    Examples
    --------
    >>> row = {"problem": "ties", "level": 1, "distance": 0.0, "bound": 0.0, "acceptance": 0.85, "optimum": 0.9}
    >>> old = {"engine": "m:verify", "drafts": "iid", "k": 2, "status": "pass", "findings": [], "problems": [row]}
    >>> [(c.what, c.after) for c in changes(old, old | {"problems": [row | {"acceptance": 0.8}]}).changes]
    [("accepts on 'ties'", '0.8')]
    """
    found = [*_runs(old, new), *status_change(old, new), *_findings(old, new)]
    before, after = ({row["problem"]: row for row in report["problems"]} for report in (old, new))
    both = [name for name in before if name in after]
    proved = [{f.get("problem") for f in report["findings"] if f["proof"]} for report in (old, new)]
    for name in both:
        lossy = [name in some or is_lossy(row[name]) for some, row in zip(proved, (before, after), strict=True)]
        found += _problem(name, before[name], after[name], *lossy)
    gone, added = ([name for name in some if name not in both] for some in (before, after))
    if gone:
        named = ", ".join(map(repr, gone[:NAMED])) + (", ..." if len(gone) > NAMED else "")
        found.append(Change("problems no longer measured", f"{len(gone)}: {named}", "0"))
    if added:
        found.append(Change("problems not measured before", "0", f"{len(added)}"))
    unsure = (old.get("status"), new.get("status")) == (Status.PASS, Status.INCONCLUSIVE)
    return ReportChanges(str(new.get("engine", "?")), tuple(found), len(both), unsure)


def is_lossy(row: dict[str, Any]) -> bool:
    """Tell whether a problem's exact output distribution is not the target.

    What a lossy rule accepts is nothing to hold others to.

    Parameters
    ----------
    row
        Of a report's problems.

    Returns
    -------
    bool
        False where only draws are known.

    Examples
    --------
    >>> is_lossy({"level": 1, "distance": 0.19}), is_lossy({"level": 2, "distance": 0.19})
    (True, False)
    """
    return bool(row["level"] == Level.EXACT and row.get("distance", 0) > EXACTLY)


def _runs(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """What was run: engine and claim; how hard was looked."""
    found = []
    for name in ("engine", "drafts", "k"):
        if old.get(name) != new.get(name):
            found.append(Change(name, str(old.get(name)), str(new.get(name))))
    before, after = (report.get("smallest_distance_caught") for report in (old, new))
    failed = Status.BIASED in (old["status"], new["status"])
    if not failed and before and after and not before / POWER <= after <= before * POWER:
        effect = Effect.OTHER if after > before else Effect.BETTER
        found.append(Change("smallest distance caught", f"{before:.2g}", f"{after:.2g}", effect))
    unseen = [len((report.get("coverage") or {}).get("unvisited") or ()) for report in (old, new)]
    if unseen[0] != unseen[1]:
        found.append(Change("places of its code that never ran", str(unseen[0]), str(unseen[1])))
    return found


def status_change(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Return the change of the verdict on the whole, if it changed.

    Parameters
    ----------
    old, new
        Reports of gate or of gate-engine, as JSON.

    Returns
    -------
    list of Change
        One at most.

    Examples
    --------
    >>> [change.after for change in status_change({"status": "pass"}, {"status": "biased"})]
    ['biased']
    """
    before, after = (Status(report["status"]) for report in (old, new))
    if before == after:
        return []
    worse = ORDER.index(after) > ORDER.index(before)
    return [Change("verdict", str(before), str(after), Effect.WORSE if worse else Effect.BETTER)]


def _findings(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Findings are the same where kind and problem are: a message names sizes."""
    before, after = ({_key(finding): finding for finding in report["findings"]} for report in (old, new))
    found = []
    for key, finding in after.items():
        was = before.get(key)
        if was is None or (finding["proof"] and not was["proof"]):
            said = "" if was is None else "did not fail"
            effect = Effect.WORSE if finding["proof"] else Effect.OTHER
            found.append(Change(_named(finding), said, _message(finding), effect))
    for key, finding in before.items():
        if key not in after:
            effect = Effect.BETTER if finding["proof"] else Effect.OTHER
            found.append(Change(_named(finding), _message(finding), "gone", effect))
    return found


def _key(finding: dict[str, Any]) -> tuple[str, str | None]:
    return finding["kind"], finding.get("problem")


def _named(finding: dict[str, Any]) -> str:
    where = f" on {finding['problem']!r}" if finding.get("problem") else ""
    return f"finding: {finding['kind']}{where}"


def _message(finding: dict[str, Any]) -> str:
    """Without the place, which stands before it."""
    return str(finding["message"]).removeprefix(f"on {finding.get('problem')!r} ")


def _problem(name: str, old: dict[str, Any], new: dict[str, Any], old_lossy: bool, new_lossy: bool) -> list[Change]:
    """Acceptance and distance of a problem, where they differ by more than rounding and draws.

    Accepting less than a lossy rule is not worse, and accepting more by being lossy is not better.
    """
    exact = old["level"] == new["level"] == Level.EXACT
    found = []
    if None not in (old["acceptance"], new["acceptance"]):
        slack = EXACTLY if exact else 2 * (old["bound"] + new["bound"])
        if abs(new["acceptance"] - old["acceptance"]) > slack:
            less = new["acceptance"] < old["acceptance"]
            effect = Effect.WORSE if less else Effect.BETTER
            if old_lossy if less else new_lossy:
                effect = Effect.OTHER
            found.append(Change(f"accepts on {name!r}", f"{old['acceptance']:.6g}", f"{new['acceptance']:.6g}", effect))
    if exact and abs(new["distance"] - old["distance"]) > EXACTLY:
        effect = Effect.WORSE if new["distance"] > old["distance"] else Effect.BETTER
        found.append(Change(f"distance on {name!r}", f"{old['distance']:.3g}", f"{new['distance']:.3g}", effect))
    if old["level"] != new["level"]:
        before, after = ("exactly" if row["level"] == Level.EXACT else "by draws" for row in (old, new))
        found.append(Change(f"known on {name!r}", before, after))
    return found
