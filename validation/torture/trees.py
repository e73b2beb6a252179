"""The checker of certificates of trees: what it accepts is held against a linear program of its own, in floats."""

import json
import random
from copy import deepcopy
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import linprog

from spechub_lp import certificate
from spechub_lp.errors import SpecHubError
from validation.torture import Checks, Doing, brute
from validation.torture.mutations import mutate

SECONDS, MEMORY = 60, 1 << 30
MUTANTS = 25
CLOSE = 1e-6
SHAPES: tuple[list[Any], ...] = ([[]], [[[]]], [[], []], [[[]], []], [[], [[]]], [[[], []]])
"""As nested lists, small enough for every filling to be looked at."""

Paths = frozenset[tuple[int, ...]]


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    good = valid(rng)
    yield Doing("the certificate itself")
    yield _judge(good, "unchanged", must=True)
    other = deepcopy(good)
    for entries in (other["coupling"], other["prices"], other["claim"]["model"]):
        rng.shuffle(entries)
    yield _judge(other, "another order", must=True)
    for n in range(MUTANTS):
        mutant, name = mutate(good, rng)
        yield Doing(f"mutant {n}: {name}")
        yield _judge(mutant, name, must=False)


def valid(rng: random.Random) -> Any:
    """A certificate on a random model of two or three tokens."""
    from spechub_lp.trees.optimum import tree_optimum
    from spechub_lp.trees.shape import parse

    shape, size = rng.choice(SHAPES), rng.randint(2, 3)
    rows = {c: brute.random_pair(rng, size) for d in range(3) for c in product(range(size), repeat=d)}
    policy = rng.choice([p for p in brute.POLICIES if p not in ("product", "hub")])
    method = rng.choice(("highs", "simplex"))
    return json.loads(json.dumps(tree_optimum(rows, parse(json.dumps(shape)), policy, method=method).certificate()))


def _judge(document: Any, name: str, must: bool) -> str | None:
    try:
        claim = certificate.check_tree(document)
    except SpecHubError:
        return f"rejected although true: {name}" if must else None
    except RecursionError:
        return None  # an object that Python itself cannot walk
    if claim.drafts not in brute.POLICIES:
        return None  # a table of drafts
    try:
        best = optimum(claim.model, claim.shape, claim.drafts)
    except (KeyError, IndexError, OverflowError, ValueError, TypeError):
        return f"accepted although there is no such tree program: {name}"
    if abs(Fraction(best) - claim.value) > CLOSE:
        return f"accepted although the optimum is {best}: {name}"
    return None


def optimum(model: Any, shape: Any, policy: str) -> float:
    """The tree program, one variable for each set of paths and each of its ends."""
    sets = _filled(model, shape, policy, ())
    ends = [(number, end) for number, paths in enumerate(sets) for end in ((), *sorted(paths))]
    contexts = sorted({end for _, end in ends if end})
    total, rules = np.zeros((len(sets), len(ends))), np.zeros((len(contexts), len(ends)))
    for column, (number, end) in enumerate(ends):
        total[number, column] = 1
        for row, c in enumerate(contexts):
            chance = float(model[c[:-1]][0][c[-1]])
            rules[row, column] = (end[: len(c)] == c) - chance * (end[: len(c) - 1] == c[:-1])
    lengths = [-len(end) for _, end in ends]
    found = linprog(lengths, rules, np.zeros(len(contexts)), total, [float(m) for m in sets.values()])
    if not found.success:
        raise ValueError(found.message)
    return -float(found.fun)


def _filled(model: Any, shape: Any, policy: str, context: tuple[int, ...]) -> dict[Paths, Fraction]:
    """Every set of paths that the shape can be filled with, as contexts, and how likely it is.

    Nothing is drafted below a token with p = 0: no lossless rule goes there, and certificates have no model of it.
    """
    if not shape:
        return {frozenset(): Fraction(1)}
    out: dict[Paths, Fraction] = {}
    p = model[context][0]
    for x, mass in brute.draft_distribution(policy, model[context][1], len(shape)).items():
        below = [
            _filled(model, child if p[y] else (), policy, (*context, y)) for y, child in zip(x, shape, strict=True)
        ]
        for branches in product(*(branch.items() for branch in below)):
            own: set[tuple[int, ...]] = {(*context, y) for y in x}
            paths, share = frozenset(own.union(*(branch for branch, _ in branches))), mass
            for _, part in branches:
                share *= part
            out[paths] = out.get(paths, Fraction(0)) + share
    return out
