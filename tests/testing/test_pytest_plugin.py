"""The gate in pytest: a failure is the report without our frames, its input is saved, and a marker chooses tests."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from spechub_lp.gate import Finding, Report
from spechub_lp.gate.results import Kind, Level
from spechub_lp.testing import pytest_plugin

ENGINE = """
def crashes(p, q, drafts):
    raise ValueError("never right")
"""
TESTS = """
import pytest
from engine import crashes

@pytest.mark.spechub_gate(k=1, levels=(0,))
def test_it(spechub_gate):
    spechub_gate(crashes)  # this line is shown

def test_something_else():
    pass
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("plugin")
    (here / "engine.py").write_text(ENGINE)
    (here / "test_mine.py").write_text(TESTS)
    (here / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    return here


def run(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300).stdout


@pytest.mark.slow
def test_a_failure_shows_the_test_and_the_report_and_how_to_run_it_again(folder: Path) -> None:
    said = run(folder, "-m", "spechub_gate")
    assert "1 failed, 1 deselected" in said
    assert "this line is shown" in said
    assert "pytest_plugin.py" not in said.partition("short test summary")[0]
    assert "FAIL (crash)" in said
    assert "1 iid drafts" in said
    found = re.search(r"run it again with: spechub-lp gate (\S+) --rerun (\S+)", said)
    assert found is not None, said
    again = [sys.executable, "-m", "spechub_lp", "gate", found[1], "--rerun", found[2]]
    done = subprocess.run(again, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    assert "FAIL (crash)" in done.stdout


@pytest.mark.parametrize("verbosity", [0, 1])
def test_what_a_failure_shows_with_v_is_what_it_promises(verbosity: int) -> None:
    report = Report("mine:verify", "node", "iid", 2, findings=[Finding(Level.BOUNDARY, Kind.CRASH, "x")], calls=7)
    item = SimpleNamespace(config=SimpleNamespace(get_verbosity=lambda: verbosity))
    with pytest.raises(pytest_plugin.GateFailure) as failure:
        pytest_plugin._judge(report, "mine:verify", item)
    assert ("-v shows" in str(failure.value)) == (verbosity == 0)


def test_the_marker_is_known_and_chooses_nothing_else(folder: Path) -> None:
    assert "spechub_gate(drafts, k, **settings)" in run(folder, "--markers")
    assert "1 passed, 1 deselected" in run(folder, "-m", "not spechub_gate")
