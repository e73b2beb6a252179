"""What somebody types in the first hour works, or is told how: names, classes, comparisons, reprs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from spechub_lp import SpecHubError, acceptance, cut, drafts, draw, exact, optimum, reference, samplers
from spechub_lp.cli.app import app

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


def test_audit_takes_names_with_commas_between(tmp_path: Path) -> None:
    few = ["--instances", "1", "--positions", "0", "--rows", "0", "--jobs", "1", "--json", str(tmp_path / "a.json")]
    assert CliRunner().invoke(app, ["audit", "--sampler", "rrs,nss", "--sampler", "naive", *few]).exit_code == 0
    lines = json.loads((tmp_path / "a.json").read_text())["lines"]
    assert {line["sampler"] for line in lines} == {"rrs", "nss", "naive"}
