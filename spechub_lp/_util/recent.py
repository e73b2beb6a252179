"""Arrays that were made lately, kept within a budget of bytes: an array of a large vocabulary is a megabyte."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class Recent:
    """What was made lately, by key. The oldest go first.

    Parameters
    ----------
    budget
        Bytes that what is remembered may take together.
    fewest
        This many of the newest stay whatever they take.

    Examples
    --------
    >>> import numpy as np
    >>> recent = Recent(budget=100)
    >>> [int(recent(n, lambda: np.full(10, n))[0]) for n in (1, 2, 1)]
    [1, 2, 1]
    >>> list(recent.kept)
    [1]
    """

    def __init__(self, budget: int, fewest: int = 1):
        self.budget, self.fewest, self.bytes = budget, fewest, 0
        self.kept: OrderedDict[Hashable, Any] = OrderedDict()

    def __call__(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The array, or tuple of arrays, of this key; made where it is not kept."""
        if key in self.kept:
            self.kept.move_to_end(key)
            return self.kept[key]
        made = self.kept[key] = make()
        self.bytes += size(made)
        while self.bytes > self.budget and len(self.kept) > self.fewest:
            self.bytes -= size(self.kept.popitem(last=False)[1])
        return made


def size(arrays: Any) -> int:
    """Return the bytes of an array or a tuple of arrays.

    Parameters
    ----------
    arrays
        Of any shape.

    Returns
    -------
    int
        Bytes.

    Examples
    --------
    >>> import numpy as np
    >>> size((np.ones(2), np.ones(3)))
    40
    """
    return sum(map(size, arrays)) if isinstance(arrays, tuple) else int(arrays.nbytes)
