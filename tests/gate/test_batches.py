"""Batches of unlike rows: what mixes rows, shares noise between them or repeats it fails; what may differ passes."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gate_chains import Block, Chain, Seeded, Weights, by_cdf

from spechub_lp.cli.terminal import about
from spechub_lp.drafts import by_name
from spechub_lp.gate import Settings, check_tree
from spechub_lp.gate.checks import batches
from spechub_lp.gate.checks.batches import check_batches
from spechub_lp.gate.checks.covered import note_coverage
from spechub_lp.gate.clock import chosen
from spechub_lp.gate.coverage.watch import Watcher
from spechub_lp.gate.engines.tree import TreeEngine
from spechub_lp.gate.problems.batches import SURE, UnlikeRows
from spechub_lp.gate.problems.tree import TreeProblem
from spechub_lp.gate.protocols import Emitted, TreeBatch
from spechub_lp.gate.results import Report
from spechub_lp.gate.statistics.tables import EqualBet, TableBet, repeats
from spechub_lp.report.html.page import page
from spechub_lp.report.text.gate_summary import junit, markdown
from spechub_lp.report.text.gate_table import text

SETTINGS = Settings(seconds=200, clock="cpu")


class Ragged(Chain):
    """Right, on rows of any length."""

    ragged = True

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        assert batch.q is not None
        self.p, self.q = batch.p.numpy(), batch.q.numpy()
        self.drafts = [[t for t in x if t >= 0] for x in batch.token[:, 1:].tolist()]
        uniforms, last = (a.tolist() for a in self.mixed(noise["uniforms"].double(), noise["last"].double()))
        rows = [self.row(self.target(b), self.offer(b), x, uniforms[b], last[b]) for b, x in enumerate(self.drafts)]
        width = batch.token.shape[1]
        return Emitted(torch.tensor([r + [-1] * (width - len(r)) for r in rows]), torch.tensor([len(r) for r in rows]))

    def mixed(self, uniforms: torch.Tensor, last: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return uniforms, last

    def target(self, b: int) -> Weights:
        row: Weights = self.p[b]
        return row

    def offer(self, b: int) -> Weights:
        row: Weights = self.q[b]
        return row


class OneUniform(Ragged):
    def mixed(self, uniforms: torch.Tensor, last: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return uniforms[:1].expand_as(uniforms), last


class Repeats(Ragged):
    def __init__(self, period: int) -> None:
        self.period = period

    def mixed(self, uniforms: torch.Tensor, last: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.arange(len(last)) % self.period
        return uniforms[rows], last[rows]


class NextProposal(Ragged):
    def offer(self, b: int) -> Weights:
        row: Weights = self.q[(b + 1) % len(self.q)]
        return row


class NextTargetFrom8(Ragged):
    def target(self, b: int) -> Weights:
        row: Weights = self.p[min(b + 1, len(self.p) - 1)] if b >= 8 else self.p[b]
        return row


class ResidualOfRowZero(Ragged):
    def row(self, p: Weights, q: Weights, x: list[int], uniforms: list[float], last: float) -> list[int]:
        first = np.nan_to_num(self.offer(0))
        for i, token in enumerate(x):
            if not self.accepts(p[i], q[i], token, uniforms[i]):
                return [*x[:i], by_cdf(self.residual(p[i], first[i], token), last)]
        return [*x, by_cdf(p[len(x)], last)]


class PaddingLeaks(Ragged):
    """Rows that are shorter than the batch mix the padding's target into their last one."""

    def target(self, b: int) -> Weights:
        p: Weights = self.p[b].copy()
        length = len(self.drafts[b])
        if length < len(p) - 1 and not np.isnan(p[length + 1]).any():
            p[length] = (p[length] + p[length + 1]) / 2
        return p


class LastOfAnOddBatch(Ragged):
    def mixed(self, uniforms: torch.Tensor, last: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.arange(len(last))
        if len(rows) % 2 and len(rows) > 1:
            rows[-1] -= 1
        return uniforms[rows], last


class EmptyRowsShare(Ragged):
    """A row without drafts draws with the uniform of the row above it."""

    def mixed(self, uniforms: torch.Tensor, last: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        empty = torch.tensor([not x for x in self.drafts])
        return uniforms, torch.where(empty, last.roll(1), last)


class GreedyIsCatching(Ragged):
    """One sure row in the batch makes all rows greedy."""

    def target(self, b: int) -> Weights:
        greedy = bool((self.p[:, 0] == 1).any()) and len(self.p) > 1
        row: Weights = np.eye(4)[np.nan_to_num(self.p[b]).argmax(1)] if greedy else self.p[b]
        return row


class ByTheNumberOfTheRow(Block, Ragged):
    """Right, although rows answer differently alone: odd rows by block verification, the others token by token."""

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        self.b = -1
        return Ragged.__call__(self, batch, noise)

    def row(self, *arguments: Any) -> list[int]:
        self.b += 1
        return (Block if self.b % 2 else Chain).row(self, *arguments)


class Host:
    protocol = "host"
    branchings = [(1,), (1, 1)]

    def __call__(self, batch: TreeBatch) -> Emitted:
        rows, nodes = batch.token.shape
        return Ragged()(batch, {"uniforms": self.noise(rows, nodes - 1), "last": self.noise(rows, 1)[:, 0]})

    def noise(self, rows: int, n: int) -> torch.Tensor:
        return torch.rand(rows, n, dtype=torch.float64)


class HostNoiseOf32Rows(Host):
    def noise(self, rows: int, n: int) -> torch.Tensor:
        return torch.rand(32, n, dtype=torch.float64)[torch.arange(rows) % 32]


class HostPool(Host):
    def __init__(self) -> None:
        self.pool, self.place = torch.rand(999, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), 0

    def noise(self, rows: int, n: int) -> torch.Tensor:
        places = (self.place + torch.arange(rows * n)) % len(self.pool)
        self.place += rows * n
        return self.pool[places].reshape(rows, n)


class Device(Seeded):
    """A chain on noise of (seed, offset), both as wide as they come."""

    branchings: Any = [(1, 1)]

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        rows, nodes = batch.token.shape
        seed, offset = self.read(seed, offset)
        noise = torch.from_numpy(np.random.default_rng([seed, offset]).random((rows, nodes)))
        return Ragged()(batch, {"uniforms": noise[:, 1:], "last": noise[:, 0]})

    def read(self, seed: int, offset: int) -> tuple[int, int]:
        return seed, offset


class SeedIn8Bits(Device):
    def read(self, seed: int, offset: int) -> tuple[int, int]:
        return seed % 256, offset


class OffsetIn4Bits(Device):
    def read(self, seed: int, offset: int) -> tuple[int, int]:
        return seed, offset % 16


class OffsetHalved(Device):
    def read(self, seed: int, offset: int) -> tuple[int, int]:
        return seed, offset // 2


class ResidualIsPFrom8(Ragged):
    branchings: Any = [(1,)]

    def residual(self, p: Weights, q: Weights, token: int) -> Weights:
        return p if len(p) >= 8 else super().residual(p, q, token)


class IdsIn8Bits(ResidualIsPFrom8):
    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        out = Ragged.__call__(self, batch, noise)
        return Emitted(torch.where(out.tokens >= 0, out.tokens % 256, -1), out.n)

    def residual(self, p: Weights, q: Weights, token: int) -> Weights:
        return Ragged.residual(self, p, q, token)


def checked(engine: Any, policy: str = "iid", k: int = 1) -> Report:
    report = Report("engine", engine.protocol, policy, k)
    with chosen("cpu"):
        check_batches(TreeEngine(engine, 5.0), by_name(policy), k, report, SETTINGS, float("inf"))
    return report


WRONG = (
    (OneUniform(), ""),
    (Repeats(64), "64 above it"),
    (NextProposal(), "follow"),
    (NextTargetFrom8(), "p = 0"),
    (ResidualOfRowZero(), "follow"),
    (PaddingLeaks(), "p = 0"),
    (LastOfAnOddBatch(), "1 above it"),
    (EmptyRowsShare(), "a row without drafts depends on the row above it"),
    (GreedyIsCatching(), "follow"),
    (ResidualIsPFrom8(), "V from 9 to 1,030"),
    (IdsIn8Bits(), "V from 9 to 1,030"),
    (HostNoiseOf32Rows(), "noise is"),
    (HostPool(), "noise is"),
    (SeedIn8Bits(), "seed that differs in bit"),
    (OffsetIn4Bits(), "offset that differs in bit"),
    (OffsetHalved(), "in the batch before"),
)


@pytest.mark.parametrize(("engine", "says"), WRONG, ids=[type(engine).__name__ for engine, _ in WRONG])
def test_rows_that_are_mixed_up_or_share_noise_fail(engine: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "DEEPER", ())
    report = checked(engine)
    assert report.exit_code == 1, report.findings
    assert any(says in f.message for f in report.findings if f.proof), report.findings


@pytest.mark.slow
def test_noise_that_repeats_from_row_1024_on_fails() -> None:
    assert "1024 above it" in checked(Repeats(1024)).findings[0].message


RIGHT = (Ragged(), Host(), Device(), Block())


@pytest.mark.parametrize("engine", RIGHT, ids=lambda e: type(e).__name__)
def test_right_engines_pass(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "DEEPER", ())
    report = checked(engine)
    assert report.exit_code == 0, report.findings
    assert "1,088" in report.findings[-1].message


def test_every_form_of_a_batch_engines_report_has_the_table_of_what_was_covered() -> None:
    class NeverWide(Ragged):
        def target(self, b: int) -> Weights:
            if self.p.shape[2] > 9000:
                return super().target(0)
            return super().target(b)

    few = [TreeProblem("one", 3, (1,)), TreeProblem("three", 3, (1,) * 3, loose=(0, 1))]
    report = check_tree(NeverWide(), "iid", 1, cases=few, settings=Settings(levels=(0, 1)))
    assert report.coverage is not None
    report.coverage.batches = ["1,1 (17 rows)"]
    line = NeverWide.target.__code__.co_firstlineno + 2
    report.coverage.unvisited = [u for u in report.coverage.unvisited if f"line {line} never ran" in u]
    document = json.loads(json.dumps(report.document()))
    shown = [text(report), markdown(report), junit(report), page({**about("gate"), **document}), json.dumps(document)]
    for form in (" ".join(each.split()) for each in shown):
        for words in ("zeros in p", "1,1 (17 rows)", f"line {line} never ran"):
            assert words in form, words
    assert document["coverage"]["sizes"] == [3]
    required = replace(report, inconclusive=[], settings={"require_coverage": True})
    note_coverage(required, few, Watcher(NeverWide()), draws=0, drawn=None)
    assert required.exit_code == 3


def test_a_rule_that_goes_by_the_number_of_a_row_passes_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "DEEPER", ())
    report = checked(ByTheNumberOfTheRow())
    assert report.exit_code == 0, report.findings
    assert any("differently alone" in f.message and not f.proof for f in report.findings)


@pytest.mark.slow
def test_a_longer_chain_than_the_engine_names_gives_advice_and_no_verdict() -> None:
    class LongRowsAreSwapped(Chain):
        def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
            out = super().__call__(batch, noise)
            return Emitted(out.tokens.roll(1, 0), out.n.roll(1, 0)) if batch.token.shape[1] > 3 else out

    settings = Settings(seconds=20, searched=0, clock="cpu")
    report = check_tree(LongRowsAreSwapped(), "iid", 1, settings=settings)
    assert report.status == "pass"
    advice = [finding for finding in report.findings if "(chains of 3)" in finding.message]
    assert [finding.proof for finding in advice] == [False]
    named = LongRowsAreSwapped()
    named.branchings = [(1,), (1, 1, 1)]
    assert check_tree(named, "iid", 1, settings=settings).exit_code == 1


def test_a_long_chain_is_exact_at_every_depth() -> None:
    class WrongFrom(Chain):
        branchings = [(1,) * 4]
        first_wrong = 4

        def row(self, p: Weights, q: Weights, x: list[int], uniforms: list[float], last: float) -> list[int]:
            for i, token in enumerate(x):
                if not self.accepts(p[i], q[i], token, uniforms[i]):
                    return [*x[:i], by_cdf(p[i] if i >= self.first_wrong else self.residual(p[i], q[i], token), last)]
            return [*x, by_cdf(p[len(x)], last)]

    level_1 = Settings(levels=(0, 1), searched=0, clock="cpu")
    wrong, right = WrongFrom(), WrongFrom()
    wrong.first_wrong = 3
    assert check_tree(wrong, "iid", 1, settings=level_1).exit_code == 1
    report = check_tree(right, "iid", 1, settings=level_1)
    assert report.status == "pass"
    assert report.distance < 1e-6
    assert len(report.rows) == 4


def test_a_row_before_padding_has_its_exact_distribution() -> None:
    class ShortRowsAccept(Ragged):
        def row(self, p: Weights, q: Weights, x: list[int], uniforms: list[float], last: float) -> list[int]:
            return super().row(p, q, x, [0.0] * len(uniforms) if len(x) < len(uniforms) else uniforms, last)

    cases = [TreeProblem("padded", 3, (1,), padding=2)]
    assert check_tree(ShortRowsAccept(), "iid", 1, cases=cases).exit_code == 1
    assert check_tree(Ragged(), "iid", 1, cases=cases).status == "pass"
    assert TreeProblem.read(cases[0].document()) == cases[0]
    deep = replace(cases[0], branching=(1,) * 8, loose=(0, 7), padding=0)
    assert TreeProblem.read(deep.document()) == deep


def test_unlike_rows_by_hand() -> None:
    rows = UnlikeRows((2, 1), by_name("without_replacement"), 40, ragged=True)
    rows.redraw(np.random.default_rng(0))
    batch = rows.batch(range(40))
    assert batch.p.shape == (40, 5, 4)
    for b in range(40):
        nodes = 1 + (rows.lengths[b] > 0) * 2 + (rows.lengths[b] > 1) * 2
        assert (batch.token[b] >= 0).sum() == nodes - 1
        assert (batch.parent[b] >= 0).sum() == nodes - 1
        assert torch.isnan(batch.p[b]).any(dim=1).sum() == 5 - nodes
        for node in range(nodes):
            assert batch.p[b, node].sum() == pytest.approx(1)
            last = rows.trees[b, node]
            target = rows.distributions[0, rows.base[b], rows.depths[node], last]
            assert batch.p[b, node][rows.names[b]].tolist() == target.tolist()
    assert (rows.base == SURE).any()
    y = rows.completed([3, 4], [(2,), (0, 1, 3)], np.random.default_rng(0))
    assert rows.names[3][y[0, 0]] == 2
    assert rows.names[4][y[1]].tolist() == [0, 1, 3]


def test_wide_unlike_rows_by_hand() -> None:
    rows = UnlikeRows((1, 1), by_name("iid"), 30, ragged=True, vocabulary=70)
    rows.redraw(np.random.default_rng(0))
    batch = rows.batch(range(30))
    assert batch.p.shape == (30, 3, 70)
    assert (rows.names == 69).any(axis=1).all()
    for b in range(30):
        target = rows.distributions[0, rows.base[b], 0, -1]
        assert batch.p[b, 0][rows.names[b]].tolist() == target.tolist()
        assert batch.p[b, 0].sum() == pytest.approx(1)
        assert (rows.tokens[b] < 4).sum() == 4
        assert rows.tokens[b][rows.names[b]].tolist() == [0, 1, 2, 3]


def test_right_outcomes_win_no_bet() -> None:
    rng = np.random.default_rng(0)
    p = np.asarray([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    contexts = rng.integers(0, 2, 5000)
    y = (rng.random(5000)[:, None] > p[contexts].cumsum(axis=1)).sum(axis=1).clip(max=2)
    table, equal = TableBet(p), EqualBet()
    table.update(contexts, y)
    equal.update(p[contexts[1:], y[:-1]], y[1:] == y[:-1])
    assert table.log_wealth < 10
    assert equal.log_wealth < 10
    scores = (y == 0) - p[contexts, 0]
    variances = p[contexts, 0] * (1 - p[contexts, 0])
    assert repeats(scores, variances, 1e-6) is None
    assert repeats(np.tile(scores[:500], 10), np.tile(variances[:500], 10), 1e-6) is not None
    impossible = TableBet(np.asarray([[1.0, 0.0]]))
    impossible.update(np.asarray([0]), np.asarray([1]))
    assert impossible.log_wealth == float("inf")
