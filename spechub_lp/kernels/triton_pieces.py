"""What the kernels in Triton share, in the arithmetic of plain torch: grains, classes, the entry a uniform falls on.

Every kernel is launched with EXACT, so that no product and sum are fused into one rounding: then a token is the one
that plain torch gives, bit for bit, wherever sums are of integers.
"""

from collections.abc import Callable
from typing import Any

from spechub_lp._util.extras import extra
from spechub_lp.kernels import classes, grains

with extra("torch", "the kernels in Triton"):
    import triton
    import triton.language as tl

jit: Callable[[Callable[..., Any]], Any] = triton.jit
EXACT = {"enable_fp_fusion": False}
WHOLE = tl.constexpr(grains.WHOLE)
FINE, CLASSES = tl.constexpr(classes.FINE), tl.constexpr(classes.CLASSES)
BLOCK = tl.constexpr(classes.BLOCK)
TINY = tl.constexpr(1e-300)
ULP = tl.constexpr(2.0**-53)
NO_FRACTION = tl.constexpr(2.0**52)


@jit
def _grains(a):  # type: ignore[no-untyped-def]
    """`grains.grains`: rounds half to even, as torch does."""
    scaled = a.to(tl.float64) * WHOLE
    push = tl.where(scaled < 0, -NO_FRACTION, NO_FRACTION)
    return tl.where(tl.abs(scaled) < NO_FRACTION, (scaled + push) - push, scaled).to(tl.int64)


@jit
def _divide(a, b):  # type: ignore[no-untyped-def]
    """a / b rounded as IEEE 754 asks, which Triton's own division in float32 is not."""
    if a.dtype == tl.float64:  # noqa: SIM108
        ratio = a / b
    else:
        ratio = tl.div_rn(a, b)
    return ratio


@jit
def _class_of(p, q, start):  # type: ignore[no-untyped-def]
    """`classes.class_of`; `start` is the exponent at which the classes begin as float32 writes it, 127 + first."""
    bits = 6 - (start > 130).to(tl.int32) - (start > 138).to(tl.int32)
    top = (start << bits) - 1
    code = _divide(p, q).to(tl.float32).to(tl.int32, bitcast=True)
    at = top - (code >> (23 - bits))
    at = tl.minimum(at, ((at - FINE) >> 2) + FINE)
    return tl.maximum(tl.minimum(at, CLASSES - 1), 0)


@jit
def _entry(a, place, at):  # type: ignore[no-untyped-def]
    """a[at] of a vector whose places are given."""
    return tl.sum(tl.where(place == at, a, tl.zeros_like(a)), axis=0)


@jit
def _last_below(whole):  # type: ignore[no-untyped-def]
    """The float64 before a number that is not negative."""
    return tl.where(whole > 0, (whole.to(tl.int64, bitcast=True) - 1).to(tl.float64, bitcast=True), 0.0)


@jit
def _uniform(u):  # type: ignore[no-untyped-def]
    """The uniform of the verdict, below 1; a literal such as 1 - 2^-53 would be rounded to float32."""
    uniform = u.to(tl.float64)
    return tl.minimum(uniform, _last_below(uniform * 0 + 1))


@jit
def _first_above(weights, place, size, u):  # type: ignore[no-untyped-def]
    """`residual._first_above` for one row of grains: the index, and the mass of it that u covers."""
    upto = tl.cumsum(weights, axis=0).to(tl.float64)
    whole = tl.sum(weights, axis=0).to(tl.float64)
    to_go = tl.maximum(tl.minimum(u * whole, _last_below(whole)), 0.0)
    at = tl.sum(((upto <= to_go) & (place < size)).to(tl.int32), axis=0)
    at = tl.minimum(at, size - 1)
    return at, to_go - _entry(upto, place, at - 1)
