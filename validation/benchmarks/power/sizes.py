"""How wrong each wrong function is, and how often: measured by calling it, without the gate."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from power.inputs import drawn, rows
from power.zoo import Entry, everywhere
from spechub_lp.gate.engines.load import load

INPUTS, CALLS, TRIED = 2000, 15_000, 3
"""Inputs that the measure is counted on; calls of one engine; inputs that they go round."""

Row = tuple[torch.Tensor, torch.Tensor]


def reference(seed: int = 0) -> list[Row]:
    """Inputs of the reference distribution."""
    return list(itertools.islice(rows(np.random.default_rng(seed)), INPUTS))


def sizes(entry: Entry, inputs: Sequence[Row]) -> dict[str, Any]:
    """Share of the inputs on which a function is wrong, and a lower bound on its distance there, from draws."""
    rng = np.random.default_rng(1)
    there, count = [], 0
    for p, q in inputs:
        if int((q > 0).sum()) < entry.k:
            continue
        if entry.drafts == "product":
            q = torch.stack([q.roll(j) for j in range(entry.k)])
        x = drawn(q, entry.drafts, entry.k, 1, rng)[0].tolist()
        if entry.on is None or entry.on(p, q, x):
            count += 1
            there.append((p, q))
    figures: dict[str, Any] = {"measure": 1.0 if entry.on in (None, everywhere) else count / len(inputs)}
    there = sorted(there[:100], key=telling)[:TRIED]
    if entry.kind == "memory":
        there += [(p, q.flip(0)) for p, q in there[:2]] + [(p.flip(0), q) for p, q in there[:2]]
    return figures | distance(entry, there, rng) if there else figures


def telling(row: Row) -> float:
    """Smaller where rejections are frequent and tokens few, so that draws show a bias."""
    p, q = row
    return float(torch.minimum(p, q if q.ndim == 1 else q[0]).sum()) + (len(p) > 32) + (len(p) < 3)


def distance(entry: Entry, there: Sequence[Row], rng: np.random.Generator) -> dict[str, float]:
    """Total variation of the outputs from p in the mean over some inputs, visited in turn, as far as draws show it.

    The first half of the calls chooses the tokens that come out too often, the second half says how much too often,
    which is at most the total variation, and 0 in the mean for a right function; `spread` is its standard deviation.
    """
    torch.manual_seed(2)
    engine, calls = load(entry.address), CALLS // len(there)
    counts = torch.zeros(2, len(there), max(len(p) for p, _ in there) + 1, dtype=torch.float64)
    drafts = [drawn(q, entry.drafts, entry.k, calls, rng).tolist() for _, q in there]
    for n in range(calls):
        for i, (p, q) in enumerate(there):
            try:
                y = int(engine(p.clone(), q.clone(), list(drafts[i][n]))[0])
            except (ArithmeticError, LookupError, RuntimeError, ValueError):
                y = -1
            counts[n % 2, i, y if 0 <= y < len(p) else -1] += 1
    shown = []
    for i, (p, _) in enumerate(there):
        too_often = [counts[half, i] / counts[half, i].sum() for half in (0, 1)]
        due = torch.cat([p, p.new_zeros(counts.shape[2] - len(p))])
        shown.append(float((too_often[1] - due)[too_often[0] > due].sum()))
    return {"distance": float(np.mean(shown)), "spread": 0.5 / (calls / 2 * len(there)) ** 0.5}
