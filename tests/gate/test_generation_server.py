"""A server in a process of its own: right and wrong loops behind it, and everything else that a server may do."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from places import ROOT

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.generation import settings
from spechub_lp.gate.generation.draws import check_draws, check_logprobs, check_seeds
from spechub_lp.gate.generation.engines.openai import OpenAIServer
from spechub_lp.gate.generation.exact import Limits
from spechub_lp.gate.generation.pair import TinyPair, make_pair, write_pair
from spechub_lp.gate.generation.results import Row, Verdict
from spechub_lp.gate.generation.run import Plan, gate_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spechub_lp.gate.generation.settings import Setting

LIMITS = Limits(seconds=300, time_limit=20, distance=0.15, draws=20_000)
CHECKS = {"joint": check_draws, "logprobs": check_logprobs, "seeds": check_seeds}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> TinyPair:
    return write_pair(make_pair(3), tmp_path_factory.mktemp("pair"))


@contextmanager
def serving(pair: TinyPair, loop: str) -> Iterator[str]:
    script = ROOT / "tests" / "support" / "completion_server.py"
    command = [sys.executable, str(script), str(pair.folder), loop]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


def checked(pair: TinyPair, loop: str, check: str, setting: str, limits: Limits = LIMITS, tokens: int = 2) -> Row:
    with serving(pair, loop) as url:
        engine = OpenAIServer(url, pair, limits.time_limit)
        return CHECKS[check](engine, pair, settings.find(setting), 2, tokens, limits)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["sampling", "temperature 0.6 + top-k 2", "greedy", "end token"])
def test_a_right_server_passes_by_draws(pair: TinyPair, setting: str) -> None:
    row = checked(pair, "Loop", "joint", setting)
    assert (row.verdict, row.message) == (Verdict.WITHIN, "")
    assert row.bound is not None
    assert row.bound < LIMITS.distance


@pytest.mark.slow
@pytest.mark.parametrize("check", ["logprobs", "seeds"])
def test_a_right_server_reports_and_repeats(pair: TinyPair, check: str) -> None:
    assert checked(pair, "Loop", check, "temperature 0.6").verdict == Verdict.EXACT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loop", "check", "setting", "says"),
    [
        ("AlwaysAccepts", "joint", "sampling", "position 0 right behind the prompt"),
        ("ResidualIsTarget", "joint", "sampling", "position 0 right behind the prompt"),
        ("BonusWithoutMask", "joint", "masked token", "plain decoding gives it probability 0"),
        ("KeptNoise", "joint", "sampling", "against odds of"),
        ("KeptNoise", "seeds", "sampling", "48 seeds all give"),
        ("IgnoresSeeds", "seeds", "sampling", "and then"),
        ("NoiseOfTheBatch", "seeds", "sampling", "depends on its company"),
        ("LogprobsOfAccepted", "logprobs", "sampling", "position 0 after (): token"),
        ("OtherIds", "joint", "sampling", "outside the vocabulary"),
        ("Misbehaves", "joint", "sampling", "illegal memory access"),
        ("Crashes", "joint", "sampling", "the connection ended"),
        ("Half", "joint", "sampling", "half an answer"),
    ],
)
def test_a_wrong_server_is_failed(pair: TinyPair, loop: str, check: str, setting: str, says: str) -> None:
    row = checked(pair, loop, check, setting, tokens=3)
    assert row.verdict == Verdict.FAILED
    assert says in row.message


@pytest.mark.slow
def test_a_server_that_hangs_is_failed_and_a_slow_one_is_not_settled(pair: TinyPair) -> None:
    hung = checked(pair, "Hangs", "joint", "sampling", Limits(seconds=60, time_limit=3, distance=0.02))
    assert (hung.verdict, "no answer within 3 seconds" in hung.message) == (Verdict.FAILED, True)
    slow = checked(pair, "Slow", "joint", "sampling", Limits(seconds=3, time_limit=20, distance=0.02))
    assert slow.verdict == Verdict.INCONCLUSIVE
    assert "the time ended" in slow.message


@pytest.mark.slow
def test_arguments_that_a_server_does_not_take_are_no_fault(pair: TinyPair) -> None:
    assert checked(pair, "Loop", "joint", "typical-p 0.95").verdict == Verdict.NOT_OFFERED
    row = checked(pair, "Loop", "joint", "repetition penalty 1.5")
    assert (row.verdict, "no plain server" in row.message) == (Verdict.NOT_OFFERED, True)


@pytest.mark.slow
def test_two_servers_are_compared_by_pairs_of_answers(pair: TinyPair) -> None:
    bigrams: Setting = settings.find("sampling")
    with serving(pair, "Plain") as plain, serving(pair, "Loop") as right, serving(pair, "AlwaysAccepts") as wrong:
        for url, verdict in ((right, Verdict.WITHIN), (wrong, Verdict.FAILED)):
            from spechub_lp.gate.generation import draws

            engine = OpenAIServer(url, pair, 20, plain)
            params = bigrams.params(2, 2)
            asking = draws.Asking(engine, pair, [pair.prompt], params, LIMITS, float("inf"))
            row = draws._against_plain(asking, bigrams, bigrams.params(0, 2), params)
            assert row.verdict == verdict


@pytest.mark.slow
def test_a_run_on_a_server_has_every_check(pair: TinyPair) -> None:
    assert pair.folder
    with serving(pair, "Loop") as url:
        plan = Plan((settings.find("greedy"),), tokens=2, limits=LIMITS)
        report = gate_engine(url, pair.folder, plan)
    assert [row.check for row in report.rows] == ["joint distribution", "log-probabilities", "seeds"]
    assert json.loads(json.dumps(report.document()))["engine"] == url


@pytest.mark.parametrize("url", ["http://192.0.2.1:80", "http://example.org", "ftp://127.0.0.1", "127.0.0.1:80"])
def test_only_this_machine_is_asked(url: str) -> None:
    with pytest.raises(SpecHubError, match=r"not on this machine|no address"):
        OpenAIServer(url, make_pair(3), 1.0)
