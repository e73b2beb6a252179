"""Engines of batches get searched problems and are asked what they keep, at the root of their trees."""

from typing import Any

import numpy as np
import pytest
from gate_chains import Chain, Seeded, Siblings, Weights

from spechub_lp.drafts import by_name
from spechub_lp.errors import SpecHubError
from spechub_lp.gate import Problem, Settings, check_tree
from spechub_lp.gate.checks.at_root import AtRoot
from spechub_lp.gate.clock import chosen
from spechub_lp.gate.engines.tree import TreeEngine
from spechub_lp.gate.protocols import Emitted, TreeBatch
from spechub_lp.gate.results import Report
from spechub_lp.gate.run import _saved
from spechub_lp.gate.serialize import case_document


class ArgmaxOfLittle(Chain):
    """The largest token of the residual where less than 0.05 of it is left."""

    def residual(self, p: Weights, q: Weights, token: int) -> Weights:
        rest = super().residual(p, q, token)
        return np.eye(len(p))[rest.argmax()] if rest.sum() < 0.05 else rest


class WrongBonus(Chain):
    def row(self, p: Weights, q: Weights, x: list[int], uniforms: list[float], last: float) -> list[int]:
        row = super().row(p, q, x, uniforms, last)
        return [*row[:-1], (row[-1] + 1) % len(p[0])] if len(row) > 1 and len(p[0]) > 6 else row


class KeyedByP(Chain):
    """The residual of a target is kept, whatever the drafts come from."""

    def __init__(self) -> None:
        self.kept: dict[tuple[float, ...], Weights] = {}

    def residual(self, p: Weights, q: Weights, token: int) -> Weights:
        return self.kept.setdefault(tuple(p.tolist()), super().residual(p, q, token))


class Late(Chain):
    """Right for so many rows; then it accepts whatever is drafted."""

    rows = 3000

    def accepts(self, p: Weights, q: Weights, token: int, uniform: float) -> bool:
        self.rows -= 1
        return self.rows < 0 or super().accepts(p, q, token, uniform)


class SeededAbove50(Seeded):
    """Takes the target for the draft distribution where there are more than 50 tokens."""

    draft: Any = property()  # it has no drafter of its own

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        if batch.p.shape[2] > 50:
            batch = TreeBatch(batch.parent, batch.token, batch.p, batch.p.clone(), batch.draft_distribution)
        return super().__call__(batch, seed=seed, offset=offset)


class SeededRight(Seeded):
    draft: Any = property()


def at_root(engine: Any, policy: str = "iid", shape: tuple[int, ...] = (1,), searched: int = 24) -> AtRoot:
    report = Report("engine", engine.protocol, policy, shape[0])
    settings = Settings(seconds=300, searched=searched)
    looked = AtRoot(TreeEngine(engine, 5.0), [(by_name(policy), shape)], report, settings)
    with chosen("cpu"):
        looked.search(exact=engine.protocol != "seeded")
    return looked


@pytest.mark.parametrize(
    "engine", [pytest.param(ArgmaxOfLittle(), marks=pytest.mark.slow), WrongBonus()], ids=lambda e: type(e).__name__
)
def test_a_searched_problem_fails_and_is_saved_shrunk(engine: Any) -> None:
    report = at_root(engine).report
    assert report.exit_code == 1
    saved = case_document(report)["case"]
    assert len(saved["problem"]["p"]) <= 12
    drafts, k, settings, cases, _ = _saved(saved, Settings(levels=(0, 1), clock="cpu"))
    assert check_tree(engine, drafts, k, settings=settings, cases=cases).exit_code == 1
    assert check_tree(Chain(), drafts, k, settings=settings, cases=cases).status == "pass"
    with pytest.raises(SpecHubError, match="no tree whose root"):
        check_tree(Chain(), drafts, k, cases=[Problem("two", (0.5, 0.5), (0.5, 0.5), 2)])


@pytest.mark.parametrize("engine", [KeyedByP(), Late()], ids=lambda e: type(e).__name__)
def test_what_an_engine_of_batches_keeps_is_seen(engine: Any) -> None:
    assert at_root(engine, searched=2).report.exit_code == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "policy", "shape"),
    [(Chain(), "iid", (1, 1)), (Siblings(), "top_k", (2, 1)), (SeededRight(), "iid", (1,))],
    ids=["chain", "siblings", "seeded"],
)
def test_right_engines_pass(engine: Any, policy: str, shape: tuple[int, ...]) -> None:
    looked = at_root(engine, policy, shape, searched=10)
    assert not looked.report.proved, looked.report.findings
    assert len(looked.looked_at) + looked.not_reached == looked.planned == 10


@pytest.mark.slow
def test_draws_show_a_gross_bias_of_a_searched_problem() -> None:
    assert at_root(SeededAbove50(), searched=40).report.exit_code == 1
