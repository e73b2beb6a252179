"""Commands and options of the first release work as before, with one line on stderr, and are not offered."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from forked import run_each
from places import ROOT

import spechub_lp
from spechub_lp.cli import renamed
from spechub_lp.report import schemas

P, Q = "0,1/5,4/5", "3/5,3/10,1/10"
CASE = str(ROOT / "tests" / "data" / "documents_1" / "gate-case.json")
ENGINE = """
import torch


def biased(p, q, drafts):
    return drafts[0], 0
"""


def run(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spechub_lp", *args], capture_output=True, text=True, timeout=120, cwd=cwd
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.json").write_text(json.dumps(spechub_lp.optimum(P, Q).certificate()))
    (tmp_path / "json_engine.py").write_text(ENGINE)
    return tmp_path


PAIRS = [
    (("verify", "c.json"), ("check-certificate", "c.json"), "spechub-lp verify"),
    (("replay", "none"), ("evaluate", "none"), "spechub-lp replay"),
    (("solve", "--p", "1", "--q", "2", "--normalise"), ("solve", "--p", "1", "--q", "2", "--normalize"), "--normalise"),
    (("sample", "--sampler", "rrs", "--p", "2", "--q", "1", "-n", "1", "--normalise"),
     ("sample", "--sampler", "rrs", "--p", "2", "--q", "1", "-n", "1", "--normalize"), "--normalise"),
    (("gate", "--replay", "none"), ("gate", "--rerun", "none"), "--replay"),
    (("gate", "--replay=none"), ("gate", "--rerun=none"), "--replay"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "name"), PAIRS, ids=lambda words: words[0] if isinstance(words, tuple) else "")
def test_an_old_name_does_the_same_after_a_line_on_stderr(
    folder: Path, old: tuple[str, ...], new: tuple[str, ...], name: str
) -> None:
    before, after = (done for _, done in run_each([[*old], [*new]], folder))
    assert before.returncode == after.returncode
    if old[0] != "solve":  # its table has times
        assert before.stdout == after.stdout
    warning, *rest = before.stderr.splitlines()
    assert warning.startswith(f"warning: {name} is called ")
    assert rest == after.stderr.splitlines()


def test_a_document_asked_for_by_the_old_name_takes_stdout_alone(folder: Path) -> None:
    done = run("verify", "c.json", "--json", "-", cwd=folder)
    made = json.loads(done.stdout)
    assert made["schema"] == "spechub-check-certificate-2"
    assert made["alpha"] == made["optimum"] == "39/100"


@pytest.mark.slow
def test_a_case_of_the_first_release_is_run_again(folder: Path) -> None:
    done = run("gate", "--replay", CASE, "--level", "1", cwd=folder)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("FAIL (bias): json_engine:biased")


def test_the_schema_of_an_old_document(tmp_path: Path) -> None:
    old = run("schema", "verify", "--version", "1", cwd=tmp_path)
    assert (json.loads(old.stdout)["title"], old.stderr) == ("spechub-verify-1", "")
    new = run("schema", "verify", cwd=tmp_path)
    assert json.loads(new.stdout)["title"] == "spechub-check-certificate-2"
    assert new.stderr.startswith("warning: the document of verify is called that of check-certificate now")
    wrong = run("schema", "solve", "--version", "3", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr) == (2, "error: version = 3; schemas of solve have versions 1 to 2\n")


def test_old_names_are_in_no_help(tmp_path: Path) -> None:
    commands = ("gate", "solve", "sample")
    shown, *of_commands = (
        done.stdout for _, done in run_each([["--help"], *([c, "--help"] for c in commands)], tmp_path)
    )
    for old, new in schemas.OLD_NAMES.items():
        assert new in shown
        assert f"  {old} " not in shown
    for command, options in zip(commands, of_commands, strict=True):
        assert f"spechub-lp {command} " in options
        assert not [old for old in renamed.OPTIONS if old in options]


def test_a_value_that_looks_like_an_old_option_stays_after_two_dashes(tmp_path: Path) -> None:
    done = run("check-certificate", "--", "--replay", cwd=tmp_path)
    assert done.stderr.startswith("error: cannot read --replay")
