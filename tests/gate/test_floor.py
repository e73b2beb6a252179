"""The floor on acceptance: an exact share is held to it, a share of draws within the confidence radius of the draws."""

import math

import numpy as np
import pytest

from spechub_lp.gate.checks.policy import TOLERANCE, add_floor
from spechub_lp.gate.results import Kind, Level, Report, Row
from spechub_lp.gate.settings import Settings

OPTIMUM, FLOOR = 0.8, 0.9


def drawn(accepted: float, draws: int) -> Row:
    return Row("drawn", Level.DRAWS, 0.0, 0.0, accepted, OPTIMUM, draws=draws)


def exact(accepted: float, unexplained: float = 0.0) -> Row:
    return Row("exact", Level.EXACT, 0.0, 0.0, accepted, OPTIMUM, unexplained)


def fails(*rows: Row, floor: float | None = FLOOR) -> bool:
    report = Report("x", "host", "iid", 2, list(rows))
    add_floor(report, Settings(acceptance_floor=floor))
    assert {finding.kind for finding in report.findings} <= {Kind.FLOOR}
    return report.proved


@pytest.mark.parametrize("draws", [1, 100, 10_000])
def test_draws_of_an_engine_at_the_floor_do_not_fail_it(draws: int) -> None:
    accepted = np.random.default_rng(draws).binomial(draws, FLOOR * OPTIMUM, 500) / draws
    assert (accepted < FLOOR * OPTIMUM - 1e-9).any()
    assert not any(fails(drawn(float(share), draws)) for share in accepted)


def test_many_draws_far_below_the_floor_fail() -> None:
    assert not fails(drawn(0.6, 100))
    assert fails(drawn(0.6, 10_000))
    assert fails(exact(OPTIMUM), drawn(0.6, 10_000))


def test_an_exact_acceptance_is_held_to_the_floor_but_for_rounding_and_what_is_open() -> None:
    below = FLOOR * OPTIMUM - 10 * TOLERANCE
    assert not fails(exact(FLOOR * OPTIMUM - TOLERANCE / 2))
    assert fails(exact(below))
    assert not fails(exact(below, unexplained=10 * TOLERANCE))


def test_nothing_is_held_to_no_floor_and_nothing_fails_that_was_not_measured() -> None:
    assert not fails(exact(0.0), floor=None)
    assert not fails(drawn(math.nan, 10_000))
