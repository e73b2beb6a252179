"""Right functions that were written when the gate was done, in styles that it had not met; none was tuned on."""

import asyncio
import bisect
import itertools
import math
import os
import random
import secrets
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from power.rules import by_cdf, draw, found, left_over, lookup, rrs, uniform
from power.zoo import right


def held_out(what, **more):
    return right("held out", what, **more)


@held_out("one uniform for test and residual, rescaled between them", k=1)
def rescaled(p, q, drafts):
    x, u = drafts[0], float(uniform())
    accept = min(1.0, float(p[x] / q[x]))
    if u < accept:
        return x, 0
    return by_cdf(left_over(p, q), (u - accept) / (1 - accept)), -1


@held_out("the residual in sorted order, led back by the order")
def sorted_cdf(p, q, drafts):
    def drawn(residual):
        order = residual.argsort(descending=True)
        return int(order[by_cdf(residual[order], uniform())])

    return rrs(p, q, drafts, draw=drawn)


@held_out("an exponential compared with log q - log p")
def exponential_test(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        waits = float(torch.empty((), dtype=torch.float64).exponential_())
        if residual[x] > 0 and waits > math.log(float(q[x])) - math.log(float(residual[x])):
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


@held_out("the square of the larger of two uniforms, which is uniform")
def larger_of_two(p, q, drafts):
    return rrs(p, q, drafts, uniform=lambda: max(uniform(), uniform()) ** 2)


@held_out("blocks of 8 by their sums, then a token within one")
def two_levels(p, q, drafts):
    def drawn(residual):
        blocks = residual.split(8)
        block = by_cdf(torch.stack([b.sum() for b in blocks]), uniform())
        return 8 * block + by_cdf(blocks[block], uniform())

    return rrs(p, q, drafts, draw=drawn)


@held_out("numpy's binomial for the test")
def binomial(p, q, drafts):
    residual = p.clone()
    for j, x in enumerate(drafts):
        if np.random.binomial(1, min(1.0, float(residual[x] / q[x]))):
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


@held_out("secrets.randbits(53)")
def of_secrets(p, q, drafts):
    return rrs(
        p,
        q,
        drafts,
        uniform=lambda: secrets.randbits(53) / 2**53,
        draw=lambda r: by_cdf(r, secrets.randbits(53) / 2**53),
    )


@held_out("random.expovariate as a race")
def expovariate(p, q, drafts):
    times = [random.expovariate(w) if w > 0 else math.inf for w in p.tolist()]
    return found(min(range(len(times)), key=times.__getitem__), drafts)


@held_out("a coroutine in a loop of its own")
def of_asyncio(p, q, drafts):
    async def verify():
        return lookup(p, q, drafts)

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(verify())
    finally:
        loop.close()


@held_out("a pool of threads, made at the first call")
class Pool:
    def __init__(self):
        self.pool = None

    def __call__(self, p, q, drafts):
        self.pool = self.pool or ThreadPoolExecutor(1)
        return self.pool.submit(lookup, p, q, drafts).result()


@held_out("a generator made at the first call, with a seed of its own")
class LazyGenerator:
    def __init__(self):
        self.rng = None

    def __call__(self, p, q, drafts):
        if self.rng is None:
            self.rng = np.random.default_rng(1234)
        return rrs(p, q, drafts, uniform=self.rng.random, draw=lambda r: by_cdf(r, self.rng.random()))


@held_out("a random.Random of the process's number, made at the first call")
class LazyRandom:
    def __init__(self):
        self.rng = None

    def __call__(self, p, q, drafts):
        self.rng = self.rng or random.Random(os.getpid())
        return rrs(p, q, drafts, uniform=self.rng.random, draw=lambda r: by_cdf(r, self.rng.random()))


@held_out("the first call warms up, and throws noise away")
class WarmsUp:
    def __init__(self):
        self.warm = False

    def __call__(self, p, q, drafts):
        if not self.warm:
            self.warm = True
            torch.rand(16)
            lookup(p, q, drafts)
        return rrs(p, q, drafts)


@held_out("another lossless rule in the first three calls, until tables are there")
class SlowStart:
    def __init__(self):
        self.n = 0

    def __call__(self, p, q, drafts):
        self.n += 1
        return lookup(p, q, drafts) if self.n <= 3 else rrs(p, q, drafts)


@held_out("a lossless fallback in the call after an error")
class FallsBack:
    def __init__(self):
        self.failed = False

    def __call__(self, p, q, drafts):
        failed, self.failed = self.failed, True
        if not math.isclose(float(p.sum()), 1, abs_tol=1e-6):
            raise ValueError("p does not sum to 1")
        self.failed = False
        return lookup(p, q, drafts) if failed else rrs(p, q, drafts)


@held_out("answers nothing any more after an error")
class ClosesOnError:
    def __init__(self):
        self.open = True

    def __call__(self, p, q, drafts):
        if not self.open:
            raise RuntimeError("closed")
        self.open = bool(torch.isfinite(p).all())
        if not self.open:
            raise ValueError("p is no distribution")
        return rrs(p, q, drafts)


@held_out("the token is a tensor of its own, the slot one of numpy")
def tensors(p, q, drafts):
    y, slot = rrs(p, q, drafts)
    return torch.tensor([y]), np.int8(slot)


@held_out("the token is a view of a buffer that the next call fills, which the gate advises of")
class TokenOfABuffer:
    def __init__(self):
        self.buffer = torch.zeros(1, dtype=torch.long)

    def __call__(self, p, q, drafts):
        self.buffer[0], slot = rrs(p, q, drafts)
        return self.buffer[0], slot


@held_out("buffers of the largest size so far, cleared and sliced")
class Sliced:
    def __init__(self):
        self.buffer = torch.zeros(0, dtype=torch.float64)

    def __call__(self, p, q, drafts):
        if len(self.buffer) < len(p):
            self.buffer = torch.zeros(2 * len(p), dtype=torch.float64)
        rest = self.buffer[: len(p)]
        for j, x in enumerate(drafts[:1]):
            if uniform() * q[x] < p[x]:
                return x, j
        rest.copy_(left_over(p, q))
        return by_cdf(rest, uniform()), -1


@held_out("a least-recently-used cache of four inverse tables")
class FourTables:
    def __init__(self):
        self.tables = {}

    def __call__(self, p, q, drafts):
        key = p.numpy().tobytes()
        ends = self.tables.pop(key, None) or list(itertools.accumulate(p.tolist()))
        self.tables[key] = ends
        while len(self.tables) > 4:
            del self.tables[next(iter(self.tables))]
        y = bisect.bisect_right(ends, random.random() * ends[-1])
        return found(min(y, int(p.nonzero()[-1])), drafts)


@held_out("half of the mass of p by a coin, the rest by another")
def halves(p, q, drafts):
    low = p.clone()
    low[len(p) // 2 :] = 0
    high = p - low
    return found(by_cdf(low if random.random() < float(low.sum() / p.sum()) else high, uniform()), drafts)
