"""Noise that lives in another module than the engine."""

import numpy as np

rng = np.random.default_rng(11)


class Shared:
    """A generator as a class attribute."""

    rng = np.random.default_rng(12)
