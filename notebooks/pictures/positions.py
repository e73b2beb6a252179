"""What notebooks/real_logits.py shows beside the pictures of the reports: one stored position, and token trees.

Drawing functions take axes that `pictures.canvas` gave.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spechub_lp.capture.store import Rows
from spechub_lp.evaluate.measures import chosen, measure
from spechub_lp.evaluate.tally import Tally
from spechub_lp.report.plots.drawings import Range
from spechub_lp.report.plots.pictures import COLOURS, INK, grouped
from spechub_lp.typing import Array


def tokens_per_call(axes: Any, runs: Sequence[dict[str, Any]]) -> None:
    """Draw a point for each rule on each tree, with an interval clustered by prompt.

    Parameters
    ----------
    axes
        Where.
    runs
        Of a validation/results/trees_*.json, of one temperature: {"tree", "rule", "by_prompt": {prompt: [tokens,
        calls]}}.

    Examples
    --------
    >>> from spechub_lp.report.plots.pictures import canvas
    >>> with canvas() as (figure, axes):
    ...     tokens_per_call(axes, [{"tree": "2^1", "rule": "rrs", "by_prompt": {"a": [6, 4], "b": [5, 4]}}])
    ...     axes.get_ylabel()
    'tokens per call of the target'
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
    """Return the text before a stored position, and the token that came there.

    Parameters
    ----------
    rows
        Stored rows.
    i
        The position.
    words
        Text by token id.
    most
        How many tokens before it.

    Returns
    -------
    str, str
        Both.
    """
    lengths = [document["tokens"] for document in rows.manifest["documents"]]
    index, start = int(rows.index[i]), sum(lengths[: int(rows.document[i])])
    before = rows.tokens[start + max(index - most, 0) : start + index]
    return "".join(words[int(token)] for token in before), words[int(rows.tokens[start + index])]


def likeliest(axes: Any, p: Array, q: Array, words: Mapping[int, str], most: int = 10) -> None:
    """Draw bars of p and q at the tokens that matter most to either; a space in a token shows as _.

    Parameters
    ----------
    axes
        Where.
    p, q : [V]
        Target and draft distribution.
    words
        Text by token id.
    most
        How many tokens.

    Examples
    --------
    >>> from spechub_lp.report.plots.pictures import canvas
    >>> with canvas() as (figure, axes):
    ...     likeliest(axes, np.array([0.5, 0.5]), np.array([0.25, 0.75]), {0: "a", 1: " b"})
    ...     [tick.get_text() for tick in axes.get_xticklabels()]
    ['_b', 'a']
    """
    top = [int(y) for y in np.argsort(-np.maximum(p, q), kind="stable")[:most]]
    names = [ascii(words.get(y, f"#{y}"))[1:-1].replace(" ", "_") for y in top]
    grouped(axes, names, {"p": p[top], "q": q[top]})
    axes.set_xticks(range(len(top)), names, rotation=35, ha="right", parse_math=False)
    axes.set_ylabel("probability")


def accepted(p: Array, q: Array, k: int) -> list[Range]:
    """Compute what each sampler accepts at one position, beside the optimum of its drafts; those with a closed form.

    Parameters
    ----------
    p, q : [1, V]
        Target and draft distribution.
    k
        Number of drafts.

    Returns
    -------
    list of Range
        Rows of a chart.

    Examples
    --------
    >>> rows = accepted(np.array([[0.0, 0.2, 0.8]]), np.array([[0.6, 0.3, 0.1]]), 2)
    >>> [(row.name, round(row.value, 3)) for row in rows if row.name == "rrs"]
    [('rrs', 0.37)]
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
