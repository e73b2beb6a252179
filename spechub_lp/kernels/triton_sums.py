"""The first launches of Border in Triton: what the places of a row hold, which are classes of p/q or tokens."""

from spechub_lp._util.extras import extra
from spechub_lp.kernels.triton_pieces import CLASSES, WHOLE, _class_of, _grains, jit

with extra("torch", "the kernels in Triton"):
    import triton.language as tl

WIDE, SHORT = 1024, 32
"""Tokens that a program sums, and that one ranks."""
COPIES = 16
"""Of a row's table of sums: atomic additions to one address wait for each other."""


@jit
def _hub_kernel(q, heads, width, stride, real: tl.constexpr, size: tl.constexpr):  # type: ignore[no-untyped-def]
    """Row sums of q in grains and bits of the largest entry in float32: heads [B, 2]."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * size + tl.arange(0, size)
    draft = tl.load(q + row * stride + at, mask=at < width, other=0.0).to(real)
    tl.atomic_add(heads + row * 2, tl.sum(_grains(draft), axis=0), sem="relaxed")
    code = draft.to(tl.float32).to(tl.int32, bitcast=True).to(tl.int64)
    tl.atomic_max(heads + row * 2 + 1, tl.max(code, axis=0), sem="relaxed")


@jit
def _hub_start(code):  # type: ignore[no-untyped-def]
    """Where the classes begin without replacement (`border._first_of_rest` of two drafts)."""
    left = tl.maximum(1 - code.to(tl.int32).to(tl.float32, bitcast=True), 2.0**-23)
    return 255 - (left.to(tl.int32, bitcast=True) >> 23)


@jit
def _sums_kernel(  # type: ignore[no-untyped-def]
    p, q, heads, tables, start, width, p_stride, q_stride,
    real: tl.constexpr, pairs: tl.constexpr, columns: tl.constexpr, copies: tl.constexpr, size: tl.constexpr,
):  # fmt: skip
    """Add to one copy of the row's table, so that programs seldom meet at an address.

    tables [B, copies, CLASSES * columns + 3]: sums by class in _grains, p of what q cannot draft, bad entries, the hub.
    """
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * size + tl.arange(0, size)
    there = at < width
    target = tl.load(p + row * p_stride + at, mask=there, other=0.0).to(real)
    draft = tl.load(q + row * q_stride + at, mask=there, other=0.0).to(real)
    if pairs:
        start = _hub_start(tl.load(heads + row * 2 + 1))
    own = tables + (row * copies + tl.program_id(1) % copies) * (CLASSES * columns + 3)
    cell = own + _class_of(target, draft, start) * columns
    held, mass, drafted = _grains(target), _grains(draft), draft != 0
    tl.atomic_add(cell, held, mask=drafted & (held != 0), sem="relaxed")
    tl.atomic_add(cell + 1, mass, mask=mass != 0, sem="relaxed")
    if pairs:
        share = draft.to(tl.float64) / (tl.load(heads + row * 2).to(tl.float64) / WHOLE)
        odds = tl.where(share > 0.5, 0.0, share / tl.maximum(1 - share, 0.5)) * share
        extra = _grains(odds)
        tl.atomic_add(cell + 2, extra, mask=extra != 0, sem="relaxed")
        tl.store(own + CLASSES * columns + 2 + at * 0, at.to(tl.int64), mask=there & (share > 0.5))
    undrafted = tl.sum(tl.where(drafted, 0, held), axis=0)
    bad = tl.sum(((target - target != 0) | (draft - draft != 0)).to(tl.int64), axis=0)
    tl.atomic_add(own + CLASSES * columns, undrafted, mask=undrafted != 0, sem="relaxed")
    tl.atomic_add(own + CLASSES * columns + 1, bad, mask=bad != 0, sem="relaxed")


@jit
def _ranks_kernel(  # type: ignore[no-untyped-def]
    p, q, ranks, placed, totals, width, p_stride, q_stride,
    real: tl.constexpr, pad: tl.constexpr, size: tl.constexpr, step: tl.constexpr,
):  # fmt: skip
    """Each token's place in falling p/q: ranks [B, V], p and q by place [B, 2, V], totals [B, 4] (sums, bad, hub)."""
    row = tl.program_id(0).to(tl.int64)
    every = tl.arange(0, pad)
    target = tl.load(p + row * p_stride + every, mask=every < width, other=0.0).to(real).to(tl.float64)
    draft = tl.load(q + row * q_stride + every, mask=every < width, other=0.0).to(real).to(tl.float64)
    p_sum = tl.sum(_grains(target), axis=0).to(tl.float64) / WHOLE
    q_sum = tl.sum(_grains(draft), axis=0).to(tl.float64) / WHOLE
    bad = tl.sum(((target - target != 0) | (draft - draft != 0)).to(tl.float64), axis=0)
    at = tl.program_id(1) * size + tl.arange(0, size)
    there = at < width
    own_p = tl.load(p + row * p_stride + at, mask=there, other=0.0).to(real).to(tl.float64)
    own_q = tl.load(q + row * q_stride + at, mask=there, other=0.0).to(real).to(tl.float64)
    ratio = tl.where(own_q > 0, own_p / own_q, -1.0)
    rank = tl.zeros([size], dtype=tl.int32)
    for at_other in range(0, pad, step):
        other = at_other + tl.arange(0, step)
        other_p = tl.load(p + row * p_stride + other, mask=other < width, other=0.0).to(real).to(tl.float64)
        other_q = tl.load(q + row * q_stride + other, mask=other < width, other=0.0).to(real).to(tl.float64)
        rival = tl.where(other < width, tl.where(other_q > 0, other_p / other_q, -1.0), -2.0)
        before = (rival[None, :] > ratio[:, None]) | (
            (rival[None, :] == ratio[:, None]) & (other[None, :] < at[:, None])
        )
        rank += tl.sum(before.to(tl.int32), axis=1)
    rank = tl.minimum(rank, width - 1)
    tl.store(ranks + row * width + at, rank, mask=there)
    share = own_q / q_sum
    tl.store(placed + row * 2 * width + rank, tl.where(share > 0, own_p / p_sum, 0.0), mask=there)
    tl.store(placed + (row * 2 + 1) * width + rank, share, mask=there)
    tl.store(totals + row * 4 + 3 + at * 0, at.to(tl.float64), mask=there & (share > 0.5))
    if tl.program_id(1) == 0:
        tl.store(totals + row * 4, p_sum)
        tl.store(totals + row * 4 + 1, q_sum)
        tl.store(totals + row * 4 + 2, bad)
