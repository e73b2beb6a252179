"""SGLang's block-wise rejection for DSpark chains: its torch twin, which SGLang runs for tensors on a CPU.

    blockwise_rejection_torch(*, candidates [b, D], target_logits [b D, V], draft_logits [b, D - 1, V] or None,
        target_temperatures [b], draft_temperatures [b], noise, cutoff_verify_lens=None)
        -> (accepted [b], bonus [b], trimmed [b])

Slot 0 of a row is the last verified token. The noise is a generator seeded with a key and a counter that each call
advances: a uniform for each draft, then for every token a uniform u whose -log(-log u) is Gumbel noise.
"""

from collections.abc import Callable
from typing import Any

import torch

from spechub_lp.errors import UnknownName
from spechub_lp.gate.adapters.installed import load_part, require, without_gpu
from spechub_lp.gate.protocols import Emitted, TreeBatch

FOLDER = "kernels/ops/speculative/dspark"
VARIANTS = ("own_noise", "point_mass")


class DSpark:
    """The released function under the host protocol.

    Gumbel noise made by hand cannot be enumerated, so the uniforms behind it are exp(-t) with the times t of an
    exponential race, which is the same distribution; variant "own_noise" leaves them as they are, and draws decide.

    Parameters
    ----------
    function
        Of the signature above.
    noise
        Makes the noise of a key and a counter.
    variant
        "point_mass" passes no draft logits.

    Examples
    --------
    >>> DSpark(print, lambda key, counter: None, "point_mass").point_mass
    True
    """

    protocol = "host"
    branchings = [(1,), (1, 1)]
    takes_logits = True

    def __init__(self, function: Callable[..., Any], noise: Callable[..., Any], variant: str = ""):
        self.function, self.point_mass = function, variant == "point_mass"
        self.noise = noise(key=3, counter=torch.zeros(1, dtype=torch.int64))

    def __call__(self, batch: TreeBatch) -> Emitted:
        """Verify rows at temperature 1."""
        logits, drafted = batch.logits()
        assert drafted is not None
        b, slots, width = batch.p.shape
        candidates = batch.token.clone()
        candidates[:, 0] = 0
        accepted, bonus, trimmed = self.function(
            candidates=candidates,
            target_logits=logits.reshape(b * slots, width).contiguous(),
            draft_logits=None if self.point_mass else drafted[:, : slots - 1].contiguous(),
            target_temperatures=torch.ones(b), draft_temperatures=torch.ones(b), noise=self.noise,
        )  # fmt: skip
        if trimmed.any():
            raise ValueError(f"no row has a cap, and {trimmed.tolist()} drafts were trimmed")
        n = accepted.long()
        tokens = torch.cat([candidates[:, 1:], torch.full((b, 1), -1)], dim=1)
        tokens[torch.arange(slots)[None, :] >= n[:, None]] = -1
        return Emitted(tokens.scatter(1, n[:, None], bonus[:, None]), n + 1)


class Racing:
    """torch for one module: of the two `rand` of a call, the second is exp(-t) with Exp(1) times t.

    Examples
    --------
    >>> racing = Racing()
    >>> racing.rand((2, 3)).dtype, racing.rand((2, 3)).dtype
    (torch.float32, torch.float64)
    """

    def __init__(self) -> None:
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def rand(self, shape: Any, generator: Any = None, device: Any = None) -> torch.Tensor:
        """Draw uniforms [*shape], every second time by way of exponential times."""
        self.calls += 1
        if self.calls % 2:
            return torch.rand(shape, generator=generator, device=device)
        return (-torch.empty(shape, dtype=torch.float64).exponential_(generator=generator)).exp()


def engine(variant: str = "", drafts: str = "iid", k: int = 1) -> DSpark:
    """Load the installed function.

    Parameters
    ----------
    variant
        "", "own_noise", which leaves its uniforms as they are, or "point_mass", which passes no draft logits.
    drafts
        The draft policy by name, which the function does not ask for.
    k
        Number of siblings; a chain has one.

    Returns
    -------
    DSpark
        The function as an engine.

    Raises
    ------
    MissingPackage
        SGLang, Triton or msgspec is not installed.
    UnknownName
        No such variant.
    """
    if variant not in ("", *VARIANTS):
        raise UnknownName("variant of sglang_dspark", variant, VARIANTS)
    without_gpu()
    require("triton", "triton", "SGLang's block-wise rejection")
    require("msgspec", "msgspec", "SGLang's block-wise rejection")
    module: Any = load_part("sglang", f"{FOLDER}/dispatch.py", f"{FOLDER}/blockwise_rejection.py")
    if variant != "own_noise":
        module.torch = Racing()
    return DSpark(module.blockwise_rejection_torch, module.RejectionNoise, variant)
