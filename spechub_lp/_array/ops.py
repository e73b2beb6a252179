"""Row algebra over any array namespace: numpy (also object arrays of rationals), torch, and their kin.

A row is the last axis, one entry a token; the first axis is the batch, and a batch of one broadcasts. Zero and one
are made from the data, because `zeros_like` of an object array gives ints, and int / int is silently a float.

Every function gives the same bits in every namespace and on every device: each step is one IEEE operation, entry by
entry, and sums are made of such steps in an order that the number of entries alone decides.
"""

import math
from collections.abc import Iterator
from typing import Any

from array_api_compat import array_namespace, device, is_torch_array

from spechub_lp._util import renamed
from spechub_lp.typing import Array

__getattr__ = renamed.attributes(__name__, {"share": "accept_probability"})

LANES = 8
"""A row of n entries is folded into n / 8 sums of 8, and those again: at most 7 log8(n) + 7 roundings an entry."""


def zero(a: Array) -> Array:
    """Return the number 0 in the arithmetic of an array.

    Parameters
    ----------
    a : [...]
        An array.

    Returns
    -------
    []
        A scalar.

    Examples
    --------
    >>> import numpy as np
    >>> float(zero(np.ones((1, 2))))
    0.0
    """
    if a.dtype == object and math.prod(a.shape):
        return a[(0,) * a.ndim] * 0
    return array_namespace(a).zeros((), dtype=a.dtype, device=device(a))


def one(a: Array) -> Array:
    """Return the number 1 in the arithmetic of an array.

    Parameters
    ----------
    a : [...]
        An array.

    Returns
    -------
    []
        A scalar.

    Examples
    --------
    >>> import numpy as np
    >>> float(one(np.ones((1, 2))))
    1.0
    """
    if a.dtype == object and math.prod(a.shape):
        return zero(a) + 1
    return array_namespace(a).ones((), dtype=a.dtype, device=device(a))


def some(a: Array) -> Array:
    """Return the rows, or one one-hot row in the place of none; one row goes with any batch.

    Parameters
    ----------
    a : [B, ..., V]
        Rows; B may be 0.

    Returns
    -------
    [B, ..., V] or [1, ..., V]
        At least one row.

    Examples
    --------
    >>> import numpy as np
    >>> some(np.ones((0, 2))).tolist()
    [[1.0, 0.0]]
    """
    if a.shape[0]:
        return a
    xp = array_namespace(a)
    first = xp.arange(a.shape[-1], device=device(a)) == 0
    return xp.astype(xp.broadcast_to(first, (1, *a.shape[1:])), a.dtype)


def total(a: Array) -> Array:
    """Sum each row, kept as a column. 16-bit floats are summed in float32 and rounded once.

    Parameters
    ----------
    a : [..., V]
        Rows.

    Returns
    -------
    [..., 1]
        The sums.

    Examples
    --------
    >>> import numpy as np
    >>> total(np.array([[0.5, 0.25]])).tolist()
    [[0.75]]
    """
    xp = array_namespace(a)
    if "16" in str(a.dtype):
        return xp.astype(total(xp.astype(a, xp.float32)), a.dtype)
    while (n := a.shape[-1]) > 1:
        lanes = min(n, LANES)
        width = n // lanes
        lane = a[..., :width]
        for start in range(width, lanes * width, width):
            lane = lane + a[..., start : start + width]
        a = xp.concat([lane, a[..., lanes * width :]], axis=-1) if n % lanes else lane
    return a


def halvings(a: Array) -> Iterator[Array]:
    """Yield the row, the sums of its neighbours, the sums of theirs, and so on up to the sum of all.

    Entry i of a row is the sum of the entries 2i and 2i + 1 of the row before it; an entry without a neighbour stays.

    Parameters
    ----------
    a : [B, V]
        Rows.

    Yields
    ------
    [B, V], [B, ceil(V / 2)], ..., [B, 1]
        The levels.

    Examples
    --------
    >>> import numpy as np
    >>> [level.tolist() for level in halvings(np.array([[1.0, 2.0, 3.0]]))]
    [[[1.0, 2.0, 3.0]], [[3.0, 3.0]], [[6.0]]]
    """
    yield a
    while (n := a.shape[-1]) > 1:
        pairs = a[..., : n - n % 2 : 2] + a[..., 1::2]
        a = array_namespace(a).concat([pairs, a[..., -1:]], axis=-1) if n % 2 else pairs
        yield a


def others(a: Array) -> Array:
    """Sum the others of each entry in its row, by adding alone, so that a heavy entry hides no faint ones.

    Parameters
    ----------
    a : [B, V]
        Rows.

    Returns
    -------
    [B, V]
        The sums.

    Examples
    --------
    >>> import numpy as np
    >>> others(np.array([[1.0, 2.0, 3.0]])).tolist()
    [[5.0, 4.0, 3.0]]
    """
    xp = array_namespace(a)
    none = a[:, :1] * 0

    def ahead(row: Array) -> Array:
        return xp.concat([none, xp.cumulative_sum(row, axis=-1)[:, :-1]], axis=-1)

    return ahead(a) + xp.flip(ahead(xp.flip(a, axis=-1)), axis=-1)


def ratio(a: Array, b: Array) -> Array:
    """Divide a by b; the quotient is 0 where b is 0.

    Parameters
    ----------
    a, b : [...]
        Not negative; shapes broadcast.

    Returns
    -------
    [...]
        a / b.

    Examples
    --------
    >>> import numpy as np
    >>> ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, 0.0]
    """
    xp = array_namespace(a, b)
    there = b > 0
    return xp.where(there, a / xp.where(there, b, one(b)), zero(a))


def accept_probability(target: Array, proposal: Array) -> Array:
    """Return min(1, target / proposal), and 0 where the proposal is 0.

    Divides only where target < proposal, so a subnormal proposal cannot overflow.

    Parameters
    ----------
    target, proposal : [...]
        Probabilities; shapes broadcast.

    Returns
    -------
    [...]
        The probability to accept.

    Examples
    --------
    >>> import numpy as np
    >>> accept_probability(np.array([0.1, 0.5, 0.5]), np.array([0.4, 0.25, 0.0])).tolist()
    [0.25, 1.0, 0.0]
    """
    xp = array_namespace(target, proposal)
    scarce = target < proposal
    return xp.where(
        scarce,
        target / xp.where(scarce, proposal, one(proposal)),
        xp.where(proposal > 0, one(target), zero(target)),
    )


def positive(a: Array) -> Array:
    """Return max(a, 0).

    Parameters
    ----------
    a : [...]
        Numbers.

    Returns
    -------
    [...]
        The positive part of each.

    Examples
    --------
    >>> import numpy as np
    >>> positive(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return array_namespace(a).maximum(a, zero(a))


def minimum(a: Array, b: Array) -> Array:
    """Return the smaller of the two, entry by entry.

    Parameters
    ----------
    a, b : [...]
        Numbers; shapes broadcast.

    Returns
    -------
    [...]
        The minima.

    Examples
    --------
    >>> import numpy as np
    >>> minimum(np.array([1.0, 4.0]), np.array([2.0, 3.0])).tolist()
    [1.0, 3.0]
    """
    return array_namespace(a, b).minimum(a, b)


def maximum(a: Array, b: Array) -> Array:
    """Return the larger of the two, entry by entry.

    Parameters
    ----------
    a, b : [...]
        Numbers; shapes broadcast.

    Returns
    -------
    [...]
        The maxima.

    Examples
    --------
    >>> import numpy as np
    >>> maximum(np.array([1.0, 4.0]), np.array([2.0, 3.0])).tolist()
    [2.0, 4.0]
    """
    return array_namespace(a, b).maximum(a, b)


def hockey_stick(p: Array, q: Array, g: Any) -> Array:
    """Return the hockey-stick divergence E_g(p, q) = sum_y (p(y) - g q(y))+.

    It is the mass that is left of p when every token is covered up to g q. E_1 is the total variation distance.

    Parameters
    ----------
    p, q : [B, V]
        Distributions.
    g : number or [B, 1]
        The level.

    Returns
    -------
    [B, 1]
        The divergence of each row.

    Examples
    --------
    >>> import numpy as np
    >>> hockey_stick(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]), 1).tolist()
    [[0.25]]
    """
    return total(positive(p - g * q))


def power(a: Array, k: int) -> Array:
    """Return a^k by multiplication alone: namespaces have each their own rounding of pow.

    Parameters
    ----------
    a : [...]
        Numbers.
    k
        A whole number >= 1.

    Returns
    -------
    [...]
        The powers.

    Examples
    --------
    >>> import numpy as np
    >>> power(np.array([2.0, 3.0]), 2).tolist()
    [4.0, 9.0]
    """
    out = a
    for _ in range(k - 1):
        out = out * a
    return out


def normalize(a: Array, empty: Array) -> Array:
    """Divide each row by its sum.

    Parameters
    ----------
    a : [B, V]
        Not negative.
    empty : [B, V] or [1, V]
        Takes the place of a row of zeros.

    Returns
    -------
    [B, V]
        Distributions.

    Examples
    --------
    >>> import numpy as np
    >>> normalize(np.array([[1.0, 3.0], [0.0, 0.0]]), np.array([[1.0, 0.0]])).tolist()
    [[0.25, 0.75], [1.0, 0.0]]
    """
    xp = array_namespace(a, empty)
    mass = total(a)
    return xp.where(mass > 0, a / xp.where(mass > 0, mass, one(a)), empty)


def argmax(a: Array) -> Array:
    """Return the most likely token of each row; the lowest index wins ties.

    Parameters
    ----------
    a : [B, V]
        Rows.

    Returns
    -------
    [B]
        Token ids.

    Examples
    --------
    >>> import numpy as np
    >>> argmax(np.array([[0.25, 0.5, 0.25]])).tolist()
    [1]
    """
    return array_namespace(a).argmax(a, axis=-1)


def pick(a: Array, x: Array) -> Array:
    """Return the entry of one token in each row: a[b, x[b]].

    Parameters
    ----------
    a : [B, V]
        Rows.
    x : [B]
        Token ids.

    Returns
    -------
    [B]
        The entries.

    Examples
    --------
    >>> import numpy as np
    >>> pick(np.array([[0.25, 0.75]]), np.array([1])).tolist()
    [0.75]
    """
    return a[array_namespace(a).arange(a.shape[0], device=device(a)), x]


def entries(a: Array, x: Array) -> Array:
    """Return the entries of some tokens in each row: a[b, x[b, i]].

    Parameters
    ----------
    a : [B, V] or [1, V]
        Rows; one goes with every row of x.
    x : [B, n]
        Token ids.

    Returns
    -------
    [B, n]
        The entries.

    Examples
    --------
    >>> import numpy as np
    >>> entries(np.array([[0.25, 0.5, 0.25]]), np.array([[1, 0]])).tolist()
    [[0.5, 0.25]]
    """
    if a.shape[0] == 1:
        return a[0][x]
    # the namespace's own would first look for negative ids in torch: four passes over x
    return a.gather(-1, x) if is_torch_array(a) else array_namespace(a).take_along_axis(a, x, axis=-1)


def sort(a: Array) -> tuple[Array, Array]:
    """Sort each row; of entries that tie, the first comes first.

    Parameters
    ----------
    a : [B, V]
        Rows.

    Returns
    -------
    [B, V], [B, V]
        The entries, rising, and where they were.

    Examples
    --------
    >>> import numpy as np
    >>> [each.tolist() for each in sort(np.array([[0.5, 0.25, 0.25]]))]
    [[[0.25, 0.25, 0.5]], [[1, 2, 0]]]
    """
    if is_torch_array(a):
        rising, order = a.sort(dim=-1, stable=True)
        return rising, order
    order = array_namespace(a).argsort(a, axis=-1, stable=True)
    return entries(a, order), order


def is_token(a: Array, x: Array) -> Array:
    """Mark one token in each row.

    Parameters
    ----------
    a : [.., V]
        Gives V and the device.
    x : [B]
        Token ids.

    Returns
    -------
    [B, V]
        True at token x[b] of row b.

    Examples
    --------
    >>> import numpy as np
    >>> is_token(np.ones((1, 3)), np.array([1])).tolist()
    [[False, True, False]]
    """
    xp = array_namespace(a)
    found: Array = xp.arange(a.shape[-1], device=x.device)[None, :] == x[:, None]
    return found


def one_hot(a: Array, x: Array) -> Array:
    """Return the distribution that sits on one token, in the arithmetic of an array.

    Parameters
    ----------
    a : [.., V]
        Gives V and the arithmetic.
    x : [B]
        Token ids.

    Returns
    -------
    [B, V]
        One-hot rows.

    Examples
    --------
    >>> import numpy as np
    >>> one_hot(np.ones((1, 3)), np.array([1])).tolist()
    [[0.0, 1.0, 0.0]]
    """
    return array_namespace(a).where(is_token(a, x), one(a), zero(a))


def without(a: Array, x: Array) -> Array:
    """Set some tokens of each row to 0.

    Parameters
    ----------
    a : [B, V]
        Rows.
    x : [B, j]
        Token ids.

    Returns
    -------
    [B, V]
        The rows without the tokens x[b, 0], x[b, 1], ...

    Examples
    --------
    >>> import numpy as np
    >>> without(np.array([[0.5, 0.25, 0.25]]), np.array([[0, 2]])).tolist()
    [[0.0, 0.25, 0.0]]
    """
    xp = array_namespace(a)
    for j in range(x.shape[1]):
        a = xp.where(is_token(a, x[:, j]), zero(a), a)
    return a


def repeated(x: Array, j: int) -> Array:
    """Return whether a draft repeats an earlier draft of its tuple.

    Parameters
    ----------
    x : [B, k]
        Drafts.
    j
        Which draft.

    Returns
    -------
    [B]
        True where it does.

    Examples
    --------
    >>> import numpy as np
    >>> repeated(np.array([[4, 4], [4, 5]]), 1).tolist()
    [True, False]
    """
    xp = array_namespace(x)
    seen = xp.zeros(x.shape[:1], dtype=xp.bool, device=x.device)
    for i in range(j):
        seen = seen | (x[:, i] == x[:, j])
    return seen


def columns(*a: Array) -> Array:
    """Stack vectors as columns.

    Parameters
    ----------
    a : k arrays [B]
        The columns.

    Returns
    -------
    [B, k]
        One array.

    Examples
    --------
    >>> import numpy as np
    >>> columns(np.array([1, 2]), np.array([3, 4])).tolist()
    [[1, 3], [2, 4]]
    """
    return array_namespace(*a).stack(a, axis=-1)
