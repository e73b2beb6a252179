"""The statistical levels keep their promises on false alarms, coverage and power; all noise is controlled."""

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from gate_chains import by_cdf
from node_rules import left_over

from spechub_lp.drafts import by_name
from spechub_lp.gate.checks.streams import few_seeds, nearly_sure, never_accepted, recycled
from spechub_lp.gate.engines.node import Emitted1, NodeEngine
from spechub_lp.gate.problems.node import Problem, problems
from spechub_lp.gate.search.thresholds import Explorer
from spechub_lp.gate.statistics.sequential import AboveBet, Bet, Claim, distance_bound, smallest_caught

RAISED = 0.05
"""The alarm rate of these tests of the test; the gate itself runs at 1e-6."""


@pytest.mark.slow
def test_false_alarms_of_10000_correct_runs_stay_below_the_promise() -> None:
    """Ville: the wealth ever passes 1/alpha with probability at most alpha, looked at after every draw."""
    rng = np.random.default_rng(1)
    p = [0.5, 0.25, 0.2, 0.05]
    line, alarms = math.log(1 / RAISED), 0
    for _ in range(10_000):
        bet = Bet(Claim.OUTPUT, p)
        last = None
        for y in rng.choice(4, size=60, p=p).tolist():
            bet.update(y, last)
            last = y
            if bet.log_wealth > line:
                alarms += 1
                break
    # A binomial with mean at most 500; 640 is more than 6 standard deviations above.
    assert alarms < 640


def test_acceptance_at_the_optimum_is_no_alarm_and_above_it_is() -> None:
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(400):
        bet = AboveBet(0.6)
        for a in rng.random(300) < 0.6:
            bet.update(float(a))
        alarms += bet.log_wealth > math.log(1 / RAISED)
    assert alarms < 45
    bet = AboveBet(0.6)
    for a in rng.random(3000) < 0.68:
        bet.update(float(a))
    assert bet.log_wealth > math.log(1e6)


def test_the_confidence_sequence_covers_at_every_look() -> None:
    rng = np.random.default_rng(3)
    distribution, claimed = np.asarray([0.4, 0.35, 0.25]), [0.45, 0.3, 0.25]
    true = float(np.abs(distribution - claimed).sum() / 2)
    missed = 0
    for _ in range(300):
        counts = np.zeros(3)
        for chunk in range(8):
            counts += rng.multinomial(50 * 2**chunk, distribution)
            if distance_bound(counts, claimed, RAISED) < true:
                missed += 1
                break
    assert missed < 40
    assert distance_bound(counts, claimed, RAISED) < true + 0.05


@pytest.mark.parametrize("n", [500, 4_000])
def test_the_smallest_distance_caught_is_caught(n: int) -> None:
    """Rejected in at least 99 of 100 runs, in the direction that is hardest to see."""
    d = smallest_caught(n, 4, 1e-6)
    p = np.asarray([0.25, 0.25, 0.25, 0.25])
    distribution = p + np.asarray([d, -d, 0, 0])
    rng = np.random.default_rng(4)
    caught = 0
    for _ in range(40):
        bet = Bet(Claim.OUTPUT, p.tolist())
        for y in rng.choice(4, size=n, p=distribution).tolist():
            bet.update(y)
            if bet.log_wealth > math.log(1e6):
                caught += 1
                break
    assert caught >= 39


class Pooled:
    """Naive verification from a pool of uniforms, round and round."""

    def __init__(self, size: int):
        self.pool = itertools.cycle(np.random.default_rng(1).random(size).tolist())

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        if next(self.pool) * q[drafts[0]] < p[drafts[0]]:
            return drafts[0], 0
        return by_cdf(left_over(p, q).numpy(), next(self.pool)), -1


def test_recycled_noise_is_seen_on_fresh_drafts_and_fresh_noise_is_not() -> None:
    problem = nearly_sure(by_name("iid"), 1)
    assert recycled(NodeEngine(Pooled(10**6)), problem, 1e-6, float("inf")) is None
    assert recycled(NodeEngine(Pooled(700)), problem, 1e-6, float("inf"))


def seeded(seeds: int) -> NodeEngine:
    """Right under fresh noise, and over all seeds nearly right, however few there are."""

    def verify(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        noise, q = random.Random(random.randrange(seeds)), torch.atleast_2d(q)[0]
        if noise.random() * q[drafts[0]] < p[drafts[0]]:
            return drafts[0], 0
        return by_cdf(left_over(p, q).numpy(), noise.random()), -1

    return NodeEngine(verify)


@pytest.mark.parametrize("policy", ["iid", "without_replacement", "product", "hub"])
def test_noise_from_few_seeds_repeats_its_outputs(policy: str) -> None:
    random.seed(5)
    assert few_seeds(seeded(500), never_accepted(by_name(policy), 2), 1e-9, math.inf) is not None


def test_fresh_noise_repeats_its_outputs_as_often_as_chance_has_it() -> None:
    random.seed(5)
    assert few_seeds(seeded(2**60), never_accepted(by_name("iid"), 2), 1e-6, math.inf) is None


PROBLEM = Problem("p", (0.25, 0.75), (0.5, 0.5), 1)


def distribution_of(draws: Callable[[], object]) -> dict[Any, float]:
    """The distribution of an engine that puts out whether `draws` says yes."""
    engine = NodeEngine(lambda p, q, drafts: (int(bool(draws())), -1))
    engine.warm_up(PROBLEM)
    explorer = Explorer(lambda calls: engine.controlled(PROBLEM, calls))
    distributions, _ = explorer.distributions([(0,)])
    return {o.token: c for o, c in distributions[(0,)].chances.items() if isinstance(o, Emitted1)}


SOURCES: dict[str, Callable[[], object]] = {
    "torch.rand": lambda: float(torch.rand(1)) < 0.3,
    "rand_like": lambda: bool(torch.rand_like(torch.zeros(2, dtype=torch.float64))[1] < 0.3),
    "uniform_": lambda: bool(torch.empty(3).uniform_(0, 10)[2] < 3),
    "bernoulli": lambda: bool(torch.bernoulli(torch.tensor([0.3]))),
    "bernoulli_": lambda: bool(torch.zeros(1).bernoulli_(0.3)),
    "multinomial": lambda: int(torch.multinomial(torch.tensor([7.0, 3.0]), 1)) == 1,
    "without replacement": lambda: int(torch.multinomial(torch.tensor([7.0, 3.0]), 2)[0]) == 1,
    "randint": lambda: int(torch.randint(0, 10, (1,))) < 3,
    "race": lambda: int((torch.tensor([0.7, 0.3]) / torch.empty(2).exponential_()).argmax()) == 1,
    "Categorical": lambda: int(torch.distributions.Categorical(torch.tensor([0.7, 0.3])).sample()) == 1,
    "random": lambda: random.random() < 0.3,
    "choices": lambda: random.choices([0, 1], [7, 3])[0] == 1,
    "randrange": lambda: random.randrange(10) < 3,
    "shuffle": lambda: random.sample(range(10), 1)[0] < 3,
    "own Random": lambda: random.Random(3).random() < 0.3,
    "numpy": lambda: np.random.rand() < 0.3,
    "numpy choice": lambda: np.random.choice(2, p=[0.7, 0.3]) == 1,
    "default_rng": lambda: np.random.default_rng(1).random() < 0.3,
    "numpy integers": lambda: np.random.default_rng().integers(10) < 3,
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_exact_distribution_of_every_source_of_noise(name: str) -> None:
    distribution = distribution_of(SOURCES[name])
    assert distribution[1] == pytest.approx(0.3, abs=1e-7)
    assert sum(distribution.values()) == pytest.approx(1, abs=1e-12)


def test_a_permutation_is_enumerated() -> None:
    assert distribution_of(lambda: torch.randperm(4)[0] == 0)[1] == pytest.approx(0.25)


def test_the_generators_are_put_back() -> None:
    kept = (random.random, np.random.rand, random.Random.random, vars(random.Random)["_randbelow"])
    random.seed(5)
    expected = random.Random(5).random()
    distribution_of(lambda: random.random() < 0.5)
    random.seed(5)
    assert random.random() == expected
    assert kept == (random.random, np.random.rand, random.Random.random, vars(random.Random)["_randbelow"])


def test_problems_survive_a_file() -> None:
    for problem in problems("product", 2):
        assert Problem.read(problem.document()) == problem
