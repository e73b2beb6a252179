"""The page of `spechub-lp gate`."""

import json
import math
import shlex
from dataclasses import fields
from typing import Any

from spechub_lp._util.words import counted
from spechub_lp.gate.checks.policy import TOLERANCE
from spechub_lp.gate.results import MAY_BE_NAN, Coverage, Evidence, Finding, Kind, Level, Report, Row
from spechub_lp.gate.serialize import case_document
from spechub_lp.report.html.content import FAIL, MOODS, OPEN, PASS, Attachment, Cell, Content, Part, Picture, picture
from spechub_lp.report.plots.drawings import BAD, GOOD, ROW, Away, Range, distances, ranges
from spechub_lp.report.plots.pictures import COLOURS, INK
from spechub_lp.report.text.evaluations import Section
from spechub_lp.report.text.gate_report import (
    COVERED,
    accepted,
    covered,
    drafts_table,
    evidence_title,
    listed,
    nearest_line,
    shown,
    tokens_table,
    verdict,
    what_was_missed,
)

COLOUR_OF = {PASS: GOOD, FAIL: BAD, OPEN: INK}
CASE = "spechub-gate-case.json"
WIDEST = 33
"""From so many tokens on a failing input is only attached, not shown."""


def content(document: dict[str, Any]) -> Content:
    """Lay out the page of a gate's report.

    Parameters
    ----------
    document
        Of `gate`.

    Returns
    -------
    Content
        The page.
    """
    report = read(document)
    status, word = MOODS[report.status][0], verdict(report)
    missed = what_was_missed(report)
    page = Content(
        status,
        word,
        f"Gate: {report.engine}",
        _sentence(report),
        [f"{report.decided[:1].upper()}{report.decided[1:]}."] * bool(report.decided)
        + [f"Warning: {warning}." for warning in report.warnings]
        + [f"Waived, {f.kind}: {f.message} (reason: {f.waived})." for f in report.waived]
        + [f"What could have been missed: {missed}."] * bool(missed)
        + [f"{counted(report.calls, 'call')} in {report.seconds:.1f} s."],
        [f"{f.kind}: {f.message}" for f in shown(report) if f.proof] or report.inconclusive,
        seed=report.settings.get("seed"),
    )
    page.parts += _evidence(report) + _coverage(report) + _problems(report) + _findings(report) + _case(report)
    return page


def read(document: dict[str, Any]) -> Report:
    """Read a document back as the report that wrote it.

    Parameters
    ----------
    document
        Of `gate`.

    Returns
    -------
    Report
        The report.
    """
    apart = ("findings", "protocol", "coverage", "evidence")
    same = {f.name: document[f.name] for f in fields(Report) if f.name in document and f.name not in apart}
    return Report(
        **same,
        protocol=document["protocol"] if "protocol" in document else document["door"],  # its name in version 1
        rows=[Row(**row | {name: _measured(row[name]) for name in MAY_BE_NAN}) for row in document["problems"]],
        findings=[Finding(**finding) for finding in document["findings"]],
        smallest_caught=document["smallest_distance_caught"],
        coverage=Coverage.read(document.get("coverage")),
        evidence=Evidence.read(document.get("evidence")),
    )


def _measured(value: float | None) -> float:
    return math.nan if value is None else value


def _sentence(report: Report) -> str:
    if report.protocol == "processor":
        return _of_processors(report)
    who = f"{report.engine} with {report.what_drafts.replace('_', ' ')}"
    if report.status == "biased":
        proofs = [f for f in report.findings if f.proof]
        biased = {f.problem for f in proofs if f.kind == Kind.BIAS and f.level == Level.EXACT}
        wrong = [row for row in report.rows if row.problem in biased]
        if report.about_the_output and wrong:
            far = max(wrong, key=lambda row: row.distance)
            return (
                f"{who} does not keep the target distribution: on {far.problem!r} its output distribution is "
                f"{far.distance:.3g} away from it."
            )
        if report.about_the_output:
            return f"{who} does not keep the target distribution: {', '.join(dict.fromkeys(f.kind for f in proofs))}."
        return f"{who} is rejected: {', '.join(dict.fromkeys(f.kind for f in proofs))}."
    if report.status == "inconclusive":
        return f"{who}: no bias was found, and not enough was seen for a pass."
    said = []
    if exact := [row.distance for row in report.rows if row.level == Level.EXACT]:
        said.append(f"exact distance at most {max(exact):.3g} on {counted(len(exact), 'problem')}")
    if drawn := [row.bound for row in report.rows if row.level == Level.DRAWS]:
        said.append(f"by draws within {max(drawn):.3g} on {len(drawn) if exact else counted(len(drawn), 'problem')}")
    if report.waived:
        return f"{who} has known small defects that are waived, and no other: {', and '.join(said)}."
    if said:
        return f"{who} keeps the target distribution: {', and '.join(said)}."
    return f"{who} passed the boundary probes; no distribution was measured."


def _of_processors(report: Report) -> str:
    if report.status == "biased":
        return f"{report.engine} processes some rows wrongly: {shown(report)[0].message}."
    kept = f"{report.engine} processes every row that was looked at as it should"
    return f"{kept}: exact distance at most {report.distance:.2g}."


def _coverage(report: Report) -> list[Part]:
    rows = [list(row) for row in covered(report)]
    if not rows:
        return []
    columns = ["what", "covered", "not covered, and what could still be wrong"]
    return [Part(COVERED, tables=[Section("What the run looked at", columns, rows)])]


def _evidence(report: Report) -> list[Part]:
    if (evidence := report.evidence) is None:
        return []
    tables = [Section("Token by token", *tokens_table(evidence))]
    folded = [Section("What it does with each draft tuple", *drafts_table(evidence))] * bool(evidence.tuples)
    return [Part(evidence_title(evidence), [nearest_line(evidence)], tables=tables, folded=folded)]


def _findings(report: Report) -> list[Part]:
    if not report.findings:
        return []
    ordered = sorted(report.findings, key=lambda f: (not f.proof, -(f.distance or 0)))
    rows = [
        [Cell(f.kind, FAIL if f.proof else OPEN), f.message, f.level, f"{f.distance:.3g}" if f.distance else ""]
        for f in ordered
    ]
    return [
        Part("What was found", tables=[Section("Findings, proofs first", ["kind", "what", "level", "distance"], rows)])
    ]


def _case(report: Report) -> list[Part]:
    if report.status != "biased" or report.case is None:
        return []
    case = case_document(report)
    tables, problem = [], report.case.get("problem")
    if problem and len(problem.get("p", ())) in range(1, WIDEST):
        distributions = [problem["q"]] if not isinstance(problem["q"][0], list) else problem["q"]
        names = ["q"] if len(distributions) == 1 else [f"q {j + 1}" for j in range(len(distributions))]
        rows = [
            [y, *(f"{distribution[y]:.6g}" for distribution in (problem["p"], *distributions))]
            for y in range(len(problem["p"]))
        ]
        drafted = report.case.get("tuple")
        note = f"drafts {', '.join(map(str, drafted))}" if drafted else None
        tables = [Section(f"The distributions of {problem['name']!r}", ["token", "p", *names], rows, note)]
    return [
        Part(
            "The failing input",
            ["The smallest input on which it fails. Save it and run it again:"],
            tables=tables,
            attachments=[Attachment(CASE, json.dumps(case, indent=1) + "\n")],
            code=f"spechub-lp gate {shlex.quote(report.engine)} --rerun {CASE}",
        )
    ]


def _problems(report: Report) -> list[Part]:
    if not report.rows:
        return []
    exact = all(row.level == 1 for row in report.rows)
    allowed = TOLERANCE if exact else float(report.settings.get("distance", 1.0))
    columns = ["problem", "how", "distance", "at most", "accepts", "optimum", "of it"]
    rows = [
        [
            row.problem, "exact distribution" if row.level == 1 else f"{row.draws:,} draws",
            Cell(f"{row.distance:.3g}", _mood(row, report)),
            f"{row.bound:.3g}", accepted(row) or "not measured", _number(row.optimum), _share(row),
        ]
        for row in report.rows
    ]  # fmt: skip
    text = [
        "Left of the dashed line a distance is rounding of the engine's uniforms; right of it the output is not the "
        "target distribution. A line behind a dot reaches to the largest distance that is not excluded."
        if exact
        else "The dashed line is the distance asked for; a line behind a dot reaches to the largest that draws allow."
    ]
    asked = [[name.replace("_", " "), f"{value}"] for name, value in report.settings.items() if value is not None]
    return [
        Part(
            "Distance and acceptance, problem by problem",
            text,
            _pictures(report, allowed),
            [Section("Every problem", columns, rows)],
            [Section("How hard it looked: settings", ["setting", "value"], asked)],
        )
    ]


def _pictures(report: Report, allowed: float) -> list[Picture]:
    rows, _ = listed(report)
    moods = [_mood(row, report) for row in rows]
    far = [Away(row.problem, row.distance, row.bound, COLOUR_OF[mood]) for row, mood in zip(rows, moods, strict=True)]
    out = picture(
        lambda axes: distances(axes, far, allowed),
        "Distance from the target distribution: "
        + "; ".join(f"{a.name} {a.distance:.3g}, at most {a.bound:.3g}" for a in far),
        "Distance from the target distribution",
        height=0.75 + ROW * len(far),
    )
    known = [
        Range(row.problem, row.acceptance, row.optimum, COLOURS["border_wor"], _verdict(row, mood), mood != FAIL)
        for row, mood in zip(rows, moods, strict=True)
        if not math.isnan(row.acceptance)
    ]
    if known:
        out += picture(
            lambda axes: ranges(axes, known),
            "Acceptance: " + "; ".join(f"{r.name} {r.value:.6f} of {r.optimum:.6f}, {r.verdict}" for r in known),
            "Acceptance against the certified optimum",
            height=0.75 + ROW * len(known),
        )
    return out


def _mood(row: Row, report: Report) -> str:
    """Judge an exact distribution by its distance, and draws by what they proved: frequencies stray by chance."""
    if report.failed_on(row.problem):
        return FAIL
    if row.level == 1:
        unnamed = report.proved and not any(finding.problem for finding in report.findings)  # in old documents
        return FAIL if unnamed and row.distance > TOLERANCE + row.unexplained else PASS
    return PASS if row.bound <= report.settings.get("distance", 1.0) else OPEN


def _verdict(row: Row, mood: str) -> str:
    if row.level == 2 and mood != FAIL:
        return f"within {row.bound:.2g}"
    return "keeps p" if mood == PASS else f"off by {row.distance:.2g}"


def _number(value: float) -> str:
    return "not measured" if math.isnan(value) else f"{value:.6f}"


def _share(row: Row) -> str:
    """Of what was computed; a share of draws may be above 1 by chance."""
    unknown = math.isnan(row.acceptance) or not row.optimum or row.level > Level.EXACT
    return "" if unknown else f"{row.acceptance / row.optimum:.1%}"
