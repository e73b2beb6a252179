"""Float rows of every kind and dtype, and what they are exactly: whole numbers over one scale."""

import random
from fractions import Fraction
from typing import Any

import numpy as np
import torch

DTYPES = ("float64", "float64", "float32", "float32", "bfloat16", "float16")
KINDS = (
    "counts",
    "logits",
    "cold logits",
    "hot logits",
    "ties an ulp apart",
    "tops an ulp apart",
    "subnormal",
    "faint tails",
    "one-hot",
    "nearly one-hot",
    "uniform",
    "few values",
    "zeros",
    "p near q",
    "disjoint",
)


def pair(rng: random.Random, kind: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(p, q) [V] float64 of sum 1 up to rounding."""
    dice = np.random.default_rng(rng.randrange(2**32))
    if kind == "p near q":
        q = _row(dice, rng.choice(KINDS[:9]), size)
        return _normal(q * (1 + 2.0**-50 * dice.integers(-4, 5, size))), q
    if kind == "disjoint":
        p, q = _row(dice, "counts", size) + 0, _row(dice, "logits", size) + 0
        at = max(1, size // 2)
        p[at:], q[: at if size > 1 else 0] = 0, 0
        return _normal(p), _normal(q)
    if kind == "few values":
        q = _normal(dice.integers(1, 4, size).astype(float))
        return _normal(q * dice.choice([0.5, 0.75, 1.25, 2.0], size)), q
    other = kind if rng.random() < 0.6 else rng.choice(KINDS[:11])
    p, q = _row(dice, other, size), _row(dice, kind, size)
    return (p, q) if rng.random() < 0.8 else (q, p)


def _row(dice: np.random.Generator, kind: str, size: int) -> np.ndarray:
    if kind == "counts":
        return _normal(dice.integers(0, int(dice.integers(2, 9)), size).astype(float))
    if kind.endswith("logits"):
        scale = {"logits": 3.0, "cold logits": float(dice.choice([30, 100, 300, 1000])), "hot logits": 0.05}[kind]
        logits = dice.normal(size=size) * scale
        return _normal(np.exp(logits - logits.max()))
    if kind == "ties an ulp apart":
        return _ulps(dice, _normal(dice.integers(1, 3, size).astype(float)))
    if kind == "tops an ulp apart":
        row = _normal(dice.random(size))
        tops = dice.choice(size, min(size, int(dice.integers(2, 5))), replace=False)
        row[tops] = 0.9 / len(tops)
        return _normal_but(_ulps(dice, row), tops)
    if kind == "subnormal":
        row = np.where(dice.random(size) < 0.6, dice.integers(0, 50, size) * 5e-324, dice.random(size))
        return _normal(row, keep=True)
    if kind == "faint tails":
        row = dice.random(size) * 10.0 ** -dice.choice([0.0, 14, 17, 31, 150, 290, 300, 305, 307, 308], size)
        return _normal(row, keep=True)
    if kind == "one-hot":
        return np.asarray(np.arange(size) == dice.integers(size), dtype=float)
    if kind == "nearly one-hot":
        row = np.full(size, float(dice.choice([1e-3, 1e-9, 1e-16, 1e-30])) / size)
        row[dice.integers(size)] += 1
        return _normal(row)
    if kind == "zeros":
        return _normal(dice.random(size) * (dice.random(size) < 0.4))
    return np.full(size, 1 / size)


def _ulps(dice: np.random.Generator, row: np.ndarray) -> np.ndarray:
    return np.asarray(row * (1 + 2.0**-52 * dice.integers(-2, 3, len(row))))


def _normal(row: np.ndarray, keep: bool = False) -> np.ndarray:
    """Divided by its sum; `keep` leaves faint entries as they are."""
    if not row.sum() > 1e-3:
        row = row.copy()
        row[len(row) // 2] = 1.0
    whole: np.ndarray = row / row.sum()
    return np.where(row < 1e-14, row, whole) if keep else whole


def _normal_but(row: np.ndarray, tops: np.ndarray) -> np.ndarray:
    """Of sum 1, by scaling the others."""
    others = np.ones(len(row), dtype=bool)
    others[tops] = False
    if others.any():
        row[others] *= (1 - row[tops].sum()) / row[others].sum()
        return row
    return np.asarray(row / row.sum())


def cast(row: np.ndarray, dtype: str, library: str) -> Any:
    """The row in a dtype of numpy or torch; bfloat16 is torch's alone."""
    if library == "torch" or dtype == "bfloat16":
        return torch.asarray(row).to(getattr(torch, dtype))
    return row.astype(dtype)


def whole(row: Any) -> list[int]:
    """The entries times one power of two: whole numbers in exactly the proportions of the row."""
    values = row.double().tolist() if isinstance(row, torch.Tensor) else np.asarray(row, dtype=np.float64).tolist()
    exact = [Fraction(v) for v in values]
    scale = max(v.denominator for v in exact)
    return [int(v * scale) for v in exact]


def fractions(row: Any) -> tuple[Fraction, ...]:
    """The distribution that a row is after division by its exact sum."""
    weights = whole(row)
    return tuple(Fraction(w, sum(weights)) for w in weights)


def scalar(value: Any) -> float:
    return float(np.asarray(value.double() if isinstance(value, torch.Tensor) else value).reshape(-1)[0])
