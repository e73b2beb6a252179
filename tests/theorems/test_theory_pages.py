"""The pages are there and name what exists; the recorded hunts say what the pages say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import theory
from spechub_lp.errors import SpecHubError
from spechub_lp.theorems import checks
from theory import table
from theory.__main__ import app

HERE = Path(theory.__file__).parent
PAGES = sorted(HERE.glob("T*/README.md"))


def test_every_theorem_has_a_page() -> None:
    assert all((HERE / page / "README.md").is_file() for page in table.PAGES.values())
    assert {page.parent.name for page in PAGES} == {p for p in table.PAGES.values() if p.startswith("T")}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.parent.name)
def test_page_has_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# T")
    for part in ("Where it comes from", "Proof|proof", "Not true nearby|not true nearby"):
        assert re.search(part, text), part


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.parent.name)
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for file in re.findall(r"`(theory/[\w./]+)`", text):
        assert (HERE.parent / file).exists(), file
    for name in re.findall(r"`theorems\.(\w+)`", text):
        assert hasattr(checks, name), name


def test_every_proof_in_rocq_is_compiled_and_named_on_its_page() -> None:
    proofs = {str(file.relative_to(HERE)) for file in HERE.glob("*/*.v")}
    listed = set(re.findall(r"^\w+/\w+\.v$", (HERE / "_CoqProject").read_text(encoding="utf-8"), re.MULTILINE))
    assert proofs == listed
    assert {file for named in table.ROCQ.values() for file in named} <= listed
    page = (HERE / "border/README.md").read_text(encoding="utf-8")
    assert [file.name for file in sorted(HERE.glob("border/*.v")) if f"`{file.name}`" not in page] == []


def test_the_recorded_hunts_came_out_as_expected() -> None:
    stored = json.loads((HERE / "hunts.json").read_text(encoding="utf-8"))
    assert stored["full"]
    assert stored["as expected"]
    for row in stored["hunts"]:
        assert (row["counterexample"] is not None) == (row["status"] == "false")
        assert row["exhaustive up to denominator"] >= 1


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_hunt_and_recheck_from_the_command_line(tmp_path: Path) -> None:
    stem = tmp_path / "found"
    hunted = _run("hunt", "rrsw >= spechub", "--where", "q(a)>1/2", "--certificate", stem)
    assert hunted.exit_code == 1
    assert "q = 3/5,1/5,1/5" in hunted.stdout
    assert _run("recheck", f"{stem}.hub.json", "rrsw >= spechub", "--where", "q(a)>1/2").exit_code == 0
    assert isinstance(_run("recheck", f"{stem}.hub.json", "spechub >= rrsw").exception, SpecHubError)


def test_a_hunt_that_finds_nothing_ends_with_zero() -> None:
    assert _run("hunt", "rrsw >= rrs", "--denominator", "4", "--climbs", "0").exit_code == 0


@pytest.mark.slow
def test_bad_input_ends_with_one_line_and_code_two() -> None:
    command = [sys.executable, "-m", "theory", "hunt", "rrsv >= rrs"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: unknown value 'rrsv'")
    assert done.stderr.count("\n") == 1
