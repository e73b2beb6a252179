"""`spechub-lp gate` for CI: exit codes, files, reruns, and an engine that misbehaves is a verdict, not a traceback."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer
from typer.testing import CliRunner, Result

from spechub_lp.cli.gate import gate

ENGINES = """
import os, random, time, torch

def right(p, q, drafts):
    need = p.clone()
    for j, x in enumerate(drafts):
        if torch.rand(()) * q[x] < need[x]:
            return x, j
        need = (need - q).clamp(min=0)
        need = need / need.sum()
    return int(torch.multinomial(need, 1)), -1

def biased(p, q, drafts):
    x = drafts[0]
    if torch.rand(()) * q[x] < p[x]:
        return x, 0
    return int(torch.multinomial(p, 1)), -1

def opaque(p, q, drafts):
    torch.randn(1)
    return right(p, q, drafts)

def hangs(p, q, drafts):
    while len(p) > 3:
        pass
    return right(p, q, drafts)

def kills(p, q, drafts):
    os.kill(os.getpid(), 9) if drafts[0] == 2 else None
    return right(p, q, drafts)

def leaves(p, q, drafts):
    os._exit(0)

def crashes(p, q, drafts):
    return right(p, q, drafts) if p.min() > 0 else 1 / 0

def shape(p, q, drafts):
    return right(p, q, drafts)[0]

def two_arguments(p, drafts):
    return drafts[0], 0

def floats(p, q, drafts):
    return float(drafts[0]), 0

def outside(p, q, drafts):
    return len(p), -1

def wrong_slot(p, q, drafts):
    return right(p, q, drafts)[0], 0

def nan(p, q, drafts):
    return float("nan"), -1

def silent_on_nan(p, q, drafts):
    y = len(p) - int((p.cumsum(0) > torch.rand(())).sum())
    return y, drafts.index(y) if y in drafts else -1

class Machine:
    def __init__(self):
        self.generator = torch.Generator().manual_seed(1)
    def __call__(self, p, q, drafts):
        y = int(torch.multinomial(p, 1, generator=self.generator))
        return y, drafts.index(y) if y in drafts else -1

number = 7
"""

EXACT = ("--level", "0", "--level", "1")

app = typer.Typer()
app.command()(gate)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    (tmp_path / "engines_under_test.py").write_text(ENGINES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def go(*arguments: str) -> Result:
        few = [] if "--searched" in arguments or "--rerun" in arguments else ["--searched", "3"]
        return CliRunner().invoke(app, [*arguments, *few])

    yield go
    sys.modules.pop("engines_under_test", None)


@pytest.mark.slow
def test_a_right_engine_passes_and_says_what_it_could_have_missed(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run("engines_under_test:right", "--drafts", "iid", "--k", "2", "--json", "out.json", "--junit", "out.xml")
    assert result.exit_code == 0, result.output
    assert "PASS" in result.output
    assert "below it, and on other inputs, nothing is claimed" in " ".join(result.output.split())
    document = json.loads(Path("out.json").read_text())
    assert document["status"] == "pass"
    assert document["distance"] < 1e-6
    assert ET.parse("out.xml").getroot().get("failures") == "0"
    assert "--case" not in result.output


def test_a_biased_engine_fails_and_its_case_can_be_rerun(run: Callable[..., Result]) -> None:
    files = ("--markdown", "out.md", "--junit", "out.xml", "--case", "case.json")
    result = run("engines_under_test:biased", "--k", "1", *files)
    assert result.exit_code == 1, result.output
    assert "failing input saved; run it again with: spechub-lp gate engines_under_test:biased --rerun case.json" in (
        result.output
    )
    assert "p itself, not (p - q)+" in result.output
    assert "FAIL (bias)" in Path("out.md").read_text()
    assert int(ET.parse("out.xml").getroot().attrib["failures"]) >= 1
    again = run("--rerun", "case.json")
    assert again.exit_code == 1, again.output
    mended = run("engines_under_test:right", "--rerun", "case.json", *EXACT)
    assert mended.exit_code == 0, mended.output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("kills", "died of signal 9"),
        ("leaves", "ended the process"),
        ("crashes", "ZeroDivisionError"),
        ("shape", "not (token, slot)"),
        ("floats", "whole numbers"),
        ("nan", "whole numbers"),
        ("outside", "outside the vocabulary"),
        ("wrong_slot", "came with slot 0"),
    ],
)
def test_an_engine_that_misbehaves_is_a_verdict(run: Callable[..., Result], name: str, words: str) -> None:
    result = run(f"engines_under_test:{name}", "--budget", "20", "--k", "1", "--case", "case.json")
    assert result.exit_code == 1, result.output
    assert words in result.output
    assert "Traceback" not in result.output
    assert json.loads(Path("case.json").read_text())["case"]["tuple"]


def test_a_hang_is_a_verdict_and_its_input_is_saved_only_when_asked(run: Callable[..., Result]) -> None:
    before = set(Path().iterdir())
    result = run("engines_under_test:hangs", "--time-limit", "0.5")
    assert result.exit_code == 1, result.output
    assert "--case FILE saves the failing input; run it again with: spechub-lp gate eng" in result.output
    assert set(Path().iterdir()) - before <= {Path("__pycache__")}
    assert "no answer within 6 seconds" in result.output  # twelve time limits: the first call may load and compile


@pytest.mark.slow
def test_a_class_is_made_and_keeps_its_generator(run: Callable[..., Result]) -> None:
    assert run("engines_under_test:Machine", "--k", "1").exit_code == 0


def test_noise_that_cannot_be_controlled_is_named_and_too_few_draws_are_inconclusive(
    run: Callable[..., Result],
) -> None:
    result = run("engines_under_test:opaque", "--budget", "1000draws", "--k", "1")
    assert result.exit_code == 3, result.output
    assert "randn" in result.output
    assert "give it more time" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuchmodule_:f"], "cannot import"),
        (["engines_under_test:rigth"], "Did you mean 'right'"),
        (["engines_under_test:number"], "not callable"),
        (["engines_under_test:two_arguments"], "two_arguments(p, drafts) is called as verify(p, q, drafts)"),
        (["transformer"], "Did you mean 'transformers'"),
        (["engines_under_test:right", "--drafts", "idd"], "Did you mean 'iid'"),
        (["engines_under_test:right", "--k", "0"], "k = 0"),
        (["engines_under_test:right", "--budget", "fast"], "--budget"),
        (["engines_under_test:right", "--min-power", "1"], "--min-power"),
        (["engines_under_test:right", "--level", "9"], "--level"),
        (["engines_under_test:right", "--baseline", "none.json"], "cannot read"),
        (["--rerun", "engines_under_test.py"], "not JSON"),
        (["flashinfer_chain"], "flashinfer"),
        (["vllm_v2"], "vLLM"),
        (["tensorrt_llm"], "tensorrt"),
        (["mcsd"], "PYTHONPATH"),
        (["mcsd/wiht"], "Did you mean 'with'"),
        ([], "name an engine"),
    ],
)
def test_misuse_is_exit_code_2_in_one_line(run: Callable[..., Result], arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_probe_that_fails_can_be_rerun(run: Callable[..., Result]) -> None:
    result = run("engines_under_test:silent_on_nan", "--k", "1", "--level", "0", "--case", "case.json")
    assert result.exit_code == 1, result.output
    assert "raises no error" in result.output
    assert run("--rerun", "case.json").exit_code == 1
    assert run("engines_under_test:right", "--rerun", "case.json").exit_code == 0


@pytest.mark.slow
def test_acceptance_floor_and_baseline(run: Callable[..., Result]) -> None:
    result = run("engines_under_test:Machine", "--k", "1", "--acceptance-floor", "0.98", *EXACT)
    assert result.exit_code == 1, result.output
    assert "of the optimum" in result.output
    assert run("engines_under_test:right", "--k", "1", "--json", "base.json", *EXACT).exit_code == 0
    worse = run("engines_under_test:Machine", "--k", "1", "--baseline", "base.json", *EXACT)
    assert worse.exit_code == 1, worse.output
    assert "the baseline base.json has" in worse.output


def test_an_output_that_cannot_be_written_is_misuse(run: Callable[..., Result]) -> None:
    result = run("engines_under_test:Machine", "--k", "1", "--json", "no/such/folder/out.json", *EXACT)
    assert result.exit_code == 2, result.output
    assert "cannot write" in result.output


@pytest.mark.slow
def test_the_pytest_plugin(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "from engines_under_test import Machine, biased\n"
        "def test_right(spechub_gate):\n    assert spechub_gate(Machine(), k=1, searched=3).status == 'pass'\n"
        "def test_wrong(spechub_gate):\n    spechub_gate(biased, k=1)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "spechub_lp.testing.pytest_plugin", "-p", "no:cacheprovider"]
    engine = ["--spechub-gate", "engines_under_test:biased", "--spechub-gate-k", "1"]
    done = subprocess.run([*command, *engine], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1, done.stdout
    assert "2 failed, 1 passed" in done.stdout
    assert "p itself, not (p - q)+" in done.stdout
