"""A gate's report for a page or a machine: Markdown for a pull request, JUnit XML for CI."""

from xml.etree import ElementTree as ET

from spechub_lp._util.words import counted
from spechub_lp.gate.results import Evidence, Report, Status
from spechub_lp.report.text.gate_report import (
    COVERED,
    WHOLE_RUN,
    cells,
    counted_line,
    covered,
    drafts_table,
    evidence_title,
    headline,
    listed,
    nearest_line,
    shown,
    tokens_table,
    what_was_missed,
)
from spechub_lp.report.text.markdown import markdown_table


def markdown(report: Report) -> str:
    """Write a summary for a pull request or a job page.

    Parameters
    ----------
    report
        The gate's.

    Returns
    -------
    str
        Markdown.
    """
    lines = [f"### {headline(report)}", ""]
    lines += [f"- **warning**: {warning}" for warning in report.warnings]
    lines += [
        f"- **{f.kind}** (level {f.level}): {f.message}{f' (waived: {f.waived})' if f.waived else ''}"
        for f in shown(report)
    ]
    lines += [f"- {reason}" for reason in report.inconclusive]
    missed = what_was_missed(report)
    lines += [f"- {missed}"] if missed else []
    if (evidence := report.evidence) is not None:
        lines += ["", f"#### {evidence_title(evidence)}", "", *markdown_table(*tokens_table(evidence)), ""]
        lines += [nearest_line(evidence)]
        if evidence.tuples:
            lines += ["", "<details><summary>What it does with each draft tuple</summary>", ""]
            lines += [*markdown_table(*drafts_table(evidence)), "", "</details>"]
    if table := covered(report):
        lines += ["", f"#### {COVERED}", "", *markdown_table(["", "covered", "not covered"], table)]
    rows, counted_rows = listed(report)
    if rows:
        lines += ["", *markdown_table(["problem", "distance", "at most", "acceptance", "optimum"], map(cells, rows))]
        lines += ["", f"{counted_line(counted_rows)}."] if counted_rows else []
    lines += ["", f"{counted(report.calls, 'call')} in {report.seconds:.1f} s.", ""]
    return "\n".join(lines)


def _plain(evidence: Evidence) -> str:
    """The tables with tabs, for a reader of XML."""
    tables = [tokens_table(evidence)] + [drafts_table(evidence)] * bool(evidence.tuples)
    texts = ["\n".join("\t".join(row) for row in (heads, *rows)) for heads, rows in tables]
    return "\n\n".join([texts[0], nearest_line(evidence), *texts[1:]])


def _beside_the_failures(report: Report) -> str:
    """Warnings, and findings that are waived, a line each."""
    waived = [f"waived: {f.kind}: {f.message} (reason: {f.waived})" for f in report.waived]
    return "\n".join([*(f"warning: {warning}" for warning in report.warnings), *waived])


def junit(report: Report) -> str:
    """Write JUnit XML: one test a problem, and one for the findings that belong to none.

    Parameters
    ----------
    report
        The gate's.

    Returns
    -------
    str
        XML.
    """
    suite = ET.Element("testsuite", name=f"spechub-gate {report.engine}", time=f"{report.seconds:.3f}")
    if table := covered(report):
        properties = ET.SubElement(suite, "properties")
        for what, seen, unseen in table:
            ET.SubElement(properties, "property", name=f"covered: {what}", value=seen)
            ET.SubElement(properties, "property", name=f"not covered: {what}", value=unseen)
    measured = [row.problem for row in report.rows]
    cases = [(problem, report.failed_on(problem)) for problem in measured]
    cases.append((WHOLE_RUN, [f for f in report.findings if f.proof and f.problem not in measured]))
    for name, found in cases:
        case = ET.SubElement(suite, "testcase", classname=f"spechub-gate.{report.engine}", name=name)
        for finding in found:
            ET.SubElement(case, "failure", type=finding.kind, message=finding.message)
        if report.evidence is not None and name == report.evidence.problem:
            ET.SubElement(case, "system-out").text = _plain(report.evidence)
        if name == WHOLE_RUN and (said := _beside_the_failures(report)):
            ET.SubElement(case, "system-out").text = said
        if name == WHOLE_RUN and report.status is Status.INCONCLUSIVE:
            ET.SubElement(case, "error", type=Status.INCONCLUSIVE, message="; ".join(report.inconclusive))
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(bool(found) for _, found in cases)))
    suite.set("errors", str(int(report.status is Status.INCONCLUSIVE)))
    # UTF-8 as write_text has it; with encoding="unicode" the declaration would name the locale's
    result: str = ET.tostring(suite, encoding="utf-8", xml_declaration=True).decode() + "\n"
    return result
