"""When does the hub win? `marimo run notebooks/hub.py`, or `python notebooks/hub.py`."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="When does the hub win?")

with app.setup(hide_code=True):
    from fractions import Fraction

    import marimo as mo
    import numpy as np

    from notebooks.pictures.few_tokens import patchwork, triangle
    from notebooks.pictures.reading import beside
    from spechub_lp import cut, optimum
    from spechub_lp import distributions as distributions
    from spechub_lp._util.tolerances import DRAW
    from spechub_lp.errors import SpecHubError
    from spechub_lp.report.plots.drawings import BAD
    from spechub_lp.report.plots.pictures import COLOURS, INK, canvas, svg
    from spechub_lp.report.text.markdown import markdown_table
    from spechub_lp.theorems import checks
    from spechub_lp.theorems.quantities import smallest_winning_mass

    RIVALS = {"two independent drafts": "iid", "two drafts without replacement": "without_replacement"}
    KINDS = {
        "the hub allows most": "#009e73",
        "as much as drafts without replacement": "#9fb8ad",
        "less than drafts without replacement": "#e6b400",
        "less than independent drafts too": "#d55e00",
    }


@app.cell(hide_code=True)
def _(lost, sharp):
    mo.md(f"""
    # When does the hub win?

    **Answer.** SpecHub's two drafts always hold the most likely token $a$, the hub. If $q(a) \\ge 1/2$, they allow at
    least as much as two independent drafts, for *every* target $p$. The sharp border is lower: {sharp:.4f} for the
    first picture below; under it some target makes the hub lose, by up to {lost:.4f}. Against drafts without
    replacement nothing protects the hub as soon as $q$ has three tokens.

    *Allow* means the optimum, the best acceptance of any lossless rule for these drafts. SpecHub's own rule reaches
    the hub's.
    """)
    return


@app.cell(hide_code=True)
def _():
    others = mo.ui.slider(1, 5, value=3, label="other tokens", show_value=True)
    light = mo.ui.slider(1, 10, value=5, label="weight of the last (others 10)", show_value=True)
    near = mo.ui.slider(steps=[0, 1, 3, 10, 30], value=0, label="targets near q", show_value=True)
    rival = mo.ui.radio(list(RIVALS), value="two independent drafts", label="the hub against", inline=True)
    _words = mo.md("""
    ## 1. From which q(a) on?

    The hub gets more and more of $q$; the other tokens keep their shares. For each $q$: 400 random targets (the dark
    band holds the middle half, the light one all), and the worst target of all, exactly.
    """)
    mo.vstack([_words, mo.hstack([others, light, near], wrap=True, justify="start", gap=1.5), rival])
    return light, near, others, rival


@app.cell(hide_code=True)
def _(light, others):
    shares = distributions.parse([10] * (others.value - 1) + [light.value], normalize=True)
    sharp = smallest_winning_mass(shares[-1])
    _first = shares[0] / (1 + shares[0])  # below it, another token would be the hub
    distributions_q = [
        (t, *((1 - t) * m for m in shares)) for t in (_first + (1 - _first) * Fraction(n, 60) for n in range(60))
    ]
    lost = float(max(checks.worst_target(q, 2, "iid", "greedy")[0] for q in distributions_q))
    return distributions_q, lost, sharp


@app.cell(hide_code=True)
def _(distributions_q, near, rival, sharp):
    with canvas(width=5.4, height=3.6) as (_figure, _axes):
        advantage(_axes, distributions_q, RIVALS[rival.value], near.value)
        for _x, _name, _side in ((sharp, "T4", "right"), (0.5, "T3", "left")):
            _axes.axvline(_x, color=INK, lw=1, ls="--")
            _axes.annotate(_name, (_x, 0.33), (4 if _side == "left" else -4, 0), textcoords="offset points", ha=_side)
        _axes.set_ylim(-0.2, 0.35)
        _axes.set_xlabel("q(a), the mass of the hub")
        _axes.set_ylabel("what the hub allows more")
        _axes.legend(loc="lower right", ncols=1)
    mo.Html(svg(_figure, "The hub's advantage against q(a)"))
    return


@app.function(hide_code=True)
def advantage(axes, distributions_q, rival, near):
    """The hub's optimum minus the rival's: bands over random targets, lines at the worst and the best target."""
    rng, bands = np.random.default_rng(0), []
    for q in np.asarray(distributions_q, dtype=float):
        p = rng.dirichlet(1 + near * len(q) * q, size=400)
        gain = cut(p, q, 2, "hub").alpha - cut(p, q, 2, rival).alpha
        bands.append(np.quantile(gain, [0, 0.25, 0.75, 1]))
    x, green = [float(q[0]) for q in distributions_q], COLOURS["spechub"]
    least, low, high, most = np.transpose(bands)
    axes.fill_between(x, least, most, color=green, alpha=0.2, lw=0, label="400 random targets")
    axes.fill_between(x, low, high, color=green, alpha=0.45, lw=0, label="the middle half of them")
    worst = [-float(checks.worst_target(q, 2, rival, "greedy")[0]) for q in distributions_q]
    axes.plot(x, worst, color=BAD, label="the worst target")
    axes.axhline(0, color=INK, lw=1)


@app.cell(hide_code=True)
def _():
    p_weights = mo.ui.array(
        [mo.ui.slider(0, 12, value=w, label=f"p({y})", show_value=True) for y, w in enumerate((0, 1, 4))]
    )
    q_weights = mo.ui.array(
        [mo.ui.slider(0, 12, value=w, label=f"q({y})", show_value=True) for y, w in enumerate((6, 3, 1))]
    )
    _words = mo.md("""
    ## 2. Three tokens, every distribution

    A point of a triangle is a distribution on tokens 0, 1 and 2. Left: every target $p$, for the $q$ of the sliders.
    Right: every $q$, for their $p$. Sliders are weights. Dashed: $q(a) = 1/2$ (T3). In full: the sharp border (T4).
    Inside it, some target makes the hub lose to independent drafts.
    """)
    mo.vstack([_words, mo.hstack([p_weights.vstack(), q_weights.vstack()], wrap=True, justify="start", gap=2)])
    return p_weights, q_weights


@app.cell(hide_code=True)
def _(p_weights, q_weights):
    try:
        p, q = distributions.pair(p_weights.value, q_weights.value, normalize=True)
        said = None
    except SpecHubError as error:
        p, q = distributions.pair("0, 1/5, 4/5", "3/5, 3/10, 1/10")
        said = f"{error}\n\nShown instead: p = (0, 1/5, 4/5), q = (3/5, 3/10, 1/10)."
    mo.callout(mo.md(said), kind="danger") if said else None
    return p, q


@app.cell(hide_code=True)
def _(p, q):
    _p, _q = (np.asarray([distribution], dtype=float) for distribution in (p, q))
    with canvas(width=3.5, height=3.3) as (_targets, _axes):
        _place = triangle(_axes, ("p on 0", "1", "2"))
        patchwork(_axes, _place, lambda distributions: kinds(distributions, _q), list(KINDS.values()))
        _axes.plot(*_place(_p), "o", mfc="white", mec="black", ms=8)
    with canvas(width=3.5, height=3.3) as (_drafts, _axes):
        _place = triangle(_axes, ("q on 0", "1", "2"))
        patchwork(_axes, _place, lambda distributions: kinds(_p, distributions), list(KINDS.values()))
        borders(_axes, _place)
        _axes.plot(*_place(_q), "o", mfc="white", mec="black", ms=8)
    _titles = "Targets p by what the hub beats", "Draft distributions q by what the hub beats"
    _pictures = [mo.Html(svg(figure, title)) for figure, title in zip((_targets, _drafts), _titles, strict=True)]
    _key = " ".join(f'<span style="color:{colour}">\u25a0</span> {name}<br>' for name, colour in KINDS.items())
    mo.vstack([mo.hstack(_pictures, wrap=True, justify="start"), mo.md(_key)])
    return


@app.function(hide_code=True)
def kinds(p, q):
    """[N] index into KINDS; drafts without replacement always allow at least as much as independent ones (T6)."""
    hub, wor, iid = (cut(p, q, 2, name).alpha for name in ("hub", "without_replacement", "iid"))
    return np.select([hub > wor + DRAW, hub >= wor - DRAW, hub >= iid - DRAW], [0, 1, 2], 3)


@app.function(hide_code=True)
def borders(axes, place):
    """T3, q(a) = 1/2, dashed, and T4, the sharp border, in full: there the hub begins to lose to independent drafts."""
    half = np.asarray([(1, 1, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]) / 2
    axes.plot(*place(half), "--", color="black", lw=1)
    grid = np.asarray([(i, j, 60 - i - j) for i in range(1, 59) for j in range(1, 60 - i)]) / 60
    missing = [smallest_winning_mass(min(q) / (1 - max(q))) - max(q) for q in grid]
    axes.tricontour(*place(grid), missing, levels=[0], colors="black", linewidths=1.2)


@app.cell(hide_code=True)
def _(p, q):
    _rows = []
    for _name in ("hub", "iid", "without_replacement"):
        _alpha = optimum(p, q, 2, _name).alpha
        _rows.append([_name.replace("_", " "), f"{float(_alpha):.4f} = {_alpha}"])
    _table = markdown_table(["two drafts", "the best acceptance"], _rows)
    _loses = "**some** target makes" if checks.beyond_border(q, 2) else "**no** target makes"
    mo.md("\n".join(_table) + f"\n\nWith this $q$, {_loses} the hub lose to independent drafts.")
    return


@app.cell(hide_code=True)
def _():
    beside(
        mo.md("""
    The theorems T3 and T4, proved in Rocq: [dominance](../theory/dominance/README.md). Why drafts without replacement
    are never dominated: [T5](../theory/T5_never_without_replacement/README.md). The worst target, and the map of
    where the hub wins: [T13](../theory/T13_worst_target/README.md).
    """)
    )
    return


if __name__ == "__main__":
    app.run()
