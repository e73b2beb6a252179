"""The clock of budgets: one place, so that what a busy machine takes away need not count."""

import re
import time

import pytest
from places import ROOT
from typer.testing import CliRunner

from spechub_lp.cli.app import app
from spechub_lp.errors import UnknownName
from spechub_lp.gate import Settings, check_node, problems
from spechub_lp.gate.clock import CLOCKS, chosen, now
from spechub_lp.gate.engines.node import Hang, time_limit


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
