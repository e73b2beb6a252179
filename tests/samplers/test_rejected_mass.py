"""How often RRSw rejects all drafts: exact in rationals, and as good as exact at a full vocabulary."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from every import closed_form
from hypothesis import given, settings
from places import ROOT
from rows_of_all_kinds import rows
from scipy.special import softmax

from spechub_lp import distributions, exact, samplers
from spechub_lp._array.ops import hockey_stick
from spechub_lp._array.rational import rational_row
from spechub_lp.capture.store import load
from spechub_lp.drafts._best_draft import falling
from spechub_lp.samplers import rejected_mass
from spechub_lp.samplers.rejected_mass import all_rejected
from spechub_lp.testing.strategies import pairs
from spechub_lp.typing import Distribution

ROWS = ROOT / "validation" / "captured" / "smollm2.safetensors"


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@settings(max_examples=60)
@given(pq=pairs(tokens=4))
def test_the_formula_is_the_enumerated_distribution(k: int, pq: tuple[Distribution, Distribution]) -> None:
    """Also where the drafts use up the support of q, and the last token is drafted again."""
    true = exact(samplers.RRSw(k=k), *pq).acceptance
    p, q = map(rational_row, pq)
    assert 1 - all_rejected(p, q, k)[0] == true
    assert abs(1 - all_rejected(p.astype(float), q.astype(float), k)[0] - float(true)) < 1e-12


@pytest.mark.parametrize("exponent", [12, 16, 17, 40])
@pytest.mark.parametrize("k", [2, 3, 4])
def test_a_draft_distribution_that_is_almost_one_token(exponent: int, k: int) -> None:
    """1 - q(a) is a rounding error here: what is left of q must not be found by subtraction."""
    tail = Fraction(1, 10**exponent)
    p, q = (Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)), (1 - tail, tail / 4, 3 * tail / 4)
    true = float(exact(samplers.RRSw(k=k), p, q).acceptance)
    found = closed_form(samplers.RRSw(k=k), *(rational_row(row).astype(float) for row in (p, q)))
    assert found[0] == pytest.approx(true, abs=1e-13)


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_every_kind_of_row(seed: int, k: int) -> None:
    """Also where q falls by any factor from draft to draft, down to subnormal numbers."""
    generator = np.random.default_rng(seed)
    tokens = int(generator.integers(2, 6))
    targets = [p / p.sum() for p in rows(generator, tokens)]
    for q in rows(generator, tokens):
        p = targets[generator.integers(len(targets))]
        exact_p, exact_q = map(rational_row, distributions.pair(p, q))
        true = all_rejected(exact_p, exact_q, k)[0]
        assert abs(all_rejected(p[None], q[None], k)[0] - float(true)) < 1e-13, (p, q)


@pytest.mark.parametrize("faint", [1e-6, 1e-20, 1e-150, 1e-300])
@pytest.mark.parametrize(("k", "bound"), [(2, 1e-13), (3, 1e-9)])
@pytest.mark.parametrize("heavy", [1, 2])
def test_classes_of_tokens_that_are_forced(
    heavy: int, k: int, bound: float, faint: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the heavy tokens leave is a row of its own, whatever its scale: it gets the classes of one."""
    generator = np.random.default_rng(0)
    p, q = np.exp(1.5 * generator.normal(size=(2, 1, 700)))
    q *= faint
    q[:, :heavy] = 1 / heavy
    p, q = p / p.sum(), q / q.sum()
    coarse = all_rejected(p, q, k)
    monkeypatch.setitem(rejected_mass.CLASSES, k, 700 if k == 2 else 350)
    assert abs(all_rejected(p, q, k) - coarse).max() < bound
    assert 0.01 < coarse[0] < 0.9999


def test_draft_distributions_of_many_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a low temperature no two tokens are of a size, and 1,000 tokens are more than there are classes."""
    generator = np.random.default_rng(0)
    logits = 4 * generator.normal(size=(2, 1000))
    p, q = (softmax(row / 0.05)[None] for row in (logits[0] + logits[1], logits[0]))
    coarse = all_rejected(p, q, 3)
    monkeypatch.setitem(rejected_mass.CLASSES, 3, 1000)
    assert abs(all_rejected(p, q, 3) - coarse).max() < 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_the_binary_search_is_the_hockey_stick_divergence(seed: int) -> None:
    """In rationals and floats, with tokens that q cannot draft: prefix sums by p/q against a sum over tokens."""
    generator = np.random.default_rng(seed)
    weights = generator.integers(0, 9, size=(2, 12)) + np.eye(2, 12, dtype=int)
    for p, q in (rational_row([Fraction(int(w), int(row.sum())) for w in row])[0] for row in weights), weights / 60.0:
        order, n = falling(p, q)
        p, q, never = p[order[:n]], q[order[:n]], p[order[n:]].sum()
        tokens = rejected_mass._Tokens(p, q, never, np.arange(n))
        for g in (q[0] * 0, p[0] / q[0], p[0] / q[0] / 2, p[0] / q[0] * 3, p[-1] / q[-1]):
            want = hockey_stick(p[None], q[None], g)[0, 0] + never
            assert abs(tokens.hockey_stick(np.asarray([g]))[0] - want) < (1e-15 if p.dtype != object else 1e-99)


@pytest.mark.parametrize("k", [2, 3])
def test_classes_cost_almost_nothing(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class for each of 400 tokens against the classes that a large vocabulary gets."""
    generator = np.random.default_rng(0)
    p, q = (w / w.sum(axis=1, keepdims=True) for w in np.exp(2.5 * generator.normal(size=(2, 6, 400))))
    coarse = all_rejected(p, q, k)
    monkeypatch.setitem(rejected_mass.CLASSES, k, 400)
    fine = all_rejected(p, q, k)
    assert np.abs(coarse - fine).max() < {2: 1e-12, 3: 1e-8}[k]
    assert (coarse > 0.01).all()


@pytest.mark.slow
@pytest.mark.parametrize(("k", "bound"), [(2, 1e-13), (3, 1e-9), (4, 1e-8)])
def test_the_error_at_full_vocabulary(k: int, bound: float, monkeypatch: pytest.MonkeyPatch) -> None:
    p, q = load(ROWS).batch(np.arange(3, 320, 80))
    found = all_rejected(p, q, k)
    monkeypatch.setitem(rejected_mass.CLASSES, k, {2: 4000, 3: 500, 4: 100}[k])
    assert np.abs(all_rejected(p, q, k) - found).max() < bound


def test_torch_rows_and_a_batch_of_one() -> None:
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.softmax(2 * torch.randn(n, 9, generator=generator, dtype=torch.float64), -1) for n in (3, 1))
    rule = samplers.RRSw(k=3)
    found = closed_form(rule, p, q)
    assert found.dtype == torch.float64
    assert np.abs(np.asarray(found) - closed_form(rule, p.numpy(), q.numpy())).max() < 1e-15
    assert closed_form(rule, p.float(), q.float()).dtype == torch.float32
    assert samplers.RRSw(k=5).acceptance(p, q) is None
