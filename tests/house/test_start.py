"""The command line starts light: help, completion and the checking of a certificate load no solver and no torch."""

import json
import os
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import spechub_lp
from spechub_lp import drafts, gate, samplers
from spechub_lp.cli import names
from spechub_lp.evaluate.measures import chosen

HEAVY = {
    "concurrent", "cvxpy", "highspy", "hypothesis", "jinja2", "matplotlib", "multiprocessing", "numpy", "scipy",
    "torch", "transformers",
}  # fmt: skip
COMMANDS = (
    "audit", "solve", "check-certificate", "sample", "schema", "gate", "evaluate", "capture", "init", "compare-reports",
    "notebook",
)  # fmt: skip

LOADED = """
import json, sys
sys.argv = ["spechub-lp", *sys.argv[1:]]
from spechub_lp.cli import main
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded(*args: str | Path, **environment: str) -> tuple[int, set[str]]:
    """(exit code, top-level modules) at the end of a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *map(str, args)],
        capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("args", [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)])
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    code, modules = loaded(*args)
    assert code == 0
    assert not modules & HEAVY


def test_public_names_stay_what_they_are_when_their_modules_are_loaded() -> None:
    for package in (spechub_lp, gate):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if module.name != "spechub_lp.__main__" and module.name != "spechub_lp.gate.__main__":
                import_module(module.name)
        public = {name: getattr(package, name) for name in package.__all__}
        modules = {name for name, thing in public.items() if isinstance(thing, ModuleType)}
        assert modules <= {"certificate", "distributions", "drafts", "errors", "ops", "plot", "samplers", "trees"}


def test_completion_loads_nothing_heavy() -> None:
    words = {"COMP_WORDS": "spechub-lp sample --sampler ", "COMP_CWORD": "3"}
    code, modules = loaded(_SPECHUB_LP_COMPLETE="complete_bash", **words)
    assert code == 0
    assert not modules & HEAVY


def test_a_certificate_is_checked_without_numpy_or_a_solver(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text(json.dumps(spechub_lp.optimum("0,1/5,4/5", "3/5,3/10,1/10").certificate()))
    code, modules = loaded("check-certificate", file, "--json", tmp_path / "out.json")
    assert code == 0
    assert not modules & HEAVY
    code, modules = loaded("solve", "--p", "1", "--q", "1")
    assert {"highspy", "numpy"} <= modules  # the list of modules is a real one


def test_the_gate_can_be_imported_without_torch() -> None:
    code = "import sys, spechub_lp.testing.pytest_plugin as p; assert not {'torch', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_the_checks_of_the_gate_load_no_statistics_of_scipy() -> None:
    """Its import takes longer than that of all checks; what they need of it is in scipy.special."""
    import_all = (
        "import sys, pkgutil, importlib, spechub_lp.gate.checks as c\n"
        "for m in pkgutil.walk_packages(c.__path__, c.__name__ + '.'): importlib.import_module(m.name)\n"
        "assert 'scipy.special' in sys.modules and 'scipy.stats' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", import_all], timeout=120).returncode == 0


def test_public_names_are_all_there_and_listed() -> None:
    everything: dict[str, Any] = {}
    exec("from spechub_lp import *", everything)
    assert set(spechub_lp.__all__) <= set(everything)
    assert set(spechub_lp.__all__) <= set(dir(spechub_lp))
    assert everything["SpecHubError"].__module__ == "spechub_lp.errors"
    from spechub_lp import gate

    assert set(gate.__all__) <= set(dir(gate))
    assert all(getattr(gate, name) is not None for name in gate.__all__)
    for module in (spechub_lp, gate):
        with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
            _ = module.nonsense


def test_names_of_the_command_line_are_those_of_the_package() -> None:
    assert tuple(sampler.name for sampler in samplers.ALL) == names.SAMPLERS
    assert tuple(sampler.name for sampler in samplers.VARIANTS) == names.VARIANTS
    assert tuple(policy.name for policy in drafts.ALL) == names.DRAFTS
    assert tuple(sampler.name for sampler in chosen(["all", *names.VARIANTS], 2)) == names.EVALUATED
