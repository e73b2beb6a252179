"""`sample`: losslessness is decided on rationals alone; the draws are compared at a stated rate of false alarms."""

import dataclasses
from fractions import Fraction as F
from typing import Any

import pytest
from every import own_pairs
from scipy.stats import binom

from spechub_lp import samplers
from spechub_lp.audit.draws import FALSE_ALARM, Sampling, sample_and_compare
from spechub_lp.samplers.base import Sampler
from spechub_lp.typing import Distribution

TINY = F(1, 10**20)
NEARLY_TIED = (F(1, 3) - TINY, F(1, 3) + TINY, F(1, 3))
"""Its top is token 1; as floats all three are equal, and the first is the top."""
RARE = (F(1, 10**6), F(1, 10**7), 1 - F(11, 10**7))
LAWS = [
    ((F(8, 10), F(1, 10), F(1, 10)), NEARLY_TIED),
    (NEARLY_TIED, (F(1, 2), F(1, 2) - TINY, TINY)),
    (RARE, (F(1, 3),) * 3),
    (RARE, RARE[::-1]),
    ((TINY, 1 - TINY), (1 - TINY, TINY)),
    ((F(1),), (F(1),)),
]


def run(sampler: Sampler, p: Distribution, q: Distribution, draws: int = 1000, seed: int = 0) -> Sampling:
    return sample_and_compare(sampler, p, q, draws, seed, False, lambda *_: None)


@pytest.mark.parametrize("sampler", own_pairs(1, 2, 3))
@pytest.mark.parametrize("distribution", LAWS)
def test_a_lossless_rule_passes(sampler: Sampler, distribution: tuple[Distribution, Distribution]) -> None:
    result = run(sampler, *distribution)
    assert result.coupling.is_lossless
    assert result.plausible


def test_a_rare_token_that_was_drawn_is_no_alarm() -> None:
    """One draw of a token of mass 1e-6 in a thousand is 31 standard errors off and happens in one run of a thousand."""
    result = run(samplers.NSS(), RARE, RARE, draws=1000)
    lucky = dataclasses.replace(result, counts=(1, 0, 999))
    assert lucky.z_scores[0] > 31
    assert lucky.plausible
    assert not dataclasses.replace(result, counts=(3, 0, 997)).plausible


def test_rows_that_round_to_a_tie_are_told_and_do_not_fail() -> None:
    result = run(samplers.SpecHub(), *LAWS[0])
    assert result.plausible
    assert result.decided_otherwise > 0.01
    assert result.coupling.acceptance != result.drawn.acceptance
    assert run(samplers.SpecHub(), *LAWS[2]).decided_otherwise == 0


def test_wrong_draws_are_found() -> None:
    p, q = (F(4, 10), F(3, 10), F(2, 10), F(1, 10)), (F(1, 10), F(2, 10), F(3, 10), F(4, 10))
    right = run(samplers.RRS(), p, q, draws=20_000)
    wrong = run(samplers.RRS().with_drafts("without_replacement"), p, q, draws=20_000)
    assert right.plausible
    assert wrong.plausible
    assert not wrong.coupling.is_lossless
    assert not dataclasses.replace(right, counts=wrong.counts).plausible
    assert not dataclasses.replace(right, accepted=wrong.accepted).plausible


@pytest.mark.parametrize("mass", [0.5, 1e-3, 1e-6, 1 - 1e-9])
def test_the_rate_of_false_alarms_is_kept(mass: float) -> None:
    """Summed over every count that can be, what lies outside the accepted ones is at most the stated rate."""
    draws = 300
    result = run(samplers.NSS(k=1), (F(1),), (F(1),), draws=draws)

    def called(count: int) -> Any:
        drawn = dataclasses.replace(result.drawn, weights=result.drawn.weights * 1.0)
        drawn.__dict__.update(output_distribution=(mass,), acceptance=1.0)
        return not dataclasses.replace(result, drawn=drawn, counts=(count,), accepted=draws).plausible

    counts = range(draws + 1)
    assert sum(binom.pmf(n, draws, mass) for n in counts if called(n)) <= FALSE_ALARM
