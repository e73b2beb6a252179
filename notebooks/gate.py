"""Does your sampler pass the gate? `marimo run notebooks/gate.py`, or `python notebooks/gate.py`."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Does your sampler pass the gate?")

with app.setup(hide_code=True):
    from typing import Any

    import marimo as mo

    from notebooks.pictures.reading import beside
    from spechub_lp.gate import Settings, problems
    from spechub_lp.gate.source import check_source
    from spechub_lp.report.plots.pictures import COLOURS, INK, canvas, grouped, svg
    from spechub_lp.report.text.gate_report import shown, what_was_missed

    KINDS: dict[str, Any] = {
        "pass": ("PASSED", "success"),
        "biased": ("FAILED", "danger"),
        "inconclusive": ("UNDECIDED", "warn"),
    }
    POLICIES = ["iid", "without_replacement", "top_k"]


@app.cell(hide_code=True)
def _(checked, mended):
    _report, _mended, _found = checked.report, mended.report, shown(checked.report, 1)
    _verdict = KINDS[_report.status][0] + (f" ({_found[0].kind})" if _found else "")
    _far = f"its output is up to {_report.distance:.3g} away from the target distribution"
    _fails = "its distribution could not be found, because it fails or its noise cannot be controlled"
    mo.md(f"""
    # Does your sampler pass the gate?

    **Answer.** Paste it below and see. The code there now is {_verdict}: {_far if _report.rows else _fails}. The same
    code, mended, is {KINDS[_mended.status][0]}, with a distance of at most {_mended.distance:.1g}, which
    is the rounding of a float32 uniform.

    A sampler is given the target distribution $p$, the draft distribution $q$ and $k$ drafted tokens. It returns a
    token, and the slot of the draft it accepted or -1. The token must follow $p$ exactly. The gate does not sample and
    compare: it runs the code on chosen uniforms, finds where each of them changes what happens, and adds up the exact
    distribution of the output.
    """)
    return


@app.cell(hide_code=True)
def _():
    right = """import torch


def verify(p, q, drafts):
    residual = p.clone()
    for slot, x in enumerate(drafts):
        if torch.rand(()) * q[x] < residual[x]:
            return x, slot
        residual = (residual - q).clamp(min=0)
        residual = residual / residual.sum() if residual.sum() > 0 else p
    return int(torch.multinomial(residual, 1)), -1
"""
    return (right,)


@app.cell(hide_code=True)
def _():
    # What is wrong -> the lines as they should be, the lines as they were shipped, the drafts, how many.
    _less, _last = (
        "if torch.rand(()) * q[x] < residual[x]:",
        "residual = residual / residual.sum() if residual.sum() > 0 else p\n",
    )
    _rest, _uniform = "residual = (residual - q).clamp(min=0)", "if torch.rand(()) <= residual[x] / q[x]:"
    _gone = "        q = q.clone()\n        q[x] = 0\n        q = q / q.sum() if q.sum() > 0 else q\n"
    _skip = "if x in drafts[:slot]:\n            continue\n        "
    _bugs = {
        "the residual is p, not (p - q)+ (a classic)": (_rest, "residual = p.clone()", "iid", 1),
        "the uniform is tested with <= (SGLang, transformers)": (_less, _uniform, "iid", 1),
        "repeated drafts are skipped (EAGLE)": (_less, _skip + _less, "iid", 2),
        "the iid rule, on drafts without replacement": (_last + _gone, _last, "without_replacement", 2),
        "nothing, as far as we know": (_less, _less, "iid", 2),
    }
    bug = mo.ui.dropdown(_bugs, value=next(iter(_bugs)), label="what is wrong", full_width=True)
    return (bug,)


@app.cell(hide_code=True)
def _(bug, right):
    _line, _wrong, _policy, _k = bug.value
    mended_code = right if _line in right else right.replace(_wrong, _line)
    code = mo.ui.code_editor(mended_code.replace(_line, _wrong), language="python", debounce=800, min_height=250)
    policy = mo.ui.dropdown(POLICIES, value=_policy, label="made for drafts")
    k = mo.ui.slider(1, 3, value=_k, label="k", show_value=True)
    deep = mo.ui.checkbox(label="also real noise, levels 2 and 3 (half a minute)")
    _seen = mo.md("Change the code as you like, or paste your own. It runs again when you pause.")
    mo.vstack([bug, _seen, code, mo.hstack([policy, k, deep], justify="start", wrap=True, gap=1.5)])
    return code, deep, k, mended_code, policy


@app.cell(hide_code=True)
def _(bug, code, deep, k, mended_code, policy):
    def _gate(text, policy, k):
        settings = Settings(seconds=20, time_limit=2, levels=(0, 1, 2, 3) if deep.value else (0, 1))
        return check_source(text, problems(policy, k, random=0)[:6], settings)

    checked = _gate(code.value, policy.value, k.value)
    mended = _gate(mended_code, *bug.value[2:4])
    return checked, mended


@app.function(hide_code=True)
def card(report):
    """The verdict on a coloured ground."""
    word, _ = KINDS[report.status]
    lines = [f"**{f.kind}** (level {f.level}): {f.message}" for f in shown(report, 3)]
    lines += [*report.inconclusive, *filter(None, [what_was_missed(report)])]
    listed = "\n".join(f"- {line}" for line in lines)
    return mo.callout(mo.md(f"**{word}** after {report.calls:,} calls.\n\n{listed}"), kind=KINDS[report.status][1])


@app.cell(hide_code=True)
def _(checked):
    mo.vstack([mo.md("## 1. The verdict, and why"), card(checked.report)])
    return


@app.cell(hide_code=True)
def _(checked):
    _problem, _case = checked.problem, checked.report.case or {}
    _distributions = {"p": _problem.p, "q": _problem.q} | ({"output": checked.output} if checked.output else {})
    with canvas(width=6.4, height=2.9) as (_figure, _axes):
        grouped(
            _axes, [f"token {y}" for y in range(_problem.vocabulary)], _distributions, COLOURS | {"output": "#009e73"}
        )
        _axes.set_ylabel("probability")
    _tuple = f", drafts {tuple(_case['tuple'])}" if _case.get("values") is not None else ""
    _what = f"the smallest failing input{_tuple}" if _case else "the first of its problems"
    _words = mo.md(f"""
    ## 2. What came out

    On *{_problem.name}*, {_what}: the output should be as high as $p$ at every token. A gap of 0.0000001 cannot be seen
    here, and no histogram of samples would show it either. The exact distribution does.
    """)
    mo.vstack([_words, mo.Html(svg(_figure, "The target, the draft distribution and the distribution of the output"))])
    return


@app.cell(hide_code=True)
def _(bug, mended, mended_code):
    _new = [line for line in bug.value[0].splitlines() if line not in bug.value[1]]
    _words = mo.md(f"""
    ## 3. Mended

    The same drafts and problems, the code as it should be. {"The lines to look at:" if _new else ""}
    {", ".join(f"`{line.strip()}`" for line in _new)}
    """)
    mo.vstack([_words, mo.md(f"```python\n{mended_code}```"), card(mended.report)])
    return


@app.cell(hide_code=True)
def _(checked, mended):
    _words = mo.md("""
    ## 4. Distance and acceptance, problem by problem

    Above: how far the output is from $p$, on a logarithmic scale. The dotted line is the gate's tolerance. Below: how
    often a draft is accepted, beside the certified optimum of the same drafts. A point *above* the optimum looks like
    a better sampler, and is a proof of bias.
    """)
    _marks = {"the code above": (checked.report, "s", COLOURS["p"]), "mended": (mended.report, "o", COLOURS["q"])}
    with canvas(1, 2, width=6.4, height=2.6, sharex=True) as (_figure, (_far, _often)):
        for _label, (_report, _mark, _colour) in _marks.items():
            _names = [row.problem for row in _report.rows]
            _style = {"marker": _mark, "color": _colour, "ls": "", "label": _label}
            _far.plot(_names, [max(row.distance, 1e-9) for row in _report.rows], **_style)
            _often.plot(_names, [row.acceptance for row in _report.rows], **_style)
            _often.plot(_names, [row.optimum for row in _report.rows], "_", color=INK, ms=22, zorder=0)
        _far.axhline(1e-6, color=INK, ls=":", lw=1)
        _far.set(yscale="log", ylim=(3e-10, 2), ylabel="distance")
        _often.set(ylim=(-0.05, 1.1), ylabel="acceptance")
        _often.tick_params(axis="x", rotation=25)
        _far.legend(loc="center right")
    mo.vstack([_words, mo.Html(svg(_figure, "Distance to p, and acceptance beside the optimum"))])
    return


@app.cell(hide_code=True)
def _():
    beside(
        mo.md("""
    This page tries six narrow problems at levels 0 and 1. The whole gate takes about a minute, tries more problems,
    wide vocabularies and the code's real noise, and ends with an exit code for CI:

        spechub-lp gate mymodule:verify --drafts iid --k 2

    What it does and how much it proves: [the gate](../spechub_lp/gate/README.md). The wrong samplers that it
    rejects: [MUTANTS.md](../spechub_lp/gate/MUTANTS.md). Why no right sampler accepts more than the optimum:
    [T7](../theory/T7_lossless/README.md).
    """)
    )
    return


if __name__ == "__main__":
    app.run()
