"""How far is each sampler from the optimum? `marimo run notebooks/how_far.py`, or `python notebooks/how_far.py`."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="How far is each sampler from the optimum?")

with app.setup(hide_code=True):
    from fractions import Fraction
    from typing import Any

    import marimo as mo
    import numpy as np

    from notebooks.pictures.few_tokens import Accepted, bars
    from notebooks.pictures.reading import beside
    from spechub_lp import cut, distributions, exact, optimum, samplers
    from spechub_lp._util import resources
    from spechub_lp._util.tolerances import DRAW
    from spechub_lp.capture import store
    from spechub_lp.errors import SpecHubError
    from spechub_lp.evaluate import measures
    from spechub_lp.report.plots.drawings import ranges
    from spechub_lp.report.plots.pictures import COLOURS, canvas, grouped, svg
    from spechub_lp.report.text.markdown import markdown_table

    NAMES = ("iid", "without_replacement", "hub", "greedy", "top_k")


@app.cell(hide_code=True)
def _(best, measured):
    _reach = [r.sampler for r in measured if not r.distance and r.optimum - r.acceptance <= DRAW]
    _last = max(measured, key=lambda r: r.optimum - r.acceptance)
    _policy = max(best, key=best.get)
    mo.md(f"""
    # How far is each sampler from the optimum?

    **Answer.** On the pair of distributions chosen below, {len(_reach)} of {len(measured)} samplers accept as much
    as any rule could with the same drafts: {", ".join(_reach)}. Furthest below is {_last.sampler}, which accepts
    {float(_last.acceptance):.4f} of a possible {float(_last.optimum):.4f}. The drafts matter too:
    {_policy.replace("_", " ")} drafts allow the most, {float(best[_policy]):.4f}.

    The optimum $\\alpha^\\ast$ is that of the linear program, certified. No lossless rule is above it. A rule that
    seems to be is biased: its output does not follow $p$.
    """)
    return


@app.cell(hide_code=True)
def _(rows):
    p_text = mo.ui.text("4/10, 3/10, 2/10, 1/10", label="target p", full_width=True)
    q_text = mo.ui.text("1/10, 2/10, 3/10, 4/10", label="draft q", full_width=True)
    divide = mo.ui.checkbox(label="divide by the sum")
    seed = mo.ui.slider(0, 50, value=4, label="seed", show_value=True)
    spread = mo.ui.slider(steps=[0.1, 0.3, 1, 3, 10], value=1, label="concentration", show_value=True)
    tokens = mo.ui.slider(2, 8, value=5, label="tokens", show_value=True)
    position = mo.ui.slider(0, len(rows) - 1, value=7, label="position", show_value=True)
    heat = mo.ui.slider(0.3, 1.5, 0.1, value=1.0, label="temperature", show_value=True)
    whole = mo.ui.checkbox(label=f"all {rows.vocabulary:,} tokens (else the few that matter most, exactly)")
    _by_hand, _drawn, _real = ([p_text, q_text, divide], [seed, spread, tokens], [position, heat, whole])
    _tabs: dict[str, Any] = {"by hand": _by_hand, "drawn at random": _drawn, "SmolLM2": _real}
    source = mo.ui.tabs({name: mo.vstack(controls) for name, controls in _tabs.items()})
    k = mo.ui.slider(1, 4, value=2, label="drafts k", show_value=True)
    wrong = mo.ui.checkbox(label="also a wrong pair: rrs fed with drafts without replacement")
    mo.vstack([mo.md("## The pair of distributions"), source, mo.hstack([k, wrong], justify="start", gap=2, wrap=True)])
    return divide, heat, k, p_text, position, q_text, seed, source, spread, tokens, whole, wrong


@app.cell(hide_code=True)
def _():
    rows = store.load_rows(resources.path("captured/smollm2.safetensors"))
    return (rows,)


@app.cell(hide_code=True)
def _(divide, heat, k, p_text, position, q_text, rows, seed, source, spread, tokens, whole, wrong):
    real = rows.distributions(position.value, heat.value) if source.value == "SmolLM2" else None
    full, said = real if whole.value else None, None
    try:
        if source.value == "by hand":
            p, q = distributions.pair(p_text.value, q_text.value, divide.value)
        elif real is not None:
            p, q = distributions.restrict(real, measures.TOP_TOKENS[k.value])
        else:
            _drawn = np.random.default_rng(seed.value).dirichlet([spread.value] * tokens.value, size=2)
            _p, _q = np.rint(1000 * _drawn).astype(int).tolist()
            p, q = distributions.pair(_p, _q, normalize=True)
        measured = accepted(p, q, full, k.value, wrong.value)
    except SpecHubError as error:
        p, q = distributions.pair("4/10, 3/10, 2/10, 1/10", "1/10, 2/10, 3/10, 4/10")
        measured = accepted(p, q, None, k.value, wrong.value)
        said = f"{error}\n\nShown instead: $p = (4, 3, 2, 1)/10$, $q = (1, 2, 3, 4)/10$."
    best = {name: best_of(p, q, full, k.value, name) for name in NAMES if name != "hub" or k.value == 2}
    mo.callout(mo.md(said), kind="danger") if said else None
    return best, full, measured, p, q


@app.function(hide_code=True)
def best_of(p, q, full, k: int, policy):
    """alpha* of k drafts: exact, or of the two distributions `full` at all tokens."""
    if full is None:
        return optimum(p, q, k, policy).alpha
    p, q = full
    return float(cut(p, q, k, policy).alpha[0])


@app.function(hide_code=True)
def accepted(p, q, full, k: int, wrong: bool) -> list[Accepted]:
    """What each sampler accepts, and whether it is lossless on (p, q), exactly.

    With `full`, two distributions on all tokens, acceptance and optimum are there; a rule without a closed form is left
    out.
    """
    out = []
    for rule in rules(k, wrong):
        distribution = exact(rule, p, q)
        accepts, best = distribution.acceptance, best_of(p, q, full, rule.k, rule.drafts)
        if full:
            accepts = rule.acceptance(full[0][None], full[1][None]) if rule.is_own_pair else None
            accepts = None if accepts is None else float(accepts[0])
        if accepts is not None:
            out.append(Accepted(rule.name, rule.drafts.name, rule.k, accepts, best, distribution.distance))
    return out


@app.function(hide_code=True)
def rules(k: int, wrong: bool):
    """Every sampler with k of its own drafts, and if asked for, one that is fed with drafts it was not made for."""
    for rule in samplers.ALL:
        try:
            yield samplers.by_name(rule.name, 1 if rule.name == "naive" else k)
        except SpecHubError:
            continue  # a rule for two drafts only
    if wrong:
        yield samplers.by_name("rrs", k).with_drafts("without_replacement")


@app.cell(hide_code=True)
def _(full, measured):
    with canvas(width=5, height=0.8 + 0.27 * len(measured)) as (_figure, _axes):
        ranges(_axes, [row.row for row in measured])
    _at = (
        "At all tokens, where a closed form is known. *Lossless*: exactly, on those that matter most."
        if full
        else "In rationals, no tolerance."
    )
    _words = mo.md(f"""
    ## Every sampler beside the optimum of its drafts

    {_at} A dot on its bar is an optimal rule. An acceptance says nothing unless the rule is lossless.
    """)
    mo.vstack([_words, mo.Html(svg(_figure, "The acceptance of each sampler and the optimum of its drafts"))])
    return


@app.cell(hide_code=True)
def _(measured):
    _heads, _rows = ["sampler", "drafts", "output distribution", "acceptance", "optimum", "missing"], []
    for _r in measured:
        _distribution = f"biased by {number(_r.distance)}" if _r.distance else "lossless"
        _figures = map(number, (_r.acceptance, _r.optimum, _r.optimum - _r.acceptance))
        _rows.append([_r.sampler, f"{_r.k} {_r.drafts.replace('_', ' ')}", _distribution, *_figures])
    mo.md("\n".join(markdown_table(_heads, _rows)))
    return


@app.function(hide_code=True)
def number(value) -> str:
    """Four decimals, with the fraction where it is short."""
    short = isinstance(value, Fraction) and 1 < value.denominator < 10_000
    return f"{round(float(value), 4) + 0.0:.4f}" + (f" = {value}" if short else "")


@app.cell(hide_code=True)
def _(best, p, q, source):
    with canvas(width=3.2, height=2.6) as (_distributions, _axes):
        grouped(_axes, [str(y) for y in range(len(p))], {"p": p, "q": q})
        _axes.set_xlabel("the tokens that matter most" if source.value == "SmolLM2" else "token")
    with canvas(width=3.9, height=2.6) as (_optima, _axes):
        _names = [f"{name.replace('_', ' ')}" for name in best]
        bars(_axes, _names, [float(value) for value in best.values()], [COLOURS["optimum"]] * len(best))
        _axes.set_xlabel("optimum alpha*")
    _titles = "The two distributions", "The optimum of each draft policy"
    _pictures = [mo.Html(svg(figure, title)) for figure, title in zip((_distributions, _optima), _titles, strict=True)]
    _words = mo.md("""
    ## The distributions, and what each way of drafting allows

    Drafts without replacement always allow at least as much as independent ones. Two hub or greedy drafts do too, if
    one token has at least half of $q$. `top_k` drafts nothing at random.
    """)
    mo.vstack([_words, mo.hstack(_pictures, wrap=True, justify="start")])
    return


@app.cell(hide_code=True)
def _():
    beside(
        mo.md("""
    Why no rule is above the bar: [T1](../theory/T1_one_optimum/README.md) and [T7](../theory/T7_lossless/README.md).
    How much RRS and K-SEQ keep of it, for every $p$ and $q$: [T12](../theory/T11_promise/README.md). Which drafts allow
    more: [T6](../theory/T6_orders_and_ends/README.md). The rules that always reach it:
    [border](../theory/border/README.md).
    """)
    )
    return


if __name__ == "__main__":
    app.run()
