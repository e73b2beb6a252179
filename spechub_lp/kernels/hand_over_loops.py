"""What the walk of `hand_over` asks of the race, row by row on a CPU."""

from typing import Any

import numpy as np

from spechub_lp._array.jit import compiled
from spechub_lp.kernels.race_loops import MOMENTS


@compiled
def list_sets(heavy: Any, heavy_token: Any, heavy_place: Any, behind: Any, unit: Any, token: Any, place: Any,
              power: Any, first: Any, end: Any, count: Any, inside: Any, step: Any, walk: Any, light: Any, mass: Any,
              rest: Any) -> int:  # fmt: skip
    """List the drafts that may be handed over, with three sets of what can still be drafted, and what is beside them.

    The sets are the better blocks, without the draft; the same, without the heaviest token of the block; and the better
    blocks with the block, without the draft. Nothing is handed over where no block is better, and the heaviest token
    ends the walk.

    Parameters
    ----------
    heavy : [B, h]
        q of the heavy tokens, best place first.
    heavy_token, heavy_place : [B, h]
        The heavy tokens and their places.
    behind : [B, n + 1, MOMENTS]
        Sums of powers of the light tokens at or behind each boundary.
    unit : [B, 1]
        q of the heaviest light token.
    token, place : [B, k + 1]
        The drafts in the order drawn, then the heaviest token of the block; and their places.
    power : [B, k + 1, MOMENTS]
        Powers of q/unit of those that are light.
    first, end : [B]
        The block.
    count : [B, 1]
        Number of drafts.
    inside : [B, k] bool
        Whether the draft is in the block, and no earlier one is the same token; filled in.
    step : [N, 3]
        Where row and slot of each draft go, and how many drafts are to come; N is B (k - 1).
    walk : [N, 3 h]
        Where q of the heavy tokens beside the set goes, or 0.
    light : [N, 3, MOMENTS]
        Where the sums of powers of the light tokens beside the set go.
    mass, rest : [N, 3]
        Where q of the set and of what is beside it go.

    Returns
    -------
    int
        How many drafts.

    Examples
    --------
    >>> q, token, nothing = np.array([[0.5, 0.2, 0.3]]), np.array([[0, 1, 2]]), np.zeros((1, 4, 6))
    >>> x, block, both, one = np.array([[1, 2, 2]]), (np.array([1]), np.array([3])), np.ones((1, 2)), np.ones((1, 1))
    >>> step, walk, light = np.zeros((1, 3), int), np.zeros((1, 9)), np.zeros((1, 3, 6))
    >>> given = (q, token, token, nothing, one, x, x, nothing, *block, np.array([[2]]), both)
    >>> list_sets(*given, step, walk, light, mass := np.zeros((1, 3)), rest := np.zeros((1, 3)))
    1
    >>> step.tolist(), mass.tolist(), rest.tolist()
    ([[0, 0, 1]], [[0.5, 0.5, 0.8]], [[0.3, 0.2, 0.0]])
    """

    def among(x: Any, tokens: Any, slots: Any) -> bool:
        found = False
        for slot in slots:
            found |= tokens[slot] == x
        return found

    (batch, size), k, n = heavy_token.shape, inside.shape[1], 0
    gone = np.empty(k, dtype=np.int64)
    for b in range(batch):
        last = -1
        for j in range(k):
            inside[b, j] = j < count[b, 0] and first[b] <= place[b, j] < end[b]
            inside[b, j] = inside[b, j] and not among(token[b, j], token[b], range(j))
            last = j if inside[b, j] else last
        left = 0
        for j in range(last if first[b] > 0 else 0):
            if among(token[b, j], token[b], gone[:left]):
                continue
            if token[b, k] == token[b, j]:
                break
            if inside[b, j]:
                step[n, 0], step[n, 1], step[n, 2] = b, j, count[b, 0] - 1 - j
                for s in range(3):
                    gone[left] = k if s == 1 else j
                    boundary = end[b] if s == 2 else first[b]
                    ahead = behind[b, 0, 0] - behind[b, boundary, 0]
                    for m in range(MOMENTS):
                        light[n, s, m] = behind[b, boundary, m]
                    for slot in gone[: left + 1]:
                        if place[b, slot] < boundary:
                            ahead -= power[b, slot, 0]
                        else:
                            for m in range(MOMENTS):
                                light[n, s, m] -= power[b, slot, m]
                    mass[n, s], rest[n, s] = ahead * unit[b, 0], light[n, s, 0] * unit[b, 0]
                    for h in range(size):
                        q = 0.0 if among(heavy_token[b, h], token[b], gone[: left + 1]) else heavy[b, h]
                        better = heavy_place[b, h] < boundary
                        mass[n, s] += q if better else 0.0
                        walk[n, s * size + h] = 0.0 if better else q
                        rest[n, s] += walk[n, s * size + h]
                n += 1
            gone[left] = j
            left += 1
    return n
