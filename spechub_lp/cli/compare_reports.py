"""`spechub-lp compare-reports`: arguments in, what changed and the exit code out."""

from pathlib import Path
from typing import Annotated

import typer

from spechub_lp._util.io import check_outputs, write_text
from spechub_lp.cli.terminal import about, console_beside, save


def compare_reports(
    old: Annotated[Path, typer.Argument(help="The --json of an earlier run.")],
    new: Annotated[Path, typer.Argument(help="The --json of a later run.")],
    json: Annotated[Path | None, typer.Option(help="Write the changes to this file; - is stdout.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the changes as Markdown; - is stdout.")] = None,
) -> None:
    """Compare two reports of gate, or two of gate-engine. Verdict, findings, and what was measured on each problem.

    Exit codes: 0 nothing got worse, 1 something did, 2 misuse, 3 the new run is inconclusive where the old one passed.

    Example: spechub-lp compare-reports base.json now.json
    """
    from spechub_lp.gate.generation.changes import engine_changes
    from spechub_lp.gate.report_changes import changes
    from spechub_lp.gate.serialize import is_of_engine, read_reports
    from spechub_lp.report.text.markdown import markdown_table

    check_outputs(old, new, json=json, markdown=markdown)
    reports = read_reports(old, new)
    found = (engine_changes if is_of_engine(reports[0]) else changes)(*reports)
    if json:
        save({**about("compare-reports"), **found.document()}, json)
    rows = [list(row.values()) for row in found.as_rows()]
    heads = ["", "what", "before", "after"]
    if markdown:
        table = [*markdown_table(heads, rows), ""] if rows else []
        write_text(markdown, "\n".join([f"**{found.verdict}**", "", *table]))
    console = console_beside(json, markdown)
    style = {0: "green", 1: "red", 3: "yellow"}[found.exit_code]
    console.print(found.verdict, style=style)
    for effect, what, before, after in rows:
        console.print(f"  {effect or '-':6} {what}: {before or 'none'} -> {after or 'none'}")
    raise typer.Exit(found.exit_code)
