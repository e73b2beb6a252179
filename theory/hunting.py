"""The recorded hunts: statements that nobody had proved, theorems of ours, and false neighbours that must fall."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theory.hunt import Hunt, hunt
from theory.statement import read


@dataclass(frozen=True)
class Target:
    claim: str
    status: str
    """theorem (must stand), false (must fall) or open."""
    where: str = ""
    tokens: tuple[int, ...] = (3,)
    k: tuple[int, ...] = (2,)
    effort: int = 1
    """0: a small search is enough."""


TARGETS: tuple[Target, ...] = (
    Target("rrsw >= rrs", "theorem", tokens=(3, 4, 5), k=(2, 3)),
    Target("kseq >= rrs", "theorem", tokens=(3, 4, 5), k=(2, 3)),
    Target("rrs >= 23/27 * otm_iid", "theorem", tokens=(2, 3)),
    Target("kseq >= 8/9 * otm_iid", "theorem", tokens=(2, 3)),
    Target("rrs >= 3/4 * otm_iid", "theorem", tokens=(3,), k=(3,)),
    Target("spechub >= otm_iid", "theorem", "q(a) >= 1/2"),
    Target("otm_greedy >= otm_iid", "theorem", "q(Top) >= 2/3", (4,), (3,)),
    Target("rrs >= nss", "theorem", tokens=(3, 4), k=(2, 3)),
    Target("rrsw >= 3/4 * otm_wor", "open", tokens=(3, 4), k=(2, 3)),
    Target("otm_iid >= rrsw", "false", effort=0),
    Target("rrsw >= otm_iid", "false", effort=0),
    Target("rrsw >= kseq", "false", effort=0),
    Target("kseq >= rrsw", "false", effort=0),
    Target("spechub >= rrsw", "false", "q(a) >= 1/2", effort=0),
    Target("rrsw >= spechub", "false", "q(a) > 1/2", effort=0),
    Target("spechub >= rrs", "false", "q(a) < 1/2", effort=0),
    Target("spechub >= otm_iid", "false", "q(a) >= 2/5", effort=0),
    Target("otm_wor >= spechub", "false", effort=0),
    Target("otm_greedy >= otm_wor", "false", effort=0),
    Target("otm_top_k >= otm_iid", "false", effort=0),
    Target("otm_iid >= otm_top_k", "false", effort=0),
    Target("rrs >= 24/27 * otm_iid", "false", tokens=(2,), effort=0),
    Target("rrsw >= 9/10 * otm_wor", "false", effort=0),
)
DENOMINATORS = {2: 40, 3: 20, 4: 11, 5: 8}
"""Tokens -> the common denominator up to which the full hunt is exhaustive with two drafts; with three, 3/5 of it."""


def record(full: bool = False, seed: int = 0, progress: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Run every hunt and say whether theorems stood and false statements fell."""
    rows, expected = [], True
    for target in TARGETS:
        for tokens in target.tokens if full else target.tokens[:1]:
            for k in target.k if full else target.k[:1]:
                progress(f"{target.claim} {target.where} ({tokens} tokens, k = {k})")
                result = _run(target, tokens, k, full, seed)
                expected &= target.status == "open" or (result.found is not None) == (target.status == "false")
                rows.append(_row(target, result))
    return {"seed": seed, "full": full, "as expected": expected, "hunts": rows}


def _run(target: Target, tokens: int, k: int, full: bool, seed: int) -> Hunt:
    deep = full and target.effort > 0
    denominator = DENOMINATORS[tokens] * (5 if k == 2 else 3) // 5 if deep else 8
    climbs, steps = (512, 400) if deep else (64, 60)
    return hunt(read(target.claim, target.where), tokens, k, denominator, climbs, steps, seed)


def _row(target: Target, result: Hunt) -> dict[str, Any]:
    found = result.found
    return {
        "statement": result.statement,
        "status": target.status,
        "tokens": result.tokens,
        "k": result.k,
        "exhaustive up to denominator": result.exhausted,
        "pairs": result.pairs,
        "ties decided in rationals": result.ties,
        "left open by K-SEQ's bounds": result.undecided,
        "climbed": result.climbed,
        "smallest slack of the climb": result.smallest_slack if result.climbed else None,
        "counterexample": found
        and {
            "p": list(map(str, found.p)),
            "q": list(map(str, found.q)),
            "values": {name: _shown(*bounds) for name, bounds in found.values.items()},
            "simplest": found.minimal,
        },
    }


def _shown(low: Fraction, high: Fraction) -> str | list[float]:
    return str(low) if low == high else [float(low), float(high)]
