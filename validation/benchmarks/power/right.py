"""Right samplers in every style that the gate must pass: rules."""

import bisect
import functools
import itertools
import random
import threading
import time
import warnings

import numpy as np
import torch

from power.rules import (
    by_cdf,
    coin,
    draw,
    found,
    left_over,
    lookup,
    point_mass,
    rrs,
    rrsw,
    target_only,
    with_hub,
)
from power.zoo import right

right("rule", "recursive rejection", name="rrs")(rrs)
right("rule", "recursive rejection for drafts without replacement", name="rrsw", drafts="without_replacement")(rrsw)
right("rule", "the target is drawn from and looked up among the drafts", name="lookup")(lookup)
right("rule", "a sampled draft verified as a point mass", name="point_mass")(point_mass)
right("rule", "target-only", name="target_only")(target_only)


@right("rule", "recursive rejection, one draft", k=1)
def one_draft(p, q, drafts):
    return rrs(p, q, drafts)


@right("rule", "recursive rejection, three drafts", k=3)
def three_drafts(p, q, drafts):
    return rrs(p, q, drafts)


@right("rule", "point mass on top-k drafts", drafts="top_k")
def point_mass_top_k(p, q, drafts):
    return point_mass(p, q, drafts)


@right("rule", "target-only on distinct drafts", drafts="top_k", k=3)
def target_only_top_k(p, q, drafts):
    return target_only(p, q, drafts)


@right("rule", "lookup on greedy drafts", drafts="greedy", k=3)
def lookup_greedy(p, q, drafts):
    return lookup(p, q, drafts)


@right("rule", "lookup on drafts without replacement", drafts="without_replacement", k=3)
def lookup_without_replacement(p, q, drafts):
    return lookup(p, q, drafts)


@right("rule", "SpecHub", drafts="hub")
def spechub(p, q, drafts):
    return with_hub(p, q, drafts, int(q.argmax()))


@right("rule", "recursive rejection on product drafts", drafts="product")
def product(p, q, drafts):
    need = p.clone()
    for j, x in enumerate(drafts):
        if coin() * q[j][x] < need[x]:
            return x, j
        need = left_over(need, q[j])
    return draw(need), -1


@right("rule", "only the first draft is verified, the others are dropped")
def last_drafts_dropped(p, q, drafts):
    return rrs(p, q, drafts[:1])


@right("rule", "iid drafts in a random order")
def shuffled(p, q, drafts):
    order = list(range(len(drafts)))
    random.shuffle(order)
    y, slot = rrs(p, q, [drafts[j] for j in order])
    return y, order[slot] if slot >= 0 else -1


@right("rule", "a cap on the verified drafts that looks at p and q only")
def capped(p, q, drafts):
    return rrs(p, q, drafts[: 1 + int(p.max() < 0.6)])


@right("rule", "drafts are dropped where the top of q is small, whatever was drawn")
def unsure_dropped(p, q, drafts):
    return rrs(p, q, drafts if q.max() > 0.3 else [])


@right("rule", "never accepts, and draws from p")
def no_drafts(p, q, drafts):
    return draw(p), -1


@right("rule", "accepts each draft with half the probability that it may")
def half_hearted(p, q, drafts):
    x = drafts[0]
    if coin() * q[x] < torch.minimum(p, q)[x] / 2:
        return x, 0
    return draw(p - torch.minimum(p, q) / 2), -1


@right("mixture", "a fair coin chooses between two lossless rules")
def mixed(p, q, drafts):
    return rrs(p, q, drafts) if random.random() < 0.5 else lookup(p, q, drafts)


@right("mixture", "two lossless rules in turn")
class InTurn:
    def __init__(self):
        self.n = 0

    def __call__(self, p, q, drafts):
        self.n += 1
        return rrs(p, q, drafts) if self.n % 2 else point_mass(p, q, drafts)


@right("mixture", "a seeded stream chooses between two lossless rules")
class BySeededStream:
    def __init__(self):
        self.choice = random.Random(7)

    def __call__(self, p, q, drafts):
        return rrs(p, q, drafts) if self.choice.random() < 0.3 else lookup(p, q, drafts)


@right("mixture", "a fixed list of choices, round and round")
class ByFixedList:
    def __init__(self):
        self.choices = itertools.cycle([0, 1, 1, 0, 1])

    def __call__(self, p, q, drafts):
        return (rrs, target_only)[next(self.choices)](p, q, drafts)


@right("mixture", "ties broken by a seeded stream: which of two tops of p is looked up first")
class TiesBySeed:
    def __init__(self):
        self.rng = np.random.default_rng(3)

    def __call__(self, p, q, drafts):
        order = torch.from_numpy(self.rng.permutation(len(p)))
        return found(int(order[by_cdf(p[order], coin())]), drafts)


@right("mixture", "wide rows by another lossless rule")
def by_size(p, q, drafts):
    return rrs(p, q, drafts) if len(p) < 12 else point_mass(p, q, drafts)


@right("mixture", "a switch on the residual's mass between two lossless rules")
def by_mass(p, q, drafts):
    return lookup(p, q, drafts) if (p - q).clamp(min=0).sum() < 0.05 else rrs(p, q, drafts)


# -- how the token is drawn ----------------------------------------------------------------------------------------


@right("draw", "inverse CDF in float64")
def inverse_cdf(p, q, drafts):
    return rrs(p, q, drafts, draw=lambda need: by_cdf(need, coin()))


@right("draw", "inverse CDF by bisect on a list")
def by_bisect(p, q, drafts):
    ends = list(itertools.accumulate(p.tolist()))
    return found(min(bisect.bisect_right(ends, random.random() * ends[-1]), len(ends) - 1), drafts)


@right("draw", "subtracts in a loop")
def by_loop(p, q, drafts):
    left = random.random() * float(p.sum())
    for y, w in enumerate(p.tolist()):
        left -= w
        if left < 0:
            return found(y, drafts)
    return found(int(p.nonzero()[-1]), drafts)


@right("draw", "searchsorted of numpy")
def by_searchsorted(p, q, drafts):
    ends = np.cumsum(p.numpy())
    return found(int(np.searchsorted(ends / ends[-1], np.random.random(), side="right")), drafts)


@right("draw", "Gumbel noise by hand in torch")
def gumbel(p, q, drafts):
    u = torch.rand(len(p), dtype=torch.float64).clamp(min=1e-300)
    return found(int((p.log() - (-u.log()).log()).argmax()), drafts)


@right("draw", "Gumbel noise by hand after recursive rejection")
def gumbel_residual(p, q, drafts):
    def drawn(need):
        u = torch.rand_like(need).clamp(min=1e-300)
        return int((need.log() - (-u.log()).log()).argmax())

    return rrs(p, q, drafts, draw=drawn)


@right("draw", "Gumbel noise of numpy")
def gumbel_numpy(p, q, drafts):
    with np.errstate(divide="ignore"):
        return found(int((np.log(p.numpy()) + np.random.gumbel(size=len(p))).argmax()), drafts)


@right("draw", "Gumbel noise of torch.distributions")
def gumbel_distribution(p, q, drafts):
    noise = torch.distributions.Gumbel(torch.zeros_like(p), torch.ones_like(p)).sample()
    return found(int((p.log() + noise).argmax()), drafts)


@right("draw", "torch.distributions.Categorical")
def categorical(p, q, drafts):
    return found(int(torch.distributions.Categorical(probs=p).sample()), drafts)


@right("draw", "exponential race")
def race(p, q, drafts):
    return rrs(p, q, drafts, draw=lambda need: int((need / torch.empty_like(need).exponential_()).argmax()))


@right("draw", "exponential race from logarithms")
def race_of_logs(p, q, drafts):
    return found(int((-torch.rand(len(p), dtype=torch.float64).clamp(min=1e-300).log() / p).argmin()), drafts)


@right("draw", "gamma draws, normalized, as a race")
def race_of_gammas(p, q, drafts):
    return found(int((p.numpy() / np.random.standard_gamma(1.0, len(p))).argmax()), drafts)


def alias_table(weights):
    """Vose's tables: (chance to stay, alias)."""
    n = len(weights)
    scaled = [w * n for w in weights]
    stay, alias = [1.0] * n, list(range(n))
    small = [i for i, w in enumerate(scaled) if w < 1]
    large = [i for i, w in enumerate(scaled) if w >= 1]
    while small and large:
        s, g = small.pop(), large.pop()
        stay[s], alias[s] = scaled[s], g
        scaled[g] += scaled[s] - 1
        (small if scaled[g] < 1 else large).append(g)
    for i in small:
        if weights[i] == 0:  # rounding left an impossible token without an alias
            stay[i], alias[i] = 0.0, max(range(n), key=weights.__getitem__)
    return stay, alias


@right("draw", "alias table with one uniform")
def alias_one_uniform(p, q, drafts):
    stay, alias = alias_table(p.tolist())
    u = random.random() * len(stay)
    i = int(u)
    return found(i if u - i < stay[i] else alias[i], drafts)


@right("draw", "alias table with an integer and a uniform")
def alias_two(p, q, drafts):
    stay, alias = alias_table(p.tolist())
    i = random.randrange(len(stay))
    return found(i if random.random() < stay[i] else alias[i], drafts)


@right("draw", "a table kept for every p that was seen")
class AliasKept:
    def __init__(self):
        self.tables = {}

    def __call__(self, p, q, drafts):
        stay, alias = self.tables.setdefault(tuple(p.tolist()), alias_table(p.tolist()))
        i = int(np.random.randint(len(stay)))
        return found(i if np.random.random() < stay[i] else alias[i], drafts)


@right("draw", "rejection loop: uniform tokens until one is kept")
def rejection_loop(p, q, drafts):
    weights, top = p.tolist(), float(p.max())
    while True:
        y = random.randrange(len(weights))
        if random.random() * top < weights[y]:
            return found(y, drafts)


@right("draw", "the residual by rejection: draws of p until one is kept; it never ends on NaN")
def residual_by_rejection(p, q, drafts):
    x = drafts[0]
    if coin() * q[x] < p[x]:
        return x, 0
    while True:
        y = draw(p)
        if coin() * p[y] < p[y] - q[y]:
            return y, -1


@right("draw", "random.choices")
def choices(p, q, drafts):
    return found(random.choices(range(len(p)), weights=p.tolist())[0], drafts)


@right("draw", "np.random.choice")
def choice(p, q, drafts):
    return found(int(np.random.choice(len(p), p=p.numpy() / p.numpy().sum())), drafts)


@right("draw", "np.random.multinomial")
def multinomial(p, q, drafts):
    return found(int(np.random.multinomial(1, p.numpy() / p.numpy().sum()).argmax()), drafts)


@right("draw", "torch.bernoulli for the test")
def bernoulli(p, q, drafts):
    need = p.clone()
    for j, x in enumerate(drafts):
        if torch.bernoulli((need[x] / q[x]).clamp(max=1)):
            return x, j
        need = left_over(need, q)
    return draw(need), -1


@right("draw", "one Bernoulli for every token in turn")
def sticks(p, q, drafts):
    left = 1.0
    for y, w in enumerate(p.tolist()):
        if w > 0 and random.random() * left < w:
            return found(y, drafts)
        left -= w
    return found(int(p.argmax()), drafts)


@right("draw", "log u < log p - log q in float64")
def in_logs(p, q, drafts):
    need = p.clone()
    for j, x in enumerate(drafts):
        if coin().log() < need[x].log() - q[x].log():
            return x, j
        need = left_over(need, q)
    return draw(need), -1


@right("draw", "float32 all through")
def in_float32(p, q, drafts):
    return rrs(p.float(), q.float(), drafts, coin=lambda: torch.rand(()))


# -- how the code is written ---------------------------------------------------------------------------------------


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
        return (x, 0) if coin() * q[x] < p[x] else (draw(self.kept[key]), -1)


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
    return (x, 0) if coin() * q[x] < p[x] else (draw(rest), -1)


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
