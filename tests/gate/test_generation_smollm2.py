"""The bets along texts of a real model: fair under the claim, and told where in its step a wrong loop can be."""

import sys
from itertools import product
from typing import Any

import numpy as np
import pytest
from places import ROOT

pytest.importorskip("transformers")
pytestmark = pytest.mark.slow
V = 4


@pytest.fixture(scope="module")
def bets() -> Any:
    sys.path.insert(0, str(ROOT))
    try:
        from validation import gate_engine_smollm2
    finally:
        sys.path.remove(str(ROOT))
    return gate_engine_smollm2


def test_every_bet_is_fair_at_every_token(bets: Any) -> None:
    rng = np.random.default_rng(0)
    steps, everything = bets.Steps(V), np.arange(V)
    for _ in range(20):
        p, q = rng.dirichlet(np.full(V, 0.5), 2)
        others = [rule(p, q) for rule in bets.ALTERNATIVES.values()]
        steps.at[:] = steps.at[0]
        gains = bets.log_factors(p, q, others, steps, everything)
        assert p @ np.exp(gains) == pytest.approx(np.ones(gains.shape[1]), abs=1e-12)


def test_a_loop_with_a_wrong_bonus_is_followed(bets: Any) -> None:
    """[text] the probability that it gives each text of one step and a token more, against all its ways there."""
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(2), 2)
    kept = np.minimum(p, q)

    def weight(text: tuple[int, ...], place: int = 0) -> float:
        if not text:
            return 1.0
        first, rest = text[0], text[1:]
        if place == bets.DRAFTS:
            return float(q[first]) * weight(rest)
        return float(kept[first]) * weight(rest, place + 1) + float((p - kept)[first]) * weight(rest)

    for text in product(range(2), repeat=bets.DRAFTS + 2):
        steps = bets.Steps()
        given = [steps.ratios((q / p)[[token]])[0] * p[token] for token in text]
        assert np.prod(given) == pytest.approx(weight(text), rel=1e-12)
