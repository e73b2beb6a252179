"""vLLM v1's rejection sampler: a ragged chain, float64 uniforms, and one exponential race a request. Runs interpreted.

    rejection_sample(draft_token_ids [T], num_draft_tokens, max_spec_len, cu_num_draft_tokens [B], draft_probs [T, V] or
        None, target_logits [T, V], bonus_token_ids [B, 1], sampling_metadata, ...) -> [B, max_spec_len + 1], padded -1

The bonus token is drawn by the caller, here with torch.multinomial. On a machine without a GPU only the sampler's file
is loaded from the installed wheel: the modules around it are stubs, and its kernels are launched as they are.
"""

import importlib
import inspect
import logging
import types
from collections.abc import Callable
from typing import Any

import torch

from spechub_lp.errors import UnknownName
from spechub_lp.gate.adapters.installed import load_part, require, without_gpu
from spechub_lp.gate.protocols import Emitted, TreeBatch

FILE = "v1/sample/rejection_sampler.py"


class VLLM1:
    """The released function under the host protocol.

    Parameters
    ----------
    function
        Of the signature above.
    point_mass
        Whether no draft distribution is passed.
    device
        Where its tensors are.

    Examples
    --------
    >>> from spechub_lp.gate.problems.tree import TreeProblem
    >>> def likeliest(ids, counts, most, ends, q, logits, bonus, metadata):  # accepts nothing
    ...     first = logits.reshape(len(counts), most, -1)[:, :1].argmax(dim=2)
    ...     return torch.cat([first, torch.full((len(counts), most), -1)], dim=1)
    >>> VLLM1(likeliest)(TreeProblem("chain", 4, (1, 1)).batch([0, 1])).n
    tensor([1, 1])
    """

    protocol = "host"
    branchings = [(1,), (1, 1)]
    takes_logits = True

    def __init__(self, function: Callable[..., Any], point_mass: bool = False, device: str = "cpu"):
        self.function, self.point_mass, self.device = function, point_mass, device
        self.slow = device == "cpu"

    def __call__(self, batch: TreeBatch) -> Emitted:
        """The last logits row of a request is not handed over: its token is the bonus."""
        assert batch.q is not None
        b, nodes, width = batch.p.shape
        drafts, to = nodes - 1, self.device
        ids = batch.token[:, 1:].reshape(-1).to(torch.int32).to(to)
        q = batch.q[:, :drafts].reshape(-1, width).float().contiguous().to(to)
        logits = batch.logits()[0][:, :drafts].reshape(-1, width).contiguous().to(to)
        bonus = torch.multinomial(batch.p[:, drafts], 1).to(torch.int32).to(to)
        ends = (torch.arange(1, b + 1) * drafts).to(torch.int32).to(to)
        metadata = types.SimpleNamespace(
            all_greedy=False, all_random=True, temperature=torch.ones(b, device=to), generators={}
        )
        tokens = self.function(
            ids, [drafts] * b, drafts, ends, None if self.point_mass else q, logits, bonus, metadata
        ).to(torch.int64).cpu()  # fmt: skip
        return Emitted(tokens, (tokens != -1).sum(dim=1))


def engine(variant: str = "", drafts: str = "iid", k: int = 1) -> VLLM1:
    """Load the installed sampler.

    Parameters
    ----------
    variant
        "" or "point_mass", which passes no draft distribution.
    drafts
        The draft policy by name, which the function does not ask for.
    k
        Number of siblings; a chain has one.

    Returns
    -------
    VLLM1
        The sampler as an engine.

    Raises
    ------
    MissingPackage
        vLLM or Triton is not installed.
    UnknownName
        No such variant.
    """
    if variant not in ("", "point_mass"):
        raise UnknownName("variant of vllm_v1", variant, ["point_mass"])
    without_gpu()
    require("triton", "triton", "vLLM's rejection kernels")
    if torch.cuda.is_available():
        module = require("vllm.v1.sample.rejection_sampler", "vllm", "the gate adapter of vLLM")
        return VLLM1(module.rejection_sample, variant == "point_mass", "cuda")
    return VLLM1(load_part("vllm", FILE, known=stubbed()).rejection_sample, variant == "point_mass")


def stubbed() -> dict[str, Any]:
    """Gather what vLLM's kernels import from the modules that are stubs here.

    Returns
    -------
    dict
        Name -> what it stands for.
    """
    return {
        "tl": importlib.import_module("triton.language"),
        "triton": importlib.import_module("triton"),
        "init_logger": logging.getLogger,
        "triton_kernel_dispatcher_with_warmup": _launcher,
        "DispatchSpec": tuple,
    }


def _launcher(kernel: Any, warmup_inputs: Any = None, **_: Any) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """vLLM's dispatcher without its warm-up: the decorated function says the grid and the constants of a launch."""

    def decorate(dispatch: Callable[..., Any]) -> Callable[..., None]:
        def launch(*args: Any, **kwargs: Any) -> None:
            bound = inspect.signature(dispatch).bind(*args, **kwargs)
            bound.apply_defaults()
            grid, constants = dispatch(*args, **kwargs)
            names = list(inspect.signature(kernel.fn).parameters)
            given = {n: bound.arguments.get(n, bound.arguments.get(n.removesuffix("_ptr"))) for n in names}
            kernel[grid](**{**given, **constants})

        return launch

    return decorate
