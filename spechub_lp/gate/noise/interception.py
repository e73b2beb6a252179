"""Host randomness under control: an unmodified function asks torch, python or numpy for noise, and a choice sequence
answers.

torch is met at its dispatcher, so every way of importing or calling it is covered, and any random operator that is
not known here is rejected by name. python's and numpy's generators are replaced for the length of one call: in their
modules, in the globals, closure and attributes of the function under test, and on the class `random.Random`.
"""

import contextlib
import os
import random
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from spechub_lp._util.extras import extra
from spechub_lp.gate.noise.choice_sequence import MOST_OUTCOMES, ChoiceSequence, Control, Uncontrolled
from spechub_lp.gate.noise.numpy_generators import LEGACY, ControlledNumpy

with extra("gate", "the gate"):
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

BITS = {torch.float64: 53, torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}


class ControlledTorch(TorchDispatchMode):
    """Answers torch's random operators from a choice sequence."""

    def __init__(self, control: Control):
        super().__init__()  # type: ignore[no-untyped-call]
        self.control = control
        self.checker = torch.Generator()

    def answer(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        plain = _PLAIN.get(func)
        if plain is None:
            plain = _PLAIN[func] = torch.Tag.nondeterministic_seeded not in func.tags
        if plain:
            return func(*args, **kwargs)
        name = func._schema.name.removeprefix("aten::")
        handler = getattr(self, f"_{name.rstrip('_')}", None)
        if handler is None:
            raise Uncontrolled(f"torch's operator {name} draws noise that the gate cannot control")
        bound = _bind(func, args, kwargs)
        result = handler(bound, f"torch.{name}")
        if name.endswith("_"):
            return args[0].copy_(result)
        return bound["out"].copy_(result) if bound.get("out") is not None else result

    def _uniforms(self, shape: Any, dtype: torch.dtype | None, source: str) -> torch.Tensor:
        dtype = dtype or torch.get_default_dtype()
        if dtype not in BITS:
            raise Uncontrolled(f"{source} of dtype {dtype} cannot be controlled")
        values = [self.control.choices.uniform(BITS[dtype], source) for _ in range(int(np.prod(shape, dtype=int)))]
        return torch.tensor(values, dtype=torch.float64).to(dtype).reshape(tuple(shape))

    def _rand(self, a: dict[str, Any], source: str) -> torch.Tensor:
        return self._uniforms(a["size"], a.get("dtype"), source)

    def _rand_like(self, a: dict[str, Any], source: str) -> torch.Tensor:
        return self._uniforms(a["self"].shape, a.get("dtype") or a["self"].dtype, source)

    def _uniform(self, a: dict[str, Any], source: str) -> torch.Tensor:
        u = self._uniforms(a["self"].shape, a["self"].dtype, source)
        low, high = a.get("from", 0.0), a.get("to", 1.0)
        return u if (low, high) == (0, 1) else u * (high - low) + low

    def _bernoulli(self, a: dict[str, Any], source: str) -> torch.Tensor:
        chance = a.get("p")
        if chance is None:
            chance = a["self"]
        distribution = torch.as_tensor(chance, dtype=torch.float64).expand(a["self"].shape)
        if not bool(((distribution >= 0) & (distribution <= 1)).all()):
            raise RuntimeError(f"Expected p_in >= 0 && p_in <= 1, but got {distribution.tolist()}")
        flips = [self.control.choices.pick((1 - c, c), source) for c in distribution.reshape(-1).tolist()]
        return torch.tensor(flips, dtype=a["self"].dtype).reshape(a["self"].shape)

    def _multinomial(self, a: dict[str, Any], source: str) -> torch.Tensor:
        weights, count, again = a["self"], a["num_samples"], a.get("replacement", False)
        real = torch.multinomial(weights, count, again, generator=self.checker)  # raises torch's own errors
        rows = []
        for row in weights.reshape(-1, weights.shape[-1]).double().tolist():
            picks = []
            for _ in range(count):
                picks.append(self.control.choices.pick(row, source))
                if not again:
                    row[picks[-1]] = 0.0
            rows.append(picks)
        return torch.tensor(rows).reshape(real.shape)

    def _exponential(self, a: dict[str, Any], source: str) -> torch.Tensor:
        times = self.control.choices.race(a["self"].numel(), source)
        return torch.tensor(times, dtype=torch.float64).reshape(a["self"].shape).to(a["self"].dtype) / a.get("lambd", 1)

    def _randint(self, a: dict[str, Any], source: str) -> torch.Tensor:
        shape = a["size"] if "size" in a else a["self"].shape
        low, high = a.get("low") or 0, a["high"]
        return self._integers(shape, low, high, a.get("dtype") or torch.int64, source)

    def _randint_like(self, a: dict[str, Any], source: str) -> torch.Tensor:
        return self._integers(a["self"].shape, a.get("low") or 0, a["high"], a.get("dtype") or a["self"].dtype, source)

    def _random(self, a: dict[str, Any], source: str) -> torch.Tensor:
        if a.get("to") is None:
            raise Uncontrolled(f"{source} without an upper end cannot be enumerated")
        return self._integers(a["self"].shape, a.get("from") or 0, a["to"], a["self"].dtype, source)

    def _integers(self, shape: Any, low: int, high: int, dtype: torch.dtype, source: str) -> torch.Tensor:
        if high - low > MOST_OUTCOMES:
            raise Uncontrolled(f"{source} over {high - low} outcomes (a seed?) cannot be enumerated")
        even = [1.0] * (high - low)
        values = [low + self.control.choices.pick(even, source) for _ in range(int(np.prod(tuple(shape), dtype=int)))]
        return torch.tensor(values, dtype=dtype).reshape(tuple(shape))

    def _randperm(self, a: dict[str, Any], source: str) -> torch.Tensor:
        left = list(range(a["n"]))
        return torch.tensor([left.pop(self.control.choices.pick([1.0] * len(left), source)) for _ in range(a["n"])])


_PLAIN: dict[Any, bool] = {}
"""Operators that were met, and whether they draw no noise."""

# Set after the class is made, because torch wraps what it finds in a class body for its compiler, at half the speed.
ControlledTorch.__torch_dispatch__ = ControlledTorch.answer  # type: ignore[assignment,method-assign]


def _bind(func: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    names = [argument.name for argument in func._schema.arguments]
    return {**dict(zip(names, args, strict=False)), **kwargs}


class ControlledPython:
    """The two primitives behind all of python's `random`."""

    def __init__(self, control: Control):
        self.control = control

    def random(self, *instance: Any) -> float:
        return self.control.choices.uniform(53, "random.random")

    def getrandbits(self, *bits: Any) -> int:
        if bits[-1] > 8:
            raise Uncontrolled(f"random.getrandbits({bits[-1]}) (a seed?) cannot be enumerated")
        return self.control.choices.pick([1.0] * 2 ** bits[-1], "random.getrandbits")

    def below(self, instance: Any, n: int) -> int:
        if n > MOST_OUTCOMES:
            raise Uncontrolled(f"random.randrange over {n} outcomes (a seed?) cannot be enumerated")
        return self.control.choices.pick([1.0] * n, "random.randrange")


@contextlib.contextmanager
def controlled(places: "Places") -> Iterator[Control]:
    """All host randomness comes from `control.choices` inside this context."""
    control = Control(ChoiceSequence())
    with places.replaced(ControlledPython(control), ControlledNumpy(control)), ControlledTorch(control):
        yield control


class Places:
    """Where the function under test can reach python's and numpy's generators: found once, replaced for each call."""

    def __init__(self, function: Callable[..., Any]):
        self.slots: list[tuple[Any, Any, StandIn]] = []  # (dictionary or closure cell, key, what to put there)
        seen: set[int] = set()
        namespace: Any
        for namespace in _namespaces(function):
            if id(namespace) in seen:
                continue
            seen.add(id(namespace))
            for key, value in list(namespace.items()):
                if stand_in := _stand_in(value):
                    self.slots.append((namespace, key, stand_in))
        for cell in _cells(function):
            if stand_in := _stand_in(cell.cell_contents):
                self.slots.append((cell, None, stand_in))
        for module in (random, np.random):
            found = [(key, _stand_in(value)) for key, value in vars(module).items()]
            self.slots += [(vars(module), key, stand_in) for key, stand_in in found if stand_in]
        self.slots.append((vars(os), "urandom", lambda python, numpy: _no_urandom))

    @contextlib.contextmanager
    def replaced(self, python: ControlledPython, numpy: ControlledNumpy) -> Iterator[None]:
        old = []
        classes = [(cls, name) for cls in _CLASSES for name in ("random", "getrandbits", "_randbelow")]
        kept = [(cls, name, vars(cls).get(name)) for cls, name in classes]
        try:
            for cls in _CLASSES:
                cls.random = lambda self: python.random()  # type: ignore[method-assign]
                cls.getrandbits = lambda self, bits: python.getrandbits(bits)  # type: ignore[method-assign]
                cls._randbelow = lambda self, n: python.below(self, n)  # type: ignore[attr-defined]
            for holder, key, stand_in in self.slots:
                old.append(_put(holder, key, stand_in(python, numpy)))
            yield
        finally:
            for (holder, key, _), value in zip(self.slots, old, strict=False):
                _put(holder, key, value)
            for cls, name, value in kept:
                if value is None:
                    delattr(cls, name)
                else:
                    setattr(cls, name, value)


_CLASSES = (random.Random, random.SystemRandom)
_NUMPY_CLASSES = (np.random.Generator, np.random.RandomState)


StandIn = Callable[[ControlledPython, ControlledNumpy], Any]
"""What is put in the place of something that makes noise."""


def _stand_in(value: Any) -> StandIn | None:
    """The stand-in for an object that a sampler can reach, or None when the object makes no noise."""
    if isinstance(value, _NUMPY_CLASSES):
        return lambda python, numpy: numpy
    if isinstance(value, types.BuiltinFunctionType | types.MethodType):
        owner, name = getattr(value, "__self__", None), getattr(value, "__name__", "")
        if isinstance(owner, random.Random) and isinstance(value, types.BuiltinFunctionType):
            return (lambda python, numpy: getattr(python, name)) if name in ("random", "getrandbits") else None
        if isinstance(owner, _NUMPY_CLASSES) and name not in ("seed", "get_state", "set_state"):
            return lambda python, numpy: getattr(numpy, LEGACY.get(name, name))
    if value is np.random.default_rng:
        return lambda python, numpy: lambda *args, **kwargs: numpy
    return None


def _no_urandom(size: int) -> bytes:
    raise Uncontrolled("os.urandom (or secrets, uuid, SystemRandom) is the operating system's noise")


def _put(holder: Any, key: Any, value: Any) -> Any:
    """Put the value in its place and return what was there."""
    old: Any
    if isinstance(holder, types.CellType):
        old, holder.cell_contents = holder.cell_contents, value
        return old
    old = holder[key]
    holder[key] = value
    return old


def _functions(function: Any) -> Iterator[Any]:
    """The plain functions behind a callable: itself, its methods, what partial and decorators wrap."""
    stack, seen = [function], set()
    while stack:
        f = stack.pop()
        if id(f) in seen or isinstance(f, type):
            continue
        seen.add(id(f))
        if isinstance(f, types.FunctionType):
            yield f
            stack += [cell.cell_contents for cell in f.__closure__ or () if _filled(cell)]
            stack += [v for name in f.__code__.co_names if isinstance(v := f.__globals__.get(name), types.FunctionType)]
        elif isinstance(f, types.MethodType):
            stack += [f.__func__, f.__self__]
        elif hasattr(f, "func") and callable(f.func):
            stack += [f.func, *f.args]
        elif callable(f) and not isinstance(f, types.BuiltinFunctionType):
            stack += [m for m in vars(type(f)).values() if isinstance(m, types.FunctionType)]
        if hasattr(f, "__wrapped__"):
            stack.append(f.__wrapped__)


def _namespaces(function: Any) -> Iterator[dict[str, Any]]:
    for f in _functions(function):
        yield f.__globals__
    for thing in (function, getattr(function, "__self__", None)):
        if thing is not None and isinstance(getattr(thing, "__dict__", None), dict):
            yield thing.__dict__


def _cells(function: Any) -> Iterator[types.CellType]:
    for f in _functions(function):
        yield from (cell for cell in f.__closure__ or () if _filled(cell))


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def generator_states() -> tuple[Any, ...]:
    """The states of the global generators, to see whether a call drew noise that was not controlled."""
    legacy: Any = np.random.get_state(legacy=True)
    return (random.getstate(), (legacy[1].tobytes(), legacy[2]), torch.get_rng_state().numpy().tobytes())


GENERATORS = ("python's random", "numpy.random", "torch")
