"""From any array library to numpy, and to float64."""

from typing import Any

import numpy as np
from array_api_compat import is_torch_array

Array = Any


def as_numpy(a: Array) -> Array:
    return a.detach().cpu().numpy() if is_torch_array(a) else np.asarray(a)


def as_float64(a: Array) -> Array:
    """numpy float64 of any float array; rationals stay rationals."""
    if is_torch_array(a):
        return as_numpy(a.detach().cpu().double())  # not every device has float64
    return a if a.dtype == object else a.astype(np.float64)
