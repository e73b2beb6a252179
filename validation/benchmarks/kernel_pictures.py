"""Pictures of docs/kernels.md: what the kernel does to one row, and what it costs on a device.

python validation/benchmarks/kernel_pictures.py [--times validation/results/gpu.json]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from spechub_lp._util.io import write_text
from spechub_lp.kernels import border, mixture
from spechub_lp.report.plots.pictures import COLOURS, canvas, svg_file

ROOT = Path(__file__).parents[2]
P, Q = [0.30, 0.25, 0.15, 0.15, 0.10, 0.05], [0.05, 0.15, 0.15, 0.20, 0.20, 0.25]


def hull() -> str:
    """The blocks of one row at two levels: edges of the upper hull of B - t F over C."""
    p, q = (torch.tensor([row], dtype=torch.float64) for row in (P, Q))
    made = border.prepare(p, q, 2, sort=True).mixture
    with canvas(columns=2, width=3.9, height=3.0) as (figure, panels):
        for axes, level in zip(panels, (0.2, 0.6), strict=True):
            y = (made.chosen - level * made.hit)[0]
            axes.plot(made.q[0], y, "o", color=COLOURS["optimum"], markersize=4)
            ends, place = [0], 0
            while place < p.shape[1]:
                _, end = mixture.block_at(made, torch.tensor([level]), torch.tensor([place]))
                place = int(end)
                ends.append(place)
            axes.plot(made.q[0][ends], y[ends], "-", color=COLOURS["border"])
            axes.set(title=f"level t = {level}: {len(ends) - 1} blocks", xlabel="cumulated q, best p/q first")
        panels[0].set_ylabel("B − t F")
        return svg_file(figure, "The blocks at a level are the edges of a hull")


def growth(rows: list[dict[str, Any]]) -> str:
    """Microseconds over B and over V."""
    with canvas(columns=2, width=3.9, height=3.2, sharey=True) as (figure, panels):
        for axes, fixed, free, at in ((panels[0], "V", "B", 151_936), (panels[1], "B", "V", 8)):
            for rule in ("rrsw", "border", "border_wor"):
                line = sorted(
                    (r[free], r["triton"], r["plain"]) for r in rows if (r["rule"], r["k"], r[fixed]) == (rule, 2, at)
                )
                over, triton, plain = zip(*line, strict=True)
                axes.plot(over, triton, "o-", color=COLOURS[rule], markersize=4, label=f"{rule}, Triton")
                axes.plot(over, plain, "o--", color=COLOURS[rule], markersize=3, linewidth=0.8, label=f"{rule}, torch")
            axes.set(xscale="log", yscale="log", xlabel=free, title=f"{fixed} = {at:,}")
        panels[0].set_ylabel("microseconds")
        panels[1].legend(fontsize=7, ncol=2)
        return svg_file(figure, "Time of a verification on a GPU over the batch and over the vocabulary")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=Path, default=ROOT / "validation" / "results" / "gpu.json")
    chosen = parser.parse_args()
    write_text(ROOT / "docs" / "static" / "kernels_hull.svg", hull())
    write_text(ROOT / "docs" / "static" / "kernels_growth.svg", growth(json.loads(chosen.times.read_text())["rows"]))


if __name__ == "__main__":
    main()
