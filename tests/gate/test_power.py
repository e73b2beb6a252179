"""The zoo of validation/benchmarks/power: its engines are what they say, and a few of every kind get the right verdict.

The whole zoo takes an hour or more: `python validation/benchmarks/gate_power.py`.
"""

import importlib
from typing import Any

import pytest
import torch
from power.all_engines import ENTRIES, Entry

from spechub_lp._util.strict_json import read_json
from spechub_lp.gate import Settings
from spechub_lp.gate.engines.load import load
from spechub_lp.gate.run import run
from spechub_lp.report.text.gate_table import text

BY_NAME = {entry.name: entry for entry in ENTRIES}
OF_BATCHES = ("batch", "chain", "tree", "stream", "held-out batch")
FAILED = {
    "tie_of_p": 60,
    "argmax_below_0_05": 60,
    "from_8": 60,
    "KeyedByP": 60,
    "watches_its_watcher": 20,
    "NextProposal": 20,
    "OneHostUniform": 20,
}
"""Seconds that are enough; real noise is looked at for a share of them."""
PASSED = ("one_draft", "CacheOfBoth", "Chain")


def test_the_zoo_is_large_enough() -> None:
    wrong = [entry for entry in ENTRIES if entry.wrong]
    assert sum(entry.kind not in OF_BATCHES for entry in wrong) >= 90
    assert sum(entry.kind in OF_BATCHES for entry in wrong) >= 20
    assert len(ENTRIES) - len(wrong) >= 60
    assert all(entry.seen and entry.what and entry.where and entry.distance is not None for entry in wrong)


def test_the_page_has_the_stored_figures() -> None:
    gate_power = importlib.import_module("gate_power")
    page = gate_power.PAGE.read_text(encoding="utf-8")
    assert gate_power.updated(page, read_json(gate_power.KEPT)) == page


def drafts_of(entry: Entry) -> tuple[Any, Any, list[int]]:
    """p, q and drafts that the engine's policy may have made."""
    p, q = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]], dtype=torch.float64)
    if entry.drafts == "product":
        return p, torch.stack([q] * entry.k), [0, 1][: entry.k]
    return p, q, [0, 1, 2, 3][: entry.k]


@pytest.mark.filterwarnings("ignore:an engine's own warning")
@pytest.mark.parametrize("right", [True, False])
def test_every_function_answers(right: bool) -> None:
    for entry in ENTRIES:
        if entry.wrong is right or entry.kind in OF_BATCHES or entry.name == "compiled":
            continue
        p, q, x = drafts_of(entry)
        y, slot = load(entry.address)(p.clone(), q.clone(), list(x))
        assert 0 <= int(y) < 4, entry.address
        assert int(slot) == -1 or entry.wrong or x[int(slot)] == int(y), entry.address


def verdict(name: str, seconds: float) -> Any:
    entry = BY_NAME[name]
    return run(entry.address, entry.drafts, entry.k, Settings(seconds=seconds, clock="cpu"))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seconds"), FAILED.items(), ids=FAILED)
def test_a_wrong_engine_fails(name: str, seconds: float) -> None:
    report = verdict(name, seconds)
    assert report.exit_code == 1, text(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", PASSED)
def test_a_right_engine_does_not_fail(name: str) -> None:
    report = verdict(name, seconds=5)
    assert report.exit_code in (0, 3), text(report)
