"""The table of `python -m theory`: each theorem with its page, its machine proofs, its exact checks and its attack."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from spechub_lp.errors import MissingPackage
from spechub_lp.theorems import checks
from theory import smt
from theory.sabotage import TWINS, attack

HERE = Path(__file__).parent

PAGES = {
    "T1": "T1_one_optimum",
    "T2": "T2_prefix",
    "T3": "dominance",
    "T4": "dominance",
    "T5": "T5_never_without_replacement",
    "T6": "T6_orders_and_ends",
    "T7": "T7_lossless",
    "T8": "dominance",
    "T9": "T9_rrsw_beats_rrs",
    "T10": "T10_kseq_beats_rrs",
    "T11": "T11_promise",
    "T12": "T11_promise",
    "T13": "T13_worst_target",
    "T14": "T13_worst_target",
    "T15": "T10_kseq_beats_rrs",
    "T16": "trees",
    "T17": "trees",
    "T18": "trees",
    "T19": "trees",
    "T20": "T20_different_drafters",
    "T21": "border",
}
"""Theorem -> the folder with its statement and proof to read."""
ROCQ = {
    "T1": ("dominance/Program.v", "border/Duality.v"),
    "T2": ("border/Prefix.v", "border/Clip.v", "border/Pairs.v", "border/WithoutReplacement.v"),
    "T3": ("dominance/Dominance.v",),
    "T4": ("dominance/Threshold.v",),
    "T7": ("dominance/Naive.v", "dominance/SpecHub.v", "border/Rejection.v", "border/KSeq.v"),
    "T8": ("dominance/Greedy.v",),
    "T16": ("trees/Loop.v",),
    "T17": ("trees/Loop.v",),
    "T18": ("border/Block.v", "trees/Path.v"),
    "T21": tuple(
        f"border/{name}.v"
        for name in (
            *("Choose", "Mixture", "Clip", "Optimal", "WithReplacement", "Pairs"),
            *("Rules", "WithoutReplacement", "HandOver"),
        )
    ),
}
"""Theorem -> its proofs for every number of tokens. Three prove a part: T7 that naive rejection, SpecHub, RRS, RRSw,
K-SEQ and target-only sampling are lossless; T17 that no lossless call accepts more than any prices say; T18 all for
level trees in which nothing is pooled."""
FAST, FULL = 60, 600
"""Distribution pairs a theorem, each with k = 2 and 3."""
TWIN_BUDGET = 800
"""Distribution pairs within which a sabotaged twin must fall."""


@dataclass(frozen=True)
class Line:
    id: str
    statement: str
    page: str
    """Folder of the page, or "" when it is missing."""
    smt: str
    """Up to how many tokens z3 or cvc5 proved it, over all real p and q."""
    rocq: tuple[str, ...]
    """Rocq files that prove it, or part of it, for every number of tokens."""
    checked: int
    held: bool
    twin: str
    """The sabotaged statement."""
    twin_checked: int
    twin_refuted: bool

    @property
    def sound(self) -> bool:
        return self.held and self.twin_refuted and bool(self.page) and self.checked > 0 and "NOT" not in self.smt


def build(full: bool = False, seed: int = 0, progress: Callable[[str], None] = lambda line: None) -> list[Line]:
    proofs = smt_summary(6 if full else 4, progress)
    twins = {twin.id: twin for twin in TWINS}
    lines = []
    for theorem in checks.ALL:
        if theorem.id not in PAGES:  # a theorem that another folder brings
            continue
        progress(f"{theorem.id}: exact checks and its sabotaged twin")
        passed = attack(theorem, FULL if full else FAST, seed)
        fallen = attack(twins[theorem.id], TWIN_BUDGET, seed)
        page = PAGES[theorem.id]
        lines.append(
            Line(
                theorem.id,
                theorem.statement,
                page if (HERE / page / "README.md").is_file() else "",
                proofs.get(theorem.id, ""),
                tuple(file for file in ROCQ.get(theorem.id, ()) if (HERE / file).is_file()),
                passed.checked,
                passed.refuted_by is None,
                twins[theorem.id].statement,
                fallen.checked,
                fallen.refuted_by is not None,
            )
        )
    return lines


def smt_summary(tokens: int, progress: Callable[[str], None], limit: float = 60.0) -> dict[str, str]:
    """T3, T4, T8 and T21 -> "z3 n <= 6, cvc5 n <= 5": up to which size each solver proved the whole statement, both
    halves of T4 and T8 (by cases or plainly); of T21 that Border's inequality for the first tokens is enough."""
    halves: dict[tuple[str, int], set[str]] = {}
    proved: dict[tuple[str, str], dict[int, set[str]]] = {}
    wrong: dict[str, str] = {}
    try:
        for query in smt.queries(tokens):
            half = query.name.split(",")[0]
            name = half.split()[0]
            halves.setdefault((name, query.tokens), set()).add(half)
            for solver in query.solvers:
                progress(f"{query.name}: {solver}")
                said = smt.ask(query, solver, limit).result
                if said == "proved":
                    proved.setdefault((name, solver), {}).setdefault(query.tokens, set()).add(half)
                elif said in ("refuted", "vacuous"):
                    wrong[name] = f"NOT PROVED: {query.name} is {said} by {solver}"
    except MissingPackage as missing:
        return {name: f"not run: {missing.args[0].split(':')[0]}" for name in ("T3", "T4", "T8", "T21")}
    out: dict[str, str] = {}
    for (name, solver), by_size in sorted(proved.items(), reverse=True):
        whole = [n for n, done in by_size.items() if done == halves[name, n]]
        out[name] = f"{out[name]}, " if name in out else ""
        out[name] += f"{solver} n <= {max(whole, default=0)}"
    return {**out, **wrong}


def show(console: Console, lines: list[Line]) -> None:
    table = Table(show_lines=False, header_style="bold", row_styles=["", "dim"])
    for heading in ("", "theorem", "page", "SMT, all real p and q", "Rocq, every size", "checked", "sabotaged twin"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        checked = f"{line.checked:,} hold" if line.held else "FAILS"
        twin = f"refuted at {line.twin_checked}" if line.twin_refuted else "NOT REFUTED"
        table.add_row(
            line.id, line.statement, line.page or "MISSING", line.smt, "\n".join(line.rocq), checked,
            f"{line.twin}: {twin}",
        )  # fmt: skip
    console.print(table)
    bad = [line.id for line in lines if not line.sound]
    console.print(f"not sound: {', '.join(bad)}" if bad else "every theorem holds, every twin fell")


def document(lines: list[Line], full: bool, seed: int) -> dict[str, Any]:
    return {"full": full, "seed": seed, "theorems": [{**asdict(line), "sound": line.sound} for line in lines]}
