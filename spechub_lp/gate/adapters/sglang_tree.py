"""SGLang's tree kernel: target-only on a first-child / next-sibling tree, float32 uniforms. CUDA only; not run yet.

    tree_speculative_sampling_target_only(predicts, accept_index [b, D], accept_token_num [b], candidates [b, N],
        retrive_index [b, N], retrive_next_token [b, N], retrive_next_sibling [b, N], uniform_samples [b, N],
        uniform_samples_for_final_sampling [b], target_probs [b, N, V], draft_probs, threshold_single, threshold_acc,
        deterministic)

Node 0 is the root and row i holds the target after node i. One uniform serves all siblings of a parent. The output of a
row is predicts[accept_index[row, 0..n]], where n is the number of accepted drafts.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.adapters.installed import require
from spechub_lp.gate.protocols import Emitted, NoiseSpec, TreeBatch
from spechub_lp.trees.shape import children_of

UNUSED = -7


def links(batch: TreeBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the first child and the next sibling of every node.

    Parameters
    ----------
    batch
        Of B trees.

    Returns
    -------
    tuple of torch.Tensor
        First child [B, N] and next sibling [B, N], -1 where there is none.

    Examples
    --------
    >>> from spechub_lp.gate.problems.tree import TreeProblem
    >>> [a.tolist() for a in links(TreeProblem("tree", 4, (2, 1)).batch([0]))]
    [[[1, 3, 4, -1, -1]], [[-1, 2, -1, -1, -1]]]
    """
    child = torch.full_like(batch.parent, -1)
    sibling = torch.full_like(batch.parent, -1)
    for b, parents in enumerate(batch.parent.tolist()):
        for parent, children in enumerate(children_of(parents)):
            if children:
                child[b, parent] = children[0]
            for before, after in pairwise(children):
                sibling[b, before] = after
    return child, sibling


class SGLangTree:
    """The released function under the protocol of explicit noise.

    Parameters
    ----------
    function
        Of the signature above.
    k
        Siblings of the root of the trees that it is given.
    device
        Where its tensors are.

    Examples
    --------
    >>> SGLangTree(print, k=3).branchings
    [(3,), (3, 1)]
    """

    protocol = "uniform"
    ragged = True
    note = "this adapter was written to the released signature and has not run on a GPU yet"

    def __init__(self, function: Callable[..., Any], k: int = 2, device: str = "cuda"):
        self.function, self.device = function, device
        self.branchings = [(k,), (k, 1)]

    def noise(self, batch: TreeBatch) -> tuple[NoiseSpec, ...]:
        """A uniform for each node that may be a parent, and one for the last token."""
        return NoiseSpec("uniform_samples", (batch.token.shape[1],)), NoiseSpec(
            "uniform_samples_for_final_sampling", ()
        )

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        b, nodes = batch.token.shape
        to, width = self.device, batch.p.shape[-1]
        depth = depth_of(batch) + 1
        predicts = torch.full((b * nodes,), UNUSED, dtype=torch.int32, device=to)
        accept_index = torch.full((b, depth), -1, dtype=torch.int32, device=to)
        accepted = torch.full((b,), UNUSED, dtype=torch.int32, device=to)
        index = torch.arange(b * nodes, device=to).reshape(b, nodes)
        child, sibling = (a.to(to) for a in links(batch))
        candidates = batch.token.clone()
        candidates[:, 0] = 0
        self.function(
            predicts, accept_index, accepted, candidates.to(to), index, child, sibling,
            noise["uniform_samples"].to(to), noise["uniform_samples_for_final_sampling"].to(to),
            batch.p.float().to(to), torch.zeros((b, nodes, width), dtype=torch.float32, device=to), 1.0, 1.0, True,
        )  # fmt: skip
        count = accepted.to(torch.int64).cpu()
        at = accept_index.to(torch.int64).cpu()
        tokens = predicts.to(torch.int64).cpu()[at.clamp(min=0)]
        tokens[torch.arange(depth)[None, :] > count[:, None]] = -1
        return Emitted(tokens, count + 1)


def depth_of(batch: TreeBatch) -> int:
    """Measure the longest path from a root, over all rows.

    Parameters
    ----------
    batch
        Of trees.

    Returns
    -------
    int
        The number of drafts on it.

    Examples
    --------
    >>> from spechub_lp.gate.problems.tree import TreeProblem
    >>> depth_of(TreeProblem("tree", 4, (2, 1)).batch([0]))
    2
    """
    deepest = 0
    for row in batch.parent.tolist():
        depths = [0]
        for parent in row[1:]:
            depths.append(depths[parent] + 1 if parent >= 0 else 0)
        deepest = max(deepest, *depths)
    return deepest


def engine(variant: str = "", drafts: str = "top_k", k: int = 2) -> SGLangTree:
    """Load the installed function.

    Parameters
    ----------
    variant
        There is none; it is not looked at.
    drafts
        The draft policy by name, which the function does not ask for.
    k
        Siblings of the root.

    Returns
    -------
    SGLangTree
        The function as an engine.

    Raises
    ------
    MissingPackage
        sgl-kernel is not installed.
    SpecHubError
        There is no CUDA device.
    """
    module = require("sgl_kernel", "sgl-kernel", "the gate adapter of SGLang's tree kernel")
    if not torch.cuda.is_available():
        raise SpecHubError("SGLang's tree kernel needs a CUDA device")
    return SGLangTree(module.tree_speculative_sampling_target_only, k)
