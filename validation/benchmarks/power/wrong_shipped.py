"""Wrong samplers that shipped: uniforms, residuals, rounding and processed distributions; from the reports' words."""

import random

import torch

from power.rules import draw, left_over, residual_is_p, rrs, uniform
from power.zoo import wrong


def shipped(what, seen, distance, **more):
    return wrong("shipped", what, seen=seen, distance=distance, **more)


@shipped("the accept uniform is 0", "vllm-ascend #13766", 0.3)
def uniform_is_zero(p, q, drafts):
    return rrs(p, q, drafts, uniform=lambda: 0.0)


@shipped(
    "uniform <= p/q accepts probability 0",
    "sglang #35771",
    1e-7,
    where="p(x) = 0 < q(x)",
    on=lambda p, q, x: p[x[0]] == 0,
)
def uniform_or_equal(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if torch.rand(()) <= residual[x] / q[x]:
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


@shipped(
    "the uniform rounds to 1 in float32", "sglang #30822", 3e-8, where="p = q", on=lambda p, q, x: bool((p == q).all())
)
def uniform_rounds_to_one(p, q, drafts):
    x = drafts[0]
    if torch.tensor(random.random(), dtype=torch.float32) < p[x] / q[x]:
        return x, 0
    rest = (p - q).clamp(min=0)
    return draw(rest / rest.sum()), -1


shipped("the residual is p", "classic", 0.1, k=1)(residual_is_p)


@shipped("the residual is |p - q|", "classic", 0.1, k=1)
def residual_is_absolute(p, q, drafts):
    x = drafts[0]
    return (x, 0) if uniform() * q[x] < p[x] else (draw((p - q).abs()), -1)


@shipped("the residual is not normalized before the inverse CDF", "classic", 0.1, k=1)
def residual_not_normalized(p, q, drafts):
    x = drafts[0]
    if uniform() * q[x] < p[x]:
        return x, 0
    ends = (p - q).clamp(min=0).cumsum(0)
    return min(int((ends <= uniform()).sum()), len(p) - 1), -1


@shipped("the second residual is not normalized", "classic", 0.05)
def second_residual_not_normalized(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * q[x] < residual[x]:
            return x, j
        residual = (residual - q).clamp(min=0)
    return (draw(residual) if residual.sum() > 0 else draw(p)), -1


def residual_clamped_at(least):
    """The sum that the residual is divided by is at least this."""

    def verify(p, q, drafts):
        x = drafts[0]
        if uniform() * q[x] < p[x]:
            return x, 0
        rest = (p - q).clamp(min=0)
        return min(int(((rest / rest.sum().clamp(min=least)).cumsum(0) <= uniform()).sum()), len(p) - 1), -1

    return verify


def distance_below(least):
    return lambda p, q, x: (p - q).clamp(min=0).sum() < least


residual_clamped = shipped(
    "the residual's sum is clamped at 1e-3", "classic", 2.5e-4, k=1, name="residual_clamped",
    where="distance of p and q < 1e-3", on=distance_below(1e-3),
)(residual_clamped_at(1e-3))  # fmt: skip
residual_clamped_wide = shipped(
    "the residual's sum is clamped at 0.05", "classic", 0.01, k=1, name="residual_clamped_wide",
    where="distance of p and q < 0.05", on=distance_below(0.05),
)(residual_clamped_at(0.05))  # fmt: skip


@shipped("greedy drafts, verified as if they were drawn from q", "transformers #32867", 0.2, k=1, drafts="top_k")
def greedy_taken_for_sampled(p, q, drafts):
    return rrs(p, q, drafts)


def raw_q(z):
    """Drafts come from a processed q; the verifier divides by the raw one."""
    return lambda p, q, drafts: rrs(p, z * q, drafts)


raw_q_05 = shipped("raw q, 0.5 of the processed one (1/Z)", "transformers #47932", 0.1, name="raw_q_05")(raw_q(0.5))
raw_q_90 = shipped("raw q, 0.9 of the processed one (1/Z)", "transformers #47932", 0.02, name="raw_q_90")(raw_q(0.9))
raw_q_98 = shipped("raw q, 0.98 of the processed one (1/Z)", "transformers #47932", 0.005, name="raw_q_98")(raw_q(0.98))


@shipped("q of all tokens, drafts from its top 2 (1/Z)", "transformers #47932", 0.05, k=1)
def raw_q_of_top_2(p, q, drafts):
    top = q.topk(2).indices
    other = float(uniform()) * float(q[top].sum()) >= float(q[top[0]])
    x = int(top[1] if other else top[0])  # drafts anew, and reports what it drafted as its own
    y, slot = rrs(p, q, [x])
    return y, drafts.index(y) if slot == 0 and y in drafts else -1


@shipped("top-p of 0.9 on the target's side only", "vLLM #10198", 0.1)
def top_p_on_one_side(p, q, drafts):
    order = p.argsort(descending=True, stable=True)
    kept = order[p[order].cumsum(0) - p[order] < 0.9]
    cut = torch.zeros_like(p)
    cut[kept] = p[kept]
    return rrs(cut / cut.sum(), q, drafts)


@shipped("top-k of 3 on the target's side only", "vLLM #42744", 0.05, where="V > 3", on=lambda p, q, x: len(p) > 3)
def top_3_on_one_side(p, q, drafts):
    cut = torch.where(p >= p.topk(min(3, len(p))).values[-1], p, 0)
    return rrs(cut / cut.sum(), q, drafts)


def hotter(power):
    def verify(p, q, drafts):
        hot = p**power
        return rrs(hot / hot.sum(), q, drafts)

    return verify


hotter_80 = shipped("temperature 1.25 on one side", "EAGLE until 2025-04", 0.05, name="hotter_80")(hotter(0.8))
hotter_97 = shipped("temperature 1.03 on one side", "EAGLE until 2025-04", 0.006, name="hotter_97")(hotter(0.97))


@shipped("probabilities where logits are expected", "vllm-ascend #6685", 0.3)
def probabilities_as_logits(p, q, drafts):
    return rrs(p.softmax(0), q.softmax(0), drafts)


@shipped("q is rounded to bfloat16", "DeepSpec #31", 0.001)
def q_in_bfloat16(p, q, drafts):
    return rrs(p, q.bfloat16().double(), drafts)


@shipped("p is rounded to bfloat16", "DeepSpec #31", 0.001)
def p_in_bfloat16(p, q, drafts):
    rounded = p.bfloat16().double()
    return rrs(rounded / rounded.sum(), q, drafts)


@shipped("q is rounded to 8 bits", "DeepSpec #31", 0.01)
def q_in_float8(p, q, drafts):
    return rrs(p, q.to(torch.float8_e4m3fn).double(), drafts)


@shipped("the residual of p = q is 0/0", "vLLM #43249", 0.5, where="p = q", on=lambda p, q, x: bool((p == q).all()))
def residual_drawn_first(p, q, drafts):
    rest = (p - q).clamp(min=0)
    y = draw(rest / rest.sum())
    return (drafts[0], 0) if uniform() * q[drafts[0]] < p[drafts[0]] else (y, -1)


@shipped(
    "token -1 when the residual is small",
    "SpecHub's code",
    0.5,
    where="distance of p and q < 1e-3",
    on=distance_below(1e-3),
)
def minus_one_on_empty(p, q, drafts):
    rest = (p - q).clamp(min=0)
    if rest.sum() < 1e-3:
        return -1, -1
    return (drafts[0], 0) if uniform() * q[drafts[0]] < p[drafts[0]] else (draw(rest), -1)


@shipped(
    "text ends (token 0) when the residual is empty",
    "transformers 5.23",
    0.5,
    where="p = q",
    on=lambda p, q, x: bool((p == q).all()),
)
def zero_on_empty(p, q, drafts):
    rest = (p - q).clamp(min=0)
    if rest.sum() == 0:
        return 0, -1
    return (drafts[0], 0) if uniform() * q[drafts[0]] < p[drafts[0]] else (draw(rest), -1)
