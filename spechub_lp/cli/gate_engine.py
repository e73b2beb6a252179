"""`spechub-lp gate-engine`: arguments in, verdict and exit code out."""

from pathlib import Path
from typing import Annotated

import typer

from spechub_lp._util.io import check_outputs, check_writable, write_text
from spechub_lp.cli.options import Html, Json, one_of
from spechub_lp.cli.terminal import ProgressBar, about, console_beside, save
from spechub_lp.errors import SpecHubError, UnknownName
from spechub_lp.gate.clock import CLOCKS
from spechub_lp.gate.settings import ENGINES

CHECKS = {"joint": "joint distribution", "logprobs": "log-probabilities", "seeds": "seeds"}


def gate_engine(
    engine: Annotated[
        str,
        typer.Argument(
            help=f"module:object, a generate(prompts, params); the URL of a server with /v1/completions; or one of "
            f"{', '.join(ENGINES)}.",
            autocompletion=one_of(ENGINES),
        ),
    ],
    pair: Annotated[Path, typer.Option(metavar="DIR", help="A pair that tiny-pair wrote.")],
    setting: Annotated[
        list[str] | None,
        typer.Option(help="Only this setting, such as 'top-k 2' or 'top-k 2 + greedy'; again for more."),
    ] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Settings in groups that hold every pair, too.")] = False,
    drafts: Annotated[int, typer.Option(min=1, max=5, help="Drafts a step.")] = 2,
    tokens: Annotated[int, typer.Option(min=1, max=5, help="Tokens of the joint distribution.")] = 3,
    seconds: Annotated[float, typer.Option(help="Time for one setting.")] = 120.0,
    clock: Annotated[
        str,
        typer.Option(help="What that time is: wall, or cpu for CPU time.", autocompletion=one_of(tuple(CLOCKS))),
    ] = "wall",
    distance: Annotated[
        float, typer.Option(help="Where only draws can tell, a pass proves the distance below this.")
    ] = 0.05,
    draws: Annotated[int, typer.Option(min=1, help="Answers at most, where only draws can tell.")] = 100_000,
    plain: Annotated[str | None, typer.Option(metavar="URL", help="The same server without drafts.")] = None,
    remote: Annotated[bool, typer.Option("--remote", help="Ask a server that is not on this machine.")] = False,
    check: Annotated[
        list[str] | None,
        typer.Option(help="Only this: joint, logprobs or seeds; again for more.", autocompletion=one_of(tuple(CHECKS))),
    ] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds that one call may take.")] = 10.0,
    jobs: Annotated[int, typer.Option(min=1, help="Settings at the same time.")] = 1,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep finished settings in this file and go on from it.")
    ] = None,
    json: Json = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the page as Markdown; - is stdout.")] = None,
    html: Html = None,
) -> None:
    """Gate a whole engine, with drafts against without. The joint distributions, setting by setting.

    Exit codes: 0 pass, 1 biased, 2 misuse, 3 inconclusive.

    Example: spechub-lp tiny-pair --out pair && spechub-lp gate-engine transformers --pair pair --setting greedy
    """
    check_outputs(json=json, markdown=markdown, html=html, resume=resume)
    for name, value in (("seconds", seconds), ("time-limit", time_limit)):
        if not 0 < value < 1e6:
            raise SpecHubError(f"--{name} {value} must be positive")
    if not 0 < distance < 1:
        raise SpecHubError(f"--distance {distance} must lie between 0 and 1")
    if clock not in CLOCKS:
        raise UnknownName("clock", clock, CLOCKS)
    for name in check or ():
        if name not in CHECKS:
            raise UnknownName("check", name, CHECKS)
    check_writable(resume)
    from spechub_lp.gate.generation import settings
    from spechub_lp.gate.generation.exact import Limits
    from spechub_lp.gate.generation.plan import Plan
    from spechub_lp.gate.generation.run import gate_engine as run
    from spechub_lp.report.text import generation

    chosen = [settings.find(name) for name in setting] if setting else settings.matrix(pairs)
    checks = tuple(CHECKS[name] for name in check or CHECKS)
    plan = Plan(
        tuple(chosen), drafts, tokens, Limits(seconds, time_limit, distance, draws, clock), jobs, checks, plain, remote
    )
    with ProgressBar(thread=jobs > 1) as progress:
        result = run(engine, pair, plan, resume, progress)
    if markdown:
        write_text(markdown, generation.markdown(result))
    save({**about("gate-engine"), **result.document()}, json, html)
    generation.show(console_beside(json, markdown, html), result)
    raise typer.Exit(result.exit_code)
