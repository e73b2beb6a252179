"""python -m theory [--full] | hunt | recheck | hunts | questions | map | prove.

Exit: 0 it holds, 1 it does not, 2 bad input.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from spechub_lp._util.io import check_writable, write_json
from spechub_lp.cli.terminal import STYLE, run
from theory import dominance_map, hunting, questions, smt, table
from theory.hunt import certificates, describe, hunt, recheck
from theory.statement import read

app = typer.Typer(
    name="theory",
    help="Theorems: proved, checked, attacked.",
    add_completion=False,
    **STYLE,
)
Claim = Annotated[str, typer.Argument(help='Such as "rrsw >= spechub"; the head of theory/statement.py has the words.')]
Where = Annotated[str, typer.Option(help='Conditions, such as "q(a) > 1/2".')]
Out = Annotated[Path | None, typer.Option(help="Write the figures to this file.")]


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="SMT proofs up to 6 tokens, ten times the instances.")] = False,
    seed: int = 0,
    json: Out = None,
) -> None:
    """Print the table of theorems: how each is proved, checked and attacked."""
    if context.invoked_subcommand:
        return
    check_writable(json)
    lines = table.build(full, seed, _progress)
    table.show(Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False), lines)
    if json:
        write_json(json, table.document(lines, full, seed))
    raise typer.Exit(not all(line.sound for line in lines))


@app.command("hunt")
def hunt_command(
    claim: Claim,
    where: Where = "",
    tokens: Annotated[int, typer.Option(min=1, max=8)] = 3,
    k: Annotated[int, typer.Option(min=1, max=4, help="Number of drafts.")] = 2,
    denominator: Annotated[
        int, typer.Option(min=0, help="Exhaust all distributions up to this common denominator.")
    ] = 12,
    climbs: Annotated[int, typer.Option(min=0, help="Climbers of the random search; 0 leaves it out.")] = 256,
    seed: int = 0,
    certificate: Annotated[
        Path | None,
        typer.Option(help="Write certificates to FILE.<drafts>.json, for spechub-lp check-certificate."),
    ] = None,
) -> None:
    """Look for the simplest rational counterexample. Exit code 1: found.

    Example: python -m theory hunt "rrsw >= spechub" --tokens 3 --where "q(a)>1/2" --certificate found
    """
    statement = read(claim, where)
    result = hunt(statement, tokens, k, denominator, climbs, seed=seed)
    looked = f"{result.pairs:,} pairs with denominators up to {result.exhausted}, {result.climbed:,} climbed"
    if result.found is None:
        slack = f"; smallest slack of the climb {result.smallest_slack:.3g}" if result.climbed else ""
        print(f"no counterexample: {looked}{slack}{_open(result.undecided)}")
        return
    print("\n".join(["refuted:", *describe(result.found)]))
    print(f"({'simplest, ' if result.found.minimal else 'not necessarily the simplest, '}after {looked})")
    for path in certificates(statement, result.found, certificate) if certificate else []:
        print(f"certificate: {path}")
    raise typer.Exit(1)


@app.command("recheck")
def recheck_command(
    file: Annotated[Path, typer.Argument(help="A certificate that hunt wrote.")], claim: Claim, where: Where = ""
) -> None:
    """Check a hunt's certificate and recompute both sides of the statement there, exactly. Exit code 2: not refuted."""
    found = recheck(read(claim, where), file)
    print("\n".join(["refuted, recomputed from the enumerated distributions:", *describe(found)]))


@app.command("hunts")
def hunts_command(
    out: Out = None,
    full: Annotated[bool, typer.Option("--full", help="The recorded effort; the default takes a minute.")] = False,
    seed: int = 0,
) -> None:
    """The recorded hunts: the orders that nobody had proved, and the simplest counterexamples of false ones."""
    check_writable(out)
    document = hunting.record(full, seed, _progress)
    _write(out, document)
    raise typer.Exit(not document["as expected"])


@app.command("questions")
def questions_command(out: Out = None) -> None:
    """Hunts with their own search: what RRSw keeps of its optimum, the choice of a child by its siblings."""
    check_writable(out)
    document = questions.ask()
    _write(out, document)
    held = all(row["share"] >= 3 / 4 for row in document["shares"])
    raise typer.Exit(not (held and all(row["farthest"] < 1e-9 for row in document["choices"])))


@app.command("map")
def map_command(
    out: Out = None,
    full: Annotated[bool, typer.Option("--full", help="Larger denominators, more draws, all captured rows.")] = False,
    seed: int = 0,
) -> None:
    """The border of dominance: thresholds, largest losses, and how often the hub wins."""
    check_writable(out)
    _write(out, dominance_map.build(full, seed, _progress))


@app.command("prove")
def prove_command(
    tokens: Annotated[int, typer.Option(min=2, max=6, help="Up to this many tokens.")] = 4,
    limit: Annotated[float, typer.Option(help="Seconds for each check.")] = 60.0,
) -> None:
    """Ask z3 and cvc5 for proofs over all real p and q (extra smt), and for refutations of the sabotaged twins."""
    answers = [smt.ask(query, solver, limit) for query in smt.queries(tokens) for solver in query.solvers]
    twins = [smt.ask(query, solver, limit) for query in smt.twins() for solver in query.solvers]
    for answer in answers + twins:
        said = f"{answer.query:34} {answer.solver:5} {answer.result:10} {answer.seconds:7.2f} s"
        print(f"{said}  {answer.model}".rstrip())
    proved = {a.query for a in answers if a.result == "proved"}
    wrong = [a for a in answers if a.result in ("refuted", "vacuous")] + [a for a in twins if a.result != "refuted"]
    raise typer.Exit(bool(wrong) or proved != {a.query for a in answers})


def _write(out: Path | None, document: object) -> None:
    if out:
        write_json(out, document)
    else:
        print(json.dumps(document, indent=1, ensure_ascii=False, default=str))


def _open(undecided: int) -> str:
    return f"; {undecided} ties that K-SEQ's bounds leave open" if undecided else ""


def _progress(line: str) -> None:
    print(f"... {line}", file=sys.stderr, flush=True)


def main() -> None:
    """The entry point `python -m theory`."""
    run(app)


if __name__ == "__main__":
    main()
