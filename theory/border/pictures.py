"""The three pictures of theory/border: B under F, the hulls, and the merge levels.

python theory/border/pictures.py        writes the SVG files beside this one
"""

from pathlib import Path

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


def main() -> None:
    race = Race.of(Border(K), P, Q)
    with canvas(width=5.2, height=3.8) as (figure, axes):
        under(axes, race)
        write_text(HERE / "under.svg", svg_file(figure, "B touches F from below; P exceeds F most at the cut"))
    with canvas(width=5.2, height=3.8) as (figure, axes):
        hulls(axes, race, LEVELS)
        write_text(HERE / "hulls.svg", svg_file(figure, "B - tF and its upper hull at five levels t: corners vanish"))
    with canvas(width=5.2, height=3.8) as (figure, axes):
        merge_levels(axes, race)
        write_text(HERE / "merge_levels.svg", svg_file(figure, "Blocks of tokens merge as the level t rises"))


if __name__ == "__main__":
    main()
