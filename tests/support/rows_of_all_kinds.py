"""Float rows hard on sums: counts, logits, low temperatures, ties, forced drafts, subnormal and faint tails."""

from collections.abc import Iterator

import numpy as np
from scipy.special import softmax

TINY = 5e-324


def rows(rng: np.random.Generator, tokens: int) -> Iterator[np.ndarray]:
    """One row [tokens] of each kind; entries are 0 or at least 5e-324, and the sum is 1 up to rounding or as noted."""
    logits = 5 * rng.standard_normal(tokens)
    for temperature in (1.0, 0.1, 0.02):
        yield softmax(logits / temperature)
    yield rng.dirichlet(np.ones(tokens))
    counts = rng.integers(0, 4, tokens) + 1e-300
    yield counts / counts.sum()
    yield np.full(tokens, 1 / tokens)
    for faint in (1e-14, 1e-40, 1e-160, 1e-300, 1e-310, TINY):
        tail = np.maximum(np.ceil(rng.exponential(size=tokens) * 3) * faint, faint)
        for heavy in (1, 2):
            row = tail.copy()
            row[rng.permutation(tokens)[:heavy]] = 1 / heavy
            yield row / row.sum() if faint > 1e-300 else row
    falling = np.maximum(10.0 ** -(rng.integers(1, 160) * np.arange(tokens, dtype=float)), TINY)
    yield rng.permutation(falling / falling.sum())
    off = np.full(tokens, 1e-318) * rng.integers(1, 100, tokens)
    off[rng.integers(tokens)] = 1 - 7e-7  # as far from 1 as a float distribution may be
    yield off


def random_distributions(v: int, seed: int, rows: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(p, q) [rows, v]: a draft distribution from logits of deviation 2, and a target that disturbs it."""
    rng = np.random.default_rng(seed)
    q = np.exp(2 * rng.normal(size=(rows, v)))
    p = q * np.exp(rng.normal(size=(rows, v)))
    return p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
