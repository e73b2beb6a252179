"""`spechub-lp solve`: arguments in, exit code out."""

from pathlib import Path
from typing import Annotated

import typer

from spechub_lp._util.io import check_outputs, write_json, write_text
from spechub_lp.cli.options import DistributionOption, Drafts, Json, Normalize, draft_distributions
from spechub_lp.cli.terminal import about, console_beside, save


def solve(
    p: DistributionOption,
    q: Annotated[str, typer.Option(help="Draft distribution; for product drafts k distributions with ; between them.")],
    k: Annotated[int, typer.Option(min=1, help="Number of drafts.")] = 2,
    drafts: Drafts = "iid",
    full: Annotated[bool, typer.Option("--full", help="Solve the full coupling too, V^(k+1) variables.")] = False,
    certificate: Annotated[Path | None, typer.Option(help="Write the certificate to this file.")] = None,
    lp: Annotated[Path | None, typer.Option(help="Write the program in rationals, for QSopt_ex, to this file.")] = None,
    normalize: Normalize = False,
    json: Json = None,
) -> None:
    """The optimum by every method, with sizes and times, and its certificate.

    Example: spechub-lp solve --p 0,1/5,4/5 --q 3/5,3/10,1/10 --drafts iid --full --certificate optimum.json
    """
    check_outputs(json=json, certificate=certificate, lp=lp)
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
