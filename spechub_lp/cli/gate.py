"""`spechub-lp gate`: arguments in, verdict and exit code out."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from spechub_lp._util.io import check_outputs, is_stdout, write_json, write_text
from spechub_lp.cli.options import Html, Json, OwnDrafts, Seed, Verbose, one_of
from spechub_lp.cli.terminal import STYLE, Command, ProgressBar, about, complaint, console_beside, save
from spechub_lp.cli.terminal import run as run_app
from spechub_lp.errors import SpecHubError, UnknownName
from spechub_lp.gate import serialize, waivers
from spechub_lp.gate.clock import CLOCKS
from spechub_lp.gate.results import Report
from spechub_lp.gate.run import rerun as rerun_case
from spechub_lp.gate.run import run
from spechub_lp.gate.settings import ADAPTERS, Logits, Settings
from spechub_lp.report.text import gate_summary

MOST_SEARCHED = 100_000
"""Problems of one run."""


def gate(
    engine: Annotated[
        str | None,
        typer.Argument(
            help="module:object, a verify(p, q, drafts) -> (token, slot) or a protocol's object; or an adapter: "
            f"{', '.join(ADAPTERS)}.",
            autocompletion=one_of(ADAPTERS),
        ),
    ] = None,
    drafts: OwnDrafts = None,
    k: Annotated[int, typer.Option(help="Number of drafts.")] = 2,
    claim: Annotated[
        list[str] | None,
        typer.Option(metavar="POLICY:K", help="More drafts that it is for, such as top_k:3; again for more."),
    ] = None,
    budget: Annotated[
        str, typer.Option(envvar="SPECHUB_BUDGET", help="Seconds (40, 40s) or calls on real noise (100000draws).")
    ] = "60s",
    clock: Annotated[
        str,
        typer.Option(
            help="What seconds are: wall, or cpu for CPU time.",
            envvar="SPECHUB_CLOCK",
            autocompletion=one_of(tuple(CLOCKS)),
        ),
    ] = "wall",
    distance: Annotated[float, typer.Option(help="A pass by draws must prove the distance below this,")] = 0.05,
    min_power: Annotated[float, typer.Option(help="and would have caught that distance with this power.")] = 0.99,
    acceptance_floor: Annotated[float | None, typer.Option(help="Least acceptance, as a share of the optimum.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="JSON of an earlier run: acceptance must not fall.")] = None,
    json: Json = None,
    junit: Annotated[Path | None, typer.Option(help="Write the report as JUnit XML; - is stdout.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the report as Markdown; - is stdout.")] = None,
    html: Html = None,
    case: Annotated[Path | None, typer.Option(help="Write the smallest failing input to this file.")] = None,
    rerun: Annotated[Path | None, typer.Option(help="Run one saved failing input again.")] = None,
    waive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="A known small defect that shall not fail: 'KIND [on PROBLEM] [<= SIZE]: REASON'; again for more.",
        ),
    ] = None,
    verbose: Verbose = False,
    level: Annotated[list[int] | None, typer.Option(help="Only these levels (0 to 3).")] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds that one call may take.")] = 5.0,
    searched: Annotated[int, typer.Option(help="Problems that are searched.")] = 80,
    require_coverage: Annotated[
        bool, typer.Option("--require-coverage", help="Code of the engine that never ran makes a pass inconclusive.")
    ] = False,
    seed: Seed = 0,
    logits: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Test on captured rows: a capture's folder, or one .safetensors of rows."),
    ] = None,
    temperature: Annotated[list[float] | None, typer.Option(help="With --logits: temperature; again for more.")] = None,
    positions: Annotated[int | None, typer.Option(help="With --logits: how many positions; 8 by default.")] = None,
    top: Annotated[
        int | None, typer.Option(help="With --logits: tokens kept where the distribution is enumerated.")
    ] = None,
) -> None:
    """Gate a verification rule: lossless or not, how good. Compared with the exact distribution and the optimum.

    Exit codes: 0 pass, 1 biased (or below the acceptance asked for), 2 misuse, 3 inconclusive.

    Example: spechub-lp gate mymodule:verify --drafts iid --k 2 --junit gate.xml
    """
    try:
        settings = Settings(
            clock=clock,
            distance=distance,
            min_power=min_power,
            acceptance_floor=acceptance_floor,
            time_limit=time_limit,
            seed=seed,
            searched=searched,
            claims=tuple(map(_claim, claim or ())),
            require_coverage=require_coverage,
            waivers=tuple(map(waivers.read, waive or ())),
            levels=tuple(level) if level else Settings.levels,
        )
        settings = _checked(_with_budget(settings, budget))
        check_outputs(json=json, junit=junit, markdown=markdown, html=html, case=case)
        before = serialize.read_report(baseline) if baseline else None
        rows = _captured_rows(logits, temperature, positions, top)
        with ProgressBar(thread=False) as progress:
            if rerun:
                report = rerun_case(engine, rerun, settings, progress)
            else:
                report = run(engine, drafts, k, settings, logits=rows, progress=progress)
        if before is not None:
            serialize.compare(report, before, str(baseline))
        _write(report, json, junit, markdown, html, case, hint=rerun is None, verbose=verbose)
    except SpecHubError as error:
        typer.echo(complaint(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(report.exit_code)


def _captured_rows(
    logits: Path | None, temperature: list[float] | None, positions: int | None, top: int | None
) -> Logits | None:
    if logits is not None:
        plan = Logits(logits, top=top)
        return replace(
            plan,
            temperatures=tuple(temperature) if temperature else plan.temperatures,
            positions=plan.positions if positions is None else positions,
        )
    for name, value in (("temperature", temperature), ("positions", positions), ("top", top)):
        if value is not None and value != []:
            raise SpecHubError(f"--{name} is about captured rows; name them with --logits DIR")
    return None


def _claim(text: str) -> tuple[str, int]:
    """Read top_k:3."""
    name, _, k = text.rpartition(":")
    if not name or not k.isdigit() or int(k) < 1:
        raise SpecHubError(f"--claim {text!r} is no draft policy and number of drafts; hint: --claim top_k:3")
    return name, int(k)


def _with_budget(settings: Settings, budget: str) -> Settings:
    """Read "40", "40s" or "100000draws"."""
    word = budget.strip().lower()
    for unit in ("draws", "draw", "d"):
        if word.endswith(unit):
            number = word.removesuffix(unit)
            if not number.isdigit() or int(number) < 1:
                break
            return replace(settings, draws=int(number), seconds=max(600.0, settings.seconds))
    try:
        seconds = float(word.removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise SpecHubError(f"--budget {budget!r} is neither seconds (40s) nor draws (100000draws)")
    return replace(settings, seconds=seconds)


def _checked(settings: Settings) -> Settings:
    for name, low, high in (("distance", 0, 1), ("min_power", 0, 1), ("acceptance_floor", 0, 1)):
        value = getattr(settings, name)
        if value is not None and (not low < value <= high or (name == "min_power" and value == 1)):
            raise SpecHubError(f"--{name.replace('_', '-')} {value} must lie between {low} and {high}")
    if settings.clock not in CLOCKS:
        raise UnknownName("clock", settings.clock, CLOCKS)
    if not 0 <= settings.searched <= MOST_SEARCHED:
        raise SpecHubError(f"--searched {settings.searched} must lie between 0 and {MOST_SEARCHED:,}")
    if not settings.time_limit > 0:
        raise SpecHubError(f"--time-limit {settings.time_limit} must be positive")
    if not set(settings.levels) <= {0, 1, 2, 3}:
        raise SpecHubError(f"--level {list(settings.levels)}: levels are 0, 1, 2 and 3")
    return settings


def _write(
    report: Report, json: Any, junit: Any, markdown: Any, html: Any, case: Path | None, hint: bool, verbose: bool
) -> None:
    """Files first: a reader who closes the pipe must not cost one."""
    from spechub_lp.report.text.gate_table import show_gate

    failing = report.status == "biased" and report.case is not None
    if failing and case:
        write_json(case, serialize.case_document(report))
    if junit:
        write_text(junit, gate_summary.junit(report))
    if markdown:
        write_text(markdown, gate_summary.markdown(report))
    save({**about("gate"), **report.document()}, json, html)
    console = console_beside(json, junit, markdown, html, case)
    show_gate(console, report, verbose)
    if failing and (hint or case):
        saved = case is not None and not is_stdout(case)
        again = shlex.join(["spechub-lp", "gate", report.engine, "--rerun", str(case) if saved else "FILE"])
        done = "failing input saved" if saved else "--case FILE saves the failing input"
        console.print(f"{done}; run it again with: {again}", soft_wrap=True)


def main() -> None:
    """Run the command by itself, as `python -m spechub_lp.gate` does."""
    app = typer.Typer(add_completion=False, **STYLE)
    app.command(cls=Command)(gate)
    run_app(app)
