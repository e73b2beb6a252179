"""What the evaluation asks of stored rows, whatever their format."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spechub_lp.errors import SpecHubError

Floats = NDArray[np.float64]
Index = int | slice | Sequence[int] | NDArray[np.integer]


class Source(Protocol):
    """N positions of a target and a draft on V tokens."""

    @property
    def manifest(self) -> dict[str, Any]:
        """`documents` is a list of {name, domain, ...}; the rest says where the rows come from."""

    @property
    def document(self) -> NDArray[Any]:
        """[N] index into `manifest["documents"]`."""

    @property
    def vocabulary(self) -> int: ...

    def __len__(self) -> int: ...

    def logits(self, rows: Index) -> tuple[Floats, Floats]:
        """([B, V], [B, V]) target and draft logits at T = 1, at `rows`."""


def positions(which: Any, n: int) -> NDArray[np.integer]:
    """Return the positions that an index chooses.

    Parameters
    ----------
    which
        An integer, a slice, a sequence or an array [B]; below 0 they count from the end.
    n
        How many positions there are.

    Returns
    -------
    [B]
        Positions from 0 to n - 1.

    Raises
    ------
    SpecHubError
        It is none of these, or outside.

    Examples
    --------
    >>> positions(-1, 5).tolist(), positions([0, 3], 5).tolist()
    ([4], [0, 3])
    """
    found: Any
    try:
        found = np.atleast_1d(np.arange(n)[list(which) if isinstance(which, tuple) else which])
    except (IndexError, TypeError, ValueError):
        found = np.empty((0, 0))
    if which is None or found.ndim != 1:
        raise SpecHubError(f"position {which!r:.60}; there are {n}, and an integer, a slice or an array [B] chooses")
    return np.asarray(found)


def position(which: Any, n: int) -> NDArray[np.integer]:
    """Return the one position that an integer chooses, as `positions` does.

    Parameters
    ----------
    which
        An integer.
    n
        How many positions there are.

    Returns
    -------
    [1]
        The position.

    Raises
    ------
    SpecHubError
        It is no integer, or outside.

    Examples
    --------
    >>> position(2, 5).tolist()
    [2]
    """
    if not isinstance(which, Integral) or isinstance(which, bool):
        raise SpecHubError(f"position {which!r:.60}; there are {n}, and one integer chooses (`batch` takes many)")
    return positions(which, n)


def check_temperature(temperature: Any) -> None:
    """Check that a number is a temperature of a distribution.

    Parameters
    ----------
    temperature
        What was given.

    Raises
    ------
    SpecHubError
        It is no number above 0.

    Examples
    --------
    >>> check_temperature(0.5)
    """
    if not isinstance(temperature, Real) or temperature <= 0 or temperature != temperature:
        raise SpecHubError(f"temperature = {temperature!r}; a distribution needs T > 0 (T = 0 is the argmax)")
