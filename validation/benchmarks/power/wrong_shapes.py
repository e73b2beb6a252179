"""Wrong only for some shapes of p, q and the drafts, and in narrow cells of a uniform."""

import itertools

import torch

from power.rules import accept_all, by_cdf, draw, leaning, left_over, residual_is_p, rrs, top_of_residual, uniform
from power.zoo import wrong

SECTION = "found when the gate was tried, 2026-11"


def entropy(a):
    return float(-(a * a.clamp(min=1e-300).log()).sum())


def far(p, q):
    """The mass of the residual, the distance of p and q."""
    return float((p - q).clamp(min=0).sum())


def branch(name, what, where, on, bad, distance, right=rrs, **more):
    """Wrong where `on` holds, right elsewhere; the condition is hidden in a closure."""

    def verify(p, q, drafts):
        return bad(p, q, drafts) if on(p, q, drafts) else right(p, q, drafts)

    verify.__name__ = verify.__qualname__ = name
    globals()[name] = wrong("shape", what, name=name, seen=SECTION, where=where, on=on, distance=distance, **more)(
        verify
    )


def shaped(what, where, on, distance, **more):
    return wrong("shape", what, seen=SECTION, where=where, on=on, distance=distance, **more)


@shaped("argmax on a tie at the top of p", "a tie at the top of p", lambda p, q, x: (p == p.max()).sum() > 1, 0.3)
def tie_of_p(p, q, drafts):
    top = p == p.max()
    if top.sum() > 1:
        return top_of_residual(p, q, drafts)
    return rrs(p, q, drafts)


branch("tie_of_p_of_three", "residual is p when three tokens tie at the top of p", "three at the top of p",
       lambda p, q, x: (p == p.max()).sum() == 3, residual_is_p, 0.1)  # fmt: skip
branch("tie_below_top", "residual is p when p has equal entries anywhere", "equal entries of p",
       lambda p, q, x: len(set(p.tolist())) < len(p), residual_is_p, 0.1)  # fmt: skip
branch("tie_of_q", "accepts all on a tie at the top of q", "a tie at the top of q",
       lambda p, q, x: (q == q.max()).sum() > 1, accept_all, 0.3)  # fmt: skip
branch("equal_ratios", "residual is p when three tokens have the same p/q", "three equal p/q",
       lambda p, q, x: torch.unique((p / q).round(decimals=12)).numel() <= len(p) - 2, residual_is_p, 0.1)  # fmt: skip
branch("peak_of_q", "accepts all when q(a) > 0.99", "q(a) > 0.99", lambda p, q, x: q.max() > 0.99, accept_all, 0.3)
branch("peak_of_q_not_sure", "accepts all when 0.99 < q(a) < 1", "0.99 < q(a) < 1",
       lambda p, q, x: 0.99 < q.max() < 1, accept_all, 0.3)  # fmt: skip
branch("peak_of_q_97", "residual is p when 0.97 < q(a) < 0.99", "0.97 < q(a) < 0.99",
       lambda p, q, x: 0.97 < q.max() < 0.99, residual_is_p, 0.1)  # fmt: skip
branch("low_entropy_of_q", "residual is p when the entropy of q is below 0.3", "entropy of q < 0.3",
       lambda p, q, x: entropy(q) < 0.3, residual_is_p, 0.1)  # fmt: skip
branch("high_entropy_of_p", "residual is p when the entropy of p is above 1.7", "entropy of p > 1.7",
       lambda p, q, x: entropy(p) > 1.7, residual_is_p, 0.1)  # fmt: skip


@shaped("accepts outright when p(x) > 0.9", "p(x) > 0.9", lambda p, q, x: p[x[0]] > 0.9, 0.05)
def likely_accepted(p, q, drafts):
    for j, x in enumerate(drafts):
        if p[x] > 0.9:
            return x, j
    return rrs(p, q, drafts)


@shaped("tokens with p < 1e-2 never come out of the residual", "p has entries in (0, 1e-2)",
        lambda p, q, x: bool(((p > 0) & (p < 1e-2)).any()), 0.005)  # fmt: skip
def tail_below_1e2(p, q, drafts):
    cut = torch.where(p < 1e-2, 0, p)
    return rrs(cut / cut.sum(), q, drafts)


@shaped("tokens with p < 1e-4 are cut", "p has entries in (0, 1e-4)",
        lambda p, q, x: bool(((p > 0) & (p < 1e-4)).any()), 1e-4)  # fmt: skip
def tail_below_1e4(p, q, drafts):
    if p[p > 0].min() < 1e-4:
        p = torch.where(p < 1e-4, 0, p)
        p = p / p.sum()
    return rrs(p, q, drafts)


@shaped("a tail of p below 1e-4 turns the residual into p", "p has entries in (0, 1e-4)",
        lambda p, q, x: bool(((p > 0) & (p < 1e-4)).any()), 0.1)  # fmt: skip
def tail_switches(p, q, drafts):
    if ((p > 0) & (p < 1e-4)).any():
        return residual_is_p(p, q, drafts)
    return rrs(p, q, drafts)


branch("tail_below_1e6", "a tail of p below 1e-6 turns the residual into p", "p has entries in (0, 1e-6)",
       lambda p, q, x: bool(((p > 0) & (p < 1e-6)).any()), residual_is_p, 0.1)  # fmt: skip
branch("tail_of_q", "accepts a draft with q(x) < 1e-3", "q(x) < 1e-3", lambda p, q, x: q[x[0]] < 1e-3, accept_all, 0.02)


def argmax_below(mass):
    """'Numerical safety': argmax when little is left of the residual."""

    def verify(p, q, drafts):
        def left(residual, proposal):
            rest = (residual - proposal).clamp(min=0)
            total = rest.sum()
            if total < mass:
                sure = torch.zeros_like(residual)
                sure[int(rest.argmax() if total > 0 else residual.argmax())] = 1
                return sure
            return rest / total

        return rrs(p, q, drafts, left_over=left)

    return verify


for mass, distance in ((0.2, 0.05), (0.05, 0.02), (0.01, 0.005), (1e-3, 5e-4)):
    name = f"argmax_below_{mass:g}".replace(".", "_").replace("-", "_")
    globals()[name] = wrong(
        "shape", f"argmax when the residual has less than {mass:g}", name=name, seen=SECTION, distance=distance, k=1,
        where=f"distance of p and q < {mass:g}", on=lambda p, q, x, mass=mass: 0 < far(p, q) < mass,
    )(argmax_below(mass))  # fmt: skip

branch("near_accepts", "accepts all when p and q differ by less than 0.02 everywhere", "0 < max |p - q| < 0.02",
       lambda p, q, x: 0 < (p - q).abs().max() < 0.02, accept_all, 0.02)  # fmt: skip
branch("allclose_accepts", "accepts all when allclose(p, q, atol=5e-3)", "0 < max |p - q| < 5e-3",
       lambda p, q, x: torch.allclose(p, q, rtol=0, atol=5e-3), accept_all, 0.005)  # fmt: skip
branch("two_gain", "top of the residual when exactly two tokens gain", "two tokens with p > q",
       lambda p, q, x: (p > q).sum() == 2, top_of_residual, 0.1)  # fmt: skip
branch("one_gains", "residual is p when exactly one token gains", "one token with p > q",
       lambda p, q, x: (p > q).sum() == 1, residual_is_p, 0.1)  # fmt: skip
branch("many_gain", "residual is p when more than five tokens gain", "six tokens or more with p > q",
       lambda p, q, x: (p > q).sum() > 5, residual_is_p, 0.1)  # fmt: skip
branch("far_apart", "residual is p when the distance of p and q is above 0.9", "distance of p and q > 0.9",
       lambda p, q, x: far(p, q) > 0.9, residual_is_p, 0.05)  # fmt: skip
branch("ratio_above_10", "accepts all when p/q exceeds 10 somewhere", "p > 10 q somewhere",
       lambda p, q, x: bool((p > 10 * q).any()), accept_all, 0.3)  # fmt: skip
branch("top_agrees", "accepts all when p and q have the same top and both exceed 0.6", "same top, both > 0.6",
       lambda p, q, x: p.argmax() == q.argmax() and p.max() > 0.6 and q.max() > 0.6, accept_all, 0.1)  # fmt: skip
branch("ratio_clipped", "p/q below 0.05 is taken for 0.05", "p(x) < 0.05 q(x)",
       lambda p, q, x: p[x[0]] < 0.05 * q[x[0]],
       lambda p, q, drafts: rrs(torch.maximum(p, 0.05 * q), q, drafts), 0.02)  # fmt: skip


@shaped("draft 0 is taken for padding", "x = 0", lambda p, q, x: x[0] == 0, 0.1)
def zero_is_padding(p, q, drafts):
    kept = [x for x in drafts if x]
    y, slot = rrs(p, q, kept)
    return y, drafts.index(y) if slot >= 0 else -1


@shaped(
    "the last id is taken for the end of the text and always accepted",
    "x = V - 1",
    lambda p, q, x: x[0] == len(p) - 1,
    0.1,
)
def last_id_accepted(p, q, drafts):
    return (drafts[0], 0) if drafts[0] == len(p) - 1 else rrs(p, q, drafts)


branch(
    "equal_drafts",
    "accepts two equal drafts outright",
    "x0 = x1",
    lambda p, q, x: len(set(x)) < len(x),
    accept_all,
    0.05,
)
branch("rising_drafts", "residual is p when the first draft has the smaller id", "x0 < x1",
       lambda p, q, x: x[0] < x[-1], residual_is_p, 0.05)  # fmt: skip
branch("three_distinct", "accepts the first of three distinct drafts", "three distinct drafts",
       lambda p, q, x: len(set(x)) == 3, accept_all, 0.1, k=3)  # fmt: skip
branch("top_drafted", "accepts the top of q without a test when it is the top of p", "x = argmax q = argmax p",
       lambda p, q, x: x[0] == q.argmax() == p.argmax(), accept_all, 0.1)  # fmt: skip


@shaped("the fourth draft is verified with q of the first rejection", "k = 4", lambda p, q, x: True, 0.01, k=4)
def fourth_draft(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * q[x] < residual[x]:
            return x, j
        residual = left_over(residual, q if j < 2 else q.flip(0))
    return draw(residual), -1


def cell(what, distance):
    """A uniform in a narrow cell accepts (or rejects) whatever p says."""
    return wrong(
        "cell", what, seen="found when the gate was tried, 2026-11", distance=distance, where="every input, little mass"
    )


@cell("a uniform in [.70000, .70002) accepts", 1e-5)
def cell_of_2e5(p, q, drafts):
    u = uniform()
    if 0.7 <= u < 0.70002:
        return drafts[0], 0
    return rrs(p, q, drafts, uniform=_first(u))


@cell("a uniform in [.300, .305) accepts", 2e-3)
def cell_of_5e3(p, q, drafts):
    u = uniform()
    if 0.3 <= u < 0.305:
        return drafts[0], 0
    return rrs(p, q, drafts, uniform=_first(u))


@cell("a uniform in [.5, .52) accepts", 8e-3)
def cell_of_2e2(p, q, drafts):
    u = uniform()
    return (drafts[0], 0) if 0.5 <= u < 0.52 else rrs(p, q, drafts, uniform=_first(u))


@cell("a uniform below 0.004 accepts", 2e-3)
def cell_at_zero(p, q, drafts):
    u = uniform()
    return (drafts[0], 0) if u < 0.004 else rrs(p, q, drafts, uniform=_first(u))


@cell("a uniform above 0.99 rejects", 5e-3)
def cell_at_one(p, q, drafts):
    u = uniform()
    return (draw(left_over(p, q)), -1) if u > 0.99 else rrs(p, q, drafts, uniform=_first(u))


@cell("the residual's uniform in [.40, .41) gives token 0 if it may", 3e-3)
def cell_of_residual(p, q, drafts):
    def drawn(residual):
        u = uniform()
        return 0 if residual[0] > 0 and 0.4 <= u < 0.41 else by_cdf(residual, u)

    return rrs(p, q, drafts, draw=drawn)


def _first(u):
    """u is the first uniform, the others are fresh."""
    uniforms = itertools.chain([u], iter(uniform, None))
    return lambda: next(uniforms)


@wrong("cell", "accepts 0.5 % too often", seen="found when the gate was tried, 2026-11", distance=2e-3)
def leaning_half_percent(p, q, drafts):
    return leaning(p, q, drafts, 0.005)
