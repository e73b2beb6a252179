"""Right samplers that the gate must pass: every lossless rule, and mixtures of them."""

import itertools
import random

import numpy as np
import torch

from power.rules import (
    by_cdf,
    draw,
    found,
    left_over,
    lookup,
    point_mass,
    rrs,
    rrsw,
    target_only,
    uniform,
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
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * q[j][x] < residual[x]:
            return x, j
        residual = left_over(residual, q[j])
    return draw(residual), -1


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
    if uniform() * q[x] < torch.minimum(p, q)[x] / 2:
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
        return found(int(order[by_cdf(p[order], uniform())]), drafts)


@right("mixture", "wide rows by another lossless rule")
def by_size(p, q, drafts):
    return rrs(p, q, drafts) if len(p) < 12 else point_mass(p, q, drafts)


@right("mixture", "a switch on the residual's mass between two lossless rules")
def by_mass(p, q, drafts):
    return lookup(p, q, drafts) if (p - q).clamp(min=0).sum() < 0.05 else rrs(p, q, drafts)
