"""Three protocols for engines that verify batches of chains or trees, small enough to read in one sitting.

An engine is a callable with an attribute `protocol`:

    protocol = "uniform"   engine(batch, noise) -> Emitted      explicit noise; engine.noise(batch) says which
    protocol = "seeded"    engine(batch, *, seed, offset) -> Emitted      opaque noise of a device
    protocol = "host"      engine(batch) -> Emitted             noise from torch's, python's or numpy's generators

A callable without that attribute is a plain function on one node, `verify(p, q, drafts) -> (token, slot)`.

More attributes say what an engine is handed and gives:

    arrays = "torch", "numpy" or "jax"              the library of the arrays that it takes; plain functions too
    row_parameters = ("temperature", "seed")        batch.temperature [B] and batch.seed [B]; logits in the place of p
    logprobs = "processed" or "raw"                 Emitted.logprobs are given: of the target, or before the temperature
    branchings, deepest, ragged, slow, takes_logits   shapes and layouts: README.md
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from spechub_lp._util.extras import extra

with extra("gate", "the gate"):
    import torch

from spechub_lp._util import renamed
from spechub_lp.errors import SpecHubError


class ProtocolName(StrEnum):
    """How an engine is called."""

    NODE = "node"
    """A plain function on one node."""
    UNIFORM = "uniform"
    """A batch, and explicit noise."""
    SEEDED = "seeded"
    """A batch, and a seed and an offset of the device's own noise."""
    HOST = "host"
    """A batch; noise comes from the host's generators."""
    PROCESSOR = "processor"
    """A logits processor, called step after step: `spechub_lp.gate.processors.protocol`."""


BATCHES = (ProtocolName.UNIFORM, ProtocolName.SEEDED, ProtocolName.HOST)
"""The protocols of engines that verify batches."""


def protocol_of(engine: Any, name: str = "") -> ProtocolName:
    """Return the protocol of an engine; the attribute's old name `door` still works, with a warning.

    Parameters
    ----------
    engine
        A callable.
    name
        What errors call it.

    Returns
    -------
    ProtocolName
        NODE where the engine names none.

    Raises
    ------
    SpecHubError
        The engine has a protocol that is none of these.

    Examples
    --------
    >>> protocol_of(lambda p, q, drafts: (drafts[0], 0))
    <ProtocolName.NODE: 'node'>
    """
    said = getattr(engine, "protocol", None)
    if said is None and (said := getattr(engine, "door", None)) is not None:
        renamed.warn("an engine's attribute door", "protocol")
    try:
        return ProtocolName.NODE if said is None else ProtocolName(said)
    except ValueError:
        known = ", ".join((*BATCHES, ProtocolName.PROCESSOR))
        raise SpecHubError(f"{name or engine!r} has protocol = {said!r}; it must be one of {known}") from None


class NoiseKind(StrEnum):
    """The distribution of explicit noise."""

    UNIFORM = "uniform"
    """On a grid in [0, 1)."""
    EXPONENTIAL = "exponential"
    """Independent Exp(1) times that race along the last axis."""


class RowParameter(StrEnum):
    """What may differ from row to row of a batch."""

    TEMPERATURE = "temperature"
    """0 for a greedy row."""
    SEED = "seed"
    """Of the row's own noise."""


class Logprobs(StrEnum):
    """Of what the log-probabilities are that an engine reports beside its tokens."""

    PROCESSED = "processed"
    """The target that tokens are drawn from."""
    RAW = "raw"
    """The softmax of the logits before the temperature."""


@dataclass(frozen=True)
class TreeBatch:
    """B draft trees of at most N nodes over V tokens.

    Node 0 is the root, parents come before children, siblings stand in trial order. A chain is a tree in which node n
    has parent n - 1. Rows that nobody may read are NaN.

    Examples
    --------
    >>> p = torch.full((1, 2, 3), 1 / 3, dtype=torch.float64)
    >>> batch = TreeBatch(torch.tensor([[-1, 0]]), torch.tensor([[-1, 2]]), p, p, "iid")  # one draft, token 2
    >>> batch.is_chain
    True
    """

    parent: torch.Tensor
    """[B, N] the parent of each node; -1 for the root, and for padding after the last node."""
    token: torch.Tensor
    """[B, N] the drafted token of each node; -1 for the root and for padding."""
    p: torch.Tensor
    """[B, N, V] target distribution after each node, float64; NaN for an engine that takes temperatures."""
    q: torch.Tensor | None
    """[B, N, V] distribution from which the children of each node were drawn (NaN at leaves), or None for drafts
    without one."""
    draft_distribution: str
    """The draft policy of siblings, by name."""
    logits_of_p: torch.Tensor | None = None
    """[B, N, V] float32 with softmax p, where the problem is about logits; `logits` has them or log p. With
    temperatures, softmax(logits / temperature) is p, and a greedy row's target is its largest logit."""
    logits_of_q: torch.Tensor | None = None
    temperature: torch.Tensor | None = None
    """[B] float32, 0 for a greedy row; None unless the engine takes it."""
    seed: torch.Tensor | None = None
    """[B] int64, -1 for a row without a seed; None unless the engine takes it. The tokens of a row with a seed are a
    function of its inputs, its seed and the call's offset, in whatever company."""

    def logits(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Float32 logits of p and q, -inf where they are 0; known up to a constant in each row."""
        p = self.p.log().float() if self.logits_of_p is None else self.logits_of_p
        if self.q is None:
            return p, None
        return p, self.q.log().float() if self.logits_of_q is None else self.logits_of_q

    @property
    def is_chain(self) -> bool:
        """Whether every node has one child at most."""
        n = self.parent.shape[1]
        straight = torch.arange(n) - 1
        return bool(((self.parent == straight) | (self.token < 0)).all())


@dataclass(frozen=True)
class Emitted:
    """What came out of each of B rows.

    Examples
    --------
    >>> emitted = Emitted(torch.tensor([[3, 1], [2, -1]]), torch.tensor([2, 1]))
    >>> emitted.tokens[0, : emitted.n[0]].tolist()  # draft 3 was accepted, then 1 was drawn
    [3, 1]
    """

    tokens: Any
    """[B, L+1] emitted tokens, L the depth of the tree: accepted drafts, then one more; padded with -1."""
    n: Any
    """[B] how many tokens were emitted, at least 1."""
    node: Any = None
    """[B, L] the accepted nodes, padded with -1, or None."""
    logprobs: Any = None
    """[B, L+1] the log-probability of each emitted token, or None; whatever stands beside padding is not read."""


@dataclass(frozen=True)
class NoiseSpec:
    """One array of explicit noise that an engine takes.

    Examples
    --------
    >>> NoiseSpec("u", (2,)).bits  # two float32 uniforms a row
    24
    """

    name: str
    """Its key in the dictionary that the engine is given."""
    shape: tuple[int, ...]
    """Per row, without the batch."""
    kind: str = "uniform"
    """A `NoiseKind`."""
    dtype: torch.dtype = torch.float32
    bits: int = 24
    """uniform: the grid is {0, 2^-bits, .., 1 - 2^-bits}."""
    includes_one: bool = False
    """uniform: whether 1.0 itself occurs (a float64 uniform rounded to float32 does that)."""
    excludes_zero: bool = False
    """uniform: whether the grid is {2^-bits, .., 1} instead, as of generators that never give 0."""


class UniformVerifier(Protocol):
    """Explicit noise."""

    protocol: ClassVar[str] = ProtocolName.UNIFORM

    def noise(self, batch: TreeBatch) -> tuple[NoiseSpec, ...]:
        """Return what arrays one call takes."""

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        """Verify a batch of B trees; noise[name] is [B, *shape]."""


class SeededVerifier(Protocol):
    """Opaque device randomness, a function of a seed and an offset."""

    protocol: ClassVar[str] = ProtocolName.SEEDED

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        """Verify a batch of B trees."""


class HostVerifier(Protocol):
    """Noise from the host's generators, which the gate controls."""

    protocol: ClassVar[str] = ProtocolName.HOST

    def __call__(self, batch: TreeBatch) -> Emitted:
        """Verify a batch of B trees."""
