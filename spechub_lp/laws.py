"""The door: p and q are read and checked here, once, and everything behind it trusts them.

Three kinds of law come in: rationals (Fractions, strings such as "1/3" and "0.2", whole numbers), floats, and logits.
"""

from collections.abc import Sequence
from fractions import Fraction
from heapq import nlargest
from numbers import Rational, Real
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_torch_array

from spechub_lp.errors import LawError

Array = Any
Number = Fraction | int | float | str

# A float law must sum to 1 this closely: V roundings of at most 2^-24 (float32) each stay below it up to V = 150,000
# when the sum is pairwise. bfloat16 keeps 8 bits.
SUM_TOLERANCE = {"float64": 1e-6, "float32": 1e-4, "bfloat16": 0.1, "float16": 0.02}


def law(values: Sequence[Number], name: str = "p", normalise: bool = False) -> tuple[Fraction, ...]:
    """Read one law [V] as exact rationals.

    Args:
        values: Fractions, strings ("1/3", "0.2"), 0/1 as whole numbers, or floats. Floats are taken for the exact
            binary numbers they are, divided by their exact sum, which must be within 1e-6 of 1.
        name: what to call the law in errors.
        normalise: divide by the sum, whatever it is; needed for counts such as [3, 1, 1].

    Raises:
        LawError: names the entry and the value that is wrong.
    """
    if isinstance(values, str):
        values = values.split(",")
    values = values.tolist() if hasattr(values, "tolist") else values
    entries = [_rational(v, f"{name}[{i}]") for i, v in enumerate(values)]
    if not entries:
        raise LawError(f"{name} is empty; a law needs at least one token")
    for i, v in enumerate(entries):
        if v < 0:
            raise LawError(f"{name}[{i}] = {v} is negative; a law needs entries >= 0. Did you pass logits?")
    mass = sum(entries, Fraction(0))
    rounded = any(isinstance(v, float | np.floating) for v in values)
    if mass == 0:
        raise LawError(f"{name} sums to 0; a law needs some mass")
    if not normalise and mass != 1 and not (rounded and abs(mass - 1) <= SUM_TOLERANCE["float64"]):
        shown = float(mass) if rounded else mass
        hint = " Did you pass logits, or counts?" if max(entries) > 1 else ""
        raise LawError(f"{name} sums to {shown}, not 1; pass normalise=True (--normalise) to divide by the sum.{hint}")
    return tuple(v / mass for v in entries)


def draft_laws(values: Sequence[Any], name: str = "q", normalise: bool = False) -> tuple[Any, ...]:
    """Read a draft law [V], or the k laws [k, V] of different drafters (policy `product`), as exact rationals."""
    values = values.tolist() if hasattr(values, "tolist") else values
    if len(values) and (isinstance(values[0], list | tuple) or getattr(values[0], "ndim", 0) == 1):
        return tuple(law(row, f"{name}[{j}]", normalise) for j, row in enumerate(values))
    return law(values, name, normalise)


def pair(
    p: Sequence[Number], q: Sequence[Any], normalise: bool = False
) -> tuple[tuple[Fraction, ...], tuple[Any, ...]]:
    """Read a target p [V] and a draft law q ([V], or [k, V] for different drafters) of one vocabulary."""
    target, draft = law(p, "p", normalise), draft_laws(q, "q", normalise)
    width = len(draft[0]) if isinstance(draft[0], tuple) else len(draft)
    widths = {len(row) for row in draft} if isinstance(draft[0], tuple) else {width}
    if widths != {len(target)}:
        raise LawError(f"p has {len(target)} tokens and q has {sorted(widths)[0]}; both need the same vocabulary")
    return target, draft


def float_rows(values: Any, name: str = "p") -> Array:
    """Check float laws [V] or [B, V] (numpy or torch; other sequences become float64) and return them as [B, V].

    Product drafts pass [B, k, V]. Raises LawError naming the row, the token and the value.
    """
    a = values if hasattr(values, "ndim") else np.asarray(values, dtype=np.float64)
    xp = array_namespace(a)
    if a.ndim == 0 or a.shape[-1] == 0:
        raise LawError(f"{name} has shape {tuple(a.shape)}; a law needs at least one token")
    a = a if a.ndim > 1 else a[None]
    dtype = str(a.dtype).removeprefix("torch.")
    if dtype not in SUM_TOLERANCE:
        raise LawError(f"{name} has dtype {dtype}; laws come as one of {', '.join(SUM_TOLERANCE)}")
    # A NaN fails every comparison, so the one test below catches negative entries and NaN alike.
    if not bool(xp.all(a >= 0)):
        at = np.argwhere(~_numpy(a >= 0))[0]
        where = ", ".join(str(int(i)) for i in at)
        raise LawError(
            f"{name}[{int(at[-1])}] = {float(a[tuple(int(i) for i in at)])} is not a probability "
            f"(index [{where}]); a law needs entries >= 0. Did you pass logits?"
        )
    mass = _numpy(xp.sum(a, axis=-1, dtype=xp.float64))
    off = ~(np.abs(mass - 1) <= SUM_TOLERANCE[dtype])
    if off.any():
        row = tuple(int(i) for i in np.argwhere(off)[0])
        raise LawError(f"{name} sums to {mass[row]}, not 1 (row {', '.join(map(str, row))}); normalise it first")
    return a


def restrict(rows: Sequence[Sequence[Any]], tokens: int) -> tuple[tuple[Any, ...], ...]:
    """Laws [V] of one vocabulary on the tokens that matter most to any of them, each divided by what is left of it."""
    best = [max(entries) for entries in zip(*rows, strict=True)]
    kept = sorted(nlargest(tokens, range(len(best)), key=best.__getitem__))
    small = ([row[y] for y in kept] for row in rows)
    return tuple(tuple(m / sum(row) for m in row) for row in small)


def from_logits(logits: Any, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None) -> Array:
    """softmax(logits / temperature) [.., V], after top-k and then top-p (nucleus) truncation when asked.

    numpy or torch; -inf marks a forbidden token. Ties at the top-k border are all kept. float16 and bfloat16 logits
    are raised to float32 first.

    Raises:
        LawError: a NaN or +inf logit, a row without a finite logit, or a setting outside its range.
    """
    a = logits if hasattr(logits, "ndim") else np.asarray(logits, dtype=np.float64)
    xp = array_namespace(a)
    if not temperature > 0:
        raise LawError(f"temperature = {temperature}; it must be > 0 (for greedy decoding pass a one-hot law)")
    if top_k is not None and not top_k >= 1:
        raise LawError(f"top_k = {top_k}; it must be at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise LawError(f"top_p = {top_p}; it must lie in (0, 1]")
    if str(a.dtype).removeprefix("torch.") in ("float16", "bfloat16"):
        a = xp.astype(a, xp.float32)
    top = xp.max(a, axis=-1, keepdims=True)
    bad = _numpy(~xp.isfinite(top[..., 0]) | xp.any(xp.isnan(a), axis=-1))
    if bad.any():
        row = [int(i) for i in np.argwhere(bad)[0]]
        raise LawError(f"row {row} of the logits has a NaN, a +inf, or no finite entry at all")
    if top_k is not None and top_k < a.shape[-1]:
        a = xp.where(a >= xp.sort(a, axis=-1)[..., -top_k : a.shape[-1] - top_k + 1], a, -xp.inf)
    weights = xp.exp((a - top) / temperature)
    if top_p is not None and top_p < 1:
        order = xp.argsort(weights, axis=-1, descending=True, stable=True)
        falling = xp.take_along_axis(weights, order, axis=-1)
        before = xp.cumulative_sum(falling, axis=-1) - falling
        kept = before < top_p * xp.sum(falling, axis=-1, keepdims=True)
        weights = xp.where(xp.take_along_axis(kept, xp.argsort(order, axis=-1), axis=-1), weights, weights * 0)
    return weights / xp.sum(weights, axis=-1, keepdims=True)


def _numpy(a: Array) -> np.ndarray:
    return a.detach().cpu().numpy() if is_torch_array(a) else np.asarray(a)


def _rational(value: Any, place: str) -> Fraction:
    try:
        if isinstance(value, str):
            return Fraction(value.strip())
        if isinstance(value, Rational):  # int() because other rationals carry integers of their own kind
            return Fraction(int(value.numerator), int(value.denominator))
        if isinstance(value, Real):
            return Fraction(float(value))
        return Fraction(value)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise LawError(f"{place} = {value!r} is not a number (write 1/3, 0.2 or 0): {error}") from None
