"""From any array library to numpy, and to float64."""

import numpy as np
from array_api_compat import is_torch_array

from spechub_lp.typing import Array, NumpyArray


def as_numpy(a: Array) -> NumpyArray:
    return a.detach().cpu().numpy() if is_torch_array(a) else np.asarray(a)


def as_float64(a: Array) -> NumpyArray:
    """numpy float64 of any float array; rationals stay rationals."""
    if is_torch_array(a):
        return as_numpy(a.detach().cpu().double())  # not every device has float64
    rows = np.asarray(a)
    return rows if rows.dtype == object else rows.astype(np.float64)
