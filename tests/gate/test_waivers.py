"""A waiver covers the small defect that it names and nothing else, and one that is not needed is said to be."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from spechub_lp.cli.app import app
from spechub_lp.errors import SpecHubError
from spechub_lp.gate import Settings, check_node
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.results import Finding, Kind, Level, Report, Row
from spechub_lp.gate.waivers import Findings, covers, read
from spechub_lp.report.html.gate import content
from spechub_lp.report.text.gate_report import headline
from spechub_lp.report.text.gate_summary import junit, markdown
from spechub_lp.report.text.gate_table import show_gate, text

PROBLEM = Problem("pair", (0.5, 0.5), (0.25, 0.75), 1)


def nearly(p: Any, q: Any, drafts: Any) -> tuple[int, int]:
    """Naive rejection whose residual is off by 1/1024, so that the output is 1/4096 away."""
    x = drafts[0]
    if torch.rand(()) * q[x] < p[x]:
        return x, 0
    residual = (p - q).clamp(min=0)
    residual = residual / residual.sum()
    return int(torch.rand(()) < 2**-10) if residual[0] == 1 else 1, -1


def gated(*texts: str) -> Report:
    return check_node(
        nearly, "iid", 1, settings=Settings(seconds=20, clock="cpu", levels=(1,), waivers=tuple(map(read, texts))),
        cases=[PROBLEM],
    )  # fmt: skip


@pytest.mark.usefixtures("brief_second_look")
def test_a_small_bias_passes_with_its_reason_and_only_up_to_its_size() -> None:
    assert gated().status == "biased"
    report = gated("bias on 'pair' <= 1e-3: rounding")
    assert report.status == "pass", report.findings
    assert [finding.waived for finding in report.waived] == ["rounding"]
    assert "1 finding waived" in headline(report)
    assert gated("bias on 'pair' <= 1e-5: rounding").status == "biased"
    assert gated("bias on 'another' <= 1e-3: rounding").status == "biased"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bias <= 1e-3", "cannot be read"),
        ("bias <= 1e-3:  ", "cannot be read"),
        ("bais <= 1e-3: x", "Did you mean 'bias'"),
        ("bias: x", "needs its size"),
        ("above the optimum <= .5: x", "needs its size"),
        ("bias <= nan: x", "needs its size"),
        ("bias <= small: x", "no size"),
    ],
)
def test_a_waiver_without_kind_size_or_reason_is_bad_input(text: str, message: str) -> None:
    with pytest.raises(SpecHubError, match=message):
        read(text)
    done = CliRunner().invoke(app, ["gate", "m:f", "--waive", text])
    assert done.exit_code == 2


def test_a_finding_without_a_size_is_covered_by_no_limit() -> None:
    crash = Finding(Level.BOUNDARY, Kind.CRASH, "died", problem="ties")
    assert covers(read("crash: known"), crash)
    assert covers(read("crash on 'ties': known"), crash)
    assert covers(read("crash on ties: known"), crash)
    assert not covers(read("crash on others: known"), crash)
    assert not covers(read("crash <= 1: known"), crash)


def test_whatever_way_findings_are_added_they_are_weighed() -> None:
    crash = Finding(Level.BOUNDARY, Kind.CRASH, "died")
    found = Findings([read("crash: known")])
    found.append(crash)
    found.extend([crash])
    found += [crash]
    assert [finding.proof for finding in found] == [False] * 3
    assert isinstance(found, Findings)


def row(acceptance: float, optimum: float) -> Row:
    return Row(f"at {acceptance}", Level.EXACT, 0.0, 0.0, acceptance, optimum)


def test_an_engine_that_never_accepts_is_warned_of() -> None:
    report = Report("mine:verify", "node", "iid", 2, rows=[row(0.0, 0.0), row(0.0, 0.9)])
    assert "up to 0.9 is possible" in report.warnings[0]
    assert report.document()["warnings"] == report.warnings
    assert Report("mine:verify", "node", "iid", 2, rows=[row(0.0, 0.9), row(0.1, 0.9)]).warnings == []
    assert Report("mine:verify", "node", "iid", 2, rows=[row(0.0, 0.0), row(float("nan"), 0.9)]).warnings == []


def test_every_form_of_a_report_says_its_warnings_and_what_was_waived() -> None:
    report = Report("mine:verify", "node", "iid", 2, rows=[row(0.0, 0.9)], levels=[1], level="level 1: exact")
    report.findings = Findings((read("crash: the issue is open"),))
    report.findings.append(Finding(Level.BOUNDARY, Kind.CRASH, "ValueError: no"))
    forms = [text(report, True), text(report, False), markdown(report), junit(report), str(content(report.document()))]
    for form in forms:
        assert report.warnings[0] in form
        assert "the issue is open" in form


@pytest.mark.parametrize("verbose", [False, True])
def test_the_verdict_comes_first_and_the_tables_only_when_asked_for(verbose: bool, tmp_path: Path) -> None:
    report = Report("mine:verify", "node", "iid", 2, rows=[row(0.5, 0.9), row(0.6, 0.9)], calls=7)
    with (tmp_path / "out").open("w") as file:
        show_gate(Console(file=file, width=200), report, verbose)
    lines = (tmp_path / "out").read_text().splitlines()
    assert lines[0] == headline(report)
    assert any("problem by problem" in line for line in lines) == verbose
    if verbose:
        assert lines[-1] == headline(report)
    else:
        assert len(lines) <= 6
        assert any("on 'at 0.5': it accepts 0.5000 of 0.9000" in line for line in lines)


def test_the_document_says_what_was_waived_and_what_was_not_needed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def verify(p, q, drafts):\n    raise ValueError('no')\n")
    words = ["gate", "mine:verify", "--level", "0", "--k", "1", "--json", "out.json"]
    waivers = ["--waive", "crash: the issue is open", "--waive", "hang: was mended"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.syspath_prepend(str(tmp_path))
        CliRunner().invoke(app, [*words, *waivers])
    found = json.loads((tmp_path / "out.json").read_text())["findings"]
    assert {f["waived"] for f in found if f["kind"] == "crash"} == {"the issue is open"}
    assert [f["message"] for f in found if "not needed" in f["message"]] == [
        "the waiver for 'hang' was not needed: was mended"
    ]
