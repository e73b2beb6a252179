"""What the commands show on a terminal; in a pipe the same without colours, frames and line breaks."""

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rich.console import Console

from spechub_lp import samplers
from spechub_lp._util.sheet import Sheet
from spechub_lp.certificate import rational_text
from spechub_lp.coupling import plain

if TYPE_CHECKING:
    from spechub_lp.audit.draws import Sampling
    from spechub_lp.audit.records import Audit, Line
    from spechub_lp.optimum.compare import Solutions
    from spechub_lp.trees.compare import TreeSolution


def show_audit(console: Console, audit: "Audit") -> None:
    """Show the whole audit, ending in its verdict.

    Parameters
    ----------
    console
        Where.
    audit
        The audit.
    """
    for source in dict.fromkeys(line.source for line in audit.lines):
        lines = [line for line in audit.lines if line.source == source and line.first]
        console.print(
            Sheet(f"{source}: every sampler with its own drafts, in rationals", LINE, [*map(line_cells, lines)])
        )
    others = [line for line in audit.lines if not line.first]
    biased = [line for line in others if line.lossless < line.instances]
    if biased:
        title = "The same rules with other drafts: never read an acceptance without the verdict beside it"
        console.print(Sheet(title, PAIR, [*map(pair_cells, biased)]))
    right: dict[str, list[str]] = {}
    for line in others:
        if line.lossless == line.instances:
            right.setdefault(line.sampler, []).append(line.drafts)
    for sampler, policies in right.items():
        console.print(f"  {sampler} is lossless with {', '.join(policies)} drafts too")
    if audit.full_vocabulary:
        name = (audit.model or {}).get("model", {}).get("name", "captured rows")
        rows = [[row[column] for column in FULL] for row in audit.full_vocabulary]
        console.print(Sheet(f"{name}, full vocabulary: closed forms and the certified cut, float64", FULL, rows))
    if d := audit.dominance:
        console.print(f"  q(a) >= 1/2 at {d['q(a) >= 1/2']} of {d['positions']} positions. There SpecHub is")
        console.print(f"  {_gain(d['mean gain, q(a) >= 1/2'])} against the best of two iid drafts, elsewhere")
        console.print(f"  {_gain(d['mean gain, elsewhere'])}.")
    if any(t.tried for t in audit.theorems):
        rows = [[t.id, t.statement, t.tried, t.held] for t in audit.theorems]
        console.print(Sheet("Theorems, checked in rationals", ["", "statement", "tried", "held"], rows))
    for statement, smaller, larger in audit.false_statements:
        console.print(f"  false: {statement}: {smaller} < {larger}")
    console.print(f"{audit.certificates} certificates of optimality accepted by the independent checker")
    for failure in audit.failures:
        console.print(f"FAIL  {failure}", style="red")
    if not audit.failures:
        console.print(f"PASS  {_passed(audit)}", style="green")
    audited = {line.sampler for line in audit.lines}
    left = [sampler.name for sampler in samplers.VARIANTS if sampler.name not in audited]
    if left and audited >= {sampler.name for sampler in samplers.ALL}:
        console.print(f"Not audited here: {', '.join(left)}; --sampler NAME audits them.")


def _passed(audit: "Audit") -> str:
    """Which samplers keep the target distribution, and on how many instances that was looked at."""
    own = [line for line in audit.lines if line.own]
    names = list(dict.fromkeys(line.sampler for line in own))
    if not names:
        return "no distribution was enumerated"
    who = f"each of {', '.join(names)} keeps" if len(names) > 1 else f"{names[0]} keeps"
    instances = sum(line.instances for line in own)
    return f"{who} the target distribution with its own drafts, exactly: {instances:,} distributions enumerated"


def show_solution(console: Console, result: "Solutions") -> None:
    """Show what each method says of an optimum.

    Parameters
    ----------
    console
        Where.
    result
        All answers.
    """
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
    console.print(Sheet(title, ["method", "size", "optimum", "ms"], rows))
    for reason in result.skipped:
        console.print(f"  skipped {reason}")
    tokens = ", ".join(map(str, sorted(best.H)))
    console.print(
        f"optimum = {_exact(best.alpha)}, proved by a coupling and by H = {{{tokens}}} (coupling from: {best.method})"
    )
    if not result.agree:
        console.print("FAIL  the methods disagree", style="red")


def show_tree(console: Console, result: "TreeSolution") -> None:
    """Show the optimum of a tree of drafts beside what the rules accept.

    Parameters
    ----------
    console
        Where.
    result
        All answers.
    """
    best, program = result.best, result.best.program
    rows = [
        [r.name, _exact(r.accepted), f"{float(r.accepted / best.value):.4f}" if best.value else "", r.lossless]
        for r in result.rules
    ]
    title = f"A tree of {best.shape.size} {best.policy.name} drafts, V = {result.vocabulary}"
    console.print(Sheet(title, ["rule", "accepted a call", "of the optimum", "lossless"], rows))
    if not rows:
        console.print("  the tree has too many fillings to enumerate the rules")
    console.print(
        f"optimum = {_exact(best.value)} accepted drafts a call, proved by a verifier and by {len(best.dual)} prices "
        f"({len(program.sets)} sets of paths, {program.size} variables, {result.seconds:.1f} s)"
    )


def show_sample(console: Console, result: "Sampling") -> None:
    """Show what was drawn beside the exact distribution.

    Parameters
    ----------
    console
        Where.
    result
        Both.
    """
    c, n = result.coupling, result.draws
    rows = [
        [str(y), _exact(plain(p)), _exact(distribution), count / n, f"{z:+.1f}"]
        for y, (p, distribution, count, z) in enumerate(
            zip(c.p, c.output_distribution, result.counts, result.z_scores, strict=False)
        )
    ]
    rows.append(["accepted", "", _exact(c.acceptance), result.accepted / n, f"{result.z_scores[-1]:+.1f}"])
    sampler = result.sampler
    title = f"{sampler.name}, {sampler.k} {sampler.drafts.name} drafts, {n:,} draws, seed {result.seed}"
    console.print(Sheet(title, ["token", "target p", "exact distribution", "drawn", "standard errors"], rows))
    console.print("lossless, exactly" if c.is_lossless else f"BIASED: distance {_exact(c.distance)} from the target")
    if not result.plausible:
        console.print("FAIL  the draws do not fit the distribution that they were drawn from", style="red")
    if gap := result.decided_otherwise:
        console.print(
            f"In float64 a tie or an edge falls otherwise than exactly: draws follow a distribution {gap:.3g} away"
        )


def _exact(value: Any) -> str:
    """A rational that a reader can take in, else its decimals."""
    if isinstance(value, float):
        return f"{value:.12f}"
    text = rational_text(value) if isinstance(value, Fraction) else str(value)
    return (
        f"{text} = {float(value):.6g}"
        if len(text) <= 24 and "/" in text
        else text
        if len(text) <= 24
        else f"{float(value):.12f}"
    )


LINE = ["sampler", "drafts", "k", "exactly lossless", "acceptance", "optimum", "worst gap"]
PAIR = ["sampler", "drafts", "k", "biased on", "worst distance", "acceptance", "optimum", "above it on"]
FULL = ["sampler", "drafts", "k", "positions", "acceptance", "optimum", "gap"]


def line_cells(line: "Line") -> list[Any]:
    """Return the entries of a line of the audit.

    Parameters
    ----------
    line
        The line.

    Returns
    -------
    list
        The entries.
    """
    verdict = "" if line.lossless == line.instances else "NO "
    return [
        line.sampler, line.drafts, line.k, f"{verdict}{line.lossless}/{line.instances}",
        line.acceptance, line.optimum, line.gap,
    ]  # fmt: skip


def pair_cells(line: "Line") -> list[Any]:
    """Return the entries of a line of the audit with drafts that are not the rule's own.

    Parameters
    ----------
    line
        The line.

    Returns
    -------
    list
        The entries.
    """
    biased = f"{line.instances - line.lossless}/{line.instances}"
    return [line.sampler, line.drafts, line.k, biased, line.distance, line.acceptance, line.optimum, line.above]


def _gain(value: float | None) -> str:
    return "not seen" if value is None else f"{value:+.4f}"
