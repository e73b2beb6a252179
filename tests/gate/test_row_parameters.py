"""What differs from row to row: temperatures, greedy rows and seeds; arrays of numpy and jax; log-probabilities."""

import functools
from typing import Any

import numpy as np
import pytest
import torch
from gate_chains import Chain
from gate_mutants import rrs

from spechub_lp.drafts import by_name
from spechub_lp.errors import SpecHubError
from spechub_lp.gate import Settings, check_node, check_tree, problems
from spechub_lp.gate.checks import batches
from spechub_lp.gate.checks.batches import _deeper, check_batches
from spechub_lp.gate.engines.logprobs import with_logprobs
from spechub_lp.gate.engines.node import Failure
from spechub_lp.gate.engines.tree import Tokens, TreeEngine
from spechub_lp.gate.problems.tree import TreeProblem
from spechub_lp.gate.protocols import Emitted, Logprobs, TreeBatch
from spechub_lp.gate.results import Report
from spechub_lp.report.text.gate_table import text

EXACT = Settings(levels=(0, 1), seconds=120)
FEW = [TreeProblem("few", 2, (1,)), TreeProblem("few with zeros", 3, (1, 1), zeros=True)]


class Rows:
    """Right: every row has its own temperature, its own seed, and a generator of its own where it has one."""

    protocol, branchings, ragged = "host", [(1, 1)], True
    row_parameters: Any = ("temperature", "seed")
    logprobs: Any = "processed"

    def __call__(self, batch: TreeBatch) -> Emitted:
        rows, nodes = batch.token.shape
        assert batch.q is not None
        p = self.targets(batch)
        reported = self.reported(batch, p).numpy()
        noise = [self.noise(seed, nodes + 1) for seed in self.seeds(batch).tolist()]
        tokens, logprobs = np.full((rows, nodes), -1), np.full((rows, nodes), np.nan, dtype=np.float32)
        for b, (of_p, of_q, x) in enumerate(zip(p.numpy(), batch.q.numpy(), batch.token.tolist(), strict=True)):
            row = Chain().row(of_p, of_q, [t for t in x if t >= 0], noise[b][1:], noise[b][0])
            tokens[b, : len(row)] = row
            logprobs[b, : len(row)] = reported[b, range(len(row)), row]
        n = torch.from_numpy((tokens >= 0).sum(1))
        return Emitted(torch.from_numpy(tokens), n, logprobs=torch.from_numpy(logprobs))

    def targets(self, batch: TreeBatch) -> torch.Tensor:
        logits, at = batch.logits()[0].double(), self.temperatures(batch)[:, None, None]
        greedy = torch.nn.functional.one_hot(logits.nan_to_num(-9).argmax(-1), logits.shape[-1]).double()
        return torch.where(at == 0, greedy, (logits / torch.where(at == 0, 1.0, at)).softmax(-1))

    def temperatures(self, batch: TreeBatch) -> torch.Tensor:
        assert batch.temperature is not None
        return batch.temperature.double()

    def noise(self, seed: int, n: int) -> list[float]:
        return (torch.rand(n, dtype=torch.float64) if seed < 0 else np.random.default_rng(seed).random(n)).tolist()

    def seeds(self, batch: TreeBatch) -> torch.Tensor:
        assert batch.seed is not None
        return batch.seed

    def reported(self, batch: TreeBatch, p: torch.Tensor) -> torch.Tensor:
        return p.log().float()


class NoSeeds(Rows):
    row_parameters = ("temperature",)

    def seeds(self, batch: TreeBatch) -> torch.Tensor:
        return torch.full((len(batch.token),), -1)


class Silent(NoSeeds):
    """Right, and reports no log-probabilities."""

    logprobs = None


class RawLogprobs(NoSeeds):
    logprobs = "raw"

    def reported(self, batch: TreeBatch, p: torch.Tensor) -> torch.Tensor:
        return batch.logits()[0].log_softmax(-1)


class TemperatureOfRowZero(Silent):
    def temperatures(self, batch: TreeBatch) -> torch.Tensor:
        return super().temperatures(batch)[:1].expand(len(batch.token))


class TemperatureOfTheNextRow(Silent):
    def temperatures(self, batch: TreeBatch) -> torch.Tensor:
        return super().temperatures(batch).roll(-1)


class NoTemperature(Silent):
    def temperatures(self, batch: TreeBatch) -> torch.Tensor:
        return super().temperatures(batch).clamp(max=1.0)


class GreedyIsSampled(Silent):
    def temperatures(self, batch: TreeBatch) -> torch.Tensor:
        return super().temperatures(batch).clamp(min=0.2)


class OneGeneratorForAllSeeds(Rows):
    def seeds(self, batch: TreeBatch) -> torch.Tensor:
        seeds = super().seeds(batch)
        return torch.where(seeds >= 0, seeds.max(), seeds)


class SeedAndPlace(Rows):
    def seeds(self, batch: TreeBatch) -> torch.Tensor:
        seeds = super().seeds(batch)
        return torch.where(seeds >= 0, seeds + torch.arange(len(seeds)), seeds)


class SeedIn16Bits(Rows):
    def seeds(self, batch: TreeBatch) -> torch.Tensor:
        seeds = super().seeds(batch)
        return torch.where(seeds >= 0, seeds % 2**16, seeds)


class NoSeedIsSeedZero(Rows):
    def seeds(self, batch: TreeBatch) -> torch.Tensor:
        return super().seeds(batch).clamp(min=0)


class SeedOfTheRowAbove(Rows):
    def seeds(self, batch: TreeBatch) -> torch.Tensor:
        return super().seeds(batch).roll(1)


class AcceptedAreSure(NoSeeds):
    def reported(self, batch: TreeBatch, p: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(p)


class RawInPlaceOfProcessed(NoSeeds):
    def reported(self, batch: TreeBatch, p: torch.Tensor) -> torch.Tensor:
        return batch.logits()[0].log_softmax(-1)


class ProcessedInPlaceOfRaw(NoSeeds):
    logprobs = "raw"


class LogprobsOfRowZero(NoSeeds):
    def reported(self, batch: TreeBatch, p: torch.Tensor) -> torch.Tensor:
        return p[:1].log().float().expand(p.shape)


class SaysAndReportsNone(Chain):
    logprobs = "processed"


def in_batches(engine: Any) -> Report:
    report = Report("engine", engine.protocol, "iid", 1)
    check_batches(TreeEngine(engine, 5.0), by_name("iid"), 1, report, Settings(seconds=200), float("inf"))
    return report


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "DEEPER", ())
    monkeypatch.setattr(batches, "MOST_ROWS", 6000)


WRONG = (
    (TemperatureOfRowZero(), ""),
    (TemperatureOfTheNextRow(), ""),
    (NoTemperature(), "follow"),
    (GreedyIsSampled(), "p = 0"),
    (OneGeneratorForAllSeeds(), "a seed of its own"),
    (SeedAndPlace(), "a seed of its own, puts out"),
    (SeedIn16Bits(), "seed of the row that differs in bit"),
    (NoSeedIsSeedZero(), ""),
    (SeedOfTheRowAbove(), "a seed of its own"),
    (LogprobsOfRowZero(), "log-probability"),
)


@pytest.mark.parametrize(("engine", "says"), WRONG, ids=[type(engine).__name__ for engine, _ in WRONG])
def test_parameters_of_another_row_fail(engine: Any, says: str) -> None:
    report = in_batches(engine)
    assert report.exit_code == 1, report.findings
    assert any(says in f.message for f in report.findings if f.proof), report.findings


@pytest.mark.parametrize("engine", [Rows(), RawLogprobs()], ids=lambda e: type(e).__name__)
def test_right_rows_pass(engine: Any) -> None:
    assert in_batches(engine).exit_code == 0


@pytest.mark.slow
def test_right_rows_are_exact_after_their_temperature() -> None:
    report = check_tree(Rows(), "iid", 1, cases=FEW[:1], settings=EXACT)
    assert report.status == "pass", text(report)
    assert report.distance < 1e-6


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        (AcceptedAreSure(), "of an accepted token as if sure"),
        (RawInPlaceOfProcessed(), "before the temperature"),
        (ProcessedInPlaceOfRaw(), "after the temperature"),
        (SaysAndReportsNone(), "it says that it reports log-probabilities"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_wrong_logprobs_fail_and_are_named(engine: Any, says: str) -> None:
    tried, rng = TreeEngine(engine, 5.0), np.random.default_rng(0)
    _, outcomes = tried.draw(FEW[1], rng, 40, 0, 0)
    assert any(isinstance(o, Failure) and o.kind == "log-probabilities" and says in o.message for o in outcomes)


def test_the_logits_of_a_batch_are_made_once_for_all_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, calls = 5, list[int]()
    logits = TreeBatch.logits

    def counted(batch: TreeBatch) -> Any:
        calls.append(len(batch.token))
        return logits(batch)

    monkeypatch.setattr(TreeBatch, "logits", counted)
    p, none = torch.full((rows, 1, 2), 0.5, dtype=torch.float64), torch.full((rows, 1), -1)
    batch = TreeBatch(none, none, p, None, "iid")
    outcomes, said = [Tokens((1,))] * rows, p[:, :, 1].log()
    assert with_logprobs(outcomes, batch, batch, said, Logprobs.RAW) == outcomes
    assert calls == [rows]


class InNumpy(Chain):
    arrays = "numpy"

    def __call__(self, batch: Any, noise: Any) -> Emitted:
        assert all(type(a) is np.ndarray for a in (batch.p, batch.token, noise["last"]))
        parent, token, p, q = (torch.from_numpy(a) for a in (batch.parent, batch.token, batch.p, batch.q))
        batch = TreeBatch(parent, token, p, q, "iid")
        emitted = super().__call__(batch, {name: torch.from_numpy(a) for name, a in noise.items()})
        return Emitted(emitted.tokens.numpy(), emitted.n.numpy())


class ChangesItsNumbers(InNumpy):
    def __call__(self, batch: Any, noise: Any) -> Emitted:
        emitted = super().__call__(batch, noise)
        batch.p[:] = 0
        return emitted


def in_numpy(p: Any, q: Any, drafts: list[int]) -> tuple[Any, int]:
    assert type(p) is np.ndarray
    if np.random.random() * q[drafts[0]] < p[drafts[0]]:
        return np.int64(drafts[0]), 0
    rest = np.maximum(p - q, 0)
    return np.random.choice(len(p), p=rest / rest.sum() if rest.sum() else p), -1


in_numpy.arrays = "numpy"  # type: ignore[attr-defined]


def test_numpys_arrays() -> None:
    assert check_tree(InNumpy(), "iid", 1, cases=FEW, settings=EXACT).status == "pass"
    changed = check_tree(ChangesItsNumbers(), "iid", 1, cases=FEW, settings=EXACT)
    assert "inputs overwritten" in {f.kind for f in changed.findings}
    few = problems("iid", 1, random=0)[:3]
    assert check_node(in_numpy, "iid", 1, cases=few, settings=EXACT).status == "pass"


def test_an_unknown_word_is_misuse() -> None:
    class Cupy(Chain):
        arrays = "cupy"

    class ByTopP(Chain):
        row_parameters = ("top_p",)

    for engine in (Cupy(), ByTopP()):
        with pytest.raises(SpecHubError, match="must be one of"):
            check_tree(engine, "iid", 1)
    odd = functools.partial(rrs)
    odd.arrays = "cupy"  # type: ignore[attr-defined]
    with pytest.raises(SpecHubError, match="arrays = 'cupy'"):
        check_node(odd, "iid", 1)


def test_deeper_shapes_than_an_engine_names() -> None:
    assert _deeper([(1,), (1, 1)]) == []
    assert _deeper([(3,), (3, 1)]) == [(3, 1, 1), (3, 1, 1, 1, 1, 1)]
