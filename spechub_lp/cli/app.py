"""The command line: arguments in, exit code out. 0 the claim holds, 1 it does not, 2 bad input.

What a command needs is imported in its function: the help and completion must not wait for solvers and torch.
"""

from typing import Annotated

import typer

import spechub_lp
from spechub_lp.cli.audit import audit
from spechub_lp.cli.capture import capture
from spechub_lp.cli.check_certificate import check_certificate
from spechub_lp.cli.compare_reports import compare_reports
from spechub_lp.cli.evaluate import evaluate
from spechub_lp.cli.gate import gate
from spechub_lp.cli.gate_engine import gate_engine
from spechub_lp.cli.init import init
from spechub_lp.cli.notebook import notebook
from spechub_lp.cli.renamed import Group
from spechub_lp.cli.sample import sample
from spechub_lp.cli.schema import schema
from spechub_lp.cli.solve import solve
from spechub_lp.cli.terminal import STYLE, Command, run
from spechub_lp.cli.tiny_pair import tiny_pair

app = typer.Typer(
    name="spechub-lp",
    cls=Group,
    help="Exact distributions, certified optima and tests for multi-draft speculative decoding samplers.",
    add_completion=True,
    **STYLE,
)


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context, show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """Print the version, or the help where no command is named."""
    if show:
        print(f"spechub-lp {spechub_lp.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


COMMANDS = (
    audit, solve, check_certificate, sample, schema, gate, compare_reports, gate_engine, tiny_pair, evaluate, capture,
    init, notebook,
)  # fmt: skip
for command in COMMANDS:
    app.command(cls=Command)(command)


def main() -> None:
    """Run the command line, as the entry point `spechub-lp` does."""
    run(app)
