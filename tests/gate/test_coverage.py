"""Which code no call has run, and which numbers it compares with: the same on every Python that is supported."""

import functools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from spechub_lp.gate.coverage.numbers import numbers
from spechub_lp.gate.coverage.watch import NEWS, Watcher

LEAST = 1e-3
EVEN = [0.5, 0.5]


def helper(p: Sequence[float]) -> int:
    return 2 if len(p) > 50 else 1


def verify(p: Sequence[float], q: Sequence[float], drafts: Sequence[int], cap: float = 0.99) -> tuple[int, int]:
    if len(p) >= 8 and p[0] > 0.5:
        y = 3
        return y, -1
    for j, x in enumerate(drafts):
        if q[x] < LEAST:
            return x, j
    if max(p) > 1 - 1e-4:
        return 0, -1
    rest = None
    while rest is None:
        rest = helper(p)
    return (1 if p[0] > cap else 0), -1


class Engine:
    """Kept numbers are found too."""

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __call__(self, p: Sequence[float], q: Sequence[float], drafts: Sequence[int]) -> tuple[int, int]:
        return self.after(p) if p[0] > self.limit else (0, -1)

    def after(self, p: Sequence[float]) -> tuple[int, int]:
        return len(p) - 1, -1


def watch(engine: Any, calls: Callable[[Any], Any]) -> Watcher:
    watcher = Watcher(engine)
    with watcher:
        calls(watcher.watched(engine))
    return watcher


def test_lines_and_conditions_that_never_ran_are_named() -> None:
    watcher = watch(verify, lambda call: call(EVEN, EVEN, [0]))
    said = watcher.unvisited()
    first = verify.__code__.co_firstlineno
    assert said[0] == f"`verify`, line {first + 1}: `len(p) >= 8` was not seen to be true"
    assert f"line {first + 6} never ran: `return x, j` (`q[x] < LEAST` was not seen to be true" in said[1]
    assert "`return 0, -1` (`max(p) > 1 - 1e-4` was not seen to be true" in said[2]
    assert any(f"lines {first + 2} to {first + 3} never ran: `y = 3`" in text for text in said)
    assert any("`helper`" in text and "`len(p) > 50` was not seen to be true" in text for text in said)
    assert not any("rest is None" in text or "p[0] > 0.5" in text for text in said)
    assert not watcher.finished


def test_nothing_is_named_once_all_has_run() -> None:
    wide, sure, half = [0.6] + [0.4 / 59] * 59, [1.0, 0.0], [0.995, 0.005]
    flat, one = [1 / 60] * 60, [0.0, 1.0]

    def calls(call: Callable[..., Any]) -> None:
        for p in (EVEN, wide, flat, sure, half):
            for q in (EVEN, one):
                call(p, (q * 30)[: len(p)], [0])

    watcher = watch(verify, calls)
    assert watcher.unvisited() == []
    ran, lines, seen, outcomes = watcher.counts
    assert ran == lines
    assert seen == outcomes > 8


@pytest.mark.parametrize(
    "engine", [Engine(0.75), Engine(0.75).__call__, functools.partial(Engine.__call__, Engine(0.75))]
)
def test_methods_and_what_they_call(engine: Any) -> None:
    watcher = watch(engine, lambda call: call(EVEN, EVEN, [0]))
    assert any("`Engine.after`" in text and "never called" in text for text in watcher.unvisited())


def test_numbers_are_read_from_comparisons_names_and_attributes() -> None:
    def values(engine: Any) -> dict[float, bool]:
        return {number.value: number.compared for number in numbers(s.routine for s in Watcher(engine).seen.values())}

    assert {8.0, 0.5, LEAST, 1 - 1e-4, 50.0, 0.99} <= {v for v, compared in values(verify).items() if compared}
    assert values(Engine(0.75)) == {0.75: True}

    def limits(p: Sequence[float], q: Sequence[float], drafts: Sequence[int]) -> Any:
        return sorted(p)[:20] if len(p) % 32 in (3, 5) else p[max(7, 2**4)]

    found = values(limits)
    assert {3.0, 5.0, 20.0, 32.0, 16.0, 7.0} <= set(found)
    assert not found[20.0]


def test_libraries_and_what_has_no_python_code_are_not_watched() -> None:
    watcher = watch(max, lambda call: call(1, 2))
    assert not watcher.measured
    assert "no Python code" in watcher.why_not
    names = {seen.routine.name for seen in Watcher(lambda p, q, drafts: time.sleep(len(Path("a").parts))).seen.values()}
    assert all("lambda" in name for name in names)


def test_a_way_on_one_line_is_seen_again_when_a_problem_begins() -> None:
    watcher = Watcher(helper)
    with watcher:
        call = watcher.watched(helper)
        for _ in range(2 * NEWS):
            call(EVEN)
        watcher.fresh()
        call([1 / 60] * 60)
    assert watcher.unvisited() == []


def test_what_a_call_raises_passes_through_and_the_tracer_is_put_away() -> None:
    def raises(p: Sequence[float]) -> None:
        raise KeyError(len(p))

    def calls(call: Callable[..., Any]) -> None:
        with pytest.raises(KeyError):
            call(EVEN)

    before = sys.gettrace()
    watcher = watch(raises, calls)
    assert sys.gettrace() is before
    assert watcher.unvisited() == []


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="sys.monitoring has a place for each tool")
def test_another_tracer_is_left_alone() -> None:
    def other(*_: object) -> None:
        return None

    before = sys.gettrace()
    sys.settrace(other)
    try:
        watcher = watch(verify, lambda call: call(EVEN, EVEN, [0]))
        assert sys.gettrace() is other
    finally:
        sys.settrace(before)
    assert watcher.why_not == "another tool is tracing"
    assert watcher.unvisited() == []
