"""The clock of budgets: one place, so that what a busy machine takes away need not count."""

import os
import re
import signal
import time

import pytest
import torch
from places import ROOT
from typer.testing import CliRunner

from spechub_lp.cli.app import app
from spechub_lp.drafts import by_name
from spechub_lp.errors import UnknownName
from spechub_lp.gate import Settings, check_node, clock, problems
from spechub_lp.gate.checks.batches import check_batches
from spechub_lp.gate.clock import CLOCKS, COARSE, chosen, now, now_exactly
from spechub_lp.gate.engines import time_limit as limit
from spechub_lp.gate.engines.time_limit import Hang, time_limit
from spechub_lp.gate.engines.tree import TreeEngine
from spechub_lp.gate.protocols import Emitted, TreeBatch
from spechub_lp.gate.results import Report


def test_an_unknown_clock_is_no_clock() -> None:
    with pytest.raises(UnknownName, match="Known: cpu, wall"), chosen("sun"):
        pass
    for words, environment in ((["--clock", "sun"], {}), ([], {"SPECHUB_CLOCK": "sun"})):
        result = CliRunner().invoke(app, ["gate", "spechub/rrs", *words], env=environment)
        assert result.exit_code == 2
        assert "unknown clock 'sun'" in result.stderr


def test_the_clock_is_the_one_of_the_settings_and_only_for_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10**9))
    monkeypatch.setitem(CLOCKS, "ticks", lambda: float(next(ticks)))
    few = problems("iid", 1)[:2]
    report = check_node(lambda p, q, x: (x[0], 0), "iid", 1, cases=few, settings=Settings(clock="ticks", levels=(0, 1)))
    assert report.seconds == int(report.seconds) > 0
    assert report.settings["clock"] == "ticks"
    assert abs(now() - time.monotonic()) < 3600


def test_checks_read_no_other_clock() -> None:
    for folder in ("checks", "search", "problems"):
        for path in (ROOT / "spechub_lp" / "gate" / folder).glob("*.py"):
            assert not re.search(r"\b(monotonic|perf_counter|process_time|time\.time)\(", path.read_text()), path.name


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_cpu_time_moves_and_a_single_call_can_be_timed() -> None:
    with chosen("cpu"):
        start, exactly = now(), now_exactly()
        busy(0.002)
        assert now_exactly() - exactly >= 0.002
        busy(2 * COARSE)
        assert now() - start >= 2 * COARSE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_cpu_time_of_a_fork_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that a fork takes from its parent's CPU time would never come."""
    monkeypatch.setattr(clock, "COARSE", 60)
    busy(0.1)
    with chosen("cpu"):
        now_exactly()
        child = os.fork()
        if child == 0:
            os._exit(0 if now() < 0.1 else 1)
        assert os.waitpid(child, 0)[1] == 0


def forever() -> None:
    while True:
        pass


def test_a_call_that_hardly_had_the_cpu_is_no_hang_yet() -> None:
    with time_limit(0.75):
        time.sleep(1.2)
    with pytest.raises(Hang), time_limit(0.1):
        time.sleep(60)
    with pytest.raises(Hang), time_limit(0.1):
        forever()


def test_an_engine_finds_its_own_alarm_handler_after_a_call() -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        own = signal.getsignal(signal.SIGALRM)
        with time_limit(60):
            assert signal.getsignal(signal.SIGALRM) != own
        assert signal.getsignal(signal.SIGALRM) is own
        with pytest.raises(Hang), time_limit(0.05):
            forever()
        assert signal.getsignal(signal.SIGALRM) is own
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_time_in_which_others_have_the_cpu_is_no_time_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that is: it was far beyond the patience where a run had the lowest priority on a busy machine."""
    monkeypatch.setattr(limit, "waited_for_a_cpu", time.monotonic)
    with time_limit(0.1):
        time.sleep(1)
    with pytest.raises(Hang), time_limit(0.1):
        forever()


class SlowOnce:
    """Right; its first large batch takes longer than a call may, as where other processes have the cores."""

    protocol, branchings = "host", [(1,)]
    hangs = 1

    def __call__(self, batch: TreeBatch) -> Emitted:
        if len(batch.token) > 64 and self.hangs > 0:
            self.hangs -= 1
            forever()
        tokens = batch.p[:, 0].multinomial(1)
        return Emitted(torch.cat([tokens, torch.full_like(tokens, -1)], 1), torch.ones(len(tokens), dtype=torch.int))


@pytest.mark.parametrize(("hangs", "exit_code"), [(1, 0), (10**6, 1)])
def test_a_batch_that_looks_like_a_hang_is_called_again(hangs: int, exit_code: int) -> None:
    engine, report = SlowOnce(), Report("engine", "host", "iid", 1)
    engine.hangs = hangs
    check_batches(TreeEngine(engine, 0.3), by_name("iid"), 1, report, Settings(seconds=20), float("inf"))
    assert report.exit_code == exit_code, report.findings
