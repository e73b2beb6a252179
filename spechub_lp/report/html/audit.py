"""The page of `spechub-lp audit`."""

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from spechub_lp._util.words import counted
from spechub_lp.audit.records import Line
from spechub_lp.report.html.content import FAIL, PASS, Attachment, Cell, Content, Part, Picture, picture
from spechub_lp.report.plots.drawings import BAD, ROW, Range, ranges
from spechub_lp.report.plots.pictures import COLOURS, INK
from spechub_lp.report.text.evaluations import Section
from spechub_lp.report.text.tables import FULL, LINE, PAIR, line_cells, pair_cells

WHOLE = "full vocabulary"


def content(document: dict[str, Any]) -> Content:
    """Lay out the page of an audit.

    Parameters
    ----------
    document
        Of `audit`.

    Returns
    -------
    Content
        The page.
    """
    lines = [Line(**line) for line in document["lines"]]
    own = [line for line in lines if line.own]
    failures = document["failures"]
    checks = sum(line.instances for line in own)
    kept = sum(line.lossless for line in own)
    rules = len({line.sampler for line in own})
    page = Content(
        FAIL if failures else PASS,
        "FAIL" if failures else "PASS",
        f"Audit of {counted(rules, 'sampler')}" if rules else "Audit",
        f"{kept:,} of {checks:,} output distributions are the target distribution, as an equality of rationals: "
        f"{counted(rules, 'sampler')} with "
        f"drafts that the rule was made for, on {_instances(own):,} instances."
        if checks
        else "No distribution was enumerated: rational instances and n-gram places were left out.",
        _facts(document),
        failures,
        seed=document["seed"],
    )
    page.parts += _acceptance(document, lines) + _biased(lines) + _theorems(document) + _examples(document)
    return page


def _facts(document: dict[str, Any]) -> list[str]:
    out, theorems = [], [t for t in document["theorems"] if t["tried"]]
    if document["certificates"]:
        out.append(
            f"{document['certificates']:,} optima were certified; a checker that uses no solver accepted every proof."
        )
    if theorems:
        held, tried = (sum(t[what] for t in theorems) for what in ("held", "tried"))
        out.append(f"{len(theorems)} theorems held at {held:,} of {tried:,} instances where they apply.")
    if document["full_vocabulary"]:
        rows = document["full_vocabulary"]
        above = sum(row["above"] for row in rows)
        out.append(
            f"On {rows[0]['positions']} positions of {_model(document)} at {WHOLE}, {counted(len(rows), 'sampler')} "
            f"accept{'s' * (len(rows) == 1)} {f'more {above} times' if above else 'no more'} "
            f"than the certified optimum of the same drafts."
        )
    return out


def _acceptance(document: dict[str, Any], lines: Sequence[Line]) -> list[Part]:
    first, whole, model = [line for line in lines if line.first], document["full_vocabulary"], _model(document)
    pictures, tables = [], []
    if whole:
        proved = [_proved(row["sampler"], lines) for row in whole]
        bars = [_range(r["sampler"], r["acceptance"], r["optimum"], *p) for r, p in zip(whole, proved, strict=True)]
        pictures += _ranges(bars, f"{model}, {WHOLE}, 2 drafts")
        verdicts = [Cell(text, PASS if good else FAIL) for text, good in proved]
        rows = [[row[column] for column in FULL] for row in whole]
        rows = [[*row[:3], verdict, *row[3:]] for row, verdict in zip(rows, verdicts, strict=True)]
        columns = [*FULL[:3], "enumerated distributions", *FULL[3:]]
        tables.append(Section(f"{model}, {WHOLE}: closed forms and the certified cut, float64", columns, rows))
    for source, k in _real_first(list(dict.fromkeys((line.source, line.k) for line in first if line.k > 1))):
        here = [line for line in first if line.source == source and line.k in (1, k)]
        bars = [_range(line.sampler, line.acceptance, line.optimum, *_verdict(line)) for line in here]
        pictures += _ranges(bars, f"{source}, {k} drafts")
    for source in dict.fromkeys(line.source for line in first):
        rows = [_judged(line_cells(line), _mood(line)) for line in first if line.source == source]
        tables.append(Section(f"{source}: every sampler with its own drafts, in rationals", LINE, rows))
    text = [
        "A dot is a sampler's mean acceptance, the bar the mean of the certified optimum of the same drafts: no rule "
        "that keeps the target distribution can pass it. The line between them is what a better rule could "
        "still gain. On the "
        "right: how many of its output distributions, enumerated in rationals, are exactly the target."
    ]
    d = document["dominance"]
    if d:
        text.append(
            f"The draft's top token has q(a) ≥ 1/2 at {d['q(a) >= 1/2']} of {d['positions']} positions. There SpecHub "
            f"accepts {_gain(d['mean gain, q(a) >= 1/2'])} against the best of two iid drafts, elsewhere "
            f"{_gain(d['mean gain, elsewhere'])}."
        )
    if not tables:
        return []
    more_title = "The same pictures of the other instances"
    return [
        Part(
            "Acceptance against the optimum", text, pictures[:2], tables[:1], tables[1:],
            more=pictures[2:], more_title=more_title,
        )
    ]  # fmt: skip


def _biased(lines: Sequence[Line]) -> list[Part]:
    others = [line for line in lines if not line.first]
    wrong = [line for line in others if line.lossless < line.instances]
    right: dict[str, list[str]] = {}
    for line in others:
        if line.lossless == line.instances:
            right.setdefault(line.sampler, []).append(line.drafts.replace("_", " "))
    kept = [[sampler, ", ".join(policies)] for sampler, policies in right.items()]
    title = "Lossless with other drafts too, exactly, on every instance"
    lossless = [Section(title, ["sampler", "drafts"], kept)] if kept else []
    if not wrong:
        return [Part("Other drafts", tables=lossless)] if lossless else []
    above = sorted((line for line in wrong if line.acceptance > line.optimum), key=lambda x: x.optimum - x.acceptance)
    bars = [
        Range(
            f"{line.sampler}, {line.drafts.replace('_', ' ')}", line.acceptance, line.optimum, BAD,
            f"biased {line.instances - line.lossless}/{line.instances}", False,
        )
        for line in above[:10]
    ]  # fmt: skip
    caption = (
        f"Mean acceptance above the optimum, the {len(bars)} worst; on the right how many distributions are biased"
    )
    text = [
        "A rule that is given drafts of another distribution often accepts more, and its output is no longer "
        "the target's. An "
        "acceptance above the optimum proves the bias without a single draw."
    ]
    cells = [_judged(pair_cells(line), FAIL) for line in wrong]
    note = "above it on: how many instances have an acceptance above the optimum of their drafts"
    biased = [Section("Biased pairings", PAIR, cells, note)]
    return [Part("The same rules with other drafts", text, _ranges(bars, caption) if bars else [], lossless, biased)]


def _theorems(document: dict[str, Any]) -> list[Part]:
    rows = [
        [t["id"], t["statement"], Cell(f"{t['held']}/{t['tried']}", PASS if t["held"] == t["tried"] else FAIL)]
        for t in document["theorems"]
        if t["tried"]
    ]
    false = [
        [f"{statement}", f"{smaller}", f"{larger}", float(Fraction(larger) - Fraction(smaller))]
        for statement, smaller, larger in document["false_statements"]
    ]
    parts = []
    if rows:
        parts.append(Part("Theorems, checked in rationals", tables=[
            Section("Theorems and the instances that tested them", ["", "statement", "held on"], rows)
        ]))  # fmt: skip
    if false:
        columns = ["statement that is false", "left side", "right side", "short by"]
        parts.append(
            Part(
                "Statements that are not theorems",
                ["Each is plausible and has a counterexample, exact to the last digit."],
                tables=[Section("Counterexamples", columns, false)],
            )
        )
    return parts


def _examples(document: dict[str, Any]) -> list[Part]:
    examples = document["examples"]
    if not examples:
        return []
    own: list[list[Any]] = []
    others: list[list[Any]] = []
    for example in sorted(examples, key=lambda e: (e["record"]["k"], not e["record"]["first"])):
        r = example["record"]
        accepted, best = float(Fraction(r["acceptance"])), float(Fraction(r["optimum"]))
        verdict = Cell("BIASED", FAIL) if Fraction(r["distance"]) else Cell("lossless", PASS)
        name = f"certificate-{r['sampler']}-{r['drafts']}-{r['k']}.json".replace("_", "-")
        file = Attachment(name, json.dumps(example["certificate"]), f"{r['sampler']}, {r['k']} {r['drafts']} drafts")
        row = [r["sampler"], r["drafts"], r["k"], verdict, accepted, best, best - accepted, r["source"], file]
        (own if r["own"] else others).append(row)
    text = [
        "For each sampler, on a small instance: where it is furthest below the optimum of its own drafts, or, with "
        "drafts of another distribution, furthest above it. A certificate holds p, q, a coupling that reaches "
        "the optimum and a "
        "token set that no rule can pass, all as rationals. Save one and check it; no solver is used.",
    ]
    columns = ["sampler", "drafts", "k", "verdict", "acceptance", "optimum", "gap", "source", "certificate"]
    return [
        Part(
            "Check it yourself",
            text,
            tables=[Section("Furthest below the optimum, with its own drafts", columns, own)] if own else [],
            folded=[Section("Furthest above the optimum, with other drafts", columns, others)] if others else [],
            code=f"spechub-lp check-certificate {max(own or others, key=lambda row: row[6])[-1].name}",
        )
    ]


def _range(sampler: str, accepted: float, best: float, verdict: str, good: bool) -> Range:
    return Range(sampler, accepted, best, COLOURS.get(sampler, INK), verdict, good)


def _ranges(rows: Sequence[Range], caption: str) -> list[Picture]:
    says = "; ".join(f"{r.name} {r.value:.4f} of {r.optimum:.4f}, {r.verdict}" for r in rows)
    return picture(lambda axes: ranges(axes, rows), f"{caption}: {says}", caption, height=0.75 + ROW * len(rows))


def _real_first(groups: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """The n-gram and the language model before the boundary cases, which are made to be hard and not to be typical."""
    return sorted(groups, key=lambda group: group[0] == "rational")


def _instances(lines: Sequence[Line]) -> int:
    """How many pairs of distributions there were; one that was used with k = 2 and with k = 3 counts twice."""
    groups: dict[tuple[str, int], int] = {}
    for line in lines:
        if line.sampler != "naive":
            groups[line.source, line.k] = max(line.instances, groups.get((line.source, line.k), 0))
    return sum(groups.values())


def _verdict(line: Line) -> tuple[str, bool]:
    return _counted(line.lossless, line.instances)


def _proved(sampler: str, lines: Sequence[Line]) -> tuple[str, bool]:
    """What the enumerated distributions say of a sampler with its own drafts, all sources together."""
    mine = [line for line in lines if line.sampler == sampler and line.first]
    return _counted(sum(line.lossless for line in mine), sum(line.instances for line in mine))


def _counted(lossless: int, distributions: int) -> tuple[str, bool]:
    if not distributions:
        return "not checked", True
    return f"{'exact' if lossless == distributions else 'BIASED'} {lossless}/{distributions}", lossless == distributions


def _judged(row: Sequence[Any], mood: str) -> list[Any]:
    """A row of the terminal's tables, whose fourth cell is the verdict, with that in its colour."""
    return [*row[:3], Cell(row[3], mood), *row[4:]]


def _mood(line: Line) -> str:
    return PASS if line.lossless == line.instances else FAIL


def _model(document: dict[str, Any]) -> str:
    return str((document["model"] or {}).get("model", {}).get("name", "captured rows"))


def _gain(value: float | None) -> str:
    return "not seen" if value is None else f"{value:+.4f}"
