"""From any array library to numpy, and to float64."""

import numpy as np
from array_api_compat import is_torch_array

from spechub_lp.typing import Array, NumpyArray


def as_numpy(a: Array) -> NumpyArray:
    """Bring an array of any library to numpy.

    Parameters
    ----------
    a : [...]
        An array.

    Returns
    -------
    [...]
        The same numbers.

    Examples
    --------
    >>> as_numpy(np.ones(2)).tolist()
    [1.0, 1.0]
    """
    return a.detach().cpu().numpy() if is_torch_array(a) else np.asarray(a)


def as_float64(a: Array) -> NumpyArray:
    """Bring a float array to numpy and float64; rationals stay rationals.

    Parameters
    ----------
    a : [...]
        An array of any library.

    Returns
    -------
    [...]
        numpy.

    Examples
    --------
    >>> as_float64(np.ones(2, dtype=np.float32)).dtype
    dtype('float64')
    """
    if is_torch_array(a):
        return as_numpy(a.detach().cpu().double())  # not every device has float64
    rows = np.asarray(a)
    return rows if rows.dtype == object else rows.astype(np.float64)
