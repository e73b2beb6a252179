"""A report for people, for CI, and for the next run: text, Markdown, JUnit XML, JSON, and a case to replay."""

import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from spechub_lp._util.reading import read_json, sealed
from spechub_lp.gate.results import Finding, Report

CASE_SCHEMA = "spechub-gate-case-1"
NO_CASE = "give the file that `spechub-lp gate` saved"
WORDS = {"pass": "PASS", "biased": "BIASED", "inconclusive": "INCONCLUSIVE"}


def headline(report: Report) -> str:
    """The verdict in a line."""
    decided = f" ({report.level})" if report.level else ""
    return f"{WORDS[report.status]}: {report.engine}, {report.k} {report.drafts} drafts{decided}"


def what_was_missed(report: Report) -> str:
    """What the run could still have missed, or "" when it proved a bias."""
    if report.status == "biased":
        return ""
    if report.smallest_caught >= 1:
        return "no distance at all would have been caught with the power asked for"
    power = report.settings.get("min_power", 0.99)
    rest = "" if report.level.startswith("level 1") else f" with power {power:g}"
    least = f"{report.smallest_caught:.3g}{report.scope}"
    return f"any distance above {least} would have been caught{rest}; below it, nothing is claimed"


def text(report: Report) -> str:
    """What the command shows, as it comes out of a pipe."""
    from rich.console import Console

    from spechub_lp.report.text.tables import show_gate
    from spechub_lp.report.text.terminal import PIPED_WIDTH

    out = io.StringIO()
    show_gate(Console(file=out, width=PIPED_WIDTH, highlight=False, markup=False, emoji=False), report)
    return out.getvalue()


def shown(report: Report, most: int = 6) -> list[Finding]:
    """The findings to print: one of each kind first, then the largest distances."""
    first: dict[str, Finding] = {}
    for finding in sorted(report.findings, key=lambda f: (not f.proof, -(f.distance or 0))):
        first.setdefault(finding.kind, finding)
    return list(first.values())[:most]


def markdown(report: Report) -> str:
    """A summary for a pull request or a job page."""
    lines = [f"### {headline(report)}", ""]
    lines += [f"- **{f.kind}** (level {f.level}): {f.message}" for f in shown(report)]
    lines += [f"- {reason}" for reason in report.inconclusive]
    missed = what_was_missed(report)
    lines += [f"- {missed}"] if missed else []
    if report.rows:
        lines += ["", "| problem | distance | at most | acceptance | optimum |", "|---|---|---|---|---|"]
        lines += [
            f"| {r.problem} | {r.distance:.3g} | {r.bound:.3g} | {r.acceptance:.6f} | {r.optimum:.6f} |"
            for r in report.rows
        ]
    lines += ["", f"{report.calls:,} calls in {report.seconds:.1f} s.", ""]
    return "\n".join(lines)


def junit(report: Report) -> str:
    """JUnit XML: one test a problem, and one for the findings that belong to none."""
    failed = [f for f in report.findings if f.proof]
    suite = ET.Element("testsuite", name=f"spechub-gate {report.engine}", time=f"{report.seconds:.3f}")
    cases = [(row.problem, [f for f in failed if f"on {row.problem!r}" in f.message]) for row in report.rows]
    placed = [f for _, found in cases for f in found]
    cases.append(("whole run", [f for f in failed if f not in placed]))
    for name, found in cases:
        case = ET.SubElement(suite, "testcase", classname=f"spechub-gate.{report.engine}", name=name)
        for finding in found:
            ET.SubElement(case, "failure", type=finding.kind, message=finding.message)
        if name == "whole run" and report.status == "inconclusive":
            ET.SubElement(case, "error", type="inconclusive", message="; ".join(report.inconclusive))
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(bool(found) for _, found in cases)))
    suite.set("errors", str(int(report.status == "inconclusive")))
    # UTF-8 as write_text has it; with encoding="unicode" the declaration would name the locale's
    return ET.tostring(suite, encoding="utf-8", xml_declaration=True).decode() + "\n"


def case_document(report: Report) -> dict[str, Any]:
    """The smallest failing input as a file for `--replay`."""
    return sealed({"schema": CASE_SCHEMA, "engine": report.engine, "door": report.door, "case": report.case})


def read_case(path: str | Path) -> dict[str, Any]:
    """A failing input that `gate` saved. Raises SpecHubError when it is missing, broken or something else."""
    document: dict[str, Any] = read_json(path, "gate-case", NO_CASE)
    return document


def read_report(path: str | Path) -> dict[str, Any]:
    """The JSON of an earlier run, for `compare`. Raises SpecHubError on something else."""
    from spechub_lp.report.schemas import of

    schema = of("gate")
    compared = {name: schema["properties"][name] for name in ("schema", "problems")}
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
        slack = 1e-6 if row.level == old["level"] == 1 else 2 * (row.bound + old["bound"])
        if row.acceptance < old["acceptance"] - slack:
            message = (
                f"on {row.problem!r} it accepts {row.acceptance:.6g}; the baseline {path} has {old['acceptance']:.6g}"
            )
            report.findings.append(Finding(4, "acceptance regression", message))
