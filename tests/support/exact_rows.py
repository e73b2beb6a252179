"""The optimum of whole rows in integers: a row of floats is the distribution of the exact numbers that it holds, over
their sum.

No solver and no float: prefixes by p/q (theory: the best set is one), valued in integers shifted by 300 bits.
"""

from fractions import Fraction
from typing import Any

import numpy as np
import torch

SHIFT = 300
KINDS = ("counts", "few_ratios", "ulp_tops", "logits", "cold", "faint_tail", "subnormal", "edges")
DTYPES = ("float64", "float32", "bfloat16", "float16")


def rows(kind: str, v: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A pair of float64 rows [V] of one kind; p is made to have mass."""
    if kind == "counts":
        p, q = (rng.integers(0, 4, v) + (np.arange(v) == 0)).astype(float), rng.integers(1, 5, v).astype(float)
    elif kind == "few_ratios":
        q = rng.integers(1, 9, v).astype(float)
        p = q * rng.choice([0.25, 0.75, 1.25, 1.5], v)
    elif kind == "edges":  # ratios on the edges of buckets, and an ulp beside them
        q = rng.choice([1.0, 1 / 3, 0.1, 0.7], v)
        edge = 2.0 ** rng.integers(-2, 2, v) * (1 + rng.integers(0, 64, 1) / 64)
        p = q * edge * (1 + rng.integers(-1, 2, v) * 2.0**-52)
    elif kind == "ulp_tops":
        return _tops_an_ulp_apart(v, rng)
    else:
        logits, target = rng.normal(size=(2, v)) * 3
        if kind == "logits":
            q, p = np.exp(logits), np.exp(target)
        elif kind == "cold":
            q, p = (np.exp((a - a.max()) / 0.02) for a in (logits, target))
        else:
            tail = 1e-300 if kind == "faint_tail" else 5e-324
            q = np.rint(rng.random(v) * 9) * tail
            q[rng.integers(v)] = 1.0
            p = rng.random(v) * rng.choice([1.0, 1e-200, 5e-324], v) + (np.arange(v) == rng.integers(v))
    with np.errstate(under="ignore"):
        return p / p.sum(), q / q.sum()


def _tops_an_ulp_apart(v: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Tops a few ulps below a power of two, in a row that sums to a little less than 1: divided by its sum they tie."""
    n, level = (5, 2**-3) if v >= 9 else (3, 2**-2) if v >= 5 else (min(v, 2), 2 ** -min(v - 1, 1))
    first = rng.permutation(v)[:n]
    q = rng.random(v) + 5
    q[first] = 0
    q *= (1 - n * level) / max(q.sum(), 1) * (1 - 2e-7)
    q[first] = level * (1 - rng.integers(1, 6, n) * 2.0 ** -(53 if rng.integers(2) else 24))
    p = rng.random(v) / v
    p[first] = rng.choice([0.1, 1.0, 2.0], n)
    return p / p.sum(), q


def in_dtype(a: np.ndarray, dtype: str) -> Any:
    """A row in a dtype, numpy where numpy has it; what the cast leaves is the row as given."""
    if dtype in ("float64", "float32"):
        with np.errstate(under="ignore"):
            return a.astype(dtype)
    return torch.from_numpy(a).to(getattr(torch, dtype))


def integers(row: Any) -> list[int]:
    """The entries [V] of a float row times 2^1074, which are whole numbers."""
    values = row.double().numpy() if isinstance(row, torch.Tensor) else np.asarray(row, dtype=np.float64)
    return [int(Fraction(x) * 2**1074) for x in values.tolist()]


def optimum(p: Any, q: Any, k: int, drafts: str) -> Fraction:
    """alpha* of rows [V] as given, within 2^-250."""
    p, q = integers(p), integers(q)
    whole_p, whole_q = sum(p), sum(q)
    if drafts in ("hub", "greedy", "top_k"):
        return _tops(p, q, k, drafts)
    if drafts == "without_replacement" and (k == 1 or max(q) == whole_q):
        drafts, k = "iid", 1
    order = sorted((y for y in range(len(q)) if q[y]), key=lambda y: Fraction(p[y], q[y]))
    covered = inside = over = square = 0
    best = Fraction(0)
    for y in order:
        covered += p[y]
        inside += q[y]
        if drafts == "iid":
            missed = Fraction(inside, whole_q) ** k
        else:
            over += (q[y] << SHIFT) // (whole_q - q[y])
            square += (q[y] * q[y] << SHIFT) // (whole_q - q[y])
            missed = Fraction(inside * over - square, whole_q << SHIFT)
        best = min(best, Fraction(covered, whole_p) - missed)
    return 1 + best


def tops(q: list[int], n: int) -> list[int]:
    """The n largest entries, the lowest index first among equals, of those that are not 0."""
    return sorted((y for y in range(len(q)) if q[y]), key=lambda y: (-q[y], y))[:n]


def _tops(p: list[int], q: list[int], k: int, drafts: str) -> Fraction:
    """p(tops) and, on the rest, what the last draft serves; all of p(tops) alone where there is no last draft."""
    n = 1 if drafts == "hub" else k if drafts == "top_k" else k - 1
    first = tops(q, n)
    rest = [y for y in range(len(q)) if y not in first]
    left, whole = sum(q[y] for y in rest), sum(p)
    covered = Fraction(sum(p[y] for y in first), whole)
    if drafts == "top_k" or not left:
        return covered
    return covered + sum(min(Fraction(p[y], whole), Fraction(q[y], left)) for y in rest)
