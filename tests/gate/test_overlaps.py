"""Noise of one seed and offset that comes again with another fails an engine; streams that are apart pass."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from power.chains import Chain
from power.rules import by_cdf

from spechub_lp.drafts import by_name
from spechub_lp.gate import Settings, check_tree
from spechub_lp.gate.checks.overlaps import check_overlaps
from spechub_lp.gate.clock import chosen
from spechub_lp.gate.engines.tree import TreeEngine
from spechub_lp.gate.protocols import Emitted, TreeBatch
from spechub_lp.gate.results import Kind, Report
from spechub_lp.report.text.gate_table import text

Key = Callable[[int, int, int, int, int], list[int]]
"""Of (seed, offset, row, place, rows): which number it is."""


class Keyed:
    """A chain whose uniforms are found under keys."""

    protocol = "seeded"
    branchings = ((1,), (1, 1))

    def __init__(self, key: Key):
        self.key = key

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        rows, n = batch.token.shape
        keys = [[self.key(seed, offset, b, i, rows) for i in range(n)] for b in range(rows)]
        noise = torch.tensor([[np.random.default_rng(key).random() for key in row] for row in keys])
        return Chain().verify(batch, noise[:, 1:], noise[:, 0])


WRONG: dict[str, Key] = {
    "the seed and the row are added": lambda s, o, b, i, rows: [s + b, o, i],
    "the offset and the row are added": lambda s, o, b, i, rows: [s, o + b, i],
    "the seed and the offset are added": lambda s, o, b, i, rows: [s + o, b, i],
    "rows are counted on by the size of the batch": lambda s, o, b, i, rows: [s, o * rows + b, i],
    "a step takes more numbers than its counter moves on": lambda s, o, b, i, rows: [s, b, 2 * o + i],
    "rows of two numbers lie in a stream, steps by one row less": lambda s, o, b, i, rows: [
        s,
        2 * (o * (rows - 1) + b) + i,
    ],
    "the last bit of the offset is lost": lambda s, o, b, i, rows: [s, o // 2, b, i],
}
RIGHT: dict[str, Key] = {
    "all four": lambda s, o, b, i, rows: [s, o, b, i],
    "a counter with room": lambda s, o, b, i, rows: [s, b, 4 * o + i],
    "the size of the batch too": lambda s, o, b, i, rows: [rows, s, o, b, i],
}


def looked_at(engine: Any, drafts: str = "iid", k: int = 1, seed: int = 0) -> tuple[Report, int]:
    report = Report("mine", "seeded", drafts, k)
    with chosen("cpu"):
        return report, check_overlaps(TreeEngine(engine, 5), by_name(drafts), k, report, Settings(seed=seed))


@pytest.mark.parametrize("key", WRONG.values(), ids=WRONG)
def test_noise_that_comes_again_fails(key: Key) -> None:
    report, _ = looked_at(Keyed(key))
    assert [finding.kind for finding in report.findings] == [Kind.KEPT_NOISE]


@pytest.mark.parametrize("key", RIGHT.values(), ids=RIGHT)
def test_streams_that_are_apart_pass(key: Key) -> None:
    for seed in (0, 7):
        report, calls = looked_at(Keyed(key), seed=seed)
        assert not report.findings
        assert calls == 28


class Siblings:
    """Target lookup of two siblings: a token of p, which is accepted if it was drafted."""

    protocol = "seeded"
    branchings = ((2,),)

    def __init__(self, apart: bool):
        self.apart = apart

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        out = torch.full((len(batch.token), 2), -1)
        for b, p in enumerate(batch.p):
            key = [seed, offset, b] if self.apart else [seed, offset + b]
            u, last = np.random.default_rng(key).random(2)
            out[b, 0] = y = by_cdf(p[0], u)
            if y in (drafts := batch.token[b, 1:].tolist()):
                out[b, 1] = by_cdf(p[1 + drafts.index(y)], last)
        return Emitted(out, (out >= 0).sum(dim=1))


@pytest.mark.parametrize("drafts", ["iid", "without_replacement", "top_k", "hub", "greedy"])
@pytest.mark.parametrize("apart", [True, False])
def test_siblings_of_every_policy(drafts: str, apart: bool) -> None:
    report, calls = looked_at(Siblings(apart), drafts, 2)
    assert calls
    assert bool(report.findings) is not apart


@pytest.mark.slow
def test_a_run_says_that_streams_were_compared() -> None:
    brief = Settings(seconds=8, searched=0, clock="cpu", draws=2048)
    report = check_tree(Keyed(RIGHT["all four"]), settings=brief)
    assert report.exit_code != 1, text(report)
    assert report.coverage
    assert any("streams of noise" in words for words in report.coverage.batches)
    report = check_tree(Keyed(WRONG["a step takes more numbers than its counter moves on"]), settings=brief)
    assert any("comes again with" in finding.message for finding in report.findings), text(report)
