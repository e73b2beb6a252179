"""The Python functions that an engine is made of: their lines, their conditional jumps, their source."""

import dis
import functools
import inspect
import linecache
import site
import sysconfig
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

JUMPS = ("POP_JUMP_", "JUMP_IF_")
"""Beginnings of the names of conditional jumps. The end of a loop is none: what follows it shows as lines."""
OURS = str(Path(__file__).parents[2])
"""This package: the gate itself is not looked at."""
MADE = "<string>"
"""The file of methods that dataclasses write."""
ASSERTS = "assert "
"""A condition that an assertion tests has one outcome only, or the call crashes."""
LONGEST = 72


@dataclass(frozen=True)
class Jump:
    """A conditional jump in the bytecode.

    Examples
    --------
    >>> jump = Jump(offset=4, target=10, line=2, text="u < 0.5", when=False, lines=(3, 4))
    >>> jump.text, jump.when
    ('u < 0.5', False)
    """

    offset: int
    target: int
    line: int
    text: str
    """The expression that is tested."""
    when: bool | None
    """The value of the expression with which the jump is taken; None when that cannot be told."""
    lines: tuple[int | None, int | None]
    """The first line after (falling through, jumping)."""


@dataclass
class Routine:
    """One function of the engine, and what it can see.

    Examples
    --------
    >>> def verify(p, q, drafts):
    ...     return drafts[0], 0
    >>> routine = Routine(verify.__code__)
    >>> routine.name, len(routine.lines), routine.jumps
    ('verify', 1, {})
    """

    code: types.CodeType
    names: dict[str, Any] = field(default_factory=dict)
    """Numbers that the function reaches by name: globals, closure, defaults, attributes of its object."""

    @property
    def name(self) -> str:
        """What the function is called, with its class."""
        return self.code.co_qualname

    @functools.cached_property
    def line_of(self) -> dict[int, int]:
        """The line of each instruction, by offset."""
        return {
            at: line for start, end, line in self.code.co_lines() if line is not None for at in range(start, end, 2)
        }

    @functools.cached_property
    def lines(self) -> frozenset[int]:
        """The lines with code; the `def` itself runs when the module is loaded."""
        return frozenset(self.line_of.values()) - {self.code.co_firstlineno}

    @functools.cached_property
    def jumps(self) -> dict[int, Jump]:
        """Every conditional jump, by offset."""
        found, listed = {}, list(dis.get_instructions(self.code))
        for place, step in enumerate(listed[:-1]):
            if step.opname.startswith(JUMPS) and (line := self.line_of.get(step.offset)) is not None:
                if self.source(line).startswith(ASSERTS):
                    continue
                text = self._text(step.positions)
                after = (self.line_of.get(listed[place + 1].offset), self.line_of.get(step.argval))
                found[step.offset] = Jump(step.offset, step.argval, line, text, _when(step.opname, text), after)
        return found

    @functools.cached_property
    def by_line(self) -> dict[int, Jump]:
        """Jumps that lines tell apart: the only one of their line, with its two ways on two other lines."""
        at: dict[int, list[Jump]] = {}
        for jump in self.jumps.values():
            at.setdefault(jump.line, []).append(jump)
        return {
            line: jumps[0]
            for line, jumps in at.items()
            if len(jumps) == 1 and len({line, *jumps[0].lines}) == 3 and None not in jumps[0].lines
        }

    def source(self, line: int) -> str:
        """A line of the source, "" when it cannot be had."""
        return _short(linecache.getline(self.code.co_filename, line).strip())

    def _text(self, where: Any) -> str:
        """The source of an expression."""
        if where is None or None in (where.lineno, where.col_offset, where.end_col_offset):
            return ""
        line = linecache.getline(self.code.co_filename, where.lineno).encode()
        end = where.end_col_offset if where.end_lineno == where.lineno else None
        return _short(line[where.col_offset : end].decode(errors="replace").strip())


def _when(name: str, text: str) -> bool | None:
    if name.endswith("NONE"):
        if " is " not in text:
            return None
        jumps_on_none = not name.endswith("NOT_NONE")
        return jumps_on_none != (" is not " in text)
    return "TRUE" in name


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def routines(engine: Any) -> list[Routine]:
    """Find the functions behind a callable: itself, what it calls by name, methods of its object; no libraries.

    Parameters
    ----------
    engine
        Any callable.

    Returns
    -------
    list of Routine
        Each once; empty where it has no Python code of its own.

    Examples
    --------
    >>> def verify(p, q, drafts):
    ...     return drafts[0], 0
    >>> [routine.name for routine in routines(verify)], routines(len)
    (['verify'], [])
    """
    found: dict[int, Routine] = {}
    entry = {f.__code__.co_filename for f in _plain(engine)}
    stack, seen, kept = list(_plain(engine)), set(), _kept(engine)
    while stack:
        f = stack.pop()
        if id(f) in seen or not _own(f.__code__.co_filename, entry):
            continue
        seen.add(id(f))
        names = {name: value for name, value in _names(f).items() if _is_number(value)}
        names |= kept
        for code in _codes(f.__code__):
            found.setdefault(id(code), Routine(code, names))
        stack += _called(f)
    return list(found.values())


def _own(filename: str, entry: set[str]) -> bool:
    if filename in entry:
        return True
    return not filename.startswith(("<frozen", MADE, OURS, *_libraries()))


@functools.cache
def _libraries() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    named = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple({*named, *site.getsitepackages(), site.getusersitepackages()})


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and those of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _plain(thing: Any) -> list[types.FunctionType]:
    """The functions that a callable or an object's class is made of."""
    thing = inspect.unwrap(thing) if callable(thing) else thing
    if isinstance(thing, functools.partial):
        return [f for part in (thing.func, *thing.args, *thing.keywords.values()) for f in _plain(part)]
    if isinstance(thing, types.MethodType):
        return [*_plain(thing.__func__), *_methods(type(thing.__self__))]
    if isinstance(thing, types.FunctionType):
        return [thing]
    if isinstance(thing, types.BuiltinFunctionType | types.ModuleType):
        return []
    return _methods(thing if isinstance(thing, type) else type(thing))


def _methods(cls: type) -> list[types.FunctionType]:
    members = [m for base in cls.__mro__[:-1] for m in vars(base).values()]
    members = [m.__func__ if isinstance(m, staticmethod | classmethod) else m for m in members]
    members = [m.fget if isinstance(m, property) else m for m in members]
    return [m for m in members if isinstance(m, types.FunctionType)]


def _kept(engine: Any) -> dict[str, Any]:
    """The numbers that an object, or the object of a method, keeps."""
    objects = [engine, getattr(engine, "__self__", None)]
    if isinstance(engine, functools.partial):
        objects += engine.args
    kept = [thing.__dict__ for thing in objects if isinstance(getattr(thing, "__dict__", None), dict)]
    return {name: value for each in kept for name, value in each.items() if _is_number(value)}


def _names(f: types.FunctionType) -> dict[str, Any]:
    """What a function reaches by name."""
    code = f.__code__
    named = {name: f.__globals__[name] for inner in _codes(code) for name in inner.co_names if name in f.__globals__}
    for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
        try:
            named[name] = cell.cell_contents
        except ValueError:
            continue
    positional = code.co_varnames[: code.co_argcount]
    defaults = f.__defaults__ or ()
    return (
        named
        | dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True))
        | (f.__kwdefaults__ or {})
    )


def _called(f: types.FunctionType) -> list[types.FunctionType]:
    """Functions that this one may call: by name, or as attributes of modules and objects that it names."""
    attributes = {name for code in _codes(f.__code__) for name in code.co_names}
    found: list[types.FunctionType] = []
    for value in _names(f).values():
        if isinstance(value, types.ModuleType):
            if not (getattr(value, "__file__", None) or "").startswith((OURS, *_libraries())):
                found += [g for name in attributes for g in _plain(getattr(value, name, None))]
        elif isinstance(value, types.FunctionType | type) or type(value).__module__ != "builtins":
            found += _plain(value)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
