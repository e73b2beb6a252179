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
    """List the nodes from the root to each leaf, in the order of the leaves.

    Parameters
    ----------
    batch
        Of trees.
    row
        Which of them.

    Returns
    -------
    list of list of int
        The nodes of each path without the root; [[0]] for a tree of the root alone.

    Examples
    --------
    >>> from spechub_lp.gate.problems.tree import TreeProblem
    >>> paths(TreeProblem("tree", 4, (2, 1)).batch([0]), 0)
    [[0, 1, 3], [0, 2, 4]]
    """
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
    """A function of EAGLE's signature under the host protocol.

    Parameters
    ----------
    function
        Called as function(logits, candidates, logits_processor).
    k
        Siblings of the root of the trees that it is given.
    draws_last
        Whether it returns the last token instead of that token's distribution.

    Examples
    --------
    >>> from spechub_lp.gate.problems.tree import TreeProblem
    >>> def draws_from_p(logits, candidates, logits_processor):  # right, and accepts nothing on purpose
    ...     return 0, 0, logits[0, 0].softmax(dim=0)
    >>> Eagle(draws_from_p)(TreeProblem("tree", 4, (2,)).batch([0, 1])).n
    tensor([1, 1])
    """

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
    """Load the installed `eagle.model.utils.evaluate_posterior`, or AngelSlim's copy of it.

    Parameters
    ----------
    variant
        "" or "angelslim".
    drafts
        The draft policy by name, which the function does not ask for.
    k
        Siblings of the root.

    Returns
    -------
    Eagle
        The function as an engine.

    Raises
    ------
    MissingPackage
        It is not installed.
    UnknownName
        No such variant.
    """
    if variant == "angelslim":
        part = "compressor/speculative/utils/util.py"
        return Eagle(load_part("angelslim", part).evaluate_posterior, k, draws_last=True)
    if variant:
        raise UnknownName("variant of eagle", variant, ["angelslim"])
    return Eagle(require("eagle.model.utils", "eagle-llm", "the gate adapter of EAGLE").evaluate_posterior, k)
