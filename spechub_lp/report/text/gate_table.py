"""The table of a gate run."""

import itertools
import textwrap

from rich.console import Console

from spechub_lp._util.sheet import Sheet, piped
from spechub_lp._util.words import counted
from spechub_lp.gate.results import Report, Status
from spechub_lp.report.text import gate_report

SEEN, UNSEEN = 66, 44
"""Columns of the cells about what was covered and what was not."""
MOST_FOUND, MOST_FOUND_BRIEFLY = 6, 3
VERDICT_STYLE = {Status.PASS: "green", Status.BIASED: "red", Status.INCONCLUSIVE: "yellow"}


def show_gate(console: Console, report: Report, verbose: bool = True) -> None:
    """Show the gate's verdict and what it rests on.

    Parameters
    ----------
    console
        Where.
    report
        The gate's.
    verbose
        Every table, and the verdict once more behind them; otherwise the verdict, what was found, and the tokens of a
        failure.
    """
    console.print(gate_report.headline(report), style=VERDICT_STYLE[report.status])
    for warning in report.warnings:
        console.print(f"  ! warning: {warning}", style="yellow")
    for finding in gate_report.shown(report, MOST_FOUND if verbose else MOST_FOUND_BRIEFLY):
        reason = f" (waived: {finding.waived})" if finding.waived else ""
        console.print(
            f"  {'!' if finding.proof else '-'} level {finding.level}, {finding.kind}: {finding.message}{reason}"
        )
    for reason in report.inconclusive if report.status is Status.INCONCLUSIVE else ():
        console.print(f"  ? {reason}")
    if not verbose:
        _show_briefly(console, report)
        return
    if (evidence := report.evidence) is not None:
        console.print()
        console.print(Sheet(gate_report.evidence_title(evidence), *gate_report.tokens_table(evidence)))
        console.print(gate_report.nearest_line(evidence))
        if evidence.tuples:
            console.print()
            console.print(Sheet("What it does with each draft tuple", *gate_report.drafts_table(evidence)))
    if table := gate_report.covered(report):
        console.print()
        console.print(Sheet(gate_report.COVERED, ["", "covered", "not covered"], _wrapped(table)))
    listed, counted_rows = gate_report.listed(report)
    if listed:
        console.print()
        rows = list(map(gate_report.cells, listed))
        title = "Distance from the target and acceptance, problem by problem"
        console.print(Sheet(title, ["problem", "distance", "at most", "accepts", "optimum"], rows))
    if counted_rows:
        console.print(gate_report.counted_line(counted_rows))
    if missed := gate_report.what_was_missed(report):
        console.print(missed)
    console.print(f"{counted(report.calls, 'call')} in {report.seconds:.1f} s")
    console.print(gate_report.headline(report), style=VERDICT_STYLE[report.status])


def _show_briefly(console: Console, report: Report) -> None:
    """The tokens of a failure, what was measured in a line, and what else there is."""
    if (evidence := report.evidence) is not None:
        console.print()
        console.print(Sheet(gate_report.evidence_title(evidence), *gate_report.tokens_table(evidence)))
        console.print(gate_report.nearest_line(evidence))
    for line in filter(None, (gate_report.measured_line(report), gate_report.what_was_missed(report))):
        console.print(f"  {line}")
    console.print(
        f"  {counted(report.calls, 'call')} in {report.seconds:.1f} s; -v shows what was covered and every problem"
    )


def _wrapped(table: list[tuple[str, str, str]]) -> list[list[str]]:
    """Rows of several lines where a cell is long."""
    rows: list[list[str]] = []
    for what, seen, unseen in table:
        left, right = (textwrap.wrap(cell, width) for cell, width in ((seen, SEEN), (unseen, UNSEEN)))
        rows += [list(row) for row in itertools.zip_longest([what], left, right, fillvalue="")]
    return rows


def text(report: Report, verbose: bool = True) -> str:
    """Return what the command shows, as it comes out of a pipe.

    Parameters
    ----------
    report
        The gate's.
    verbose
        As for `show_gate`.

    Returns
    -------
    str
        The tables.
    """
    return piped(lambda console: show_gate(console, report, verbose))
