"""Noise under control: wherever a generator lives, whatever it is asked for, and what an engine does when it is not."""

import functools
import os
import random
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from node_rules import Answer, left_over

from spechub_lp.gate import Settings, check_node, clock, problems
from spechub_lp.gate.noise.choice_sequence import ChoiceSequence, Uncontrolled
from spechub_lp.gate.noise.interception import controlled
from spechub_lp.gate.noise.places import Places
from spechub_lp.gate.results import Report
from spechub_lp.report.text.gate_table import text

EXACT = Settings(levels=(0, 1))
CASE = [p for p in problems("iid", 1) if p.name == "ties"]


def naive(p: torch.Tensor, q: torch.Tensor, drafts: list[int], uniform: Callable[[], Any]) -> Answer:
    """Naive verification of one draft from two uniforms."""
    (x,) = drafts
    if uniform() * float(q[x]) < float(p[x]):
        return x, 0
    ends = left_over(p, q).cumsum(0)
    return min(int(torch.searchsorted(ends, uniform() * float(ends[-1]), right=True)), int(p.nonzero()[-1])), -1


HELPERS: Any = types.ModuleType("helpers")
HELPERS.rng = np.random.default_rng(1)


class Pair(NamedTuple):
    name: str
    rng: np.random.Generator


PAIR = Pair("a", np.random.default_rng(2))
TABLE: dict[str, list[Any]] = {"rngs": [None, np.random.default_rng(3)]}


def in_a_default(p: torch.Tensor, q: torch.Tensor, drafts: list[int], rng: Any = np.random.default_rng(4)) -> Answer:  # noqa: B008
    return naive(p, q, drafts, rng.random)


def in_a_keyword_default(
    p: torch.Tensor,
    q: torch.Tensor,
    drafts: list[int],
    *,
    rng: Any = np.random.RandomState(4),  # noqa: B008
) -> Answer:
    return naive(p, q, drafts, rng.random_sample)


def from_a_partial(rng: Any, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    return naive(p, q, drafts, rng.random)


class OnTheClass:
    rng = np.random.default_rng(5)

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        return naive(p, q, drafts, self.rng.random)


class Slots:
    __slots__ = ("uniform",)

    def __init__(self) -> None:
        self.uniform = np.random.default_rng(6).random

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        return naive(p, q, drafts, self.uniform)


@dataclass(frozen=True)
class Deep:
    parts: tuple[Pair, ...] = (Pair("b", np.random.default_rng(7)),)

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        return naive(p, q, drafts, self.parts[0].rng.random)


class Lazily:
    rng: np.random.Generator | None = None

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        self.rng = self.rng or np.random.Generator(np.random.PCG64(8))
        return naive(p, q, drafts, self.rng.random)


def attention(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    a = torch.ones(1, 1, 2, 2)
    torch.nn.functional.scaled_dot_product_attention(a, a, a, dropout_p=0.0)
    torch.dropout(a, 0.5, train=False)
    return naive(p, q, drafts, random.random)


WHEREVER = {
    "another module": lambda p, q, x: naive(p, q, x, HELPERS.rng.random),
    "a named tuple": lambda p, q, x: naive(p, q, x, PAIR.rng.random),
    "a list in a dictionary": lambda p, q, x: naive(p, q, x, TABLE["rngs"][1].random),
    "a default argument": in_a_default,
    "a keyword's default": in_a_keyword_default,
    "a partial": functools.partial(from_a_partial, np.random.default_rng(9)),
    "a partial's keyword": functools.partial(in_a_keyword_default, rng=np.random.RandomState(9)),
    "a class": OnTheClass(),
    "a slot": Slots(),
    "a frozen dataclass": Deep(),
    "made at the first call": Lazily(),
    "randint(2**24)": lambda p, q, x: naive(p, q, x, lambda: int(torch.randint(2**24, ())) / 2**24),
    "randrange(10**6)": lambda p, q, x: naive(p, q, x, lambda: random.randrange(10**6) / 10**6),
    "getrandbits(64)": lambda p, q, x: naive(p, q, x, lambda: random.getrandbits(64) / 2**64),
    "getrandbits(200)": lambda p, q, x: naive(p, q, x, lambda: random.getrandbits(200) / 2**200),
    "integers": lambda p, q, x: naive(p, q, x, lambda: np.random.default_rng().integers(2**53) / 2**53),
    "os.urandom": lambda p, q, x: naive(p, q, x, lambda: int.from_bytes(os.urandom(7), "big") / 2**56),
    "exp(-Exp(1))": lambda p, q, x: naive(p, q, x, lambda: (-torch.empty(1, dtype=torch.float64).exponential_()).exp()),
    "exp(-Exp(1)) of numpy": lambda p, q, x: naive(p, q, x, lambda: np.exp(-np.random.exponential())),
    "attention without dropout": attention,
}


@pytest.mark.parametrize("engine", WHEREVER.values(), ids=WHEREVER)
def test_a_right_engine_is_exact_wherever_its_noise_lives(engine: Any) -> None:
    report = check_node(engine, "iid", 1, cases=CASE, settings=EXACT)
    assert report.status == "pass", text(report)
    assert report.exact
    assert report.distance < 2e-6  # 10^6 outcomes are a coarse grid
    (outcome,) = {type(engine(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.5]), [0])[0])}
    assert outcome is int  # real noise is back in its place


@pytest.mark.parametrize("engine", WHEREVER.values(), ids=WHEREVER)
def test_a_wrong_engine_fails_wherever_its_noise_lives(engine: Any) -> None:
    def always_q(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        answer: Answer = engine(q, q, drafts)
        return answer

    vars(always_q)["__wrapped__"] = engine
    report = check_node(always_q, "iid", 1, cases=CASE, settings=EXACT)
    assert report.exit_code == 1, text(report)
    assert report.exact


@pytest.mark.parametrize("used", [lambda u: u, lambda u: u[::-1], lambda u: [u[1], u[1]]])
def test_times_that_do_not_race_are_not_taken_for_a_race(used: Callable[[list[float]], list[float]]) -> None:
    def verify(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        uniforms = iter(used((-torch.empty(2, dtype=torch.float64).exponential_()).exp().tolist()))
        return naive(p, q, drafts, lambda: next(uniforms))

    report = check_node(verify, "iid", 1, cases=CASE, settings=EXACT)
    assert not report.exact, text(report)


def test_what_cannot_be_controlled_is_remembered_when_the_engine_swallows_the_error() -> None:
    def fast_or_right(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        try:
            y = int(torch.normal(torch.zeros(()), 1.0) > 0)  # what it draws is wrong, and is never seen under control
        except Exception:
            y = int(torch.multinomial(p, 1))
        return y, drafts.index(y) if y in drafts else -1

    engine_report = check_node(fast_or_right, "iid", 1, settings=Settings(seconds=8, searched=2))
    assert engine_report.exit_code == 1, text(engine_report)
    assert any(f.kind == "not controlled" and "normal" in f.message for f in engine_report.findings)


def test_the_first_call_is_on_real_noise_and_its_crash_is_reported() -> None:
    calls = []

    def breaks_at_first(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        calls.append(type(random.random()))
        if len(calls) == 1:
            raise ImportError("no such extension")
        return naive(p, q, drafts, random.random)

    report = check_node(breaks_at_first, "iid", 1, cases=CASE, settings=EXACT)
    assert report.exit_code == 1
    assert "no such extension" in report.findings[0].message


def test_a_stand_in_that_the_engine_kept_draws_real_noise_afterwards() -> None:
    kept = []

    def keeps(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        kept.append(np.random.default_rng())
        return drafts[0], 0

    with controlled(Places(keeps)):
        keeps(torch.ones(1), torch.ones(1), [0])
    (rng,) = kept
    assert isinstance(rng, np.random.Generator)
    assert len({rng.random() for _ in range(20)}) == 20


def test_a_generator_that_nobody_found_is_seen_to_move() -> None:
    def hidden(rng: np.random.Generator) -> Iterator[float]:
        while True:
            yield rng.random()

    source = hidden(np.random.default_rng(3))
    report = check_node(lambda p, q, x: naive(p, q, x, lambda: next(source)), "iid", 1, cases=CASE, settings=EXACT)
    assert report.status == "inconclusive", text(report)


@pytest.mark.parametrize("value", [(0.5, 0.5), 2**24, -1, "x"])
def test_a_value_that_does_not_fit_is_not_controlled_and_no_crash(value: Any) -> None:
    choices = ChoiceSequence((value,))
    with pytest.raises(Uncontrolled, match="equal calls ask for different noise"):
        choices.uniform(24, "torch.rand")
    assert choices.rejected
    with pytest.raises(Uncontrolled):
        ChoiceSequence((5,)).pick((0.5, 0.5), "torch.multinomial")
    with pytest.raises(Uncontrolled):
        ChoiceSequence((5,)).race(2, "torch.exponential")


@pytest.mark.parametrize("outcomes", [2, 256, 257, 1000, 2**24, 2**64, 10**30])
def test_an_integer_has_every_outcome_alike(outcomes: int) -> None:
    for share in (0.0, 0.25, 0.5, 0.999):
        drawn = ChoiceSequence()
        drawn.integer(outcomes, "x")
        (draw,) = drawn.draws
        top = 2**draw.size if draw.kind == "uniform" else draw.size
        value = ChoiceSequence((int(share * top),)).integer(outcomes, "x")
        assert 0 <= value < outcomes
        assert abs(value / outcomes - share) <= 1 / outcomes + 1e-9


@dataclass
class Slow:
    """An engine whose calls take so many seconds of a clock of its own."""

    verify: Callable[[Any, Any, list[int]], Answer]
    a_call: float
    clock: float = 0.0

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        self.clock += self.a_call
        return self.verify(p, q, drafts)

    def report(self, monkeypatch: pytest.MonkeyPatch) -> Report:
        monkeypatch.setitem(clock.CLOCKS, "its own", lambda: self.clock)
        return check_node(self, "iid", 2, settings=Settings(clock="its own"))


def looked_up(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    token = int(torch.multinomial(p, 1))
    return token, drafts.index(token) if token in drafts else -1


def gumbel(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    token = int((p.log() - torch.log(-torch.log(torch.rand(p.shape, dtype=p.dtype)))).argmax())
    return token, drafts.index(token) if token in drafts else -1


def from_the_system(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    ends = p.cumsum(0)
    token = min(int(torch.searchsorted(ends, random.SystemRandom().random(), right=True)), int(p.nonzero()[-1]))
    return token, drafts.index(token) if token in drafts else -1


def mixed_up(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    return gumbel(q, p, drafts)


@pytest.mark.slow
@pytest.mark.parametrize("verify", [looked_up, gumbel, from_the_system, mixed_up])
def test_20_ms_a_call_give_a_verdict_or_say_what_is_missing_within_two_minutes(
    verify: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Slow(verify, 0.02).report(monkeypatch)
    assert report.seconds <= 120
    if report.status == "inconclusive":
        assert verify in (gumbel, from_the_system)
        (why,) = report.inconclusive
        assert "that takes about" in why
        assert "at 20 ms each; give it more time (--budget" in why
    else:
        assert report.status == ("biased" if verify is mixed_up else "pass"), text(report)
