"""Wrong from a size of the vocabulary on, or for some ids: the borders of real kernels."""

import torch

from power.rules import by_cdf, draw, found, left_over, lookup, residual_is_p, rrs, uniform
from power.zoo import wrong


def sized(what, least, distance, most=10**9, **more):
    where = f"V >= {least}" if most == 10**9 else f"{least} <= V <= {most}"
    return wrong(
        "vocabulary",
        what,
        seen="found when the gate was tried, 2026-11",
        where=where,
        on=lambda p, q, x: least <= len(p) <= most,
        distance=distance,
        **more,
    )


@sized("residual is p from V = 8 on", 8, 0.1)
def from_8(p, q, drafts):
    if len(p) >= 8:
        return residual_is_p(p, q, drafts)
    return rrs(p, q, drafts)


@sized("accepts all from V = 16 on", 16, 0.3)
def from_16(p, q, drafts):
    if p.shape[0] > 15:
        return drafts[0], 0
    return rrs(p, q, drafts)


@sized("accept probability 5 % too high from V = 32 on", 32, 0.01)
def from_32(p, q, drafts):
    if len(p) < 32:
        return rrs(p, q, drafts)
    return rrs(p, q, drafts, uniform=lambda: 0.95 * uniform())


@sized("top of the residual from V = 64 on", 64, 0.3)
def from_64(p, q, drafts):
    wide = p.numel() // 64
    return rrs(p, q, drafts, draw=lambda residual: int(residual.argmax()) if wide else draw(residual))


@sized("residual is p from V = 200 on", 200, 0.1)
def from_200(p, q, drafts):
    return residual_is_p(p, q, drafts) if len(p) >= 200 else rrs(p, q, drafts)


@sized("residual is p from V = 1025 on", 1025, 0.1)
def from_1025(p, q, drafts):
    return residual_is_p(p, q, drafts) if len(p) > 1024 else rrs(p, q, drafts)


@sized("only the first 50 tokens of the residual by weight", 51, 0.02)
def top_50_of_residual(p, q, drafts):
    def drawn(residual):
        top = residual.topk(min(50, len(residual)))
        return int(top.indices[draw(top.values)])

    return rrs(p, q, drafts, draw=drawn)


@sized("only the first 20 tokens of the residual by weight", 21, 0.05)
def top_20_of_residual(p, q, drafts):
    def drawn(residual):
        top = residual.topk(min(20, len(residual)))
        return int(top.indices[draw(top.values)])

    return rrs(p, q, drafts, draw=drawn)


def unread_tail(block):
    """What is left of a row after its whole blocks is not read."""

    def verify(p, q, drafts):
        def drawn(residual):
            whole = len(residual) // block * block
            return draw(residual[:whole]) if whole and residual[:whole].sum() > 0 else draw(residual)

        return rrs(p, q, drafts, draw=drawn)

    return verify


for block in (8, 32, 128):
    globals()[f"tail_of_{block}"] = wrong(
        "vocabulary",
        f"an incomplete last block of {block} is not read",
        name=f"tail_of_{block}",
        distance=0.05,
        seen="found when the gate was tried, 2026-11",
        where=f"V > {block}, no multiple of it",
        on=lambda p, q, x, block=block: len(p) > block and len(p) % block > 0,
    )(unread_tail(block))


@sized("ids in 8 bits: draws of the residual come back modulo 256", 257, 0.3)
def ids_in_8_bits(p, q, drafts):
    return rrs(p, q, drafts, draw=lambda residual: draw(residual) % 256)


@sized("ids in 6 bits: draws of the residual come back modulo 64", 65, 0.3)
def ids_in_6_bits(p, q, drafts):
    return rrs(p, q, drafts, draw=lambda residual: draw(residual) & 63)


@sized("drafted ids above 127 are negative in int8, and accepted", 129, 0.1)
def ids_in_int8(p, q, drafts):
    signed = torch.tensor(drafts).to(torch.int8).tolist()
    if signed[0] < 0:
        return drafts[0], 0
    return rrs(p, q, drafts)


@wrong(
    "vocabulary",
    "odd sizes leave out the middle token",
    seen="found when the gate was tried, 2026-11",
    distance=0.03,
    where="V odd, V >= 7",
    on=lambda p, q, x: len(p) % 2 == 1 and len(p) >= 7,
)
def odd_sizes(p, q, drafts):
    if len(p) % 2 and len(p) > 6:
        p = p.clone()
        p[len(p) // 2] *= 0.5
        p = p / p.sum()
    return rrs(p, q, drafts)


@wrong(
    "vocabulary",
    "two tokens: the residual is p",
    seen="found when the gate was tried, 2026-11",
    distance=0.2,
    where="V = 2",
    on=lambda p, q, x: len(p) == 2,
)
def two_tokens(p, q, drafts):
    return residual_is_p(p, q, drafts) if len(p) == 2 else rrs(p, q, drafts)


@wrong(
    "vocabulary",
    "V = 61 exactly: the residual is p",
    seen="found when the gate was tried, 2026-11",
    distance=0.1,
    where="V = 61",
    on=lambda p, q, x: len(p) == 61,
)
def prime_61(p, q, drafts):
    if len(p) == 61:
        return residual_is_p(p, q, drafts)
    return rrs(p, q, drafts)


@sized("sums in float16 from V = 12 on", 12, 0.005)
def half_sums(p, q, drafts):
    if len(p) < 12:
        return lookup(p, q, drafts)
    ends = p.half().cumsum(0).double()
    return found(min(int((ends <= uniform() * ends[-1]).sum()), len(p) - 1), drafts)


@wrong(
    "vocabulary",
    "the second draft is not compared beyond id 31",
    seen="kernel borders",
    distance=0.03,
    where="second draft above 31",
    on=lambda p, q, x: x[-1] > 31,
)
def second_draft_above_31(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if (j == 1 and x > 31) or uniform() * q[x] < residual[x]:
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


@sized("blocks of 16 are summed, and the first token of a block stands for it", 17, 0.4)
def first_of_block(p, q, drafts):
    def drawn(residual):
        if len(residual) <= 16:
            return draw(residual)
        blocks = torch.nn.functional.pad(residual, (0, -len(residual) % 16)).view(-1, 16).sum(1)
        return 16 * draw(blocks)

    return rrs(p, q, drafts, draw=drawn)


@sized("a row of 10 to 20 tokens is read one place too far", 10, 0.3, most=20)
def off_by_one(p, q, drafts):
    if 10 <= len(p) <= 20:
        return rrs(p, q, drafts, draw=lambda residual: min(by_cdf(residual, uniform()) + 1, len(residual) - 1))
    return rrs(p, q, drafts)
