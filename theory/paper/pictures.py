"""The pictures of the paper, drawn twice: for pages, in the reader's colours, and for print, with letters as outlines.

python -m theory.paper.pictures        writes the SVG files beside this one
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.text import Text

from spechub_lp.report.plots.pictures import COLOURS, INK, canvas
from spechub_lp.trees import BorderPath, tabular
from spechub_lp.trees.drafted import Drafted
from theory.border.pictures import PICTURES as OF_BORDER
from theory.border.pictures import Picture, write
from theory.paper import values

HERE = Path(__file__).parent
MODEL = tabular(lambda context: (["1/2", "3/10", "1/5"], ["1/5", "3/10", "1/2"]))
PARENTS, TOKENS = (-1, 0, 0, 1, 1, 2, 2), (-1, 2, 1, 2, 0, 1, 2)
PLACES = ((3.0, 2.0), (1.4, 1.0), (4.6, 1.0), (0.6, 0.0), (2.2, 0.0), (3.8, 0.0), (5.4, 0.0))
PATH = (0, 2, 5)
"""The nodes that the picture follows."""
LINES = {
    "naive": "one draft", "rrs": "RRS", "rrsw": "RRSw", "kseq": "K-SEQ", "spechub": "SpecHub", "border": "Border, iid",
    "border_wor": "Border, without repl.",
}  # fmt: skip
PRINT: Any = {
    "svg.fonttype": "path", "font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 11,
    "legend.fontsize": 10,
}  # fmt: skip


class Step(NamedTuple):
    """What the rule does at a node of its path; the numbers are rationals."""

    node: int
    w: Any
    b: tuple[Any, ...]
    """Distribution of the chosen child; empty at the end of the path."""
    chances: dict[int, Any]
    """Child -> the probability that it is chosen, given the siblings."""
    passes: Any
    """The probability that the path up to here passes when no longer part of it does."""


def steps() -> Iterator[Step]:
    """The rule along PATH, as `BorderPath` chooses and block verification passes."""
    p, q = MODEL(())
    tree = Drafted(PARENTS, TOKENS, [p] * len(PARENTS), [q] * len(PARENTS))
    w = p[0] * 0 + 1
    for node, child in zip(PATH, (*PATH[1:], None), strict=True):
        if child is None:
            yield Step(node, w, (), {}, w)
            return
        b, children = BorderPath().choice(tree, (node,), w)
        missing = sum(max(w * y - x, 0) for y, x in zip(p, b, strict=True))
        passes = missing / (missing + 1 - w)
        yield Step(node, w, tuple(b), {below[0]: chance for below, chance in children}, passes)
        w = min(w * 0 + 1, w * p[TOKENS[child]] / b[TOKENS[child]])


def tree_path(axes: Any) -> None:
    """A drafted tree with one path through it, and on the right the numbers along the path."""
    told = {step.node: step for step in steps()}
    chances = {child: chance for step in told.values() for child, chance in step.chances.items()}
    for node, parent in enumerate(PARENTS):
        if parent >= 0:
            (x, y), (above_x, above_y) = PLACES[node], PLACES[parent]
            on = node in PATH
            axes.plot([above_x, x], [above_y, y], color=COLOURS["border"] if on else INK, lw=3 if on else 1, zorder=1)
            if node in chances:
                side = -1 if x < above_x else 1
                axes.text(
                    (x + above_x) / 2 + 0.15 * side, (y + above_y) / 2 + 0.05, f"{chances[node]}",
                    ha="left" if side > 0 else "right",
                )  # fmt: skip
    for node, (x, y) in enumerate(PLACES):
        on = node in PATH
        axes.plot(x, y, "o", ms=19, color=COLOURS["border"] if on else "#c8c8c8", zorder=2)
        axes.text(
            x, y - 0.015, "" if node == 0 else str(TOKENS[node]), ha="center", va="center", color="black", zorder=3
        )
    axes.text(PLACES[0][0], PLACES[0][1] + 0.2, "root", ha="center")
    for step in told.values():
        height = PLACES[step.node][1]
        depth = PATH.index(step.node)
        said = [rf"$w_{depth} = {step.w}$", f"passes with {step.passes}"]
        if step.b:
            said[:0] = [rf"$b = ({', '.join(map(str, step.b))})$"]
        axes.text(6.1, height, "\n".join(said), va="center", linespacing=1.55)
    axes.set(xlim=(0.2, 9.6), ylim=(-0.35, 2.4))
    axes.axis("off")


def acceptance(axes: Any) -> None:
    """Acceptance of two drafts over the temperature, and the optimum of drafts with and without replacement."""
    found = values.evaluation("smollm2")
    at = found.plan.temperatures
    for policy, label in (("iid", "optimum, iid"), ("without_replacement", "optimum, without repl.")):
        best = [values.mean("smollm2", t, 2, "optimum", policy).mean for t in at]
        axes.plot(at, best, "-", color=COLOURS["optimum"], lw=6, alpha=0.35, label=label, solid_capstyle="round")
    for rule, label in LINES.items():
        k = 1 if rule == "naive" else 2
        means = [values.mean("smollm2", t, k, "acceptance", rule).mean for t in at]
        axes.plot(at, means, "o-", color=COLOURS[rule], lw=1.4, ms=4, label=label)
    axes.set(xlabel="temperature", ylabel="acceptance", xticks=at)
    axes.set_xticklabels([f"{t:g}" for t in at])
    axes.legend(ncols=1, loc="center left", bbox_to_anchor=(1.01, 0.5))


OWN = {
    "tree_path.svg": Picture(tree_path, "A drafted tree of two levels; one path through it is chosen", (6.0, 3.2)),
    "acceptance.svg": Picture(acceptance, "Acceptance of two drafts over the temperature, SmolLM2-135M", (7.0, 3.6)),
}
ALL = OWN | {f"../border/{name}": picture for name, picture in OF_BORDER.items()}
"""The pictures by the path that the assembled paper gives them."""


def printed(picture: Picture) -> str:
    """A picture for print: dark lines, letters as outlines, so that no font is asked for."""
    out, nothing = io.StringIO(), dict.fromkeys(("Creator", "Date", "Format", "Type"))
    width, height = picture.size
    with canvas(width=width, height=height) as (figure, axes), matplotlib.rc_context(PRINT):
        picture.draw(axes)
        for text in figure.findobj(Text):
            text.set_fontfamily(PRINT["font.family"])
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    return out.getvalue().replace(INK, "#222222")


if __name__ == "__main__":
    write(HERE, OWN)
