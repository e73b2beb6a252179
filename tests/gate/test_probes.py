"""Level 0 on large inputs: each probe rejects the wrong engine that it is for, and the right ones pass them all."""

import json
from typing import Any

import pytest
import torch
from gate_chains import CONTROL_TREE, PROBE_MUTANTS
from gate_chains import CONTROLS as CHAIN_CONTROLS
from gate_mutants import CONTROLS, WIDE_MUTANTS, Mutant
from known import known

from spechub_lp import drafts
from spechub_lp.gate import Settings, check_node, check_tree
from spechub_lp.gate.adapters import spechub
from spechub_lp.gate.checks.known_batches import expected, sibling_batch, sure_batch
from spechub_lp.gate.engines.node import FEW_NUMBERS, Failure, NodeEngine
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.serialize import case_document
from spechub_lp.report.text.gate_table import text

LEVEL_0 = Settings(levels=(0,))


@pytest.mark.parametrize("mutant", WIDE_MUTANTS, ids=lambda m: m.what)
def test_rejects(mutant: Mutant) -> None:
    report = check_node(mutant.engine, mutant.drafts, mutant.k, settings=LEVEL_0)
    found = [f for f in report.findings if f.proof and f.kind == mutant.kind]
    assert found, text(report)
    assert any(mutant.says in f.message for f in found), text(report)
    assert json.dumps(case_document(report))


@pytest.mark.parametrize(("name", "engine", "drafts", "k"), CONTROLS, ids=[c[0] for c in CONTROLS])
def test_passes(name: str, engine: Any, drafts: str, k: int) -> None:
    report = check_node(engine, drafts, k, settings=LEVEL_0)
    assert report.status == "pass", text(report)


def tokens_until_one_is_kept(p: Any, q: Any, drafts: list[int]) -> tuple[int, int]:
    """Right on distributions; on NaN no token is ever kept, nor with the same uniforms for ever."""
    support = p.nonzero()[:, 0]
    while True:
        y = int(support[torch.randint(len(support), ())])
        if torch.rand(()) * p.max() < p[y]:
            return y, drafts.index(y) if y in drafts else -1


def test_a_loop_that_never_ends_on_nan_is_advice() -> None:
    report = check_node(tokens_until_one_is_kept, "iid", 2, settings=Settings(levels=(0,), time_limit=0.5))
    assert report.status == "pass", text(report)
    (advice,) = [f for f in report.findings if f.kind == "NaN row"]
    assert not advice.proof
    assert "no answer within 0.5 seconds" in advice.message


@pytest.mark.parametrize(("rule", "policy"), [("rrs", "iid"), ("spechub", "hub"), ("rrsw", "without_replacement")])
def test_our_own_rules_pass(rule: str, policy: str) -> None:
    report = check_node(spechub.engine(rule, policy, 2), policy, 2, settings=LEVEL_0)
    assert report.status == "pass", text(report)


@pytest.mark.parametrize(
    ("what", "engine", "drafts", "k", "kind", "says"), PROBE_MUTANTS, ids=[m[0] for m in PROBE_MUTANTS]
)
def test_rejects_on_batches(what: str, engine: Any, drafts: str, k: int, kind: str, says: str) -> None:
    report = check_tree(engine, drafts, k, name=what, settings=LEVEL_0)
    found = [f for f in report.findings if f.proof and f.kind == kind]
    assert found, text(report)
    assert any(says in f.message for f in found), text(report)


@pytest.mark.parametrize(
    ("what", "engine", "drafts", "k"),
    [*((*c, 1) for c in CHAIN_CONTROLS), CONTROL_TREE],
    ids=[*(c[0] for c in CHAIN_CONTROLS), CONTROL_TREE[0]],
)
def test_passes_on_batches(what: str, engine: Any, drafts: str, k: int) -> None:
    report = check_tree(engine, drafts, k, name=what, settings=LEVEL_0)
    assert report.status == "pass", text(report)


def test_what_a_sure_batch_expects_by_hand() -> None:
    batch = sure_batch(5, (2, 1), "top_k")
    assert batch.parent[0].tolist() == [-1, 0, 0, 1, 2]
    assert batch.p[:2, 0].argmax(dim=1).tolist() == [4, 0]
    assert batch.token[:2, 1:3].tolist() == [[0, 4], [1, 2]]
    assert expected(batch, 0) == (4, 2, 0)  # node 2 is token 4; its row has token 2, which node 4 drafts
    assert expected(batch, 1) == (0,)
    ragged = sure_batch(5, (2, 1), "top_k", ragged=True)
    assert ragged.token[4].tolist() == [-1, -1, -1, -1, -1]
    assert torch.isnan(ragged.p[4, 1:]).all()
    assert expected(ragged, 4) == (0,)


def test_siblings_are_33_and_come_in_trial_order() -> None:
    batch = sibling_batch("top_k")
    assert batch.token[0, 1:].tolist() == list(range(5, 38))
    assert known(batch.q)[0, 0].argsort(descending=True)[:33].tolist() == list(range(5, 38))
    assert batch.p[0, 0, [37, 47]].tolist() == [0.5, 0.5]
    assert set(sibling_batch("iid").token[0, 1:].tolist()) == {5}


@pytest.mark.parametrize("vocabulary", [2, FEW_NUMBERS, FEW_NUMBERS + 1])
@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("by", [2**-53, float("nan")], ids=["the last bit", "nan"])
def test_one_number_that_a_call_changed_is_seen(vocabulary: int, place: int, which: int, by: float) -> None:
    even = (1 / vocabulary,) * vocabulary
    problem = Problem("even", even, even, 1, drafts.IID())

    def verify(p: torch.Tensor, q: torch.Tensor, x: list[int]) -> tuple[int, int]:
        changed = (p, q)[which]
        changed[place] += by
        return x[0], 0

    changed = NodeEngine(verify).real(problem, [1])
    assert isinstance(changed, Failure)
    assert changed.message == f"{'pq'[which]} was changed by the call"
    assert not isinstance(NodeEngine(lambda p, q, x: (x[0], 0)).real(problem, [1]), Failure)
