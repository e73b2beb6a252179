"""scripts/same_numbers.py sees what differs: a number, a digit of a certificate, an exit code; not a date or a name."""

from typing import Any

import pytest
from places import ROOT

from scripts import same_numbers

BEFORE = {"date": "2026", "law": ["1/3", "2/3"], "alpha": 0.5, "lossless": True, "seconds": 3.0, "method": "highs"}
RENAMED = {"date": "2027", "distribution": ["1/3", "2/3"], "alpha": 0.5, "lossless": True, "seconds": 4.0}


def outcome(document: dict[str, Any], certificate: bytes = b"proof", code: int = 0) -> same_numbers.Outcome:
    return same_numbers.Outcome(code, list(same_numbers.leaves(document)), certificate, "")


def test_other_names_dates_and_times_are_no_difference() -> None:
    assert same_numbers.differences(outcome(BEFORE), outcome(RENAMED)) == []
    assert same_numbers.in_place(outcome(BEFORE), outcome(RENAMED))


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (outcome(RENAMED | {"alpha": 0.5 + 2**-53}), ["only before: alpha", "only after: alpha"]),
        (outcome(RENAMED | {"distribution": ["1/3", "3/4"]}), ["only before: law[1]", "only after: distribution[1]"]),
        (outcome(RENAMED | {"lossless": False}), ["only before: lossless", "only after: lossless"]),
        (outcome(RENAMED | {"lossless": 1}), ["only before: lossless", "only after: lossless"]),
        (outcome(RENAMED | {"extra": [0, 0]}), ["only after: extra[0]", "only after: extra[1]"]),
        (outcome(RENAMED, certificate=b"prooF"), ["the certificates differ"]),
        (outcome(RENAMED, code=1), ["exit code 0, now 1"]),
    ],
)
def test_a_difference_is_told_with_its_place(after: Any, said: Any) -> None:
    found = same_numbers.differences(outcome(BEFORE), after)
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True))


def test_an_order_that_changed_is_told() -> None:
    assert not same_numbers.in_place(outcome({"a": 1, "b": 2}), outcome({"b": 2, "a": 1}))


def gated(distances: dict[str, float]) -> same_numbers.Outcome:
    rows = [{"problem": name, "distance": x, "draws": 0} for name, x in distances.items()]
    return same_numbers.Outcome(0, [], b"", "", same_numbers.problems({"problems": rows}))


def test_gate_runs_are_compared_on_the_problems_that_both_have() -> None:
    before, wrong = gated({"ties": 1e-12, "tree 1x1": 0.25}), gated({"ties": 0.01, "searched": 0.0})
    same = same_numbers.on_shared_problems(before, gated({"ties": 3e-12, "searched": 0.5, "tree 1,1": 0.25}))
    assert same_numbers.differences(*same) == []
    assert len(same[0].leaves) == 2
    assert len(same_numbers.differences(*same_numbers.on_shared_problems(before, wrong))) == 2


def test_every_case_has_a_name_of_its_own() -> None:
    names = [same_numbers.slug(case.name) for case in same_numbers.cases()]
    assert len(set(names)) == len(names)


def test_files_that_cases_read_are_there() -> None:
    words = {word for case in same_numbers.cases() for word in case.words if word.startswith("validation/")}
    assert words
    assert all((ROOT / word).exists() for word in words)
