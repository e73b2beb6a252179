"""The lock names all that is asked for, on every Python, with torch's CPU build; the page of versions is the lock's."""

import re
import subprocess
import sys
import warnings
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import ROOT

from scripts import lock

TEXT = lock.LOCK.read_text(encoding="utf-8")
MACHINES = [e for python in lock.PYTHONS for e in lock.environments(python)]


def machine(environment: dict[str, str]) -> str:
    return "-".join(environment[key] for key in ("python_full_version", "sys_platform", "platform_machine"))


@pytest.mark.parametrize("environment", MACHINES, ids=machine)
def test_every_requirement_is_locked_at_a_release_that_it_takes(environment: dict[str, str]) -> None:
    pins = lock.pins(TEXT, environment)
    for name, requirements in lock.declared().items():
        assert all(r.specifier.contains(pins[name], prereleases=True) for r in requirements), (name, pins[name])
    assert set(lock.WITHOUT_THEIR_REQUIREMENTS) <= set(pins)


@pytest.mark.parametrize("environment", MACHINES, ids=machine)
def test_torch_is_locked_in_its_cpu_build(environment: dict[str, str]) -> None:
    pins = lock.pins(TEXT, environment)
    assert pins["torch"].endswith("+cpu") == (environment["sys_platform"] == "linux")
    assert not [name for name in pins if lock.CUDA.match(name) and name != "torch"]


def test_what_is_installed_is_what_is_asked_for() -> None:
    for name, requirements in lock.declared().items():
        assert all(r.specifier.contains(version(name), prereleases=True) for r in requirements), (name, version(name))


def test_the_lock_has_what_locked_releases_need() -> None:
    """It is installed without resolving: a missing package would be missing."""
    environment = lock.this_machine()
    if environment["python_version"] not in lock.PYTHONS:
        pytest.skip(f"the lock is not for Python {environment['python_version']}")
    pins = lock.pins(TEXT, environment)
    checked = 0
    for name in pins.keys() - set(lock.WITHOUT_THEIR_REQUIREMENTS):
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue
        if installed.version != pins[name]:  # the newest releases may need others
            continue
        checked += 1
        for needed in map(Requirement, installed.requires or []):
            if not needed.marker or needed.marker.evaluate({**environment, "extra": ""}):
                assert canonicalize_name(needed.name) in pins, f"{name} needs {needed}"
    assert checked > 40


def test_the_header_names_the_pythons_that_make_accepts() -> None:
    assert f"# Python: {' '.join(lock.PYTHONS)}\n" in TEXT
    classifiers = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"Python :: {python}" in classifiers for python in lock.PYTHONS)


def test_a_python_without_a_lock_is_told_so(tmp_path: Path) -> None:
    none = tmp_path / "none.txt"
    none.write_text("# Python: 2.7\n")
    command = ["make", "ready", f"VENV={tmp_path / 'venv'}", f"LOCK={none}", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "has no releases for Python" in done.stderr
    assert "hint: make PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_page_that_installs_extras_takes_the_cpu_build_of_torch() -> None:
    block = re.compile(r"```\w+\n(.*?)```", re.S)
    pages = [
        page for place in ("*.md", "docs/*.md", "spechub_lp/**/*.md", "notebooks/*.md") for page in ROOT.glob(place)
    ]
    installs = [
        code
        for page in pages
        for code in block.findall(page.read_text(encoding="utf-8"))
        if re.search(r"^ *(- run: )?pip install ('.\[|\"\$SPECHUB_LP)", code, re.M)
    ]
    assert len(installs) >= 3
    assert all("https://download.pytorch.org/whl/cpu" in code for code in installs)


def test_the_page_has_the_releases_of_the_lock() -> None:
    page = lock.PAGE.read_text(encoding="utf-8")
    assert lock.with_part(page, "versions", lock.table(TEXT)) == page


def test_what_is_newer_is_named() -> None:
    pins = lock.pins(TEXT, lock.this_machine())
    assert lock.newer(TEXT, TEXT) == []
    newest = TEXT.replace(f"tqdm=={pins['tqdm']}", "tqdm==999") + "brandnew==1\n"
    assert lock.newer(TEXT, newest) == ["brandnew 1 > none", f"tqdm 999 > {pins['tqdm']}"]


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("2692 passed, 3 skipped in 3.10s", "0 failed"),
        ("2 failed, 9 passed, 1 error in 277.97s (0:04:37)", "2 failed, 1 error"),
        ("12 passed, 10 errors in 1s", "10 errors"),
        ("no tests ran in 0.01s", "no result (no tests ran in 0.01s)"),
    ],
)
def test_the_outcome_of_the_newest_releases(last: Any, said: str) -> None:
    assert lock.outcome(f"F..\nFAILED tests/test_1 - 3 failed\n{last}\n") == said


@pytest.mark.parametrize("last", ["9 passed in 3.1s", "1 failed, 9 passed in 3.1s"])
def test_tests_that_were_stopped_say_how_many_ran(last: str) -> None:
    said = lock.outcome(f"F..\n!!!!!! KeyboardInterrupt !!!!!!\n{last}\n")
    assert said == f"{'1' if 'failed' in last else '0'} failed (9 passed, then stopped)"


def test_a_command_is_interrupted_and_what_it_printed_is_kept() -> None:
    wait = "print('begun', flush=True)\n time.sleep(600)"
    code = f"import time\ntry:\n {wait}\nexcept KeyboardInterrupt:\n print('and ended')"
    assert lock.stopped_after(3, [sys.executable, "-c", code]).split("\n") == ["begun", "and ended", ""]
    assert lock.stopped_after(None, [sys.executable, "-c", "print(3)"]) == "3\n"


def test_a_line_of_the_lock_keeps_only_markers_that_decide() -> None:
    assert lock.simplified("a==1 ; sys_platform != 'emscripten'") == "a==1"
    assert lock.simplified("a==1 ; os_name == 'nt'") is None
    assert lock.simplified("a==1 ; python_full_version < '3.12'") == "a==1 ; python_full_version < '3.12'"
    assert lock.simplified("nvidia-cublas==13.4 ; sys_platform == 'linux'") is None


KINDS = (UserWarning, RuntimeWarning, DeprecationWarning, FutureWarning, ResourceWarning)
OURS = sorted({"spechub_lp.audit", "theory", "validation.run", *(f.stem for f in (ROOT / "tests").rglob("*.py"))})
PASS_ON = ("torch.nn.modules.module", "functools", "contextlib", "numpy._core._methods", "transformers.utils.generic")


@pytest.mark.parametrize("kind", KINDS)
def test_a_warning_of_ours_is_an_error(kind: type[Warning]) -> None:
    for module in (*OURS, *PASS_ON):
        with pytest.raises(kind, match=f"^ours in {module}$"):
            warnings.warn_explicit(f"ours in {module}", kind, "a.py", 1, module=module)


@pytest.mark.parametrize("kind", KINDS)
def test_a_warning_of_another_package_is_none(kind: type[Warning]) -> None:
    others = ("dask.core", "marimo._ast", "transformers.models.llama.modeling_llama", "testing")
    with warnings.catch_warnings(record=True) as seen:
        for module in others:
            warnings.warn_explicit(f"from {module}", kind, "a.py", 1, module=module)
    assert len(seen) == len(others)
