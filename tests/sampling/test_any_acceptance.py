"""The acceptance of any rule with any drafts: equal to the enumerated one, and within its error where it is drawn."""

import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from spechub_lp import SpecHubError, acceptance, compare, cut, reference, samplers, sweep
from spechub_lp.samplers import Sampler

ROWS = np.random.default_rng(7).dirichlet(np.ones(6) / 2, size=(2, 3))
UNMATCHED = samplers.RRS().with_drafts("without_replacement")
PAIRS = [samplers.RRS(), samplers.KSeq(), samplers.by_name("border_wor", 2), UNMATCHED]
module = import_module("spechub_lp.acceptance")


@pytest.mark.parametrize("sampler", PAIRS, ids=lambda sampler: f"{sampler.name}-{sampler.drafts.name}")
@pytest.mark.parametrize("as_rows", [np.asarray, torch.as_tensor])
def test_it_is_the_acceptance_of_all_drafts(sampler: Sampler, as_rows: type) -> None:
    p, q = as_rows(ROWS[0]), as_rows(ROWS[1])
    found = acceptance(sampler, p, q)
    wanted = [reference(sampler, row, drafted).acceptance for row, drafted in zip(*ROWS, strict=True)]
    assert found.value == pytest.approx(wanted, abs=1e-9)
    assert not found.error.any()


def test_drawn_drafts_give_it_within_their_error(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = UNMATCHED
    wanted = acceptance(sampler, ROWS[0], ROWS[1]).value
    monkeypatch.setattr(module, "MOST_ENUMERATED", 1)
    drawn = acceptance(sampler, ROWS[0], ROWS[1], draws=4000)
    assert (drawn.error > 0).all()
    assert (drawn.error < 0.01).all()
    assert (abs(drawn.value - wanted) < 5 * drawn.error).all()
    monkeypatch.setattr(module, "AT_ONCE", 6)
    assert acceptance(sampler, ROWS[0], ROWS[1], draws=40).value == pytest.approx(
        acceptance(sampler, torch.as_tensor(ROWS[0]), torch.as_tensor(ROWS[1]), draws=40).value, abs=1e-12
    )


def test_one_row_serves_many_and_the_optimum_is_not_passed() -> None:
    found = acceptance(samplers.RRS(), ROWS[0, 0], ROWS[1])
    assert found.value.shape == (3,)
    assert (found.value <= cut(ROWS[:1, 0], ROWS[1]).alpha + 1e-12).all()
    assert found.mean[0] == pytest.approx(found.value.mean())


def test_too_few_draws_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ENUMERATED", 1)
    with pytest.raises(SpecHubError, match="draws = 1; an error needs at least 2"):
        acceptance(UNMATCHED, ROWS[0], ROWS[1], draws=1)


@pytest.mark.parametrize(
    "odd", [{"draws": "8"}, {"draws": 1}, {"draws": 2.5}, {"seed": -1}, {"seed": 0.5}, {"seed": "a"}], ids=str
)
def test_odd_draws_and_seeds_are_named(monkeypatch: pytest.MonkeyPatch, odd: dict[str, Any]) -> None:
    monkeypatch.setattr(module, "MOST_ENUMERATED", 0)
    ((name, value),) = odd.items()
    with pytest.raises(SpecHubError, match=re.escape(f"{name} = {value!r}")):
        acceptance(UNMATCHED, *ROWS, **odd)


def test_no_rows_have_no_mean() -> None:
    none = acceptance("rrs", ROWS[0][:0], ROWS[1][:0])
    assert none.value.shape == (0,)
    for ask in (lambda: none.mean, lambda: compare(ROWS[0][:0], ROWS[1][:0]), lambda: sweep(ROWS[0][:0], ROWS[1][:0])):
        with pytest.raises(SpecHubError, match="at least one row"):
            ask()
