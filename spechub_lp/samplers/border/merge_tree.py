"""Nested ironings: from the distribution that the chosen draft should have to the lottery that gives it
(theory/border).

Everything here sees one row: the n tokens that q can draft, best first (p/q falling), with their p, their q, and f, the
distribution of the best draft. p and f are probabilities; q may have any sum. Plain loops, in the arithmetic of what
they are given; numba compiles the same functions for float64 rows where it is installed.
"""

from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from spechub_lp._array.jit import compiled

Array = Any


class Ironing(NamedTuple):
    """The lottery over rules "take a draft of the best block that was hit", as a tree of merging blocks.

    Boundary i lies before token i. A level t is drawn, uniform in [0, 1]; the boundaries with death > t cut the tokens
    into blocks. The tree has the m blocks of t = 0 first, in order, and then one node for each death, in order of time.
    """

    death: Array
    """[n] level at which the boundary dies: 0 where it never was one, 1 where it lives to the end (and at token 0)."""
    density: Array
    """[n] (distribution of the chosen draft) / q, as this lottery makes it."""
    ahead: Array
    """[n] integral, over the levels from the death of boundary i to 1, of q(better blocks) / q(own block)."""
    home: Array
    """[n] the node that the token starts in."""
    parent: Array
    """[N] the node that swallows this one, or -1."""
    born: Array
    """[N] the level at which the node's block comes about."""
    first: Array
    """[N] first token of the node's block."""
    end: Array
    """[N] the token behind its last."""
    q: Array
    """[n] the draft distribution that it was made of; its scale is free in floats."""


@compiled
def wanted(p: Array, q: Array, f: Array) -> Array:
    """The distribution of the chosen draft, over q, that is served best: p/q held between two levels. [n] each -> [n].

    1. The cut is the prefix where p exceeds f the most. No rule chooses from a prefix more often than f says, so p asks
       for `excess` too much there.
    2. On the prefix, lower the highest p/q to one level until the excess is gone.
    3. Behind it, raise the lowest p/q to one level until all that f offers is taken.
    """
    n, nil = len(q), q[0] * 0
    density = p / q
    excess, gain, cut = nil, nil, 0
    for i in range(n):
        gain += p[i] - f[i]
        if gain > excess:
            excess, cut = gain, i + 1
    spare = nil
    for i in range(cut, n):
        spare += f[i] - p[i]

    mass, width, i = nil, nil, 0
    while i < cut and (i == 0 or mass - excess < density[i] * width):
        mass += p[i]
        width += q[i]
        i += 1
    if i > 0:
        density[:i] = (mass - excess) / width

    mass, width, i = nil, nil, n
    while i > cut and (i == n or mass + spare > density[i - 1] * width):
        i -= 1
        mass += p[i]
        width += q[i]
    if i < n:
        density[i:] = max(mass + spare, nil) / width
    return density


@compiled
def iron(q: Array, f: Array, density: Array) -> Ironing:
    """The nested ironings that give each token the wanted density, as far as f allows it. [n] each.

    Let B and F cumulate density * q and f over the cumulated q. At level t the living boundaries are the corners of the
    upper hull of B - t F. So a boundary dies at the t with (drop of B's slope) = t (drop of F's slope), slopes over the
    two blocks that it parts; and a death can only bring forward those of the boundaries beside it.

    1. Blocks of equal density; a heap of the boundaries between them, by level of death.
    2. Bury the first, merge its two blocks, look at the boundaries beside it again.
    3. Down the tree of blocks, add up what the levels give: slope of F, and q(better blocks) / q(own block).
    """
    n, nil = len(q), q[0] * 0
    whole = nil + 1
    home = np.zeros(n, dtype=np.int64)
    for i in range(1, n):
        home[i] = home[i - 1] + (1 if density[i] < density[i - 1] else 0)
    m = home[n - 1] + 1
    first, end = np.zeros(2 * m, dtype=np.int64), np.zeros(2 * m, dtype=np.int64)
    block = np.empty((m, 4), dtype=q.dtype)  # q, slope of B, slope of F, q of the blocks before it
    cumulated = nil
    for i in range(n):
        b = home[i]
        if i == 0 or home[i - 1] < b:
            first[b] = i
            block[b] = nil
            block[b, 3] = cumulated
        end[b] = i + 1
        cumulated += q[i]
        block[b, 0] += q[i]
        block[b, 1] = density[i]
        block[b, 2] += f[i]
    link = np.empty((m, 4), dtype=np.int64)  # block before, block behind, its node, whether the boundary lives
    parent = np.full(2 * m, -1)
    born = np.full(2 * m, nil)
    slope, odds = born.copy(), born.copy()
    for b in range(m):
        block[b, 2] /= block[b, 0]
        slope[b], odds[b] = block[b, 2], block[b, 3] / block[b, 0]
        link[b, 0], link[b, 1], link[b, 2], link[b, 3] = b - 1, b + 1, b, 1

    heap = [(nil, 0)]
    for b in range(1, m):
        drop, fall = block[b - 1, 1] - block[b, 1], block[b - 1, 2] - block[b, 2]
        if drop < fall:
            heap.append((drop / fall if fall > nil else nil, b))
    heapify(heap)
    heappop(heap)
    now, new = nil, m
    buried = np.zeros(m, dtype=np.int64)
    while len(heap) > 0:
        t, b = heappop(heap)
        if link[b, 3] == 0:
            continue
        now = max(now, t)
        a, c = link[b, 0], link[b, 1]
        left, right = block[a, 0], block[b, 0]
        block[a, 0] = left + right
        block[a, 1] = (block[a, 1] * left + block[b, 1] * right) / block[a, 0]
        block[a, 2] = (block[a, 2] * left + block[b, 2] * right) / block[a, 0]
        parent[link[a, 2]] = parent[link[b, 2]] = new
        first[new], end[new], born[new] = first[a], end[link[b, 2]], now
        slope[new], odds[new] = block[a, 2], block[a, 3] / block[a, 0]
        link[a, 1], link[a, 2], link[b, 3] = c, new, 0
        buried[new - m] = b
        new += 1
        if c < m:
            link[c, 0] = a
        for j in (a, c):
            if 0 < j < m:
                i = link[j, 0]
                drop, fall = block[i, 1] - block[j, 1], block[i, 2] - block[j, 2]
                if drop < fall:  # both below 0 by rounding: the two blocks are one, and merge now
                    heappush(heap, (drop / fall if fall > nil else nil, j))

    death, ahead = q * 0, q * 0
    for b in range(m):
        death[first[b]] = whole
    for node in range(new - 1, -1, -1):
        up = parent[node]
        length = (born[up] if up >= 0 else whole) - born[node]
        slope[node] = slope[node] * length + (slope[up] if up >= 0 else nil)
        odds[node] = (odds[node] * length if length > nil else nil) + (odds[up] if up >= 0 else nil)
        if node >= m:
            i = first[buried[node - m]]
            death[i], ahead[i] = born[node], odds[node]
    for i in range(n):
        if first[home[i]] != i:
            ahead[i] = odds[home[i]]
    return Ironing(death, slope[home], ahead, home, parent[:new], born[:new], first[:new], end[:new], q)
