"""SGLang's Triton chain kernel: explicit float32 uniforms, outputs written into buffers. Runs interpreted on a CPU.

    chain_speculative_sampling_triton(predicts, accept_index, accept_token_num, candidates [b, D], retrive_index [b, D],
        retrive_next_token, retrive_next_sibling, uniform_samples [b, D], uniform_samples_for_final_sampling [b],
        target_probs [b, D, V], draft_probs [b, D - 1, V], threshold_single, threshold_acc, deterministic, *,
        block_verification)

Slot 0 of a row is the last verified token, slot s the s-th draft. `predicts` is flat; the token after slot s of row b
stands at index b D + s.
"""

from collections.abc import Callable
from typing import Any

import torch

from spechub_lp.errors import UnknownName
from spechub_lp.gate.adapters.installed import file_of, load_file, require, without_gpu
from spechub_lp.gate.protocols import Emitted, NoiseSpec, TreeBatch

FILES = ("kernels/ops/speculative/reject_sampling.py", "srt/speculative/reject_sampling.py")
UNUSED = -7


class SGLangChain:
    """The released kernel under the protocol of explicit noise; `slow`: the interpreter takes about 20 ms a row.

    Parameters
    ----------
    function
        Of the signature above.
    block
        Whether it is asked for block verification.
    device
        Where its tensors are.

    Examples
    --------
    >>> from spechub_lp.gate.problems.tree import TreeProblem
    >>> engine = SGLangChain(print)
    >>> [spec.shape for spec in engine.noise(TreeProblem("chain", 4, (1, 1)).batch([0]))]
    [(2,), ()]
    """

    protocol = "uniform"
    branchings = [(1,), (1, 1)]
    slow = True

    def __init__(self, function: Callable[..., Any], block: bool = False, device: str = "cpu"):
        self.function, self.block, self.device = function, block, device
        self.slow = device == "cpu"

    def noise(self, batch: TreeBatch) -> tuple[NoiseSpec, ...]:
        """A uniform for each draft and one for the last token, on the grid of torch.rand."""
        drafts = batch.token.shape[1] - 1
        return NoiseSpec("uniform_samples", (drafts,)), NoiseSpec("uniform_samples_for_final_sampling", ())

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        """The uniform of slot s tests draft s + 1; the last column is never read and holds NaN."""
        assert batch.q is not None
        b, slots = batch.token.shape
        to = self.device
        predicts = torch.full((b * slots,), UNUSED, dtype=torch.int32, device=to)
        accept_index = torch.full((b, slots), UNUSED, dtype=torch.int32, device=to)
        accepted = torch.full((b,), UNUSED, dtype=torch.int32, device=to)
        index = torch.arange(b * slots, dtype=torch.int64, device=to).reshape(b, slots)
        candidates = batch.token.clone().to(to)
        candidates[:, 0] = 0
        uniforms = torch.full((b, slots), torch.nan, dtype=torch.float32, device=to)
        uniforms[:, : slots - 1] = noise["uniform_samples"]
        self.function(
            predicts, accept_index, accepted, candidates, index, None, None, uniforms,
            noise["uniform_samples_for_final_sampling"].to(to),
            batch.p.float().to(to), batch.q[:, : slots - 1].float().contiguous().to(to),
            1.0, 1.0, True, block_verification=self.block,
        )  # fmt: skip
        count = accepted.to(torch.int64).cpu()
        tokens = predicts.reshape(b, slots).to(torch.int64).cpu()
        tokens[torch.arange(slots)[None, :] > count[:, None]] = -1
        return Emitted(tokens, count + 1)


def engine(variant: str = "", drafts: str = "iid", k: int = 1) -> SGLangChain:
    """Load the installed kernel.

    Parameters
    ----------
    variant
        "" or "block", which asks for block verification.
    drafts
        The draft policy by name, which the function does not ask for.
    k
        Number of siblings; a chain has one.

    Returns
    -------
    SGLangChain
        The kernel as an engine.

    Raises
    ------
    MissingPackage
        SGLang or Triton is not installed.
    UnknownName
        No such variant.
    """
    if variant not in ("", "block"):
        raise UnknownName("variant of sglang_chain", variant, ["block"])
    without_gpu()
    path = file_of("sglang", *FILES)
    require("triton", "triton", "SGLang's chain kernel")
    module = load_file(path, "spechub_gate_sglang_chain")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return SGLangChain(module.chain_speculative_sampling_triton, variant == "block", device)
