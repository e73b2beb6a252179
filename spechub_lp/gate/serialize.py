"""A report and a failing case as JSON documents, and back."""

from pathlib import Path
from typing import Any

from spechub_lp._util.strict_json import check, read_json, sealed
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.report_changes import EXACTLY, is_lossy
from spechub_lp.gate.results import Finding, Kind, Level, Report
from spechub_lp.report import schemas

NO_CASE = "give the file that `spechub-lp gate` saved"
EARLIER = "give the --json of an earlier run"


def case_document(report: Report) -> dict[str, Any]:
    """Return the smallest failing input as a document for `--rerun`.

    Parameters
    ----------
    report
        Of a run that failed.

    Returns
    -------
    dict
        With a checksum.

    Examples
    --------
    >>> from spechub_lp.gate.protocols import ProtocolName
    >>> case_document(Report("m:verify", ProtocolName.NODE, "iid", 2))["engine"]
    'm:verify'
    """
    head = {"schema": schemas.identifier("gate-case"), "engine": report.engine, "protocol": report.protocol}
    return sealed({**head, "case": report.case})


def read_case(path: str | Path) -> dict[str, Any]:
    """Read a failing input that `gate` saved. Raises SpecHubError when it is missing, broken or something else.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        The document.

    Examples
    --------
    >>> read_case("no_such_case.json")
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: cannot read no_such_case.json: No such file or directory
    """
    document: dict[str, Any] = read_json(path, "gate-case", NO_CASE)
    return document


def read_report(path: str | Path) -> dict[str, Any]:
    """Read the JSON of an earlier run, for `compare`. Raises SpecHubError on something else.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        The document.

    Examples
    --------
    >>> read_report("no_such_report.json")
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: cannot read no_such_report.json: No such file or directory
    """
    document: dict[str, Any] = read_json(path, _needed("problems"), EARLIER)
    return document


def _needed(*read: str) -> dict[str, Any]:
    """The schema of a report of gate, of any version, of which these fields are read."""
    schema = schemas.of("gate")
    known = [schemas.of("gate", version)["title"] for version in (1, 2)]
    compared = {"schema": {"enum": known}, **{name: schema["properties"][name] for name in read}}
    return {**schema, "properties": compared, "required": list(compared), "additionalProperties": True}


def read_reports(old: str | Path, new: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read two reports of gate, or two of gate-engine, whole.

    Parameters
    ----------
    old, new
        The files.

    Returns
    -------
    dict, dict
        The documents.

    Raises
    ------
    SpecHubError
        One is no such report, or they are of different commands.

    Examples
    --------
    >>> read_reports("no_such_report.json", "now.json")
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: cannot read no_such_report.json: No such file or directory
    """
    first, second = (_read_report(path) for path in (old, new))
    commands = [is_of_engine(document) for document in (first, second)]
    if commands[0] != commands[1]:
        of = ["gate-engine" if engine else "gate" for engine in commands]
        raise SpecHubError(f"{old} is a report of {of[0]} and {new} one of {of[1]}; give two of the same command")
    return first, second


def is_of_engine(document: dict[str, Any]) -> bool:
    """Tell whether a document is a report of gate-engine.

    Parameters
    ----------
    document
        As `read_reports` has it.

    Returns
    -------
    bool
        By its field `schema`.

    Examples
    --------
    >>> is_of_engine({"schema": "spechub-gate-engine-1"})
    True
    """
    return str(document.get("schema")).startswith("spechub-gate-engine-")


def _read_report(path: str | Path) -> dict[str, Any]:
    hint = f"{EARLIER} of gate or gate-engine"
    document: dict[str, Any] = read_json(path, {"type": "object"}, hint)
    if is_of_engine(document):
        check(document, {**schemas.of("gate-engine"), "additionalProperties": True}, str(path), hint)
    else:
        check(document, _needed("problems", "status", "findings"), str(path), EARLIER)
    return document


def compare(report: Report, baseline: dict[str, Any], path: str) -> None:
    """Add a finding for every problem that accepts less than it did in the baseline report, where that was lossless.

    Parameters
    ----------
    report
        Is added to.
    baseline
        What `read_report` returned.
    path
        What findings call it.

    Examples
    --------
    >>> from spechub_lp.gate.protocols import ProtocolName
    >>> from spechub_lp.gate.results import Row
    >>> report = Report("m:verify", ProtocolName.NODE, "iid", 2)
    >>> report.rows.append(Row("ties", Level.EXACT, 0.0, 0.0, 0.8, 0.9))
    >>> compare(report, {"problems": [{"problem": "ties", "level": 1, "bound": 0.0, "acceptance": 0.85}]}, "base.json")
    >>> report.findings[0].message
    "on 'ties' it accepts 0.8; the baseline base.json has 0.85"
    """
    before = {row["problem"]: row for row in baseline.get("problems", ())}
    for row in report.rows:
        old = before.get(row.problem)
        if old is None or old["acceptance"] is None or not row.acceptance >= 0:
            continue  # draws of a tree measure its output, not its acceptance
        if is_lossy(old):
            continue
        slack = EXACTLY if row.level == old["level"] == Level.EXACT else 2 * (row.bound + old["bound"])
        if row.acceptance < old["acceptance"] - slack:
            message = (
                f"on {row.problem!r} it accepts {row.acceptance:.6g}; the baseline {path} has {old['acceptance']:.6g}"
            )
            report.findings.append(Finding(Level.ACCEPTANCE, Kind.REGRESSION, message, problem=row.problem))
