"""`spechub-lp compare-reports`: arguments in, what changed and the exit code out."""

from pathlib import Path
from typing import Annotated

import typer

from spechub_lp._util.io import check_outputs, write_text
from spechub_lp.cli.terminal import console_beside


def compare_reports(
    old: Annotated[Path, typer.Argument(help="The --json of an earlier run of gate.")],
    new: Annotated[Path, typer.Argument(help="The --json of a later run.")],
    markdown: Annotated[Path | None, typer.Option(help="Write the changes as Markdown; - is stdout.")] = None,
) -> None:
    """Compare two reports of gate: verdict, findings, and acceptance and distance on every problem.

    Exit codes: 0 nothing got worse, 1 something did, 2 misuse, 3 the new run is inconclusive where the old one passed.

    Example: spechub-lp compare-reports base.json now.json
    """
    from spechub_lp.gate.report_changes import changes
    from spechub_lp.gate.serialize import read_report
    from spechub_lp.report.text.markdown import markdown_table

    check_outputs(old, new, markdown=markdown)
    found = changes(read_report(old, whole=True), read_report(new, whole=True))
    rows = [list(row.values()) for row in found.as_rows()]
    heads = ["", "what", "before", "after"]
    if markdown:
        table = [*markdown_table(heads, rows), ""] if rows else []
        write_text(markdown, "\n".join([f"**{found.verdict}**", "", *table]))
    console = console_beside(markdown)
    style = {0: "green", 1: "red", 3: "yellow"}[found.exit_code]
    console.print(found.verdict, style=style)
    for effect, what, before, after in rows:
        console.print(f"  {effect or '-':6} {what}: {before or 'none'} -> {after or 'none'}")
    raise typer.Exit(found.exit_code)
