"""A hub that leaves next to nothing of q: the drafts after it come from there, and the gate has rows of this kind."""

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from gate_mutants import left_is_no_less, little_is_taken_for_more, rrsw, spechub

from spechub_lp.drafts import by_name
from spechub_lp.gate import Problem, Settings, check_node, check_tree, problems
from spechub_lp.gate.adapters import kernels
from spechub_lp.gate.checks import node_search
from spechub_lp.gate.checks.at_root import AtRoot
from spechub_lp.gate.clock import chosen
from spechub_lp.gate.engines.node import Verify
from spechub_lp.gate.engines.tree import TreeEngine
from spechub_lp.gate.problems.node import beside_a_hub, claimed
from spechub_lp.gate.protocols import Emitted, TreeBatch
from spechub_lp.gate.results import Report
from spechub_lp.kernels import border
from spechub_lp.report.text.gate_table import text

POLICY = by_name("without_replacement")
EXACT = Settings(levels=(0, 1), searched=0, clock="cpu")
FAINT = "q leaves 1e-17 beside its hub"


def names(found: list[Problem]) -> list[str]:
    return [problem.name for problem in found if "beside its hub" in problem.name]


@pytest.mark.parametrize("drafts", ["without_replacement", "hub", "greedy"])
def test_policies_that_draft_beside_the_hub_have_the_rows(drafts: str) -> None:
    all_of_them = ["q leaves 1e-9 beside its hub", FAINT, "q leaves 1e-30 beside its hub"]
    assert names(problems(drafts, 2)) == all_of_them
    assert names(claimed(drafts, 2)) == [f"{name}, 2 {drafts} drafts" for name in all_of_them]


@pytest.mark.parametrize(("drafts", "k"), [("iid", 2), ("product", 2), ("top_k", 2), ("without_replacement", 1)])
def test_other_drafts_have_them_not(drafts: str, k: int) -> None:
    assert names(problems(drafts, k)) == []


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_rows_are_what_their_floats_say(k: int) -> None:
    """The mass of a tuple in rationals, and in float32 the same tokens beside the hub."""
    for problem in beside_a_hub(POLICY, k):
        assert all(float(np.float32(v)) == v for v in problem.q[1:])
        q = [Fraction(v) / sum(map(Fraction, problem.q)) for v in problem.q]
        assert problem.left_out == pytest.approx(float(1 - q[0]), abs=1e-15)
        for x, mass in zip(problem.tuples, problem.mass, strict=True):
            left, chance = Fraction(1), Fraction(1)
            for token in x:
                chance *= q[token] / left
                left -= q[token]
            assert mass == pytest.approx(float(chance), rel=1e-12)


class InDtype:
    """A function that computes in this dtype."""

    def __init__(self, verify: Verify, dtype: torch.dtype) -> None:
        self.verify, self.dtype = verify, dtype

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Any:
        return self.verify(p.to(self.dtype), q.to(self.dtype), drafts)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("verify", "drafts"), [(rrsw, "without_replacement"), (spechub, "hub")])
def test_rules_that_sum_what_is_left_pass(verify: Verify, drafts: str, dtype: torch.dtype) -> None:
    report = check_node(InDtype(verify, dtype), drafts, 2, cases=beside_a_hub(by_name(drafts), 2), settings=EXACT)
    assert report.status == "pass", text(report)
    assert report.distance < 1e-6


def subtracted(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    """Recursive rejection with q/(1 - q(x))."""
    for j, x in enumerate(drafts):
        if torch.rand((), dtype=torch.float64) * q[x] < p[x]:
            return x, j
        p = (p - q).clamp(min=0)
        p, q = p / p.sum(), q / (1 - q[x])
        q[x] = 0
    return int(torch.multinomial(p, 1)), -1


@pytest.mark.parametrize(("dtype", "passed"), [(torch.float64, 1), (torch.float32, 0)])
def test_a_rule_that_subtracts_fails_where_its_dtype_has_nothing_left(dtype: torch.dtype, passed: int) -> None:
    found = [
        check_node(InDtype(subtracted, dtype), "without_replacement", 2, cases=[case], settings=EXACT).exit_code
        for case in beside_a_hub(POLICY, 2)
    ]
    assert found == [0] * passed + [1] * (3 - passed)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("least", "passed"), [(1e-12, 1), (1e-20, 2), (1e-25, 2), (1e-30, 2), (1e-35, 3)])
def test_a_rule_with_an_epsilon_fails_where_less_is_left(least: float, passed: int, dtype: torch.dtype) -> None:
    verify = InDtype(partial(left_is_no_less, least=least), dtype)
    found = [
        check_node(verify, "without_replacement", 2, cases=[case], settings=EXACT).exit_code
        for case in beside_a_hub(POLICY, 2)
    ]
    assert found == [0] * passed + [1] * (3 - passed)


@pytest.mark.usefixtures("brief_second_look")
def test_a_function_that_fails_only_there_is_told_why() -> None:
    cases = problems("without_replacement", 2)[-5:]
    report = check_node(little_is_taken_for_more, "without_replacement", 2, cases=cases, settings=EXACT)
    told = [f for f in report.findings if f.proof]
    assert {f.problem for f in told} == set(names(cases)), text(report)
    assert any("hold 6.9e-18 of q" in f.message and "1 - q, an epsilon" in f.message for f in told), text(report)


class RowByRow:
    """A function on two siblings, as an engine of batches; by seeds, as a device has them, or by torch's generator."""

    branchings = ((2,),)

    def __init__(self, verify: Verify, protocol: str) -> None:
        self.verify, self.protocol = verify, protocol

    def __call__(self, batch: TreeBatch, *, seed: int | None = None, offset: int = 0) -> Emitted:
        assert batch.q is not None
        if seed is not None:
            torch.manual_seed(1_000_003 * seed + offset)
        rows = []
        for p, q, token in zip(batch.p, batch.q, batch.token.tolist(), strict=True):
            y, slot = self.verify(p[0], q[0], token[1:3])
            rows.append([y, int(torch.multinomial(p[1 + slot], 1)) if slot >= 0 else -1])
        tokens = torch.tensor(rows)
        return Emitted(tokens, 1 + (tokens[:, 1] >= 0).long())


def at_root(engine: Any, claims: tuple[int, ...] = (2,)) -> AtRoot:
    report = Report("engine", engine.protocol, POLICY.name, 2)
    exact = engine.protocol != "seeded"
    settings = Settings(300, searched=1, levels=(1,) if exact else (2,))
    looked = AtRoot(TreeEngine(engine, 5.0), [(POLICY, (k,)) for k in claims], report, settings)
    with chosen("cpu"):
        looked.search(exact=exact)
    return looked


@pytest.mark.usefixtures("brief_second_look")
@pytest.mark.parametrize("protocol", ["host", "seeded"])
def test_engines_of_batches_meet_the_rows(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_search, "SHRINKING", 0.0)
    right, wrong = (at_root(RowByRow(verify, protocol)) for verify in (rrsw, little_is_taken_for_more))
    assert not right.report.proved, right.report.findings
    assert len(names(right.looked_at)) == 3
    assert right.planned == 4
    assert {f.problem for f in wrong.report.findings if f.proof} & set(names(beside_a_hub(POLICY, 2)))


@pytest.mark.usefixtures("brief_second_look")
@pytest.mark.parametrize("k", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_our_kernel_fails_without_what_mends_it(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was .09 away from p in such rows, and the gate passed it."""
    engine, cases = kernels.engine("border_wor", POLICY.name, k), beside_a_hub(POLICY, k)
    report = check_tree(engine, POLICY.name, k, cases=cases, settings=EXACT)
    assert report.status == "pass", text(report)
    monkeypatch.setattr(border, "raise_others", lambda q, k, hub: (q, torch.zeros_like(hub, dtype=torch.bool)))
    report = check_tree(engine, POLICY.name, k, cases=cases, settings=EXACT)
    assert report.distance > 0.04
    assert any(f.proof and f.problem == FAINT and "coarse grid" in f.message for f in report.findings), text(report)


def test_rows_of_several_claims_have_names_of_their_own() -> None:
    class Both(RowByRow):
        branchings = ((2,), (3,))  # type: ignore[assignment]

    looked = at_root(Both(little_is_taken_for_more, "seeded"), claims=(2, 3))
    assert looked.planned == 7
    assert looked.looked_at[0].name == "q leaves 1e-9 beside its hub, 2 without_replacement drafts"
