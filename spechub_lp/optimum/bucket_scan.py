"""Bucket selection: the best prefix of the tokens sorted by p/q, without sorting them. Loops for numba.

The prefix value 1 + P - Q is, between two tokens of one bucket of p/q, at least the smaller of its values at the ends
of the bucket with P raised by the lowest p/q only: Q is convex in q(prefix) along any order (Hu et al., arXiv
2502.18779). So most buckets cannot hold the minimum; the others are sorted and looked at token by token.

Everything runs in float64 and in integer sums (_array/sums.py), whatever the dtype of the rows: p/q rounded to float32
would leave its bucket. Tokens are ranked on the row as given, because a division by a sum can round two ratios to one.
"""

from math import frexp
from typing import Any

import numpy as np

from spechub_lp._array.jit import compiled
from spechub_lp._array.sums import rounding
from spechub_lp._util.tolerances import GRAIN
from spechub_lp.drafts._optimal_set import UP
from spechub_lp.typing import Array

BITS = 46
"""Buckets are the leading bits of the ratio in float64: sign, exponent and 52 - 46 = 6 of the mantissa, 1.6 % wide."""
LOWEST, BUCKETS = (1023 - 200 - 24) << 6, 32 << 6
"""p/q from 2^-24 to 2^8; what is outside goes to the first or the last bucket."""
BLOCK = 128
WHOLE = 1 / GRAIN


def prefix_by_buckets(p: Array, q: Array, k: int, replaced: bool, H: Array) -> tuple[float, float, float, float]:
    """Find the best prefix of the tokens by p/q without a sort, and mark it in H.

    Parameters
    ----------
    p, q : [V]
        Floats; both are divided by their sums.
    k
        Number of drafts.
    replaced
        k drafts with replacement, else two drafts (k = 2) without.
    H : [V]
        Booleans, False; written.

    Returns
    -------
    p(H), Q(H), p(V), q(V)
        Floats. A NaN or a negative entry gives p(V) or q(V) = NaN.

    Examples
    --------
    >>> p, q, H = np.array([0.0, 0.2, 0.8]), np.array([0.6, 0.3, 0.1]), np.zeros(3, dtype=bool)
    >>> [round(float(v), 3) for v in prefix_by_buckets(p, q, 2, True, H)]
    [0.2, 0.81, 1.0, 1.0]
    >>> H.tolist()
    [True, True, False]
    """
    mass_p, mass_q, whole_p, whole_q, heavy, light = _masses(p, q)
    if not (0.5 < mass_p < 1.5 and 0.5 < mass_q < 1.5):
        return 0.0, 0.0, mass_p, mass_q
    if not replaced and light == 0:  # one token, drafted twice
        k, replaced = 1, True
    # Without replacement the heaviest token is kept apart from the others, whose 1 - q is at least 1/2. They may be as
    # faint as 1e-320 together, so their sums run over y = 2^up q, with y(all of them) from 1/2 to 1.
    up = 0 if replaced else -frexp(light)[1]
    scales = (1 / whole_p, 1 / whole_q, 2.0 ** (up // 2), 2.0 ** (up - up // 2), 2.0**-up / whole_q)
    ratio, cut, others = _best(p, q, k, replaced, heavy, scales, 2 * rounding(len(p), k, not replaced))
    covered, inside = _value(p, q, k, replaced, heavy, scales, ratio, cut, others, H)
    return covered, inside, mass_p, mass_q


@compiled
def _masses(p: Array, q: Array) -> tuple[float, float, float, float, int, float]:
    """p(V) and q(V) as float sums and as grains, the heaviest token of q and a float sum of the others.

    NaN for an entry that is no probability.
    """
    p_all, q_all, whole_p, whole_q, heavy, light = 0.0, 0.0, np.int64(0), np.int64(0), 0, 0.0
    for i in range(len(p)):
        a, b = np.float64(p[i]), np.float64(q[i])
        if not (0 <= a <= 2 and 0 <= b <= 2):
            return np.nan, np.nan, 0.0, 0.0, 0, 0.0
        p_all += a
        q_all += b
        whole_p += np.int64(np.rint(a * WHOLE))
        whole_q += np.int64(np.rint(b * WHOLE))
        if q[i] > q[heavy]:
            light += np.float64(q[heavy])
            heavy = i
        elif i > 0:
            light += b
    return p_all, q_all, whole_p * GRAIN, whole_q * GRAIN, heavy, light


@compiled
def _best(
    p: Array, q: Array, k: int, replaced: bool, heavy: int, scales: tuple[float, ...], doubt: float
) -> tuple[Array, float, float]:
    """p/q [V] over 2^200, -1 where q = 0; the last one in the best prefix, -1 for the empty prefix; and y(all).

    scales: 1 / p(V), 1 / q(V), 2^up in two factors, and q / q(V) over y. doubt: twice the error of a prefix value.
    """
    n = len(p)
    to_p, to_q, up, more, part = scales
    ratio = np.empty(n)
    for i in range(n):
        ratio[i] = np.float64(p[i]) / (np.float64(q[i]) * UP) if q[i] > 0 else -1.0
    bucket = (ratio.view(np.int64) >> BITS) - LOWEST
    # In grains: p; q, or y without the heaviest token; and y q / (1 - q).
    table = np.zeros((BUCKETS, 3), dtype=np.int64)
    for i in range(n):
        if ratio[i] >= 0:
            b = min(max(bucket[i], 0), BUCKETS - 1)
            bucket[i] = b
            table[b, 0] += np.int64(np.rint(np.float64(p[i]) * to_p * WHOLE))
            x = np.float64(q[i]) * to_q
            if replaced:
                table[b, 1] += np.int64(np.rint(x * WHOLE))
            elif i != heavy:
                y = np.float64(q[i]) * up * more
                table[b, 1] += np.int64(np.rint(y * WHOLE))
                table[b, 2] += np.int64(np.rint(y * (x / (1 - x)) * WHOLE))
        else:
            bucket[i] = -1
    its = -1 if replaced else bucket[heavy]
    top = np.float64(q[heavy]) * to_q
    others = 1.0 if replaced else np.sum(table[:, 1]) * GRAIN

    starts = np.zeros((BUCKETS + 1, 3), dtype=np.int64)
    P, Q = np.zeros(BUCKETS + 1), np.zeros(BUCKETS + 1)
    best = 0.0
    for b in range(BUCKETS):
        starts[b + 1] = starts[b] + table[b]
        P[b + 1], y, z = starts[b + 1, 0] * GRAIN, starts[b + 1, 1] * GRAIN, starts[b + 1, 2] * GRAIN
        t = top if 0 <= its <= b else 0.0
        Q[b + 1] = y**k if replaced else (part * y + t) * (part * (y + z)) - part * z + t * (y / others)
        best = min(best, P[b + 1] - Q[b + 1])
    # A bucket is left out only if no prefix that ends in it can be better than `best`, errors on both sides and the
    # error of `low` times the width of the bucket counted. So what is found is within `doubt` of the best prefix.
    lows = ((np.arange(BUCKETS) + LOWEST) << BITS).view(np.float64) * UP * (to_p / to_q)
    chosen = np.zeros(BUCKETS, dtype=np.bool_)
    for b in range(BUCKETS):
        low = lows[b] if b > 0 else 0.0
        width = table[b, 1] * GRAIN * (1.0 if replaced else part) + (top if b == its else 0.0)
        end = P[b] + low * width - Q[b + 1]
        chosen[b] = min(P[b] - Q[b], end) <= best + doubt * (1 + low)
    count = 0
    for i in range(n):
        count += 1 if bucket[i] >= 0 and chosen[bucket[i]] else 0
    near = np.empty(count, dtype=np.int64)
    count = 0
    for i in range(n):
        if bucket[i] >= 0 and chosen[bucket[i]]:
            near[count] = i
            count += 1
    near = near[np.argsort(ratio[near])]
    best, cut = 0.0, -1.0
    at: Any = -1
    s, t = starts[0].copy(), 0.0
    for place in range(count):
        i = int(near[place])
        if bucket[i] != at:
            at = bucket[i]
            s[:] = starts[at]
            t = top if 0 <= its < at else 0.0
        s[0] += np.int64(np.rint(np.float64(p[i]) * to_p * WHOLE))
        x = np.float64(q[i]) * to_q
        if replaced:
            s[1] += np.int64(np.rint(x * WHOLE))
        elif i == heavy:
            t = top
        else:
            y = np.float64(q[i]) * up * more
            s[1] += np.int64(np.rint(y * WHOLE))
            s[2] += np.int64(np.rint(y * (x / (1 - x)) * WHOLE))
        if place + 1 < count and ratio[near[place + 1]] == ratio[i]:
            continue  # `_value` takes all that are as good as the last one
        y, z = s[1] * GRAIN, s[2] * GRAIN
        value = s[0] * GRAIN - (y**k if replaced else (part * y + t) * (part * (y + z)) - part * z + t * (y / others))
        if value < best:
            best, cut = value, ratio[i]
    return ratio, cut, others


@compiled
def _value(
    p: Array,
    q: Array,
    k: int,
    replaced: bool,
    heavy: int,
    scales: tuple[float, ...],
    ratio: Array,
    cut: float,
    others: float,
    H: Array,
) -> tuple[float, float]:
    """Marks the tokens with p/q up to `cut` in H [V]; returns p(H) and Q(H)."""
    to_p, to_q, up, more, part = scales
    covered, first, second = np.int64(0), np.int64(0), np.int64(0)
    for i in range(len(p)):
        if 0 <= ratio[i] <= cut:
            H[i] = True
            covered += np.int64(np.rint(np.float64(p[i]) * to_p * WHOLE))
            x = np.float64(q[i]) * to_q
            if replaced:
                first += np.int64(np.rint(x * WHOLE))
            elif i != heavy:
                y = np.float64(q[i]) * up * more
                first += np.int64(np.rint(y * WHOLE))
                second += np.int64(np.rint(y * (x / (1 - x)) * WHOLE))
    y, z = first * GRAIN, second * GRAIN
    t = np.float64(q[heavy]) * to_q if H[heavy] else 0.0
    return covered * GRAIN, y**k if replaced else (part * y + t) * (part * (y + z)) - part * z + t * (y / others)
