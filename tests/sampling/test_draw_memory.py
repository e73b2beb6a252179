"""Many draws at a large vocabulary stay within the budget, whatever the rule, and are the draws of one slice."""

import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest

from spechub_lp import draw, samplers
from spechub_lp.samplers.base import Verdict
from spechub_lp.samplers.border.iid import Border
from spechub_lp.sampling import ROWS_IN_WORK, draw_in_slices
from spechub_lp.typing import Array

NAMES = [("naive", 1), ("rrs", 3), ("rrsw", 3), ("nss", 2), ("border", 3), ("border_wor", 2), ("border_wor", 3)]


def distributions(rng: np.random.Generator, rows: int, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    p, q = rng.dirichlet(np.ones(tokens), (2, rows))
    return p, q


@pytest.mark.parametrize(("name", "k"), NAMES)
def test_more_draws_take_no_more_memory(name: str, k: int) -> None:
    rng, budget = np.random.default_rng(0), 2**20
    (p, q), sampler = distributions(rng, 1, 5000), samplers.by_name(name, k)
    draw_in_slices(sampler, p, q, rng.random((2, k + 1)), budget)
    tracemalloc.start()
    draw_in_slices(sampler, p, q, rng.random((60, k + 1)), budget)  # a row of V numbers for each draw has 2.3 MiB
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * budget


@pytest.mark.parametrize(("name", "k"), NAMES)
@pytest.mark.parametrize("rows", [1, 9])
def test_slices_are_the_whole(name: str, k: int, rows: int) -> None:
    rng = np.random.default_rng(1)
    (p, q), sampler, u = distributions(rng, rows, 60), samplers.by_name(name, k), rng.random((9, k + 1))
    whole, sliced = draw(sampler, p, q, u), draw_in_slices(sampler, p, q, u, ROWS_IN_WORK * 8 * 60 * 2)
    for field in ("tokens", "slots", "drafts"):
        assert getattr(whole, field).tolist() == getattr(sliced, field).tolist()


def test_a_subclass_of_border_is_drawn_by_its_own_rule() -> None:
    @dataclass(frozen=True)
    class Rejects(Border):
        def verify(self, p: Array, q: Array, x: Array) -> Verdict:
            return Verdict(0 * x + 0.0, p + 0 * x[:, :1])

    rng = np.random.default_rng(2)
    p, q = distributions(rng, 1, 5)
    assert (draw(Rejects(), p, q, rng.random((20, 3))).slots == -1).all()
