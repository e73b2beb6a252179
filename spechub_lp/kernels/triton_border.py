"""Border in Triton: one node for a batch of rows, in four launches (five without replacement), all of integers.

    sums       sums of p and q over the classes of p/q (or the ranks of the tokens, where rows are narrow)
    decide     one program a row: mixture, block at the drawn level, choice, verdict
    blocks     what the mixture leaves of p, in blocks of 256 tokens; nothing where the draft was accepted
    finish     the token after a rejection

`border` and `mixture` say what each step computes and why. Nothing here waits for the device.
"""

from typing import Any

from spechub_lp._util.extras import extra
from spechub_lp.kernels import classes
from spechub_lp.kernels.faint import raise_others
from spechub_lp.kernels.triton_pieces import (
    BLOCK,
    CLASSES,
    EXACT,
    TINY,
    ULP,
    WHOLE,
    _class_of,
    _entry,
    _first_above,
    _grains,
    _uniform,
    jit,
)  # fmt: skip
from spechub_lp.kernels.triton_sums import (
    COPIES,
    SHORT,
    WIDE,
    _hub_kernel,
    _hub_start,
    _ranks_kernel,
    _sums_kernel,
)  # fmt: skip

with extra("torch", "the kernels in Triton"):
    import torch
    import triton
    import triton.language as tl

MOST_TURNS = tl.constexpr(64)
"""Steps to the edge of a hull; a few are enough, so this only ends a circle that rounding could make."""


@jit
def _sums_before(a):  # type: ignore[no-untyped-def]
    """Grains of a before each place, and all of them."""
    each = _grains(a)
    return tl.cumsum(each, axis=0) - each, tl.sum(each, axis=0)


@jit
def _power(a, k: tl.constexpr):  # type: ignore[no-untyped-def]
    power = tl.full(a.shape, 1.0, tl.float64)
    left: tl.constexpr = k
    for bit in tl.static_range(0, 16):
        if (left >> bit) & 1:
            power = power * a
        a = a * a
    return power


@jit
def _missed_pair(share, odds, place, top, top_place):  # type: ignore[no-untyped-def]
    """`mixture.missed_pair`."""
    has_top = place <= tl.where(top > 0, top_place, -1)
    before, whole_light = _sums_before(share - tl.where(place == top_place, top, 0.0))
    light = (whole_light - before).to(tl.float64) / WHOLE
    others = whole_light.to(tl.float64) / WHOLE
    whole = light + tl.where(has_top, top, 0.0)
    odds_before, all_odds = _sums_before(odds)
    first_light = light * whole - (all_odds - odds_before).to(tl.float64) / WHOLE * (1 - whole)
    first_top = tl.where(has_top, tl.where(others > 0, top * light / tl.maximum(others, TINY), 1.0), 0.0)
    return tl.minimum(tl.maximum(first_light + first_top, 0.0), 1.0)


@jit
def _edge(x, y, place, last, best):  # type: ignore[no-untyped-def]
    """The edge of the upper hull of the points (x, y)[0..last] above the middle of a place.

    From any two points on both sides: the highest points over the line through them, on both sides, give the next line.
    """
    left, right = place <= best, (place > best) & (place <= last)
    first, end, turns = best, best + 1, MOST_TURNS
    while turns > 0:
        run = _entry(x, place, end) - _entry(x, place, first)
        slope = (_entry(y, place, end) - _entry(y, place, first)) / tl.maximum(run, TINY)
        over = tl.where(run > 0, y - slope * x, y * 0)
        high_left = tl.max(tl.where(left, over, float("-inf")), axis=0)
        high_right = tl.max(tl.where(right, over, float("-inf")), axis=0)
        next_first = tl.min(tl.where(left & (over == high_left), place, best), axis=0)
        next_end = tl.max(tl.where(right & (over == high_right), place, best + 1), axis=0)
        moved = (run > 0) & ((next_first != first) | (next_end != end))
        first, end = tl.where(moved, next_first, first), tl.where(moved, next_end, end)
        turns = tl.where(moved, turns - 1, 0)
    return first, end


@jit
def _place(target, draft, ranks, row, at, there, start, width, ranked: tl.constexpr):  # type: ignore[no-untyped-def]
    """Places of tokens: their ranks, or their classes."""
    if ranked:  # noqa: SIM108
        place = tl.load(ranks + row * width + at, mask=there, other=0)
    else:
        place = _class_of(target, draft, start)
    return place


@jit
def _column(own, at, there, copies: tl.constexpr, line: tl.constexpr):  # type: ignore[no-untyped-def]
    """Sum entries of the copies of a table."""
    found = tl.load(own + at, mask=there, other=0)
    for copy in tl.static_range(1, copies):
        found += tl.load(own + copy * line + at, mask=there, other=0)
    return found


@jit
def _decide_kernel(  # type: ignore[no-untyped-def]
    p, q, x, u, heads, tables, ranks, totals, density_out, state, tokens, slots, start, width, count,
    p_stride, q_stride, x_stride, u_stride, u_columns,
    real: tl.constexpr, ranked: tl.constexpr, pairs: tl.constexpr, columns: tl.constexpr, copies: tl.constexpr,
    k: tl.constexpr, k_pad: tl.constexpr, pad: tl.constexpr,
):  # fmt: skip
    """Mixture, block, choice and verdict of one row.

    Density [B, n] in units of q; state [B, 3]: weight of p, the last uniform, and whether all drafts were rejected.
    """
    row = tl.program_id(0).to(tl.int64)
    place = tl.arange(0, pad)
    held = place < count
    # what the places hold
    if ranked:
        target = tl.load(tables + row * 2 * count + place, mask=held, other=0.0)
        share = tl.load(tables + (row * 2 + 1) * count + place, mask=held, other=0.0)
        p_sum, q_sum = tl.load(totals + row * 4), tl.load(totals + row * 4 + 1)
        bad = tl.load(totals + row * 4 + 2) > 0
        odds = tl.where(share > 0.5, 0.0, share / tl.maximum(1 - share, 0.5)) * share
        hub = tl.load(totals + row * 4 + 3).to(tl.int32)
    else:
        own, line = tables + row * copies * (CLASSES * columns + 3), CLASSES * columns + 3
        p_grains = _column(own, place * columns, held, copies, line)
        q_grains = _column(own, place * columns + 1, held, copies, line)
        rest = _column(own, CLASSES * columns + place, place < 3, copies, line)
        p_all = (tl.sum(p_grains, axis=0) + _entry(rest, place, 0)).to(tl.float64)
        q_all = tl.sum(q_grains, axis=0).to(tl.float64)
        target, share = p_grains.to(tl.float64) / p_all, q_grains.to(tl.float64) / q_all
        p_sum, q_sum = p_all / WHOLE, q_all / WHOLE
        bad = _entry(rest, place, 1) > 0
        odds = share
        hub = _entry(rest, place, 2).to(tl.int32)
        if pairs:
            odds = _column(own, place * columns + 2, held, copies, line).to(tl.float64) / WHOLE
            start = _hub_start(tl.load(heads + row * 2 + 1))
    good = (tl.abs(p_sum - 1) < 0.1) & (tl.abs(q_sum - 1) < 0.1) & (bad == 0)
    # the mixture
    q_before, q_whole = _sums_before(share)
    before = q_before.to(tl.float64) / WHOLE
    behind = (q_whole - q_before).to(tl.float64) / WHOLE
    if pairs:
        top = tl.load(q + row * q_stride + hub).to(real).to(tl.float64) / q_sum
        top = tl.where(top > 0.5, top, 0.0)
        if ranked:
            top_place = tl.load(ranks + row * width + hub)
        else:
            hub_p = tl.load(p + row * p_stride + hub).to(real)
            top_place = _class_of(hub_p, tl.load(q + row * q_stride + hub).to(real), start)
        missed = _missed_pair(share, odds, place, top, top_place)
    else:
        missed = _power(tl.minimum(behind, 1.0), k)
    hit = 1 - missed
    p_before, p_whole = _sums_before(target)
    covered = p_before.to(tl.float64) / WHOLE
    all_p = p_whole.to(tl.float64) / WHOLE
    over = tl.where(place <= count, covered - hit, float("-inf"))
    gain = tl.max(over, axis=0)
    cut = tl.min(tl.where(over == gain, place, count), axis=0)
    cut = tl.where(gain > 0, cut, 0)
    gain = tl.maximum(gain, 0.0)
    spare = _entry(missed, place, cut) - (all_p - _entry(covered, place, cut))
    inner = (place <= cut) & (before > 0)
    high = tl.max(tl.where(inner, (covered - gain) / tl.maximum(before, TINY), float("-inf")), axis=0)
    outer = (place >= cut) & (place <= count) & (behind > 0)
    low = tl.min(tl.where(outer, (all_p - covered + spare) / tl.maximum(behind, TINY), float("inf")), axis=0)
    ratio = target / tl.maximum(share, TINY)
    density = tl.where(place < cut, tl.minimum(ratio, high), tl.maximum(ratio, low))
    density = tl.where(_grains(share) > 0, density, 0.0)
    chosen_before, _ = _sums_before(density * share)
    chosen = chosen_before.to(tl.float64) / WHOLE
    tl.store(density_out + row * count + place, (density * (1 / q_sum)).to(real), mask=held)
    # the drafts
    slot = tl.arange(0, k_pad)
    drawn = slot < k
    token = tl.load(x + row * x_stride + slot, mask=drawn, other=0)
    x_p = tl.load(p + row * p_stride + token, mask=drawn, other=0.0).to(real)
    x_q = tl.load(q + row * q_stride + token, mask=drawn, other=1.0).to(real)
    x_place = _place(x_p, x_q, ranks, row, token, drawn, start, width, ranked)
    x_density = tl.sum(tl.where(x_place[:, None] == place[None, :], density[None, :], 0.0), axis=1)
    chance = x_q.to(tl.float64) * (1 / q_sum)
    b = x_density * chance
    wanted = x_p.to(tl.float64) * (1 / p_sum)
    accept = tl.where(wanted < b, wanted / tl.where(wanted < b, b, 1.0), tl.where(b > 0, 1.0, 0.0))
    # the block at the drawn level, and the draft that is chosen
    level = tl.load(u + row * u_stride).to(tl.float64)
    best = tl.min(tl.where(drawn, x_place, pad), axis=0)
    begin, end = _edge(before, chosen - level * hit, place, count, best)
    inside = drawn & (x_place >= begin) & (x_place < end)
    earliest = tl.min(tl.where(inside, slot, k - 1), axis=0)
    pick = tl.where(slot == earliest, 1.0, 0.0).to(tl.float64)
    if pairs and k > 1:
        better = _entry(before, place, begin)
        lead = better / tl.maximum(_entry(before, place, end) - better, TINY)
        one, two = _entry(chance, slot, 0), _entry(chance, slot, 1)
        keep = (1 - two + lead * (one - two)) / tl.maximum(2 - one - two, TINY)
        keep = tl.minimum(tl.maximum(keep, 0.0), 1.0)
        both = tl.sum(inside.to(tl.int32), axis=0) == k
        pick = tl.where(both, tl.where(slot == 0, keep, 1 - keep), pick)
    # the verdict
    passed = tl.where(drawn, pick * accept, 0.0)
    upto = tl.cumsum(passed, axis=0)
    uniform = _uniform(tl.load(u + row * u_stride + 1))
    taken = _entry(upto, slot, k - 1)
    found = tl.sum((drawn & (upto <= uniform)).to(tl.int32), axis=0)
    rest = tl.minimum(tl.maximum((uniform - taken) / tl.maximum(1 - taken, ULP), 0.0), 1.0)
    rest = tl.where(u_columns == 3, tl.load(u + row * u_stride + u_columns - 1).to(tl.float64), rest)
    rejected = good & (found == k)
    accepted = good & (found < k)
    tl.store(state + row * 3, 1 / p_sum)
    tl.store(state + row * 3 + 1, rest)
    tl.store(state + row * 3 + 2, rejected.to(tl.float64))
    tl.store(tokens + row, tl.where(accepted, _entry(token, slot, found), -1))
    tl.store(slots + row, tl.where(accepted, found, -1).to(tl.int64))


@jit
def _left(  # type: ignore[no-untyped-def]
    p, q, heads, ranks, density, state, row, at, start, width, count, p_stride, q_stride,
    real: tl.constexpr, ranked: tl.constexpr, pairs: tl.constexpr,
):  # fmt: skip
    """p at some tokens, and (weight p - density q)+ there, in the dtype of the rows."""
    there = at < width
    target = tl.load(p + row * p_stride + at, mask=there, other=0.0).to(real)
    draft = tl.load(q + row * q_stride + at, mask=there, other=0.0).to(real)
    if pairs and not ranked:
        start = _hub_start(tl.load(heads + row * 2 + 1))
    place = _place(target, draft, ranks, row, at, there, start, width, ranked)
    table = tl.load(density + row * count + place, mask=there, other=0.0)
    over = tl.load(state + row * 3).to(real) * target - table * draft
    return target, tl.where(over > 0, over, over * 0)


@jit
def _blocks_kernel(  # type: ignore[no-untyped-def]
    p, q, heads, ranks, density, state, sums, start, width, count, blocks, p_stride, q_stride,
    real: tl.constexpr, ranked: tl.constexpr, pairs: tl.constexpr, many: tl.constexpr,
):  # fmt: skip
    """Grains of the residual, and of p, in blocks: sums [B, 2, blocks]."""
    row = tl.program_id(0).to(tl.int64)
    if tl.load(state + row * 3 + 2) > 0:
        block = tl.program_id(1) * many + tl.arange(0, many)
        at = block[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
        target, weight = _left(
            p, q, heads, ranks, density, state, row, at, start, width, count, p_stride, q_stride, real, ranked, pairs
        )
        own = sums + row * 2 * blocks + block
        tl.store(own, tl.sum(_grains(weight), axis=1), mask=block < blocks)
        tl.store(own + blocks, tl.sum(_grains(target), axis=1), mask=block < blocks)


@jit
def _finish_kernel(  # type: ignore[no-untyped-def]
    p, q, heads, ranks, density, state, sums, tokens, start, width, count, blocks, p_stride, q_stride,
    real: tl.constexpr, ranked: tl.constexpr, pairs: tl.constexpr, pad: tl.constexpr,
):  # fmt: skip
    """The token of a row whose drafts were all rejected."""
    row = tl.program_id(0).to(tl.int64)
    if tl.load(state + row * 3 + 2) > 0:
        block = tl.arange(0, pad)
        weights = tl.load(sums + row * 2 * blocks + block, mask=block < blocks, other=0)
        empty = tl.sum(weights, axis=0) <= 0
        plain = tl.load(sums + (row * 2 + 1) * blocks + block, mask=block < blocks, other=0)
        chosen, to_go = _first_above(tl.where(empty, plain, weights), block, blocks, tl.load(state + row * 3 + 1))
        index = tl.arange(0, BLOCK)
        at = chosen * BLOCK + index
        target, weight = _left(
            p, q, heads, ranks, density, state, row, at, start, width, count, p_stride, q_stride, real, ranked, pairs
        )
        entries = tl.where(at < width, _grains(tl.where(empty, target, weight)), 0)
        found, _ = _first_above(entries, index, BLOCK, to_go / tl.sum(entries, axis=0).to(tl.float64))
        tl.store(tokens + row, (chosen * BLOCK + found).to(tl.int64))


def verify(
    p: torch.Tensor, q: torch.Tensor, x: torch.Tensor, u: torch.Tensor, *, replaced: bool, sort: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Verify the drafts of a batch of nodes by Border.

    Parameters
    ----------
    p, q : [B, V]
        Target and draft distributions, of any float dtype.
    x : [B, k]
        Drafts.
    u : [B, 3] or [B, 2]
        Level, verdict, and the token after a rejection.
    replaced
        Whether the drafts were drawn with replacement; without, k is at most 2.
    sort
        Whether each token is a place of its own.

    Returns
    -------
    [B], [B]
        Tokens and slots, as `node.verify` gives them.
    """
    (batch, width), k = p.shape, x.shape[1]
    p, q, x, u = (a if a.stride(1) == 1 else a.contiguous() for a in (p, q, x, u))
    real = tl.float64 if p.dtype == torch.float64 else tl.float32
    short = torch.float64 if p.dtype == torch.float64 else torch.float32
    new: dict[str, Any] = {"device": p.device}
    if not replaced:
        q, _ = raise_others(q, k, q.amax(dim=1, keepdim=True))
    pairs, columns, count = not replaced, 2 if replaced else 3, width if sort else classes.CLASSES
    blocks, start = -(-width // classes.BLOCK), 127 + (k - 1).bit_length()
    # what is not used stands as a place holder
    heads = tables = ranks = totals = torch.zeros(batch, 2, dtype=torch.int64, **new)
    strides = (p.stride(0), q.stride(0))
    if sort:
        tables = torch.empty(batch, 2, width, dtype=torch.float64, **new)
        ranks = torch.empty(batch, width, dtype=torch.int32, **new)
        totals = torch.zeros(batch, 4, dtype=torch.float64, **new)
        _ranks_kernel[(batch, -(-width // SHORT))](
            p, q, ranks, tables, totals, width, *strides,
            real=real, pad=triton.next_power_of_2(width), size=SHORT, step=256, **EXACT,
        )  # fmt: skip
    else:
        tables = torch.zeros(batch, COPIES, classes.CLASSES * columns + 3, dtype=torch.int64, **new)
        grid = (batch, -(-width // WIDE))
        if pairs:
            _hub_kernel[grid](q, heads, width, q.stride(0), real=real, size=WIDE, **EXACT)
        _sums_kernel[grid](
            p, q, heads, tables, start, width, *strides,
            real=real, pairs=pairs, columns=columns, copies=COPIES, size=WIDE, **EXACT,
        )  # fmt: skip
    density = torch.empty(batch, count, dtype=short, **new)
    state = torch.empty(batch, 3, dtype=torch.float64, **new)
    tokens, slots = (torch.empty(batch, dtype=torch.int64, **new) for _ in range(2))
    sums = torch.empty(batch, 2, blocks, dtype=torch.int64, **new)
    kind = {"real": real, "ranked": sort, "pairs": pairs, **EXACT}
    _decide_kernel[(batch,)](
        p, q, x, u, heads, tables, ranks, totals, density, state, tokens, slots, start, width, count,
        *strides, x.stride(0), u.stride(0), u.shape[1],
        columns=columns, copies=COPIES, k=k, k_pad=triton.next_power_of_2(k),
        pad=triton.next_power_of_2(count + 1), **kind,
    )  # fmt: skip
    many = 4
    _blocks_kernel[(batch, -(-blocks // many))](
        p, q, heads, ranks, density, state, sums, start, width, count, blocks, *strides, many=many, **kind
    )
    _finish_kernel[(batch,)](
        p, q, heads, ranks, density, state, sums, tokens, start, width, count, blocks, *strides,
        pad=triton.next_power_of_2(blocks), **kind,
    )  # fmt: skip
    return tokens, slots
