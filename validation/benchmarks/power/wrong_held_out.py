"""Wrong functions that were written when the gate was done, as an engineer would get them wrong; none was tuned on."""

import math

import torch

from power.rules import accept_all, by_cdf, draw, found, left_over, rrs, uniform
from power.zoo import everywhere, wrong


def held_out(what, distance, where="every input", on=everywhere):
    return wrong("held out", what, seen="written for the gate, 2026-11", distance=distance, where=where, on=on)


@held_out("the residual is drawn in sorted order, and led back by the inverse of the order", 0.2)
def inverse_permutation(p, q, drafts):
    def drawn(residual):
        order = residual.argsort(descending=True)
        return int(order.argsort()[by_cdf(residual[order], uniform())])

    return rrs(p, q, drafts, draw=drawn)


@held_out("the sorted residual is cut behind 99 % of its mass", 5e-3)
def nucleus_of_residual(p, q, drafts):
    def drawn(residual):
        order = residual.argsort(descending=True)
        weights = residual[order] / residual.sum()
        weights[weights.cumsum(0) - weights > 0.99] = 0
        return int(order[by_cdf(weights, uniform())])

    return rrs(p, q, drafts, draw=drawn)


@held_out("the test in float16", 2e-4)
def test_in_float16(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform().half() * q[x].half() < residual[x].half():
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


@held_out("the uniform of the test in bfloat16", 2e-3)
def uniform_in_bfloat16(p, q, drafts):
    return rrs(p, q, drafts, uniform=lambda: uniform().bfloat16().double())


@held_out("q is read at the slot, not at the drafted token", 0.2)
def q_of_the_slot(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * q[j % len(q)] < residual[x]:
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


@held_out("q of the draft is broadcast over the residual", 0.1)
def q_is_broadcast(p, q, drafts):
    x = drafts[0]
    if uniform() * q[x] < p[x]:
        return x, 0
    return draw(left_over(p, q[x].expand_as(p))), -1


@held_out("a flat index x V + y in 16 bits", 0.3, "V >= 182", on=lambda p, q, x: len(p) >= 182)
def index_in_16_bits(p, q, drafts):
    y, slot = rrs(p, q, drafts)
    if slot >= 0:
        return y, slot
    flat = int(torch.tensor(y * len(p) + y).to(torch.int16))
    return abs(flat) // len(p) % len(p), -1


@held_out("1e-4 is added to every entry of the residual", 1e-3)
def floor_of_residual(p, q, drafts):
    return rrs(p, q, drafts, draw=lambda residual: draw(residual + 1e-4))


@held_out("the ratio is p / (q + 1e-3)", 2e-3)
def guarded_ratio(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() < residual[x] / (q[x] + 1e-3):
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


@held_out("the test has q of at least 0.02", 5e-3, "a draft with q < .02", on=lambda p, q, x: min(q[x]) < 0.02)
def clamped_proposal(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * q[x].clamp(min=0.02) < residual[x]:
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


@held_out("q is normalized over the tokens that p allows", 0.05, "p = 0 where q > 0",
          on=lambda p, q, x: bool(((p == 0) & (q > 0)).any()))  # fmt: skip
def q_on_the_support_of_p(p, q, drafts):
    seen = torch.where(p > 0, q, 0.0)
    return rrs(p, seen / seen.sum() if seen.sum() > 0 else q, drafts)


@held_out("greedy when p(a) > .999", 5e-4, "p(a) > .999, not sure", on=lambda p, q, x: 0.999 < p.max() < 1)
def nearly_greedy(p, q, drafts):
    return found(int(p.argmax()), drafts) if p.max() > 0.999 else rrs(p, q, drafts)


@held_out("drafts are tried as a set: by id, and once", 0.05)
def drafts_as_a_set(p, q, drafts):
    y, slot = rrs(p, q, sorted(set(drafts)))
    return y, drafts.index(y) if slot >= 0 else -1


@held_out("the residual is not updated after the last draft", 0.05)
def last_update_missing(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * q[x] < residual[x]:
            return x, j
        if j < len(drafts) - 1:
            residual = left_over(residual, q)
    return draw(residual), -1


@held_out("the second uniform is 1 less the first", 0.05)
def antithetic(p, q, drafts):
    u = uniform()
    turn = iter([u, 1 - u])
    return rrs(p, q, drafts, uniform=lambda: next(turn))


@held_out("the last token never comes out of the residual", 0.05)
def last_token_never(p, q, drafts):
    def drawn(residual):
        y = by_cdf(residual, uniform())
        return y if y < len(residual) - 1 else int(residual[:-1].argmax() if len(residual) > 1 else 0)

    return rrs(p, q, drafts, draw=drawn)


@held_out("a float32 uniform of 0 draws token 0 even where it has no mass", 6e-8)
def cdf_at_zero(p, q, drafts):
    def drawn(residual):
        ends = residual.cumsum(0)
        return min(int((ends < torch.rand(()).double() * ends[-1]).sum()), int(residual.nonzero()[-1]))

    return rrs(p, q, drafts, draw=drawn)


@held_out("pairs of tokens are read, and the last of an odd number is left out", 0.1, "V odd",
          on=lambda p, q, x: len(p) % 2 == 1)  # fmt: skip
def odd_vocabulary(p, q, drafts):
    def drawn(residual):
        even = residual[: len(residual) // 2 * 2]
        return draw(even) if len(even) and even.sum() > 0 else draw(residual)

    return rrs(p, q, drafts, draw=drawn)


@held_out("the last token ends the text, and is accepted", 0.05, "V - 1 is drafted",
          on=lambda p, q, x: len(p) - 1 in x)  # fmt: skip
def end_is_accepted(p, q, drafts):
    end = len(p) - 1
    return (end, drafts.index(end)) if end in drafts and p[end] > 0 else rrs(p, q, drafts)


@held_out("rejects where p(x) = q(x)", 0.1, "p(x) = q(x)", on=lambda p, q, x: bool(p[x[0]] == q[x[0]]))
def equal_is_rejected(p, q, drafts):
    x = drafts[0]
    return (draw(left_over(p, q)), -1) if p[x] == q[x] else rrs(p, q, drafts)


@held_out("a token drafted twice is accepted at its second place", 0.1, "equal drafts", on=lambda p, q, x: x[0] == x[1])
def twice_is_accepted(p, q, drafts):
    y, slot = rrs(p, q, drafts)
    again = drafts[0] == drafts[1] and slot < 0 and p[drafts[0]] > 0
    return (drafts[1], 1) if again else (y, slot)


@held_out("the residual's place among tokens that have some, not its id", 0.2)
def position_not_id(p, q, drafts):
    return rrs(p, q, drafts, draw=lambda residual: draw(residual[residual > 0]))


@held_out("even over the vocabulary when the residual has less than 1e-6", 1e-7, "distance of p and q < 1e-6",
          on=lambda p, q, x: 0 < (p - q).clamp(min=0).sum() < 1e-6)  # fmt: skip
def even_when_little(p, q, drafts):
    x, rest = drafts[0], (p - q).clamp(min=0)
    if uniform() * q[x] < p[x]:
        return x, 0
    return draw(rest if rest.sum() >= 1e-6 else torch.ones_like(p)), -1


@held_out("logarithms of negative numbers become 0, and weigh 1", 0.3)
def log_of_negative(p, q, drafts):
    x = drafts[0]
    if uniform() * q[x] < p[x]:
        return x, 0
    return draw((p - q).log().nan_to_num(nan=0.0).exp()), -1


@held_out("Gumbel noise of uniforms that are kept above 1e-3", 1e-3)
def gumbel_clamped(p, q, drafts):
    noise = -torch.log(-torch.log(torch.rand(len(p), dtype=torch.float64).clamp(1e-3, 1 - 1e-3)))
    return found(int((p.log() + noise).argmax()), drafts)


@held_out("two tokens of the target are drawn, and the one that was drafted is taken", 0.1)
def two_lookups(p, q, drafts):
    first, second = draw(p), draw(p)
    return found(first if first in drafts or second not in drafts else second, drafts)


@held_out("the inverse CDF runs from the top down, and its rest goes to the bottom", 0.1)
def cdf_without_its_end(p, q, drafts):
    def drawn(residual):
        ends = residual.flip(0).cumsum(0)
        y = int((ends <= uniform() * 0.95 * ends[-1]).sum())
        return len(residual) - 1 - min(y, len(residual) - 1)

    return rrs(p, q, drafts, draw=drawn)


@held_out("drafts within the top 8 of p are tested, others rejected", 0.02, "V > 8", on=lambda p, q, x: len(p) > 8)
def top_8_are_tested(p, q, drafts):
    x = drafts[0]
    if len(p) <= 8 or x in p.topk(8).indices.tolist():
        return rrs(p, q, drafts)
    return draw(left_over(p, q)), -1


@held_out("probabilities by 16-bit logarithms", 1e-3)
def log_in_float16(p, q, drafts):
    x, ratio = drafts[0], p.log().half() - q.log().half()
    if math.log(max(float(uniform()), 1e-300)) < float(ratio[x]):
        return x, 0
    return draw(left_over(p, q)), -1


# -- memory --------------------------------------------------------------------------------------------------------


def kept(what, distance, where):
    return held_out(what, distance, where, on=None)


@kept("the residual is cached under a hash of 97 values", 0.01, "two problems whose hashes agree")
class HashCollides:
    def __init__(self):
        self.kept = {}

    def __call__(self, p, q, drafts):
        x = drafts[0]
        if uniform() * q[x] < p[x]:
            return x, 0
        residual = self.kept.setdefault((len(p), hash((*p.tolist(), *q.tolist())) % 97), left_over(p, q))
        return draw(residual), -1


@kept("a target that was not seen before accepts", 0.3, "the first call on each target")
class ColdCache:
    def __init__(self):
        self.seen = set()

    def __call__(self, p, q, drafts):
        key = tuple(p.tolist())
        cold = key not in self.seen
        self.seen.add(key)
        return accept_all(p, q, drafts) if cold else rrs(p, q, drafts)


class Nth:
    """The n-th call goes wrong."""

    at = 2

    def __init__(self):
        self.n = 0

    def __call__(self, p, q, drafts):
        self.n += 1
        return accept_all(p, q, drafts) if self.n == self.at else rrs(p, q, drafts)


@kept("the second call accepts", 0.3, "the second call of a process")
class SecondCall(Nth):
    pass


@kept("the fourth call accepts", 0.3, "the fourth call of a process")
class FourthCall(Nth):
    at = 4


@kept("the residual of every 64th rejection is p", 1e-3, "every 64th rejection")
class Every64thRejection(Nth):
    def __call__(self, p, q, drafts):
        y, slot = rrs(p, q, drafts)
        self.n += slot < 0
        return (draw(p), -1) if slot < 0 and self.n % 64 == 0 else (y, slot)


@kept("an error leaves half of a residual in a buffer", 0.2, "the call after a row of zeros")
class DirtyBuffer:
    def __init__(self):
        self.left = None

    def __call__(self, p, q, drafts):
        residual = p.clone() if self.left is None or len(self.left) != len(p) else self.left
        self.left = left_over(p, q)
        for j, x in enumerate(drafts):
            if uniform() * q[x] < residual[x]:
                self.left = None
                return x, j
            residual = left_over(residual, q)
        if not residual.sum() > 0:
            raise ValueError("nothing is left")
        self.left = None
        return draw(residual), -1


@kept("p is restored after an acceptance only", 0.1, "every rejection")
class RestoredSometimes:
    def __call__(self, p, q, drafts):
        kept = p.clone()
        for j, x in enumerate(drafts):
            if uniform() * q[x] < p[x]:
                p.copy_(kept)
                return x, j
            p.sub_(q).clamp_(min=0)
            p.div_(p.sum()) if p.sum() > 0 else p.copy_(kept)
        return draw(p), -1
