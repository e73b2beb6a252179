"""What do real logits say? `marimo run notebooks/real_logits.py`, or `python notebooks/real_logits.py`."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="What do real logits say?")

with app.setup(hide_code=True):
    from dataclasses import replace
    from html import escape
    from pathlib import Path

    import marimo as mo

    from notebooks.pictures.positions import accepted, likeliest, text_at, tokens_per_call
    from notebooks.pictures.reading import beside
    from spechub_lp._util import resources
    from spechub_lp._util.strict_json import read_json
    from spechub_lp.capture.store import load_rows
    from spechub_lp.evaluate.evaluate import Evaluation
    from spechub_lp.evaluate.measures import chosen
    from spechub_lp.report.plots.drawings import by_temperature, domains, gains, ranges, sharpness
    from spechub_lp.report.plots.pictures import INK, canvas, svg
    from spechub_lp.report.text.markdown import markdown_table

    RESULTS = Path(__file__).parents[1] / "validation" / "results"
    FIRST = ["rrs", "rrsw", "spechub", "border", "border_wor"]


@app.cell(hide_code=True)
def _(k, means, result, t):
    _best, _least = max(means, key=lambda name: means[name].mean), min(means, key=lambda name: means[name].mean)
    _key = t.value, k.value, "hub against", "without_replacement", "all"
    _win, _loss = (result.tally.mean((*_key, what)).mean for what in ("win", "loss"))
    mo.md(f"""
    # What do real logits say?

    **Answer.** On {result.positions:,} positions of a real model pair at temperature {t.value:g}, with {k.value}
    drafts, {_best} accepts most of the samplers compared, {means[_best]}, and {_least} least, {means[_least]}. Hub
    drafts (SpecHub's) allow more than drafts without replacement at {_win:.0%} of the positions, less at {_loss:.0%}.

    At each position of a text the target model has a distribution $p$ for the next token, the draft model a
    distribution $q$. Every sampler was run on both, at full vocabulary; all are lossless. ± covers 95 %, with
    documents as the independent unit.
    """)
    return


@app.cell(hide_code=True)
def _():
    _files = sorted(RESULTS.glob("evaluation_*.json"), key=lambda file: ("smollm2" not in file.stem, file.stem))
    documents = {file.stem.removeprefix("evaluation_"): read_json(file) for file in _files}
    rows = mo.ui.dropdown(list(documents), value=next(iter(documents)), label="evaluation of")
    return documents, rows


@app.cell(hide_code=True)
def _(documents, rows):
    whole = Evaluation.read(documents[rows.value])
    _ks, _ts = {f"{k}": k for k in whole.plan.ks}, list(whole.plan.temperatures)
    k = mo.ui.dropdown(_ks, value=next(iter(_ks)), label="drafts k")
    t = mo.ui.slider(steps=_ts, value=min(_ts, key=lambda t: abs(t - 1)), label="temperature", show_value=True)
    return k, t, whole


@app.cell(hide_code=True)
def _(k, rows, t, whole):
    _keys = {s.name: (s.k, "acceptance", s.name) for s in chosen(("all",), k.value)}
    _names = [name for name, key in _keys.items() if whole.tally.mean((whole.plan.temperatures[0], *key))]
    _start = [name for name in FIRST if name in _names]
    compared = mo.ui.multiselect(_names, value=_start, label="samplers", full_width=True)
    mo.vstack([mo.hstack([rows, k, t], justify="start", wrap=True, gap=1.5), compared])
    return (compared,)


@app.cell(hide_code=True)
def _(compared, k, t, whole):
    result = replace(whole, plan=replace(whole.plan, samplers=tuple(compared.value or FIRST[:2])))
    _keys = {s.name: (t.value, s.k, "acceptance", s.name) for s in chosen(result.plan.samplers, k.value)}
    means = {name: result.tally.mean(key) for name, key in _keys.items()}
    _first = next(iter(_keys))
    _heads, _rows = ["sampler", "acceptance", f"more than {_first}"], []
    for _name, _key in _keys.items():
        _more = result.tally.difference(_key, _keys[_first])
        _rows.append([_name, str(means[_name]), "" if _name == _first else str(_more)])
    _words = mo.md(f"""
    ## 1. How often is a draft accepted?

    {k.value} drafts at temperature {t.value:g}. The last column compares position by position, hence its narrow ±.
    """)
    mo.vstack([_words, mo.md("\n".join(markdown_table(_heads, _rows)))])
    return means, result


@app.cell(hide_code=True)
def _(k, result, t):
    _words = mo.md("""
    A broad band is the optimum of one draft distribution, in the colour of the rule that reaches it.
    """)
    with canvas(width=6.4, height=4.4) as (_heat, _axes):
        by_temperature(_axes, result, k.value)
        _axes.axvline(t.value, color=INK, lw=0.8, ls=":")
    with canvas(width=6.4, height=1.6 + 0.55 * len(result.domains)) as (_kinds, _axes):
        domains(_axes, result, k.value, t.value)
    _titles = {_heat: "Acceptance against temperature", _kinds: "Acceptance in each kind of text, with intervals"}
    mo.vstack([_words, *(mo.Html(svg(figure, title)) for figure, title in _titles.items())])
    return


@app.cell(hide_code=True)
def _(k, result):
    _words = mo.md(f"""
    ## 2. Where does SpecHub win, and where does it lose?

    The optimum of hub drafts less that of {k.value} independent drafts (above) and of drafts without replacement
    (below). Where $q(\\text{{Top}}) \\ge 1 - 1/k$, hub drafts are proved never to lose against independent ones.
    """)
    with canvas(1, 2, width=6.4, height=3.3) as (_figure, _both):
        for _axes, _rival in zip(_both, ("iid", "without_replacement"), strict=True):
            gains(_axes, result, k.value, _rival)
            _axes.set_ylabel(f"gain over {_rival.replace('_', ' ')}")
    mo.vstack([_words, mo.Html(svg(_figure, "Gain of hub drafts, by region and temperature"))])
    return


@app.cell(hide_code=True)
def _(k, result, t):
    _half, _border = (result.tally.mean((t.value, k.value, "region", place)) for place in ("half", "border"))
    _words = mo.md(f"""
    ## 3. How sharp are draft distributions?

    The largest probability $q(a)$ over the positions. At temperature {t.value:g}, $q(\\text{{Top}})$ reaches
    $1 - 1/k$ at {_half.mean:.1%} of them, and {_border.mean:.1%} more lie inside the sharp border of the theorem.
    """)
    with canvas(width=6.4, height=3.4) as (_figure, _axes):
        sharpness(_axes, result)
    mo.vstack([_words, mo.Html(svg(_figure, "Histogram of q(a) at each temperature"))])
    return


@app.cell(hide_code=True)
def _(compared, rows):
    _file = RESULTS / f"trees_{rows.value}.json"
    _runs = read_json(_file)["runs"] if _file.exists() else []
    _runs = [run for run in _runs if run.get("T", 1.0) == 1.0 and run["rule"] in compared.value]
    _words = mo.md("## 4. Does it carry over to trees?\n\nReal decoding loops at temperature 1, clustered by prompt.")
    with canvas(width=6.4, height=3.4) as (_figure, _axes):
        if _runs:
            tokens_per_call(_axes, _runs)
    _picture = mo.Html(svg(_figure, "Tokens per call of the target with token trees"))
    mo.vstack([_words, _picture if _runs else mo.md("No tree was run for these rows with these samplers.")])
    return


@app.cell(hide_code=True)
def _():
    captured = load_rows(resources.path("captured/smollm2.safetensors"))
    _file = resources.path("captured/smollm2_words.json")
    words = {int(token): word for token, word in read_json(_file).items()}
    position = mo.ui.slider(0, len(captured) - 1, value=5, label="position", show_value=True, full_width=True)
    heat = mo.ui.slider(0.3, 2.0, 0.1, value=1.0, label="temperature", show_value=True)
    return captured, heat, position, words


@app.cell(hide_code=True)
def _(captured, heat, position, words):
    _before, _came = text_at(captured, position.value, words)
    _text = f"<blockquote style='white-space:pre-wrap'>{escape(_before)}<b>{escape(_came)}</b></blockquote>"
    _said = mo.md("""
    ## 5. One position, live

    SmolLM2-135M reads this; the draft skips four of its layers. Bold: the token that came. In the picture _ is a space.
    """)
    with canvas(width=6.4, height=3.2) as (_figure, _axes):
        _p, _q = captured.distributions(position.value, heat.value)
        likeliest(_axes, _p, _q, words)
    mo.vstack([_said, position, heat, mo.Html(_text), mo.Html(svg(_figure, "The likeliest tokens of p and q"))])
    return


@app.cell(hide_code=True)
def _(captured, heat, k, position):
    with canvas(width=6.4, height=3.4) as (_figure, _axes):
        _p, _q = captured.batch(position.value, heat.value)
        ranges(_axes, accepted(_p, _q, k.value))
    _words = mo.md(f"What each sampler accepts there with {k.value} drafts, beside the optimum of these drafts:")
    mo.vstack([_words, mo.Html(svg(_figure, "Acceptance of each sampler at this position"))])
    return


@app.cell(hide_code=True)
def _(documents):
    _gpus = {document["gpu"] for document in documents.values()} - {None}
    _where = f"Run on {', '.join(sorted(_gpus))}." if _gpus else "Not run on a GPU: every figure here is from a CPU."
    beside(
        mo.md(f"""
    {_where} The two commands for a pair of your own on a GPU, and every table behind these pictures:
    [validation](../validation/README.md), [results](../validation/results/report.md). What is proved about hub
    drafts: [dominance](../theory/dominance/README.md).
    """)
    )
    return


if __name__ == "__main__":
    app.run()
