"""vLLM's second model runner: a ragged chain whose noise is a function of (seed, position). Not run on a GPU yet.

    rejection_sample(target_logits [num_logits, V], draft_logits [max_num_reqs, steps, V] or None,
        draft_sampled [num_logits], cu_num_logits [num_reqs + 1], pos [num_logits], idx_mapping [num_reqs],
        expanded_idx_mapping [num_logits], expanded_local_pos [num_logits], temperature [max_num_reqs],
        seed [max_num_reqs], num_speculative_steps, ..., use_block_verification)
        -> (sampled [num_reqs, steps + 1], num_sampled [num_reqs])

A request with d drafts has d + 1 rows of logits; the draft that row i tests stands at place i + 1 of its part of
`draft_sampled`, whose place 0 is the last verified token. `draft_logits`, `temperature` and `seed` are indexed by the
slot of the request, which `idx_mapping` gives. What stands in `sampled` after num_sampled tokens is left over.
"""

from collections.abc import Callable
from typing import Any

import torch

from spechub_lp.errors import SpecHubError, UnknownName
from spechub_lp.gate.adapters.installed import require
from spechub_lp.gate.protocols import Emitted, TreeBatch

VARIANTS = ("block", "point_mass")


class VLLM2:
    """The released function under the seeded protocol."""

    protocol = "seeded"
    branchings = [(1,), (1, 1)]
    ragged = True
    takes_logits = True
    note = "this adapter was written to the released signature and has not run on a GPU yet"

    def __init__(self, function: Callable[..., Any], variant: str = "", device: str = "cuda"):
        self.function, self.variant, self.device = function, variant, device

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        """Requests sit in slots in reverse order, with an empty slot of NaN: a row taken for a slot shows."""
        logits, offered = batch.logits()
        assert offered is not None
        b, nodes, width = batch.p.shape
        to, steps = self.device, nodes - 1
        slot = torch.arange(b, 0, -1, dtype=torch.int32)
        draft_logits = torch.full((b + 1, steps, width), torch.nan)
        draft_logits[slot.long()] = offered[:, :steps]
        seeds = torch.full((b + 1,), -1, dtype=torch.int64)
        seeds[slot.long()] = seed * 1_000_003 + torch.arange(b)
        there = batch.token >= 0
        there[:, 0] = True
        sizes = there.sum(dim=1)
        local = torch.arange(nodes, dtype=torch.int32).expand(b, nodes)[there]
        tokens, count = self.function(
            logits[there].contiguous().to(to),
            None if self.variant == "point_mass" else draft_logits.to(to),
            batch.token[there].to(to),
            torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)]).to(torch.int32).to(to),
            (offset * nodes + local.long()).to(to),
            slot.to(to), slot.repeat_interleave(sizes).to(to), local.to(to),
            torch.ones(b + 1, device=to), seeds.to(to), steps,
            use_block_verification=self.variant == "block",
        )  # fmt: skip
        tokens, count = tokens.to(torch.int64).cpu(), count.to(torch.int64).cpu()
        tokens[torch.arange(nodes)[None, :] >= count[:, None]] = -1
        return Emitted(tokens, count)


def engine(variant: str = "", drafts: str = "iid", k: int = 1) -> VLLM2:
    """The installed function; "block" verifies by the block, "point_mass" passes no draft distribution.

    Raises:
        MissingPackage, UnknownName, or SpecHubError without a CUDA device.
    """
    if variant not in ("", *VARIANTS):
        raise UnknownName("variant of vllm_v2", variant, VARIANTS)
    name = "vllm.v1.worker.gpu.spec_decode.rejection_sampler_utils"
    module = require(name, "vllm", "the gate adapter of vLLM's second model runner")
    if not torch.cuda.is_available():
        raise SpecHubError("the rejection kernels of vLLM's second model runner need a CUDA device")
    return VLLM2(module.rejection_sample, variant)
