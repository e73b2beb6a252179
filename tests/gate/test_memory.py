"""What an engine keeps from call to call: a fault where outputs leave p, none where they do not."""

import itertools
import random
from typing import Any

import pytest
import torch
from gate_mutants import rrs, target_lookup, uniform
from node_rules import draw, left_over

from spechub_lp.drafts import by_name
from spechub_lp.gate import Settings, check_node, problems
from spechub_lp.gate.checks.memory import check_memory, crossed
from spechub_lp.gate.checks.streams import nearly_sure
from spechub_lp.gate.engines.node import NodeEngine, one_thread
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.results import Report
from spechub_lp.report.text.gate_table import text

SETTINGS = Settings(seconds=200, clock="cpu")


def remembered(verify: Any, before: int = 0, exact: bool = True) -> Report:
    report = Report("engine", "node", "iid", 1)
    engine = NodeEngine(verify)
    few = problems("iid", 1, random=0)[:6]
    with one_thread():
        for _ in range(before):
            engine.real(few[0], few[0].tuples[0])
        check_memory(engine, few, report, SETTINGS, exact=exact)
    return report


class Cached:
    """The residual is kept under a key: one of p, of q, of both; of rounded numbers."""

    def __init__(self, key: str, places: int = 20):
        self.key, self.places, self.kept = key, places, dict[Any, torch.Tensor]()

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        if uniform() * q[drafts[0]] < p[drafts[0]]:
            return drafts[0], 0
        p_key, q_key = (tuple(row.round(decimals=self.places).tolist()) for row in (p, q))
        key = p_key * ("p" in self.key) + q_key * ("q" in self.key)
        return draw(self.kept.setdefault(key, left_over(p, q))), -1


class OfTheCallBefore:
    """The target of the call before, when the vocabulary has not changed."""

    p: Any = None

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        used = p if self.p is None or self.p.shape != p.shape else self.p
        self.p = p.clone()
        return rrs(used, q, drafts)


class Late:
    """Right for so many calls; then the residual is p."""

    calls = 9000

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        self.calls -= 1
        if self.calls > 0:
            return rrs(p, q, drafts)
        return (drafts[0], 0) if uniform() * q[drafts[0]] < p[drafts[0]] else (draw(p), -1)


def test_crossed_problems_share_a_target_or_a_draft_distribution() -> None:
    a, b, c, d, near = crossed(problems("iid", 2))
    assert abs(near.target - a.target).sum() / 2 == pytest.approx(1e-4, rel=1e-6)
    assert (c.p, c.q) == (a.p, b.q)
    assert (d.p, d.q) == (b.p, a.q)
    assert a.p != b.p
    assert a.q != b.q
    assert crossed(problems("iid", 2)[:1]) == []


def test_a_target_that_is_the_draft_distribution_has_one_near_it_too() -> None:
    few = [Problem("a", (0.25, 0.75), (0.25, 0.75), 1), Problem("b", (0.5, 0.5), (0.75, 0.25), 1)]
    for order in (few, few[::-1]):
        assert len(crossed(order)) == 5


@pytest.mark.usefixtures("brief_second_look")
@pytest.mark.parametrize(("key", "places"), [("p", 20), ("q", 20), ("pq", 2), ("pq", 3)])
def test_a_cache_whose_key_says_too_little_fails_exactly(key: str, places: int) -> None:
    report = remembered(Cached(key, places))
    assert report.exit_code == 1, report.findings
    assert report.findings[0].level == 1


def test_a_cache_by_both_passes() -> None:
    assert remembered(Cached("pq")).exit_code == 0


@pytest.mark.parametrize("verify", [OfTheCallBefore(), Cached("p")], ids=lambda v: type(v).__name__)
def test_what_alternates_is_seen_on_real_noise_as_well(verify: Any) -> None:
    assert remembered(verify, exact=False).exit_code == 1


def test_a_fault_of_late_calls_is_exact() -> None:
    report = remembered(Late(), before=3000)
    assert report.exit_code == 1, report.findings


class Tired:
    """A token that came out last is a little less likely."""

    last = -1

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        seen = p * torch.tensor([0.99 if token == self.last else 1.0 for token in range(len(p))])
        self.last, slot = rrs(seen / seen.sum(), q, drafts)
        return self.last, slot


class HalfOfTheNoise:
    """Two lots of noise are fetched at a time: the second call uses what the first has left, and is right."""

    def __init__(self) -> None:
        self.left = list[float]()

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        self.left = self.left or torch.rand(4, dtype=torch.float64).tolist()
        if self.left.pop() * q[drafts[0]] < p[drafts[0]]:
            self.left.pop()
            return drafts[0], 0
        return int(torch.searchsorted(left_over(p, q).cumsum(0), self.left.pop())), -1


@pytest.mark.usefixtures("brief_second_look")
def test_a_small_bias_by_the_output_before_is_exact() -> None:
    report = remembered(Tired(), exact=False)
    assert report.exit_code == 1, report.findings
    assert report.findings[0].level == 1
    assert "after a call that gave" in report.findings[0].message


def test_noise_that_is_left_from_the_call_before_is_no_bias() -> None:
    assert remembered(HalfOfTheNoise(), exact=False).exit_code == 0


def test_rows_of_a_batch_are_not_taken_for_calls_one_after_the_other() -> None:
    class Rows(NodeEngine):
        together = 8

        def controlled(self, problem: Problem, calls: Any) -> Any:
            raise AssertionError("its noise is not controlled")

    report = Report("engine", "uniform", "iid", 1)
    check_memory(Rows(rrs), problems("iid", 1, random=0)[:6], report, SETTINGS, exact=False)
    assert report.exit_code == 0


class InTurn:
    """Two lossless rules in turn: right, although it repeats itself and differs from itself under controlled noise."""

    def __init__(self, choices: Any):
        self.choices = choices

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        return (rrs, target_lookup)[next(self.choices)](p, q, drafts)


def stream_of_choices() -> Any:
    rng = random.Random(7)
    while True:
        yield int(rng.random() < 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("choices", [itertools.cycle([0, 1, 1, 0, 1]), stream_of_choices()], ids=["list", "stream"])
def test_fixed_choices_between_lossless_rules_pass(choices: Any) -> None:
    report = check_node(InTurn(choices), "iid", 2, settings=Settings(seconds=40, clock="cpu", distance=0.1, searched=4))
    assert report.status == "pass", text(report)


@pytest.mark.parametrize("policy", ["iid", "without_replacement", "top_k", "hub", "greedy", "product"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_nearly_sure_draft_for_every_policy(policy: str, k: int) -> None:
    if by_name(policy).takes(k):
        problem = nearly_sure(by_name(policy), k)
        problem.check()
        assert problem.tuples[int(max(range(len(problem.mass)), key=lambda i: problem.mass[i]))][0] == 0
