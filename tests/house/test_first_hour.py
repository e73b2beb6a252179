"""What somebody types in the first hour works, or is told how: names, classes, comparisons, reprs."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from places import ROOT
from typer.testing import CliRunner

from spechub_lp import SpecHubError, acceptance, audit, cut, drafts, draw, exact, optimum, reference, samplers
from spechub_lp.cli.app import app
from spechub_lp.evaluate.evaluate import Plan

P, Q = ("1/2", "1/2"), ("1/4", "3/4")
ROWS = [0.5, 0.5], [0.25, 0.75]
U = [[0.1, 0.9, 0.5]]


@pytest.mark.parametrize(
    "ask",
    [
        lambda rule: exact(rule, P, Q),
        lambda rule: reference(rule, *ROWS),
        lambda rule: draw(rule, *ROWS, U),
        lambda rule: acceptance(rule, *ROWS),
    ],
    ids=["exact", "reference", "draw", "acceptance"],
)
def test_a_rule_is_taken_by_name_class_or_object(ask: Callable[[Any], Any]) -> None:
    assert ask("rrs") == ask(samplers.RRS) == ask(samplers.RRS())
    assert ask("rrs") != ask("nss")
    with pytest.raises(SpecHubError, match="Did you mean 'rrs'"):
        ask("rsr")


@pytest.mark.parametrize(
    ("find", "asked", "meant"),
    [
        (samplers.by_name, "RRS", "rrs"),
        (samplers.by_name, "Border-WOR", "border_wor"),
        (drafts.by_name, "wor", "without_replacement"),
        (drafts.by_name, "IID", "iid"),
        (drafts.by_name, "without-replacement", "without_replacement"),
    ],
)
def test_a_name_in_other_letters_or_abbreviated_is_understood(find: Any, asked: str, meant: str) -> None:
    with pytest.raises(SpecHubError, match=f"Did you mean '{meant}'"):
        find(asked)


def test_what_looks_like_no_name_gets_no_hint() -> None:
    with pytest.raises(SpecHubError) as error:
        drafts.by_name("zzz")
    assert "Did you mean" not in str(error.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda q: optimum(P, q),
        lambda q: exact("rrs", P, q),
        lambda q: draw("rrs", ROWS[0], [float(eval(v)) for v in q], U),
        lambda q: cut(ROWS[0], [float(eval(v)) for v in q]),
        lambda q: cut(torch.tensor(ROWS[0]), torch.tensor([float(eval(v)) for v in q])),
    ],
    ids=["optimum", "exact", "draw", "cut", "cut in torch"],
)
def test_results_compare_by_what_they_hold(make: Callable[[Any], Any]) -> None:
    assert make(Q) == make(Q)
    assert make(Q) != make(("1", "0"))
    assert make(Q) != 1


def test_a_repr_is_one_line_that_says_the_result() -> None:
    assert repr(optimum(P, Q)) == "Optimum(alpha=15/16, H={1}, k=2, iid, V=2)"
    assert repr(exact("rrs", P, Q)) == "Coupling(acceptance=13/16, lossless, 4 draft tuples, k=2, V=2)"
    assert "distance=" in repr(reference("rrs", *map(np.asarray, ROWS)))


class Strong(samplers.Sampler):
    name, own = "strong", (drafts.IID(),)
    strength: float = 1.0


class Nameless(samplers.Sampler):
    own = (drafts.IID(),)


class Homeless(samplers.Sampler):
    name = "homeless"


class NoRule(samplers.Sampler):
    name, own = "no_rule", (drafts.IID(),)


class Warm(drafts.DraftPolicy):
    name = "warm"
    heat: float = 2.0


class Halved(samplers.RRS):
    def __init__(self, share: float) -> None:
        self.share = share


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Strong(strength=2.0), "the setting strength.*@dataclass.* above class Strong"),  # type: ignore[call-arg]
        (lambda: Strong(), "the setting strength"),
        (lambda: Warm(heat=3.0), "the setting heat.*@dataclass.* above class Warm"),
        (lambda: samplers.RRS(strength=2.0), "RRS takes no 'strength'; it takes k, drafts"),  # type: ignore[call-arg]
        (lambda: Nameless(), 'write name = "mine" in the class'),
        (lambda: Homeless(), r"write own = \(drafts.IID\(\),\) in the class"),
        (lambda: exact(NoRule, P, Q), "NoRule defines no verify"),
        (lambda: exact(drafts.IID, P, Q), "the class IID is no sampler; give a name"),  # type: ignore[arg-type]
        (lambda: optimum(P, Q, drafts=samplers.RRS), "the class RRS is no draft policy"),  # type: ignore[arg-type]
        (lambda: exact(Halved, P, Q), "Halved is a class.* pass an object instead"),
        (lambda: exact(Halved(0.5), P, Q), r"Halved.__init__ leaves out k and drafts; call super"),
        (lambda: optimum(P, Q, drafts=3), "3 is of type int and no draft policy"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_rule_or_policy_is_told_what_lacks(make: Callable[[], Any], told: str) -> None:
    with pytest.raises(SpecHubError, match=told):
        make()


def test_one_name_where_several_may_stand_is_one_rule() -> None:
    assert {line.sampler for line in audit.run(1, 0, 0, jobs=1, samplers="rrs").lines} == {"rrs"}
    assert Plan(samplers="rrs").addresses == ("rrs",)  # type: ignore[arg-type]


def test_a_policy_is_taken_by_its_class() -> None:
    assert optimum(P, Q, drafts=drafts.IID) == optimum(P, Q)


@pytest.mark.parametrize(
    ("asked", "code", "told"),
    [
        ("mykernel", "def helper(): ...\ndef verify(p, q, drafts): ...", "mykernel:verify"),
        ("mykernel.py", "def verify(p, q, drafts): ...", "mykernel:verify"),
        ("mykernel.py:verify", "def verify(p, q, drafts): ...", "mykernel:verify"),
        ("mykernel", "def fast(p, q, drafts): ...\nclass Slow: ...", "mykernel:fast or mykernel:Slow"),
        ("mykernel", "x = 1", "defines no function"),
        ("mykernel", "def verify(:", "cannot read"),
    ],
)
def test_a_file_in_the_place_of_an_engine_is_told_how(
    asked: str, code: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mykernel.py").write_text(code)
    done = CliRunner().invoke(app, ["gate", asked])
    assert done.exit_code == 2
    assert told in done.output


COMPLETE = """
import json, sys, spechub_lp
lacking = []
for name in json.loads(sys.argv[1]):
    thing, parts = spechub_lp, name.split(".")[1:]
    for n, part in enumerate(parts):
        if part not in dir(thing):
            lacking.append(name)
        if n == len(parts) - 1 or not isinstance(getattr(thing, part), type(sys)):
            break  # the last is not imported; `optimum` and `problems` are functions, and packages for `import` only
        thing = getattr(thing, part)
print(json.dumps(lacking))
"""


def test_every_documented_module_completes_before_it_is_imported() -> None:
    pages = "".join(page.read_text() for page in sorted((ROOT / "docs" / "api").glob("*.md")))
    modules = sorted(
        set(re.findall(r"automodule:: ([\w.]+)", pages)) - {"spechub_lp._array.ops", "spechub_lp._util.tabular"}
    )
    assert len(modules) > 50
    done = subprocess.run([sys.executable, "-c", COMPLETE, json.dumps(modules)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_audit_takes_names_with_commas_between(tmp_path: Path) -> None:
    few = ["--instances", "1", "--positions", "0", "--rows", "0", "--jobs", "1", "--json", str(tmp_path / "a.json")]
    assert CliRunner().invoke(app, ["audit", "--sampler", "rrs,nss", "--sampler", "naive", *few]).exit_code == 0
    lines = json.loads((tmp_path / "a.json").read_text())["lines"]
    assert {line["sampler"] for line in lines} == {"rrs", "nss", "naive"}
