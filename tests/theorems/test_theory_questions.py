"""The hunts with their own search, and what they keep."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import theory
from spechub_lp import tree_optimum
from spechub_lp._array.rational import RATIONAL
from spechub_lp.drafts import IID
from spechub_lp.theorems.quantities import accepts, max_acceptance
from spechub_lp.trees import BorderPath, exact_call, levels
from spechub_lp.typing import Array
from theory import questions

STORED = json.loads((Path(theory.__file__).parent / "questions.json").read_text(encoding="utf-8"))


def _row(entries: list[float] | list[Fraction]) -> Array:
    row = np.asarray([[RATIONAL(entry) for entry in entries]], dtype=object)
    distribution: Array = row / row.sum()
    return distribution


@pytest.mark.parametrize("k", [1, 2, 3])
def test_one_token_of_2k_keeps_three_quarters_behind_a_heavy_one(k: int) -> None:
    p = [Fraction(1), *[Fraction(0)] * (2 * k - 1)]
    least, h = questions.share(_row(p), _row([Fraction(1)] * (2 * k)), k)
    assert least[0] == Fraction(3, 4)
    assert h[0] == Fraction(1, 2)


@pytest.mark.parametrize("k", [2, 3])
def test_the_share_is_a_limit_of_drafts_without_replacement(k: int) -> None:
    """Heavier and heavier tokens in front, one draft behind them: RRSw tends to 3/4 of the optimum for every k."""
    e = Fraction(1, 1000)
    weights = [e**j for j in range(k)] + [e ** (k - 1)]
    q = tuple(weight / sum(weights) for weight in weights)
    p = (Fraction(1, 2), *[Fraction(0)] * (k - 2), Fraction(1, 2), Fraction(0))
    share = accepts("rrsw", p, q, k) / max_acceptance(p, q, k, "without_replacement")
    assert Fraction(3, 4) <= share < Fraction(3, 4) + Fraction(1, 200)


@pytest.mark.parametrize("kept", STORED["shares"], ids=lambda row: f"{row['tokens']} tokens, k = {row['k']}")
def test_no_kept_pair_is_below_three_quarters(kept: dict[str, object]) -> None:
    p, q = (_row(kept[name]) for name in ("p", "q"))  # type: ignore[arg-type]
    least, _ = questions.share(p, q, int(str(kept["k"])))
    assert least[0] >= Fraction(3, 4)
    assert float(least[0]) == pytest.approx(kept["share"])


def test_a_choice_that_knows_what_follows_beats_the_path_rule() -> None:
    model, shape = questions.TOKENS_DIFFER, levels(2, 1)
    path, ordered = (exact_call(model, shape, rule(IID())) for rule in (BorderPath, questions.InOrder))
    assert path.is_lossless
    assert ordered.is_lossless
    assert (path.value, ordered.value) == (Fraction(9, 8), Fraction(19, 16))
    assert tree_optimum(model, shape, "iid").value == ordered.value
    assert questions.best_by_siblings(model, 2, 1, IID()) == pytest.approx(19 / 16)


def test_no_choice_beats_the_path_rule_where_the_level_alone_matters() -> None:
    assert questions.farthest(1, seed=3) < 1e-9
    assert questions.farthest(1, seed=3, rule=BorderPath(fairest=False)) > 1e-2
    assert all(row["farthest"] < 1e-9 for row in STORED["choices"])
