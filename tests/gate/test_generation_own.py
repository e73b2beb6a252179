"""Our own loops as whole engines: exact joint distributions, trees deeper than one level, and a wrong loop fails."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from known import known

from spechub_lp.gate.generation import settings
from spechub_lp.gate.generation.engines.own import OwnLoop, Remembered
from spechub_lp.gate.generation.exact import Limits, check_exact
from spechub_lp.gate.generation.joint import joint_distribution
from spechub_lp.gate.generation.pair import TinyPair, make_pair, write_pair
from spechub_lp.gate.generation.requests import Params
from spechub_lp.gate.generation.results import Row, Verdict
from spechub_lp.trees.node_by_node import NodeByNode


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> TinyPair:
    pytest.importorskip("transformers")
    return write_pair(make_pair(3), tmp_path_factory.mktemp("pair"))


def checked(pair: TinyPair, rule: str, setting: str, drafts: int) -> Row:
    engine = OwnLoop(known(pair.folder), rule)
    return check_exact(engine, pair, settings.find(setting), drafts, 2, Limits(600, 60))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "setting", "drafts"),
    [("naive", "sampling", 1), ("nss", "top-k 2", 1), ("rrsw/2^2", "top-k 2", 2)],
)
def test_our_loops_are_exact(pair: TinyPair, rule: str, setting: str, drafts: int) -> None:
    row = checked(pair, rule, setting, drafts)
    assert row.verdict == Verdict.EXACT, row
    assert row.outcomes == (9 if setting == "sampling" else 4)


@pytest.mark.slow
def test_a_wrong_loop_of_ours_is_failed(pair: TinyPair, monkeypatch: pytest.MonkeyPatch) -> None:
    right = NodeByNode.verdict

    def residual_is_the_target(self: NodeByNode, tree: Any, node: int) -> tuple[Any, Any]:
        accept, _ = right(self, tree, node)
        return accept, (1 - accept.sum()) * tree.p[node]

    monkeypatch.setattr(NodeByNode, "verdict", residual_is_the_target)
    row = checked(pair, "naive", "sampling", 1)
    assert row.verdict == Verdict.FAILED, row
    assert "position 0 right behind the prompt" in row.message


class Counting:
    """A reader that says what it has read so far, and counts its calls."""

    def __init__(self) -> None:
        self.text: list[int] = []
        self.calls = 0

    def read(self, tokens: Sequence[int], parents: Sequence[int]) -> Any:
        self.calls += 1
        self.new = list(tokens)
        return np.asarray([self.text + self.new])

    def keep(self, node: int) -> None:
        self.text += self.new[: node + 1]


def test_each_history_of_reads_is_read_once() -> None:
    made: list[Counting] = []
    answers: dict[Any, Any] = {}

    def make() -> Counting:
        made.append(Counting())
        return made[-1]

    def text(*steps: int) -> list[int]:
        remembered = Remembered(make, answers)
        for step in steps:
            said = remembered.read([step], [-1])
            remembered.keep(0)
        return said[0].tolist()  # type: ignore[no-any-return]

    assert text(1, 2) == [1, 2]
    assert text(1, 2) == [1, 2]
    assert text(1, 3, 2) == [1, 3, 2]
    assert [one.calls for one in made] == [2, 3]


class NumpyCoins:
    """Tokens by thresholds on numpy's uniforms: an array's entries, and what is left of one that was used before."""

    name, controlled = "numpy coins", True

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
        one, other = np.random.default_rng().random(2).tolist()
        first = int(one < 0.3)
        left = one / 0.3 if first else (one - 0.3) / 0.7
        return [[first, int(left < 0.5), int(other * 2 - 1 > 0.25)]]


def test_thresholds_are_told_through_arithmetic() -> None:
    found = joint_distribution(NumpyCoins(), [(0,)], Params(), 3, seconds=5)
    assert found.chances[((1, 1, 1),)] == pytest.approx(0.3 * 0.5 * 0.375, abs=1e-7)
    assert found.calls < 100


@pytest.mark.parametrize("kind", [np.float64, float])
def test_what_is_watched_compares_as_it_would(kind: Any) -> None:
    seen: list[Any] = []

    class Compares(NumpyCoins):
        def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
            u = np.random.default_rng().random(2)
            for x in (u[0], u.tolist()[0], u):
                seen.append(
                    (type(x < kind(0.5)), type(1 - x), type(x * kind(2)), type(np.log1p(x)), isinstance(x, float))
                )
            return [[0, 1, 2]]

    joint_distribution(Compares(), [(0,)], Params(), 3, seconds=5)
    real, watched = seen[:3], seen[3:6]
    for one, other in zip(real, watched, strict=True):
        assert all(issubclass(b, a) if isinstance(a, type) else a == b for a, b in zip(one, other, strict=True))
