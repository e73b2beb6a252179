"""Captured rows in the shapes that the gate checks: trees on top tokens, rows and trees at full vocabulary."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spechub_lp._util import objects
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.problems.node import Problem, check_distributions
from spechub_lp.gate.problems.tree import Context, TreeProblem
from spechub_lp.gate.protocols import TreeBatch
from spechub_lp.optimum.full_vocabulary import cut
from spechub_lp.typing import Array, NumpyArray


@dataclass(frozen=True, eq=False)
class WideRow(Problem):
    """One captured row at full vocabulary; a case names it instead of holding its numbers."""

    p: Any
    """[V] float32."""
    q: Any
    """[V] float32, or [k, V] for product drafts."""
    source: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Where the row is, as JSON."""
        return wide_document([self])

    @cached_property
    def optimum(self) -> float:
        """The acceptance that no lossless rule exceeds, rounding included; 1 where no cut is known (product drafts)."""
        return best_acceptance(self.p, self.q, self.k, self.drafts)


def wide_document(rows: Sequence[Any]) -> dict[str, Any]:
    """A case on these rows (WideRow or WideTree)."""
    first = rows[0]
    return {
        "name": first.name if len(rows) == 1 else f"{len(rows)} rows of {Path(first.source['path']).stem}",
        "captured": {"path": first.source["path"], "rows": [r.source["row"] for r in rows]},
        "drafts": objects.address(first.drafts),
        "k": first.branching[0] if isinstance(first, TreeProblem) else first.k,
        "vocabulary": first.vocabulary,
        **({"branching": first.branching} if isinstance(first, TreeProblem) and len(rows) == 1 else {}),
    }


def best_acceptance(p: Array, q: Array, k: int, policy: DraftPolicy) -> float:
    if policy.different_drafters:
        return 1.0
    found = cut(as_distribution(p), as_distribution(q), k, policy)
    return min(1.0, float(found.alpha[0] + found.error[0]))


def as_distribution(row: Array | Sequence[Any]) -> NumpyArray:
    distribution = np.asarray(row, dtype=np.float64)
    found: NumpyArray = distribution / distribution.sum(axis=-1, keepdims=True)
    return found


@dataclass(frozen=True)
class CapturedTree(TreeProblem):
    """A tree whose distributions are captured rows on their top tokens."""

    rows: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()
    """(p, q) of each position of the pool; place 0 is the root's."""

    def document(self) -> dict[str, Any]:
        """The problem as JSON, rows and all."""
        return {**super().document(), "rows": self.rows}

    @classmethod
    def read(cls, document: dict[str, Any]) -> "CapturedTree":
        """The inverse of `document`. Raises SpecHubError on something else."""
        plain = TreeProblem.read(document)
        try:
            rows = tuple((tuple(map(float, p)), tuple(map(float, q))) for p, q in document["rows"])
        except (KeyError, TypeError, ValueError) as error:
            raise SpecHubError(f"this is not a saved tree of captured rows: {error!r}") from None
        check_distributions([row for pair in rows for row in pair], plain.vocabulary)
        return cls(plain.name, plain.vocabulary, plain.branching, plain.drafts, rows=rows)

    def target(self, context: Context) -> np.ndarray:
        """[V] target distribution after these tokens."""
        return np.asarray(self._rounded[0][self.place(context)])

    def draft(self, context: Context) -> np.ndarray:
        """[V] draft distribution after these tokens."""
        return np.asarray(self._rounded[1][self.place(context)])

    def place(self, context: Context) -> int:
        """Which row of the pool holds after these tokens."""
        place = 0
        for token in context:
            place = (place + 1 + int(self._rank[place, token])) % len(self._rank)
        return place

    @cached_property
    def _rounded(self) -> tuple[NumpyArray, NumpyArray]:
        return as_distribution([p for p, _ in self.rows]), as_distribution([q for _, q in self.rows])

    @cached_property
    def _rank(self) -> Array:
        return _ranks(self._rounded[0])


def _ranks(p: Array) -> Array:
    """[R, V] 0 for the most likely token of each row, 1 for the next, ..."""
    return np.argsort(np.argsort(-p, axis=1, kind="stable"), axis=1, kind="stable")


@dataclass(frozen=True, eq=False)
class WidePool:
    """The rows of one tree's contexts at full vocabulary, as tensors that batches are gathered from."""

    p: torch.Tensor
    """[R, V] float64, each divided by its sum."""
    q: torch.Tensor
    logits: tuple[torch.Tensor, torch.Tensor] | None
    """[R, V] float32 each, for engines that take logits."""
    optimum: float
    """Of the root's drafts."""

    @cached_property
    def step(self) -> Array:
        """[R, V] how far each token leads on in the pool, less one."""
        return np.asarray(_ranks(self.p.numpy()) % len(self.p), dtype=np.int8)


@dataclass(frozen=True, eq=False)
class WideTree(TreeProblem):
    """Drafted trees over one pool. Trees are drawn, not enumerated: `trees` are those of one batch, each used once."""

    pool: Any = None
    """WidePool."""
    drawn: tuple[list[tuple[int, int]], ...] = ()
    source: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Where the rows are, as JSON."""
        return wide_document([self])

    def place(self, context: Context) -> int:
        """Which row of the pool holds after these tokens."""
        place = 0
        for token in context:
            place = (place + 1 + int(self.pool.step[place, token])) % len(self.pool.p)
        return place

    def target(self, context: Context) -> np.ndarray:
        """[V] target distribution after these tokens."""
        return np.asarray(self.pool.p[self.place(context)])

    @cached_property
    def trees(self) -> list[tuple[list[tuple[int, int]], float]]:
        """The trees that were drawn."""
        return [(tree, 1 / len(self.drawn)) for tree in self.drawn]

    @cached_property
    def _all(self) -> TreeBatch:
        parent, token = (torch.tensor([[node[side] for node in tree] for tree in self.drawn]) for side in (0, 1))
        places = torch.tensor([[self.place(c) for c in contexts] for contexts in self.contexts])
        leaves = torch.tensor([len(c) == self.depth for c in self.contexts[0]])
        q = self.pool.q[places]
        q[:, leaves] = torch.nan
        logits = [None, None] if self.pool.logits is None else [a[places] for a in self.pool.logits]
        return TreeBatch(parent, token, self.pool.p[places], q, self.drafts.name, *logits)

    def with_trees(self, draw: Callable[[int, int], Sequence[int]], count: int) -> "WideTree":
        """As many fresh trees. draw(row of the pool, how many) -> the drafts of one node."""
        drawn = []
        for _ in range(count):
            tree: list[tuple[int, int]] = [(-1, -1)]
            level = [(0, 0)]  # (row of the pool, node)
            for width in self.branching:
                below = []
                for place, node in level:
                    for x in draw(place, width):
                        following = (place + 1 + int(self.pool.step[place, x])) % len(self.pool.p)
                        below.append((following, len(tree)))
                        tree.append((node, x))
                level = below
            drawn.append(tree)
        return self.of(drawn)

    def of(self, drawn: Sequence[list[tuple[int, int]]]) -> "WideTree":
        """The same rows under these trees."""
        return WideTree(
            self.name, self.vocabulary, self.branching, self.drafts,
            pool=self.pool, drawn=tuple(drawn), source=self.source,
        )  # fmt: skip
