"""Where an engine can reach generators of noise: found once, replaced for the length of some calls."""

import collections
import contextlib
import functools
import os
import random
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spechub_lp.gate.noise.numpy_generators import LEGACY, ControlledNumpy
from spechub_lp.gate.noise.python_generators import ControlledPython

PYTHON_CLASSES = (random.Random, random.SystemRandom)
NUMPY_CLASSES = (np.random.Generator, np.random.RandomState)
MODULES = (random, np.random, np.random.mtrand, os)
"""Where everybody finds the global generators."""
FOREIGN = ("torch", "numpy", "spechub_lp")
"""Packages that are not looked into: torch is met at its dispatcher, and the others have no generators of their own."""
URANDOM = os.urandom
MOST = 20_000
"""Objects that are looked into."""
LONGEST = 4096
"""Entries of a container that are looked at."""
_INSTALLED = tuple({str(Path(sysconfig.get_paths()[name]).resolve()) for name in ("stdlib", "platlib", "purelib")})

StandIn = Callable[[ControlledPython, ControlledNumpy], Any]
"""What is put in the place of something that makes noise."""


class Slot(NamedTuple):
    """Name a place that holds something: how it is read, and how something else is put there.

    Examples
    --------
    >>> held = {"rng": 1}
    >>> slot = Slot(lambda: held["rng"], lambda value: held.update(rng=value))
    >>> slot.put(2)
    >>> slot.get()
    2
    """

    get: Callable[[], Any]
    put: Callable[[Any], Any]


class Places:
    """Find where the engine under test can reach python's and numpy's generators.

    Parameters
    ----------
    engine
        What is looked into.

    Examples
    --------
    >>> engine = [np.random.default_rng(0)]
    >>> any(slot.get() is engine[0] for slot, _ in Places(engine).found)
    True
    """

    def __init__(self, engine: Any):
        self.found: list[tuple[Slot, StandIn]] = []
        modules = [slot for module in MODULES for slot in _entries(vars(module))]
        for slot in (*_reached(engine), *modules):
            if stand_in := _stand_in(slot.get()):
                self.found.append((slot, stand_in))

    @contextlib.contextmanager
    def replaced(self, python: ControlledPython, numpy: ControlledNumpy) -> Iterator[None]:
        """Put the stand-ins where the generators are, inside this context."""
        classes = [(cls, name) for cls in PYTHON_CLASSES for name in ("random", "getrandbits", "_randbelow")]
        kept = [(cls, name, vars(cls).get(name)) for cls, name in classes]
        old: list[tuple[Slot, Any]] = []
        try:
            for cls in PYTHON_CLASSES:
                cls.random = lambda self: python.random()  # type: ignore[method-assign]
                cls.getrandbits = lambda self, bits: python.getrandbits(bits)  # type: ignore[method-assign]
                cls._randbelow = lambda self, n: python.below(n)  # type: ignore[attr-defined]
            for slot, stand_in in self.found:
                old.append((slot, slot.get()))
                slot.put(stand_in(python, numpy))
            yield
        finally:
            for slot, value in reversed(old):
                slot.put(value)
            for cls, name, value in kept:
                if value is None:
                    delattr(cls, name)
                else:
                    setattr(cls, name, value)


def _stand_in(value: Any) -> StandIn | None:
    """The stand-in for an object that an engine can reach, or None when the object makes no noise."""
    if isinstance(value, NUMPY_CLASSES):
        kind = type(value)
        return lambda python, numpy: ControlledNumpy(numpy._control, kind)
    if value is np.random.default_rng:
        return lambda python, numpy: lambda *args, **kwargs: numpy
    if any(value is kind for kind in NUMPY_CLASSES):
        return lambda python, numpy: _Made(value.__name__, (), {"real": value, "instance": numpy})
    if value is URANDOM:
        return lambda python, numpy: python.urandom
    if isinstance(value, types.BuiltinFunctionType | types.MethodType):
        return _of_method(getattr(value, "__self__", None), getattr(value, "__name__", ""), value)
    if isinstance(value, tuple) and len(value) <= LONGEST and (parts := [_stand_in(v) for v in value]) and any(parts):
        return lambda python, numpy: _rebuilt(value, [part and part(python, numpy) for part in parts])
    return None


def _of_method(owner: Any, name: str, value: Any) -> StandIn | None:
    if isinstance(owner, random.Random) and isinstance(value, types.BuiltinFunctionType):
        return (lambda python, numpy: getattr(python, name)) if name in ("random", "getrandbits") else None
    if isinstance(owner, NUMPY_CLASSES) and name not in ("seed", "get_state", "set_state"):
        return lambda python, numpy: getattr(numpy, LEGACY.get(name, name))
    return None


def _rebuilt(old: tuple[Any, ...], new: list[Any]) -> tuple[Any, ...]:
    values = [b or a for a, b in zip(old, new, strict=True)]
    return old._make(values) if hasattr(old, "_make") else tuple(values)


class _Made(type):
    """A class that passes for one of numpy's generators, and makes stand-ins."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls.instance  # type: ignore[attr-defined]

    def __instancecheck__(cls, thing: Any) -> bool:
        return isinstance(thing, cls.real)  # type: ignore[attr-defined]


# -- the walk --------------------------------------------------------------------------------------------------------


def _reached(engine: Any) -> Iterator[Slot]:
    """Every place that the engine can reach through its code, attributes, classes, containers and modules."""
    todo, seen = collections.deque([engine]), {id(module) for module in MODULES}
    while todo and len(seen) < MOST:
        thing = todo.popleft()
        if id(thing) in seen or not _looked_into(thing):
            continue
        seen.add(id(thing))
        for slot in _slots(thing):
            yield slot
            todo.append(slot.get())
        todo += _behind(thing)


_CONTAINERS = (
    list, dict, tuple, staticmethod, classmethod, property, type,
    types.FunctionType, types.MethodType, types.ModuleType,
)  # fmt: skip
_PLAIN = (str, bytes, int, float, complex, bool, type(None), np.ndarray, *NUMPY_CLASSES)


def _looked_into(thing: Any) -> bool:
    kind = type(thing)
    if isinstance(thing, _PLAIN) or (kind.__module__ == "builtins" and not isinstance(thing, _CONTAINERS)):
        return False
    if isinstance(thing, type):
        return _own(sys.modules.get(thing.__module__))
    if isinstance(thing, types.ModuleType):
        return _own(thing)
    home = thing.__module__ if isinstance(thing, types.FunctionType) else kind.__module__
    own_adapter = home.startswith("spechub_lp.gate.adapters") and not isinstance(thing, types.FunctionType)
    return own_adapter or home.partition(".")[0] not in FOREIGN


def _own(module: Any) -> bool:
    """Whether a module is somebody's own code, not the standard library's and not installed."""
    file = getattr(module, "__file__", None)
    if module is None or module.__name__.partition(".")[0] in FOREIGN:
        return False
    if file is None:
        return module.__name__ not in sys.builtin_module_names and "<frozen" not in repr(module)
    return not str(Path(file).resolve()).startswith(_INSTALLED)


def _slots(thing: Any) -> Iterator[Slot]:
    """The places in a thing that may hold a generator."""
    if isinstance(thing, dict):
        yield from _entries(thing)
    elif isinstance(thing, list | collections.deque):
        for i in range(min(len(thing), LONGEST)):
            yield Slot(functools.partial(thing.__getitem__, i), functools.partial(thing.__setitem__, i))
    elif isinstance(thing, types.FunctionType):
        yield Slot(lambda: thing.__defaults__ or (), lambda value: setattr(thing, "__defaults__", value or None))
        yield from _entries(thing.__kwdefaults__ or {})
        for cell in thing.__closure__ or ():
            if _filled(cell):
                yield _attribute(cell, "cell_contents")
        yield from _globals(thing)
    elif isinstance(thing, functools.partial):
        yield Slot(lambda: thing.args, lambda v: thing.__setstate__((thing.func, v, thing.keywords, vars(thing))))  # type: ignore[attr-defined]
        yield from _entries(thing.keywords)
    elif isinstance(thing, type):
        for name in list(vars(thing)):
            if not name.startswith("__") or name == "__call__":
                yield Slot(functools.partial(vars(thing).get, name), functools.partial(type.__setattr__, thing, name))
    if isinstance(own := getattr(thing, "__dict__", None), dict):
        yield from _entries(own)
    for name in _names_of_slots(thing):
        yield _attribute(thing, name)


def _attribute(thing: Any, name: str) -> Slot:
    return Slot(functools.partial(getattr, thing, name, None), functools.partial(object.__setattr__, thing, name))


def _entries(dictionary: dict[Any, Any]) -> list[Slot]:
    keys = list(dictionary)[:LONGEST]
    return [Slot(functools.partial(dictionary.get, k), functools.partial(dictionary.__setitem__, k)) for k in keys]


def _globals(function: types.FunctionType) -> list[Slot]:
    """Generators anywhere in the function's module, and everything that its code names."""
    space, names, codes = function.__globals__, set[str](), [function.__code__]
    while codes:
        code = codes.pop()
        names |= set(code.co_names)
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    keys = [k for k, value in list(space.items()) if k in names or _stand_in(value)]
    return [Slot(functools.partial(space.get, k), functools.partial(space.__setitem__, k)) for k in keys]


def _names_of_slots(thing: Any) -> list[str]:
    names: list[str] = []
    for cls in () if isinstance(thing, type) else type(thing).__mro__:
        slots = vars(cls).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    return [name for name in names if not name.startswith("__") and hasattr(thing, name)]


def _behind(thing: Any) -> list[Any]:
    """What a thing leads to and does not hold in a place: functions of methods, wrapped functions, classes."""
    if isinstance(thing, tuple):
        return list(thing[:LONGEST])
    if isinstance(thing, types.MethodType):
        return [thing.__func__, thing.__self__]
    if isinstance(thing, functools.partial):
        return [thing.func]
    if isinstance(thing, staticmethod | classmethod):
        return [thing.__func__]
    if isinstance(thing, property):
        return [f for f in (thing.fget, thing.fset) if f]
    if isinstance(thing, type):
        return list(thing.__mro__[1:-1])
    return [type(thing)]


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
