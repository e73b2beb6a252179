"""A problem on one node as the root of a tree whose other nodes are sure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.protocols import TreeBatch
from spechub_lp.trees.shape import levels


@dataclass(frozen=True, eq=False)
class RootProblem:
    """Rows that all have the same root, each with one of its draft tuples; a chain of sure tokens hangs below a draft.

    Examples
    --------
    >>> rows = RootProblem(Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1), shape=(1, 1))
    >>> rows.batch([0, 1]).token.tolist()  # what was drafted at the root, and the sure token after it
    [[-1, 0, 0], [-1, 1, 0]]
    """

    node: Problem
    shape: tuple[int, ...]
    """Children of each node, level by level; 1 below the first."""

    @property
    def name(self) -> str:
        """That of the problem."""
        return self.node.name

    @property
    def vocabulary(self) -> int:
        """V."""
        return self.node.vocabulary

    @property
    def depth(self) -> int:
        """The most drafts that can be accepted."""
        return len(self.shape)

    @cached_property
    def parents(self) -> list[int]:
        """[N] the parent of each node."""
        return levels(*self.shape).parents

    @cached_property
    def place(self) -> dict[tuple[int, ...], int]:
        """The row of each draft tuple."""
        return {drafts: i for i, drafts in enumerate(self.node.tuples)}

    @cached_property
    def _distributions(self) -> tuple[torch.Tensor, torch.Tensor]:
        """[N, V] p and q at each node; q is NaN at leaves."""
        rows = torch.zeros((len(self.parents), self.vocabulary), dtype=torch.float64)
        rows[torch.arange(len(rows)), [self.sure(n) for n in range(len(rows))]] = 1
        p, q = rows, rows.clone()
        p[0], q[0] = torch.tensor(self.node.p, dtype=torch.float64), torch.tensor(self.node.q, dtype=torch.float64)
        q[sorted(set(range(len(rows))) - set(self.parents))] = torch.nan
        return p, q

    def sure(self, node: int) -> int:
        """The token that a node's target leaves, another one at each."""
        return (7 * node + 3) % self.vocabulary

    def batch(self, rows: Sequence[int]) -> TreeBatch:
        """These rows as one batch of fresh tensors."""
        B, N = len(rows), len(self.parents)
        parent = torch.tensor(self.parents).repeat(B, 1)
        token = torch.tensor([[-1, *(self.sure(p) for p in self.parents[1:])]]).repeat(B, 1)
        token[:, 1 : 1 + self.shape[0]] = torch.tensor([self.node.tuples[b] for b in rows])
        p, q = (each.expand(B, N, self.vocabulary).clone() for each in self._distributions)
        return TreeBatch(parent, token, p, q, self.node.drafts.name)

    @cached_property
    def paths(self) -> list[set[tuple[int, ...]]]:
        """The token paths of each row, from the root."""
        out = []
        for drafts in self.node.tuples:
            contexts: list[tuple[int, ...]] = [()]
            for n, parent in enumerate(self.parents[1:], start=1):
                contexts.append((*contexts[parent], drafts[n - 1] if parent == 0 else self.sure(parent)))
            out.append(set(contexts))
        return out

    def wrong_below(self, row: int, tokens: tuple[int, ...]) -> str:
        """What is wrong with the tokens after the first one, "" when nothing is; equal drafts leave several nodes."""
        drafts = self.node.tuples[row]
        nodes = [n for n in range(1, 1 + self.shape[0]) if drafts[n - 1] == tokens[0]]
        for place, token in enumerate(tokens[1:], start=1):
            nodes = [n for n in nodes if self.sure(n) == token]
            if not nodes:
                return f"after token {tokens[0]} it puts out {token} at position {place}, which has p = 0 there"
            nodes = [c for c, parent in enumerate(self.parents) if parent in nodes]
        return ""
