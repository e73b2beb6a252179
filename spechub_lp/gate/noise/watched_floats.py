"""Uniforms that tell with what they are compared: python floats and small numpy arrays.

What they tell is a hint where a threshold may lie. Arithmetic with plain numbers is followed as long as it is affine;
whatever else is done with such a number gives a plain one, as it would have.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from spechub_lp.gate.noise.choice_sequence import Control

LARGEST = 64
"""Numbers of an array that one uniform is compared with, at most."""


class WatchedFloat(float):
    """Carry slope * u + offset, of the uniform u at a place of the choice sequence.

    Examples
    --------
    >>> from spechub_lp.gate.noise.choice_sequence import ChoiceSequence
    >>> control = Control(ChoiceSequence((2**52,)), watched=True)
    >>> 2 * uniform(control, 53, "random.random") < 0.5, control.thresholds  # the comparison turns at u = 1/4
    (False, [(0, 0.25)])
    """

    control: Control
    place: int
    slope: float
    offset: float

    def __new__(cls, value: float, control: Control, place: int, slope: float = 1.0, offset: float = 0.0) -> Any:
        made: Any = super().__new__(cls, value)
        made.control, made.place, made.slope, made.offset = control, place, slope, offset
        return made

    def __reduce__(self) -> Any:
        return float, (float(self),)

    def _line(self, value: Any, slope: float, offset: float) -> Any:
        known = type(value) is float and slope
        return WatchedFloat(value, self.control, self.place, slope, offset) if known else value

    def __add__(self, other: Any) -> Any:
        value = float(self) + other
        return self._line(value, self.slope, self.offset + other) if _plain(other) else value

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        value = float(self) - other
        return self._line(value, self.slope, self.offset - other) if _plain(other) else value

    def __rsub__(self, other: Any) -> Any:
        value = other - float(self)
        return self._line(value, -self.slope, other - self.offset) if _plain(other) else value

    def __mul__(self, other: Any) -> Any:
        value = float(self) * other
        return self._line(value, self.slope * other, self.offset * other) if _plain(other) else value

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        value = float(self) / other
        return self._line(value, self.slope / other, self.offset / other) if _plain(other) else value

    def _compared(self, compare: Callable[[Any, Any], Any], other: Any) -> Any:
        note_comparison(self, other)
        return compare(float(self), other)

    def __lt__(self, other: Any) -> Any:
        return self._compared(operator.lt, other)

    def __le__(self, other: Any) -> Any:
        return self._compared(operator.le, other)

    def __gt__(self, other: Any) -> Any:
        return self._compared(operator.gt, other)

    def __ge__(self, other: Any) -> Any:
        return self._compared(operator.ge, other)


class WatchedArray(np.ndarray[Any, Any]):
    """Hold uniforms in an array, whose parts and whose list of numbers are watched too.

    One entry is a plain number, as numpy takes no subclass of its scalars for a number.

    Examples
    --------
    >>> from spechub_lp.gate.noise.choice_sequence import ChoiceSequence
    >>> control = Control(ChoiceSequence((2**52, 2**51)), watched=True)
    >>> array = watched_array([uniform(control, 53, "numpy.random.random") for _ in range(2)], 2)
    >>> (array < 0.3).tolist(), control.thresholds
    ([False, True], [(0, 0.3), (1, 0.3)])
    """

    entries: Any = None
    """[same shape] of WatchedFloat."""

    def tolist(self) -> Any:
        """Return the numbers as a list, watched ones where they are."""
        return super().tolist() if self.entries is None else self.entries.tolist()

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if self.entries is None:
            return found
        return _watched(self.entries[key]) if isinstance(found, np.ndarray) else found

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and ufunc in _COMPARISONS:
            _note_pairs(*inputs)
        if (out := kwargs.get("out")) is not None:
            kwargs["out"] = tuple(map(_bare, out))
        return getattr(ufunc, method)(*map(_bare, inputs), **kwargs)


_COMPARISONS = (np.less, np.less_equal, np.greater, np.greater_equal)


def uniform(control: Control, bits: int, source: str) -> float:
    """Return the next uniform of the choice sequence, watched where that is asked for.

    Parameters
    ----------
    control
        Holds the choice sequence.
    bits
        The grid is 2^-bits.
    source
        The function that was called, such as random.random.

    Returns
    -------
    float
        In [0, 1).

    Examples
    --------
    >>> from spechub_lp.gate.noise.choice_sequence import ChoiceSequence
    >>> uniform(Control(ChoiceSequence((2**52,))), 53, "random.random")
    0.5
    """
    value = control.choices.uniform(bits, source)
    return WatchedFloat(value, control, len(control.choices.draws) - 1) if control.watched else value


def watched_array(values: list[float], shape: Any) -> WatchedArray:
    """Return an array of watched uniforms.

    Parameters
    ----------
    values
        [n] uniforms, in the order in which they were drawn.
    shape
        The shape of the array, n entries in all.

    Returns
    -------
    WatchedArray
        [shape] float64.

    Examples
    --------
    >>> watched_array([0.5, 0.25], (2, 1)).shape
    (2, 1)
    """
    entries = np.empty(len(values), dtype=object)
    entries[:] = values
    return _watched(entries.reshape(shape))


def _watched(entries: Any) -> WatchedArray:
    made: WatchedArray = entries.astype(np.float64).view(WatchedArray)
    made.entries = entries
    return made


def note_comparison(uniform: WatchedFloat, other: Any) -> None:
    """Note the thresholds of the uniform itself.

    Parameters
    ----------
    uniform
        One side of a comparison.
    other
        The other side: a number or an array [...] of at most 64; more are not noted.

    Examples
    --------
    >>> from spechub_lp.gate.noise.choice_sequence import ChoiceSequence
    >>> control = Control(ChoiceSequence())
    >>> note_comparison(WatchedFloat(0.5, control, place=0, slope=2.0), np.array([0.5, 1.0]))
    >>> control.thresholds
    [(0, 0.25), (0, 0.5)]
    """
    for number in np.ravel(other) if np.size(other) <= LARGEST else ():
        if isinstance(number, float | int | np.floating) and not isinstance(number, WatchedFloat):
            uniform.control.thresholds.append((uniform.place, float((number - uniform.offset) / uniform.slope)))


def _note_pairs(a: Any, b: Any) -> None:
    one, two = (x.entries if isinstance(x, WatchedArray) and x.entries is not None else np.asarray(x) for x in (a, b))
    if max(one.size, two.size) > LARGEST:
        return
    for x, y in np.broadcast(one, two):
        for uniform, other in ((x, y), (y, x)):
            if isinstance(uniform, WatchedFloat):
                note_comparison(uniform, other)


def _bare(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, WatchedArray) else x


def _plain(other: Any) -> bool:
    return type(other) in (float, int)
