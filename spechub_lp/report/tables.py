"""The terminal tables. Quiet when piped: plain text without colours or frames, by rich's own detection."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from spechub_lp.audit import Audit, Line
from spechub_lp.coupling import plain
from spechub_lp.report.sampling import Sampling
from spechub_lp.report.solving import Solutions


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str | None = None) -> Table:
    """Text columns to the left, numbers to the right."""
    out = Table(title=title, caption=note, box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left")
    for n, column in enumerate(columns):
        out.add_column(column, justify="right" if all(isinstance(row[n], float | int) for row in rows) else "left")
    for row in rows:
        out.add_row(*map(_cell, row))
    return out


def show_audit(console: Console, audit: Audit) -> None:
    """The whole audit, ending in its verdict."""
    for source in dict.fromkeys(line.source for line in audit.lines):
        lines = [line for line in audit.lines if line.source == source and line.first]
        console.print(table(f"{source}: every sampler with its own drafts, in rationals", LINE, [*map(_line, lines)]))
    others = [line for line in audit.lines if not line.first]
    biased = [line for line in others if line.lossless < line.instances]
    if biased:
        title = "The same rules with other drafts: never read an acceptance without the verdict beside it"
        console.print(table(title, PAIR, [*map(_pair, biased)]))
    right: dict[str, list[str]] = {}
    for line in others:
        if line.lossless == line.instances:
            right.setdefault(line.sampler, []).append(line.drafts)
    for sampler, policies in right.items():
        console.print(f"  {sampler} is lossless with {', '.join(policies)} drafts too")
    if audit.full_vocabulary:
        name = (audit.model or {}).get("model", {}).get("name", "captured rows")
        rows = [[row[column] for column in FULL] for row in audit.full_vocabulary]
        console.print(table(f"{name}, full vocabulary: closed forms and the certified cut, float64", FULL, rows))
        d = audit.dominance
        console.print(f"  q(a) >= 1/2 at {d['q(a) >= 1/2']} of {d['positions']} positions. There SpecHub is")
        console.print(f"  {_gain(d['mean gain, q(a) >= 1/2'])} against the best of two iid drafts, elsewhere")
        console.print(f"  {_gain(d['mean gain, elsewhere'])}.")
    if any(t.tried for t in audit.theorems):
        rows = [[t.id, t.statement, t.tried, t.held] for t in audit.theorems]
        console.print(table("Theorems, checked in rationals", ["", "statement", "tried", "held"], rows))
    for statement, smaller, larger in audit.false_statements:
        console.print(f"  false: {statement}: {smaller} < {larger}")
    console.print(f"{audit.certificates} certificates of optimality accepted by the independent checker")
    for failure in audit.failures:
        console.print(f"FAIL  {failure}", style="red")
    if not audit.failures:
        console.print("PASS  every sampler keeps the target law with its own drafts, exactly", style="green")


def show_solution(console: Console, result: Solutions) -> None:
    best = result.optimum
    rows = [
        [
            s.method,
            "" if s.constraints is None else f"{s.constraints} x {s.variables}",
            _exact(s.value),
            f"{s.seconds * 1e3:.1f}",
        ]
        for s in result.solves
    ]
    title = f"Optimum with {best.k} {best.drafts.name} drafts, V = {len(best.p)}"
    console.print(table(title, ["method", "size", "alpha", "ms"], rows))
    for reason in result.skipped:
        console.print(f"  skipped {reason}")
    tokens = ", ".join(map(str, sorted(best.H)))
    console.print(
        f"alpha = {_exact(best.alpha)}, proved by a coupling and by H = {{{tokens}}} (coupling from: {best.method})"
    )
    if not result.agree:
        console.print("FAIL  the methods disagree", style="red")


def show_sample(console: Console, result: Sampling) -> None:
    c, n = result.coupling, result.draws
    rows = [
        [str(y), _exact(plain(p)), _exact(law), count / n, f"{z:+.1f}"]
        for y, (p, law, count, z) in enumerate(zip(c.p, c.output_law, result.counts, result.z_scores, strict=False))
    ]
    rows.append(["accepted", "", _exact(c.acceptance), result.accepted / n, f"{result.z_scores[-1]:+.1f}"])
    sampler = result.sampler
    title = f"{sampler.name}, {sampler.k} {sampler.drafts.name} drafts, {n:,} draws, seed {result.seed}"
    console.print(table(title, ["token", "target p", "exact law", "drawn", "standard errors"], rows))
    console.print("lossless, exactly" if c.is_lossless else f"BIASED: distance {_exact(c.distance)} from the target")
    if not result.plausible:
        console.print("FAIL  the draws do not fit the exact law", style="red")


def _exact(value: Any) -> str:
    """A rational that a reader can take in, else its decimals."""
    if isinstance(value, float):
        return f"{value:.12f}"
    text = str(value)
    return (
        f"{text} = {float(value):.6g}"
        if len(text) <= 24 and "/" in text
        else text
        if len(text) <= 24
        else f"{float(value):.12f}"
    )


LINE = ["sampler", "drafts", "k", "lossless", "acceptance", "optimum", "worst gap"]
PAIR = ["sampler", "drafts", "k", "biased on", "worst distance", "acceptance", "optimum", "above it on"]
FULL = ["sampler", "drafts", "k", "positions", "acceptance", "optimum", "gap"]


def _line(line: Line) -> list[Any]:
    verdict = "exactly" if line.lossless == line.instances else "NO"
    return [
        line.sampler, line.drafts, line.k, f"{verdict} {line.lossless}/{line.instances}",
        line.acceptance, line.optimum, line.gap,
    ]  # fmt: skip


def _pair(line: Line) -> list[Any]:
    biased = f"{line.instances - line.lossless}/{line.instances}"
    return [line.sampler, line.drafts, line.k, biased, line.distance, line.acceptance, line.optimum, line.above]


def _gain(value: float | None) -> str:
    return "not seen" if value is None else f"{value:+.4f}"


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
