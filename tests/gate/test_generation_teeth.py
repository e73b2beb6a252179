"""Whole engines wrong in one place are failed, with setting and position; right ones that look wrong pass.

Tests run those that are told in few calls, one of each kind; `python tests/gate/test_generation_teeth.py` runs all.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from spechub_lp.gate.generation import settings
from spechub_lp.gate.generation.exact import TOLERANCE, Limits, check_exact
from spechub_lp.gate.generation.pair import TinyPair, make_pair, write_pair
from spechub_lp.gate.generation.results import Verdict

pytest.importorskip("transformers")
from wrong_generations import RIGHT, WRONG, Patched

if TYPE_CHECKING:
    from wrong_generations import Case

pytestmark = pytest.mark.slow
QUICK = {
    "the residual is the target", "the row after the rejected draft", "typical acceptance", "probabilities for logits",
    "drafts are greedy", "the mask is that of the step's start", "bias on one side",
}  # fmt: skip

PAIR = (3, 28, 0.4)
"""Vocabulary, seed, distance. Every case is far off there, and a large difference needs few random calls to be sure."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> TinyPair:
    return write_pair(make_pair(*PAIR), tmp_path_factory.mktemp("pair"))


def checked(pair: TinyPair, case: Case):  # type: ignore[no-untyped-def]
    assert isinstance(pair.folder, Path)
    setting = settings.find(case.setting)
    return check_exact(Patched(pair.folder, case), pair, setting, case.drafts, case.tokens, Limits(600, 60))


def test_there_are_enough() -> None:
    assert len(WRONG) >= 20
    assert {case.name for case in WRONG} > QUICK


@pytest.mark.parametrize("case", [case for case in WRONG if case.name in QUICK], ids=lambda case: case.name)
def test_a_wrong_engine_is_failed(pair: TinyPair, case: Case) -> None:
    row = checked(pair, case)
    assert row.verdict == Verdict.FAILED, row
    assert row.setting == case.setting
    assert row.distance > TOLERANCE
    place = "position" if case.position is None else f"position {case.position} "
    assert place in row.message


@pytest.mark.parametrize("case", RIGHT[:1], ids=lambda case: case.name)
def test_a_right_engine_that_looks_wrong_passes(pair: TinyPair, case: Case) -> None:
    row = checked(pair, case)
    assert row.verdict == Verdict.EXACT, row


def main() -> None:
    """Print the verdict on each."""
    with TemporaryDirectory() as folder:
        pair = write_pair(make_pair(*PAIR), Path(folder))
        for case in (*RIGHT, *WRONG):
            row = checked(pair, case)
            print(f"{case.name} ({case.setting}): {row.verdict}, {row.distance:.3g}. {row.message}", flush=True)


if __name__ == "__main__":
    main()
