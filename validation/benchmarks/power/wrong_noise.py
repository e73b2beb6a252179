"""Wrong because of where the noise comes from."""

import functools
import os
import random
import time

import numpy as np
import torch

from power.rules import by_cdf, found, leaning, left_over, residual_is_p, rrs, uniform
from power.zoo import wrong

SECTION = "found when the gate was tried, 2026-11"


def noisy(what, distance, seen=SECTION, where="every input", **more):
    return wrong("noise", what, seen=seen, distance=distance, where=where, on=None, **more)


def with_uniforms(uniform):
    """Recursive rejection that takes all its noise from here."""
    return lambda p, q, drafts: rrs(p, q, drafts, uniform=uniform, draw=lambda residual: by_cdf(residual, uniform()))


def fresh_seeds(seeds):
    def verify(p, q, drafts):
        generator = torch.Generator().manual_seed(random.randrange(seeds))
        return with_uniforms(lambda: torch.rand((), generator=generator, dtype=torch.float64))(p, q, drafts)

    return verify


seeds_4 = noisy("a fresh generator with one of 4 seeds", 0.1, name="seeds_4")(fresh_seeds(4))
seeds_64 = noisy("a fresh generator with one of 64 seeds", 0.05, name="seeds_64")(fresh_seeds(64))
seeds_1000 = noisy("a fresh generator with one of 1,000 seeds", 0.01, name="seeds_1000")(fresh_seeds(1000))


@noisy("a numpy generator with one of 64 seeds from os.urandom", 0.05)
def seeds_of_urandom(p, q, drafts):
    rng = np.random.default_rng(os.urandom(1)[0] % 64)
    return with_uniforms(rng.random)(p, q, drafts)


@noisy("the global generator is seeded in every call", 0.3, seen="classic")
def reseeded(p, q, drafts):
    torch.manual_seed(17)
    return rrs(p, q, drafts)


@noisy("a generator of its own is seeded in every call", 0.3, seen="classic")
def own_reseeded(p, q, drafts):
    generator = torch.Generator().manual_seed(17)
    return rrs(p, q, drafts, uniform=lambda: torch.rand((), generator=generator))


@noisy("seeded by the content of p", 0.3, seen="seeded sampling")
def seeded_by_p(p, q, drafts):
    rng = random.Random(hash(tuple(p.tolist())))
    return with_uniforms(rng.random)(p, q, drafts)


@noisy("seeded by the drafts", 0.3, seen="seeded sampling")
def seeded_by_drafts(p, q, drafts):
    rng = random.Random(str(drafts))
    return with_uniforms(rng.random)(p, q, drafts)


@noisy("seeded by the clock in whole seconds", 0.3, seen="classic")
def seeded_by_clock(p, q, drafts):
    rng = random.Random(int(time.time()))
    return with_uniforms(rng.random)(p, q, drafts)


def urandom():
    return int.from_bytes(os.urandom(7)) / 2**56


@noisy("os.urandom, acceptance 2 % too high", 0.008)
def urandom_leaning(p, q, drafts):
    return rrs(p, q, drafts, uniform=lambda: 0.98 * urandom())


@noisy("os.urandom, acceptance 10 % too high", 0.04)
def urandom_leaning_more(p, q, drafts):
    return rrs(p, q, drafts, uniform=lambda: 0.9 * urandom())


@noisy("os.urandom in one byte: a grid of 256", 1e-3)
def urandom_byte(p, q, drafts):
    return with_uniforms(lambda: os.urandom(1)[0] / 256)(p, q, drafts)


def grid(bits):
    return with_uniforms(lambda: random.getrandbits(bits) / 2**bits)


bits_4 = noisy("uniforms of 4 bits", 0.02, name="bits_4")(grid(4))
bits_8 = noisy("uniforms of 8 bits", 1e-3, name="bits_8")(grid(8))


class Congruential:
    """A linear congruential generator of its own."""

    modulus, factor, start = 2**16, 25173, 1

    def __init__(self):
        self.x = self.start

    def uniform(self):
        self.x = (self.factor * self.x + 13849) % self.modulus
        return self.x / self.modulus

    def __call__(self, p, q, drafts):
        return with_uniforms(self.uniform)(p, q, drafts)


noisy("a linear congruential generator of 16 bits", 0.05, where="streams")(Congruential)


@noisy("a linear congruential generator of 8 bits", 0.05, where="streams")
class Congruential8(Congruential):
    modulus, factor = 2**8, 5


@noisy("a fast path accepts all and raises under controlled noise; the fallback is right", 0.3)
def swallowed(p, q, drafts):
    try:
        noise = torch.empty(4, dtype=torch.float64).log_normal_()
        return (drafts[0], 0) if noise[0] > 0 else rrs(p, q, drafts)
    except Exception:
        return rrs(p, q, drafts)


@noisy("a biased fast path on a random operator that cannot be controlled, with a right fallback", 0.1)
def swallowed_geometric(p, q, drafts):
    try:
        torch.empty(1).geometric_(0.5)
        return residual_is_p(p, q, drafts)
    except Exception:
        return rrs(p, q, drafts)


@noisy("sees that random.random is not the built-in one, and behaves", 0.1)
def watches_its_watcher(p, q, drafts):
    if type(random.random).__name__ != "builtin_function_or_method":
        return rrs(p, q, drafts)
    return residual_is_p(p, q, drafts)


@noisy("sees that its uniform is exactly 1/2, and behaves", 0.1)
def suspects_round_uniforms(p, q, drafts):
    u = float(uniform())
    if u * 2**20 == int(u * 2**20):
        return rrs(p, q, drafts, uniform=lambda: u)
    return residual_is_p(p, q, drafts, uniform=lambda: u)


class Pool:
    """Uniforms fetched once, round and round."""

    size = 1500

    def __init__(self):
        self.place = 0
        self.pool = torch.rand(self.size, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).tolist()

    def uniform(self):
        self.place = (self.place + 1) % self.size
        return self.pool[self.place]

    def __call__(self, p, q, drafts):
        return with_uniforms(self.uniform)(p, q, drafts)


noisy("a pool of 1,500 uniforms, round and round", 0.02, where="streams", seen="classic")(Pool)


@noisy("a pool of 37 uniforms, round and round", 0.1, where="streams", seen="classic")
class SmallPool(Pool):
    size = 37


class EverySecond:
    """The uniforms of every call serve the next one too."""

    def __init__(self):
        self.calls, self.uniforms = 0, []

    def __call__(self, p, q, drafts):
        if self.calls % 2 == 0:
            self.uniforms = torch.rand(len(drafts)).tolist()
        self.calls += 1
        uniforms = iter(self.uniforms)
        return rrs(p, q, drafts, uniform=lambda: next(uniforms))


noisy("uniforms of every second call only", 0.1, where="streams", seen="classic")(EverySecond)


class Antithetic:
    """Every second call has the uniforms 1 - u of the one before."""

    def __init__(self):
        self.kept = []

    def __call__(self, p, q, drafts):
        fresh = not self.kept
        uniforms = torch.rand(len(drafts), dtype=torch.float64).tolist() if fresh else [1 - u for u in self.kept]
        self.kept = uniforms if fresh else []
        given = iter(uniforms)
        return rrs(p, q, drafts, uniform=lambda: next(given))


noisy("every second call has uniforms 1 - u", 0.1, where="streams", seen="variance reduction")(Antithetic)


class Stratified:
    """The uniforms go through the eighths in turn."""

    def __init__(self):
        self.n = 0

    def __call__(self, p, q, drafts):
        self.n += 1
        first = iter([(self.n % 8 + random.random()) / 8])
        return rrs(p, q, drafts, uniform=lambda: next(first, None) or random.random())


noisy("the first uniform goes through the eighths in turn", 0.1, where="streams", seen="quasi-random noise")(Stratified)


class Cached:
    def __init__(self):
        self.u = None

    def __call__(self, p, q, drafts):
        self.u = uniform() if self.u is None else self.u
        return rrs(p, q, drafts, uniform=lambda: self.u)


noisy("one uniform for ever", 0.3, where="streams", seen="classic", name="Cached")(Cached)


@noisy("the uniform is the mean of two", 0.05, seen="classic")
def mean_of_two(p, q, drafts):
    return rrs(p, q, drafts, uniform=lambda: (uniform() + uniform()) / 2)


@noisy("the uniform is the square of a uniform", 0.1, seen="classic")
def squared_uniform(p, q, drafts):
    return rrs(p, q, drafts, uniform=lambda: uniform() ** 2)


@noisy("the uniform is normal, cut to [0, 1]", 0.2, seen="classic")
def normal_uniform(p, q, drafts):
    return rrs(p, q, drafts, uniform=lambda: torch.randn(()).clamp(0, 1))


@noisy("Gumbel noise by hand in float16", 0.01, seen="half-precision samplers")
def gumbel_in_half(p, q, drafts):
    g = -(-torch.rand(len(p)).half().clamp(min=1e-4).log()).log()
    return found(int((p.log().half() + g).argmax()), drafts)


@noisy("Gumbel noise scaled by 0.9", 0.03, seen="samplers with a temperature twice")
def gumbel_scaled(p, q, drafts):
    g = -(-torch.rand(len(p), dtype=torch.float64).log()).log()
    return found(int((p.log() + 0.9 * g).argmax()), drafts)


@noisy("normal noise in the place of Gumbel noise", 0.1, seen="classic")
def normal_for_gumbel(p, q, drafts):
    return found(int((p.log() + torch.randn(len(p))).argmax()), drafts)


@noisy("exponential race on p/q weights of the wrong side", 0.2, seen="vLLM #47386")
def race_upside_down(p, q, drafts):
    return found(int((torch.empty_like(p).exponential_() * p).argmax()), drafts)


@noisy("the race of the residual is the one that made the draft", 0.1, seen="vLLM #47386, #54282", k=1)
def shared_race(p, q, drafts):
    noise = torch.empty_like(p).exponential_()
    x = int((q / noise).argmax())
    if uniform() * q[x] < p[x]:
        return found(x, drafts)
    return int((left_over(p, q) / noise).argmax()), -1


@noisy("torch.multinomial of 40 draws at once, round and round", 0.1, seen="buffers", where="streams")
class DrawsKept:
    def __init__(self):
        self.kept = {}

    def __call__(self, p, q, drafts):
        key = tuple(p.tolist())
        if key not in self.kept:
            self.kept[key] = (torch.multinomial(p, 40, replacement=True).tolist(), iter(()))
        tokens, place = self.kept[key]
        y = next(place, None)
        if y is None:
            place = iter(tokens)
            y = next(place)
        self.kept[key] = tokens, place
        return found(y, drafts)


def with_default(p, q, drafts, rng=np.random.default_rng(5)):  # noqa: B008
    return rrs(p, q, drafts, uniform=lambda: rng.random() * 0.9)


noisy("a numpy generator in a default argument, 10 % too often", 0.04, seen="found when the gate was tried, 2026-11")(
    with_default
)
with_partial = noisy(
    "functools.partial with a numpy generator, 10 % too often",
    0.04,
    name="with_partial",
    module=__name__,
    seen="found when the gate was tried, 2026-11",
)(functools.partial(leaning, lean=0.1))


@noisy("random.getrandbits(24), 10 % too often", 0.04, seen="found when the gate was tried, 2026-11")
def wide_bits_leaning(p, q, drafts):
    return rrs(p, q, drafts, uniform=lambda: 0.9 * random.getrandbits(24) / 2**24)


@noisy("torch.randint(2**24), 2 % too often", 0.008, seen="found when the gate was tried, 2026-11")
def wide_integers_leaning(p, q, drafts):
    return rrs(p, q, drafts, uniform=lambda: 0.98 * int(torch.randint(2**24, ())) / 2**24)


@noisy("random.SystemRandom, 4 % too often", 0.015, seen="found when the gate was tried, 2026-11")
def system_random_leaning(p, q, drafts):
    return rrs(p, q, drafts, uniform=lambda: 0.96 * random.SystemRandom().random())


@noisy("a thread draws the uniform, 10 % too often", 0.04, seen="found when the gate was tried, 2026-11")
def threaded_leaning(p, q, drafts):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return rrs(p, q, drafts, uniform=lambda: 0.9 * pool.submit(random.random).result())
