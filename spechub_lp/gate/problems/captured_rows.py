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
    """Hold one captured row at full vocabulary; a case names it instead of holding its numbers.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> source = {"path": "rows.safetensors", "row": {"position": 3, "temperature": 1.0, "sha256": "0"}}
    >>> p, q = (np.array(row, dtype=np.float32) for row in ([0.5, 0.5], [0.75, 0.25]))
    >>> round(WideRow("rows[3]", p, q, 1, IID(), source).optimum, 6)
    0.75
    """

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
    """Return a case on these rows as JSON.

    Parameters
    ----------
    rows
        Of one kind: WideRow or WideTree.

    Returns
    -------
    dict
        Where the rows are, with the drafts, k and the vocabulary.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> source = {"path": "rows.safetensors", "row": {"position": 3}}
    >>> wide_document([WideRow("rows[3]", (0.5, 0.5), (0.75, 0.25), 1, IID(), source)])["captured"]
    {'path': 'rows.safetensors', 'rows': [{'position': 3}]}
    """
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
    """Bound the acceptance that a lossless rule can reach, rounding included.

    Parameters
    ----------
    p
        [V] target distribution.
    q
        [V] draft distribution.
    k
        Number of drafts.
    policy
        How they are drawn; 1 is returned for drafters that differ.

    Returns
    -------
    float
        No lossless rule exceeds it.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> round(best_acceptance(np.array([0.5, 0.5]), np.array([0.75, 0.25]), 1, IID()), 6)
    0.75
    """
    if policy.different_drafters:
        return 1.0
    found = cut(as_distribution(p), as_distribution(q), k, policy)
    return min(1.0, float(found.alpha[0] + found.error[0]))


def as_distribution(row: Array | Sequence[Any]) -> NumpyArray:
    """Return rows in float64, each divided by its sum.

    Parameters
    ----------
    row
        [..., V] weights.

    Returns
    -------
    ndarray
        [..., V] float64.

    Examples
    --------
    >>> as_distribution([1, 3]).tolist()
    [0.25, 0.75]
    """
    distribution = np.asarray(row, dtype=np.float64)
    found: NumpyArray = distribution / distribution.sum(axis=-1, keepdims=True)
    return found


@dataclass(frozen=True)
class CapturedTree(TreeProblem):
    """Hold a tree whose distributions are captured rows on their top tokens.

    Examples
    --------
    >>> tree = CapturedTree("two rows", 2, (1,), rows=(((0.5, 0.5), (0.25, 0.75)), ((0.0, 1.0), (1.0, 0.0))))
    >>> tree.target(()).tolist(), tree.target((0,)).tolist()
    ([0.5, 0.5], [0.0, 1.0])
    """

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
    """Hold the rows of one tree's contexts at full vocabulary, as tensors that batches are gathered from.

    Examples
    --------
    >>> p = torch.tensor([[0.75, 0.25], [0.5, 0.5]], dtype=torch.float64)
    >>> WidePool(p, p, None, optimum=1.0).step.tolist()
    [[0, 1], [0, 1]]
    """

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
    """Hold drafted trees over one pool.

    Trees are drawn, not enumerated: `trees` are those of one batch, each used once.

    Examples
    --------
    >>> p = torch.tensor([[0.75, 0.25], [0.5, 0.5]], dtype=torch.float64)
    >>> tree = WideTree("a pool of two rows", 2, (1,), pool=WidePool(p, p, None, optimum=1.0))
    >>> tree.with_trees(lambda place, width: [1] * width, count=2).drawn
    ([(-1, -1), (0, 1)], [(-1, -1), (0, 1)])
    """

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
