"""Right samplers that the gate must pass: every way to draw the token."""

import bisect
import itertools
import random

import numpy as np
import torch

from power.rules import (
    by_cdf,
    draw,
    found,
    left_over,
    rrs,
    uniform,
)
from power.zoo import right


@right("draw", "inverse CDF in float64")
def inverse_cdf(p, q, drafts):
    return rrs(p, q, drafts, draw=lambda residual: by_cdf(residual, uniform()))


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
    def drawn(residual):
        u = torch.rand_like(residual).clamp(min=1e-300)
        return int((residual.log() - (-u.log()).log()).argmax())

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
    return rrs(p, q, drafts, draw=lambda residual: int((residual / torch.empty_like(residual).exponential_()).argmax()))


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
    if uniform() * q[x] < p[x]:
        return x, 0
    while True:
        y = draw(p)
        if uniform() * p[y] < p[y] - q[y]:
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
    residual = p.clone()
    for j, x in enumerate(drafts):
        if torch.bernoulli((residual[x] / q[x]).clamp(max=1)):
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


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
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform().log() < residual[x].log() - q[x].log():
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


@right("draw", "float32 all through")
def in_float32(p, q, drafts):
    return rrs(p.float(), q.float(), drafts, uniform=lambda: torch.rand(()))
