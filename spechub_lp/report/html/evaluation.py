"""The page of `spechub-lp evaluate`."""

from typing import Any

from spechub_lp._util.words import counted
from spechub_lp.evaluate.evaluate import Evaluation
from spechub_lp.evaluate.measures import chosen
from spechub_lp.report.html.content import FAIL, OPEN, PASS, Cell, Content, Part, Picture, picture
from spechub_lp.report.plots.drawings import ROW, Range, by_temperature, domains, gains, ranges, sharpness
from spechub_lp.report.plots.pictures import COLOURS, INK
from spechub_lp.report.text.evaluations import (
    PLACES,
    Section,
    acceptance,
    by_domain,
    by_index,
    hub_against,
    losslessness,
    shares,
)


def content(document: dict[str, Any]) -> Content:
    """Lay out the page of an evaluation.

    Parameters
    ----------
    document
        Of `evaluate`.

    Returns
    -------
    Content
        The page.
    """
    result = Evaluation.read(document)
    failures, checked = document["failures"], _checked(result)
    held = (
        f"{checked[0]:,} of {checked[1]:,} exact distributions are the target distribution"
        if checked[1]
        else "no exact distribution was asked for"
    )
    over = [name for name in failures if "more than the optimum" in name]
    page = Content(
        FAIL if failures else PASS,
        "FAIL" if failures else "PASS",
        f"Evaluation: {model(result)}",
        f"{'Some samplers accept' if over else 'No sampler accepts'} more than the certified optimum of its drafts on "
        f"{result.positions:,} positions of {model(result)} (V = {result.vocabulary:,}), and {held}.",
        [*_best(result), f"{result.seconds:.0f} s; {_documents(result)}."],
        failures,
        seed=result.plan.seed,
    )
    for k in result.plan.ks:
        page.parts += [_acceptance(result, k), _hubs(result, k)]
    page.parts.append(_positions(result))
    if checked[1]:
        text = [
            "The distributions of some positions, restricted to their top tokens and turned into the rationals "
            "that they are: "
            "whether the output distribution is the target distribution, exactly; and what small floats lose."
        ]
        page.parts.append(Part("Losslessness", text, tables=[losslessness(result)]))
    return page


def model(result: Evaluation) -> str:
    """Return the target's name, as the terminal gives it.

    Parameters
    ----------
    result
        The evaluation.

    Returns
    -------
    str
        The name.
    """
    name = result.manifest.get("model", {}).get("name") or result.manifest.get("target", {})
    return str(name if isinstance(name, str) else name.get("name", "captured rows"))


def _acceptance(result: Evaluation, k: int) -> Part:
    t, text = nearest_to_one(result), [_verdicts(result, k)]
    pictures = _against_optimum(result, k, t)
    if len(result.plan.temperatures) > 1:
        text.append(
            "A broad band is the optimum of a draft distribution, in the colour of the rule that reaches it; "
            "grey is top-k."
        )
        pictures += picture(
            lambda axes: by_temperature(axes, result, k),
            f"Acceptance with {k} drafts against temperature; the table below has every number",
            "Acceptance against temperature",
            height=4.4,
        )
    tables = [_judged(acceptance(result, k), result, k)]
    return Part(f"Acceptance with {k} drafts", text, pictures, tables, [by_index(result, k, t)])


def _hubs(result: Evaluation, k: int) -> Part:
    """Where hub drafts win and lose."""
    hub = "SpecHub" if k == 2 else "Greedy hubs"
    wins: list[Picture] = []
    for rival in ("iid", "without_replacement"):
        wins += picture(
            lambda axes, rival=rival: gains(axes, result, k, rival),  # type: ignore[misc]
            f"{hub} less the optimum of {rival} drafts, by region; the table below has every number",
            f"{hub} less the optimum of {rival.replace('_', ' ')} drafts",
            height=3.6,
        )
    text = [
        f"Where the draft distribution is sharp, hubs are proved to be at least as good as {k} iid drafts, for "
        f"every target: at "
        f"{PLACES['half']}, and up to the sharp border. Beyond it either can win. Above 0 hubs win; a line covers 95 %."
    ]
    heading = "Where SpecHub wins and loses" if k == 2 else "Where greedy hubs win and lose"
    return Part(f"{heading}, {k} drafts", text, wins, folded=[hub_against(result, k)])


def _positions(result: Evaluation) -> Part:
    t, tables = nearest_to_one(result), [shares(result)]
    charts = picture(
        lambda axes: sharpness(axes, result),
        "Histogram of q(a), the draft's largest probability; the table below has the shares",
        "Share of positions by q(a), the draft's largest probability",
        height=4.0,
    )
    for k in result.plan.ks if len(result.domains) > 1 else ():
        charts += picture(
            lambda axes, k=k: domains(axes, result, k, t),  # type: ignore[misc]
            f"Acceptance by domain with {k} drafts at T = {t:g}; the table below has every number",
            f"Acceptance by domain, {k} drafts, T = {t:g}; a line covers 95 %",
            height=max(1.6 + 0.7 * len(result.domains), 4.0),
        )
        tables.append(_judged(by_domain(result, k, t), result, k))
    text = ["Right of the dashed line, q(a) ≥ 1/2, two hub drafts accept at least as much as two iid drafts can."]
    heading = "How sharp the draft distribution is" + ", and the domains" * (len(result.domains) > 1)
    return Part(heading, text, charts, folded=tables)


def _judged(table: Section, result: Evaluation, k: int) -> Section:
    """The table with the verdict of each sampler behind its name."""
    rows = []
    for name, *rest in table.rows:
        held, tried = _lossless(result, k, name)
        verdict = Cell(f"{held}/{tried}", PASS if held == tried else FAIL) if tried else Cell("", OPEN)
        rows.append([name, verdict, *rest])
    return table._replace(columns=[table.columns[0], "exactly lossless", *table.columns[1:]], rows=rows)


def _against_optimum(result: Evaluation, k: int, t: float) -> list[Picture]:
    rows = []
    for sampler in chosen(result.plan.samplers, k):
        mean = result.tally.mean((t, sampler.k, "acceptance", sampler.name))
        policy = sampler.drafts.equivalent.name
        # One draft accepts at most sum min(p, q), which is what naive accepts.
        best = mean if sampler.k == 1 else result.tally.mean((t, k, "optimum", policy))
        if mean and best:
            held, tried = _lossless(result, k, sampler.name)
            verdict = f"exact {held}/{tried}" if held == tried else f"BIASED {held}/{tried}"
            rows.append(
                Range(
                    sampler.name, mean.mean, best.mean, COLOURS.get(sampler.name, INK),
                    verdict if tried else "not checked", held == tried,
                )
            )  # fmt: skip
    if not rows:
        return []
    says = "; ".join(f"{r.name} {r.value:.4f} of {r.optimum:.4f}, {r.verdict}" for r in rows)
    return picture(
        lambda axes: ranges(axes, rows),
        f"T = {t:g}, {k} drafts: {says}",
        f"T = {t:g}; on the right how many exact distributions were the target distribution",
        height=0.75 + ROW * len(rows),
    )


def _verdicts(result: Evaluation, k: int) -> str:
    wrong = []
    for sampler in chosen(result.plan.samplers, k):
        held, tried = _lossless(result, k, sampler.name)
        wrong += [f"{sampler.name} ({tried - held} of {tried})"] * (held < tried)
    if wrong:
        return f"Biased: {', '.join(wrong)}. An acceptance of a biased rule is no achievement."
    if not result.plan.exact_every:
        return "Losslessness was not checked in this run."
    return "Every sampler below kept the target distribution exactly wherever its distribution was enumerated."


def _lossless(result: Evaluation, k: int, sampler: str) -> tuple[int, int]:
    """(exactly lossless, enumerated) distributions of a sampler over all temperatures."""
    means = [result.tally.mean((t, k, "lossless", sampler)) for t in result.plan.temperatures]
    return sum(round(m.mean * m.n) for m in means if m), sum(m.n for m in means if m)


def _checked(result: Evaluation) -> tuple[int, int]:
    pairs = [_lossless(result, k, s.name) for k in result.plan.ks for s in chosen(result.plan.samplers, k)]
    return sum(held for held, _ in pairs), sum(tried for _, tried in pairs)


def _best(result: Evaluation) -> list[str]:
    """Which sampler accepts most, for each k, at the temperature nearest to 1."""
    out, t = [], nearest_to_one(result)
    for k in result.plan.ks:
        means = [
            (mean, sampler)
            for sampler in chosen(result.plan.samplers, k)
            if (mean := result.tally.mean((t, sampler.k, "acceptance", sampler.name)))
        ]
        if means:
            mean, sampler = max(means, key=lambda pair: pair[0].mean)
            drafts = sampler.drafts.name.replace("_", " ")
            out.append(f"At T = {t:g} with {k} drafts {sampler.name} ({drafts}) accepts most: {mean}.")
    return out


def _documents(result: Evaluation) -> str:
    texts = sum(map(len, result.domains.values()))
    return f"{counted(texts, 'document')} in {counted(len(result.domains), 'domain')}"


def nearest_to_one(result: Evaluation) -> float:
    """Return the temperature that tables of one temperature are for.

    Parameters
    ----------
    result
        The evaluation.

    Returns
    -------
    float
        The one nearest to 1.
    """
    return min(result.plan.temperatures, key=lambda t: abs(t - 1))
