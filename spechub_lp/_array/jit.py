"""Loops over a whole vocabulary: the same python function, run by numba where numba is installed."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import numpy as np

SHORT = 48
"""Rows below this length are not worth a second of compiling."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run a loop over a row through numba when the row is long and of floats; rationals and short rows as they are.

    Parameters
    ----------
    function
        `function(row, ...)`, in the part of python that numba takes.

    Returns
    -------
    Callable
        The same function.

    Examples
    --------
    >>> @compiled
    ... def first(row):
    ...     return row[0]
    >>> float(first(np.array([0.5, 0.5])))
    0.5
    """

    @wraps(function)
    def run(row: Any, *rest: Any) -> Any:
        if row.dtype == object or row.shape[-1] < SHORT or not has_numba():
            with np.errstate(over="ignore", under="ignore"):
                return function(row, *rest)
        return _fast(function)(row, *rest)

    return run


@cache
def has_numba() -> bool:
    """Return whether numba is installed.

    Returns
    -------
    bool
        Looked up once.

    Examples
    --------
    >>> has_numba() in (True, False)
    True
    """
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


@cache
def _fast(function: Callable[..., Any]) -> Callable[..., Any]:
    import numba

    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # nowhere to keep compiled code
        return numba.njit(nogil=True)(function)
