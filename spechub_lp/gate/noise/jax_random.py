"""jax's randomness under control: `jax.random` asks for noise, and a choice sequence answers.

The functions of `jax.random` are replaced for the length of a controlled call, in which jax compiles nothing. Whatever
reaches the bits behind them in another way, such as a function imported by name, is rejected: a key is no global
generator, so that noise that was missed would not show otherwise.
"""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from spechub_lp.gate.noise.choice_sequence import Control

BITS = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}
"""jax's uniforms have one bit less than torch's: they are made in [1, 2) and shifted."""
KEYS = {"PRNGKey", "key", "key_data", "key_impl", "wrap_key_data", "split", "fold_in", "clone"}
"""Functions of `jax.random` that make keys and draw nothing."""
BELOW = ("jax._src.random.prng", "jax._src.prng")
"""Where jax keeps, or kept, the bits behind all its noise."""


class ControlledJax:
    """Answer the functions of `jax.random` from a choice sequence; each ignores its key.

    Parameters
    ----------
    control
        Holds the choice sequence.
    numpy
        `jax.numpy`, which makes the arrays that are given back.

    Examples
    --------
    >>> from spechub_lp.gate.noise.choice_sequence import ChoiceSequence
    >>> stand_in = ControlledJax(Control(ChoiceSequence((1,))), np)
    >>> stand_in.bernoulli(None, 0.1).tolist()
    True
    """

    def __init__(self, control: Control, numpy: Any):
        self.control, self.numpy = control, numpy

    def uniform(
        self, key: Any, shape: Any = (), dtype: Any = None, minval: Any = 0.0, maxval: Any = 1.0, **_: Any
    ) -> Any:
        """Answer `jax.random.uniform`."""
        dtype = self._dtype(dtype)
        if dtype.name not in BITS:
            self.control.choices.reject(f"jax.random.uniform of dtype {dtype} cannot be controlled")
        numbers = self._many(shape, lambda: self.control.choices.uniform(BITS[dtype.name], "jax.random.uniform"))
        return self.numpy.asarray(numbers, dtype=dtype) * (maxval - minval) + minval

    def exponential(self, key: Any, shape: Any = (), dtype: Any = None, **_: Any) -> Any:
        """Race along the last axis: times of one row are compared with each other, if at all."""
        return self.numpy.asarray(self._times(shape, "jax.random.exponential"), dtype=self._dtype(dtype))

    def gumbel(self, key: Any, shape: Any = (), dtype: Any = None, **_: Any) -> Any:
        """Answer `jax.random.gumbel`, as minus the log of times of a race."""
        return self.numpy.asarray(-np.log(self._times(shape, "jax.random.gumbel")), dtype=self._dtype(dtype))

    def bernoulli(self, key: Any, p: Any = 0.5, shape: Any = None, **_: Any) -> Any:
        """Answer `jax.random.bernoulli`."""
        chances = np.broadcast_to(np.asarray(p, dtype=np.float64), np.shape(p) if shape is None else shape)
        flips = [self.control.choices.pick((1 - c, c), "jax.random.bernoulli") for c in chances.reshape(-1)]
        return self.numpy.asarray(np.reshape(flips, chances.shape) == 1)

    def categorical(self, key: Any, logits: Any, axis: int = -1, shape: Any = None, **_: Any) -> Any:
        """Answer `jax.random.categorical`."""
        rows = np.moveaxis(np.asarray(logits, dtype=np.float64), axis, -1)
        if shape is not None:
            rows = np.broadcast_to(rows, (*shape, rows.shape[-1]))
        weights = np.exp(rows - rows.max(axis=-1, keepdims=True)).reshape(-1, rows.shape[-1]).tolist()
        picks = [self.control.choices.pick(row, "jax.random.categorical") for row in weights]
        return self.numpy.asarray(np.reshape(picks, rows.shape[:-1]), dtype="int32")

    def choice(
        self, key: Any, a: Any, shape: Any = (), replace: bool = True, p: Any = None, axis: int = 0, **_: Any
    ) -> Any:
        """Answer `jax.random.choice`; without replacement one outcome only."""
        items = self.numpy.arange(a) if np.ndim(a) == 0 else self.numpy.asarray(a)
        weights = np.ones(items.shape[axis]) if p is None else np.array(p, dtype=np.float64)
        if not replace and shape != ():
            self.control.choices.reject("jax.random.choice without replacement cannot be controlled")
        picks = self._many(shape, lambda: self.control.choices.pick(weights.tolist(), "jax.random.choice"))
        return self.numpy.take(items, np.asarray(picks, dtype=np.int32), axis=axis)

    def randint(self, key: Any, shape: Any, minval: Any, maxval: Any, dtype: Any = None, **_: Any) -> Any:
        """Answer `jax.random.randint`."""
        low, size = int(minval), int(maxval) - int(minval)
        numbers = self._many(shape, lambda: low + self.control.choices.integer(size, "jax.random.randint"))
        return self.numpy.asarray(numbers, dtype=dtype or "int32")

    def _dtype(self, dtype: Any) -> Any:
        return self.numpy.zeros((), dtype=float if dtype is None else dtype).dtype

    def _many(self, shape: Any, one: Callable[[], Any]) -> Any:
        shape = (shape,) if np.ndim(shape) == 0 and shape != () else tuple(shape)
        return np.reshape([one() for _ in range(int(np.prod(shape, dtype=int)))], shape)

    def _times(self, shape: Any, source: str) -> np.ndarray:
        shape = (shape,) if np.ndim(shape) == 0 and shape != () else tuple(shape)
        width = shape[-1] if shape else 1
        rows = [self.control.choices.race(width, source) for _ in range(int(np.prod(shape[:-1], dtype=int)))]
        return np.reshape(np.asarray(rows, dtype=np.float64), shape)


@contextlib.contextmanager
def controlled_jax(control: Control) -> Iterator[None]:
    """Let jax's randomness come from `control.choices` inside this context.

    Without jax loaded there is nothing to do.

    Parameters
    ----------
    control
        Holds the choice sequence.

    Examples
    --------
    >>> from spechub_lp.gate.noise.choice_sequence import ChoiceSequence
    >>> with controlled_jax(Control(ChoiceSequence())):
    ...     pass  # calls of an engine that draws from jax.random
    """
    jax = sys.modules.get("jax")
    if jax is None or not hasattr(jax, "random"):
        yield
        return
    stand_ins = ControlledJax(control, importlib.import_module("jax.numpy"))
    public = [n for n in vars(jax.random) if not n.startswith("_") and n not in KEYS and callable(vars(jax.random)[n])]
    below = [sys.modules[name] for name in BELOW if hasattr(sys.modules.get(name), "random_bits")]
    old = [(jax.random, name, getattr(jax.random, name)) for name in public]
    old += [(module, "random_bits", module.random_bits) for module in below]
    try:
        for name in public:
            setattr(jax.random, name, getattr(stand_ins, name, _rejected(control, f"jax.random.{name}")))
        for module in below:
            module.random_bits = _rejected(control, "a function of jax.random that was imported by its name")  # type: ignore[attr-defined]
        with jax.disable_jit():
            yield
    finally:
        for module, name, value in old:
            setattr(module, name, value)


def _rejected(control: Control, name: str) -> Callable[..., Any]:
    return lambda *_, **__: control.choices.reject(f"{name} draws noise that the gate cannot control")
