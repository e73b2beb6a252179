"""A report and a failing case as JSON documents, and back."""

from pathlib import Path
from typing import Any

from spechub_lp._util.reading import read_json, sealed
from spechub_lp.gate.results import Finding, Kind, Level, Report
from spechub_lp.report import schemas

NO_CASE = "give the file that `spechub-lp gate` saved"


def case_document(report: Report) -> dict[str, Any]:
    """The smallest failing input as a file for `--rerun`."""
    head = {"schema": schemas.identifier("gate-case"), "engine": report.engine, "protocol": report.protocol}
    return sealed({**head, "case": report.case})


def read_case(path: str | Path) -> dict[str, Any]:
    """A failing input that `gate` saved. Raises SpecHubError when it is missing, broken or something else."""
    document: dict[str, Any] = read_json(path, "gate-case", NO_CASE)
    return document


def read_report(path: str | Path) -> dict[str, Any]:
    """The JSON of an earlier run, for `compare`. Raises SpecHubError on something else."""
    schema = schemas.of("gate")
    known = [schemas.of("gate", version)["title"] for version in (1, 2)]
    compared = {"schema": {"enum": known}, "problems": schema["properties"]["problems"]}
    needed = {**schema, "properties": compared, "required": list(compared), "additionalProperties": True}
    document: dict[str, Any] = read_json(path, needed, "give the --json of an earlier run")
    return document


def compare(report: Report, baseline: dict[str, Any], path: str) -> None:
    """Add a finding for every problem that accepts less than it did in the baseline report."""
    before = {row["problem"]: row for row in baseline.get("problems", ())}
    for row in report.rows:
        old = before.get(row.problem)
        if old is None or old["acceptance"] is None or not row.acceptance >= 0:
            continue  # draws of a tree measure its output, not its acceptance
        slack = 1e-6 if row.level == old["level"] == Level.EXACT else 2 * (row.bound + old["bound"])
        if row.acceptance < old["acceptance"] - slack:
            message = (
                f"on {row.problem!r} it accepts {row.acceptance:.6g}; the baseline {path} has {old['acceptance']:.6g}"
            )
            report.findings.append(Finding(Level.ACCEPTANCE, Kind.REGRESSION, message, problem=row.problem))
