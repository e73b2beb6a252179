"""Which theorems in Rocq prove which statements of the pages: the one table that the paper and its test read.

Each name is declared in its file, and stands behind `Print Assumptions` there, so that `make proofs` fails where it
rests on an axiom.
"""

import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PRINTED = re.compile(r"^Print Assumptions (\w+)\.$", re.MULTILINE)


class Proved(NamedTuple):
    """What is proved of one statement."""

    statement: str
    """As the page calls it."""
    extent: str
    """What of it is proved, and for which sizes."""
    rocq: dict[str, tuple[str, ...]]
    """File -> names of theorems."""
    checks: tuple[str, ...] = ()
    """Theorems of spechub_lp.theorems.checks that test it in rationals."""


PROVED = (
    Proved(
        "Value of the optimum, T1",
        "any drafts, any size, both halves",
        {"border/Duality.v": ("hall", "strong_duality", "strong_duality_full")},
        ("T1",),
    ),
    Proved(
        "A best prefix by $p/q$, T2",
        "both kinds of drafts, any $k$",
        {"border/Prefix.v": ("iid_prefix",), "border/WithoutReplacement.v": ("without_prefix",)},
        ("T2",),
    ),
    Proved(
        "Lemma 1",
        "any drafts, any size",
        {"border/Choose.v": ("verify_verdict", "verify_lossless", "verify_acceptance")},
        ("T21",),
    ),
    Proved("Lemma 2", "any drafts, any size", {"border/Choose.v": ("verify_optimal", "chosen_le_hit")}, ("T21",)),
    Proved(
        "Lemma 3",
        "both kinds of drafts, any $k$",
        {"border/WithReplacement.v": ("iid_concave_hit",), "border/WithoutReplacement.v": ("without_concave_hit",)},
        ("T21",),
    ),
    Proved("Lemma 4", "every concave $F$", {"border/Clip.v": ("greatest_prefix", "clipped")}, ("T21",)),
    Proved("Theorem 3", "every concave $F$", {"border/Mixture.v": ("mixture",)}, ("T21",)),
    Proved(
        "Border's inequality",
        "drafts of any kind: it is necessary and enough",
        {"border/Duality.v": ("any_border",), "border/WithReplacement.v": ("iid_border",)},
        ("T21",),
    ),
    Proved(
        "Theorems 1 and 2, with replacement",
        "any $k$, the rule included (earliest draft)",
        {"border/WithReplacement.v": ("iid_optimal",)},
        ("T21",),
    ),
    Proved(
        "Theorems 1 and 2, two drafts without replacement",
        "the rule included (formula for pairs)",
        {"border/Pairs.v": ("pair_chooser", "pair_chosen", "pairs_optimal")},
        ("T21",),
    ),
    Proved(
        "Theorems 1 and 2, without replacement",
        "any $k$, the rule included (earliest with hand-over)",
        {"border/HandOver.v": ("theta_bounds", "handover_chosen", "handover_optimal")},
        ("T21",),
    ),
    Proved(
        "The same, without a rule for the blocks",
        "any $k$: such rules exist",
        {"border/Rules.v": ("rules_exist",), "border/WithoutReplacement.v": ("without_mixture", "without_optimal")},
    ),
    Proved("T16", "any call, any depth", {"trees/Loop.v": ("lossless_iff",)}, ("T16",)),
    Proved(
        "T17",
        "that no lossless call accepts more than prices say, for any trees and prices; not that some prices reach it",
        {"trees/Loop.v": ("price_bound", "weak_duality")},
        ("T17",),
    ),
    Proved(
        "A path verified as a block",
        "lossless, any depth, drafts of any kind, a choice that looks at siblings",
        {"border/Block.v": ("block_lossless",), "trees/Path.v": ("chosen_path", "path_lossless")},
        ("T18",),
    ),
    Proved(
        "T18",
        "never below node by node, where nothing is pooled and the number of drafts depends on the tokens above",
        {"trees/Path.v": ("never_below", "same_choice", "fair_choice")},
        ("T18",),
    ),
    Proved("T19 and its corollary", "not in Rocq", {}, ("T19",)),
    Proved(
        "The theorem on a look below", "not in Rocq; `tests/trees/test_look_ahead.py` enumerates it in rationals", {}
    ),
    Proved(
        "RRS, RRSw, target-only sampling, K-SEQ",
        "lossless, any $k$; what K-SEQ accepts",
        {
            "border/Rejection.v": ("rrs_lossless", "rrsw_lossless", "target_only_lossless"),
            "border/KSeq.v": ("kseq_lossless", "kseq_acceptance", "kseq_at_k"),
        },
        ("T7",),
    ),
)


def unnamed() -> dict[str, list[str]]:
    """Files of theory/border and theory/trees with theorems of which the table names none."""
    named = {file for proved in PROVED for file in proved.rocq}
    files = [
        str(file.relative_to(HERE)) for folder in ("border", "trees") for file in sorted((HERE / folder).glob("*.v"))
    ]
    return {file: printed(file) for file in files if file not in named and printed(file)}


def printed(file: str) -> list[str]:
    """The theorems of a file whose assumptions `make proofs` looks at."""
    return PRINTED.findall((HERE / file).read_text(encoding="utf-8"))
