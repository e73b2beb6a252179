"""Right samplers in every style that the gate must pass: where the noise comes from."""

import functools
import os
import queue
import random
import secrets

import numpy as np
import torch

from power import helper_noise
from power.rules import by_cdf, found, rrs, uniform
from power.zoo import right


def with_uniforms(uniform):
    """Recursive rejection that takes all its noise from here."""
    return lambda p, q, drafts: rrs(p, q, drafts, uniform=uniform, draw=lambda residual: by_cdf(residual, uniform()))


def uniforms(what, name, uniform):
    globals()[name] = right("noise", what, name=name, module=__name__)(with_uniforms(uniform))


_rng, _old, _python = np.random.default_rng(1), np.random.RandomState(2), random.Random(3)
_torch, _box, _slots = torch.Generator(), [np.random.default_rng(4)], {"rng": np.random.default_rng(5)}
_torch.seed()
uniforms("torch.rand in float64", "torch_rand", uniform)
uniforms("torch.rand in float32", "torch_rand_32", lambda: torch.rand(()))
uniforms("random.random", "python_random", random.random)
uniforms("np.random.random", "numpy_random", lambda: np.random.random())
uniforms("np.random.rand, as a row of one", "numpy_rand", lambda: float(np.random.rand(1)[0]))
uniforms("a numpy Generator of the module", "numpy_generator", _rng.random)
uniforms("a numpy RandomState of the module", "numpy_state", _old.random_sample)
uniforms("numpy float32 uniforms", "numpy_float32", lambda: float(_rng.random(dtype=np.float32)))
uniforms("a random.Random of the module", "python_generator", _python.random)
uniforms("a torch.Generator of the module", "torch_generator", lambda: torch.rand((), generator=_torch))
uniforms("a numpy generator in a list", "numpy_in_list", lambda: _box[0].random())
uniforms("a numpy generator in a dictionary", "numpy_in_dict", lambda: _slots["rng"].random())
uniforms("a numpy generator of another module", "numpy_elsewhere", lambda: helper_noise.rng.random())
uniforms("a numpy generator as a class attribute", "numpy_of_class", lambda: helper_noise.Shared.rng.random())
uniforms("os.urandom, 7 bytes", "os_urandom", lambda: int.from_bytes(os.urandom(7)) / 2**56)
uniforms("random.SystemRandom", "system_random", random.SystemRandom().random)
uniforms("secrets.randbelow", "secrets_below", lambda: secrets.randbelow(2**53) / 2**53)
uniforms("random.getrandbits(53)", "bits_53", lambda: random.getrandbits(53) / 2**53)
uniforms("random.getrandbits(24)", "bits_24", lambda: random.getrandbits(24) / 2**24)
uniforms("random.randrange(2**24)", "randrange_24", lambda: random.randrange(2**24) / 2**24)
uniforms("torch.randint(2**30)", "randint_30", lambda: int(torch.randint(2**30, ())) / 2**30)
uniforms("np.random.randint(2**24)", "numpy_randint", lambda: int(np.random.randint(2**24)) / 2**24)
uniforms("numpy integers in 64 bits", "numpy_bits_64", lambda: int(_rng.integers(2**63)) / 2**63)
uniforms("random.uniform", "python_uniform", lambda: random.uniform(0, 1))
uniforms("1 - random.random()", "one_minus", lambda: 1 - random.random() - 2**-53)
uniforms("numpy bytes", "numpy_bytes", lambda: int.from_bytes(_rng.bytes(6)) / 2**48)
uniforms("the normal distribution function of a normal", "from_normal",
         lambda: torch.special.ndtr(torch.randn((), dtype=torch.float64)))  # fmt: skip
uniforms("exp(-Exp(1))", "from_exponential", lambda: (-torch.empty((), dtype=torch.float64).exponential_()).exp())
uniforms("torch.empty().uniform_()", "uniform_in_place", lambda: torch.empty((), dtype=torch.float64).uniform_())


@right("noise", "a numpy generator in a default argument")
def in_default(p, q, drafts, rng=np.random.default_rng(6)):  # noqa: B008
    return rrs(p, q, drafts, uniform=rng.random)


def _with(rng, p, q, drafts):
    return rrs(p, q, drafts, uniform=rng.random)


in_partial = right("noise", "functools.partial with a numpy generator", name="in_partial", module=__name__)(
    functools.partial(_with, np.random.default_rng(7))
)


@right("noise", "a numpy generator in a slot")
class InSlot:
    __slots__ = ("rng",)

    def __init__(self):
        self.rng = np.random.default_rng()

    def __call__(self, p, q, drafts):
        return rrs(p, q, drafts, uniform=self.rng.random)


@right("noise", "a fresh generator with 64 bits of the system's entropy")
def fresh_entropy(p, q, drafts):
    return with_uniforms(np.random.default_rng().random)(p, q, drafts)


@right("noise", "a fresh torch generator seeded by torch.seed's entropy")
def fresh_torch(p, q, drafts):
    generator = torch.Generator()
    generator.seed()
    return with_uniforms(lambda: torch.rand((), generator=generator, dtype=torch.float64))(p, q, drafts)


class Fetched:
    """Noise fetched ahead."""

    size = 1000

    def __init__(self):
        self.ahead = []

    def uniform(self):
        if not self.ahead:
            self.ahead = torch.rand(self.size, dtype=torch.float64).tolist()
        return self.ahead.pop()

    def __call__(self, p, q, drafts):
        return with_uniforms(self.uniform)(p, q, drafts)


right("buffer", "1,000 uniforms fetched ahead")(Fetched)


@right("buffer", "7 uniforms fetched ahead")
class Fetched7(Fetched):
    size = 7


@right("buffer", "numpy uniforms in a queue, 64 at a time")
class Queued:
    def __init__(self):
        self.ahead, self.rng = queue.SimpleQueue(), np.random.default_rng()

    def uniform(self):
        if self.ahead.empty():
            for u in self.rng.random(64):
                self.ahead.put(u)
        return self.ahead.get()

    def __call__(self, p, q, drafts):
        return with_uniforms(self.uniform)(p, q, drafts)


@right("buffer", "draws of p made 16 at a time and used once")
class DrawsAhead:
    def __init__(self):
        self.ahead = {}

    def __call__(self, p, q, drafts):
        kept = self.ahead.setdefault(tuple(p.tolist()), [])
        if not kept:
            kept += torch.multinomial(p, 16, replacement=True).tolist()
        return found(kept.pop(), drafts)


@right("buffer", "a stream of uniforms from a generator function")
class Stream:
    def __init__(self):
        self.stream = self.forever()

    def forever(self):
        while True:
            yield from np.random.random(10)

    def __call__(self, p, q, drafts):
        return with_uniforms(lambda: next(self.stream))(p, q, drafts)
