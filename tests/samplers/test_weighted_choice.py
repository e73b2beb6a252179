"""The rule for different drafters: lossless, never above the optimum, and the optimum where p cannot be b itself."""

import numpy as np
import pytest
from hypothesis import given, settings

from spechub_lp import cut, exact, optimum
from spechub_lp._array.rational import rational_row
from spechub_lp.drafts import Product
from spechub_lp.samplers import WeightedChoice
from spechub_lp.samplers.weights import chosen, fit
from spechub_lp.testing.strategies import pairs
from spechub_lp.theorems.different_drafters import drafters
from spechub_lp.theorems.instances import family
from spechub_lp.typing import Distribution


@pytest.mark.parametrize("k", [1, 2, 3])
@settings(max_examples=30)
@given(pq=pairs(max_tokens=3))
def test_it_is_lossless_and_never_above_the_optimum(k: int, pq: tuple[Distribution, Distribution]) -> None:
    p, q = pq
    rows = drafters(q, k)
    coupling = exact(WeightedChoice(k, Product()), p, rows)
    assert coupling.is_lossless
    assert coupling.acceptance <= optimum(p, rows, k, "product").alpha


def test_it_is_the_optimum_where_p_cannot_be_b_and_near_it_elsewhere() -> None:
    below, reached = 0, 0
    for i in family(60, seed=9, tokens=(2, 3, 4)):
        rows = drafters(i.q, 2)
        best, accepted = (
            optimum(i.p, rows, 2, "product").alpha,
            exact(WeightedChoice(2, Product()), i.p, rows).acceptance,
        )
        assert best - accepted < 0.01
        if best < 1:
            below, reached = below + 1, reached + (accepted == best)
    assert below > 20
    assert reached == below


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_integral_over_times_is_the_sum_over_tuples(k: int) -> None:
    rng = np.random.default_rng(k)
    q, first = rng.dirichlet([0.5] * 4, k), np.array([True, False, True, False])
    weight = 2.0 ** rng.integers(-30, 30, 4)
    by_tuples = chosen(rational_row(q.tolist())[0], first, rational_row([weight.tolist()])[0][0])
    np.testing.assert_allclose(chosen(q, first, weight), by_tuples.astype(float), rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("k", [2, 3])
def test_a_large_vocabulary_is_served_within_a_millionth(k: int) -> None:
    rng = np.random.default_rng(k)
    z = 2 * rng.normal(size=2_000)
    p, *q = (np.exp(z + s * rng.normal(size=len(z))) for s in (0, 1, 1.5, 2)[: k + 1])
    p, rows = p[None] / p.sum(), np.stack([a / a.sum() for a in q])[None]
    best = cut(p, rows, k, "product")
    accepted = float(WeightedChoice(k).prepare(p, rows).acceptance[0])
    assert best.alpha[0] - 1e-6 < accepted <= best.alpha[0] + best.error[0]
    assert abs(fit(p[0], rows[0])[2].sum() - 1) < 1e-13
