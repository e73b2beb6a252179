"""numpy's generators answered from a choice sequence: one stand-in for Generator, RandomState and legacy functions."""

from typing import Any

import numpy as np

from spechub_lp.gate.noise.choice_sequence import ChoiceSequence, Control
from spechub_lp.gate.noise.watched_floats import uniform, watched_array

# The legacy functions under the names of the Generator's methods.
LEGACY = {"rand": "_rand", "random_sample": "random", "ranf": "random", "sample": "random", "randint": "integers"}

GENERATOR = np.random.Generator
"""The class itself; its name in numpy leads to a stand-in while noise is controlled."""


class ControlledNumpy:
    """Stand in for a numpy generator; a method that is not here is rejected by name.

    It passes for an instance of `kind`, so that code which asks goes the same way as on real noise.

    Parameters
    ----------
    control
        Holds the choice sequence.
    kind
        The class that it passes for.

    Examples
    --------
    >>> stand_in = ControlledNumpy(Control(ChoiceSequence((2**52, 2))))
    >>> stand_in.random(), int(stand_in.choice(4))
    (0.5, 2)
    """

    def __init__(self, control: Control, kind: type = np.random.Generator):
        self._control, self._kind = control, kind

    __class__ = property(lambda self: self._kind)

    @property
    def bit_generator(self) -> Any:
        """The state of a generator is noise as well."""
        self._choices.reject("it reads the bit generator of numpy.random, whose state the gate cannot control")

    def spawn(self, count: int) -> list["ControlledNumpy"]:
        """Return this stand-in as often: all answer from the one choice sequence."""
        return [self] * count

    @property
    def _choices(self) -> ChoiceSequence:
        return self._control.choices

    def __getattr__(self, name: str) -> Any:
        if name in LEGACY:
            return getattr(self, LEGACY[name])
        if name.startswith("__"):
            raise AttributeError(name)

        def reject(*args: Any, **kwargs: Any) -> None:
            self._choices.reject(f"numpy.random's {name} draws noise that the gate cannot control")

        return reject

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Answer with uniforms in [0, 1)."""
        bits = 24 if np.dtype(dtype) == np.float32 else 53
        values = self._uniforms(size, bits, dtype)
        if out is None:
            return values
        out[...] = values
        return out

    def _uniforms(self, size: Any, bits: int, dtype: Any) -> Any:
        def one() -> float:
            return uniform(self._control, bits, "numpy.random.random")

        if self._control.watched and size is not None and bits == 53:
            return watched_array([one() for _ in range(int(np.prod(size, dtype=int)))], size)
        return self._many(size, one, dtype)

    def _rand(self, *size: int) -> Any:
        return self.random(size or None)

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None) -> Any:
        """Answer with uniforms between two numbers."""
        return low + (high - low) * self.random(size)

    def integers(self, low: int, high: int | None = None, size: Any = None, dtype: Any = int, **kw: Any) -> Any:
        """Answer with integers of equal chances."""
        low, high = (0, low) if high is None else (low, high)
        high += bool(kw.get("endpoint", False))
        if size is None and np.ndim(low) == np.ndim(high) == 0:
            return low + self._choices.integer(int(high - low), "numpy.random.integers")
        if np.ndim(low) or np.ndim(high):
            self._choices.reject("numpy.random.integers with an array of bounds cannot be controlled")
        return self._many(size, lambda: low + self._choices.integer(high - low, "numpy.random.integers"), dtype)

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None, *rest: Any, **kw: Any) -> Any:
        """Answer with entries of a pool, after numpy has checked the probabilities."""
        pool = np.arange(a) if np.ndim(a) == 0 else np.asarray(a)
        weights = np.ones(len(pool)) if p is None else np.asarray(p, dtype=np.float64)
        GENERATOR(np.random.PCG64(0)).choice(len(pool), p=p)  # raises numpy's own errors
        left = weights.tolist()

        def one() -> int:
            place = self._choices.pick(left, "numpy.random.choice")
            if not replace:
                left[place] = 0.0
            return place

        places = self._many(size, one, int)
        return pool[places]

    def multinomial(self, n: int, pvals: Any, size: Any = None) -> Any:
        """Answer with counts, one outcome after the other."""
        if size is not None:
            self._choices.reject("numpy.random.multinomial with a size cannot be controlled")
        counts = np.zeros(len(pvals), dtype=int)
        for _ in range(n):
            counts[self._choices.pick(np.asarray(pvals, dtype=float).tolist(), "numpy.random.multinomial")] += 1
        return counts

    def binomial(self, n: int, p: float, size: Any = None) -> Any:
        """Answer with 0 or 1; more than one toss a number is rejected."""
        if n != 1:
            self._choices.reject("numpy.random.binomial with n > 1 cannot be controlled")
        return self._many(size, lambda: self._choices.pick((1 - p, p), "numpy.random.binomial"), int)

    def permutation(self, x: Any) -> Any:
        """Answer with a permutation, one entry after the other."""
        left = list(range(x)) if np.ndim(x) == 0 else list(x)
        count = len(left)
        return np.asarray([left.pop(self._choices.pick([1.0] * len(left), "numpy.permutation")) for _ in range(count)])

    def shuffle(self, x: Any) -> None:
        """Permute in place."""
        x[:] = self.permutation(x) if isinstance(x, np.ndarray) else self.permutation(x).tolist()

    def standard_exponential(self, size: Any = None, **kw: Any) -> Any:
        """Answer with the times of one race."""
        times = self._choices.race(int(np.prod(size, dtype=int)) if size is not None else 1, "numpy.random.exponential")
        return times[0] if size is None else np.asarray(times).reshape(size)

    def exponential(self, scale: float = 1.0, size: Any = None) -> Any:
        """Answer with the times of one race, scaled."""
        return scale * self.standard_exponential(size)

    def gumbel(self, loc: float = 0.0, scale: float = 1.0, size: Any = None) -> Any:
        """Answer with minus the logs of the times of one race."""
        return loc - scale * np.log(self.standard_exponential(size))

    def bytes(self, length: int) -> bytes:
        """Answer with the bytes of one integer, most significant first."""
        return self._choices.integer(2 ** (8 * length), "numpy.random.bytes").to_bytes(length, "big")

    def seed(self, *args: Any) -> None:
        """Reseeding does not touch the choice sequence; the streams of real calls show what it does."""

    def _many(self, size: Any, one: Any, dtype: Any) -> Any:
        if size is None:
            return one()
        return np.asarray([one() for _ in range(int(np.prod(size, dtype=int)))], dtype=dtype).reshape(size)
