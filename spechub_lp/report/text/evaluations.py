"""An evaluation as tables: for the terminal and, the same ones, as Markdown."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from spechub_lp._util import renamed
from spechub_lp._util.sheet import Sheet
from spechub_lp._util.tolerances import DRAW
from spechub_lp.evaluate.measures import BINS, OPTIMA, REGIONS, chosen, monte_carlo_error
from spechub_lp.evaluate.tally import Estimate

if TYPE_CHECKING:
    from spechub_lp.evaluate.evaluate import Evaluation

__getattr__ = renamed.attributes(__name__, {"show_replay": "show_evaluation"})


class Section(NamedTuple):
    """A table with its title.

    Examples
    --------
    >>> Section("Acceptance", ["sampler", "mean"], [["rrs", 0.5]]).title
    'Acceptance'
    """

    title: str
    columns: list[str]
    rows: list[list[Any]]
    note: str | None = None


INTERVAL = "± covers 95 %, clustered by document"
PLACES = {
    "all": "all positions",
    "half": "q(Top) >= 1 - 1/k",
    "border": "only inside the sharp border",
    "beyond": "beyond the border",
}


def show_evaluation(console: Console, result: "Evaluation", verbose: bool = True) -> None:
    """Show the verdict, the tables, and what failed.

    Parameters
    ----------
    console
        Where.
    result
        The evaluation.
    verbose
        Every table, and the verdict once more behind them; otherwise the acceptances alone.
    """
    told = result.manifest.get("model") or result.manifest.get("target") or {}
    name = told.get("name", "captured rows")
    style = "red" if result.failures else "green"
    console.print(verdict(result), style=style)
    console.print(f"{name}: {result.positions} positions, V = {result.vocabulary:,}, {result.seconds:.0f} s\n")
    for section in sections(result) if verbose else (acceptance(result, k) for k in result.plan.ks):
        console.print(Sheet(*section))
    for failure in result.failures:
        console.print(f"FAIL  {failure}", style="red")
    console.print(
        verdict(result) if verbose else "-v shows domains, draft positions, hubs and losslessness", style=style
    )


def verdict(result: "Evaluation") -> str:
    """Say in a line whether all that was checked held, and which samplers are nearest to the optimum of their drafts.

    Parameters
    ----------
    result
        The evaluation.

    Returns
    -------
    str
        PASS or FAIL, and what was checked.
    """
    exact, all_of = exactly_lossless(result)
    checked = (
        f"exactly lossless in {exact} of {all_of} small distributions" if all_of else "no exact distribution asked for"
    )
    k, t = result.plan.ks[0], min(result.plan.temperatures, key=lambda t: abs(t - 1))
    shares = []
    for sampler in chosen(result.plan.samplers, k):
        mine = result.tally.mean((t, sampler.k, "acceptance", sampler.name))
        best = result.tally.mean((t, k, "optimum", sampler.drafts.name)) if sampler.k == k else None
        if mine and best and best.mean:
            shares.append((mine.mean / best.mean, sampler.name))
    near = [name for share, name in shares if share > max(shares)[0] - DRAW] if shares else []
    most = (
        f"; nearest to the optimum of their drafts at k = {k}, T = {t}: {', '.join(near)}, {max(shares)[0]:.1%}"
        if near
        else ""
    )
    if result.failures:
        count = len(result.failures)
        return f"FAIL: {count} check{'s' * (count > 1)} failed; {checked}{most}"
    return f"PASS: {checked}{most}"


def exactly_lossless(result: "Evaluation") -> tuple[int, int]:
    """Count the exact distributions that keep the target.

    Parameters
    ----------
    result
        The evaluation.

    Returns
    -------
    tuple of int
        How many keep it, and how many there are.
    """
    plan = result.plan
    keys = [(t, k, "lossless", s.name) for k in plan.ks for s in chosen(plan.samplers, k) for t in plan.temperatures]
    held = [mean for key in dict.fromkeys(keys) if (mean := result.tally.mean(key))]
    return sum(round(mean.mean * mean.n) for mean in held), sum(mean.n for mean in held)


def sections(result: "Evaluation") -> Iterator[Section]:
    """Yield the tables of an evaluation; which of them there are depends on what was measured.

    Parameters
    ----------
    result
        The evaluation.

    Yields
    ------
    Section
        A table.
    """
    plan = result.plan
    shown = min(plan.temperatures, key=lambda t: abs(t - 1))
    for k in plan.ks:
        yield acceptance(result, k)
        if len(result.domains) > 1:
            yield by_domain(result, k, shown)
        yield by_index(result, k, shown)
        yield hub_against(result, k)
    yield shares(result)
    if plan.exact_every:
        yield losslessness(result)


def acceptance(result: "Evaluation", k: int) -> Section:
    """Tabulate the mean acceptance of each sampler and the optimum of each draft policy, at every temperature.

    Parameters
    ----------
    result
        The evaluation.
    k
        Number of drafts.

    Returns
    -------
    Section
        The table.
    """
    tally, rows = result.tally, []
    for sampler in chosen(result.plan.samplers, k):
        means = [tally.mean((t, sampler.k, "acceptance", sampler.name)) for t in result.plan.temperatures]
        errors = [monte_carlo_error(tally, (t, k, "noise", sampler.name)) for t in result.plan.temperatures]
        drawn = f"drawn, error {max(errors):.4f}" if max(errors) else "closed form"
        rows.append([sampler.name, sampler.drafts.name, drawn, *map(_text, means)])
    for policy in OPTIMA:
        means = [tally.mean((t, k, "optimum", policy)) for t in result.plan.temperatures]
        if any(means):
            name = policy + (" = hub" if policy == "greedy" and k == 2 else "")
            rows.append(["optimum", name, "", *map(_text, means)])
    columns = ["sampler", "drafts", "how", *(f"T = {t}" for t in result.plan.temperatures)]
    return Section(f"Acceptance with {k} drafts (naive: one)", columns, rows, INTERVAL)


def by_domain(result: "Evaluation", k: int, t: float) -> Section:
    """Tabulate the acceptance of each sampler and the optima in each domain.

    Parameters
    ----------
    result
        The evaluation.
    k
        Number of drafts.
    t
        The temperature.

    Returns
    -------
    Section
        The table.
    """
    rows = []
    for sampler in chosen(result.plan.samplers, k):
        key = (t, sampler.k, "acceptance", sampler.name)
        rows.append([sampler.name, *(_text(result.tally.mean(key, d)) for d in result.domains.values())])
    for policy in ("iid", "without_replacement", "greedy"):
        key = (t, k, "optimum", policy)
        rows.append([f"optimum {policy}", *(_text(result.tally.mean(key, d)) for d in result.domains.values())])
    return Section(f"By domain, {k} drafts, T = {t}", ["", *result.domains], rows, INTERVAL)


def by_index(result: "Evaluation", k: int, t: float) -> Section:
    """Tabulate which draft was accepted, from drawn verdicts; and the drawn total against the closed form.

    Parameters
    ----------
    result
        The evaluation.
    k
        Number of drafts.
    t
        The temperature.

    Returns
    -------
    Section
        The table; differences are in standard errors.
    """
    rows = []
    for sampler in chosen(result.plan.samplers, k):
        means = [result.tally.mean((t, k, "slot", sampler.name, j)) for j in range(sampler.k)]
        if any(m is None for m in means):
            continue
        gap = result.tally.mean((t, k, "drawn - closed", sampler.name))
        error = monte_carlo_error(result.tally, (t, k, "drawn noise", sampler.name))
        z = "" if gap is None else f"{gap.mean / error:+.1f}" if error > DRAW else f"{gap.mean:.1g} apart"
        rows.append([sampler.name, *(_text(m) for m in means), means[0].n if means[0] else 0, z])
    columns = ["sampler", *(f"draft {j + 1}" for j in range(k)), "positions", "standard errors off the closed form"]
    return Section(f"Acceptance by draft index, {k} drafts, T = {t}", columns, rows, INTERVAL)


def hub_against(result: "Evaluation", k: int) -> Section:
    """Tabulate where hub drafts, at their optimum, win and lose.

    Parameters
    ----------
    result
        The evaluation.
    k
        Number of drafts.

    Returns
    -------
    Section
        The table.
    """
    rows = []
    for t in result.plan.temperatures:
        for rival in ("iid", "without_replacement", "top_k"):
            for place, words in PLACES.items():
                key = (t, k, "hub against", rival, place)
                gain = result.tally.mean((*key, "gain"))
                if gain is None:
                    continue
                parts = [result.tally.mean((*key, what)) or gain for what in ("win", "loss", "won", "lost")]
                rows.append([f"{t}", rival, words, gain.n, _text(gain), *_shares(*parts)])
    columns = [
        "T",
        "optimum of",
        "where",
        "positions",
        "gain",
        "wins at",
        "loses at",
        "by, where won",
        "by, where lost",
    ]
    hub = "SpecHub" if k == 2 else "greedy hubs"
    same = "; greedy drafts have the same optimum" if k == 2 else ""
    return Section(f"{hub} against the optimum of other drafts, k = {k}", columns, rows, f"{INTERVAL}{same}")


def shares(result: "Evaluation") -> Section:
    """Tabulate how sharp the draft distribution is: the histogram of q(a), and the regions of the dominance theorems.

    Parameters
    ----------
    result
        The evaluation.

    Returns
    -------
    Section
        The table.
    """
    tally, rows, bands = result.tally, [], 5
    for t in result.plan.temperatures:
        mean = tally.mean((t, 0, "q(a)"))
        low = [
            sum(
                (tally.share((t, 0, "histogram", b), (t, 0, "q(a)")) or Estimate(0, None, 0)).mean
                for b in range(n * BINS // bands, (n + 1) * BINS // bands)
            )
            for n in range(bands)
        ]
        regions = [_text(tally.mean((t, k, "region", r))) for k in result.plan.ks for r in REGIONS[:2]]
        rows.append([f"{t}", _text(mean), *(f"{share:.3f}" for share in low), *regions])
    columns = ["T", "mean q(a)", *(f"{n / bands:.1f} to {(n + 1) / bands:.1f}" for n in range(bands))]
    columns += [f"k = {k}: {PLACES[r]}" for k in result.plan.ks for r in REGIONS[:2]]
    return Section("q(a), the draft's largest probability: share of positions", columns, rows, INTERVAL)


def losslessness(result: "Evaluation") -> Section:
    """Tabulate exact losslessness at the top tokens, and what float32 and bfloat16 lose; worst over temperatures.

    Parameters
    ----------
    result
        The evaluation.

    Returns
    -------
    Section
        The table.
    """
    tally, rows = result.tally, []
    for k in result.plan.ks:
        for sampler in chosen(result.plan.samplers, k):
            keys = [(t, k, "lossless", sampler.name) for t in result.plan.temperatures]
            held = [m for key in keys if (m := tally.mean(key))]
            if not held:
                continue
            count = sum(m.n for m in held)
            worst = [
                max(tally.worst[t, k, "distance", sampler.name, dtype] for t in result.plan.temperatures)
                for dtype in ("float32", "bfloat16")
            ]
            exactly = round(sum(m.mean * m.n for m in held))
            rows.append([sampler.name, sampler.drafts.name, k, f"{exactly}/{count}", *(f"{w:.2g}" for w in worst)])
    columns = ["sampler", "drafts", "k", "exactly lossless", "distance in float32", "distance in bfloat16"]
    return Section("Losslessness on the same rows' top tokens; worst distance in small floats", columns, rows)


def markdown(section: Section) -> str:
    """Write a table as Markdown, numbers as in the terminal.

    Parameters
    ----------
    section
        The table.

    Returns
    -------
    str
        Markdown.

    Examples
    --------
    >>> "| rrs | 0.5000 |" in markdown(Section("Acceptance", ["sampler", "mean"], [["rrs", 0.5]]))
    True
    """
    cells = [[f"{c:.4f}" if isinstance(c, float) else str(c) for c in row] for row in section.rows]
    lines = ["| " + " | ".join(row) + " |" for row in (section.columns, ["---"] * len(section.columns), *cells)]
    note = [f"\n{section.note}."] if section.note else []
    return "\n".join([f"**{section.title}**\n", *lines, *note])


def _shares(win: Estimate, loss: Estimate, won: Estimate, lost: Estimate) -> Sequence[str]:
    by = [f"{part.mean / often.mean:.4f}" if often.mean else "" for part, often in ((won, win), (lost, loss))]
    return [f"{win.mean:.3f}", f"{loss.mean:.3f}", *by]


def _text(estimate: Estimate | None) -> str:
    return "" if estimate is None else str(estimate)
