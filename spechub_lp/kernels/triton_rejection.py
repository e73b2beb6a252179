"""Recursive rejection (RRS, RRSw) in Triton: one launch a draft, and two more; rows that are done are not read again.

    check      the sums of p and q, by which a row that holds no distribution is known
    pass j     (residual - proposal)+ of draft j in blocks of 256 tokens, where the first j drafts were rejected
    finish     slot and token

Floats are summed in a fixed order, but not in that of plain torch: a token may differ from the one that it gives where
a uniform falls within rounding of an edge.
"""

from spechub_lp._util.extras import extra
from spechub_lp.kernels import classes
from spechub_lp.kernels.triton_pieces import BLOCK, EXACT, ULP, _divide, _entry, _first_above, _grains, _uniform, jit

with extra("torch", "the kernels in Triton"):
    import torch
    import triton
    import triton.language as tl

MANY = 8
"""Blocks that a program sums."""


@jit
def _total(sums, row, t, which, k, parts, pad: tl.constexpr):  # type: ignore[no-untyped-def]
    """What pass t found: 0 the mass of (residual - proposal)+, 1 that of q without the drafts up to t."""
    part = tl.arange(0, pad)
    found = tl.load(sums + ((row * k + t) * 2 + which) * parts + part, mask=part < parts, other=0.0)
    return tl.sum(found, axis=0)


@jit
def _undrafted(draft, token, x, row, x_stride, t: tl.constexpr):  # type: ignore[no-untyped-def]
    for s in tl.static_range(t):
        draft = tl.where(token == tl.load(x + row * x_stride + s), draft * 0, draft)
    return draft


@jit
def _proposal(  # type: ignore[no-untyped-def]
    draft, token, x, row, x_stride, sums, k, parts, t: tl.constexpr, wor: tl.constexpr, pad: tl.constexpr
):  # fmt: skip
    """Distribution of draft t at tokens; where no token is left, the draft can be one only."""
    share = draft
    if wor and t > 0:
        mass = _total(sums, row, t - 1, 1, k, parts, pad)
        again = (token == tl.load(x + row * x_stride + t)).to(draft.dtype)
        share = _undrafted(draft, token, x, row, x_stride, t)
        share = tl.where(mass > 0, _divide(share, tl.where(mass > 0, mass, 1.0).to(draft.dtype)), again)
    return share


@jit
def _residual(  # type: ignore[no-untyped-def]
    target, draft, token, x, row, x_stride, sums, k, parts, j: tl.constexpr, wor: tl.constexpr, pad: tl.constexpr
):  # fmt: skip
    """What j rejected drafts leave of p, at tokens."""
    residual = target
    for t in tl.static_range(j):
        over = residual - _proposal(draft, token, x, row, x_stride, sums, k, parts, t, wor, pad)
        mass = _total(sums, row, t, 0, k, parts, pad)
        rest = _divide(tl.where(over > 0, over, over * 0), tl.where(mass > 0, mass, 1.0).to(draft.dtype))
        residual = tl.where(mass > 0, rest, residual)
    return residual


@jit
def _slot(  # type: ignore[no-untyped-def]
    p, q, x, u, row, p_stride, q_stride, x_stride, u_stride, sums, k, parts,
    j: tl.constexpr, wor: tl.constexpr, pad: tl.constexpr, real: tl.constexpr,
):  # fmt: skip
    """Which of the first j drafts is accepted, or j; and the probability that one is."""
    uniform = _uniform(tl.load(u + row * u_stride + 1))
    upto, rejected = uniform * 0, (uniform * 0 + 1).to(real)
    slot = (uniform * 0).to(tl.int32)
    for t in tl.static_range(j):
        token = tl.load(x + row * x_stride + t)
        target = tl.load(p + row * p_stride + token).to(real)
        draft = tl.load(q + row * q_stride + token).to(real)
        wanted = _residual(target, draft, token, x, row, x_stride, sums, k, parts, t, wor, pad)
        share = _proposal(draft, token, x, row, x_stride, sums, k, parts, t, wor, pad)
        scarce = wanted < share
        accept = tl.where(share > 0, (share * 0 + 1), share * 0)
        accept = tl.where(scarce, _divide(wanted, tl.where(scarce, share, share * 0 + 1)), accept)
        upto += (rejected * accept).to(tl.float64)
        slot += ((upto <= uniform) & (slot == t)).to(tl.int32)
        rejected *= 1 - accept
    return slot, uniform, upto


@jit
def _check_kernel(  # type: ignore[no-untyped-def]
    p, q, state, width, p_stride, q_stride, parts, real: tl.constexpr, many: tl.constexpr
):  # fmt: skip
    """Sums of p and q: state [B, 2, parts]."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * many * BLOCK + tl.arange(0, many * BLOCK)
    target = tl.load(p + row * p_stride + at, mask=at < width, other=0.0).to(real)
    draft = tl.load(q + row * q_stride + at, mask=at < width, other=0.0).to(real)
    tl.store(state + row * 2 * parts + tl.program_id(1), tl.sum(target.to(tl.float64), axis=0))
    tl.store(state + (row * 2 + 1) * parts + tl.program_id(1), tl.sum(draft.to(tl.float64), axis=0))


@jit
def _pass_kernel(  # type: ignore[no-untyped-def]
    p, q, x, u, sums, blocks_out, width, blocks, parts, p_stride, q_stride, x_stride, u_stride,
    j: tl.constexpr, k: tl.constexpr, wor: tl.constexpr, pad: tl.constexpr, real: tl.constexpr, many: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    slot, _, _ = _slot(
        p, q, x, u, row, p_stride, q_stride, x_stride, u_stride, sums, k, parts, j + 1, wor, pad, real
    )  # fmt: skip
    if slot == j + 1:
        part = tl.program_id(1)
        block = part * many + tl.arange(0, many)
        token = block[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
        there = token < width
        target = tl.load(p + row * p_stride + token, mask=there, other=0.0).to(real)
        draft = tl.load(q + row * q_stride + token, mask=there, other=0.0).to(real)
        residual = _residual(target, draft, token, x, row, x_stride, sums, k, parts, j, wor, pad)
        over = residual - _proposal(draft, token, x, row, x_stride, sums, k, parts, j, wor, pad)
        over = tl.where(over > 0, over, over * 0).to(tl.float64)
        if j + 1 == k:
            own = blocks_out + row * 2 * blocks + block
            tl.store(own, tl.sum(over, axis=1), mask=block < blocks)
            tl.store(own + blocks, tl.sum(residual.to(tl.float64), axis=1), mask=block < blocks)
        mine = sums + (row * k + j) * 2 * parts + part
        tl.store(mine, tl.sum(tl.sum(over, axis=1), axis=0))
        if wor:
            left = _undrafted(draft, token, x, row, x_stride, j + 1).to(tl.float64)
            tl.store(mine + parts, tl.sum(tl.sum(left, axis=1), axis=0))


@jit
def _finish_kernel(  # type: ignore[no-untyped-def]
    p, q, x, u, sums, blocks_in, state, tokens, slots, width, blocks, parts,
    p_stride, q_stride, x_stride, u_stride, u_columns,
    k: tl.constexpr, wor: tl.constexpr, pad: tl.constexpr, blocks_pad: tl.constexpr, real: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    p_sum, q_sum = _total(state, row, 0, 0, 1, parts, pad), _total(state, row, 0, 1, 1, parts, pad)
    good = (tl.abs(p_sum - 1) < 0.1) & (tl.abs(q_sum - 1) < 0.1)
    slot, uniform, taken = _slot(
        p, q, x, u, row, p_stride, q_stride, x_stride, u_stride, sums, k, parts, k, wor, pad, real
    )  # fmt: skip
    token = tl.load(x + row * x_stride + tl.minimum(slot, k - 1))
    if good & (slot == k):
        rest = tl.minimum(tl.maximum((uniform - taken) / tl.maximum(1 - taken, ULP), 0.0), 1.0)
        rest = tl.where(u_columns == 3, tl.load(u + row * u_stride + u_columns - 1).to(tl.float64), rest)
        block = tl.arange(0, blocks_pad)
        own = blocks_in + row * 2 * blocks + block
        weights = tl.load(own, mask=block < blocks, other=0.0)
        empty = tl.sum(weights, axis=0) <= 0
        weights = tl.where(empty, tl.load(own + blocks, mask=block < blocks, other=0.0), weights)
        weights = _grains(weights / tl.sum(weights, axis=0))
        chosen, to_go = _first_above(weights, block, blocks, rest)
        index = tl.arange(0, BLOCK)
        at = chosen * BLOCK + index
        target = tl.load(p + row * p_stride + at, mask=at < width, other=0.0).to(real)
        draft = tl.load(q + row * q_stride + at, mask=at < width, other=0.0).to(real)
        residual = _residual(target, draft, at, x, row, x_stride, sums, k, parts, k - 1, wor, pad)
        over = residual - _proposal(draft, at, x, row, x_stride, sums, k, parts, k - 1, wor, pad)
        entries = tl.where(empty, residual, tl.where(over > 0, over, over * 0)).to(tl.float64)
        entries = _grains(entries / tl.sum(entries, axis=0))
        found, _ = _first_above(entries, index, BLOCK, to_go / _entry(weights, block, chosen).to(tl.float64))
        token = (chosen * BLOCK + found).to(tl.int64)
    tl.store(tokens + row, tl.where(good, token, -1))
    tl.store(slots + row, tl.where(good & (slot < k), slot, -1).to(tl.int64))


def verify(
    p: torch.Tensor, q: torch.Tensor, x: torch.Tensor, u: torch.Tensor, *, replaced: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Verify the drafts of a batch of nodes by recursive rejection.

    Parameters
    ----------
    p, q : [B, V]
        Target and draft distributions, of any float dtype.
    x : [B, k]
        Drafts.
    u : [B, 3] or [B, 2]
        The first is not looked at; verdict, and the token after a rejection.
    replaced
        Whether the drafts were drawn with replacement (RRS) or without (RRSw).

    Returns
    -------
    [B], [B]
        Tokens and slots, as `node.verify` gives them.
    """
    (batch, width), k = p.shape, x.shape[1]
    p, q, x, u = (a if a.stride(1) == 1 else a.contiguous() for a in (p, q, x, u))
    real = tl.float64 if p.dtype == torch.float64 else tl.float32
    blocks = -(-width // classes.BLOCK)
    parts = -(-blocks // MANY)
    pad = triton.next_power_of_2(parts)
    sums = torch.empty(batch, k, 2, parts, dtype=torch.float64, device=p.device)
    state = torch.empty(batch, 2, parts, dtype=torch.float64, device=p.device)
    block_sums = torch.empty(batch, 2, blocks, dtype=torch.float64, device=p.device)
    tokens, slots = (torch.empty(batch, dtype=torch.int64, device=p.device) for _ in range(2))
    strides = (p.stride(0), q.stride(0), x.stride(0), u.stride(0))
    grid, kind = (batch, parts), {"k": k, "wor": not replaced, "pad": pad, "real": real, **EXACT}
    _check_kernel[grid](p, q, state, width, *strides[:2], parts, real=real, many=MANY, **EXACT)
    for j in range(k):
        _pass_kernel[grid](p, q, x, u, sums, block_sums, width, blocks, parts, *strides, j=j, many=MANY, **kind)
    _finish_kernel[(batch,)](
        p, q, x, u, sums, block_sums, state, tokens, slots, width, blocks, parts, *strides, u.shape[1],
        blocks_pad=triton.next_power_of_2(blocks), **kind,
    )  # fmt: skip
    return tokens, slots
