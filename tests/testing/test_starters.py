"""The first files of a project pass as they are, and every file for CI, written or shown, is one by its schema."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import ROOT
from typer.testing import CliRunner

from spechub_lp.cli import init
from spechub_lp.cli.app import app
from spechub_lp.errors import SpecHubError
from spechub_lp.testing import starters
from spechub_lp.testing.starters import PRE_COMMIT, WORKFLOW, pre_commit, starter, workflow

PLACES = ("*.md", "docs/*.md", "spechub_lp/**/*.md", "validation/*.md")
PAGES = sorted(page for place in PLACES for page in ROOT.glob(place))
WHEEL = "./wheels/spechub_lp-0.1.0-py3-none-any.whl"


def shown() -> list[str]:
    """The YAML of all pages."""
    return [text for page in PAGES for text in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.S)]


def written() -> list[str]:
    """What `init` writes, of each kind."""
    texts = {**starter("kernel", "fast"), **starter("ci", "a.b:verify", "without_replacement", 3)}
    return [texts[WORKFLOW], texts[PRE_COMMIT], starter("sampler", "mine")[WORKFLOW], workflow("engine", "a:Engine")]


def valid(command: list[str], texts: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A validator's verdict on texts, as files."""
    files = [folder / f"{n}.yaml" for n in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", *command, *map(str, files)], capture_output=True, text=True, timeout=120
    )


def test_every_workflow_and_hook_is_one_by_its_schema(tmp_path: Path) -> None:
    found = shown() + written()
    jobs = [text for text in found if "jobs" in (yaml.safe_load(text) or {})]
    hooks = [text for text in found if "repos" in (yaml.safe_load(text) or {})]
    assert (len(jobs), len(hooks)) == (5, 2)
    schema = ["check_jsonschema", "--builtin-schema"]
    for command, texts in (
        ([*schema, "vendor.github-workflows"], jobs),
        ([*schema, "custom.github-workflows-require-timeout"], jobs),
        ([*schema, "vendor.github-actions"], [(ROOT / "action.yml").read_text(encoding="utf-8")]),
        (["pre_commit", "validate-config"], hooks),
    ):
        done = valid(command, texts, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    broken = jobs[0].replace("runs-on", "runs-at")
    assert valid([*schema, "vendor.github-workflows"], [broken], tmp_path).returncode == 1
    for text in map(yaml.safe_load, jobs):
        assert text["permissions"] == {"contents": "read"}
        steps = [step for job in text["jobs"].values() for step in job["steps"]]
        assert any("upload-artifact" in step.get("uses", "") for step in steps)
        assert any(step.get("with", {}).get("cache") == "pip" for step in steps)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", []),
        ("--k2 --seed 3", ["--k2", "--seed", "3"]),
        ('--waive "crash: issue 12" -v', ["--waive", "crash: issue 12", "-v"]),
    ],
)
def test_the_action_hands_on_its_options_as_a_shell_reads_them(options: str, words: list[str], tmp_path: Path) -> None:
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    (script,) = [step["run"] for step in steps if "spechub-lp gate" in step.get("run", "")]
    fake = tmp_path / "spechub-lp"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    given = {"ENGINE": "a:b", "DRAFTS": "iid", "K": "2", "BUDGET": "9s", "OPTIONS": options, "REPORT": "r"}
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **given}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert said[:8] == ["gate", "a:b", "--drafts", "iid", "--k", "2", "--budget", "9s"]
    assert said[said.index("r/gate.html") + 1 :] == words


def test_no_workflow_takes_the_package_from_an_index() -> None:
    for text in [*shown(), *written(), (ROOT / "action.yml").read_text(encoding="utf-8")]:
        assert not re.search(r"pip install '?spechub", text)


def test_the_pages_show_what_init_writes() -> None:
    assert {workflow("gate", "mykernel:verify", package=WHEEL), pre_commit("mykernel:verify")} <= set(shown())
    assert workflow("engine", "myengine:Engine", package=WHEEL) in shown()


def test_nothing_is_left_to_fill_in() -> None:
    for kind, name in (("kernel", "one"), ("sampler", "two"), ("ci", "three:verify")):
        for text in starter(kind, name, package="git+https://host/it@1").values():
            code = re.sub(r"#.*|GITHUB_STEP_SUMMARY|SPECHUB_LP", "", text)
            assert not re.search(
                r"\b(?:[A-Z]+_)*(?:NAME|CLASS|ENGINE|DRAFTS|MODULE|STEPS|JOB|PACKAGE|EXTRAS)\b|\bK\b", code
            )


@pytest.mark.parametrize("name", ["a-b", "class", "3x", "a b", "x/y"])
@pytest.mark.parametrize("kind", ["kernel", "ci"])
def test_a_name_that_no_module_has_is_bad_input(kind: str, name: str) -> None:
    with pytest.raises(SpecHubError, match="module"):
        starter(kind, name if kind == "kernel" else f"{name}:verify")


@pytest.mark.parametrize(
    ("noted", "place"),
    [
        ('{"url": "https://h/o/r", "vcs_info": {"vcs": "git", "commit_id": "f00"}}', "git+https://h/o/r@f00"),
        ('{"url": "https://me:word@h/o/r", "vcs_info": {"vcs": "git", "commit_id": "f00"}}', "./wheels/spechub_lp-9"),
        ('{"url": "file:///x", "dir_info": {"editable": true}}', "./wheels/spechub_lp-9"),
        (None, "./wheels/spechub_lp-9"),
    ],
)
def test_ci_installs_from_where_the_package_came_from(noted: Any, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        version = "9"

        def read_text(self, name: str) -> Any:
            return noted

    monkeypatch.setattr(starters, "distribution", lambda name: Installed())
    text = workflow("gate", "a:b")
    assert place in text.replace("spechub-lp[gate,html] @ git+https://HOST", "")
    assert "word" not in text


def test_the_command_line_knows_the_kinds_and_overwrites_nothing(tmp_path: Path) -> None:
    assert init.KINDS == starters.KINDS
    words = ["init", "ci", "a:verify", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, words).exit_code == 0
    (tmp_path / PRE_COMMIT).write_text("mine")
    done = CliRunner().invoke(app, words)
    assert done.exit_code != 0
    assert "is there already; --force" in str(done.exception)
    assert (tmp_path / PRE_COMMIT).read_text() == "mine"
    assert CliRunner().invoke(app, [*words, "--force"]).exit_code == 0


def test_a_second_file_of_a_project_keeps_its_workflow(tmp_path: Path) -> None:
    place = ["--out", str(tmp_path)]
    assert CliRunner().invoke(app, ["init", "sampler", "one", *place]).exit_code == 0
    before = (tmp_path / WORKFLOW).read_text()
    assert CliRunner().invoke(app, ["init", "kernel", "two", *place]).exit_code == 0
    assert (tmp_path / "two.py").is_file()
    assert (tmp_path / WORKFLOW).read_text() == before


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kernel", "sampler"])
def test_what_init_writes_passes_at_once_in_an_empty_folder(kind: str, tmp_path: Path) -> None:
    main = [sys.executable, "-m", "spechub_lp", "init", kind]
    assert subprocess.run(main, cwd=tmp_path, timeout=120).returncode == 0
    if kind == "kernel":  # which is gated on fewer of the searched problems than a user's
        (test,) = tmp_path.glob("test_*.py")
        text = test.read_text()
        assert text.count("seconds=30") == 1
        test.write_text(text.replace("seconds=30", "seconds=10"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=tmp_path, capture_output=True, text=True, timeout=580
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
