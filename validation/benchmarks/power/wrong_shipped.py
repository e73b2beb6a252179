"""Wrong samplers that shipped, one node each, written from the reports that name them."""

import random

import torch

from power.rules import by_cdf, coin, draw, found, left_over, residual_is_p, rrs, rrsw, target_only, with_hub
from power.zoo import wrong


def shipped(what, seen, distance, **more):
    return wrong("shipped", what, seen=seen, distance=distance, **more)


@shipped("the accept coin is 0", "vllm-ascend #13766", 0.3)
def coin_is_zero(p, q, drafts):
    return rrs(p, q, drafts, coin=lambda: 0.0)


@shipped(
    "coin <= p/q accepts probability 0", "sglang #35771", 1e-7, where="p(x) = 0 < q(x)", on=lambda p, q, x: p[x[0]] == 0
)
def coin_or_equal(p, q, drafts):
    need = p.clone()
    for j, x in enumerate(drafts):
        if torch.rand(()) <= need[x] / q[x]:
            return x, j
        need = left_over(need, q)
    return draw(need), -1


@shipped(
    "the coin rounds to 1 in float32", "sglang #30822", 3e-8, where="p = q", on=lambda p, q, x: bool((p == q).all())
)
def coin_rounds_to_one(p, q, drafts):
    x = drafts[0]
    if torch.tensor(random.random(), dtype=torch.float32) < p[x] / q[x]:
        return x, 0
    rest = (p - q).clamp(min=0)
    return draw(rest / rest.sum()), -1


shipped("the residual is p", "classic", 0.1, k=1)(residual_is_p)


@shipped("the residual is |p - q|", "classic", 0.1, k=1)
def residual_is_absolute(p, q, drafts):
    x = drafts[0]
    return (x, 0) if coin() * q[x] < p[x] else (draw((p - q).abs()), -1)


@shipped("the residual is not normalized before the inverse CDF", "classic", 0.1, k=1)
def residual_not_normalized(p, q, drafts):
    x = drafts[0]
    if coin() * q[x] < p[x]:
        return x, 0
    ends = (p - q).clamp(min=0).cumsum(0)
    return min(int((ends <= coin()).sum()), len(p) - 1), -1


@shipped("the second residual is not normalized", "classic", 0.05)
def second_residual_not_normalized(p, q, drafts):
    need = p.clone()
    for j, x in enumerate(drafts):
        if coin() * q[x] < need[x]:
            return x, j
        need = (need - q).clamp(min=0)
    return (draw(need) if need.sum() > 0 else draw(p)), -1


def residual_clamped_at(least):
    """The sum that the residual is divided by is at least this."""

    def verify(p, q, drafts):
        x = drafts[0]
        if coin() * q[x] < p[x]:
            return x, 0
        rest = (p - q).clamp(min=0)
        return min(int(((rest / rest.sum().clamp(min=least)).cumsum(0) <= coin()).sum()), len(p) - 1), -1

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
    other = float(coin()) * float(q[top].sum()) >= float(q[top[0]])
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
    return (drafts[0], 0) if coin() * q[drafts[0]] < p[drafts[0]] else (y, -1)


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
    return (drafts[0], 0) if coin() * q[drafts[0]] < p[drafts[0]] else (draw(rest), -1)


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
    return (drafts[0], 0) if coin() * q[drafts[0]] < p[drafts[0]] else (draw(rest), -1)


@shipped("iid rule on drafts without replacement", "classic", 0.1, drafts="without_replacement")
def iid_rule_without_replacement(p, q, drafts):
    return rrs(p, q, drafts)


@shipped("rule without replacement on iid drafts", "classic", 0.1)
def rule_without_replacement_on_iid(p, q, drafts):
    return rrsw(p, q, drafts)


@shipped("q is not normalized after the first draft", "Sequoia", 0.05, drafts="without_replacement")
def offer_not_normalized(p, q, drafts):
    need, offer = p.clone(), q.clone()
    for j, x in enumerate(drafts):
        if coin() * offer[x] < need[x]:
            return x, j
        need = left_over(need, offer)
        offer[x] = 0
    return draw(need), -1


@shipped("without replacement, q forgets only the last draft", "Sequoia", 0.03, drafts="without_replacement", k=3)
def offer_forgets_one(p, q, drafts):
    need, offer = p.clone(), q.clone()
    for j, x in enumerate(drafts):
        if coin() * offer[x] < need[x]:
            return x, j
        need = left_over(need, offer)
        offer = q.clone()
        offer[x] = 0
        offer = offer / offer.sum()
    return draw(need), -1


@shipped(
    "duplicates are skipped and the residual stays",
    "EAGLE's RRS mode",
    0.05,
    where="a draft twice",
    on=lambda p, q, x: len(set(x)) < len(x),
)
def duplicates_skipped(p, q, drafts):
    need = p.clone()
    for j, x in enumerate(drafts):
        if x in drafts[:j]:
            continue
        if coin() * q[x] < need[x]:
            return x, j
        need = left_over(need, q)
    return draw(need), -1


@shipped("rule with replacement on top-k drafts", "classic", 0.3, drafts="top_k")
def with_replacement_on_top_k(p, q, drafts):
    return rrs(p, q, drafts)


@shipped(
    "target-only counts a repeated sibling twice",
    "EAGLE",
    0.05,
    where="a draft twice",
    on=lambda p, q, x: len(set(x)) < len(x),
)
def repeated_sibling_counts(p, q, drafts):
    u, passed = float(coin()), 0.0
    for j, x in enumerate(drafts):
        passed += float(p[x])
        if u < passed:
            return x, j
    rest = p.clone()
    rest[drafts] = 0
    return draw(rest), -1


@shipped("goes on after an acceptance: the last accepted one wins", "ferrox #307", 0.1)
def no_break(p, q, drafts):
    need, answer = p.clone(), None
    for j, x in enumerate(drafts):
        if coin() * q[x] < need[x]:
            answer = x, j
        else:
            need = left_over(need, q)
    return answer or (draw(need), -1)


@shipped("p is overwritten", "MCSD", 0.2)
def p_overwritten(p, q, drafts):
    for j, x in enumerate(drafts):
        if coin() * q[x] < p[x]:
            return x, j
        p.sub_(q).clamp_(min=0)
        if p.sum() > 0:
            p.div_(p.sum())
    return draw(p), -1


@shipped("q is overwritten", "MCSD", 0.1, drafts="without_replacement")
def q_overwritten(p, q, drafts):
    need = p.clone()
    for j, x in enumerate(drafts):
        if coin() * q[x] < need[x]:
            return x, j
        need = left_over(need, q)
        q[x] = 0
        if q.sum() > 0:
            q.div_(q.sum())
    return draw(need), -1


@shipped(
    "another hub on a tie of q",
    "SpecHub's code",
    0.1,
    drafts="hub",
    where="a tie at the top of q",
    on=lambda p, q, x: (q == q.max()).sum() > 1,
)
def other_hub(p, q, drafts):
    return with_hub(p, q, drafts, int((q == q.max()).nonzero()[-1]))


@shipped(
    "the hub is the top of p",
    "SpecHub's code",
    0.2,
    drafts="hub",
    where="argmax p != argmax q",
    on=lambda p, q, x: p.argmax() != q.argmax(),
)
def hub_of_p(p, q, drafts):
    return with_hub(p, q, drafts, int(p.argmax()))


@shipped(
    "accepts outright when p(x) > 0.999",
    "EAGLE port of SpecHub",
    1e-3,
    where="p(x) > 0.999",
    on=lambda p, q, x: p[x[0]] > 0.999,
)
def sure_accepted(p, q, drafts):
    for j, x in enumerate(drafts):
        if p[x] > 1 - 1e-3:
            return x, j
    return rrs(p, q, drafts)


def pruned_below(t):
    """A drawn draft is dropped when its own q is small; the token then comes from p."""

    def verify(p, q, drafts):
        kept = [x for x in drafts if q[x] >= t]
        y, slot = rrs(p, q, kept)
        return y, drafts.index(y) if slot >= 0 else -1

    return verify


pruned_10 = shipped(
    "drafts with q(x) < 0.1 are dropped",
    "llama.cpp PR #27694",
    0.03,
    name="pruned_10",
    where="q(x) < 0.1",
    on=lambda p, q, x: q[x[0]] < 0.1,
)(pruned_below(0.1))
pruned_01 = shipped(
    "drafts with q(x) < 0.01 are dropped",
    "llama.cpp PR #27694",
    0.003,
    name="pruned_01",
    where="q(x) < 0.01",
    on=lambda p, q, x: q[x[0]] < 0.01,
)(pruned_below(0.01))


@shipped(
    "the residual is p with only the drafted entry lowered",
    "xllm #2175",
    0.1,
    k=1,
    where="V >= 3",
    on=lambda p, q, x: len(p) >= 3,
)
def residual_lowered_at_draft(p, q, drafts):
    x = drafts[0]
    if coin() * q[x] < p[x]:
        return x, 0
    rest = p.clone()
    rest[x] = max(0.0, float(p[x] - q[x]))
    return draw(rest), -1


@shipped("an independent y ~ p equal to x skips the test", "rtp-llm #1295", 0.05)
def lucky_draw_skips_test(p, q, drafts):
    return found(drafts[0], drafts) if draw(p) == drafts[0] else rrs(p, q, drafts)


@shipped("q in the order of a smaller draft vocabulary", "rtp-llm #1295", 0.2)
def q_in_draft_order(p, q, drafts):
    return rrs(p, q.roll(1), drafts)


@shipped("the accepted threshold is 0.9 p/q", "threshold modes", 0.05)
def accepts_too_little(p, q, drafts):
    x = drafts[0]
    return (x, 0) if coin() * q[x] < 0.9 * p[x] else (draw((p - q).clamp(min=0) if (p > q).any() else p), -1)


@shipped(
    "typical acceptance: p(x) > 0.3 is enough", "Medusa", 0.1, where="p(x) > 0.3", on=lambda p, q, x: p[x[0]] > 0.3
)
def typical_acceptance(p, q, drafts):
    return (drafts[0], 0) if p[drafts[0]] > 0.3 else rrs(p, q, drafts)


@shipped(
    "lenient test: p/q >= 0.9 accepts",
    "acceptance thresholds",
    0.03,
    where="0.9 < p(x)/q(x) < 1",
    on=lambda p, q, x: 0.9 * q[x[0]] < p[x[0]] < q[x[0]],
)
def lenient_threshold(p, q, drafts):
    return (drafts[0], 0) if p[drafts[0]] >= 0.9 * q[drafts[0]] else rrs(p, q, drafts)


@shipped("the residual's uniform is that of the test", "flash kernels", 0.1, k=1)
def residual_by_same_uniform(p, q, drafts):
    u = coin()
    x = drafts[0]
    return (x, 0) if u * q[x] < p[x] else (by_cdf(left_over(p, q), u), -1)


@shipped("one uniform for all tests of a call", "flash kernels", 0.05)
def one_uniform(p, q, drafts):
    u = coin()
    return rrs(p, q, drafts, coin=lambda: u)


@shipped("the slot is that of the last equal draft, accepted or not", "slots", 0.0, where="token right, slot wrong")
def slot_of_any(p, q, drafts):
    y = draw(p)
    return y, (len(drafts) - 1 if y in drafts else -1)


@shipped("the target-only rule on top-k drafts forgets to exclude the last", "EAGLE", 0.1, drafts="top_k")
def last_sibling_not_excluded(p, q, drafts):
    u, passed = float(coin()), 0.0
    for j, x in enumerate(drafts):
        passed += float(p[x])
        if u < passed:
            return x, j
    rest = p.clone()
    rest[drafts[:-1]] = 0
    return draw(rest if rest.sum() > 0 else p), -1


@shipped("product drafts: q of the first drafter for all", "SpecInfer", 0.1, drafts="product")
def first_drafter_for_all(p, q, drafts):
    return rrs(p, q[0], drafts)


@shipped("product drafts: the drafters in the opposite order", "SpecInfer", 0.1, drafts="product")
def drafters_turned(p, q, drafts):
    need = p.clone()
    for j, x in enumerate(drafts):
        if coin() * q[-1 - j][x] < need[x]:
            return x, j
        need = left_over(need, q[-1 - j])
    return draw(need), -1


@shipped("drafts are tried in order of p, not as drawn", "SpecTr ports", 0.05)
def drafts_sorted(p, q, drafts):
    order = sorted(range(len(drafts)), key=lambda j: -float(p[drafts[j]]))
    y, slot = rrs(p, q, [drafts[j] for j in order])
    return y, order[slot] if slot >= 0 else -1


@shipped("the third draft is tested against the first residual", "SpecInfer ports", 0.05, k=3)
def third_draft_old_residual(p, q, drafts):
    need = p.clone()
    for j, x in enumerate(drafts):
        if coin() * q[x] < need[x]:
            return x, j
        if j != 1:
            need = left_over(need, q)
    return draw(need), -1


@shipped("hides the certain token behind a greedy last draft", "SpecHub ports", 0.1, drafts="greedy")
def greedy_last_taken_for_sampled(p, q, drafts):
    return rrs(p, q, drafts)


@shipped("target-only with repeated drafts, residual keeps them", "EAGLE", 0.1)
def drafts_stay_in_residual(p, q, drafts):
    y, slot = target_only(p, q, drafts)
    return (y, slot) if slot >= 0 else (draw(p), -1)
