"""A report for people, for CI, and for the next run: text, Markdown, JUnit XML, JSON, and a case to run again."""

from xml.etree import ElementTree as ET

from spechub_lp.gate.results import Finding, Report, Status

WHOLE_RUN = "whole run"
"""The test in JUnit XML of what belongs to no problem."""


def headline(report: Report) -> str:
    """Return the verdict in a line.

    Parameters
    ----------
    report
        The gate's.

    Returns
    -------
    str
        The line.
    """
    decided = f" ({report.decided})" if report.decided else ""
    word = "FAILED" if report.status is Status.BIASED and not report.about_the_output else report.status.upper()
    return f"{word}: {report.engine}, {report.k} {report.drafts} drafts{decided}"


def what_was_missed(report: Report) -> str:
    """Say what the run could still have missed.

    Parameters
    ----------
    report
        The gate's.

    Returns
    -------
    str
        The beginning of a sentence; "" when the run proved a bias.
    """
    if report.status is Status.BIASED:
        return ""
    if report.status is Status.INCONCLUSIVE:
        return "the run ended without a verdict, so no distance is claimed"
    if report.smallest_caught >= 1:
        return "no distance at all would have been caught with the power asked for"
    power = report.settings.get("min_power", 0.99)
    rest = "" if report.exact else f" with power {power:g}"
    least = f"{report.smallest_caught:.3g}{report.scope}"
    return f"any distance above {least} would have been caught{rest}; below it, nothing is claimed"


def shown(report: Report, most: int = 6) -> list[Finding]:
    """Choose the findings to print: one of each kind first, then the largest distances.

    Parameters
    ----------
    report
        The gate's.
    most
        How many.

    Returns
    -------
    list of Finding
        In that order.
    """
    first: dict[str, Finding] = {}
    for finding in sorted(report.findings, key=lambda f: (not f.proof, -(f.distance or 0))):
        first.setdefault(finding.kind, finding)
    return list(first.values())[:most]


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
    measured = [row.problem for row in report.rows]
    cases = [(problem, report.failed_on(problem)) for problem in measured]
    cases.append((WHOLE_RUN, [f for f in report.findings if f.proof and f.problem not in measured]))
    for name, found in cases:
        case = ET.SubElement(suite, "testcase", classname=f"spechub-gate.{report.engine}", name=name)
        for finding in found:
            ET.SubElement(case, "failure", type=finding.kind, message=finding.message)
        if name == WHOLE_RUN and report.status is Status.INCONCLUSIVE:
            ET.SubElement(case, "error", type=Status.INCONCLUSIVE, message="; ".join(report.inconclusive))
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(bool(found) for _, found in cases)))
    suite.set("errors", str(int(report.status is Status.INCONCLUSIVE)))
    # UTF-8 as write_text has it; with encoding="unicode" the declaration would name the locale's
    result: str = ET.tostring(suite, encoding="utf-8", xml_declaration=True).decode() + "\n"
    return result
