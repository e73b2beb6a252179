"""The command line: arguments in, exit code out. 0 the claim holds, 1 it does not, 2 bad input.

What a command needs is imported in its function: the help and completion must not wait for solvers and torch.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

import spechub_lp
from spechub_lp._util.io import check_outputs, write_json, write_text
from spechub_lp.cli import names
from spechub_lp.cli.captures import capture, replay
from spechub_lp.cli.gate import gate
from spechub_lp.cli.options import Drafts, Html, Json, Seed, one_of
from spechub_lp.errors import SpecHubError
from spechub_lp.report.text.terminal import Command, ProgressBar, about, console_beside, run, save

app = typer.Typer(
    name="spechub-lp",
    help="Exact laws, certified optima and tests for multi-draft speculative decoding samplers.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

LawOption = Annotated[str, typer.Option(help="Law as rationals or decimals: 0,1/5,4/5")]
Normalise = Annotated[bool, typer.Option("--normalise", help="Divide the laws by their sums.")]


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context, show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if show:
        print(f"spechub-lp {spechub_lp.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


@app.command(cls=Command)
def audit(
    instances: Annotated[int, typer.Option(min=0, help="Rational instances.")] = 160,
    positions: Annotated[int, typer.Option(min=0, help="Held-out places of the n-gram text.")] = 200,
    rows: Annotated[int | None, typer.Option(min=0, help="Captured rows at full vocabulary; all by default.")] = None,
    captured: Annotated[
        Path | None, typer.Option(help="Captured logits (.safetensors); shipped ones by default.")
    ] = None,
    seed: Seed = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    json: Json = None,
    html: Html = None,
) -> None:
    """Audit every sampler: lossless or not, exactly; its acceptance; the certified optimum; the theorems.

    Example: spechub-lp audit --instances 40 --positions 10 --rows 16 --json audit.json
    """
    if not (instances or positions or rows is None or rows):
        raise SpecHubError("--instances 0, --positions 0 and --rows 0 leave nothing to audit")
    check_outputs(json=json, html=html)
    from spechub_lp import audit as audits
    from spechub_lp.report.text.tables import show_audit

    with ProgressBar() as report:
        result = audits.run(instances, positions, rows, seed, jobs, captured, report)
    save({**about("audit"), **asdict(result), "failures": result.failures}, json, html)
    show_audit(console_beside(json, html), result)
    raise typer.Exit(bool(result.failures))


@app.command(cls=Command)
def solve(
    p: LawOption,
    q: Annotated[str, typer.Option(help="Draft law; for product drafts k laws with ; between them.")],
    k: Annotated[int, typer.Option(min=1, help="Number of drafts.")] = 2,
    drafts: Drafts = "iid",
    full: Annotated[bool, typer.Option("--full", help="Solve the full coupling too, V^(k+1) variables.")] = False,
    certificate: Annotated[Path | None, typer.Option(help="Write the certificate to this file.")] = None,
    lp: Annotated[Path | None, typer.Option(help="Write the program in rationals, for QSopt_ex, to this file.")] = None,
    normalise: Normalise = False,
    json: Json = None,
) -> None:
    """The optimum by every method, with sizes and times, and its certificate.

    Example: spechub-lp solve --p 0,1/5,4/5 --q 3/5,3/10,1/10 --drafts iid --full --certificate optimum.json
    """
    check_outputs(json=json, certificate=certificate, lp=lp)
    from spechub_lp.optimum.compare import solve_every_way
    from spechub_lp.report.text.tables import show_solution

    result = solve_every_way(p, _draft_laws(q), k, drafts, full, normalise)
    if certificate:
        write_json(certificate, result.optimum.certificate())
    if lp:
        from spechub_lp.optimum.export import to_lp

        write_text(lp, to_lp(result.optimum))
    save({**about("solve"), **result.document()}, json)
    show_solution(console_beside(json, certificate, lp), result)
    raise typer.Exit(not result.agree)


@app.command(cls=Command)
def verify(
    file: Annotated[Path, typer.Argument(help="A certificate written by solve --certificate; - is stdin.")],
    json: Json = None,
) -> None:
    """Check a certificate of optimality; no solver is used.

    Example: spechub-lp verify optimum.json
    """
    from spechub_lp import certificate

    check_outputs(file, json=json)
    claim = certificate.check(file)
    save({**about("verify"), **claim._asdict(), "H": sorted(claim.H), "proved": True}, json)
    policy = claim.drafts if isinstance(claim.drafts, str) else "tabulated"
    console_beside(json).print(
        f"proved: no rule accepts more than alpha = {certificate.shown(claim.alpha)} = {float(claim.alpha):.12g} "
        f"with {claim.k} {policy} drafts at V = {len(claim.p)}, and the coupling accepts it "
        f"(H = {{{', '.join(map(str, sorted(claim.H)))}}})"
    )


@app.command(cls=Command)
def sample(
    sampler: Annotated[
        str,
        typer.Option(
            help=f"One of {', '.join((*names.SAMPLERS, *names.VARIANTS))}.",
            autocompletion=one_of((*names.SAMPLERS, *names.VARIANTS)),
        ),
    ],
    p: LawOption,
    q: Annotated[str, typer.Option(help="Draft law; for product drafts k laws with ; between them.")],
    k: Annotated[int, typer.Option(min=1, help="Number of drafts.")] = 2,
    drafts: Annotated[
        str | None,
        typer.Option(help="Pair the rule with this draft policy.", autocompletion=one_of(names.DRAFTS)),
    ] = None,
    n: Annotated[int, typer.Option("-n", "--draws", min=1, help="Number of draws.")] = 100_000,
    seed: Seed = 0,
    normalise: Normalise = False,
    json: Json = None,
) -> None:
    """Draw from a sampler and show what came out beside its exact law.

    Exit code 1: biased, exactly; or the draws do not fit (a right draw fails so in one run of a million at most).

    Example: spechub-lp sample --sampler spechub --p 0,1/5,4/5 --q 3/5,3/10,1/10 -n 200000
    """
    from spechub_lp import samplers
    from spechub_lp.audit.draws import sample_and_compare
    from spechub_lp.report.text.tables import show_sample

    check_outputs(json=json)
    chosen = samplers.by_name(sampler, k)
    chosen = chosen.with_drafts(drafts) if drafts else chosen
    with ProgressBar() as report:
        result = sample_and_compare(chosen, p, _draft_laws(q), n, seed, normalise, report)
    save({**about("sample"), **result.document()}, json)
    show_sample(console_beside(json), result)
    raise typer.Exit(not (result.coupling.is_lossless and result.plausible))


@app.command(cls=Command)
def schema(
    command: Annotated[
        str,
        typer.Argument(
            help=f"One of {', '.join((*names.DOCUMENTS, *names.FILES))}.",
            autocompletion=one_of((*names.DOCUMENTS, *names.FILES)),
        ),
    ],
) -> None:
    """Print the JSON Schema (draft 2020-12) of what a command writes with --json, or of a kind of file that is read.

    Example: spechub-lp schema solve
    """
    from spechub_lp.report.schemas import of

    write_json(Path("-"), of(command))


app.command(cls=Command)(gate)
app.command(cls=Command)(replay)
app.command(cls=Command)(capture)


def main() -> None:
    """The entry point `spechub-lp`."""
    run(app)


def _draft_laws(text: str) -> Any:
    return [row.split(",") for row in text.split(";")] if ";" in text else text
