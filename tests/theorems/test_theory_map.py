"""The map of dominance: thresholds, worst targets against an independent linear program, and the bounds of the page."""

import json
import random
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

from spechub_lp.theorems import quantities
from spechub_lp.theorems.checks import worst_target
from spechub_lp.theorems.instances import distribution
from spechub_lp.theorems.quantities import accepts, hit, max_acceptance
from spechub_lp.typing import Distribution
from theory import dominance_map

MAP = Path(dominance_map.__file__).parent / "map.json"


def _largest_loss_by_programs(q: Distribution, k: int, rival: str) -> float:
    """max over p of alpha*_rival - hub, one LP over (p, t) for each piece of the hub's closed form."""
    V, top = len(q), quantities.tops(q, k - 1)
    f = hit(q, k, rival)
    rest = float(1 - sum(q[y] for y in top))
    others = [y for y in range(V) if y not in top]
    rows, bounds = [], []
    for A, reach in f.items():  # t <= p(V without A) + f(A)
        rows.append([-float(y not in A) for y in range(V)] + [1.0])
        bounds.append(float(reach))
    best = -1.0
    for piece in product((0, 1), repeat=len(others)):  # 1: the target's mass is the smaller one
        hub = [1.0 if y in top else 0.0 for y in range(V)]
        constant = 0.0
        for y, scarce in zip(others, piece, strict=True):
            hub[y] = float(scarce)
            constant += 0.0 if scarce else float(q[y]) / rest
        solved = linprog([*hub, -1.0], A_ub=rows, b_ub=bounds, A_eq=[[1.0] * V + [0.0]], b_eq=[1.0], method="highs")
        assert solved.status == 0
        best = max(best, -solved.fun - constant)
    return best


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("rival", dominance_map.RIVALS)
def test_worst_target_agrees_with_the_programs(k: int, rival: str) -> None:
    rng = random.Random(9)
    for _ in range(6):
        q = distribution(rng, 4)
        assert float(worst_target(q, k, rival, "greedy")[0]) == pytest.approx(
            _largest_loss_by_programs(q, k, rival), abs=1e-9
        )


def test_the_worst_target_loses_what_it_says() -> None:
    q = (Fraction(5, 17), Fraction(5, 17), Fraction(5, 17), Fraction(2, 17))
    loss, A, p = worst_target(q, 2, "without_replacement", "greedy")
    assert loss == Fraction(35, 204)
    assert max_acceptance(p, q, 2, "without_replacement") - max_acceptance(p, q, 2, "hub") == loss
    target = quantities.restricted(q, A)
    assert accepts("rrsw", target, q, 2) - accepts("spechub", target, q, 2) == loss


@pytest.mark.parametrize("k", [2, 3, 4])
def test_threshold_is_where_dominance_begins(k: int) -> None:
    for least in (Fraction(1, 10), Fraction(1, 4), Fraction(1, 2)):
        edge = quantities.smallest_winning_mass(least, k)
        for mass, wins in ((edge + 1e-6, True), (edge - 1e-6, False)):
            top = Fraction(mass).limit_denominator(10**9)
            q = (*[top / (k - 1)] * (k - 1), (1 - top) * (1 - least), (1 - top) * least)
            assert max(q[k - 1 :]) < q[0]
            assert dominance_map.dominates(q, k) == wins


@pytest.mark.parametrize("top", [0.25, 0.3, 0.4, 0.45])
def test_loss_to_iid_stays_below_its_bound_and_comes_near(top: float) -> None:
    bound = dominance_map.loss_below(top)
    n = 12
    q = (Fraction(str(top)), *[(1 - Fraction(str(top))) / n] * n)
    s = [Fraction(j, n) * (1 - q[0]) for j in range(n + 1)]
    losses = [float(1 - (1 - m) ** 2 - m / (1 - q[0])) for m in s]
    assert max(losses) <= bound + 1e-12
    assert max(losses) == pytest.approx(bound, abs=2e-3)


def test_loss_to_drafts_without_replacement_stays_below_its_bound() -> None:
    rng = random.Random(3)
    for _ in range(40):
        q = tuple(sorted(distribution(rng, 5), reverse=True))
        loss = float(worst_target(q, 2, "without_replacement", "greedy")[0])
        assert loss <= dominance_map.loss_to_without_replacement(float(q[0])) + 1e-6
        assert loss < 0.25


def test_the_stored_map_is_certified() -> None:
    """Each largest loss of theory/map.json is the difference of two certified optima at the stored distributions."""
    stored = json.loads(MAP.read_text(encoding="utf-8"))
    for row in stored["largest losses"]:
        p, q = ([Fraction(m) for m in row[name]] for name in "pq")
        rival, greedy = (max_acceptance(p, q, row["k"], drafts) for drafts in (row["rival"], "greedy"))
        assert rival - greedy == Fraction(row["loss"])
    again = dominance_map.largest_loss("iid", 2, 3, 6)
    assert str(again.loss) == stored["largest losses"][0]["loss"] == "1/18"


def test_the_measure_is_seeded_and_exact_where_the_theorem_speaks() -> None:
    first, again = (dominance_map.measure("flat", 0.5, 1.0, draws=500, seed=4) for _ in range(2))
    assert first == again
    assert first.beats["otm_iid"] == first.beats["rrs"] == 1.0
    assert dominance_map.measure("flat", 0.3, 1.0, draws=500).beats["otm_iid"] < 0.2


def test_captured_distributions_obey_the_theorem() -> None:
    rows = dominance_map.on_captured(40)
    assert sum(row["positions"] for row in rows) == 40
    assert all(row["hub >= iid optimum"] == 1 for row in rows if row["q(a) from"] >= 0.5)
    assert np.isfinite([row["worst"] for row in rows]).all()
