"""Sums of a row that do not depend on the order: every entry is rounded to a multiple of 2^-62, and integers are added.

So a sum is the same in numpy, torch, numba and on any device; two orders of the same tokens never differ, and the error
does not grow with the sums: V / 2 units of 2^-62 at most. Entries are float64 >= 0 and a row sums to less than 2.
"""

from array_api_compat import array_namespace

from spechub_lp._util.tolerances import GRAIN, UNIT
from spechub_lp.typing import Array


def total(a: Array) -> Array:
    """Sum each row as float64, kept as a column.

    Parameters
    ----------
    a : [B, V]
        Entries >= 0; a row sums to less than 2.

    Returns
    -------
    [B, 1]
        The sums.

    Examples
    --------
    >>> import numpy as np
    >>> total(np.array([[0.5, 0.25]])).tolist()
    [[0.75]]
    """
    xp = array_namespace(a)
    return xp.astype(xp.sum(_grains(a), axis=-1, keepdims=True), xp.float64) * GRAIN


def running(a: Array) -> Array:
    """Cumulate each row as float64.

    Parameters
    ----------
    a : [B, V]
        Entries >= 0; a row sums to less than 2.

    Returns
    -------
    [B, V]
        The sums up to each entry.

    Examples
    --------
    >>> import numpy as np
    >>> running(np.array([[0.5, 0.25]])).tolist()
    [[0.5, 0.75]]
    """
    xp = array_namespace(a)
    return xp.astype(xp.cumulative_sum(_grains(a), axis=-1), xp.float64) * GRAIN


def _grains(a: Array) -> Array:
    xp = array_namespace(a)
    return xp.astype(xp.round(a * (1 / GRAIN)), xp.int64)


def rounding(vocabulary: int, k: int, pair: bool) -> float:
    """Bound the error of 1 + p(H) - Q(H) for one set H, all from sums of this kind over rows divided by their sums.

    u = 2^-53 for a float operation, n = V / 2 grains for a sum. A mass p(H) errs by 4 u + 3 n: the sum of the row
    (u + n; 1.2 n where the row sums to 0.9 only), its reciprocal, the product, the sum. iid: k times that and k - 1
    products. Tops with one draft: the same twice, as for k = 2. Two drafts without replacement (`pair`): in
    Q = o Y (o (Y + Z)) - o Z + t (o (Y + Z) + Y) with o (Y + Z) <= 2 and all else <= 1, the error is 5 u + 2 n for Y,
    12 u + 5 n for Z, 6 u + 3 n for o and 3 u + 2 n for t; with the products 96 u + 40 n cover it.

    Parameters
    ----------
    vocabulary
        V.
    k
        Number of drafts.
    pair
        Whether these are two drafts without replacement.

    Returns
    -------
    float
        The bound.

    Examples
    --------
    >>> rounding(150_000, 2, pair=False) < 1e-12
    True
    """
    n = vocabulary / 2 * GRAIN
    return 96 * UNIT + 40 * n if pair else (6 + 5 * k) * UNIT + 3 * (k + 1) * n
