"""Three doors for engines that verify batches of chains or trees, small enough to read in one sitting.

An engine is a callable with an attribute `door`:

    door = "uniform"   engine(batch, noise) -> Emitted      explicit noise; engine.noise(batch) says which
    door = "seeded"    engine(batch, *, seed, offset) -> Emitted      opaque noise of a device
    door = "host"      engine(batch) -> Emitted             noise from torch's, python's or numpy's generators
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from spechub_lp._util.extras import extra

with extra("gate", "the gate"):
    import torch


@dataclass(frozen=True)
class TreeBatch:
    """Draft trees to verify. Node 0 is the root, parents come before children, siblings stand in trial order.

    A chain is a tree in which node n has parent n - 1. Rows that nobody may read are NaN.
    """

    parent: torch.Tensor
    """[B, N] the parent of each node; -1 for the root, and for padding after the last node."""
    token: torch.Tensor
    """[B, N] the drafted token of each node; -1 for the root and for padding."""
    p: torch.Tensor
    """[B, N, V] target distribution after each node, float64."""
    q: torch.Tensor | None
    """[B, N, V] distribution from which the children of each node were drawn (NaN at leaves), or None for drafts
    without one."""
    draft_distribution: str
    """The draft policy of siblings, by name."""
    logits_of_p: torch.Tensor | None = None
    """[B, N, V] float32 with softmax p, where the problem is about logits; `logits` has them or log p."""
    logits_of_q: torch.Tensor | None = None

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
    """What came out of each row."""

    tokens: Any
    """[B, L+1] emitted tokens, padded with -1: accepted drafts, then one more."""
    n: Any
    """[B] how many tokens were emitted, at least 1."""
    node: Any = None
    """[B, L] the accepted nodes, padded with -1, or None."""


@dataclass(frozen=True)
class NoiseSpec:
    """One array of explicit noise that an engine takes."""

    name: str
    shape: tuple[int, ...]
    """Per row, without the batch."""
    kind: str = "uniform"
    """"uniform", or "exponential": independent Exp(1) times that race along the last axis."""
    dtype: torch.dtype = torch.float32
    bits: int = 24
    """uniform: the grid is {0, 2^-bits, .., 1 - 2^-bits}."""
    includes_one: bool = False
    """uniform: whether 1.0 itself occurs (a float64 uniform rounded to float32 does that)."""


class UniformVerifier(Protocol):
    """Explicit noise."""

    door: ClassVar[str] = "uniform"

    def noise(self, batch: TreeBatch) -> tuple[NoiseSpec, ...]:
        """The arrays that one call takes."""

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        """Verify; noise[name] is [B, *shape]."""


class SeededVerifier(Protocol):
    """Opaque device randomness, a function of a seed and an offset."""

    door: ClassVar[str] = "seeded"

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        """Verify."""


class HostVerifier(Protocol):
    """Noise from the host's generators, which the gate controls."""

    door: ClassVar[str] = "host"

    def __call__(self, batch: TreeBatch) -> Emitted:
        """Verify."""
