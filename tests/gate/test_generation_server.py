"""A server in a process of its own: right and wrong loops behind it, and everything else that a server may do."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from known import known
from places import ROOT

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.generation import draws, settings
from spechub_lp.gate.generation.draws import check_draws, check_logprobs, check_seeds
from spechub_lp.gate.generation.engines.openai import OpenAIServer
from spechub_lp.gate.generation.exact import Limits
from spechub_lp.gate.generation.pair import TinyPair, make_pair, write_pair
from spechub_lp.gate.generation.plan import Plan
from spechub_lp.gate.generation.results import Row, Verdict
from spechub_lp.gate.generation.run import gate_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Limits(seconds=300, time_limit=20, distance=0.15, draws=20_000)
CHECKS = {"joint": check_draws, "logprobs": check_logprobs, "seeds": check_seeds}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> TinyPair:
    return write_pair(make_pair(3), tmp_path_factory.mktemp("pair"))


class Server:
    """One process with all loops; a new one when it has died."""

    def __init__(self, pair: TinyPair):
        self.pair = pair
        self.process: subprocess.Popen[str] | None = None

    def url(self, loop: str) -> str:
        if self.process is None or self.process.poll() is not None:
            self.end()
            script = ROOT / "tests" / "support" / "completion_server.py"
            self.process = subprocess.Popen(
                [sys.executable, str(script), str(self.pair.folder)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            self.port = int(known(self.process.stdout).readline())
        return f"http://127.0.0.1:{self.port}/{loop}"

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()

    def checked(self, loop: str, check: str, setting: str, limits: Limits = LIMITS, tokens: int = 2) -> Row:
        engine = OpenAIServer(self.url(loop), self.pair, limits.time_limit)
        return CHECKS[check](engine, self.pair, settings.find(setting), 2, tokens, limits)


@pytest.fixture(scope="module")
def server(pair: TinyPair) -> Iterator[Server]:
    made = Server(pair)
    yield made
    made.end()


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["sampling", "temperature 0.6 + top-k 2", "greedy", "end token"])
def test_a_right_server_passes_by_draws(server: Server, setting: str) -> None:
    row = server.checked("Loop", "joint", setting)
    assert (row.verdict, row.message) == (Verdict.WITHIN, "")
    assert row.bound is not None
    assert row.bound < LIMITS.distance


@pytest.mark.slow
@pytest.mark.parametrize("check", ["logprobs", "seeds"])
def test_a_right_server_reports_and_repeats(server: Server, check: str) -> None:
    assert server.checked("Loop", check, "temperature 0.6").verdict == Verdict.EXACT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loop", "check", "setting", "says"),
    [
        ("AlwaysAccepts", "joint", "sampling", "position 0 right behind the prompt"),
        ("ResidualIsTarget", "joint", "sampling", "position 0 right behind the prompt"),
        ("BonusWithoutMask", "joint", "masked token", "plain decoding gives it probability 0"),
        ("KeptNoise", "joint", "sampling", "against odds of"),
        ("KeptNoise", "seeds", "sampling", "48 seeds all give"),
        ("IgnoresSeeds", "seeds", "sampling", "seed "),  # twice by itself or in company, as chance has it
        ("NoiseOfTheBatch", "seeds", "sampling", "depends on its company"),
        ("LogprobsOfAccepted", "logprobs", "sampling", "position 0 after (): token"),
        ("OtherIds", "joint", "sampling", "outside the vocabulary"),
        ("Misbehaves", "joint", "sampling", "illegal memory access"),
        ("Crashes", "joint", "sampling", "the connection ended"),
        ("Half", "joint", "sampling", "half an answer"),
    ],
)
def test_a_wrong_server_is_failed(server: Server, loop: str, check: str, setting: str, says: str) -> None:
    row = server.checked(loop, check, setting, tokens=3)
    assert row.verdict == Verdict.FAILED
    assert says in row.message


@pytest.mark.slow
def test_a_server_that_hangs_is_failed_and_a_slow_one_is_not_settled(server: Server) -> None:
    hung = server.checked("Hangs", "joint", "sampling", Limits(seconds=60, time_limit=3, distance=0.02))
    assert (hung.verdict, "no answer within 3 seconds" in hung.message) == (Verdict.FAILED, True)
    slow = server.checked("Slow", "joint", "sampling", Limits(seconds=3, time_limit=20, distance=0.02))
    assert slow.verdict == Verdict.INCONCLUSIVE
    assert "the time ended" in slow.message


@pytest.mark.slow
def test_arguments_that_a_server_does_not_take_are_no_fault(server: Server) -> None:
    assert server.checked("Loop", "joint", "typical-p 0.95").verdict == Verdict.NOT_OFFERED
    row = server.checked("Loop", "joint", "repetition penalty 1.5")
    assert (row.verdict, "no plain server" in row.message) == (Verdict.NOT_OFFERED, True)


@pytest.mark.slow
def test_two_servers_are_compared_by_pairs_of_answers(server: Server) -> None:
    setting, pair = settings.find("sampling"), server.pair
    for loop, verdict in (("Loop", Verdict.WITHIN), ("AlwaysAccepts", Verdict.FAILED)):
        engine = OpenAIServer(server.url(loop), pair, 20, server.url("Plain"))
        params = setting.params(2, 2)
        asking = draws.Asking(engine, pair, [pair.prompt], params, LIMITS, float("inf"))
        row = draws._against_plain(asking, setting, setting.params(0, 2), params)
        assert row.verdict == verdict


@pytest.mark.slow
def test_a_run_on_a_server_has_every_check(server: Server) -> None:
    plan = Plan((settings.find("greedy"),), tokens=2, limits=LIMITS)
    report = gate_engine(server.url("Loop"), known(server.pair.folder), plan)
    assert [row.check for row in report.rows] == ["joint distribution", "log-probabilities", "seeds"]
    assert json.loads(json.dumps(report.document()))["engine"] == server.url("Loop")


@pytest.mark.parametrize("url", ["http://192.0.2.1:80", "http://example.org", "ftp://127.0.0.1", "127.0.0.1:80"])
def test_only_this_machine_is_asked(url: str) -> None:
    with pytest.raises(SpecHubError, match=r"not on this machine|no address"):
        OpenAIServer(url, make_pair(3), 1.0)


@pytest.mark.parametrize("listens", [True, False], ids=["silent", "closed"])
def test_where_no_server_answers_that_is_no_finding(listens: bool, pair: TinyPair) -> None:
    """Exit code 2, as for other input that is not there; it was 1, a biased engine."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if listens:
            door.listen()
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        plan = Plan((settings.find("greedy"),), limits=Limits(time_limit=0.3))
        with pytest.raises(SpecHubError, match=f"no server answers at {url} within 0.3 seconds.*--time-limit"):
            gate_engine(url, known(pair.folder), plan)
