"""A run on a whole engine, for people: one table of settings by verdicts."""

from typing import TYPE_CHECKING

from spechub_lp._util.sheet import Sheet, piped
from spechub_lp._util.words import counted
from spechub_lp.gate.generation.plan import JOINT
from spechub_lp.gate.generation.results import EngineReport, Row, Verdict
from spechub_lp.report.text.gate_table import VERDICT_STYLE
from spechub_lp.report.text.markdown import markdown_table

if TYPE_CHECKING:
    from rich.console import Console

HEADS = ["setting", "verdict", "distance", "answers", "calls", "s"]


def headline(report: EngineReport) -> str:
    """Return the verdict in a line.

    Parameters
    ----------
    report
        Of a whole engine.

    Returns
    -------
    str
        The line.
    """
    counts = ", ".join(f"{n} {verdict}" for verdict in Verdict if (n := report.count(verdict)))
    version = f" {report.version}" if report.version else ""
    word = "FAIL" if report.failed else report.status.upper()
    return f"{word}: {report.engine}{version}, {counted(len(report.rows), 'check')}: {counts}"


def covered(report: EngineReport) -> str:
    """Say in a sentence what a verdict speaks of.

    Parameters
    ----------
    report
        Of a whole engine.

    Returns
    -------
    str
        The sentence.
    """
    pair, plan = report.pair, report.settings
    kind = "tokens of its own" if pair["own_tokens"] else f"at a mean distance of {pair['mean_distance']:.2f}"
    return (
        f"Covered: one prompt of {len(pair['prompt'])} tokens (two for a batch), the joint distribution of up to "
        f"{plan['tokens']} tokens unless the setting says otherwise, {plan['drafts']} drafts a step, a vocabulary of "
        f"{pair['vocabulary']}, a draft model {kind}, seed {pair['seed']}. Other models, prompts and longer texts are "
        "not covered."
    )


def cells(row: Row) -> list[str]:
    """Return a row of the table.

    Parameters
    ----------
    row
        Of the report.

    Returns
    -------
    list of str
        The entries.
    """
    away = "" if row.distance is None else f"{row.distance:.2g}"
    if row.bound is not None:
        away += f", < {row.bound:.2g}"
    setting = row.setting if row.check == JOINT else f"{row.setting}: {row.check}"
    return [setting, row.verdict, away, f"{row.outcomes or ''}", f"{row.calls:,}", f"{row.seconds:.1f}"]


def show(console: "Console", report: EngineReport) -> None:
    """Show the verdict, what failed, the table, and what was covered.

    Parameters
    ----------
    console
        Where.
    report
        Of a whole engine.
    """
    console.print(headline(report), style=VERDICT_STYLE[report.status])
    for row in report.rows:
        if row.message and row.verdict != Verdict.NOT_OFFERED:
            mark = "!" if row.verdict == Verdict.FAILED else "?"
            console.print(f"  {mark} {row.setting!r}, {row.check}: {row.message}")
    console.print()
    console.print(Sheet("Settings, and the distance from plain decoding", HEADS, [cells(row) for row in report.rows]))
    console.print(covered(report))
    console.print(f"{counted(sum(row.calls for row in report.rows), 'call')} in {report.seconds:.1f} s")


def text(report: EngineReport) -> str:
    """Return what the command shows, as it comes out of a pipe.

    Parameters
    ----------
    report
        Of a whole engine.

    Returns
    -------
    str
        The tables.
    """
    return piped(lambda console: show(console, report))


def markdown(report: EngineReport) -> str:
    """Write the page as Markdown.

    Parameters
    ----------
    report
        Of a whole engine.

    Returns
    -------
    str
        Markdown.
    """
    lines = [f"## {headline(report)}", "", covered(report), ""]
    lines += [f"- **{row.setting}** ({row.check}): {row.message}" for row in report.failed]
    lines += [""] * bool(report.failed)
    notes = ["" if row.verdict == Verdict.FAILED else row.message for row in report.rows]
    rows = [[*cells(row), note] for row, note in zip(report.rows, notes, strict=True)]
    lines += markdown_table([*HEADS, "note"], rows)
    return "\n".join([*lines, ""])
