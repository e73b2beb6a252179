"""`spechub-lp audit`: arguments in, exit code out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from spechub_lp._util.io import check_outputs
from spechub_lp.cli import names
from spechub_lp.cli.options import Html, Json, Seed, several_of
from spechub_lp.cli.terminal import ProgressBar, about, console_beside, save
from spechub_lp.errors import SpecHubError


def audit(
    instances: Annotated[int, typer.Option(min=0, help="Rational instances.")] = 160,
    positions: Annotated[int, typer.Option(min=0, help="Held-out places of the n-gram text.")] = 200,
    rows: Annotated[int | None, typer.Option(min=0, help="Captured rows at full vocabulary; all by default.")] = None,
    captured: Annotated[
        Path | None, typer.Option(help="Captured logits (.safetensors); shipped ones by default.")
    ] = None,
    sampler: Annotated[
        list[str] | None,
        typer.Option(
            help="Audit these rules alone, names or module:object with commas between.",
            autocompletion=several_of((*names.SAMPLERS, *names.VARIANTS)),
        ),
    ] = None,
    seed: Seed = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    json: Json = None,
    html: Html = None,
) -> None:
    """Audit every sampler: lossless, exactly, and how good. Beside it the certified optimum, and the theorems.

    Example: spechub-lp audit --instances 8 --positions 2 --rows 4 --json audit.json
    """
    if not (instances or positions or rows is None or rows):
        raise SpecHubError("--instances 0, --positions 0 and --rows 0 leave nothing to audit")
    check_outputs(json=json, html=html)
    from spechub_lp import audit as audits
    from spechub_lp.report.text.tables import show_audit

    chosen = [name for words in sampler or () for name in words.split(",")]
    with ProgressBar() as report:
        result = audits.run(instances, positions, rows, seed, jobs, captured, report, chosen or None)
    save({**about("audit"), **asdict(result), "failures": result.failures}, json, html)
    show_audit(console_beside(json, html), result)
    raise typer.Exit(bool(result.failures))
