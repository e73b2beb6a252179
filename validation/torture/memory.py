"""Repeated calls with new rows: resident memory stays where it was after the first calls."""

import gc
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spechub_lp import cut, distributions, draw, optimum, samplers, sampling_torch
from spechub_lp.errors import SpecHubError
from validation.torture import Checks, Doing, brute

SECONDS, MEMORY = 400, 6 << 30
WIDE = 50_000
WARM, MORE = 80, 200
"""More calls before the first measurement than any small cache has entries."""
ARRAYS = 0.15
"""Rows of float64 that a call may keep, on average: one in every call would be seen."""


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    dice = np.random.default_rng(seed)
    what, call, size = _pick(rng, dice)
    yield Doing(what)
    for _ in range(WARM):
        call()
    before = _resident()
    for _ in range(MORE):
        call()
    grown = _resident() - before
    allowed = max(20e6, ARRAYS * MORE * 8 * size)
    yield (
        None
        if grown <= allowed
        else f"{what}: {grown / 1e6:.0f} MB more after {MORE} calls, {grown / MORE:,.0f} bytes a call"
    )


def _resident() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096.0


def _pick(rng: random.Random, dice: np.random.Generator) -> tuple[str, Callable[[], Any], int]:
    turn = rng.random()
    if turn < 0.2:
        policy = rng.choice(("iid", "without_replacement", "hub", "greedy", "top_k"))
        sort = rng.random() < 0.5
        return f"cut, {policy}, sort = {sort}", lambda: cut(_row(dice), _row(dice), 2, policy, sort=sort), WIDE
    if turn < 0.35:
        policy = rng.choice(brute.POLICIES[:5])

        def solve() -> Any:
            p, q = brute.random_distribution(rng, 8), brute.random_distribution(rng, 8)
            found = optimum(p, q, 2, policy)
            return found.coupling, found.certificate()

        return f"optimum, {policy}, V = 8", solve, 20_000
    if turn < 0.4:
        return (
            "distributions.from_logits",
            lambda: distributions.from_logits(dice.normal(size=WIDE), 0.7, 50, 0.9),
            WIDE,
        )
    sampler = _sampler(rng)
    same = (_row(dice), _row(dice)) if rng.random() < 0.4 else None
    name = f"{sampler.name} with {sampler.k} drafts, {'the same row' if same else 'new rows'}"
    library = rng.choice((np.asarray, torch.asarray))
    face = sampling_torch.draw if library is torch.asarray and rng.random() < 0.5 else draw
    if rng.random() < 0.25:
        return (
            f"acceptance of {name}",
            lambda: sampler.acceptance(*(a[None] for a in same or (_row(dice), _row(dice)))),
            WIDE,
        )

    def once() -> Any:
        p, q = same or (_row(dice), _row(dice))
        return face(sampler, library(p), library(q), library(dice.random((1, sampler.k + 1))))

    return f"draw of {name}, {library.__module__}", once, WIDE


def _sampler(rng: random.Random) -> Any:
    while True:
        name = rng.choice(
            [s.name for s in (*samplers.ALL, *samplers.VARIANTS) if s.name not in ("two_step", "lp_table")]
        )
        try:
            return samplers.by_name(name, rng.choice((1, 2, 2, 3)))
        except SpecHubError:
            continue


def _row(dice: np.random.Generator) -> np.ndarray:
    row: np.ndarray = np.exp(3 * dice.normal(size=WIDE))
    return np.asarray(row / row.sum())
