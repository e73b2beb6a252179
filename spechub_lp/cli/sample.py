"""`spechub-lp sample`: arguments in, exit code out."""

from typing import Annotated

import typer

from spechub_lp._util.io import check_outputs
from spechub_lp.cli import names
from spechub_lp.cli.options import DistributionOption, Json, Normalize, Seed, draft_distributions, one_of
from spechub_lp.cli.terminal import ProgressBar, about, console_beside, save


def sample(
    sampler: Annotated[
        str,
        typer.Option(
            help=f"One of {', '.join((*names.SAMPLERS, *names.VARIANTS))}.",
            autocompletion=one_of((*names.SAMPLERS, *names.VARIANTS)),
        ),
    ],
    p: DistributionOption,
    q: Annotated[str, typer.Option(help="Draft distribution; for product drafts k distributions with ; between them.")],
    k: Annotated[int, typer.Option(min=1, help="Number of drafts.")] = 2,
    drafts: Annotated[
        str | None,
        typer.Option(help="Pair the rule with this draft policy.", autocompletion=one_of(names.DRAFTS)),
    ] = None,
    n: Annotated[int, typer.Option("-n", "--draws", min=1, help="Number of draws.")] = 100_000,
    seed: Seed = 0,
    normalize: Normalize = False,
    json: Json = None,
) -> None:
    """Draw from a sampler, beside its exact distribution.

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
        result = sample_and_compare(chosen, p, draft_distributions(q), n, seed, normalize, report)
    save({**about("sample"), **result.document()}, json)
    show_sample(console_beside(json), result)
    raise typer.Exit(not (result.coupling.is_lossless and result.plausible))
