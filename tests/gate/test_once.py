"""What a function does once in a process: a fault where outputs leave p, none where they do not."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from gate_mutants import rrs, target_lookup

from spechub_lp.gate import Settings, problems
from spechub_lp.gate.checks.once import check_after_errors, check_first_calls, in_order
from spechub_lp.gate.checks.once_batches import check_after_nan, check_first_batch, first_batch
from spechub_lp.gate.engines.fresh import Fresh
from spechub_lp.gate.engines.node import NodeEngine, in_a_buffer, one_thread
from spechub_lp.gate.engines.tree import TreeEngine
from spechub_lp.gate.problems.tree import TreeProblem
from spechub_lp.gate.protocols import Emitted, NoiseSpec, TreeBatch
from spechub_lp.gate.results import Coverage, Kind, Report
from spechub_lp.report.text.gate_report import covered

SETTINGS = Settings(seconds=600)
BRIEF = Settings(seconds=1)
"""For functions on which draws do not decide."""
FEW = problems("iid", 2, random=0)[:3]


class Counting:
    """Knows how many calls there were, and whether one failed."""

    def __init__(self) -> None:
        self.calls = 0
        self.failed = False


class OneIsToken0(Counting):
    """The buffer of the output was not filled when one call read it."""

    def __init__(self, wrong: int):
        super().__init__()
        self.wrong = wrong

    def __call__(self, p: Any, q: Any, drafts: list[int]) -> tuple[int, int]:
        self.calls += 1
        return (0, -1) if self.calls == self.wrong else rrs(p, q, drafts)


class AfterAnError(Counting):
    """What an error leaves behind is used by the next call."""

    def __call__(self, p: Any, q: Any, drafts: list[int]) -> tuple[int, int]:
        failed, self.failed = self.failed, True
        if failed:
            self.failed = False
            return drafts[0], 0
        assert abs(float(p.sum()) - 1) < 1e-6
        self.failed = False
        return rrs(p, q, drafts)


class FirstLooksUp(Counting):
    """Another lossless rule in the first call, and behind an error: right."""

    def __call__(self, p: Any, q: Any, drafts: list[int]) -> tuple[int, int]:
        self.calls += 1
        if self.calls > 1 and not self.failed:
            self.failed = not bool(p.isfinite().all())
            return rrs(p, q, drafts)
        self.failed = False
        return target_lookup(p, q, drafts)


class MakesItsGenerator(Counting):
    """The generator is made in the first call: right."""

    rng: Any = None

    def __call__(self, p: Any, q: Any, drafts: list[int]) -> tuple[int, int]:
        if self.rng is None:
            self.rng = np.random.default_rng(7)
        y = int(self.rng.choice(len(p), p=p.numpy()))
        return y, drafts.index(y) if y in drafts else -1


class Closed(Counting):
    """Answers nothing any more after an error: no bias."""

    def __call__(self, p: Any, q: Any, drafts: list[int]) -> tuple[int, int]:
        if self.failed or not bool(p.isfinite().all()):
            self.failed = True
            raise RuntimeError("closed")
        return rrs(p, q, drafts)


def loops_on_nan(p: Any, q: Any, drafts: list[int]) -> tuple[int, int]:
    while True:
        y = random.randrange(len(p))
        if random.random() < p[y]:
            return y, drafts.index(y) if y in drafts else -1


def first(verify: Any, settings: Settings = SETTINGS) -> Report:
    report = Report("engine", "node", "iid", 2)
    with Fresh(in_order(verify, 5.0)) as fresh, one_thread():
        engine = NodeEngine(verify)
        for _ in range(5):
            engine.warm_up(FEW[0])
        check_first_calls(fresh, engine, FEW, report, settings)
        assert not fresh.why_not
    return report


def behind(verify: Any, exact: bool = True, settings: Settings = SETTINGS) -> Report:
    report = Report("engine", "node", "iid", 2)
    with one_thread():
        engine = NodeEngine(verify)
        engine.warm_up(FEW[0])
        check_after_errors(engine, FEW, report, settings, exact=exact)
    return report


@pytest.mark.parametrize("wrong", [1, 3])
def test_a_wrong_early_call_fails(wrong: int) -> None:
    report = first(OneIsToken0(wrong))
    assert report.exit_code == 1
    assert f"in call {wrong} of a process" in report.findings[0].message


@pytest.mark.parametrize("engine", [MakesItsGenerator, AfterAnError])
def test_a_right_first_call_is_like_any_other(engine: Any) -> None:
    assert not first(engine()).findings


def test_another_right_rule_in_the_first_call_passes() -> None:
    assert first(FirstLooksUp(), BRIEF).exit_code == 0


@pytest.mark.parametrize("exact", [True, False])
def test_a_wrong_call_behind_an_error_fails(exact: bool) -> None:
    report = behind(AfterAnError(), exact)
    assert report.exit_code == 1
    assert "in the call behind one with a target of NaN" in report.findings[0].message


@pytest.mark.parametrize(
    "verify", [FirstLooksUp(), MakesItsGenerator(), loops_on_nan], ids=["looks up", "makes", "loops"]
)
def test_a_right_call_behind_an_error_passes(verify: Any) -> None:
    assert behind(verify, settings=BRIEF).exit_code == 0


def test_no_answer_behind_an_error_is_a_note() -> None:
    report = behind(Closed(), exact=False, settings=BRIEF)
    assert report.exit_code == 0
    assert {finding.kind for finding in report.findings} == {Kind.NOTE}


def test_a_first_call_that_takes_its_process_with_it_is_not_compared() -> None:
    class Dies(Counting):
        def __call__(self, p: Any, q: Any, drafts: list[int]) -> tuple[int, int]:
            self.calls += 1
            if self.calls == 1:
                import os

                os._exit(3)
            return rrs(p, q, drafts)

    verify = Dies()
    with Fresh(in_order(verify, 5.0)) as fresh:
        assert fresh.ask([(FEW[0], (FEW[0].tuples[0], (), 0))]) is None
        verify.calls = 1
        report = Report("engine", "node", "iid", 2)
        assert check_first_calls(fresh, NodeEngine(verify), FEW, report, SETTINGS) == ""


def test_a_report_says_which_calls_that_come_once_were_tried() -> None:
    report = Report("engine", "node", "iid", 2)
    report.coverage = Coverage(once=["the first 4 calls (16 times)"])
    (row,) = [row for row in covered(report) if row[0] == "calls that come once"]
    assert row[1:] == ("the first 4 calls (16 times)", "the call behind a bad input, others")


@pytest.mark.parametrize("copies", [True, False])
def test_a_token_in_a_buffer_is_advice(copies: bool) -> None:
    buffer = torch.zeros(1, dtype=torch.long)

    def verify(p: Any, q: Any, drafts: list[int]) -> tuple[Any, int]:
        buffer[0], slot = target_lookup(p, q, drafts)
        return buffer.clone() if copies else buffer, slot

    engine = NodeEngine(verify)
    for _ in range(20):
        engine.real(FEW[0], FEW[0].tuples[0])
    assert engine.reused is not copies
    assert not in_a_buffer().proof


class Chain:
    """Rejects and draws from the residual, with explicit noise; wrong in one batch."""

    protocol, branchings = "uniform", [(1,)]

    def __init__(self, wrong: str):
        self.wrong, self.batches, self.broken = wrong, 0, False

    def noise(self, batch: TreeBatch) -> tuple[NoiseSpec, ...]:
        return NoiseSpec("test", ()), NoiseSpec("last", ())

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        assert batch.q is not None
        self.batches += 1
        wrong = {"first": self.batches == 1, "behind NaN": self.broken, "never": False}[self.wrong]
        self.broken = bool(batch.p[:, 0].isnan().any())
        rows, x = torch.arange(len(batch.token)), batch.token[:, 1]
        kept = noise["test"].double() * batch.q[rows, 0, x] < batch.p[rows, 0, x]
        kept |= wrong
        rest = torch.where(kept[:, None], batch.p[:, 1], (batch.p[:, 0] - batch.q[:, 0]).clamp(min=0))
        ends = torch.where(rest.sum(1, keepdim=True) > 0, rest, batch.p[:, 0]).cumsum(1)
        last = (ends <= noise["last"].double()[:, None] * ends[:, -1:]).sum(1).clamp(max=batch.p.shape[2] - 1)
        return Emitted(torch.stack([torch.where(kept, x, last), torch.where(kept, last, -1)], 1), 1 + kept.long())


@pytest.mark.parametrize("wrong", ["first", "behind NaN", "never"])
def test_a_batch_that_comes_once_fails_where_it_alone_is_wrong(wrong: str) -> None:
    problem, report, engine = TreeProblem("chain", 3, (1,)), Report("engine", "uniform", "iid", 1), Chain(wrong)
    with one_thread():
        fresh = first_batch(engine, problem, SETTINGS)
        assert fresh is not None
        with fresh:
            assert check_first_batch(fresh, problem, report, SETTINGS)
        assert report.proved is (wrong == "first")
        engine.batches = 1
        assert check_after_nan(TreeEngine(engine, 5.0), problem, report, SETTINGS)
    assert report.proved is (wrong != "never"), report.findings
