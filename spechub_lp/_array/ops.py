"""Row algebra over any array namespace: numpy (also object arrays of rationals), torch, and their kin.

A row is the last axis, one entry a token; the first axis is the batch, and a batch of one broadcasts. Zero and one
are made from the data, because `zeros_like` of an object array gives ints, and int / int is silently a float.

Every function gives the same bits in every namespace and on every device: each step is one IEEE operation, entry by
entry, and sums are made of such steps in an order that the number of entries alone decides.
"""

import math
from collections.abc import Iterator
from typing import Any

from array_api_compat import array_namespace, device

from spechub_lp._util import renamed
from spechub_lp.typing import Array

__getattr__ = renamed.attributes(__name__, {"share": "accept_probability"})

LANES = 8
"""A row of n entries is folded into n / 8 sums of 8, and those again: at most 7 log8(n) + 7 roundings an entry."""


def zero(a: Array) -> Array:
    """The number 0 in the arithmetic of `a`."""
    if a.dtype == object and math.prod(a.shape):
        return a[(0,) * a.ndim] * 0
    return array_namespace(a).zeros((), dtype=a.dtype, device=device(a))


def one(a: Array) -> Array:
    """The number 1 in the arithmetic of `a`."""
    return zero(a) + 1


def some(a: Array) -> Array:
    """The rows, or one one-hot row in the place of none, for what is made row by row: one row serves any batch."""
    if a.shape[0]:
        return a
    xp = array_namespace(a)
    first = xp.arange(a.shape[-1], device=device(a)) == 0
    return xp.astype(xp.broadcast_to(first, (1, *a.shape[1:])), a.dtype)


def total(a: Array) -> Array:
    """Row sums, kept as a column: [B, V] -> [B, 1]. 16-bit floats are summed in float32 and rounded once."""
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
    """The row, the sums of its neighbours, the sums of theirs, ...: [B, V], [B, ceil(V / 2)], ..., [B, 1].

    Entry i of a row is the sum of the entries 2i and 2i + 1 of the row before it; an entry without a neighbour is kept.
    """
    yield a
    while (n := a.shape[-1]) > 1:
        pairs = a[..., : n - n % 2 : 2] + a[..., 1::2]
        a = array_namespace(a).concat([pairs, a[..., -1:]], axis=-1) if n % 2 else pairs
        yield a


def others(a: Array) -> Array:
    """Of each entry the sum of the others in its row, by adding alone, so that a heavy entry hides no faint ones:
    [B, V] -> [B, V]."""
    xp = array_namespace(a)
    none = a[:, :1] * 0

    def ahead(row: Array) -> Array:
        return xp.concat([none, xp.cumulative_sum(row, axis=-1)[:, :-1]], axis=-1)

    return ahead(a) + xp.flip(ahead(xp.flip(a, axis=-1)), axis=-1)


def ratio(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0."""
    xp = array_namespace(a, b)
    there = b > 0
    return xp.where(there, a / xp.where(there, b, one(b)), zero(a))


def accept_probability(target: Array, proposal: Array) -> Array:
    """min(1, target / proposal), and 0 where the proposal is 0; shapes broadcast.

    Divides only where target < proposal, so a subnormal proposal cannot overflow.

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
    """max(a, 0)."""
    return array_namespace(a).maximum(a, zero(a))


def minimum(a: Array, b: Array) -> Array:
    """The smaller of the two, entry by entry."""
    return array_namespace(a, b).minimum(a, b)


def maximum(a: Array, b: Array) -> Array:
    """The larger of the two, entry by entry."""
    return array_namespace(a, b).maximum(a, b)


def hockey_stick(p: Array, q: Array, g: Any) -> Array:
    """Return the hockey-stick divergence E_g(p, q) = sum_y (p(y) - g q(y))+: [B, V], [B, V], g or [B, 1] -> [B, 1].

    It is the mass that is left of p when every token is covered up to g q. E_1 is the total variation distance.

    Examples
    --------
    >>> import numpy as np
    >>> hockey_stick(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]), 1).tolist()
    [[0.25]]
    """
    return total(positive(p - g * q))


def power(a: Array, k: int) -> Array:
    """a^k for a whole k >= 1 by multiplication alone: namespaces have each their own rounding of pow."""
    out = a
    for _ in range(k - 1):
        out = out * a
    return out


def normalize(a: Array, empty: Array) -> Array:
    """Each row over its sum; the row of `empty` in place of a row of zeros."""
    xp = array_namespace(a, empty)
    mass = total(a)
    return xp.where(mass > 0, a / xp.where(mass > 0, mass, one(a)), empty)


def argmax(a: Array) -> Array:
    """The most likely token of each row, [B, V] -> [B]; the lowest index wins ties."""
    return array_namespace(a).argmax(a, axis=-1)


def pick(a: Array, x: Array) -> Array:
    """a[b, x[b]]: [B, V], [B] -> [B]."""
    return array_namespace(a).take_along_axis(a, x[:, None], axis=-1)[:, 0]


def is_token(a: Array, x: Array) -> Array:
    """Mask [B, V] that marks token x[b] in row b; V and the device are those of `a`."""
    xp = array_namespace(a)
    return xp.arange(a.shape[-1], device=x.device)[None, :] == x[:, None]


def one_hot(a: Array, x: Array) -> Array:
    """The distribution that sits on token x[b], in the arithmetic of `a`: [B] -> [B, V]."""
    return array_namespace(a).where(is_token(a, x), one(a), zero(a))


def without(a: Array, x: Array) -> Array:
    """Rows with the tokens x[b, 0], x[b, 1], ... set to 0: [B, V], [B, j] -> [B, V]."""
    xp = array_namespace(a)
    for j in range(x.shape[1]):
        a = xp.where(is_token(a, x[:, j]), zero(a), a)
    return a


def repeated(x: Array, j: int) -> Array:
    """Whether draft j repeats an earlier draft of its tuple: [B, k] -> [B]."""
    xp = array_namespace(x)
    seen = xp.zeros(x.shape[:1], dtype=xp.bool, device=x.device)
    for i in range(j):
        seen = seen | (x[:, i] == x[:, j])
    return seen


def columns(*a: Array) -> Array:
    """Stack vectors [B] as the columns of [B, k]."""
    return array_namespace(*a).stack(a, axis=-1)
