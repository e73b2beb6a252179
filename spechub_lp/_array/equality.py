"""Equality of results that hold arrays."""

from dataclasses import fields
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj

from spechub_lp._array.convert import as_numpy


def equal_fields(one: Any, other: Any) -> bool:
    """Compare two results field by field, arrays by their entries.

    Parameters
    ----------
    one, other
        Instances of one dataclass; of two, they are unlike.

    Returns
    -------
    bool
        Whether all fields are equal.

    Examples
    --------
    >>> from spechub_lp import cut
    >>> cut([0.5, 0.5], [0.25, 0.75]) == cut([0.5, 0.5], [0.25, 0.75])
    True
    """
    if type(one) is not type(other):
        return False
    return all(_equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))


def _equal(a: Any, b: Any) -> bool:
    if is_array_api_obj(a) and is_array_api_obj(b):
        return np.array_equal(as_numpy(a), as_numpy(b))
    return bool(a == b)
