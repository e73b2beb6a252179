"""`spechub-lp evaluate`: arguments in, exit code out."""

from pathlib import Path
from typing import Annotated

import typer

from spechub_lp._util import resources
from spechub_lp._util.extras import require
from spechub_lp._util.io import check_outputs
from spechub_lp.cli import names
from spechub_lp.cli.options import DEVICES, Html, Json, Seed, Verbose, numbers, one_of, several_of
from spechub_lp.cli.terminal import ProgressBar, about, console_beside, save


def evaluate(
    rows: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="A capture's folder, or one .safetensors of rows; shipped ones by default."),
    ] = None,
    samplers: Annotated[
        str,
        typer.Option(
            help=f"all, or some of these with commas between: {', '.join(names.EVALUATED)}.",
            autocompletion=several_of(("all", *names.EVALUATED)),
        ),
    ] = "all",
    temperatures: Annotated[str, typer.Option(help="Temperatures, with commas between.")] = "0.3,0.6,1,1.5,2",
    k: Annotated[str, typer.Option("--k", help="Numbers of drafts, with commas between.")] = "2",
    top_k: Annotated[int | None, typer.Option(min=1, help="Keep both distributions' most likely tokens only.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Keep both distributions' nucleus of this mass.")] = None,
    positions: Annotated[int | None, typer.Option(min=1, help="Positions, spread evenly; all by default.")] = None,
    draws: Annotated[int, typer.Option(min=2, help="Draft tuples a position where verdicts are averaged.")] = 8,
    exact_every: Annotated[
        int, typer.Option(min=0, help="Exact distribution at every so many positions; 0 never.")
    ] = 16,
    device: Annotated[
        str | None,
        typer.Option(help="A torch device such as cuda; numpy by default.", autocompletion=one_of(DEVICES)),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    cluster: Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler to work on.")] = None,
    seed: Seed = 0,
    verbose: Verbose = False,
    json: Json = None,
    html: Html = None,
) -> None:
    """Evaluate samplers on captured distributions. At full vocabulary; acceptance beside the optimum of their drafts.

    Example: spechub-lp evaluate validation/captured/smollm2.safetensors --temperatures 1 --k 2 --positions 64
    """
    check_outputs(json=json, html=html)
    require("evaluate", "evaluating captured rows", "torch", "safetensors", "jsonschema", "scipy")
    from spechub_lp.evaluate import evaluate as evaluation
    from spechub_lp.report.text.evaluations import show_evaluation

    plan = evaluation.Plan(
        tuple(samplers.split(",")), numbers(temperatures, "temperatures", float), numbers(k, "k", int), top_k, top_p,
        draws=draws, exact_every=exact_every, positions=positions, seed=seed, device=device,
    )  # fmt: skip
    where = None
    if cluster:
        from spechub_lp.evaluate.cluster import runner

        where = runner(cluster)
    with ProgressBar() as report:
        result = evaluation.evaluate(rows or resources.path("captured/smollm2.safetensors"), plan, jobs, report, where)
    save({**about("evaluate"), **result.document()}, json, html)
    show_evaluation(console_beside(json, html), result, verbose)
    raise typer.Exit(bool(result.failures))
