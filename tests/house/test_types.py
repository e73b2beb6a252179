"""Types: one `Array` for every library, public strategies that say what they draw. `make lint` reads these lines."""

import ast
from fractions import Fraction
from pathlib import Path
from typing import Any, assert_type

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis.strategies import SearchStrategy
from places import ROOT

from spechub_lp.testing import strategies
from spechub_lp.typing import Array, BoolArray, Distribution, FloatArray, IntArray, Number, NumpyArray, ObjectArray

FLOATS: FloatArray = np.ones(3)
COUNTS: IntArray = np.ones(3, dtype=np.int64)
MASKS: BoolArray = np.ones(3, dtype=np.bool_)
RATIONALS: ObjectArray = np.array([Fraction(1)] * 3, dtype=object)
ANY: NumpyArray = FLOATS
NUMBERS: tuple[Number, ...] = (Fraction(1, 2), 0.5, 1)

ARRAYS: list[Array] = [FLOATS, COUNTS, MASKS, RATIONALS, torch.ones(3), torch.ones(3, dtype=torch.bool)]
"""That mypy accepts this list is the test that each of them is an Array."""


@pytest.mark.parametrize("array", [*ARRAYS, array_api_strict.ones(3)], ids=lambda a: f"{type(a).__module__} {a.dtype}")
@pytest.mark.parametrize("name", sorted(name for name in vars(Array) if not name.startswith("_")))
def test_every_library_has_what_an_array_has(array: Any, name: str) -> None:
    methods = {"reshape", "tolist", "sum", "all", "any", "max", "min", "argmax", "mean", "var"}
    if type(array).__module__.startswith("array_api_strict") and name in methods:
        pytest.skip("the standard has functions for these; the rules use _array/ops")
    assert hasattr(array, name)


def test_the_public_strategies_say_what_they_draw() -> None:
    assert_type(strategies.distributions(), SearchStrategy[Distribution])
    assert_type(strategies.pairs(), SearchStrategy[tuple[Distribution, Distribution]])
    assert_type(strategies.instances(), SearchStrategy[tuple[Distribution, Distribution, int]])


def names_for_any(path: Path) -> list[str]:
    """Names that a module gives to Any."""
    return [
        target.id
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == "Any"
        for target in node.targets
        if isinstance(target, ast.Name)
    ]


@pytest.mark.parametrize("folder", ["spechub_lp", "theory", "validation", "tests"])
def test_no_name_hides_any(folder: str) -> None:
    found = {path.name: names for path in (ROOT / folder).rglob("*.py") if (names := names_for_any(path))}
    assert found == {}
