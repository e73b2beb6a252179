"""Wrong because of what is kept from earlier calls."""

import torch

from power.rules import accept_all, by_cdf, draw, left_over, residual_is_p, rrs, uniform
from power.zoo import wrong


def kept(what, distance, where, seen="found when the gate was tried, 2026-11", on=None, **more):
    return wrong("memory", what, seen=seen, distance=distance, where=where, on=on, **more)


class Cached:
    """The first residual is kept under a key that says too little."""

    def __init__(self):
        self.kept = {}

    def key(self, p, q, drafts):
        raise NotImplementedError

    def __call__(self, p, q, drafts):
        residual = p.clone()
        for j, x in enumerate(drafts):
            if uniform() * q[x] < residual[x]:
                return x, j
            residual = left_over(residual, q)
            if j == 0:
                residual = self.kept.setdefault(self.key(p, q, drafts), residual)
        return draw(residual), -1


@kept("the residual is cached by the content of p", 0.2, "the same p with another q")
class KeyedByP(Cached):
    def key(self, p, q, drafts):
        return tuple(p.tolist())


@kept("the residual is cached by the content of q", 0.2, "the same q with another p")
class KeyedByQ(Cached):
    def key(self, p, q, drafts):
        return tuple(q.tolist())


@kept("the residual is cached by p and q rounded to two places", 0.005, "p and q within 0.005 of earlier ones")
class KeyedRounded(Cached):
    def key(self, p, q, drafts):
        return tuple(p.round(decimals=2).tolist() + q.round(decimals=2).tolist())


@kept("the residual is cached by the address of p", 0.2, "p at the address of an earlier one")
class KeyedByAddress(Cached):
    def key(self, p, q, drafts):
        return p.data_ptr()


@kept("the residual is cached by the tops and sums of p and q", 0.1, "same V and tops as an earlier one")
class KeyedByTop(Cached):
    def key(self, p, q, drafts):
        return len(p), int(p.argmax()), int(q.argmax())


@kept("the residual is cached by the first draft and V", 0.2, "same V and draft as an earlier one")
class KeyedByDraft(Cached):
    def key(self, p, q, drafts):
        return len(p), drafts[0]


@kept("p of the call before, when V has not changed", 0.3, "consecutive calls with other p", seen="Sequoia")
class LastTarget:
    def __init__(self):
        self.p = None

    def __call__(self, p, q, drafts):
        used = self.p if self.p is not None and self.p.shape == p.shape else p
        self.p = p.clone()
        return rrs(used, q, drafts)


@kept("q of the call before, when V has not changed", 0.3, "consecutive calls with other q", seen="Sequoia")
class LastDraftDistribution:
    def __init__(self):
        self.q = None

    def __call__(self, p, q, drafts):
        used = self.q if self.q is not None and self.q.shape == q.shape and (self.q[drafts] > 0).all() else q
        self.q = q.clone()
        return rrs(p, used, drafts)


class After:
    """Right for so many calls, then the residual is p."""

    calls = 25_000

    def __init__(self):
        self.n = 0

    def __call__(self, p, q, drafts):
        self.n += 1
        return residual_is_p(p, q, drafts) if self.n > self.calls else rrs(p, q, drafts)


@kept("the residual is p after 1,000 calls", 0.1, "late calls")
class After1000(After):
    calls = 1000


@kept("the residual is p after 9,000 calls", 0.1, "late calls")
class After9000(After):
    calls = 9000


@kept("the residual is p after 25,000 calls", 0.1, "late calls")
class After25000(After):
    calls = 25_000


@kept("every 100th call accepts", 5e-3, "every 100th call")
class Every100th(After):
    def __call__(self, p, q, drafts):
        self.n += 1
        return accept_all(p, q, drafts) if self.n % 100 == 0 else rrs(p, q, drafts)


@kept("every 7th call accepts", 0.05, "every 7th call")
class Every7th(After):
    def __call__(self, p, q, drafts):
        self.n += 1
        return accept_all(p, q, drafts) if self.n % 7 == 0 else rrs(p, q, drafts)


@kept("the first call of an object draws from q", 0.3, "the first call")
class FirstCall(After):
    def __call__(self, p, q, drafts):
        self.n += 1
        return accept_all(p, q, drafts) if self.n == 1 else rrs(p, q, drafts)


@kept("a penalty of 1 % for every time a token came out", 0.3, "late calls", seen="vLLM #33251")
class GrowingPenalty:
    def __init__(self):
        self.counts = {}

    def __call__(self, p, q, drafts):
        counts = self.counts.setdefault(len(p), torch.zeros(len(p), dtype=torch.float64))
        seen = p * 0.99**counts
        y, slot = rrs(seen / seen.sum() if seen.sum() > 0 else p, q, drafts)
        counts[y] += 1
        return y, slot


@kept("a small penalty for the last token that came out", 0.02, "every second call", seen="vLLM #33251")
class LastTokenPenalty:
    def __init__(self):
        self.last = 0

    def __call__(self, p, q, drafts):
        seen = p.clone()
        if self.last < len(p):
            seen[self.last] *= 0.9
        y, slot = rrs(seen / seen.sum(), q, drafts)
        self.last = y
        return y, slot


@kept("the same p twice in a row: accepts", 0.3, "the same p twice")
class SamePTwice:
    def __init__(self):
        self.p = None

    def __call__(self, p, q, drafts):
        again = self.p is not None and torch.equal(self.p, p)
        self.p = p.clone()
        return accept_all(p, q, drafts) if again else rrs(p, q, drafts)


@kept("another p than in the call before: accepts", 0.3, "p changes")
class AnotherP:
    def __init__(self):
        self.p = None

    def __call__(self, p, q, drafts):
        other = self.p is not None and not torch.equal(self.p, p)
        self.p = p.clone()
        return accept_all(p, q, drafts) if other else rrs(p, q, drafts)


@kept("once a row of more than 40 tokens was seen, the residual is p", 0.1, "after a wide row")
class AfterAWideRow:
    def __init__(self):
        self.wide = False

    def __call__(self, p, q, drafts):
        self.wide = self.wide or len(p) > 40
        return residual_is_p(p, q, drafts) if self.wide else rrs(p, q, drafts)


@kept("after an error the next call accepts", 0.3, "the call after a NaN row")
class AfterAnError:
    def __init__(self):
        self.broken = False

    def __call__(self, p, q, drafts):
        broken, self.broken = self.broken, bool(torch.isnan(p).any())
        if self.broken:
            raise ValueError("p is no distribution")
        return accept_all(p, q, drafts) if broken else rrs(p, q, drafts)


@kept("a buffer of V places is reused and not cleared when V shrinks", 0.2, "a narrow row after a wide one")
class BufferNotCleared:
    def __init__(self):
        self.buffer = torch.zeros(0, dtype=torch.float64)

    def __call__(self, p, q, drafts):
        if len(self.buffer) < len(p):
            self.buffer = torch.zeros(len(p), dtype=torch.float64)
        self.buffer[: len(p)] = p
        y = by_cdf(self.buffer, uniform())
        y = y if y < len(p) else 0
        return y, drafts.index(y) if y in drafts else -1


class Adaptive:
    """A threshold that learns from its own acceptances: lossy once it has learnt."""

    def __init__(self):
        self.lean = 0.0

    def __call__(self, p, q, drafts):
        y, slot = rrs(p, q, drafts, uniform=lambda: uniform() * (1 - self.lean))
        self.lean = min(0.2, self.lean + 1e-4 * (slot >= 0))
        return y, slot


kept("a threshold that loosens with every acceptance", 0.04, "late calls", seen="adaptive thresholds")(Adaptive)
