"""Names of the first release live on for one release, with a warning."""

import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

import spechub_lp
from spechub_lp import drafts, exact, optimum, samplers
from spechub_lp._util.renamed import OLD_MODULES
from spechub_lp.capture import store as new_store
from spechub_lp.cli.renamed import OPTIONS
from spechub_lp.report.schemas import OLD_FIELDS, OLD_NAMES

P, Q = [3, 1], [1, 1]


@pytest.mark.parametrize("old", sorted(OLD_MODULES))
def test_a_module_of_the_first_release_is_found(old: str) -> None:
    sys.modules.pop(f"spechub_lp.{old}", None)
    with pytest.warns(DeprecationWarning, match="goes with the next release"):
        import_module(f"spechub_lp.{old}")
    for part in OLD_MODULES[old]:
        assert import_module(f"spechub_lp.{part}")


def test_names_are_looked_up_in_every_part() -> None:
    for old in OLD_MODULES:
        sys.modules.pop(f"spechub_lp.{old}", None)
        vars(spechub_lp).pop(old, None)
    with pytest.warns(DeprecationWarning, match="next release"):
        from spechub_lp import faces  # type: ignore[attr-defined]  # a name of the first release
    with pytest.warns(DeprecationWarning, match="next release"):
        from spechub_lp import laws  # type: ignore[attr-defined]
    with pytest.warns(DeprecationWarning, match="next release"):
        from spechub_lp.logits import store  # type: ignore[import-untyped]
    assert faces.exact is exact
    assert faces.draw
    assert store is new_store
    with pytest.warns(DeprecationWarning, match="parse"):
        assert laws.law is laws.parse
    with pytest.raises(AttributeError, match="no_such"):
        _ = faces.no_such


OLD: dict[str, Any] = {"normalise": True}


@pytest.mark.parametrize("call", [
    lambda: optimum(P, Q, **OLD).alpha,
    lambda: exact(samplers.RRS(), P, Q, **OLD).distance,
])  # fmt: skip
def test_normalise_is_normalize(call: Callable[[], Any]) -> None:
    with pytest.warns(DeprecationWarning, match="normalize="):
        assert call() is not None


def test_the_output_law_is_the_output_distribution() -> None:
    coupling = exact(samplers.RRS(), ["1/2", "1/2"], ["1/4", "3/4"])
    with pytest.warns(DeprecationWarning, match="output_distribution"):
        assert coupling.output_law == coupling.output_distribution


def test_what_is_unserved_is_the_residual() -> None:
    best, old = optimum(["1/2", "1/2"], ["1/4", "3/4"]), "unserved"
    with pytest.warns(DeprecationWarning, match="residual"):
        assert (getattr(best, old) == best.residual).all()


def test_the_error_has_its_old_name_too() -> None:
    from spechub_lp import errors

    with pytest.warns(DeprecationWarning, match="InvalidDistribution"):
        assert errors.LawError is errors.InvalidDistribution
    assert drafts.by_name("iid").name == "iid"


@pytest.mark.parametrize("name", ["spechub_lp.gate.pytest_plugin", "spechub_lp.testing.pytest_plugin"])
def test_the_plugin_loads_by_both_names_beside_its_entry_point(name: str, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("def test_mine(spechub_gate):\n    assert callable(spechub_gate)\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", name, "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_changelog_has_every_old_name_in_its_table() -> None:
    _, _, table = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("### Renamed")
    cells = [row.split(" | ") for row in table.splitlines() if row.startswith("| ")]
    module = {before: now for what, before, now in cells if what == "| module"}
    assert module == {f"`{old}`": ", ".join(f"`{part}`" for part in new) + " |" for old, new in OLD_MODULES.items()}
    named = " ".join(before for _, before, _ in cells)
    fields = {old for renamed in OLD_FIELDS.values() for old in renamed}
    for old in {*OLD_NAMES, *OPTIONS, *fields}:
        assert re.search(rf"[` ]{old}`", named), old
