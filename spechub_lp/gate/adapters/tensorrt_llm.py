"""TensorRT-LLM's dynamic tree: target-only, a tree without its root, Philox inside. CUDA only; not run yet.

    trtllm::verify_dynamic_tree_rejection_out_op(draftTokens [B, N - 1], targetProbs [B, N, V],
        retrieveNextToken [B, N], retrieveNextSibling [B, N], treeValid [B], acceptIndex [B, S], acceptTokenNum [B],
        acceptToken [B, S], S, seed [1], offset [1])

N counts the root and S is the depth of the tree plus one. The token of node n stands at draftTokens[n - 1]. A row has
acceptTokenNum accepted drafts in acceptToken, then one more token; what comes after is 0.
"""

from collections.abc import Callable
from typing import Any

import torch

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.adapters.installed import require
from spechub_lp.gate.adapters.sglang_tree import depth_of, links
from spechub_lp.gate.protocols import Emitted, TreeBatch

UNUSED = -7


class TensorRTTree:
    """The released operator under the seeded protocol.

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
    >>> TensorRTTree(print, k=3).branchings
    [(3,), (3, 1)]
    """

    protocol = "seeded"
    ragged = True
    note = "this adapter was written to the released signature and has not run on a GPU yet"

    def __init__(self, function: Callable[..., Any], k: int = 2, device: str = "cuda"):
        self.function, self.device = function, device
        self.branchings = [(k,), (k, 1)]

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        """A row draws a few numbers from its own Philox sequence, so consecutive offsets are spread apart."""
        b, to, steps = len(batch.token), self.device, depth_of(batch) + 1
        child, sibling = (a.to(torch.int32).to(to) for a in links(batch))
        accept_index = torch.full((b, steps), UNUSED, dtype=torch.int64, device=to)
        accepted = torch.full((b,), UNUSED, dtype=torch.int64, device=to)
        accept_token = torch.full((b, steps), UNUSED, dtype=torch.int64, device=to)
        philox = [torch.tensor([n], dtype=torch.int64, device=to) for n in (seed, offset * 64)]
        self.function(
            batch.token[:, 1:].contiguous().to(to), batch.p.float().contiguous().to(to), child, sibling,
            torch.ones(b, dtype=torch.bool, device=to), accept_index, accepted, accept_token, steps,
            *philox,
        )  # fmt: skip
        count, tokens = accepted.cpu(), accept_token.cpu()
        tokens[torch.arange(steps)[None, :] > count[:, None]] = -1
        return Emitted(tokens, count + 1)


def engine(variant: str = "", drafts: str = "top_k", k: int = 2) -> TensorRTTree:
    """Load the installed operator.

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
    TensorRTTree
        The operator as an engine.

    Raises
    ------
    MissingPackage
        TensorRT-LLM is not installed.
    SpecHubError
        There is no CUDA device, or this release lacks the operator.
    """
    require("tensorrt_llm", "tensorrt-llm", "the gate adapter of TensorRT-LLM")
    if not torch.cuda.is_available():
        raise SpecHubError("TensorRT-LLM's tree kernel needs a CUDA device")
    operator = getattr(torch.ops.trtllm, "verify_dynamic_tree_rejection_out_op", None)
    if operator is None:
        raise SpecHubError("this release of TensorRT-LLM has no verify_dynamic_tree_rejection_out_op")
    return TensorRTTree(operator, k)
