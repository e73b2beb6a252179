"""The core installs alone; what needs an extra names it, in one line, where it is used."""

import json
import os
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from places import ROOT
from scipy.stats import binom

from spechub_lp._util.extras import extra, require
from spechub_lp.audit.draws import binomial_tail
from spechub_lp.cli import terminal
from spechub_lp.errors import MissingPackage
from spechub_lp.evaluate import cluster, tally
from spechub_lp.optimum import cvxpy_model
from spechub_lp.report.plots import pictures

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
CORE = {"array-api-compat", "gmpy2", "highspy", "numpy", "rich", "typer"}

IMPORT_ALL = """
import importlib, json, pkgutil, sys
blocked = set(json.loads(sys.argv[1]))
for name in blocked:
    sys.modules[name] = None
import spechub_lp
said = {}
for module in pkgutil.walk_packages(spechub_lp.__path__, "spechub_lp.", onerror=lambda name: None):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except Exception as error:
            said[module.name] = [type(error).__name__, str(error)]
print(json.dumps(said))
"""
WITHOUT = r"""
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None
sys.argv = ["spechub-lp", *sys.argv[2:]]
from spechub_lp.cli import main
main()
"""
P_AND_Q = ("--p", "0,1/5,4/5", "--q", "3/5,3/10,1/10")


def packages(name: str) -> set[str]:
    """The packages that an extra installs, those of the extras that it names too."""
    found = set()
    for requirement in map(Requirement, EXTRAS[name]):
        inner = [packages(part) for part in requirement.extras] if requirement.name == PROJECT["name"] else []
        found |= set().union(*inner) if inner else {requirement.name}
    return found


OPTIONAL = sorted(set().union(*map(packages, EXTRAS)) - CORE)


def test_the_core_is_what_it_is_said_to_be() -> None:
    assert {Requirement(line).name for line in PROJECT["dependencies"]} == CORE


def test_all_has_every_extra() -> None:
    (everything,) = map(Requirement, EXTRAS["all"])
    assert everything.extras == EXTRAS.keys() - {"all", "replay"}


def test_every_module_loads_without_extras_or_names_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, json.dumps(OPTIONAL)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {kind for kind, _ in said.values()} == {"MissingPackage"}
    for text in (text for _, text in said.values()):
        assert "\n" not in text
        assert any(f"pip install 'spechub-lp[{name}]'" in text for name in EXTRAS), text
    rooms = {name.split(".")[1] for name in said}
    assert rooms <= {"capture", "decoding", "gate", "evaluate", "kernels", "report", "sampling_torch", "testing"}


@pytest.mark.parametrize(
    ("missing", "name", "args"),
    [
        ("torch", "capture", ["audit", "--instances", "0", "--positions", "0", "--rows", "1"]),
        ("safetensors", "evaluate", ["evaluate", "rows"]),
        ("torch", "capture", ["capture", "--target", "m", "--draft", "n", "--text", "t", "--out", "o"]),
        ("torch", "gate", ["gate", "math:sqrt"]),
        ("scipy", "gate", ["gate", "math:sqrt"]),
        ("jinja2", "html", ["audit", "--instances", "1", "--positions", "0", "--rows", "0", "--html", "page.html"]),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(missing: str, name: str, args: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, missing, *args],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(f"needs the package {missing!r}: pip install 'spechub-lp[{name}]'")
    assert missing in packages(name)


@pytest.mark.parametrize(
    ("missing", "name", "use"),
    [
        ("distributed", "cluster", lambda: cluster.runner("tcp://127.0.0.1:1")),
        ("cvxpy", "cvxpy", cvxpy_model.load_cvxpy),
        ("matplotlib", "plots", lambda: pictures.canvas().__enter__()),
        ("scipy", "evaluate", lambda: tally._student(3)),
    ],
)
def test_a_function_names_the_extra_that_it_lacks(
    missing: str, name: str, use: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [module for module in sys.modules if module.partition(".")[0] == missing]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingPackage, match=rf"needs the package '{missing}': pip install 'spechub-lp\[{name}\]'$"):
        use()


def test_what_is_missing_is_an_error_of_ours_and_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingPackage, match=r"^a page needs the package 'jinja2': pip install 'spechub-lp\[html\]'$"):
        require("html", "a page", "numpy", "jinja2")
    with pytest.raises(ImportError, match=r"^a page needs the package 'jinja2'"), extra("html", "a page"):
        import jinja2  # noqa: F401


def test_a_fault_of_ours_is_not_called_a_missing_package() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"), extra("html", "a page"):
        raise ModuleNotFoundError("No module named 'spechub_lp.nowhere'", name="spechub_lp.nowhere")


def test_documents_name_the_packages_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    known = metadata.version

    def version(name: str) -> str:
        if name in OPTIONAL:
            raise PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(terminal, "version", version)
    assert set(terminal.about("audit")["versions"]) == {"python", "numpy", "highspy"}


@pytest.mark.parametrize("mass", [0.0, 1.0, 0.5, 0.3, 1e-3, 1e-20, 1 - 1e-12])
@pytest.mark.parametrize("n", [1, 7, 1000, 10**6])
def test_binomial_tails_are_those_of_scipy(n: int, mass: float) -> None:
    spread = (n * mass * (1 - mass)) ** 0.5
    counts = {min(n, max(0, round(n * mass + z * spread))) for z in (-9, -5, -2, -0.5, 0, 0.5, 2, 5, 9)}
    for count in counts | {0, n}:
        both = binom.cdf(count, n, mass), binom.sf(count - 1, n, mass)
        tail = both[count > n * mass]
        assert binomial_tail(count, n, mass) == pytest.approx(tail, rel=1e-6, abs=1e-300)


@pytest.mark.slow
def test_the_core_alone_solves_verifies_audits_and_samples(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python, elsewhere = tmp_path / "venv" / "bin" / "python", tmp_path / "elsewhere"
    elsewhere.mkdir()
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}

    def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(python), *map(str, args)]
        return subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=500)

    installed = run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", ROOT / "lock.txt", wheel)
    assert installed.returncode == 0, installed.stderr
    there = {line.partition("==")[0].lower() for line in run("-m", "pip", "freeze").stdout.splitlines()}
    assert not there & set(OPTIONAL)

    def command(*args: str) -> str:
        done = run("-m", "spechub_lp", *args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "needs the package 'cvxpy'" in command("solve", *P_AND_Q, "--certificate", "c.json")
    assert "proved" in command("check-certificate", "c.json")
    small = ("--rows", "0", "--positions", "0", "--instances", "8", "--jobs", "1", "--json", "audit.json")
    assert "PASS" in command("audit", *small)
    assert "39/100" in command("sample", "--sampler", "border", *P_AND_Q, "-n", "1000")
    document = json.loads((elsewhere / "audit.json").read_text())
    assert set(document["versions"]) == {"python", "numpy", "highspy"}
    rejected = run("-m", "spechub_lp", "gate", "math:sqrt")
    assert rejected.returncode == 2
    assert rejected.stderr.endswith("pip install 'spechub-lp[gate]'\n")
