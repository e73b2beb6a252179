"""How often RRSw refuses all drafts: exact in rationals, and as good as exact at a full vocabulary."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from spechub_lp import exact, refusals, samplers
from spechub_lp.logits.store import load
from spechub_lp.refusals import all_refused
from spechub_lp.strategies import pairs
from spechub_lp.tuples import rational_row

ROWS = Path(__file__).parents[1] / "validation" / "captured" / "smollm2.safetensors"


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@settings(max_examples=60)
@given(pq=pairs(tokens=4))
def test_the_formula_is_the_enumerated_law(k, pq):
    """Also where the drafts use up the support of q, and the last token is drafted again."""
    true = exact(samplers.RRSw(k=k), *pq).acceptance
    assert 1 - all_refused(*map(rational_row, pq), k)[0] == true
    floats = (np.asarray([[float(m) for m in law]]) for law in pq)
    assert abs(1 - all_refused(*floats, k)[0] - float(true)) < 1e-12


@pytest.mark.parametrize("exponent", [12, 16, 17, 40])
@pytest.mark.parametrize("k", [2, 3, 4])
def test_a_draft_law_that_is_almost_one_token(exponent, k):
    """1 - q(a) is a rounding error here: what is left of q must not be found by subtraction."""
    tail = Fraction(1, 10**exponent)
    p, q = (Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)), (1 - tail, tail / 4, 3 * tail / 4)
    true = float(exact(samplers.RRSw(k=k), p, q).acceptance)
    found = samplers.RRSw(k=k).acceptance(*(np.asarray([[float(m) for m in law]]) for law in (p, q)))
    assert found[0] == pytest.approx(true, abs=1e-9)


@pytest.mark.parametrize("k", [2, 3])
def test_classes_cost_almost_nothing(k, monkeypatch):
    """A class for each of 400 tokens against the classes that a large vocabulary gets."""
    generator = np.random.default_rng(0)
    p, q = (w / w.sum(axis=1, keepdims=True) for w in np.exp(2.5 * generator.normal(size=(2, 6, 400))))
    coarse = all_refused(p, q, k)
    monkeypatch.setitem(refusals.CLASSES, k, 400)
    fine = all_refused(p, q, k)
    assert np.abs(coarse - fine).max() < {2: 1e-12, 3: 1e-8}[k]
    assert (coarse > 0.01).all()


@pytest.mark.slow
@pytest.mark.parametrize(("k", "bound"), [(2, 1e-13), (3, 1e-9), (4, 1e-8)])
def test_the_error_at_full_vocabulary(k, bound, monkeypatch):
    p, q = load(ROWS).batch(np.arange(3, 320, 80))
    found = all_refused(p, q, k)
    monkeypatch.setitem(refusals.CLASSES, k, {2: 4000, 3: 500, 4: 100}[k])
    assert np.abs(all_refused(p, q, k) - found).max() < bound


def test_torch_rows_and_a_batch_of_one():
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.softmax(2 * torch.randn(n, 9, generator=generator, dtype=torch.float64), -1) for n in (3, 1))
    rule = samplers.RRSw(k=3)
    found = rule.acceptance(p, q)
    assert found.dtype == torch.float64
    assert np.abs(found.numpy() - rule.acceptance(p.numpy(), q.numpy())).max() < 1e-15
    assert rule.acceptance(p.float(), q.float()).dtype == torch.float32
    assert samplers.RRSw(k=5).acceptance(p, q) is None
