"""Which lines and ways of conditional jumps have run, while an engine is called."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from spechub_lp.gate.coverage.code import Jump, Routine, routines

NEWS = 300
"""Calls of a function whose every instruction is looked at, after something new was seen or a problem began. Later
calls are seen by their lines only, which are cheaper; so ways on one line are "not seen", others "never ran"."""


@dataclass
class Seen:
    """What has run of one routine.

    Examples
    --------
    >>> def verify(p, q, drafts):
    ...     return drafts[0], 0
    >>> seen = Seen(Routine(verify.__code__))
    >>> seen.lines |= seen.routine.lines
    >>> seen.settle()
    >>> seen.finished
    True
    """

    routine: Routine
    lines: set[int] = field(default_factory=set)
    ways: set[tuple[int, bool]] = field(default_factory=set)
    """(offset of a jump, whether it jumped)."""
    closely: int = NEWS
    """Calls whose instructions are still looked at one by one."""
    finished: bool = False
    """Whether nothing is left to see."""
    inline: bool = True
    """Whether some way is left that lines cannot tell."""
    _known: int = -1

    def settle(self) -> None:
        """Take note of what the last call showed."""
        size = len(self.lines) + len(self.ways)
        if size == self._known:
            return
        self._known, self.closely = size, NEWS
        left = {offset for offset in self.routine.jumps if {(offset, False), (offset, True)} - self.ways}
        self.inline = bool(left - {jump.offset for jump in self.routine.by_line.values()})
        self.finished = bool(self.lines) and not left and self.lines >= self.routine.lines

    @property
    def outcomes(self) -> dict[tuple[int, str, bool], bool]:
        """Whether each condition was seen to be true, and to be false: one that is compiled twice counts once."""
        found: dict[tuple[int, str, bool], bool] = {}
        for jump in self.routine.jumps.values():
            for way in (False, True):
                key = (jump.line, jump.text, jump.when == way)
                found[key] = found.get(key, False) or (jump.offset, way) in self.ways
        return found


class Watcher:
    """Watches an engine's own Python code, inside a `with` and where it is called through `watched`.

    Parameters
    ----------
    engine
        Any callable.

    Examples
    --------
    >>> def verify(p, q, drafts):
    ...     if len(p) >= 8:
    ...         return drafts[0], 0
    ...     return 0, -1
    >>> watcher = Watcher(verify)
    >>> with watcher:
    ...     _ = watcher.watched(verify)([1.0], [1.0], [0])
    >>> len(watcher.unvisited())
    1
    """

    def __init__(self, engine: Any):
        self.seen = {id(r.code): Seen(r) for r in routines(engine)}
        self.why_not = "" if self.seen else "it has no Python code of its own"
        if hasattr(engine, "_torchdynamo_orig_callable"):
            self.why_not = "it is compiled"
        self.finished = not self.seen
        """Whether every line and every way has run."""
        monitoring = getattr(sys, "monitoring", None)
        self._monitor = Monitor(monitoring, self.seen) if monitoring and not self.why_not else None

    def __enter__(self) -> "Watcher":
        if self._monitor is not None:
            self.why_not = self._monitor.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._monitor is not None and not self.why_not:
            self._monitor.stop()

    def watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The callable, watched whenever it is called."""
        if self._monitor is not None or self.finished:
            return call

        def watched(*args: Any, **kwargs: Any) -> Any:
            if self.finished or self.why_not:
                return call(*args, **kwargs)
            if sys.gettrace() is not None:  # a debugger, or coverage.py; to take its place would break it
                self.why_not = "another tool is tracing"
                return call(*args, **kwargs)
            sys.settrace(self._trace)
            try:
                return call(*args, **kwargs)
            finally:
                sys.settrace(None)
                self._settle()

        return watched

    def _trace(self, frame: Any, event: str, argument: Any) -> Any:
        """What sys.settrace calls when a function begins."""
        seen = self.seen.get(id(frame.f_code))
        if seen is None or seen.finished:
            return None
        if seen.closely > 0 and seen.inline:
            seen.closely -= 1
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
            return _instructions(seen)
        return _lines(seen)

    def _settle(self) -> None:
        for seen in self.seen.values():
            seen.settle()
        self.finished = all(seen.finished for seen in self.seen.values())

    def fresh(self) -> None:
        """A new problem begins: look closely again."""
        for seen in self.seen.values():
            seen.closely = NEWS
        if self._monitor is not None and not self.why_not:
            self._monitor.fresh()

    @property
    def measured(self) -> bool:
        """Whether the code is watched at all; `why_not` says why it is not."""
        return not self.why_not

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """(lines that ran, lines, outcomes of conditions that were seen, outcomes)."""
        every = self.seen.values()
        outcomes = [seen for s in every for seen in s.outcomes.values()]
        ran = sum(len(s.lines & s.routine.lines) for s in every)
        return ran, sum(len(s.routine.lines) for s in every), sum(outcomes), len(outcomes)

    def open_lines(self) -> set[int]:
        """Lines that have not run, or whose conditions had one outcome only."""
        every = self.seen.values()
        lines = {line for seen in every for line in seen.routine.lines - seen.lines}
        return lines | {line for seen in every for (line, _, _), met in seen.outcomes.items() if not met}

    def unvisited(self) -> list[str]:
        """A sentence for each block of lines, and for each outcome of a condition, that no call has shown."""
        return [text for seen in self.seen.values() for text in _unvisited(seen)] if self.measured else []


def _instructions(seen: Seen) -> Callable[..., Any]:
    """A trace function for one call that sees every instruction."""
    jumps, line_of, last = seen.routine.jumps, seen.routine.line_of, -1

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal last
        if event == "opcode":
            here = frame.f_lasti
            if last in jumps:
                seen.ways.add((last, here == jumps[last].target))
            if here in line_of:
                seen.lines.add(line_of[here])
            last = here
        return trace

    return trace


def _lines(seen: Seen) -> Callable[..., Any]:
    """A trace function for one call that sees every line."""
    by_line, last = seen.routine.by_line, -1

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal last
        if event == "line":
            here = frame.f_lineno
            if last in by_line:
                jump = by_line[last]
                if here in jump.lines:
                    seen.ways.add((jump.offset, here == jump.lines[1]))
            seen.lines.add(here)
            last = here
        return trace

    return trace


class Monitor:
    """sys.monitoring, from Python 3.12 on: what has run once costs nothing any more.

    Parameters
    ----------
    monitoring
        The module sys.monitoring.
    seen
        Identity of a code object -> what has run of it.

    Examples
    --------
    >>> Monitor(getattr(sys, "monitoring", None), {}).tool  # none before it starts
    -1
    """

    def __init__(self, monitoring: Any, seen: dict[int, Seen]):
        self.monitoring, self.seen, self.tool = monitoring, seen, -1
        self.met: Counter[tuple[int, int]] = Counter()

    def start(self) -> str:
        """Start watching; returns why not, or ""."""
        monitoring, events = self.monitoring, self.monitoring.events
        free = [tool for tool in (1, 3, 4, 5, 0, 2) if monitoring.get_tool(tool) is None]
        if not free:
            return "other tools use all places of sys.monitoring"
        self.tool = free[0]
        monitoring.use_tool_id(self.tool, "spechub-lp gate")
        both = getattr(events, "BRANCH_LEFT", 0) | getattr(events, "BRANCH_RIGHT", 0)
        branches = [both & -both, both & (both - 1)] if both else [events.BRANCH]
        monitoring.register_callback(self.tool, events.LINE, self._line)
        for event in branches:
            monitoring.register_callback(self.tool, event, self._branch if both else self._both)
        for seen in self.seen.values():
            monitoring.set_local_events(self.tool, seen.routine.code, events.LINE | sum(branches))
        return ""

    def stop(self) -> None:
        """Stop watching."""
        for seen in self.seen.values():
            self.monitoring.set_local_events(self.tool, seen.routine.code, 0)
        self.monitoring.free_tool_id(self.tool)

    def _line(self, code: Any, line: int) -> Any:
        if (seen := self.seen.get(id(code))) is not None:
            seen.lines.add(line)
        return self.monitoring.DISABLE

    def _branch(self, code: Any, offset: int, to: int) -> Any:
        """One way of a branch."""
        seen = self.seen.get(id(code))
        if seen is not None and (jump := seen.routine.jumps.get(offset)) is not None:
            seen.ways.add((offset, to == jump.target))
        return self.monitoring.DISABLE

    def _both(self, code: Any, offset: int, to: int) -> Any:
        """Either way of a branch, which is looked at until both have run, or one has many times."""
        self._branch(code, offset, to)
        seen, place = self.seen.get(id(code)), (id(code), offset)
        self.met[place] += 1
        both = seen is None or {(offset, False), (offset, True)} <= seen.ways
        return self.monitoring.DISABLE if both or self.met[place] > NEWS else None

    def fresh(self) -> None:
        """Look at every branch again."""
        self.met.clear()
        self.monitoring.restart_events()


def _unvisited(seen: Seen) -> Iterator[str]:
    routine, outcomes = seen.routine, seen.outcomes
    if not seen.lines:
        yield f"`{routine.name}`, line {routine.code.co_firstlineno}, was never called"
        return
    blocks = _blocks(sorted(routine.lines - seen.lines), sorted(routine.lines))
    told = set()
    for jump in routine.jumps.values():
        for way in (False, True):
            value = jump.when == way
            key, other = (jump.line, jump.text, value), (jump.line, jump.text, not value)
            if outcomes[key] or key in told or not outcomes[other]:
                continue  # the last: the condition itself never came up
            told.add(key)
            said = _condition(jump, value)
            block = next((b for b in blocks if b[0] == jump.lines[way]), None)
            if block is not None:
                blocks.remove(block)
                yield f"`{routine.name}`, {_never(routine, block)} ({said} in line {jump.line})"
            else:
                yield f"`{routine.name}`, line {jump.line}: {said}"
    for block in blocks:
        yield f"`{routine.name}`, {_never(routine, block)}"


def _condition(jump: Jump, value: bool) -> str:
    text = f"`{jump.text}`" if jump.text else "a condition"
    if jump.when is None:
        return f"{text} was seen with one outcome only"
    return f"{text} was not seen to be {'true' if value else 'false'}"


def _never(routine: Routine, block: list[int]) -> str:
    where = f"line {block[0]}" if len(block) == 1 else f"lines {block[0]} to {block[-1]}"
    text = routine.source(block[0])
    return f"{where} never ran" + (f": `{text}`" if text else "")


def _blocks(missing: list[int], every: list[int]) -> list[list[int]]:
    """Missing lines that follow each other without one that ran between them."""
    blocks: list[list[int]] = []
    place = {line: i for i, line in enumerate(every)}
    for line in missing:
        if blocks and place[line] == place[blocks[-1][-1]] + 1:
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return blocks
