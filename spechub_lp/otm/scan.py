"""Bucket selection: the best prefix of the tokens sorted by p/q, without sorting them. Loops for numba.

The prefix value 1 + P - Q is, between two tokens of one bucket of p/q, at least the smaller of its values at the ends
of the bucket with P raised by the lowest p/q only: Q is convex in q(prefix) along any order (Hu et al., arXiv
2502.18779). So most buckets cannot hold the minimum; the others are sorted and looked at token by token.
"""

from typing import Any

import numpy as np

from spechub_lp.compiled import compiled

Array = Any

BITS = 46
"""Buckets are the leading bits of p/q as a float64: sign, exponent and 52 - 46 = 6 of the mantissa, 1.6 % wide."""
LOWEST, BUCKETS = (1023 - 24) << 6, 32 << 6
"""p/q from 2^-24 to 2^8; what is outside goes to the first or the last bucket."""
BLOCK = 128


@compiled
def prefix_by_buckets(p: Array, q: Array, k: int, replaced: bool, H: Array) -> tuple[float, float, float, float]:
    """Marks the best prefix in H [V] (bool, written); p, q [V] floats. Returns p(H), Q(H), p(V), q(V).

    replaced: k drafts with replacement, else two drafts (k = 2) without. p and q are divided by their sums. The sums
    over H are taken afresh, in blocks of 128. A NaN or a negative entry gives p(V) or q(V) = NaN.
    """
    n = len(p)
    p_all, q_all, heavy = 0.0, 0.0, 0
    for i in range(0, n, BLOCK):
        part_p, part_q = 0.0, 0.0
        for j in range(i, min(i + BLOCK, n)):
            if not (p[j] >= 0 and q[j] >= 0):
                return 0.0, 0.0, np.nan, np.nan
            part_p += p[j]
            part_q += q[j]
            if q[j] > q[heavy]:
                heavy = j
        p_all += part_p
        q_all += part_q
    # Of one token drafted again and again only its presence counts. The heaviest token is kept apart from the others,
    # whose 1 - q is at least 1/2.
    others = 0.0
    if not replaced:
        for j in range(n):
            others += q[j] if j != heavy else 0.0
        if others == 0:
            k, replaced = 1, True
    scale_p, scale_q, others = 1 / p_all, 1 / q_all, others / q_all

    ratio = np.empty(n)
    for i in range(n):
        ratio[i] = p[i] / q[i] if q[i] > 0 else -1.0
    bucket = (ratio.view(np.int64) >> BITS) - LOWEST
    table = np.zeros((BUCKETS, 5))  # p; without the heaviest token: q, q/(1-q), q^2/(1-q); the heaviest token's q
    for i in range(n):
        if ratio[i] >= 0:
            bucket[i] = min(max(bucket[i], 0), BUCKETS - 1)
            b = bucket[i]
            table[b, 0] += p[i]
            table[b, 1] += q[i]
            if not replaced and i != heavy:
                x = q[i] * scale_q
                table[b, 2] += x / (1 - x)
                table[b, 3] += x * x / (1 - x)
        else:
            bucket[i] = -1
    table[:, 0] *= scale_p
    table[:, 1] *= scale_q
    if not replaced:
        its = bucket[heavy]
        table[its, 4] = q[heavy] * scale_q
        table[its, 1] = 0.0
        for i in range(n):
            if bucket[i] == its and i != heavy:
                table[its, 1] += q[i] * scale_q

    starts = np.zeros((BUCKETS + 1, 5))
    Q = np.zeros(BUCKETS + 1)
    best, cut = 0.0, 0.0
    for b in range(BUCKETS):
        starts[b + 1] = starts[b] + table[b]
        s = starts[b + 1]
        c = s[1] + s[4]
        Q[b + 1] = c**k if replaced else c * s[2] - s[3] + s[4] * s[1] / others
        best = min(best, s[0] - Q[b + 1])
    lows = ((np.arange(BUCKETS) + LOWEST) << BITS).view(np.float64) * (q_all * scale_p)
    chosen = np.zeros(BUCKETS, dtype=np.bool_)
    count = 0
    for b in range(BUCKETS):
        width = table[b, 1] + table[b, 4]
        low = lows[b] if b > 0 else 0.0
        end = starts[b, 0] + low * width - Q[b + 1]
        chosen[b] = width > 0 and min(starts[b, 0] - Q[b], end) <= best + 1e-15
    for i in range(n):
        count += 1 if bucket[i] >= 0 and chosen[bucket[i]] else 0
    near = np.empty(count, dtype=np.int64)
    count = 0
    for i in range(n):
        if bucket[i] >= 0 and chosen[bucket[i]]:
            near[count] = i
            count += 1
    near = near[np.argsort(ratio[near])]
    best = 0.0
    at: Any = -1
    s = starts[0].copy()
    for place in range(count):
        i = int(near[place])
        if bucket[i] != at:
            at = bucket[i]
            s[:] = starts[at]
        x = q[i] * scale_q
        s[0] += p[i] * scale_p
        if i == heavy and not replaced:
            s[4] += x
        else:
            s[1] += x
            if not replaced:
                s[2] += x / (1 - x)
                s[3] += x * x / (1 - x)
        c = s[1] + s[4]
        value = s[0] - (c**k if replaced else c * s[2] - s[3] + s[4] * s[1] / others)
        if value < best:
            best, cut = value, ratio[i]

    if best == 0:
        return 0.0, 0.0, p_all, q_all
    p_in, q_in, over, square = 0.0, 0.0, 0.0, 0.0
    for i in range(0, n, BLOCK):
        a0, a1, a2, a3 = 0.0, 0.0, 0.0, 0.0
        for j in range(i, min(i + BLOCK, n)):
            if 0 <= ratio[j] <= cut:
                H[j] = True
                a0 += p[j]
                if replaced or j != heavy:
                    x = q[j] * scale_q
                    a1 += x
                    if not replaced:
                        a2 += x / (1 - x)
                        a3 += x * x / (1 - x)
        p_in += a0
        q_in += a1
        over += a2
        square += a3
    top = q[heavy] * scale_q if H[heavy] and not replaced else 0.0
    c = q_in + top
    return p_in * scale_p, c**k if replaced else c * over - square + top * q_in / others, p_all, q_all
