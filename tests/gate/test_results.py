"""Findings say what they are by fields: nothing is told apart by the words of a message."""

import ast
import io
import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from gate_chains import Chain
from rich.console import Console

import spechub_lp.gate
from spechub_lp.errors import SpecHubError
from spechub_lp.gate import Finding, Report, Settings, check_tree
from spechub_lp.gate.generation import results
from spechub_lp.gate.generation.pair import make_pair
from spechub_lp.gate.generation.results import EngineReport, Verdict
from spechub_lp.gate.generation.store import about
from spechub_lp.gate.protocols import ProtocolName, protocol_of
from spechub_lp.gate.results import Kind, Level, Row, Status
from spechub_lp.gate.statistics.sequential import odds
from spechub_lp.report.html import gate as gate_page
from spechub_lp.report.html import generation as engine_page
from spechub_lp.report.text import generation
from spechub_lp.report.text.gate_report import headline, what_was_missed
from spechub_lp.report.text.gate_summary import junit, markdown
from spechub_lp.report.text.gate_table import text

GATE = Path(spechub_lp.gate.__file__).parent
KINDS, LEVELS = {str(kind) for kind in Kind}, {int(level) for level in Level}


@pytest.mark.parametrize("path", sorted(GATE.rglob("*.py")), ids=lambda p: p.relative_to(GATE).as_posix())
def test_kinds_and_levels_are_members_of_their_enums(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Finding", "Failure", "ChildDied", "Row"):
            for argument in node.args[:2]:
                assert not (isinstance(argument, ast.Constant) and argument.value in KINDS | LEVELS), node.lineno
        if isinstance(node, ast.Compare):
            for value in ast.walk(node):
                assert not (isinstance(value, ast.Constant) and value.value in KINDS | {*Status}), node.lineno
                assert not (isinstance(value, ast.Attribute) and value.attr == "message"), node.lineno


@pytest.mark.parametrize(
    ("findings", "reasons", "status", "code"),
    [([], [], "pass", 0), ([Finding(0, Kind.CRASH, "x")], ["y"], "biased", 1), ([], ["y"], "inconclusive", 3)],
)
def test_the_verdict_is_a_string_and_an_exit_code(
    findings: list[Finding], reasons: list[str], status: str, code: int
) -> None:
    report = Report("x", "node", "iid", 2, findings=findings, inconclusive=reasons)
    assert (report.status, report.exit_code) == (status, code)
    assert json.loads(json.dumps(report.document()))["status"] == status


def test_a_finding_belongs_to_the_problem_that_it_names_and_not_to_one_that_its_message_quotes() -> None:
    rows = [Row(name, Level.EXACT, 0.0, 0.0, 0.5, 0.5) for name in ("a", "b")]
    finding = Finding(Level.EXACT, Kind.BIAS, "worse than on 'a'", problem="b")
    report = Report("x", "node", "iid", 2, rows, [finding, Finding(Level.BOUNDARY, Kind.HANG, "on 'a' it hangs")])
    failures = {case.get("name"): len(case) for case in ET.fromstring(junit(report)).iter("testcase")}
    assert failures == {"a": 0, "b": 1, "whole run": 1}
    assert report.failed_on("a") == []


def test_what_was_missed_names_a_power_only_where_draws_decided() -> None:
    rows = [Row("a", Level.EXACT, 0.0, 0.0, 0.5, 0.5)]
    exact = Report("x", "node", "iid", 2, rows, levels=[0, 1], level="in other words", smallest_caught=1e-6)
    assert exact.exact
    assert "power" not in what_was_missed(exact)
    drawn = Report("x", "node", "iid", 2, [*rows, Row("b", Level.DRAWS, 0.0, 0.0, 0.5, 0.5)], levels=[0, 1, 2])
    drawn.smallest_caught = 0.05
    assert not drawn.exact
    assert "with power 0.99" in what_was_missed(drawn)


def test_the_old_attribute_of_an_engine_and_of_a_report_still_work() -> None:
    class Old:
        door, branchings = "uniform", [(1,)]
        noise, __call__ = Chain().noise, Chain().__call__

    with pytest.warns(DeprecationWarning, match="protocol"):
        report = check_tree(Old(), "iid", 1, settings=Settings(levels=(0,)))
    assert report.status is Status.PASS
    assert report.protocol is ProtocolName.UNIFORM
    with pytest.warns(DeprecationWarning, match="protocol"):
        assert report.door == "uniform"


@pytest.mark.parametrize("said", ["uniforms", "", 3])
def test_an_unknown_protocol_is_named(said: str) -> None:
    engine = type("Engine", (), {"protocol": said})()
    with pytest.raises(SpecHubError, match="must be one of uniform, seeded, host"):
        protocol_of(engine, "mine")
    with pytest.raises(SpecHubError, match="has no attribute protocol"):
        check_tree(lambda batch: None, name="mine")


BIAS = Finding(Level.EXACT, Kind.BIAS, "x", distance=0.1)


@pytest.mark.parametrize(
    ("findings", "begins", "level"),
    [
        ([Finding(Level.BOUNDARY, Kind.SHAPE, "x")], "FAIL (shape): ", "level 0: shape"),
        (
            [Finding(Level.BOUNDARY, Kind.HANG, "x"), Finding(Level.EXACT, Kind.NOTE, "", False)],
            "FAIL (hang)",
            "0: hang",
        ),
        ([Finding(Level.BOUNDARY, Kind.IMPOSSIBLE_TOKEN, "x")], "FAIL (bias): ", "level 0: zero-probability token"),
        ([Finding(Level.STREAM, Kind.KEPT_NOISE, "x")], "FAIL (bias): ", "level 3: kept noise"),
        ([Finding(Level.BOUNDARY, Kind.SHAPE, "x"), BIAS], "FAIL (bias): ", "level 1: exact"),
        ([], "PASS: ", "level 1: exact"),
    ],
)
def test_the_headline_names_the_level_of_the_proof_and_calls_only_an_output_biased(
    findings: list[Finding], begins: str, level: str
) -> None:
    report = Report("x", "node", "iid", 2, findings=findings, levels=[0, 1], level="level 1: exact")
    assert headline(report).startswith(begins)
    assert level in headline(report)
    assert level in report.document()["level"]


def test_no_distance_is_claimed_where_no_verdict_was_reached() -> None:
    report = Report("x", "node", "iid", 2, inconclusive=["time"], levels=[0, 1], smallest_caught=1e-6)
    assert "caught" not in what_was_missed(report)
    assert "no distance is claimed" in what_was_missed(report)


def test_one_is_singular_in_every_form_of_a_report() -> None:
    row = Row("ties", Level.EXACT, 0.0, 0.0, 0.5, 0.5)
    gate = Report("x", "node", "iid", 2, [row], levels=[0, 1], level="level 1: exact", calls=1)
    engine = EngineReport(
        "x", "", about(make_pair()), [results.Row("greedy", Verdict.EXACT, calls=1)], {"tokens": 3, "drafts": 2}
    )
    pages = [gate_page.content(gate.document()), engine_page.content(engine.document())]
    for form in (
        text(gate, False),
        text(gate),
        markdown(gate),
        generation.text(engine),
        generation.markdown(engine),
        *map(str, pages),
    ):
        assert not re.search(r"\b1 (calls|problems|checks|settings|draws)\b", form), form


def test_what_draws_say_of_acceptance_has_its_error_and_is_no_share_of_the_optimum() -> None:
    drawn = Row("wide", Level.DRAWS, 0.01, 0.12, 0.1347, 0.1312, draws=1136)  # above the optimum by chance
    computed = Row("ties", Level.EXACT, 0.0, 0.0, 0.8, 0.9)
    report = Report("x", "node", "iid", 2, [computed, drawn], levels=[1, 2], level="draws", calls=1136)
    page = str(gate_page.content(report.document()))
    for form in (text(report), markdown(report), page):
        assert "0.1347 ± 0.0199" in form
    assert "88.9%" in page
    assert "102" not in page
    assert "on 'ties': it accepts 0.8000 of 0.9000" in text(report, False)


def test_a_page_says_its_verdict_once() -> None:
    report = EngineReport(
        "x", "", about(make_pair()), [results.Row("greedy", Verdict.EXACT)], {"tokens": 3, "drafts": 2}
    )
    page = engine_page.content(report.document())
    assert (page.word, page.sentence) == ("PASS", "x, 1 check: 1 exact.")


def test_what_a_whole_engine_fails_by_folds_between_words() -> None:
    message = "position 0 right behind the prompt: token 1 has probability 0.703389 where 0.795790 is right " * 3
    report = EngineReport(
        "x",
        "",
        about(make_pair()),
        [results.Row("greedy", Verdict.FAILED, message=message)],
        {"tokens": 3, "drafts": 2},
    )
    out = io.StringIO()
    console = Console(width=60, file=out)
    generation.show(console, report)
    shown = out.getvalue()
    assert max(map(len, shown.splitlines())) <= 60
    assert message.strip() in " ".join(shown.split())


def test_odds_have_no_infinite_exponent() -> None:
    assert odds(math.inf) == "against any odds: it has probability 0"
    assert odds(math.log(1e14)) == "against odds of 1e14"
