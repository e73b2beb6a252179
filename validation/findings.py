"""What the results say, in ten lines before the tables: every number is read from the same documents."""

from collections.abc import Iterator
from typing import Any

from spechub_lp.evaluate.evaluate import Evaluation
from spechub_lp.evaluate.measures import chosen
from spechub_lp.evaluate.tally import Estimate, Tally
from spechub_lp.report.text.evaluations import Section, exactly_lossless, markdown

T = 1.0


def lines(evaluations: dict[str, Evaluation], trees: dict[str, Any]) -> Iterator[str]:
    """The findings as a list in Markdown; evaluations and trees by the names of their rows."""
    if (real := evaluations.get("smollm2")) is not None:
        size = f"V = {real.vocabulary:,}, {real.positions} positions"
        yield f"- **SmolLM2-135M** (draft: four layers skipped; {size}). {_best(real, 2)}"
        yield f"- {_against_recursive(real)}"
        yield f"- {_hubs(real)}"
    if (more := evaluations.get("smollm2_more_drafts")) is not None:
        yield from (f"- **With {k} drafts** ({more.positions} positions). {_best(more, k)}" for k in more.plan.ks)
    if (small := evaluations.get("austen")) is not None:
        size = f"V = {small.vocabulary}, {small.positions:,} positions"
        yield f"- **The small pair** (characters, {size}). {_best(small, 2)}"
    held, tried = map(sum, zip(*map(exactly_lossless, evaluations.values()), strict=True))
    failures = [failure for result in evaluations.values() for failure in result.failures]
    yield (
        f"- **Lossless**: the output was the target distribution exactly in {held:,} of {tried:,} enumerated "
        f"distributions; checks that failed: {', '.join(failures) or 'none'}."
    )
    if "austen" in trees:
        yield f"- **Trees**, the small pair at T = {T:g}: {_trees(trees['austen'])}"
    yield "- Everything here was run on a CPU. What the kernels cost on a GPU is in [gpu.md](gpu.md)."


def _mean(result: Evaluation, *key: Any) -> Estimate:
    found = result.tally.mean(key)
    assert found is not None, key
    return found


def _best(result: Evaluation, k: int) -> str:
    """The rule that accepts most, and the next one of other drafts."""
    found = [
        (_mean(result, T, s.k, "acceptance", s.name), s) for s in chosen(result.plan.samplers, k) if s.name != "naive"
    ]
    mine, sampler = max(found, key=lambda pair: pair[0].mean)
    drafts = sampler.drafts.name
    best = _mean(result, T, k, "optimum", drafts)
    one = _mean(result, T, 1, "acceptance", "naive")
    return (
        f"At T = {T:g} `{sampler.name}` accepts most, {mine}, and its drafts ({drafts}) allow {best.mean:.4f}; one "
        f"draft gives {one.mean:.4f}."
    )


def _against_recursive(result: Evaluation) -> str:
    shares = []
    for name, drafts in (("rrs", "iid"), ("rrsw", "without_replacement"), ("kseq", "iid")):
        value, best = _mean(result, T, 2, "acceptance", name), _mean(result, T, 2, "optimum", drafts)
        shares.append(f"`{name}` {value.mean / best.mean:.1%}")
    return f"What the usual rules reach of the optimum of their drafts, two drafts, T = {T:g}: {', '.join(shares)}."


def _hubs(result: Evaluation) -> str:
    cold, hot = min(result.plan.temperatures), max(result.plan.temperatures)
    gains = [_mean(result, t, 2, "hub against", "iid", "all", "gain") for t in (cold, hot)]
    wins = [_mean(result, t, 2, "hub against", "iid", "all", "win").mean for t in (cold, hot)]
    return (
        f"Hub drafts against two independent ones, both at their optimum: {gains[0].mean:+.4f} in acceptance at "
        f"T = {cold:g} (better at {wins[0]:.0%} of the positions), {gains[1].mean:+.4f} at T = {hot:g} "
        f"(better at {wins[1]:.0%})."
    )


def _trees(document: dict[str, Any]) -> str:
    """The best rule and tree, and the same tree by recursive rejection."""
    runs = [run for run in document["runs"] if run["T"] == T]
    means = {(run["tree"], run["rule"]): Tally.ratio(run["by_prompt"].__getitem__, run["by_prompt"]) for run in runs}
    known = {key: mean for key, mean in means.items() if mean is not None}
    tree, rule = max(known, key=lambda key: known[key].mean)
    told = f"`{rule}` on a tree of {tree} gives most tokens a call of the target, {known[tree, rule]}"
    beside = known.get((tree, "rrs"))
    return f"{told}; `rrs` on the same tree {beside}." if beside else f"{told}."


def folded(section: Section) -> str:
    """A table that is unfolded by its title; a ± stays on the line of its number."""
    table = markdown(section).replace(" ± ", "\u00a0±\u00a0").removeprefix(f"**{section.title}**\n").strip("\n")
    return f"<details><summary>{section.title}</summary>\n\n{table}\n\n</details>\n"
