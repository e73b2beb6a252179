"""vLLM's second model runner: a ragged chain whose noise is a function of (seed, position). Runs interpreted.

    rejection_sample(target_logits [num_logits, V], draft_logits [max_num_reqs, steps, V] or None,
        draft_sampled [num_logits], cu_num_logits [num_reqs + 1], pos [num_logits], idx_mapping [num_reqs],
        expanded_idx_mapping [num_logits], expanded_local_pos [num_logits], temperature [max_num_reqs],
        seed [max_num_reqs], num_speculative_steps, ..., use_block_verification)
        -> (sampled [num_reqs, steps + 1], num_sampled [num_reqs])

A request with d drafts has d + 1 rows of logits; the draft that row i tests stands at place i + 1 of its part of
`draft_sampled`, whose place 0 is the last verified token. `draft_logits`, `temperature` and `seed` are indexed by the
slot of the request, which `idx_mapping` gives. What stands in `sampled` after num_sampled tokens is left over.

On a machine without a GPU only the sampler's files are loaded from the installed wheel, its kernels are interpreted,
and their noise is explicit: the two functions that make it from (seed, position, token) read given numbers instead.
"""

import importlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from spechub_lp.errors import UnknownName
from spechub_lp.gate.adapters.installed import load_part, require, without_gpu
from spechub_lp.gate.adapters.vllm_v1 import stubbed
from spechub_lp.gate.protocols import Emitted, NoiseKind, NoiseSpec, TreeBatch

VARIANTS = ("block", "point_mass")
SMALLEST = 4.6566127342e-10
"""The released kernel's least uniform."""
FILES = ("v1/worker/gpu/sample/gumbel.py", "v1/worker/gpu/spec_decode/rejection_sampler_utils.py")


class VLLM2:
    """The released function under the seeded protocol.

    Parameters
    ----------
    function
        Of the signature above.
    variant
        "block" verifies by the block, "point_mass" passes no draft logits.
    device
        Where its tensors are.

    Examples
    --------
    >>> VLLM2(print, "block", "cpu").slow
    True
    """

    protocol = "seeded"
    branchings = [(1,), (1, 1)]
    ragged = True
    takes_logits = True

    def __init__(self, function: Callable[..., Any], variant: str = "", device: str = "cuda"):
        self.function, self.variant, self.device = function, variant, device
        self.slow = device == "cpu"

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


class VLLM2Explicit:
    """The released kernels, interpreted, under the protocol of explicit noise.

    `tl.rand` of (seed, position) is replaced by a given uniform, and the uniform behind the Gumbel noise by the time of
    an exponential race, whose negative logarithm that noise is. Whether the released noise is random and independent is
    not tested.

    Parameters
    ----------
    module
        The released file, whose functions for noise are replaced.
    variant
        "block" verifies by the block, "point_mass" passes no draft logits.
    """

    protocol = "uniform"
    branchings = [(1,), (1, 1)]
    ragged = True
    takes_logits = True
    slow = True
    note = "its noise is explicit here: (seed, position) to noise is not part of what is tested"

    def __init__(self, module: Any, variant: str = ""):
        self.released = VLLM2(module.rejection_sample, variant, "cpu")
        self.given: dict[str, torch.Tensor] = {}
        module.tl_rand32 = self._uniform
        gumbel = module.gumbel_block_argmax.fn.__globals__
        gumbel["murmur3_uniform32"] = self._time
        gumbel["_log1p_neg_stable"] = lambda time: -time

    def noise(self, batch: TreeBatch) -> tuple[NoiseSpec, ...]:
        """A uniform for each draft, and a race of all tokens for the last one."""
        return (
            NoiseSpec("uniform", (batch.token.shape[1] - 1,), bits=32),
            NoiseSpec("race", (batch.p.shape[-1],), kind=NoiseKind.EXPONENTIAL),
        )

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        """Seed 0 and offset 0: the low half of a seed is the row, and the position is the draft."""
        self.given = noise
        return self.released(batch, seed=0, offset=0)

    def _uniform(self, seed: Any, position: Any, includes_zero: Any) -> Any:
        row, draft = (int(np.ravel(x.handle.data)[0]) for x in (seed, position))
        u = max(float(self.given["uniform"][row & 0xFFFFFFFF, draft]), SMALLEST)
        return _tensor(np.asarray([u], dtype=np.float32), position)

    def _time(self, seed: Any, position: Any, token: Any) -> Any:
        row = int(np.ravel(seed.handle.data)[0]) & 0xFFFFFFFF
        race = self.given["race"][row].numpy().astype(np.float32)
        return _tensor(race[np.minimum(token.handle.data, len(race) - 1)], token)


def _tensor(data: np.ndarray, like: Any) -> Any:
    """A float32 tensor of Triton's interpreter, of the shape of another."""
    language = importlib.import_module("triton.language")
    handle = importlib.import_module("triton.runtime.interpreter").TensorHandle(data, language.float32)
    kind = language.block_type(language.float32, like.shape) if like.type.is_block() else language.float32
    return language.tensor(handle, kind)


def engine(variant: str = "", drafts: str = "iid", k: int = 1) -> "VLLM2 | VLLM2Explicit":
    """Load the installed function.

    Parameters
    ----------
    variant
        "", "block", which verifies by the block, or "point_mass", which passes no draft distribution.
    drafts
        The draft policy by name, which the function does not ask for.
    k
        Number of siblings; a chain has one.

    Returns
    -------
    VLLM2 or VLLM2Explicit
        The function as an engine; with explicit noise on a machine without a GPU.

    Raises
    ------
    MissingPackage
        vLLM or Triton is not installed.
    UnknownName
        No such variant.
    """
    if variant not in ("", *VARIANTS):
        raise UnknownName("variant of vllm_v2", variant, VARIANTS)
    without_gpu()
    require("triton", "triton", "vLLM's rejection kernels")
    if torch.cuda.is_available():
        name = "vllm.v1.worker.gpu.spec_decode.rejection_sampler_utils"
        return VLLM2(require(name, "vllm", "the gate adapter of vLLM").rejection_sample, variant)
    known = stubbed() | {"tldevice": types.SimpleNamespace(log1p=log1p)}
    return VLLM2Explicit(load_part("vllm", *FILES, known=known), variant)


def log1p(x: Any) -> Any:
    """Compute libdevice's log1p, which Triton's interpreter does not have.

    Parameters
    ----------
    x
        A tensor of the interpreter, of any shape.

    Returns
    -------
    Any
        log(1 + x), of the same shape.
    """
    handle = importlib.import_module("triton.runtime.interpreter").TensorHandle
    tensor = importlib.import_module("triton.language").tensor
    with np.errstate(divide="ignore"):
        return tensor(handle(np.log1p(x.handle.data), x.handle.dtype), x.type)
