"""Wrong samplers that shipped: rules for other drafts, drafts that are skipped, dropped, sorted or counted twice."""

from power.rules import by_cdf, draw, found, left_over, rrs, rrsw, target_only, uniform, with_hub
from power.wrong_shipped import shipped


@shipped("iid rule on drafts without replacement", "classic", 0.1, drafts="without_replacement")
def iid_rule_without_replacement(p, q, drafts):
    return rrs(p, q, drafts)


@shipped("rule without replacement on iid drafts", "classic", 0.1)
def rule_without_replacement_on_iid(p, q, drafts):
    return rrsw(p, q, drafts)


@shipped("q is not normalized after the first draft", "Sequoia", 0.05, drafts="without_replacement")
def offer_not_normalized(p, q, drafts):
    residual, proposal = p.clone(), q.clone()
    for j, x in enumerate(drafts):
        if uniform() * proposal[x] < residual[x]:
            return x, j
        residual = left_over(residual, proposal)
        proposal[x] = 0
    return draw(residual), -1


@shipped("without replacement, q forgets only the last draft", "Sequoia", 0.03, drafts="without_replacement", k=3)
def offer_forgets_one(p, q, drafts):
    residual, proposal = p.clone(), q.clone()
    for j, x in enumerate(drafts):
        if uniform() * proposal[x] < residual[x]:
            return x, j
        residual = left_over(residual, proposal)
        proposal = q.clone()
        proposal[x] = 0
        proposal = proposal / proposal.sum()
    return draw(residual), -1


@shipped(
    "duplicates are skipped and the residual stays",
    "EAGLE's RRS mode",
    0.05,
    where="a draft twice",
    on=lambda p, q, x: len(set(x)) < len(x),
)
def duplicates_skipped(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if x in drafts[:j]:
            continue
        if uniform() * q[x] < residual[x]:
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


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
    u, passed = float(uniform()), 0.0
    for j, x in enumerate(drafts):
        passed += float(p[x])
        if u < passed:
            return x, j
    rest = p.clone()
    rest[drafts] = 0
    return draw(rest), -1


@shipped("goes on after an acceptance: the last accepted one wins", "ferrox #307", 0.1, k=3)
def no_break(p, q, drafts):
    residual, answer = p.clone(), None
    for j, x in enumerate(drafts):
        if uniform() * q[x] < residual[x]:
            answer = x, j
        else:
            residual = left_over(residual, q)
    return answer or (draw(residual), -1)


@shipped("p is overwritten", "MCSD", 0.2)
def p_overwritten(p, q, drafts):
    for j, x in enumerate(drafts):
        if uniform() * q[x] < p[x]:
            return x, j
        p.sub_(q).clamp_(min=0)
        if p.sum() > 0:
            p.div_(p.sum())
    return draw(p), -1


@shipped("q is overwritten", "MCSD", 0.1, drafts="without_replacement")
def q_overwritten(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * q[x] < residual[x]:
            return x, j
        residual = left_over(residual, q)
        q[x] = 0
        if q.sum() > 0:
            q.div_(q.sum())
    return draw(residual), -1


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
    if uniform() * q[x] < p[x]:
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
    return (x, 0) if uniform() * q[x] < 0.9 * p[x] else (draw((p - q).clamp(min=0) if (p > q).any() else p), -1)


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
    u = uniform()
    x = drafts[0]
    return (x, 0) if u * q[x] < p[x] else (by_cdf(left_over(p, q), u), -1)


@shipped("one uniform for all tests of a call", "flash kernels", 0.05)
def one_uniform(p, q, drafts):
    u = uniform()
    return rrs(p, q, drafts, uniform=lambda: u)


@shipped("the slot is that of the last equal draft, accepted or not", "slots", 0.0, where="token right, slot wrong")
def slot_of_any(p, q, drafts):
    y = draw(p)
    return y, (len(drafts) - 1 if y in drafts else -1)


@shipped("the target-only rule on top-k drafts forgets to exclude the last", "EAGLE", 0.1, drafts="top_k")
def last_sibling_not_excluded(p, q, drafts):
    u, passed = float(uniform()), 0.0
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
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * q[-1 - j][x] < residual[x]:
            return x, j
        residual = left_over(residual, q[-1 - j])
    return draw(residual), -1


@shipped("drafts are tried in order of p, not as drawn", "SpecTr ports", 0.05)
def drafts_sorted(p, q, drafts):
    order = sorted(range(len(drafts)), key=lambda j: -float(p[drafts[j]]))
    y, slot = rrs(p, q, [drafts[j] for j in order])
    return y, order[slot] if slot >= 0 else -1


@shipped("the third draft is tested against the first residual", "SpecInfer ports", 0.05, k=3)
def third_draft_old_residual(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * q[x] < residual[x]:
            return x, j
        if j != 1:
            residual = left_over(residual, q)
    return draw(residual), -1


@shipped("hides the certain token behind a greedy last draft", "SpecHub ports", 0.1, drafts="greedy")
def greedy_last_taken_for_sampled(p, q, drafts):
    return rrs(p, q, drafts)


@shipped("target-only with repeated drafts, residual keeps them", "EAGLE", 0.1)
def drafts_stay_in_residual(p, q, drafts):
    y, slot = target_only(p, q, drafts)
    return (y, slot) if slot >= 0 else (draw(p), -1)
