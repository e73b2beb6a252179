"""`spechub-lp solve`: arguments in, exit code out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spechub_lp._util.io import check_outputs, write_json, write_text
from spechub_lp.cli.options import Drafts, Json, Normalize, draft_distributions
from spechub_lp.cli.terminal import about, console_beside, save
from spechub_lp.errors import SpecHubError


def solve(
    p: Annotated[str | None, typer.Option(help="Distribution as rationals or decimals: 0,1/5,4/5")] = None,
    q: Annotated[
        str | None, typer.Option(help="Draft distribution; for product drafts k distributions with ; between them.")
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Number of drafts.")] = 2,
    drafts: Drafts = "iid",
    tree: Annotated[
        str | None, typer.Option(help="A tree of drafts in the place of k: 2^3, or 3,2,1, or nested lists.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="For a tree: a JSON list of [context, p, q]. Without it p and q hold after every context."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Solve the full coupling too, V^(k+1) variables.")] = False,
    certificate: Annotated[Path | None, typer.Option(help="Write the certificate to this file.")] = None,
    lp: Annotated[Path | None, typer.Option(help="Write the program in rationals, for QSopt_ex, to this file.")] = None,
    normalize: Normalize = False,
    json: Json = None,
) -> None:
    """Find the best acceptance, and write down its proof. Every method solves for it, with sizes and times.

    Example: spechub-lp solve --p 0,1/5,4/5 --q 3/5,3/10,1/10 --drafts iid --full --certificate optimum.json

    A tree: spechub-lp solve --tree 2^2 --p 0,1/5,4/5 --q 3/5,3/10,1/10 --drafts without_replacement
    """
    check_outputs(*([model] if model else []), json=json, certificate=certificate, lp=lp)
    if tree is not None:
        if full or lp or (model is not None and (p or q)):
            raise SpecHubError("--tree goes with --p and --q, or with --model, and without --full and --lp")
        _solve_tree(tree, model, p, q, drafts, normalize, certificate, json)
        return
    if model is not None:
        raise SpecHubError("--model is for a --tree")
    if p is None or q is None:
        raise _missing(p)
    from spechub_lp.optimum.compare import solve_every_way
    from spechub_lp.report.text.tables import show_solution

    result = solve_every_way(p, draft_distributions(q), k, drafts, full, normalize)
    if certificate:
        write_json(certificate, result.optimum.certificate())
    if lp:
        from spechub_lp.optimum.export import to_lp

        write_text(lp, to_lp(result.optimum))
    save({**about("solve"), **result.document()}, json)
    show_solution(console_beside(json, certificate, lp), result)
    raise typer.Exit(not result.agree)


def _missing(p: str | None) -> SpecHubError:
    """The usage error of an option that is needed unless a tree has a --model."""
    return SpecHubError(f"missing option '{'--q' if p else '--p'}' (see spechub-lp solve --help)")


def _solve_tree(
    tree: str,
    model: Path | None,
    p: str | None,
    q: str | None,
    drafts: str,
    normalize: bool,
    certificate: Path | None,
    json: Path | None,
) -> None:
    from spechub_lp.report import schemas
    from spechub_lp.report.text.tables import show_tree
    from spechub_lp.trees.compare import read_model, solve_tree
    from spechub_lp.trees.shape import parse

    if model is None and (p is None or q is None):
        raise _missing(p)
    pair: Any = (lambda _: (p, q)) if model is None else read_model(model)
    result = solve_tree(pair, parse(tree), drafts, normalize)
    if certificate:
        write_json(certificate, result.best.certificate())
    save({**about("solve"), "schema": schemas.identifier("solve-tree"), **result.document()}, json)
    show_tree(console_beside(json, certificate), result)
