"""The page of `spechub-lp gate-engine`."""

from typing import Any

from spechub_lp.gate.generation.results import EngineReport, Row, Verdict
from spechub_lp.report.html.content import FAIL, MOODS, OPEN, PASS, Cell, Content, Part
from spechub_lp.report.text.evaluations import Section
from spechub_lp.report.text.generation import HEADS, cells, covered, headline

MOOD_OF = {Verdict.EXACT: PASS, Verdict.WITHIN: PASS, Verdict.FAILED: FAIL}


def content(document: dict[str, Any]) -> Content:
    """Lay out the page of a whole engine's report.

    Parameters
    ----------
    document
        Of `gate-engine`.

    Returns
    -------
    Content
        The page.
    """
    report = read(document)
    status, word = MOODS[report.status]
    failures = [f"{row.setting}, {row.check}: {row.message}" for row in report.failed]
    page = Content(
        status, word, f"Gate: {report.engine}", f"{headline(report).partition(': ')[2]}.", [covered(report)], failures,
        seed=report.pair.get("seed"),
    )  # fmt: skip
    rows = [[cells(row)[0], Cell(row.verdict, MOOD_OF.get(Verdict(row.verdict), OPEN)), *cells(row)[2:], row.message]
            for row in report.rows]  # fmt: skip
    page.parts.append(
        Part("Settings", tables=[Section("Settings, and the distance from plain decoding", [*HEADS, "note"], rows)])
    )
    return page


def read(document: dict[str, Any]) -> EngineReport:
    """Read a document back as the report that wrote it.

    Parameters
    ----------
    document
        Of `gate-engine`.

    Returns
    -------
    EngineReport
        The report.
    """
    names = ("engine", "version", "pair", "settings", "seconds")
    return EngineReport(**{n: document[n] for n in names}, rows=[Row(**row) for row in document["rows"]])
