"""What notebooks/real_logits.py shows beside the pictures of the reports: one stored position, and token trees.

Drawing functions take axes that `pictures.canvas` gave.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spechub_lp.capture.store import Rows
from spechub_lp.replay.measures import chosen, measure
from spechub_lp.replay.tally import Tally
from spechub_lp.report.plots.drawings import Range
from spechub_lp.report.plots.pictures import COLOURS, INK, grouped
from spechub_lp.typing import Array


def tokens_per_call(axes: Any, runs: Sequence[dict[str, Any]]) -> None:
    """A point for each rule on each tree of a validation/results/trees_*.json, with an interval clustered by prompt.

    runs: {"tree", "rule", "by_prompt": {prompt: [tokens, calls]}}, of one temperature.
    """
    trees, rules = (list(dict.fromkeys(run[what] for run in runs)) for what in ("tree", "rule"))
    wide = 0.7 / len(rules)
    for n, rule in enumerate(rules):
        own = [(run["tree"], run["by_prompt"]) for run in runs if run["rule"] == rule]
        seen = [(trees.index(tree), e) for tree, by in own if (e := Tally.ratio(by.__getitem__, by))]
        axes.errorbar(
            [place + wide * (n + 0.5) - 0.35 for place, _ in seen], [e.mean for _, e in seen],
            [e.half_width or 0.0 for _, e in seen], fmt="o", ms=5, lw=1.4, color=COLOURS.get(rule, INK), label=rule,
        )  # fmt: skip
    axes.set_xticks(range(len(trees)), trees)
    axes.set(xlabel="tree: branches ^ depth", ylabel="tokens per call of the target", xlim=(-0.5, len(trees) - 0.5))
    axes.margins(y=0.25)
    axes.legend(ncols=3, loc="upper left")


def text_at(rows: Rows, i: int, words: Mapping[int, str], most: int = 40) -> tuple[str, str]:
    """The last `most` tokens before position i as text, and the token that came there. words: text by token id."""
    lengths = [document["tokens"] for document in rows.manifest["documents"]]
    index, start = int(rows.index[i]), sum(lengths[: int(rows.document[i])])
    before = rows.tokens[start + max(index - most, 0) : start + index]
    return "".join(words[int(token)] for token in before), words[int(rows.tokens[start + index])]


def likeliest(axes: Any, p: Array, q: Array, words: Mapping[int, str], most: int = 10) -> None:
    """Bars of p and q [V] at the tokens that matter most to either; a space in a token shows as _."""
    top = [int(y) for y in np.argsort(-np.maximum(p, q), kind="stable")[:most]]
    names = [ascii(words.get(y, f"#{y}"))[1:-1].replace(" ", "_") for y in top]
    grouped(axes, names, {"p": p[top], "q": q[top]})
    axes.set_xticks(range(len(top)), names, rotation=35, ha="right", parse_math=False)
    axes.set_ylabel("probability")


def accepted(p: Array, q: Array, k: int) -> list[Range]:
    """What each sampler accepts at one position, p and q [1, V], beside the optimum of its drafts, as rows of a chart.

    Samplers without a closed form are left out.
    """
    here, out = Tally(), []
    measure(here, ["here"], p, q, 1.0, (k,), ("all",))
    for sampler in chosen(("all",), k):
        own = here.mean((1.0, sampler.k, "acceptance", sampler.name))
        best = here.mean((1.0, k, "optimum", sampler.drafts.name.replace("hub", "greedy")))
        if own and best and sampler.k == k:
            colour, drafts = COLOURS.get(sampler.name, INK), sampler.drafts.name.replace("_", " ")
            out.append(Range(sampler.name, own.mean, best.mean, colour, drafts))
    return out
