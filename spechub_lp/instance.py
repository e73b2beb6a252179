"""From a draft policy to its draft tuples and their mass, by enumeration."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp._array.convert import as_float64
from spechub_lp.certificate import shown
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import TooLarge

Array = Any


MOST_TUPLES = 1_000_000

INSTEAD = (
    "use spechub_lp.cut for the optimum and draw(...) for a sampler, or restrict the distribution to its top tokens"
)

MOST_DRAFTS = 64
"""Of a distribution that is enumerated: V = 1 has one tuple for every k."""


def check_tuples(vocabulary: int, k: int, most: int, what: str, hint: str) -> None:
    """Raise TooLarge when V^k tuples are more than `most`, or k more than 64; a large power is not computed."""
    vocabulary, k = int(vocabulary), int(k)  # numpy's integers would overflow in silence
    if k > MOST_DRAFTS:
        raise TooLarge(f"k = {shown(k)} drafts are too many to enumerate (at most {MOST_DRAFTS}); {hint}")
    tuples = vocabulary**k
    if tuples > most:
        number = f"{tuples:,}" if tuples < 10**15 else f"{tuples:.0e}" if tuples < 10**300 else "more than 1e300"
        raise TooLarge(f"V^k = {vocabulary}^{k} = {number} {what} are too many to enumerate (at most {most:,}); {hint}")


def enumerate_drafts(policy: DraftPolicy, q: Array, k: int) -> tuple[Array, Array]:
    """Every draft tuple of positive mass [N, k], in lexicographic order, and its mass [N], for one distribution q [1,
    V].

    Rational distributions give rational masses. Float distributions of any dtype give float64 masses: each next-draft
    distribution is divided by its float64 sum, as a draw would do. The mass is numpy; the tuples live with q.

    Raises:
        TooLarge: V^k tuples are more than a million.
    """
    policy.check(q, k)
    check_tuples(q.shape[-1], k, MOST_TUPLES, "draft tuples", INSTEAD)
    xp = array_namespace(q)
    x = xp.zeros((1, 0), dtype=xp.int64, device=device(q))
    mass = as_float64(q[0, ..., :1].reshape(-1)[:1]) * 0 + 1
    for _ in range(k):
        distribution = as_float64(policy.draft(q, x, k))
        grown = mass[:, None] * (
            distribution if distribution.dtype == object else distribution / distribution.sum(axis=1, keepdims=True)
        )
        row, token = np.nonzero(grown > 0)
        mass = grown[row, token]
        row, token = (xp.asarray(a, device=device(q)) for a in (row, token))
        x = xp.concat([x[row], token[:, None]], axis=1)
    return x, mass
