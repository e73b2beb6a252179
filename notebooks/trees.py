"""How good is your tree? `marimo run notebooks/trees.py`, or `python notebooks/trees.py`."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="How good is your tree?")

with app.setup(hide_code=True):
    from functools import cache

    import marimo as mo
    import numpy as np

    from notebooks.pictures.few_tokens import bars
    from notebooks.pictures.reading import beside
    from spechub_lp.report.plots.drawings import Range, ranges
    from spechub_lp.report.plots.pictures import COLOURS, canvas, svg
    from spechub_lp.trees.compare import solve_tree
    from spechub_lp.trees.shape import parse

    SHAPES = {
        "two children, two levels: 2^2": "2^2",
        "three children, then one: 3,1": "3,1",
        "one child, then two: 1,2": "1,2",
        "two paths of two: 2,1": "2,1",
        "a chain of three: 1^3": "1^3",
        "the first child has a child: [[[]],[]]": "[[[]],[]]",
    }


@app.cell(hide_code=True)
def _(best, drafts, solution):
    _first, _last = solution.rules[0], solution.rules[-1]
    _shares = [100 * float(rule.accepted / best.value) if best.value else 100 for rule in (_first, _last)]
    mo.md(f"""
    # How good is your tree?

    **Answer.** No lossless verifier accepts more than {float(best.value):.4f} of these drafts a call: that is proved,
    by prices on {len(best.dual)} contexts. {_first.name} comes nearest, with {_shares[0]:.1f} % of it; {_last.name}
    reaches {_shares[1]:.1f} %. The tree has {best.shape.size} drafts, siblings drawn
    {"independently" if drafts.value == "iid" else "without replacement"}.
    """)
    return


@app.cell(hide_code=True)
def _():
    shape = mo.ui.dropdown(SHAPES, value="two paths of two: 2,1", label="tree")
    drafts = mo.ui.dropdown(["without_replacement", "iid"], value="without_replacement", label="siblings")
    tokens = mo.ui.slider(2, 3, value=3, label="tokens", show_value=True)
    near = mo.ui.slider(0, 1, 0.25, value=0.25, label="how near the draft is to the target", show_value=True)
    seed = mo.ui.slider(0, 50, value=1, label="seed", show_value=True)
    _controls = mo.hstack([shape, drafts, near, tokens, seed], justify="start", gap=2, wrap=True)
    mo.vstack([mo.md("## The tree, and two small models drawn at random"), _controls])
    return drafts, near, seed, shape, tokens


@app.cell(hide_code=True)
def _(drafts, near, seed, shape, tokens):
    solution = solve_tree(
        models(tokens.value, seed.value, near.value), parse(shape.value), drafts.value, normalize=True
    )
    best = solution.best
    return best, solution


@app.function(hide_code=True)
def models(vocabulary: int, seed: int, near: float):
    """context -> (p, q) in whole numbers, to be divided by their sums."""

    @cache
    def rows(context):
        rng = np.random.default_rng([seed, len(context), *context])
        p, q = rng.integers(1, 10, size=(2, vocabulary)) ** 2
        q = np.rint(4 * ((1 - near) * q + near * p)).astype(int)
        return p.tolist(), q.tolist()

    return rows


@app.cell(hide_code=True)
def _(best, solution):
    with canvas(width=5, height=0.8 + 0.27 * len(solution.rules)) as (_figure, _axes):
        ranges(_axes, [picture(rule, float(best.value)) for rule in solution.rules])
        _axes.set_xlabel("accepted drafts a call (dot), the optimum (bar)")
    _words = mo.md("""
    ## Every rule beside the optimum of the tree

    In rationals, over all trees that can be drafted. *Lossless* is said of the whole decoding loop: what comes after an
    accepted path does not depend on having been accepted.
    """)
    mo.vstack([_words, mo.Html(svg(_figure, "Accepted drafts of each rule and the optimum of the tree"))])
    return


@app.function(hide_code=True)
def picture(rule, most: float) -> Range:
    """A rule as a row of the picture."""
    colour = COLOURS.get(rule.name.split(",")[0], COLOURS["optimum"])
    verdict = "lossless" if rule.lossless else "biased"
    return Range(rule.name, float(rule.accepted), most, colour, verdict, rule.lossless)


@app.cell(hide_code=True)
def _(best):
    _dear = sorted(best.dual.items(), key=lambda item: -item[1])[:12]
    with canvas(width=5, height=2.6) as (_figure, _axes):
        _names = [" ".join(map(str, path)) for path, _ in _dear]
        bars(_axes, _names, [float(price) for _, price in _dear], [COLOURS["optimum"]] * len(_dear))
        _axes.set_xlabel("price of an accepted path")
    _words = mo.md(
        f"""
    ## What proves it

    Every accepted draft earns 1 and pays the price of its context; what may follow it pays the draft back. Whatever the
    verifier, no tree earns more than its best path, and the mean of that over all trees is {best.value}. That is all,
    and a checker of one file accepts the whole proof (`best.certificate()`) without a solver.
    """
    )
    mo.vstack([_words, mo.Html(svg(_figure, "The highest prices of accepted paths"))])
    return


@app.cell(hide_code=True)
def _():
    beside(
        mo.md("""
    When a loop over trees is lossless, the program behind the bar and the rule that comes nearest:
    [trees](../theory/trees/README.md). Shapes, rules and figures on real models: [How good is your
    tree?](../docs/trees.md).
    """)
    )
    return


if __name__ == "__main__":
    app.run()
