"""What is the compact program? `marimo run notebooks/compact_program.py`, or `python notebooks/compact_program.py`."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="What is the compact program, and what proves its value?")

with app.setup(hide_code=True):
    import timeit
    from functools import partial
    from typing import Any

    import marimo as mo
    import numpy as np

    from notebooks.pictures.few_tokens import transport
    from notebooks.pictures.reading import beside
    from spechub_lp import certificate, distributions, drafts, optimum
    from spechub_lp._array.rational import rational_row
    from spechub_lp.coupling import plain
    from spechub_lp.errors import SpecHubError
    from spechub_lp.instance import enumerate_drafts
    from spechub_lp.optimum import highs, program
    from spechub_lp.report.plots.pictures import TOKENS, canvas, svg
    from spechub_lp.report.text.markdown import markdown_table

    NAMES = "ABCD"
    POLICIES = ("iid", "without_replacement", "hub", "greedy", "top_k")
    PROGRAMS: dict[str, Any] = {
        "full coupling": program.full,
        "compact": partial(program.compact, merged=False),
        "compact, merged": program.compact,
    }


@app.cell(hide_code=True)
def _(best, big, cut_H, small):
    mo.md(f"""
    # What is the compact program, and what proves its value?

    **Answer.** It sends the mass of each drafted pair to one of the tokens *in that pair*, up to $p$, and forgets all
    other outputs: {small[1]} masses instead of {big[1]} here, and the same optimum, $\\alpha^\\ast$ = {best.alpha} =
    {float(best.alpha):.4f}. The proof that nothing is better is a set of tokens, {cut_H}: its drafts hold more than
    its tokens want, and the difference is lost to every rule. $\\alpha^\\ast = 1 + p(H) - Q(H)$.
    """)
    return


@app.cell(hide_code=True)
def _():
    tokens = mo.ui.radio({"3 tokens": 3, "4 tokens": 4}, value="3 tokens", inline=True)
    policy = mo.ui.dropdown(POLICIES, value="iid", label="two drafts")
    ordered = mo.ui.checkbox(label="keep the order of the drafts")
    mo.hstack([tokens, policy, ordered], justify="start", wrap=True, gap=1.5)
    return ordered, policy, tokens


@app.cell(hide_code=True)
def _(tokens):
    def _weights(distribution, start):
        sliders = [
            mo.ui.slider(0, 12, value=w, label=f"{distribution}({y})", show_value=True)
            for y, w in zip(NAMES, start, strict=True)
        ]
        return mo.ui.array(sliders[: tokens.value])

    p_weights, q_weights = _weights("p", (1, 2, 3, 2)), _weights("q", (3, 2, 1, 2))
    mo.hstack([p_weights.vstack(), q_weights.vstack()], justify="start", wrap=True, gap=2)
    return p_weights, q_weights


@app.cell(hide_code=True)
def _(p_weights, policy, q_weights):
    try:
        p, q = distributions.pair(p_weights.value, q_weights.value, normalize=True)
        said = None
    except SpecHubError as error:
        p, q = distributions.pair("1/6, 1/3, 1/2", "1/2, 1/3, 1/6")
        said = f"{error}\n\nShown instead: p = (1/6, 1/3, 1/2), q = (1/2, 1/3, 1/6)."
    best = optimum(p, q, 2, policy.value)
    small, big = best.program.size, program.full(rational_row(p)[0], best.tuples, best.weights).size
    cut_H = "H = {" + ", ".join(NAMES[y] for y in sorted(best.H)) + "}" if best.H else "H = {}, the empty set"
    mo.callout(mo.md(said), kind="danger") if said else None
    return best, big, cut_H, p, q, small


@app.cell(hide_code=True)
def _(best, ordered):
    _left, _mass = pairs(best) if ordered.value else sets(best)
    _right = [(f"{NAMES[y]}  {m}", float(m), y in best.H) for y, m in enumerate(best.p)]
    with canvas(width=4.8, height=4.4) as (_figure, _axes):
        transport(_axes, _left, _right, _mass)
        _axes.set_title("what is drafted, Q", fontsize=9)
        _axes.set_title("what the target wants, p", fontsize=9, loc="right")
    _words = mo.md("""
    ## The optimal flow, and the cut

    A band is mass that is drafted on the left and accepted as the token on the right. A filled box is used up, the
    empty part of a box is left over. **Above the dashed line**: the tokens of $H$, and the drafts that hold nothing
    else. No band crosses it. Above, the tokens are covered in full and drafts are left over; below, the drafts are
    used in full and tokens are left wanting. So no other flow is better.
    """)
    mo.vstack([_words, mo.Html(svg(_figure, "The optimal flow from drafts to tokens"))])
    return


@app.function(hide_code=True)
def sets(best):
    """The boxes and bands of the merged program: a row for each set of drafted tokens."""
    left = []
    for row, mass in zip(best.program.sets.tolist(), best.program.supply, strict=True):
        held = [y for y in row if y < len(best.p)]
        left.append((f"{'+'.join(NAMES[y] for y in held)}  {mass}", float(mass), best.H.issuperset(held)))
    flow = zip(best.program.row.tolist(), best.program.token.tolist(), best.flow, strict=True)
    return left, [(i, y, float(mass)) for i, y, mass in flow if mass]


@app.function(hide_code=True)
def pairs(best):
    """The same with a row for each ordered tuple."""
    left, bands = [], []
    for i, (drafts, mass) in enumerate(zip(best.tuples.tolist(), best.weights, strict=True)):
        left.append((f"{NAMES[drafts[0]]}, {NAMES[drafts[1]]}  {mass}", float(mass), best.H.issuperset(drafts)))
        bands += [(i, y, float(mass * share)) for y, share in zip(drafts, best.accept[i], strict=True) if share]
    return left, bands


@app.cell(hide_code=True)
def _(best, q):
    _covered = sum((best.p[y] for y in best.H), 0)
    _inside = np.asarray([[y in best.H for y in range(len(best.p))]])
    _wasted = plain(best.drafts.prob_all_in(rational_row(q), _inside, best.k)[0])
    _checked = certificate.check(best.certificate())
    mo.md(f"""
    | in fractions | |
    |:---|:---|
    | all bands together | {plain(best.flow.sum())} |
    | $p(H)$, what the tokens of $H$ want | {_covered} |
    | $Q(H)$, the mass of the drafts that hold nothing else | {_wasted} |
    | $1 + p(H) - Q(H)$ | {1 + _covered - _wasted} |
    | the certificate, checked without a solver: $\\alpha^\\ast$ | {_checked.alpha} |
    """)
    return


@app.cell(hide_code=True)
def _():
    largest = mo.ui.slider(steps=[8, 12, 16, 24, 32, 40], value=12, label="up to V =", show_value=True)
    _words = mo.md("""
    ## What it saves

    Two drafts on V tokens. The full coupling has a mass for every pair of drafts and every output; the compact
    program one for every draft of every pair; merged, pairs in either order share a row. Each is solved by HiGHS, here
    and now, on random distributions: the best of three. A larger V takes seconds.
    """)
    mo.vstack([_words, largest])
    return (largest,)


@app.cell(hide_code=True)
def _(largest, policy):
    vocabularies = [v for v in (4, 6, 8, 12, 16, 24, 32, 40) if v <= largest.value]
    solved: dict[str, Any] = {name: [] for name in PROGRAMS}
    for _v in vocabularies:
        _p, _q = np.random.default_rng(_v).dirichlet(np.ones(_v), size=2)
        _x, _mass = enumerate_drafts(drafts.by_name(policy.value), _q[None], 2)
        for _name, _make in PROGRAMS.items():
            _parts = _make(_p, _x, _mass)
            _seconds = min(timeit.repeat(partial(highs.solve, _parts), number=1, repeat=3))
            solved[_name].append((_parts.size[1], _seconds, highs.solve(_parts).value))
    return solved, vocabularies


@app.cell(hide_code=True)
def _(solved, vocabularies):
    _pictures = []
    for _n, _label in enumerate(("variables", "seconds to solve")):
        with canvas(width=3.4, height=2.9) as (_figure, _axes):
            for (_name, _rows), _colour in zip(solved.items(), TOKENS, strict=False):
                _axes.loglog(vocabularies, [row[_n] for row in _rows], "o-", color=_colour, label=_name)
            _axes.set_xticks(vocabularies, [str(v) for v in vocabularies])
            _axes.minorticks_off()
            _axes.set(title=_label, xlabel="V")
            _axes.legend()
        _pictures.append(mo.Html(svg(_figure, f"The programs' {_label} against V")))
    _heads, _rows = [f"V = {vocabularies[-1]}", "variables", "seconds", "optimum"], []
    for _name, _each in solved.items():
        _size, _seconds, _value = _each[-1]
        _rows.append([_name, f"{_size:,}", f"{_seconds:.4f}", f"{_value:.9f}"])
    mo.vstack([mo.hstack(_pictures, justify="start", wrap=True), mo.md("\n".join(markdown_table(_heads, _rows)))])
    return


@app.cell(hide_code=True)
def _():
    beside(
        mo.md("""
    Why the four numbers are one: [T1](../theory/T1_one_optimum/README.md). Why $H$ is a prefix of the tokens by $p/q$
    for independent drafts, so that no program is needed at all: [T2](../theory/T2_prefix/README.md).
    """)
    )
    return


if __name__ == "__main__":
    app.run()
