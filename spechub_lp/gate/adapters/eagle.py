"""EAGLE-style host verification: paths of a tree, python's `random` inside.

    evaluate_posterior(logits [paths, depth + 1, V], candidates [paths, depth + 1], logits_processor)
        -> (best_candidate, accept_length, sample_p)

Column 0 of candidates is the last verified token; shorter paths are padded with -1. The caller draws the last token
from sample_p. AngelSlim's copy, in `angelslim.compressor.speculative.utils.util`, draws it itself and returns it.
"""

from collections.abc import Callable
from typing import Any

import torch

from spechub_lp.errors import UnknownName
from spechub_lp.gate.adapters.installed import load_part, require
from spechub_lp.gate.protocols import Emitted, TreeBatch


def paths(batch: TreeBatch, row: int) -> list[list[int]]:
    """The nodes from the root to each leaf, in the order of the leaves."""
    parents = batch.parent[row].tolist()
    inner = set(parents)
    out = []
    for n in range(1, len(parents)):
        if n in inner or parents[n] < 0:
            continue
        path = [n]
        while path[0] != 0:
            path.insert(0, parents[path[0]])
        out.append(path)
    return out or [[0]]


class Eagle:
    """A function of EAGLE's signature under the host protocol."""

    protocol = "host"
    ragged = True
    takes_logits = True

    def __init__(self, function: Callable[..., Any], k: int = 2, draws_last: bool = False):
        self.function, self.draws_last = function, draws_last
        self.branchings = [(k,), (k, 1)]

    def __call__(self, batch: TreeBatch) -> Emitted:
        emitted = [self._row(batch, b) for b in range(batch.token.shape[0])]
        width = max(map(len, emitted))
        return Emitted(
            torch.tensor([row + [-1] * (width - len(row)) for row in emitted]), torch.tensor([len(r) for r in emitted])
        )

    def _row(self, batch: TreeBatch, b: int) -> list[int]:
        routes = paths(batch, b)
        width = max(map(len, routes))
        candidates = torch.full((len(routes), width), -1)
        logits = torch.full((len(routes), width, batch.p.shape[-1]), torch.nan)
        known = batch.logits()[0]
        for i, route in enumerate(routes):
            candidates[i, : len(route)] = batch.token[b, route]
            logits[i, : len(route)] = known[b, route]
        candidates[:, 0] = 0
        best, length, last = self.function(logits, candidates, lambda ids, scores: scores)
        accepted = candidates[int(best), 1 : int(length) + 1].tolist()
        return [*accepted, int(last if self.draws_last else torch.multinomial(last.reshape(-1), 1))]


def engine(variant: str = "", drafts: str = "top_k", k: int = 2) -> Eagle:
    """The installed `eagle.model.utils.evaluate_posterior`, or AngelSlim's copy for the variant "angelslim".

    Raises:
        MissingPackage: it is not installed. UnknownName: no such variant.
    """
    if variant == "angelslim":
        part = "compressor/speculative/utils/util.py"
        return Eagle(load_part("angelslim", part).evaluate_posterior, k, draws_last=True)
    if variant:
        raise UnknownName("variant of eagle", variant, ["angelslim"])
    return Eagle(require("eagle.model.utils", "eagle-llm", "the gate adapter of EAGLE").evaluate_posterior, k)
