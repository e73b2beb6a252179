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
    """The released function under the seeded protocol."""

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
    """The installed function. Raises MissingPackage, or SpecHubError without a CUDA device."""
    module = require("flashinfer.sampling", "flashinfer-python", "the gate adapter of FlashInfer")
    if not torch.cuda.is_available():
        raise SpecHubError("FlashInfer's chain kernel needs a CUDA device")
    return FlashInferChain(module.chain_speculative_sampling)
