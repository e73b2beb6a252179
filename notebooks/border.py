"""How does the optimal verifier choose? `marimo run notebooks/border.py`, or `python notebooks/border.py`."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Border in pictures: how does the optimal verifier choose?")

with app.setup(hide_code=True):
    import marimo as mo

    from notebooks.pictures.reading import beside
    from spechub_lp import distributions, exact, optimum, samplers
    from spechub_lp._array.rational import rational_row
    from spechub_lp.coupling import plain
    from spechub_lp.report.plots.border import Race, hulls, merge_levels, under, verdict
    from spechub_lp.report.plots.pictures import canvas, grouped, svg
    from spechub_lp.report.text.markdown import markdown_table

    NAMES = ("tea", "coffee", "water", "milk", "wine", "soup")
    TARGET, DRAFT = (8, 5, 3, 2, 2, 1), (3, 4, 6, 5, 2, 3)
    RULES = {"with replacement": ("border", "rrs"), "without replacement": ("border_wor", "rrsw")}


@app.cell(hide_code=True)
def _(best, k, distribution, policy, rival):
    mo.md(f"""
    # Border in pictures: how does the optimal verifier choose?

    **Answer.** It ranks the tokens by $p/q$, draws one of a few nested groupings of that ranking, takes a draft from
    the best group that was hit, and verifies that draft alone. Here, with {k.value} draft{"s" * (k.value > 1)} made
    {policy.value}, it accepts {float(distribution.acceptance):.4f} of the time, and the linear program's optimum is
    $\\alpha^\\ast$ = {float(best.alpha):.4f}. Recursive rejection of the same drafts accepts
    {float(rival.acceptance):.4f}.

    The next word of *"She drank a cup of ..."* has the distribution $p$ in a large model and the distribution $q$ in a
    small one. Drafts are drawn from $q$. The output must follow $p$ exactly, and should be one of the drafts as
    often as possible.
    """)
    return


@app.cell(hide_code=True)
def _():
    k = mo.ui.slider(1, 4, value=2, label="drafts k", show_value=True)
    sharp_p = mo.ui.slider(0, 4, value=1, label="sharpness of p", show_value=True)
    sharp_q = mo.ui.slider(0, 4, value=1, label="sharpness of q", show_value=True)
    policy = mo.ui.radio(list(RULES), value="with replacement", inline=True)
    mo.hstack([k, sharp_p, sharp_q, policy], wrap=True, justify="start", gap=1.5)
    return k, policy, sharp_p, sharp_q


@app.cell(hide_code=True)
def _(k, policy, sharp_p, sharp_q):
    p = distributions.parse([w**sharp_p.value for w in TARGET], normalize=True)
    q = distributions.parse([w**sharp_q.value for w in DRAFT], normalize=True)
    sampler, _rival = (samplers.by_name(name, k.value) for name in RULES[policy.value])
    assert isinstance(sampler, samplers.Border)
    _rows = rational_row(p), rational_row(q)
    race, mixture = Race.of(sampler, *_rows), sampler.prepare(*_rows)
    distribution, rival, best = exact(sampler, p, q), exact(_rival, p, q), optimum(p, q, k.value, sampler.drafts)
    return best, distribution, mixture, p, q, race, rival, sampler


@app.cell(hide_code=True)
def _(mixture, p, q, race):
    _words = mo.md("""
    ## 1. Rank the tokens by p/q

    On the left are the tokens with the largest $p/q$. The verifier will choose *one* draft. The distribution of that
    choice is $b$: it is $p$, held between two multiples of $q$.
    """)
    _distributions = {"p": p, "q": q, "border": [plain(b) for b in mixture.distribution[0]]}
    with canvas(width=6.4, height=2.9) as (_figure, _axes):
        _ranked = {name: [row[token] for token in race.tokens] for name, row in _distributions.items()}
        grouped(_axes, [NAMES[token] for token in race.tokens], _ranked)
        _axes.legend(["p, the target", "q, a draft", "b, the chosen draft"])
    mo.vstack([_words, mo.Html(svg(_figure, "p, q and b, tokens by falling p/q"))])
    return


@app.cell(hide_code=True)
def _(best, race):
    _where = "here none" if best.alpha == 1 else f"here after {race.cut} of {len(race.q)} tokens"
    _words = mo.md(f"""
    ## 2. Find the cut

    Add up along the ranking. $P$ is the target's probability of the best tokens, $F$ the probability that a draft is
    among them. Where $P$ exceeds $F$ no rule can cover the excess, and the largest excess, {_where}, is
    $1 - \\alpha^\\ast$. $B$, the distribution of the choice, touches $F$ there and stays under $F$ everywhere.
    """)
    with canvas(width=6.4, height=3.8) as (_figure, _axes):
        under(_axes, race)
    mo.vstack([_words, mo.Html(svg(_figure, "P, F and B, cumulated along the ranking"))])
    return


@app.cell(hide_code=True)
def _():
    level = mo.ui.slider(0, 0.99, 0.01, value=0.3, label="level t", show_value=True, full_width=True)
    return (level,)


@app.cell(hide_code=True)
def _(level, race):
    _groups = ([NAMES[token] for token in race.tokens[slice(*block)]] for block in race.blocks(level.value))
    _rule = " > ".join("{" + ", ".join(group) + "}" for group in _groups)
    _words = mo.md(f"""
    ## 3. Draw a level

    The verifier draws a level t, uniform between 0 and 1. The boundaries whose merge level is above t cut the ranking
    into blocks. A dot is the level at which the blocks beside a boundary merge; below, the boundaries at t are the
    corners of the upper hull of $B - t F$. The number in a block is how much more often than one draft from $q$ its
    rule chooses a token there. At t = {level.value:g}, **take a draft of the best block hit: {_rule}.**
    """)
    with canvas(width=6.4, height=4.1) as (_blocks, _axes):
        merge_levels(_axes, race, NAMES, level.value)
    with canvas(width=6.4, height=3.3) as (_hulls, _axes):
        hulls(_axes, race, sorted({0.0, level.value}))
    _titles = "Which blocks stand at which level", "The hulls that the blocks come from"
    _pictures = (mo.Html(svg(figure, title)) for figure, title in zip((_blocks, _hulls), _titles, strict=True))
    mo.vstack([_words, level, *_pictures])
    return


@app.cell(hide_code=True)
def _(distribution):
    _tuples = {", ".join(NAMES[x] for x in drafts): drafts for drafts in distribution.drafts}
    _both = [name for name, row in zip(_tuples, distribution.accept, strict=True) if (row > 0).sum() > 1]
    _first = [*_both, *_tuples][0]
    drafted = mo.ui.dropdown(_tuples, value=_first, label="drafts, as drawn", searchable=True)
    return (drafted,)


@app.cell(hide_code=True)
def _(drafted, distribution, mixture, sampler):
    _at = distribution.drafts.index(drafted.value)
    choose = sampler.choose(mixture, distribution.tuples[_at : _at + 1])[0]
    accept, residual = distribution.accept[_at], distribution.residual[_at]
    with canvas(width=7.0, height=2.8) as (_figure, _axes):
        verdict(_axes, NAMES, drafted.value, choose, accept, residual)
    reading = mo.Html(svg(_figure, "The draft that is chosen, whether it is accepted, the output"))
    return accept, choose, reading, residual


@app.cell(hide_code=True)
def _(accept, choose, drafted, mixture, reading, residual):
    def _number(value):
        text = str(plain(value))
        return f"{float(value):.4f}" + (f" = {text}" if 1 < len(text) < 16 else "")

    _words = mo.md("""
    ## 4. Read the verdict off

    Two drafts are in one block from the highest merge level between them upwards. So the merge levels alone say how
    often each draft is chosen. The chosen one is accepted with probability $\\min(1, p/b)$.
    """)
    _accept = mixture.accept[0][list(drafted.value)]
    _rows = []
    for _j, (_x, *_row) in enumerate(zip(drafted.value, choose, _accept, accept, strict=True), 1):
        _rows.append([f"{_j}: {NAMES[_x]}", *map(_number, _row)])
    _table = markdown_table(["draft", "chosen", "accepted if chosen", "accepted"], _rows)
    _rest = f"Rejected: {_number(residual.sum())}. Then a token is drawn from $(p - b)^+$, normalized."
    mo.vstack([_words, drafted, reading, mo.md("\n".join(_table)), mo.md(_rest)])
    return


@app.cell(hide_code=True)
def _(best, distribution, rival, sampler):
    _alpha, _same = str(best.alpha), distribution.acceptance == best.alpha
    _shown = _alpha if len(_alpha) < 24 else f"a fraction of {len(_alpha) - 1} digits"
    mo.md(f"""
    ## 5. Is that the best possible?

    | in fractions, over all {len(distribution.drafts):,} draft tuples | |
    |---|---|
    | the output distribution of `{sampler.name}` equals $p$ | {"yes" if distribution.is_lossless else "no"} |
    | its acceptance | {float(distribution.acceptance):.6f} |
    | $\\alpha^\\ast$, the optimum of the linear program, proved by a cut | {float(best.alpha):.6f} = {_shown} |
    | acceptance = $\\alpha^\\ast$, as fractions | {"yes" if _same else "no"} |
    | recursive rejection of the same drafts | {float(rival.acceptance):.6f} |
    """)
    return


@app.cell(hide_code=True)
def _():
    beside(
        mo.md("""
    Why it works, with proofs: [theory/border](../theory/border/README.md). The program and its cut:
    [T1](../theory/T1_one_optimum/README.md) and [T2](../theory/T2_prefix/README.md).
    """)
    )
    return


if __name__ == "__main__":
    app.run()
