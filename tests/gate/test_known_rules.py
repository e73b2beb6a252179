"""A red verdict names the known wrong rule that the engine is, and shows what came out."""

import json
from collections.abc import Callable
from typing import Any

import gate_mutants
import numpy as np
import pytest
from gate_mutants import rrs

from spechub_lp.coupling import Coupling
from spechub_lp.exact import exact
from spechub_lp.gate import Settings, check_node
from spechub_lp.gate.checks.causes.known_rules import RIGHT, STEPS, KnownRule, known_rules, nearest_rule
from spechub_lp.gate.checks.measured import NodeDistribution
from spechub_lp.gate.problems.node import Problem
from spechub_lp.report.html import gate as page
from spechub_lp.report.text.gate_summary import junit, markdown
from spechub_lp.report.text.gate_table import text
from spechub_lp.samplers import by_name

FEW = Settings(levels=(1,), searched=0)
SMALL = [Problem("three tokens", (0.5, 0.3125, 0.1875), (0.125, 0.25, 0.625))]
UNLIKE = [
    Problem("first", (0.5, 0.25, 0.1875, 0.0625), (0.125, 0.125, 0.25, 0.5)),
    Problem("second", (0.0625, 0.4375, 0.375, 0.125), (0.25, 0.5, 0.0, 0.25)),
]


def measured(coupling: Callable[[Problem], Coupling], drafts: str = "iid") -> list[NodeDistribution]:
    given = [Problem.read(problem.document() | {"drafts": drafts}) for problem in UNLIKE]
    return [NodeDistribution(problem, coupling(problem), 0.0, 0.0) for problem in given]


def same(a: Coupling, b: Coupling) -> bool:
    return np.allclose(a.accept, b.accept, atol=1e-9) and np.allclose(a.residual, b.residual, atol=1e-9)


@pytest.mark.parametrize("drafts", ["iid", "without_replacement"])
def test_each_step_done_otherwise_is_found_again_unless_it_keeps_the_target(drafts: str) -> None:
    for place, table in enumerate(STEPS):
        for name in table:
            rule = KnownRule.with_steps({place: name})
            ours = measured(rule.coupling, drafts)
            found = nearest_rule(ours)
            if all(m.distance < 1e-12 for m in ours):
                assert found is None, name
                continue
            assert found is not None, name
            others = next(r for r in known_rules() if r.says == found)
            assert sum(step != RIGHT for step in others.steps) == 1
            assert all(same(others.coupling(m.problem), m.coupling) for m in ours)


@pytest.mark.parametrize(("drafts", "sampler"), [("iid", "rrs"), ("without_replacement", "rrsw")])
def test_with_no_step_changed_it_is_the_published_rule(drafts: str, sampler: str) -> None:
    for ours in measured(KnownRule.with_steps({}).coupling, drafts):
        published = exact(by_name(sampler, 2), ours.problem.p, ours.problem.q)
        assert np.allclose(np.asarray(published.accept, dtype=float), ours.coupling.accept)
        assert np.allclose(np.asarray(published.residual, dtype=float), ours.coupling.residual)


@pytest.mark.parametrize(
    ("engine", "drafts", "says"),
    [
        ("residual_is_p", "iid", "the last token is drawn from p, not from the residual and only the first"),
        ("residual_is_absolute", "iid", "the residual is |p - q|"),
        ("temperature_on_one_side", "iid", "p is taken at 1.25 times its temperature"),
        ("probabilities_as_logits", "iid", "p goes through a softmax again and q goes through a softmax again"),
        ("one_uniform_for_all", "iid", "one uniform serves all drafts"),
        ("duplicates_skipped", "iid", "a draft that came before is passed over"),
        ("uniform_fixed_at_zero", "iid", "a draft is always accepted"),
        ("rrs", "without_replacement", "each draft is taken as drawn from the first draft's q"),
    ],
)
def test_a_wrong_engine_is_named(engine: str, drafts: str, says: str) -> None:
    cases = [Problem.read(SMALL[0].document() | {"drafts": drafts})]
    report = check_node(getattr(gate_mutants, engine), drafts, 2, cases=cases, settings=FEW)
    assert report.evidence is not None
    assert says in report.evidence.nearest


def sometimes(p: Any, q: Any, drafts: list[int]) -> tuple[int, int]:
    """A right rule on most calls: no step of recursive rejection is done otherwise."""
    y, slot = rrs(p, q, drafts)
    return (y, slot) if gate_mutants.uniform() < 0.9 else (len(p) - 1, -1)


def test_what_no_known_rule_does_is_said_to_be_none() -> None:
    report = check_node(sometimes, "iid", 2, cases=SMALL, settings=FEW)
    assert report.evidence is not None
    assert report.evidence.nearest == ""
    assert "No known wrong rule does the same" in text(report)


def test_what_came_out_is_shown_alike_everywhere() -> None:
    report = check_node(gate_mutants.residual_is_p, "iid", 2, cases=SMALL, settings=FEW)
    evidence = report.evidence
    assert evidence is not None
    (row,) = [row for row in report.rows if row.problem == evidence.problem]
    assert sum(map(abs, evidence.off_by)) / 2 == pytest.approx(row.distance, abs=1e-12)
    output = np.zeros(len(evidence.p))
    for x, mass, accept, residual in zip(
        evidence.tuples, SMALL[0].mass, evidence.accept, evidence.residual, strict=True
    ):
        output += mass * np.asarray(residual)
        np.add.at(output, x, mass * np.asarray(accept))
    assert np.allclose(output, evidence.output)
    again = page.read(json.loads(json.dumps(report.document(), default=str)))
    assert again.evidence == evidence
    largest = max(evidence.off_by, key=abs)
    for shown in (text(report), markdown(report), junit(report)):
        assert f"{largest:+.3g}" in shown
        assert evidence.nearest in shown
    assert evidence.nearest in str(page.content(report.document()).parts[0].text)


def test_a_right_engine_shows_no_such_table() -> None:
    report = check_node(rrs, "iid", 2, cases=SMALL, settings=FEW)
    assert report.evidence is None
    assert "came out" not in text(report)


def test_calls_without_a_token_are_a_row_of_the_table() -> None:
    def dies(p: Any, q: Any, drafts: list[int]) -> tuple[int, int]:
        if gate_mutants.uniform() < 0.25:
            raise ValueError("half way")
        return gate_mutants.residual_is_p(p, q, drafts)

    report = check_node(dies, "iid", 2, cases=SMALL, settings=FEW)
    assert report.exit_code == 1
    assert report.evidence is None or report.evidence.no_token == pytest.approx(0.25, abs=1e-6)
