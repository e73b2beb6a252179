"""Border for different drafters: lossless and the optimum as rationals, at optimum 1 too, and at a large vocabulary."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spechub_lp import cut, exact, optimum
from spechub_lp._array.rational import rational_row
from spechub_lp.drafts import Product
from spechub_lp.samplers import BorderProduct
from spechub_lp.samplers.border import pairs
from spechub_lp.samplers.border.set_tree import prepare
from spechub_lp.typing import NumpyArray

UNEVEN = ([[0, 11, 0, 11], [16, 2, 4, 0]], [0, 16, 1, 16])
"""Two drafters (over 22) and a distribution (over 33) that a choice between them has, but none that splits it alike."""

STOPS = ([[5, 20, 20, 1], [20, 2, 1, 5]], [2, 0, 2, 1])
"""Where b meets f on a part of H first: raised to a multiple of one density to the end, it would be no choice's."""


@st.composite
def drafters(draw: st.DrawFn, k: int) -> tuple[NumpyArray, NumpyArray]:
    """k drafters with zeros and ties, and a target: any, or the distribution of a choice among their drafts."""
    V = draw(st.integers(1, 4 if k < 3 else 3))
    weights = st.lists(st.sampled_from([0, 0, 1, 1, 2, 5, 40]), min_size=V, max_size=V).filter(any)
    q = rational_row([[Fraction(a, sum(row)) for a in row] for row in (draw(weights) for _ in range(k))])[0]
    if draw(st.booleans()):
        row = draw(weights)
        return rational_row([[Fraction(a, sum(row)) for a in row]])[0][0], q
    p = q[0] * 0
    for x in product(range(V), repeat=k):
        p[x[draw(st.integers(0, k - 1))]] += np.multiply.reduce(q[range(k), x])
    return p, q


@pytest.mark.parametrize(("k", "splits"), [(1, 8), (2, 8), (2, 0), (3, 8)])
def test_it_is_lossless_and_the_optimum(k: int, splits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "SPLITS", splits)  # without splits two drafters take the tree of sets, as three do

    @settings(max_examples=25)
    @given(pq=drafters(k))
    def holds(pq: tuple[NumpyArray, NumpyArray]) -> None:
        p, q = pq[0].tolist(), pq[1].tolist()
        coupling = exact(BorderProduct(k, Product()), p, q)
        assert coupling.is_lossless
        assert coupling.acceptance == optimum(p, q, k, "product").alpha

    holds()


def test_b_stops_set_by_set() -> None:
    p, *q = ([Fraction(a, sum(row)) for a in row] for row in (STOPS[1], *STOPS[0]))
    coupling = exact(BorderProduct(2, Product()), p, q)
    assert coupling.is_lossless
    assert coupling.acceptance == optimum(p, q, 2, "product").alpha


def test_one_mix_of_the_drafters_does_not_do() -> None:
    (rows, target), V = UNEVEN, range(4)
    q = rational_row([[Fraction(a, 22) for a in row] for row in rows])[0]
    b = rational_row([[Fraction(a, 33) for a in target]])[0][0]
    alike = b / (q.sum(axis=0) + (q.sum(axis=0) == 0))
    assert pairs._table(q, np.stack([alike, alike]), 0) is None
    choice = pairs.split(q, b)
    assert choice is not None
    made = b * 0
    for x, y in product(V, V):
        if q[0, x] * q[1, y] > 0:
            made[x] += q[0, x] * q[1, y] * choice.first(x, y)
            made[y] += q[0, x] * q[1, y] * (1 - choice.first(x, y))
    assert (made == b).all()


@pytest.mark.parametrize(("k", "V"), [(2, 60), (3, 12)])
def test_in_floats_the_chosen_draft_has_the_distribution_that_is_verified(k: int, V: int) -> None:
    rng = np.random.default_rng(k)
    p, *q = rng.dirichlet([0.5] * V, k + 1)
    prepared = prepare(p[None], [row[None] for row in q])
    x = np.array([*product(range(V), repeat=k)])
    drawn = np.prod([row[x[:, j]] for j, row in enumerate(q)], axis=0)
    chosen = np.zeros(V)
    np.add.at(chosen, x, drawn[:, None] * prepared.choose(x))
    np.testing.assert_allclose(chosen, prepared.trees[0].b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("k", [2, 4])
def test_at_a_large_vocabulary_it_accepts_the_optimum(k: int) -> None:
    rng = np.random.default_rng(k)
    z = 2 * rng.normal(size=4_000)
    p, *q = (np.exp(z + s * rng.normal(size=len(z))) for s in (0, 1, 1.5, 2, 1)[: k + 1])
    p, rows = p[None] / p.sum(), np.stack([a / a.sum() for a in q])[None]
    best = cut(p, rows, k, "product")
    accepted = BorderProduct(k, Product()).acceptance(p, rows)
    assert accepted is not None
    assert abs(accepted[0] - best.alpha[0]) < 1e-12 + best.error[0]
