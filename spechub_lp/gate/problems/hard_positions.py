"""Positions of a capture that are hard in different ways.

They are chosen from 64 candidates that lie evenly over the capture (KINDS):
p and q far apart (most rejections), the flattest p (most tokens to tell apart), q(a) about 1/2 (where the best draft
policy changes), p nearly q (a residual of almost nothing), a tie at the top of q (the hub), a likely draft that p
hardly wants, q nearly one-hot, and most of p on high ids (int16 indices, blocks of a kernel). Further positions spread
over q(a). The first temperature decides.
"""

from typing import Any

import numpy as np

from spechub_lp.gate.settings import Logits
from spechub_lp.typing import Array

CANDIDATES = 64
"""Positions that are looked at before the hard ones are chosen; a second at V = 49,152."""
KINDS = (
    "p and q far apart",
    "the flattest p",
    "q(a) about 1/2",
    "p nearly q",
    "a tie at the top of q",
    "a likely draft that p hardly wants",
    "q nearly one-hot",
    "most of p on high ids",
)


def choose(rows: Any, plan: Logits, seed: int) -> dict[int, str]:
    """Choose positions: one of each kind in turn, then a spread over q(a).

    Parameters
    ----------
    rows
        `capture.store.Rows` or `capture.shards.Shards`.
    plan
        How many positions; its first temperature decides.
    seed
        Of the candidates.

    Returns
    -------
    dict
        Position -> why it was chosen.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> from spechub_lp.capture import store
    >>> path = resources.path("captured/smollm2.safetensors")
    >>> list(choose(store.load(path), Logits(path, positions=1), seed=0).values())
    ['p and q far apart']
    """
    count = len(rows)
    size = min(count, max(CANDIDATES, 2 * plan.positions))
    phase = np.random.default_rng([seed, 19]).random()
    candidates = np.unique(((np.arange(size) + phase) * count / size).astype(int))
    features = np.concatenate(
        [_features(*rows.batch(candidates[at : at + 8], plan.temperatures[0])) for at in range(0, len(candidates), 8)]
    )
    chosen: dict[int, str] = {}
    left = list(range(len(candidates)))
    for place, kind in enumerate(KINDS[: plan.positions]):
        if left:
            best = max(left, key=lambda i: features[i, place])
            chosen[int(candidates[best])] = kind
            left.remove(best)
    more = min(plan.positions - len(chosen), len(left))
    left.sort(key=lambda i: features[i, KINDS.index("q nearly one-hot")])
    for place in np.linspace(0, len(left) - 1, more).astype(int) if more > 0 else []:
        chosen[int(candidates[left[place]])] = "spread over q(a)"
    return chosen


def _features(p: Array, q: Array) -> Array:
    """[B, kinds] larger is harder, in the order of KINDS."""
    far = np.abs(p - q).sum(axis=1) / 2
    second, first = np.sort(q, axis=1)[:, -2:].T
    likely = np.where(q >= 0.01, np.log(np.maximum(p, 1e-300) / np.maximum(q, 1e-300)), 0)
    flat = -np.sort(p, axis=1)[:, -8:].sum(axis=1)
    high = p[:, 2 ** ((p.shape[1] - 1).bit_length() - 1) :].sum(axis=1)
    return np.stack([far, flat, -np.abs(first - 0.5), -far, second / first, -likely.min(axis=1), first, high], axis=1)
