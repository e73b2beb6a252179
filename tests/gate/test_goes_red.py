"""The gate rejects every wrong sampler of the table, at the level that should see it, and passes the right ones."""

from typing import Any

import pytest
from _pytest.mark import ParameterSet
from gate_chains import CONTROLS as CHAIN_CONTROLS
from gate_chains import MUTANTS as CHAIN_MUTANTS
from gate_mutants import CONTROLS, MUTANTS, Mutant
from gate_table import row

from spechub_lp.gate import Settings, check_node, check_tree, problems
from spechub_lp.gate.protocols import ProtocolName
from spechub_lp.gate.results import Report
from spechub_lp.report.text.gate_table import text

CPU = Settings(clock="cpu", searched=0)
FEW = Settings(seconds=60, searched=6, clock="cpu")
SHORT = Settings(seconds=20, searched=2, clock="cpu")
SLOW = ("residual drawn with the accept uniform", "residual noise shared", "block verification", "device noise, fresh")


def some_slow(row: tuple[Any, ...]) -> ParameterSet:
    """A row of a table as a test of its own name, slow when it takes seconds."""
    return pytest.param(*row, id=row[0], marks=[pytest.mark.slow] if row[0].startswith(SLOW) else [])


@pytest.mark.usefixtures("brief_second_look")
@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.what)
def test_rejects(mutant: Mutant) -> None:
    report = check_node(mutant.engine, mutant.drafts, mutant.k, name=mutant.what, settings=FEW)
    assert report.exit_code == 1, text(report)
    found = [f for f in report.findings if f.proof and f.kind == mutant.kind]
    assert found, text(report)
    assert min(f.level for f in found) <= mutant.level, text(report)
    assert any(mutant.says in f.message for f in found), text(report)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "engine", "drafts", "k"), CONTROLS, ids=[c[0] for c in CONTROLS])
def test_passes(name: str, engine: Any, drafts: str, k: int) -> None:
    report = check_node(engine, drafts, k, name=name, settings=SHORT, cases=problems(drafts, k)[::2])
    assert report.status == "pass", text(report)
    assert report.smallest_caught <= 0.05


@pytest.mark.usefixtures("brief_second_look")
@pytest.mark.parametrize(("what", "engine", "drafts", "level", "kind", "says"), [some_slow(m) for m in CHAIN_MUTANTS])
def test_rejects_on_a_chain(what: str, engine: Any, drafts: str, level: int, kind: str, says: str) -> None:
    report = check_tree(engine, drafts, 1, name=what, settings=CPU)
    found = [f for f in report.findings if f.proof and f.kind == kind]
    assert report.exit_code == 1, text(report)
    assert found, text(report)
    assert min(f.level for f in found) <= level, text(report)
    assert any(says in f.message for f in found), text(report)


@pytest.mark.parametrize(("what", "engine", "drafts"), [some_slow(c) for c in CHAIN_CONTROLS])
def test_passes_on_a_chain(what: str, engine: Any, drafts: str) -> None:
    report = check_tree(engine, drafts, 1, name=what, settings=CPU)
    assert report.status == "pass", text(report)
    if engine.protocol == "uniform":
        assert report.distance < 1e-6


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("drafts", ["iid", "without_replacement", "top_k", "greedy", "product"])
def test_problems_exist_for_every_policy(drafts: str, k: int) -> None:
    for problem in problems(drafts, k):
        assert len(problem.tuples) == len(set(problem.tuples)) == len(problem.mass)
        assert 0 <= float(problem.optimum) <= 1


def test_settings_are_recorded() -> None:
    report = check_node(lambda p, q, drafts: (0, -1), settings=Settings(seconds=5, levels=(1,)), cases=problems()[:1])
    assert report.exit_code == 1
    assert report.document()["settings"]["seconds"] == 5


def test_the_table_has_a_line_for_an_engine_that_nothing_is_proved_of() -> None:
    report = Report("slow", ProtocolName.NODE, "iid", 2, inconclusive=["too few draws"])
    assert row("slow", report) == ["slow", "by draws", "none: inconclusive", "0 calls, 0.0 s", "not seen"]
