"""The three pictures of theory/border: B under F, the hulls, and the merge levels.

python theory/border/pictures.py        writes the SVG files beside this one
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spechub_lp._util.io import write_text
from spechub_lp.report.plots.border import Race, hulls, merge_levels, under
from spechub_lp.report.plots.pictures import canvas, svg_file
from spechub_lp.samplers.border.iid import Border

HERE = Path(__file__).parent
P = np.asarray([[0.22, 0.20, 0.20, 0.14, 0.12, 0.07, 0.04, 0.01]])
Q = np.asarray([[0.05, 0.08, 0.12, 0.12, 0.15, 0.15, 0.17, 0.16]])
K = 3
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)


class Picture(NamedTuple):
    """How a picture is drawn."""

    draw: Callable[[Any], None]
    """On the axes of one canvas."""
    title: str
    """What a screen reader says."""
    size: tuple[float, float] = (5.2, 3.8)
    """Width and height in inches."""


def race() -> Race:
    return Race.of(Border(K), P, Q)


PICTURES = {
    "under.svg": Picture(lambda axes: under(axes, race()), "B touches F from below; P exceeds F most at the cut"),
    "hulls.svg": Picture(
        lambda axes: hulls(axes, race(), LEVELS), "B - tF and its upper hull at five levels t: corners vanish"
    ),
    "merge_levels.svg": Picture(lambda axes: merge_levels(axes, race()), "Blocks of tokens merge as the level t rises"),
}


def write(folder: Path, pictures: dict[str, Picture]) -> None:
    """Write pictures for pages."""
    for name, picture in pictures.items():
        width, height = picture.size
        with canvas(width=width, height=height) as (figure, axes):
            picture.draw(axes)
            write_text(folder / name, svg_file(figure, picture.title))


if __name__ == "__main__":
    write(HERE, PICTURES)
