"""FlashInfer's chain kernel: dense rows, Philox inside. CUDA only; not run on a GPU yet.

sampling.chain_speculative_sampling(draft_probs [b, n, V], draft_token_ids [b, n], target_probs [b, n + 1, V], ...,
    generator, seed, offset) -> (ids [b, n + 1] padded -1, accepted [b], emitted [b])
"""

from collections.abc import Callable
from typing import Any

import torch

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.adapters.installed import require
from spechub_lp.gate.protocols import Emitted, TreeBatch


class FlashInferChain:
    """The released function under the seeded protocol.

    Parameters
    ----------
    function
        Of the signature above.
    device
        Where its tensors are.

    Examples
    --------
    >>> from spechub_lp.gate.problems.tree import TreeProblem
    >>> def likeliest(draft_probs, draft_token_ids, target_probs, *, seed, offset):  # accepts nothing
    ...     first = target_probs[:, :1].argmax(dim=2)
    ...     return torch.cat([first, torch.full_like(draft_token_ids, -1)], dim=1), None, None
    >>> FlashInferChain(likeliest, "cpu")(TreeProblem("chain", 4, (1,)).batch([0, 1]), seed=0, offset=0).n
    tensor([1, 1])
    """

    protocol = "seeded"
    branchings = [(1,), (1, 1)]
    note = "this adapter was written to the released signature and has not run on a GPU yet"

    def __init__(self, function: Callable[..., Any], device: str = "cuda"):
        self.function, self.device = function, device

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        """Philox advances by 4 numbers a call and row, so consecutive offsets are spread apart."""
        assert batch.q is not None
        to, drafts = self.device, batch.token.shape[1] - 1
        tokens, _, _ = self.function(
            batch.q[:, :drafts].float().contiguous().to(to),
            batch.token[:, 1:].to(torch.int32).contiguous().to(to),
            batch.p.float().contiguous().to(to),
            seed=seed,
            offset=offset * 32,
        )
        tokens = tokens.to(torch.int64).cpu()
        return Emitted(tokens, (tokens != -1).sum(dim=1))


def engine(variant: str = "", drafts: str = "iid", k: int = 1) -> FlashInferChain:
    """Load the installed function.

    Parameters
    ----------
    variant
        There is none; it is not looked at.
    drafts
        The draft policy by name, which the function does not ask for.
    k
        Number of siblings; a chain has one.

    Returns
    -------
    FlashInferChain
        The function as an engine.

    Raises
    ------
    MissingPackage
        FlashInfer is not installed.
    SpecHubError
        There is no CUDA device.
    """
    module = require("flashinfer.sampling", "flashinfer-python", "the gate adapter of FlashInfer")
    if not torch.cuda.is_available():
        raise SpecHubError("FlashInfer's chain kernel needs a CUDA device")
    return FlashInferChain(module.chain_speculative_sampling)
