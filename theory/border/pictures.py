"""The three pictures of theory/border: B under F, the ironings, and acceptance against the levels of p/q.

python theory/border/pictures.py        writes the SVG files beside this one
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from spechub_lp.ironing import iron, wanted
from spechub_lp.otm.prefix import best_draft
from spechub_lp.samplers.border import Border

plt: Any = import_module("matplotlib.pyplot")
plt.switch_backend("svg")
plt.rcParams["svg.hashsalt"], plt.rcParams["svg.fonttype"] = "border", "none"

HERE = Path(__file__).parent
P = np.asarray([0.22, 0.20, 0.20, 0.14, 0.12, 0.07, 0.04, 0.01])
Q = np.asarray([0.05, 0.08, 0.12, 0.12, 0.15, 0.15, 0.17, 0.16])
K = 3


def from_zero(a: Any) -> Any:
    return np.append(0, np.cumsum(a))


def under(c: Any, f: Any, b: Any) -> None:
    figure, axes = plt.subplots(figsize=(5.2, 3.8))
    gap = from_zero(P) - from_zero(f)
    cut = int(np.argmax(gap))
    t = np.linspace(0, 1, 200)
    axes.plot(t, 1 - (1 - t) ** K, color="0.75", zorder=0)
    axes.plot(c, from_zero(f), "o", color="0.35", ms=4, label="F, what k drafts can offer")
    axes.plot(c, from_zero(P), "s--", color="tab:red", ms=3, lw=1, label="P, what the target asks")
    axes.plot(c, from_zero(b), "-", color="tab:blue", lw=1.8, label="B, the law of the choice")
    axes.vlines(c[cut], from_zero(f)[cut], from_zero(P)[cut], color="tab:red", lw=3, alpha=0.4)
    axes.annotate(r"$1 - \alpha^*$", (c[cut] - 0.115, from_zero(P)[cut] + 0.01), color="tab:red")
    axes.set_xlabel("q cumulated, tokens by falling p/q")
    axes.legend(frameon=False, loc="lower right")
    save(figure, "under")


def ironings(c: Any, f: Any, b: Any) -> None:
    tree = iron(Q, f, wanted(P, Q, f))
    figure, axes = plt.subplots(figsize=(5.2, 3.8))
    for start, end, born, up in zip(tree.first, tree.end, tree.born, tree.parent, strict=True):
        until = tree.born[up] if up >= 0 else 1.0
        slope = f[start:end].sum() / Q[start:end].sum()
        axes.fill_between([c[start], c[end]], born, until, color=plt.cm.viridis(slope / K), ec="white", lw=0.8)
    for i in range(1, len(Q)):
        axes.vlines(c[i], 0, tree.death[i], color="black", lw=1.6)
        axes.plot([c[i]], [tree.death[i]], "o", color="black", ms=3.5, clip_on=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("q cumulated, tokens by falling p/q")
    axes.set_ylabel("level t")
    bar = figure.colorbar(plt.cm.ScalarMappable(plt.Normalize(0, K), "viridis"), ax=axes)
    bar.set_label("density of the block's rule, (rise of F) / (width)")
    save(figure, "ironings")


def hulls(c: Any, f: Any, b: Any) -> None:
    tree = iron(Q, f, wanted(P, Q, f))
    figure, axes = plt.subplots(figsize=(5.2, 3.8))
    for t in (0.0, 0.25, 0.5, 0.75, 1.0):
        points = from_zero(b) - t * from_zero(f)
        corner = np.append(tree.death > t, True)
        corner[0] = True
        colour = plt.cm.plasma(0.85 * t)
        axes.plot(c, points, ".", color=colour, ms=4)
        axes.plot(c[corner], points[corner], "-o", color=colour, ms=4, lw=1.2, label=f"t = {t:g}")
    axes.set_xlabel("q cumulated, tokens by falling p/q")
    axes.set_ylabel("B - t F and its upper hull")
    axes.legend(frameon=False, fontsize=8)
    save(figure, "hulls")


def save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(HERE / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    f = best_draft(Border().race, Q, K)
    b = iron(Q, f, wanted(P, Q, f)).density * Q
    for draw in (under, ironings, hulls):
        draw(from_zero(Q), f, b)


if __name__ == "__main__":
    main()
