"""The robustness run itself: every attack finds nothing at seeds that hold, and finds what is broken on purpose."""

import json
import subprocess
import sys
from fractions import Fraction
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import ROOT

import spechub_lp
from spechub_lp import certificate
from spechub_lp.drafts.base import Cut
from validation.torture import ATTACKS, Doing, brute, rows, runner

FAST = ("certificates", "cuts", "closed_forms")


def trial(name: str, seed: int, most: int = 10_000) -> list[str]:
    checks, failures = runner.judge(islice(import_module(f"validation.torture.{name}").trial(seed), most))
    assert checks
    return failures


@pytest.mark.parametrize("name", FAST)
def test_a_fast_attack_finds_nothing(name: str) -> None:
    assert trial(name, 1) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(ATTACKS) - set(FAST)))
def test_an_attack_finds_nothing(name: str) -> None:
    assert trial(name, 1, most=60) == []


def test_brute_force_by_hand() -> None:
    p, q = ([Fraction(part) for part in text.split()] for text in ("0 1/5 4/5", "3/5 3/10 1/10"))
    values = {policy: brute.optimum(p, brute.draft_distribution(policy, q, 2))[0] for policy in brute.POLICIES[:3]}
    assert values == {"iid": Fraction(39, 100), "without_replacement": Fraction(69, 140), "hub": Fraction(9, 20)}
    uniform = brute.without_replacement_inside([Fraction(1, 6)], [6], [3], 2, Fraction(1))
    assert uniform == Fraction(1, 5)


def test_rows_are_whole_numbers_in_proportion() -> None:
    assert rows.fractions(rows.cast(np.asarray([0.25, 0.75]), "bfloat16", "torch")) == (
        Fraction(1, 4),
        Fraction(3, 4),
    )


def test_a_checker_that_accepts_all_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "check", lambda source: None)
    assert any("accepted although" in failure for failure in trial("certificates", 1))


@pytest.mark.parametrize(
    "q", [[["1"], "1"], ["1", ["1"]], [["1"], ["1", "0"]], [["1"], []], [["1"], None], "1"], ids=str
)
def test_rows_of_drafters_are_lists(q: Any) -> None:
    """A string is no list of its letters."""
    attack = import_module("validation.torture.certificates")
    claim: dict[str, Any] = {"p": ["1"], "q": [["1"], ["1"]], "drafts": "product", "k": 2, "alpha": "1"}
    good: dict[str, Any] = {
        "format": "spechub-lp certificate 1", "claim": claim, "coupling": [[[0, 0], 0, "1"]], "H": []
    }  # fmt: skip
    assert attack.truth_of(good) == "true"
    certificate.check(good)
    bad = {**good, "claim": {**claim, "q": q}}
    assert attack.truth_of(bad) in ("false", "unreadable")
    with pytest.raises(spechub_lp.SpecHubError):
        certificate.check(bad)


def test_a_checker_of_trees_that_accepts_all_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "_prove_tree", lambda claim, coupling: None)
    assert any("accepted although" in failure for seed in range(3) for failure in trial("trees", seed))


@pytest.mark.parametrize("seed", [27340116, 52273937, 3366283816])
def test_nothing_is_asked_below_a_draft_that_the_target_never_puts_out(seed: int) -> None:
    assert trial("trees", seed) == []


def test_documents_of_a_capture_stand_in_any_order(tmp_path: Path) -> None:
    """The same rows by document and index; one row that says it is another's is found."""
    attack = import_module("validation.torture.readings")
    manifest = attack.folder_of_rows(tmp_path)
    truth = attack._content(tmp_path)
    first, second, third = manifest["shards"]
    for shards, same in (([first, third, second], True), ([second, first, third], False)):
        (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "shards": shards}))
        found = attack._content(tmp_path)
        assert found == (truth if same else None)


def test_a_checker_that_accepts_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def reject(source: Any) -> None:
        raise spechub_lp.SpecHubError("no")

    monkeypatch.setattr(certificate, "check", reject)
    assert any("rejected although true" in failure for failure in trial("certificates", 1))


def test_a_cut_that_is_off_by_more_than_it_says_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    cuts = import_module("validation.torture.cuts")
    right = cuts.cut

    def off(*given: Any, **named: Any) -> Cut:
        found = right(*given, **named)
        return Cut(found.alpha + 1e-9, found.H, found.error)

    monkeypatch.setattr(cuts, "cut", off)
    assert trial("cuts", 1)


def test_failures_crashes_and_hangs_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in a process of its own; the run goes on behind it."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").write_text("")
    for name, body in BROKEN.items():
        (tmp_path / "broken" / f"{name}.py").write_text(f"import os, time\nSECONDS, MEMORY = 0.3, None\n{body}")
    monkeypatch.syspath_prepend(tmp_path)
    lines: list[str] = []
    tally = runner.run([f"broken.{name}" for name in BROKEN], 0, seed=3, say=lines.append)
    found = {name: message for name, _, message in tally.failures}
    assert found["broken.wrong"] == "1 is not 2"
    assert found["broken.raises"].startswith("ValueError at raises.py:")
    assert found["broken.hangs"] == "no end after 0 s (the long way)"
    assert found["broken.dies"] == "its process died, exit code 7"
    assert "broken.holds" not in found
    assert tally.checks["broken.holds"] == 2
    again = [line for line in lines if "--only broken.wrong --trial" in line]
    assert len(again) == 1


BROKEN = {
    "wrong": "def trial(seed):\n    yield None\n    yield '1 is not 2'\n",
    "raises": "def trial(seed):\n    yield None\n    raise ValueError('no')\n",
    "hangs": "from validation.torture import Doing\n"
    "def trial(seed):\n    yield Doing('the long way')\n    time.sleep(9)\n",
    "dies": "def trial(seed):\n    os._exit(7)\n    yield\n",
    "holds": "def trial(seed):\n    yield None\n    yield None\n",
}


def test_a_trial_is_determined_by_its_seed() -> None:
    cuts = import_module("validation.torture.cuts")
    named = [[entry for entry in islice(cuts.trial(5), 6) if isinstance(entry, Doing)] for _ in range(2)]
    assert named[0] == named[1] != []


@pytest.mark.slow
def test_the_command() -> None:
    line = [sys.executable, "-m", "validation.torture", "--only", "cuts", "--minutes", "0.001", "--seed", "1"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.startswith("seed 1, 0.001 minutes: cuts")
    assert done.stdout.rstrip().endswith("failures, seed 1")
