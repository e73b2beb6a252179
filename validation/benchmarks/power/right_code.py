"""Right samplers that the gate must pass: every way to write the code."""

import bisect
import functools
import itertools
import random
import threading
import time
import warnings

import numpy as np
import torch

from power.right_draws import gumbel
from power.rules import (
    draw,
    found,
    left_over,
    rrs,
    uniform,
)
from power.zoo import right


@right("code", "20 ms a call")
def slow(p, q, drafts):
    time.sleep(0.02)
    return rrs(p, q, drafts)


@right("code", "6 ms a call, Gumbel noise of torch")
def slow_gumbel(p, q, drafts):
    time.sleep(0.006)
    return gumbel(p, q, drafts)


@torch.compile
def _compiled(p, q, x, uniforms):
    kept = uniforms[0] * q.gather(0, x) < p.gather(0, x)
    rest = torch.where(kept, p, (p - q).clamp(min=0))
    ends = rest.cumsum(0)
    return kept, (ends <= uniforms[1] * ends[-1]).sum().clamp(max=len(p) - 1)


@right("code", "torch.compile", k=1)
def compiled(p, q, drafts):
    kept, y = _compiled(p, q, torch.tensor(drafts[:1]), torch.rand(2, dtype=torch.float64))
    return (drafts[0], 0) if kept else (int(y), -1)


@right("code", "a module of torch.nn with a parameter")
class Module(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(()))

    def forward(self, p, q, drafts):
        with torch.no_grad():
            return rrs(p * self.one, q, drafts)


@right("code", "attention with dropout 0 on the way")
def with_attention(p, q, drafts):
    rows = p.float().view(1, 1, -1, 1)
    torch.nn.functional.scaled_dot_product_attention(rows, rows, rows, dropout_p=0.0)
    return rrs(p, q, drafts)


@right("code", "dropout with p = 0 on the way")
def with_dropout(p, q, drafts):
    return rrs(torch.nn.functional.dropout(p, 0.0), q, drafts)


@right("code", "inference mode")
@torch.inference_mode()
def in_inference_mode(p, q, drafts):
    return rrs(p, q, drafts)


@right("code", "a cache by the contents of p and q")
class CacheOfBoth:
    def __init__(self):
        self.kept = {}

    def __call__(self, p, q, drafts):
        key = tuple(p.tolist()), tuple(q.tolist())
        if key not in self.kept:
            self.kept[key] = left_over(p, q)
        x = drafts[0]
        return (x, 0) if uniform() * q[x] < p[x] else (draw(self.kept[key]), -1)


@functools.lru_cache(64)
def _ends(weights):
    return list(itertools.accumulate(weights))


@right("code", "functools.lru_cache on tuples")
def with_lru_cache(p, q, drafts):
    ends = _ends(tuple(p.tolist()))
    return found(min(bisect.bisect_right(ends, random.random() * ends[-1]), len(ends) - 1), drafts)


@right("code", "counters and statistics that nothing depends on")
class Counters:
    def __init__(self):
        self.calls, self.accepted, self.seconds = 0, {}, []

    def __call__(self, p, q, drafts):
        self.calls += 1
        started = time.perf_counter()
        y, slot = rrs(p, q, drafts)
        self.accepted[y] = self.accepted.get(y, 0) + (slot >= 0)
        self.seconds = [*self.seconds[-99:], time.perf_counter() - started]
        return y, slot


@right("code", "a change of p that is undone")
def undone(p, q, drafts):
    before = p.clone()
    p.sub_(q).clamp_(min=0)
    rest = p.clone() if p.sum() > 0 else before
    p.copy_(before)
    x = drafts[0]
    return (x, 0) if uniform() * q[x] < p[x] else (draw(rest), -1)


@right("code", "inputs are validated: an error on NaN")
def validates(p, q, drafts):
    if not (p >= 0).all() or abs(float(p.sum()) - 1) > 1e-3 or not (q >= 0).all():
        raise ValueError("p and q must be distributions")
    return rrs(p, q, drafts)


@right("code", "assert on the contract")
def asserts(p, q, drafts):
    assert len(p) == len(q)
    assert all(0 <= x < len(p) for x in drafts)
    return rrs(p, q, drafts)


@right("code", "prints to stdout, and warns once")
def talks(p, q, drafts):
    print("verify", len(drafts))
    warnings.warn("an engine's own warning", stacklevel=1)
    return rrs(p, q, drafts)


@right("code", "numpy integers and a tensor as the token")
def odd_integers(p, q, drafts):
    y, slot = rrs(p, q, drafts)
    return torch.tensor(y), np.int64(slot)


@right("code", "a lock and a thread-local buffer")
class Locked:
    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, p, q, drafts):
        with self.lock:
            return rrs(p, q, drafts)


class Methods:
    @staticmethod
    def verify(p, q, drafts):
        return rrs(p, q, drafts)


right("code", "a static method of a class", name="Methods.verify")(Methods.verify)


@right("code", "heavy modules are loaded at the first call")
def loads_late(p, q, drafts):
    import scipy.stats  # noqa: F401

    return rrs(p, q, drafts)
