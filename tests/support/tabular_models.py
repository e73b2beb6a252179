"""Random tabular pairs of models with rational distributions."""

import random
from collections.abc import Callable
from functools import cache

import numpy as np
from gmpy2 import mpq

from spechub_lp.typing import ObjectArray

Context = tuple[int, ...]


def model(vocabulary: int, seed: int) -> Callable[[Context], tuple[ObjectArray, ObjectArray]]:
    """A random tabular pair with zeros, ties and equal distributions among its contexts."""

    @cache
    def distributions(context: Context) -> tuple[ObjectArray, ObjectArray]:
        rng = random.Random(f"{seed} {context}")

        def distribution() -> ObjectArray:
            weights = [rng.choice([0, 1, 1, 2, 3, 6]) for _ in range(vocabulary)]
            weights[0] += not any(weights)
            return np.array([mpq(w, sum(weights)) for w in weights], dtype=object)

        p = distribution()
        q = p if rng.random() < 0.1 else distribution()
        for a in (p, q):
            a.setflags(write=False)
        return p, q

    return distributions
