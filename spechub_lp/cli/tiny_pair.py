"""`spechub-lp tiny-pair`: arguments in, a folder with two tiny models out."""

from pathlib import Path
from typing import Annotated

import typer

from spechub_lp.cli.options import Seed
from spechub_lp.cli.terminal import console_beside


def tiny_pair(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write.")],
    vocabulary: Annotated[int, typer.Option("--vocabulary", "-V", help="Tokens, 3 to 64.")] = 3,
    seed: Seed = 0,
    distance: Annotated[
        float, typer.Option(help="Mean total variation distance of the draft from the target; 0 makes them equal.")
    ] = 0.3,
    own_tokens: Annotated[bool, typer.Option("--own-tokens", help="Give the draft another tokenizer.")] = False,
    layers: Annotated[int, typer.Option(help="Layers of both models; an early exit needs two.")] = 1,
) -> None:
    """Write a pair of tiny models for gate-engine. Any engine loads them; their exact distributions are beside them.

    Example: spechub-lp tiny-pair --out pair --vocabulary 4 --distance 0.2
    """
    from spechub_lp.gate.generation.pair import make_pair, write_pair

    pair = write_pair(make_pair(vocabulary, seed, distance, own_tokens, layers), out)
    away = "with tokens of its own" if own_tokens else f"{pair.distance:.3f} from the target"
    console_beside().print(f"{out}: {pair.vocabulary} tokens, the draft {away}; gate-engine --pair {out}")
