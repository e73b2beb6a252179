"""Released engines: what is expected of each release is held against what the gate says, and the page has its table."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from places import ROOT

from scripts import lock
from validation import engines

KNOWN = engines.Expected("an_engine", "a-package", "1.0", 10, "biased", 1e-6, ("crash",), "divides by 0")
REPORT: dict[str, Any] = {
    "status": "biased", "distance": 1e-8, "problems": [{"problem": "a"}],
    "findings": [{"kind": "crash", "proof": True, "message": ""}, {"kind": "note", "proof": False, "message": ""}],
}  # fmt: skip


def test_what_is_expected_differs_in_nothing() -> None:
    assert engines.Outcome(KNOWN, "1.0", REPORT).differences == []


@pytest.mark.parametrize(
    ("found", "change", "said"),
    [
        (None, {}, "is not installed"),
        ("1.1", {}, "a-package 1.1, expected 1.0"),
        ("1.0", {"status": "pass", "findings": []}, "verdict pass, expected biased"),
        ("1.0", {"findings": []}, r"proofs \[\], expected \['crash'\]"),
        ("1.0", {"findings": [*REPORT["findings"], {"kind": "bias", "proof": True}]}, r"\['bias', 'crash'\]"),
        ("1.0", {"distance": 2e-6}, "distance 2e-06"),
        ("1.0", {"distance": float("nan")}, "distance nan"),
        ("1.0", {"problems": []}, "no problem was measured"),
    ],
)
def test_whatever_else_is_a_difference(found: str | None, change: dict[str, object], said: str) -> None:
    assert re.search(said, "; ".join(engines.Outcome(KNOWN, found, {**REPORT, **change}).differences))


def test_an_engine_that_says_nothing_is_no_pass() -> None:
    assert engines.Outcome(KNOWN, "1.0", error="exit code 70").differences == ["no report: exit code 70"]


def test_a_package_that_is_missing_is_seen_without_running_it() -> None:
    outcome = engines.run(replace(KNOWN, package="no-such-package-of-engines"))
    assert outcome.differences == ["no-such-package-of-engines is not installed, expected 1.0"]


def test_the_list_and_the_locks_name_the_same_releases() -> None:
    pins = lock.pins(lock.LOCK.read_text(encoding="utf-8"), lock.this_machine())
    pins |= lock.pins((ROOT / "engines.txt").read_text(encoding="utf-8"), lock.this_machine())
    for engine in engines.expected():
        assert pins[engine.package] == engine.version, engine.name
        assert (engine.verdict == "pass") == (not engine.kinds) == (not engine.reason)


def test_the_page_has_the_table_of_the_results() -> None:
    """An empty one before the first `make engines WRITE=1`."""
    page, kept = engines.PAGE.read_text(encoding="utf-8"), engines.RESULTS.is_file()
    documents = json.loads(engines.RESULTS.read_text(encoding="utf-8"))["engines"] if kept else []
    assert [d["engine"] for d in documents] == [e.name for e in engines.expected() if kept]
    assert not [d for d in documents if d["differences"]]
    assert engines.updated(page, documents) == page
