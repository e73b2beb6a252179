"""Host randomness under control.

An unmodified function asks torch, python or numpy for noise, and a choice sequence answers.

torch is met at its dispatcher, so every way of importing or calling it is covered, and any random operator that is
not known here is rejected by name. python's and numpy's generators are replaced for the length of some calls, wherever
the function under test can reach them (`places`), and on the class `random.Random`.
"""

import contextlib
import functools
import gc
import math
import pickle
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from spechub_lp._util.extras import extra
from spechub_lp.gate.noise.choice_sequence import ChoiceSequence, Control, Free
from spechub_lp.gate.noise.jax_random import controlled_jax
from spechub_lp.gate.noise.numpy_generators import ControlledNumpy
from spechub_lp.gate.noise.places import NUMPY_CLASSES, Places
from spechub_lp.gate.noise.python_generators import ControlledPython

with extra("gate", "the gate"):
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

BITS = {torch.float64: 53, torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}


class ControlledTorch(TorchDispatchMode):
    """Answer torch's random operators from a choice sequence.

    Parameters
    ----------
    control
        Holds the choice sequence.

    Examples
    --------
    >>> with ControlledTorch(Control(ChoiceSequence((2**23, 2**22)))):
    ...     print(torch.rand(2).tolist())
    [0.5, 0.25]
    """

    def __init__(self, control: Control):
        super().__init__()  # type: ignore[no-untyped-call]
        self.control = control
        self.checker = torch.Generator()

    def answer(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator: from the choice sequence where it draws noise, else as it is."""
        known = _KNOWN.get(id(func))
        if known is None:
            known = _KNOWN[id(func)] = func, torch.Tag.nondeterministic_seeded not in func.tags
        if known[1]:
            return func(*args, **kwargs) if kwargs else func(*args)
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        handler = getattr(self, f"_{name.rstrip('_')}", None)
        bound = _bind(func, args, kwargs)
        if handler is None and _idle(func, bound):
            return func(*args, **kwargs)
        if handler is None:
            self.control.choices.reject(f"torch's operator {name} draws noise that the gate cannot control")
        result = handler(bound, f"torch.{name}")
        if name.endswith("_"):
            return args[0].copy_(result)
        return bound["out"].copy_(result) if bound.get("out") is not None else result

    def _uniforms(self, shape: Any, dtype: torch.dtype | None, source: str) -> torch.Tensor:
        dtype = dtype or torch.get_default_dtype()
        if dtype not in BITS:
            self.control.choices.reject(f"{source} of dtype {dtype} cannot be controlled")
        values = [self.control.choices.uniform(BITS[dtype], source) for _ in range(math.prod(shape))]
        return torch.tensor(values, dtype=dtype).reshape(tuple(shape))

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
        found: torch.Tensor = torch.tensor(times, dtype=torch.float64).reshape(a["self"].shape).to(
            a["self"].dtype
        ) / a.get("lambd", 1)
        return found

    def _randint(self, a: dict[str, Any], source: str) -> torch.Tensor:
        shape = a["size"] if "size" in a else a["self"].shape
        low, high = a.get("low") or 0, a["high"]
        return self._integers(shape, low, high, a.get("dtype") or torch.int64, source)

    def _randint_like(self, a: dict[str, Any], source: str) -> torch.Tensor:
        return self._integers(a["self"].shape, a.get("low") or 0, a["high"], a.get("dtype") or a["self"].dtype, source)

    def _random(self, a: dict[str, Any], source: str) -> torch.Tensor:
        dtype, high = a["self"].dtype, a.get("to")
        if high is None and dtype.is_floating_point:
            self.control.choices.reject(f"{source} without an upper end cannot be controlled for {dtype}")
        if high is None:
            high = 2 if dtype == torch.bool else torch.iinfo(dtype).max + 1
        return self._integers(a["self"].shape, a.get("from") or 0, high, dtype, source)

    def _integers(self, shape: Any, low: int, high: int, dtype: torch.dtype, source: str) -> torch.Tensor:
        outcomes = high - low
        values = [low + self.control.choices.integer(outcomes, source) for _ in range(math.prod(shape))]
        return torch.tensor(values, dtype=dtype).reshape(tuple(shape))

    def _randperm(self, a: dict[str, Any], source: str) -> torch.Tensor:
        left = list(range(a["n"]))
        return torch.tensor([left.pop(self.control.choices.pick([1.0] * len(left), source)) for _ in range(a["n"])])


_KNOWN: dict[int, tuple[Any, bool]] = {}
"""Operators that were met, by their address (their own hash is slow), and whether they draw no noise."""

# Set after the class is made, because torch wraps what it finds in a class body for its compiler, at half the speed.
ControlledTorch.__torch_dispatch__ = ControlledTorch.answer  # type: ignore[assignment,method-assign]


@functools.cache
def _names(func: Any) -> tuple[str, ...]:
    return tuple(argument.name for argument in func._schema.arguments)


def _bind(func: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    return {**dict(zip(_names(func), args, strict=False)), **kwargs}


def _idle(func: Any, bound: dict[str, Any]) -> bool:
    """Whether an operator that may draw noise draws none this time: a dropout of 0, or not in training."""
    given = {argument.name: bound.get(argument.name, argument.default_value) for argument in func._schema.arguments}
    return given.get("dropout_p") == 0 or given.get("train") is False or given.get("training") is False


@contextlib.contextmanager
def controlled(places: Places, torch_mode: type[ControlledTorch] = ControlledTorch) -> Iterator[Control]:
    """Let all host randomness come from `control.choices` inside this context.

    Parameters
    ----------
    places
        Where the engine can reach generators.
    torch_mode
        What answers torch's operators.

    Yields
    ------
    Control
        Its `choices` may be replaced from call to call.

    Examples
    --------
    >>> def engine():
    ...     return random.random(), float(np.random.rand()), float(torch.rand(()))
    >>> with controlled(Places(engine)) as control:
    ...     control.choices = ChoiceSequence((2**52, 2**51, 2**23))
    ...     print(engine())
    (0.5, 0.25, 0.5)
    """
    control = Control(ChoiceSequence())
    try:
        host = places.replaced(ControlledPython(control), ControlledNumpy(control))
        with host, controlled_jax(control), torch_mode(control):
            yield control
    finally:
        control.choices = Free()


class Generators:
    """Keep the states of the generators that python knows, to see whether a call drew noise that was not controlled.

    Examples
    --------
    >>> before = Generators()
    >>> noise = random.random()
    >>> before.moved()
    ["python's random"]
    """

    def __init__(self) -> None:
        made: list[Any] = [o for o in gc.get_objects() if type(o) in NUMPY_CLASSES]
        self.numpy = {id(o): o for o in made if o is not np.random.mtrand._rand}
        self.states = self._states()

    def _states(self) -> dict[str, list[Any]]:
        legacy: Any = np.random.get_state(legacy=True)
        own = [pickle.dumps(o) for o in self.numpy.values()]
        return {
            "python's random": [random.getstate()],
            "numpy.random": [legacy[1].tobytes(), legacy[2]],
            "a numpy generator that the gate did not find": own,
            "torch": [torch.get_rng_state().numpy().tobytes()],
        }

    def moved(self) -> list[str]:
        """Which of them are in another state now."""
        now = self._states()
        return [name for name, state in self.states.items() if state != now[name]]
