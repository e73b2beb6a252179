"""The protocol of logits processors: called step after step for a batch of unlike requests.

A processor is a callable with

    protocol = "processor"      processor(batch: StepBatch) -> [B, N, V] processed logits, or probabilities
    stages = (...)              what it applies, in its order; by default every `Stage`, in the order of vLLM
    gives = "logits"            or "probs"
    drafts = 0                  the most drafted tokens of a row whose N = drafts + 1 positions come in one call
    prompt_counts = False       whether frequency and presence penalties count the tokens of the prompt too
    arrays = "torch"            or "numpy", "jax"

It may change the logits that it is given, and keep what it likes from step to step: requests have numbers, which stay
with them while their rows move, end and make room for others.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.protocols import ProtocolName

with extra("gate", "the gate"):
    import torch


class Stage(StrEnum):
    """One thing that a processor does to the logits of a position."""

    MASK = "mask"
    """Tokens that are not allowed get probability 0."""
    PENALTIES = "penalties"
    """Repetition (a positive logit is divided, a negative one multiplied), then frequency times the count, then
    presence, for every token that came before."""
    TEMPERATURE = "temperature"
    """Logits are divided by it; with 0 the largest one alone is left."""
    MIN_P = "min_p"
    """Tokens below so much of the likeliest one's probability get 0."""
    TOP_K = "top_k"
    """The k largest logits are left; 0: all."""
    TOP_P = "top_p"
    """The likeliest tokens are left until their probabilities sum to so much."""


class Gives(StrEnum):
    """What a processor returns."""

    LOGITS = "logits"
    PROBS = "probs"


@dataclass(frozen=True)
class StepBatch:
    """B requests at one step, with N positions each: after what is committed, and after each of N - 1 drafted tokens.

    A request with fewer drafted tokens has fewer positions; the logits behind them are NaN, and nothing there is
    allowed.

    Examples
    --------
    >>> from spechub_lp.gate.processors.requests import Requests
    >>> batch = next(Requests("two rows", 5, rows=2, steps=1, drafts=3).steps_of(Kept.of(None))).batch
    >>> batch.logits.shape, batch.drafted.shape
    (torch.Size([2, 4, 5]), torch.Size([2, 3]))
    """

    logits: torch.Tensor
    """[B, N, V] float32."""
    request: torch.Tensor
    """[B] the number of each request; it never comes back once the request has ended."""
    prompt: torch.Tensor
    """[B, P] padded with -1."""
    output: torch.Tensor
    """[B, T] the tokens committed so far, padded with -1."""
    drafted: torch.Tensor
    """[B, N - 1] the drafted tokens after them, padded with -1."""
    allowed: torch.Tensor
    """[B, N, V] bool, the mask at each position."""
    temperature: torch.Tensor
    """[B] float32; 0 for a greedy row."""
    top_k: torch.Tensor
    """[B] int64; 0: all tokens."""
    top_p: torch.Tensor
    """[B] float32; 1: all tokens."""
    min_p: torch.Tensor
    """[B] float32; 0: all tokens."""
    repetition_penalty: torch.Tensor
    """[B] float32; 1: none. Prompt and output count."""
    frequency_penalty: torch.Tensor
    """[B] float32; 0: none."""
    presence_penalty: torch.Tensor
    """[B] float32; 0: none."""


class Processor(Protocol):
    """What is called."""

    protocol: ClassVar[str] = ProtocolName.PROCESSOR

    def __call__(self, batch: StepBatch) -> Any:
        """Return [B, N, V] processed logits or probabilities; rows behind a request's positions are not read."""


@dataclass(frozen=True)
class Kept:
    """What a processor says of itself.

    Examples
    --------
    >>> class Scales:
    ...     protocol, stages, gives = "processor", ("temperature",), "probs"
    >>> kept = Kept.of(Scales())
    >>> kept.stages, kept.gives, kept.drafts
    ((<Stage.TEMPERATURE: 'temperature'>,), <Gives.PROBS: 'probs'>, 0)
    """

    stages: tuple[Stage, ...]
    gives: Gives
    drafts: int
    prompt_counts: bool

    @classmethod
    def of(cls, processor: Any) -> "Kept":
        """Read a processor's attributes. Raises SpecHubError on one that is none of the protocol's."""
        said = getattr(processor, "stages", tuple(Stage))
        try:
            stages = tuple(Stage(stage) for stage in said)
            gives = Gives(getattr(processor, "gives", Gives.LOGITS))
        except ValueError as error:
            known = f"stages are {', '.join(Stage)}; it gives {' or '.join(Gives)}"
            raise SpecHubError(f"the processor's attributes: {error}; {known}") from None
        drafts = getattr(processor, "drafts", 0)
        if len(set(stages)) < len(stages) or not isinstance(drafts, int) or drafts < 0:
            raise SpecHubError("the processor's attributes: a stage stands twice, or drafts is no number from 0 on")
        return cls(stages, gives, drafts, bool(getattr(processor, "prompt_counts", False)))
