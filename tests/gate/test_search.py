"""Problems are searched: what the built-in ones do not see is found and made small; reports say what was covered."""

import json
import random
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import numpy as np
import pytest
import torch

from spechub_lp import drafts as policies
from spechub_lp.cli.terminal import about
from spechub_lp.gate import Problem, Report, Settings, check_node, problems
from spechub_lp.gate.checks.node_search import GRIDS, _smaller
from spechub_lp.gate.coverage.numbers import Number
from spechub_lp.gate.engines.node import Verify
from spechub_lp.gate.noise.choice_sequence import ChoiceSequence, Run
from spechub_lp.gate.problems.node import likely_drafts
from spechub_lp.gate.problems.searched import KINDS, Search, kinds
from spechub_lp.gate.results import Coverage, Level, Row
from spechub_lp.gate.search.thresholds import Call, Explorer
from spechub_lp.gate.serialize import case_document
from spechub_lp.instance import enumerate_drafts
from spechub_lp.report import schemas
from spechub_lp.report.html.gate import read
from spechub_lp.report.html.page import page
from spechub_lp.report.text.gate_report import covered, what_was_missed
from spechub_lp.report.text.gate_summary import junit, markdown
from spechub_lp.report.text.gate_table import text

EXACT = Settings(levels=(1,), seconds=400, searched=12, clock="cpu")


def naive(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    """Right for one draft."""
    (x,) = drafts
    if torch.rand((), dtype=torch.float64) * q[x] < p[x]:
        return x, 0
    return int(torch.multinomial((p - q).clamp(min=0), 1)), -1


def residual_is_p(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    (x,) = drafts
    if torch.rand((), dtype=torch.float64) * q[x] < p[x]:
        return x, 0
    return int(torch.multinomial(p, 1)), -1


def wide(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    return residual_is_p(p, q, drafts) if len(p) >= 8 else naive(p, q, drafts)


def high_ids(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    y, slot = naive(p, q, drafts)
    return (y % 64, -1) if slot < 0 else (y, slot)


def tied(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    return residual_is_p(p, q, drafts) if (p == p.max()).sum() == 2 else naive(p, q, drafts)


def sharp(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    return residual_is_p(p, q, drafts) if 0.97 < q.max() < 0.99 else naive(p, q, drafts)


def tail(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    return residual_is_p(p, q, drafts) if ((p > 0) & (p < 1e-6)).any() else naive(p, q, drafts)


def little_left(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    (x,) = drafts
    rest = (p - q).clamp(min=0)
    if torch.rand((), dtype=torch.float64) * q[x] < p[x]:
        return x, 0
    return (int(rest.argmax()) if rest.sum() < 0.05 else int(torch.multinomial(rest, 1))), -1


def surprise(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    entropy = -(q * q.clamp(min=1e-300).log()).sum()
    return residual_is_p(p, q, drafts) if entropy < 0.3 else naive(p, q, drafts)


def once(engine: Verify, **more: Any) -> Report:
    return check_node(engine, "iid", 1, settings=Settings(**(vars(EXACT) | more)))


def test_a_right_function_passes_and_the_report_says_what_was_covered() -> None:
    report = once(naive, searched=10)
    assert report.status == "pass", text(report)
    coverage = report.coverage
    assert coverage is not None
    assert coverage.complete
    assert coverage.problems == len(report.rows) == 16 + 10 - coverage.not_reached
    assert sum(row.searched for row in report.rows) == 10 - coverage.not_reached
    assert max(coverage.sizes) > 5
    assert "V = 1" in {row[0]: row[1] for row in covered(report)}["sizes"]


@pytest.mark.usefixtures("brief_second_look")
@pytest.mark.parametrize("engine", [wide, little_left])
def test_the_first_failure_is_found_shrunk_and_saved(engine: Verify) -> None:
    report = once(engine)
    assert report.exit_code == 1, text(report)
    failed = {row.problem: row for row in report.rows if report.failed_on(row.problem)}
    assert all(row.searched or name.startswith("shrunk") for name, row in failed.items())
    assert report.case is not None
    saved = case_document(report)
    jsonschema.Draft202012Validator(schemas.of("gate-case")).validate(json.loads(json.dumps(saved)))
    problem = Problem.read(saved["case"]["problem"])
    again = check_node(engine, "iid", 1, cases=[problem], settings=EXACT)
    assert again.exit_code == 1
    if engine is wide:
        assert problem.vocabulary == 8


def test_smaller_problems_have_fewer_tokens_or_rounder_numbers() -> None:
    rng = np.random.default_rng(0)
    rows = [tuple(rng.dirichlet(np.ones(9)).tolist()) for _ in range(2)]
    found = list(_smaller(Problem("nine", rows[0], rows[1], 2)))
    assert {problem.vocabulary for problem in found} == {4, 5, 8, 9}
    for problem in found:
        problem.check()
        if problem.vocabulary == 9:
            assert any(all(v * grid % 1 == 0 for v in (*problem.p, *problem.q)) for grid in GRIDS)


@pytest.mark.slow
@pytest.mark.parametrize("engine", [high_ids, tied, sharp, tail, surprise])
def test_what_is_wrong_for_some_inputs_only_is_found(engine: Verify) -> None:
    report = once(engine, searched=80)
    assert report.exit_code == 1, text(report)


def test_noise_that_is_not_controlled_is_searched_by_draws() -> None:
    def opaque(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        torch.randn(1)
        return residual_is_p(p, q, drafts) if len(p) > 5 else naive(p, q, drafts)

    report = check_node(opaque, "iid", 1, settings=Settings(draws=400, seconds=60, searched=24, clock="cpu"))
    found = [f for f in report.findings if f.proof]
    assert [f.level for f in found] == [Level.DRAWS], text(report)
    assert str(found[0].problem).startswith("searched ")


POLICIES = [("iid", 1), ("iid", 2), ("iid", 4), ("without_replacement", 2), ("top_k", 3), ("product", 2), ("hub", 2)]


@pytest.mark.parametrize("together", [1, 64])
def test_a_uniform_that_only_moves_a_later_threshold_is_found(together: int) -> None:
    """Border's level moves the threshold of the choice, and neither end of the choice's range shows that."""
    sizes: list[int] = []

    def evaluate(calls: list[Call]) -> list[Run]:
        sizes.append(len(calls))
        runs = []
        for key, prefix, rule in calls:
            choices = ChoiceSequence(prefix, rule)
            level = choices.uniform(53, "level")
            edges = (0.55, 0.625, 0.75) if key else (0.6, 0.65, 0.7)
            edge = edges[0] if level < 0.25 else edges[1] if level < 0.5 else edges[2]
            outcome = choices.uniform(53, "choice") < edge
            runs.append(Run(tuple(choices.draws), tuple(choices.values), outcome))
        return runs

    explorer = Explorer(evaluate)
    explorer.together = together
    found, _ = explorer.distributions([0, 1], probes=200)
    assert found[0].chances[True] == pytest.approx(0.25 * 0.6 + 0.25 * 0.65 + 0.5 * 0.7, abs=1e-9)
    assert found[1].chances[True] == pytest.approx(0.25 * 0.55 + 0.25 * 0.625 + 0.5 * 0.75, abs=1e-9)
    assert found[0].unexplained < 1e-9
    assert found[1].unexplained < 1e-9


@pytest.mark.parametrize(("name", "k"), POLICIES)
def test_problems_are_valid_and_the_same_for_a_seed(name: str, k: int) -> None:
    number = Number(0.2, 3, "", True)

    def made(seed: int) -> list[Problem]:
        search = Search([(policies.by_name(name), k)], seed, [number])
        return [search.next() for _ in range(12)]

    for problem in made(1):
        assert problem.mass.sum() == pytest.approx(1, abs=0.01)
        assert problem.left_out <= 0.01
        assert min(problem.p) >= 0
        assert 0 <= float(problem.optimum) <= 1
        assert Problem.read(json.loads(json.dumps(problem.document()))) == problem
    assert [p.document() for p in made(1)] == [p.document() for p in made(1)]
    assert [p.name for p in made(1)] != [p.name for p in made(2)]


def test_the_search_goes_where_it_has_not_been() -> None:
    search = Search([(policies.IID(), 1)], 0)
    met = kinds([search.next() for _ in range(60)])
    assert set(met) == set(KINDS)
    assert all(met.values()), met


def test_numbers_of_the_code_are_aimed_at_on_both_sides() -> None:
    search = Search([(policies.IID(), 1)], 0, [Number(23.0, 5, "", True), Number(0.125, 9, "", True)])
    aimed = [p for p in (search.next(lambda line: line == 9) for _ in range(60)) if "near" in p.name.split(", ")[-1]]
    assert {p.vocabulary for p in aimed if "of line 5" in p.name} >= {22, 23, 24}
    away = [sum(max(a - b, 0) for a, b in zip(p.p, p.q, strict=True)) for p in aimed if "of line 9" in p.name]
    assert any(0.09 < d < 0.125 for d in away)
    assert any(0.125 < d < 0.16 for d in away)
    assert "of line 9" in aimed[0].name


def test_the_likeliest_drafts_are_those_of_the_enumeration() -> None:
    q = np.array([[0.7, 0.2, 0.06, 0.04]])
    for policy in (policies.IID(), policies.WithoutReplacement()):
        x, mass = enumerate_drafts(policy, q, 2)
        some, its_mass = likely_drafts(policy, q, 2, 5)
        best = np.argsort(-mass, kind="stable")[:5]
        assert {tuple(t) for t in some.tolist()} == {tuple(t) for t in np.asarray(x)[best].tolist()}
        assert its_mass.sum() == pytest.approx(mass[best].sum())


def test_left_out_drafts_widen_the_bound_and_fail_no_right_function() -> None:
    q = (0.6, 0.3, 0.05, 0.03, 0.02)
    part = Problem("part", (0.1, 0.2, 0.3, 0.2, 0.2), q, 1, explored=2)
    assert part.left_out == pytest.approx(0.1)
    assert float(part.optimum) >= float(Problem("all", part.p, q, 1).optimum)
    right, wrong = (check_node(f, "iid", 1, cases=[part], settings=EXACT) for f in (naive, residual_is_p))
    assert right.status == "pass", text(right)
    assert right.rows[0].distance < 1e-6
    assert right.rows[0].bound == pytest.approx(0.1, abs=1e-6)
    assert wrong.status == "biased"
    assert wrong.rows[0].distance < check_node(
        residual_is_p, "iid", 1, cases=[Problem("all", part.p, q, 1)], settings=EXACT
    ).distance  # fmt: skip


def never_wide(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    if len(p) > 5_000:
        return 0, -1
    return naive(p, q, drafts)


def test_code_that_never_ran_is_named_and_can_be_required() -> None:
    report = once(never_wide, searched=2)
    assert report.status == "pass"
    line = never_wide.__code__.co_firstlineno + 2
    said = f"`never_wide`, line {line} never ran: `return 0, -1` (`len(p) > 5_000` was not seen to be true in line"
    assert report.coverage is not None
    assert any(t.startswith(said) for t in report.coverage.unvisited)
    assert text(report).startswith("PASS, with 1 place of its code that never ran: never_wide")
    required = once(never_wide, searched=2, require_coverage=True)
    assert required.exit_code == 3
    assert said in required.inconclusive[0]
    assert once(naive, searched=2, require_coverage=True).exit_code == 0


def uncovered() -> Report:
    rows = [Row(f"a{n}", Level.EXACT, n * 1e-9, n * 1e-9, 0.5, 0.5, searched=n > 0) for n in range(9)]
    report = Report("x", "node", "iid", 2, rows, levels=[0, 1], smallest_caught=1e-6, settings={"min_power": 0.99})
    report.coverage = Coverage(
        9, [2, 3, 4, 7], ["iid"], [2], {"two tokens": 3, "zeros in p": 0}, [], 1e-6, 3200, 0.18, 1, 2, 1e-5, (7, 8),
        (3, 4),
        unvisited=["`f`, line 3 never ran: `x | y`"],
    )  # fmt: skip
    return report


@pytest.mark.parametrize("show", [text, markdown, junit, lambda r: page({**about("gate"), **r.document()})])
def test_every_form_of_the_report_has_the_table(show: Callable[[Report], str]) -> None:
    shown = " ".join(show(uncovered()).split())
    for words in (
        "V = 2 to 4, 7",
        "two tokens (3)",
        "zeros in p",
        "3,200 calls",
        "0.18",
        "7 of 8 lines",
        "line 3 never ran",
    ):
        assert words in shown, words


def test_a_distance_is_claimed_of_the_problems_that_were_looked_at_only() -> None:
    assert "on these 9 problems" in what_was_missed(uncovered())
    assert "times V/4" in what_was_missed(uncovered())
    assert "and 5 searched problems more, each at most 5e-09 away" in text(uncovered())
    properties = {p.get("name"): p.get("value") for p in ET.fromstring(junit(uncovered())).iter("property")}
    assert properties["not covered: kinds of distributions"] == "zeros in p"


def test_the_coverage_survives_json_and_old_documents_have_none() -> None:
    document = json.loads(json.dumps(uncovered().document()))
    assert read(document).coverage == uncovered().coverage
    del document["coverage"]
    for row in document["problems"]:
        del row["searched"]
    assert read(document).coverage is None


def test_a_searched_problem_is_no_failure_of_the_floor_or_the_baseline() -> None:
    def rare(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        y = int(torch.multinomial(p, 1))
        return (y, 0) if y == drafts[0] and (len(p) < 6 or random.random() < 0) else (y, -1)

    report = once(rare, searched=10, acceptance_floor=0.01)
    assert not [f for f in report.findings if f.proof and str(f.problem).startswith("searched")]


def test_a_run_without_a_pass_claims_no_distance_and_says_what_it_did_not_reach() -> None:
    def gumbel(p: Any, q: Any, drafts: Any) -> tuple[int, int]:
        y = int((p.log() - (-torch.rand(p.shape, dtype=torch.float64).log()).log()).argmax())
        return y, drafts.index(y) if y in drafts else -1

    def accepts_all(p: Any, q: Any, drafts: Any) -> tuple[int, int]:
        gumbel(p, q, drafts)
        return drafts[0], 0

    for verify, status in ((gumbel, "inconclusive"), (accepts_all, "biased")):
        report = check_node(verify, "iid", 1, settings=Settings(levels=(2,), draws=400, searched=3, clock="cpu"))
        assert report.status == status
        assert report.coverage is not None
        assert report.coverage.problems > 0
        assert report.coverage.problems + report.coverage.not_reached == len(problems("iid", 1)) + 3
        rows = {what: (yes, no) for what, yes, no in covered(report)}
        assert "V = " in rows["sizes"][0]
        assert not any("distances above" in yes for yes, _ in rows.values())


@pytest.mark.usefixtures("brief_second_look")
def test_a_narrow_cell_between_two_numbers_of_the_code_is_aimed_at() -> None:
    def cell(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        u = float(torch.rand((), dtype=torch.float64))
        if 0.70000 <= u < 0.70002 or u * q[drafts[0]] < p[drafts[0]]:
            return drafts[0], 0
        return int(torch.multinomial((p - q).clamp(min=0), 1)), -1

    few = [Problem("one", (0.25, 0.75), (0.75, 0.25), 1)]
    report = check_node(cell, "iid", 1, cases=few, settings=Settings(levels=(0, 1), seconds=60))
    assert report.findings[0].distance == pytest.approx(2e-5 * 0.75, rel=1e-3)
