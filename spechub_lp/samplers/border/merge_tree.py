"""The merge tree: a mixture over nested partitions that chooses a draft with a given distribution (theory/border).

The mixture over hierarchical rules is Border's and Cai, Daskalakis and Weinberg's; joining tokens of unlike p/q to one
block is what Myerson calls ironing.

Everything here sees one row: the n tokens that q can draft, best first (p/q falling), with their p, their q, and f, the
distribution of the best draft. p and f are probabilities; q may have any sum. Plain loops, in the arithmetic of what
they are given; numba compiles the same functions for float64 rows where it is installed.
"""

from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np

from spechub_lp._array.jit import compiled
from spechub_lp.typing import Array


class MergeTree(NamedTuple):
    """A mixture over the rules "take a draft of the best block that was hit", whose partitions into blocks are nested.

    A level t is drawn, uniform in [0, 1]. Boundary i lies before token i; the boundaries with a merge level above t cut
    the n tokens into blocks. The N nodes of the tree are the m blocks of t = 0, in order, and then the block that each
    merge forms, by rising level.

    Examples
    --------
    >>> p, q, f = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5]), np.array([0.36, 0.39, 0.25])
    >>> merge(q, f, best_density(p, q, f)).merge_level.round(2).tolist()
    [1.0, 1.0, 0.4]
    """

    merge_level: Array
    """[n] level at which the blocks beside boundary i merge: 0 inside a block of t = 0, 1 where they never do."""
    density: Array
    """[n] (distribution of the chosen draft) / q, as this mixture makes it."""
    odds: Array
    """[n] integral, over the levels from the merge level of boundary i to 1, of q(better blocks) / q(own block)."""
    leaf: Array
    """[n] the node of t = 0 that the token is in."""
    parent: Array
    """[N] the node that this one merges into, or -1."""
    formed: Array
    """[N] the level from which on the node is a block."""
    first: Array
    """[N] first token of the node's block."""
    end: Array
    """[N] the token after its last."""
    q: Array
    """[n] the draft distribution that it was made of; its scale is free in floats."""


def best_density(p: Array, q: Array, f: Array) -> Array:
    """Return b/q [n], b the best distribution of the chosen draft: p held between two multiples of q.

        max  sum_y min(p(y), b(y))   s.t.   b(first j tokens) <= f(first j tokens) for every j,   b(all) = 1

    1. The cut is the prefix where p exceeds f the most. No rule chooses from a prefix more often than f says, so p has
       `excess` too much there.
    2. On the prefix, lower the highest p/q to one value until the excess is removed.
    3. After it, raise the lowest p/q to one value until all of f is used.

    Parameters
    ----------
    p, q, f : [n]
        Target distribution, draft distribution and distribution of the best draft, by falling p/q.

    Returns
    -------
    [n]
        b/q.

    Examples
    --------
    >>> import numpy as np
    >>> p, q, f = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5]), np.array([0.36, 0.39, 0.25])
    >>> (best_density(p, q, f) * q).round(2).tolist()
    [0.36, 0.3, 0.34]
    """
    density: Array = _raised(*_lowered(p, q, f), p, q)
    return density


def fairest_density(p: Array, q: Array, f: Array) -> Array:
    """Return b/q [n], b a best distribution of the chosen draft whose b/p are as equal as can be (theory/trees).

    As `best_density`, but what f has to spare after the cut is spread in proportion to p, and not where p/q is lowest.
    So a chosen token has used up as little of its target as can be when its own children are verified.

    3. After the cut, cumulated over p, b is the greatest convex minorant of f: go through the tokens and join blocks
       (pool adjacent violators) until f/p rises from block to block. Tokens with p = 0 come last and get f.

    Parameters
    ----------
    p, q, f : [n]
        Target distribution, of any sum up to 1, draft distribution and distribution of the best draft, by falling p/q.

    Returns
    -------
    [n]
        b/q.

    Examples
    --------
    >>> import numpy as np
    >>> p, q, f = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5]), np.array([0.36, 0.39, 0.25])
    >>> (fairest_density(p, q, f) * q).round(2).tolist()
    [0.36, 0.39, 0.25]
    """
    density, cut, _ = _lowered(p, q, f)
    fairest: Array = _spread(density, cut, p, q, f)
    return fairest


@compiled
def _lowered(p: Array, q: Array, f: Array) -> tuple[Array, int, Array]:
    """Steps 1 and 2: p/q [n], lowered before the cut; the cut; and what f has to spare after it."""
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
    return density, cut, spare


@compiled
def _raised(density: Array, cut: int, spare: Array, p: Array, q: Array) -> Array:
    """Step 3 of `best_density`: [n]."""
    n, nil = len(q), q[0] * 0
    mass, width, i = nil, nil, n
    while i > cut and (i == n or mass + spare > density[i - 1] * width):
        i -= 1
        mass += p[i]
        width += q[i]
    if i < n:
        density[i:] = max(mass + spare, nil) / width
    return density


@compiled
def _spread(density: Array, cut: int, p: Array, q: Array, f: Array) -> Array:
    """Step 3 of `fairest_density`: [n]."""
    n, blocks = len(q), 0
    mass, hit = np.empty_like(q), np.empty_like(q)
    end = np.zeros(n + 1, dtype=np.int64)
    for i in range(cut, n):
        mass[blocks], hit[blocks], end[blocks] = p[i], f[i], i + 1
        while blocks > 0 and hit[blocks - 1] * mass[blocks] > hit[blocks] * mass[blocks - 1]:
            mass[blocks - 1] += mass[blocks]
            hit[blocks - 1] += hit[blocks]
            end[blocks - 1] = end[blocks]
            blocks -= 1
        blocks += 1
    block = 0
    for i in range(cut, n):
        if i == end[block]:
            block += 1
        whole = mass[block]
        density[i] = p[i] / whole * (hit[block] / q[i]) if whole > 0 else f[i] / q[i]
    return density


@compiled
def merge(q: Array, f: Array, density: Array) -> MergeTree:
    """Return the mixture that gives each token the density b/q, as far as f allows it.

    Let B and F cumulate density * q and f over the cumulated q. At level t the boundaries are the corners of the upper
    hull of B - t F. So the blocks beside a boundary merge at the t with (drop of B's slope) = t (drop of F's slope),
    the drop from the one block to the other; and a merge can only lower the merge levels of the boundaries beside it.

    1. Make blocks of equal density, and a heap of the boundaries between them, by merge level.
    2. Take the first boundary, merge its two blocks, and look at the boundaries beside it again.
    3. Down the tree, add up over the levels the slope of F and q(better blocks) / q(own block).

    Parameters
    ----------
    q, f, density : [n]
        Draft distribution, distribution of the best draft and b/q, by falling p/q.

    Returns
    -------
    MergeTree
        n tokens, N nodes.

    Examples
    --------
    >>> import numpy as np
    >>> q, f, density = np.array([0.2, 0.3, 0.5]), np.array([0.36, 0.39, 0.25]), np.array([1.8, 1.0, 0.68])
    >>> merge(q, f, density).merge_level.round(3).tolist()
    [1.0, 1.0, 0.4]
    """
    n, nil = len(q), q[0] * 0
    whole = nil + 1
    leaf = np.zeros(n, dtype=np.int64)
    for i in range(1, n):  # step 1
        leaf[i] = leaf[i - 1] + (1 if density[i] < density[i - 1] else 0)
    m = leaf[n - 1] + 1
    first, end = np.zeros(2 * m, dtype=np.int64), np.zeros(2 * m, dtype=np.int64)
    block = np.empty((m, 4), dtype=q.dtype)  # q, slope of B, slope of F, q of the blocks before it
    cumulated = nil
    for i in range(n):
        b = leaf[i]
        if i == 0 or leaf[i - 1] < b:
            first[b] = i
            block[b] = nil
            block[b, 3] = cumulated
        end[b] = i + 1
        cumulated += q[i]
        block[b, 0] += q[i]
        block[b, 1] = density[i]
        block[b, 2] += f[i]
    link = np.empty((m, 4), dtype=np.int64)  # block before, block after, its node, whether the boundary is there
    parent = np.full(2 * m, -1)
    formed = np.full(2 * m, nil)
    slope, node_odds = formed.copy(), formed.copy()
    for b in range(m):
        block[b, 2] /= block[b, 0]
        slope[b], node_odds[b] = block[b, 2], block[b, 3] / block[b, 0]
        link[b, 0], link[b, 1], link[b, 2], link[b, 3] = b - 1, b + 1, b, 1

    heap = [(nil, 0)]
    for b in range(1, m):
        drop, fall = block[b - 1, 1] - block[b, 1], block[b - 1, 2] - block[b, 2]
        if drop < fall:
            heap.append((drop / fall if fall > nil else nil, b))
    heapify(heap)
    heappop(heap)
    now, new = nil, m
    merged = np.zeros(m, dtype=np.int64)
    while len(heap) > 0:  # step 2
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
        first[new], end[new], formed[new] = first[a], end[link[b, 2]], now
        slope[new], node_odds[new] = block[a, 2], block[a, 3] / block[a, 0]
        link[a, 1], link[a, 2], link[b, 3] = c, new, 0
        merged[new - m] = b
        new += 1
        if c < m:
            link[c, 0] = a
        for j in (a, c):
            if 0 < j < m:
                i = link[j, 0]
                drop, fall = block[i, 1] - block[j, 1], block[i, 2] - block[j, 2]
                if drop < fall:  # both below 0 by rounding: the two blocks are one, and merge now
                    heappush(heap, (drop / fall if fall > nil else nil, j))

    merge_level, odds = q * 0, q * 0
    for b in range(m):  # step 3
        merge_level[first[b]] = whole
    for node in range(new - 1, -1, -1):
        up = parent[node]
        length = (formed[up] if up >= 0 else whole) - formed[node]
        slope[node] = slope[node] * length + (slope[up] if up >= 0 else nil)
        node_odds[node] = (node_odds[node] * length if length > nil else nil) + (node_odds[up] if up >= 0 else nil)
        if node >= m:
            i = first[merged[node - m]]
            merge_level[i], odds[i] = formed[node], node_odds[node]
    for i in range(n):
        if first[leaf[i]] != i:
            odds[i] = node_odds[leaf[i]]
    return MergeTree(merge_level, slope[leaf], odds, leaf, parent[:new], formed[:new], first[:new], end[:new], q)
