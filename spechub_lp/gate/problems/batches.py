"""Batches whose rows all differ: in targets, draft distributions, drafts, length, padding, and where a rejection falls.

Every row is one of a few *bases* with its tokens renamed. A row that reads its neighbour's numbers reads them under
other names; and since names can be taken back, the outputs of all rows of one base count together. In a wide
vocabulary the names are ids anywhere in it, and all other ids have probability 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from spechub_lp._array.equality import equal_fields
from spechub_lp.drafts import DraftPolicy
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.protocols import TreeBatch
from spechub_lp.trees.shape import children_of, levels, spelled
from spechub_lp.typing import NumpyArray

VOCABULARY = 4
"""Tokens of a base."""
PLAIN = (0, 1)
"""Bases that are like any two rows of a model."""
SURE, ONE_DRAFT, EQUAL = 2, 3, 4
"""Bases in between: p is one-hot (a greedy row), q is one-hot, p = q."""
TEMPERATURE_OF = (1.0, 0.5, 0.0, 2.0, 0.7)
"""Of each base, for engines that take temperatures: its target is what comes out after the temperature."""
SEED_BITS = 62
NAMES = 5
"""Renamings of the tokens; five, so that equal rows are no power of two apart."""


@dataclass
class UnlikeRows:
    """Hold so many rows of one tree shape. Contexts are the depth and the last token.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> rows = UnlikeRows((1, 1), IID(), size=8)
    >>> rows.redraw(np.random.default_rng(0))
    >>> batch = rows.batch([0, 3])
    >>> rows.name, batch.token.shape, batch.p.shape
    ('8 unlike rows, tree 1,1', torch.Size([2, 3]), torch.Size([2, 3, 4]))
    """

    branching: tuple[int, ...]
    """Children of each node, level by level."""
    drafts: DraftPolicy
    size: int
    """B rows."""
    ragged: bool = False
    """Rows stop at any level, none included; the nodes after it are padding."""
    seed: int = 0
    """Of the distributions."""
    variant: int = 0
    """Of which row is which."""
    padding: float = float("nan")
    """What fills the rows of p and q that nobody may read."""
    vocabulary: int = VOCABULARY
    """V of the rows: ids that the tokens of the bases are named with."""
    seeds: NumpyArray = field(init=False)
    """[B] the seed of each row, -1 for every other one, which has none."""
    trees: NumpyArray = field(init=False)
    """[B, N] drafted tokens in the names of the bases; -1 for the root and for padding."""

    __eq__ = equal_fields

    def __post_init__(self) -> None:
        self.trees = np.full((self.size, len(self.parents)), -1)
        self.seeds = np.full(self.size, -1)

    @property
    def name(self) -> str:
        """What reports call these rows."""
        return f"{self.size} unlike rows, tree {spelled(self.branching)}{', ragged' if self.ragged else ''}"

    @property
    def depth(self) -> int:
        """Number of levels below the root."""
        return len(self.branching)

    @cached_property
    def parents(self) -> list[int]:
        """[N] the parent of each node of a whole tree."""
        return levels(*self.branching).parents

    @cached_property
    def children(self) -> list[list[int]]:
        """[N] the children of each node of a whole tree."""
        return children_of(self.parents)

    @cached_property
    def depths(self) -> NumpyArray:
        """[N] the depth of each node."""
        depths = [0]
        for parent in self.parents[1:]:
            depths.append(depths[parent] + 1)
        return np.asarray(depths)

    @cached_property
    def base(self) -> NumpyArray:
        """[B] which base each row is."""
        rng = np.random.default_rng([self.seed, 1, self.variant])
        special = [SURE, EQUAL] + [ONE_DRAFT] * (max(self.branching, default=1) == 1 or self.drafts.name == "iid")
        base = (rng.random(self.size) < 0.25).astype(int)  # mostly the first, so that many pairs are of one base
        for i, kind in enumerate(special):
            base[5 + i :: 13] = kind
        return base

    @cached_property
    def names(self) -> NumpyArray:
        """[B, 4] the name in each row of each token of its base."""
        rng = np.random.default_rng([self.seed, 2, self.variant])
        some = np.stack([rng.permutation(self.vocabulary)[:VOCABULARY] for _ in range(NAMES)])
        for i, names in enumerate(some):
            if self.vocabulary - 1 not in names:  # the last id is in what a kernel's whole blocks leave over
                names[i % VOCABULARY] = self.vocabulary - 1
        return some[rng.integers(0, NAMES, self.size)]

    @cached_property
    def tokens(self) -> NumpyArray:
        """[B, V] the base's token of each name; 4 where an id is no name."""
        out = np.full((self.size, self.vocabulary), VOCABULARY)
        np.put_along_axis(out, self.names, np.arange(VOCABULARY)[None, :], axis=1)
        return out

    @cached_property
    def lengths(self) -> NumpyArray:
        """[B] the levels that each row has."""
        if not self.ragged:
            return np.full(self.size, self.depth)
        rng = np.random.default_rng([self.seed, 3, self.variant])
        return np.where(rng.random(self.size) < 0.5, self.depth, rng.integers(0, self.depth + 1, self.size))

    @cached_property
    def distributions(self) -> NumpyArray:
        """[2, bases, L + 1, V + 1, V] the target and the draft distribution at each depth after each last token."""
        rng = np.random.default_rng([self.seed, 4])
        shape = (5, self.depth + 1, VOCABULARY + 1)
        p, q = (0.05 + rng.dirichlet(np.full(VOCABULARY, 0.7), size=shape) for _ in range(2))
        q[0] = 0.02 + 0.92 * np.eye(VOCABULARY)[p[0].argmax(axis=-1)]  # so that equal noise gives equal tokens
        p[SURE], q[ONE_DRAFT] = (np.eye(VOCABULARY)[rng.integers(0, VOCABULARY, shape[1:])] for _ in range(2))
        q[EQUAL] = p[EQUAL]
        return np.asarray(np.stack([p, q]) / np.stack([p, q]).sum(axis=-1, keepdims=True))

    @cached_property
    def _with_no_name(self) -> NumpyArray:
        """[2, bases, L + 1, V + 1, V + 1] the distributions, and 0 for an id that is no name."""
        return np.concatenate([self.distributions, np.zeros((*self.distributions.shape[:-1], 1))], axis=-1)

    def redraw(self, rng: np.random.Generator) -> None:
        """Draft every row afresh."""
        self.trees[:] = -1
        self.seeds[::2] = rng.integers(0, 2**SEED_BITS, self.seeds[::2].shape)
        self.__dict__.pop("paths", None)
        for node, depth in enumerate(self.depths):
            if depth == self.depth:
                break
            children = self.children[node]
            for (base, last), (tuples, ends) in self._drafted(int(depth)).items():
                rows = np.flatnonzero((self.base == base) & (self.trees[:, node] == last) & (self.lengths > depth))
                place = np.searchsorted(ends, rng.random(len(rows)), side="right").clip(max=len(ends) - 1)
                self.trees[rows[:, None], children] = tuples[place]

    def _drafted(self, depth: int) -> dict[tuple[int, int], tuple[NumpyArray, NumpyArray]]:
        """For each base and last token: the tuples that may be drafted, and their cumulative masses."""
        if depth not in self._tables:
            table: dict[tuple[int, int], tuple[NumpyArray, NumpyArray]] = {}
            for base in sorted(set(self.base.tolist())):
                for last in range(-1, VOCABULARY) if depth else [-1]:
                    p, q = (tuple(row.tolist()) for row in self.distributions[:, base, depth, last])
                    if depth == 0 or last >= 0:
                        node = Problem("", p, q, self.branching[depth], self.drafts)
                        table[base, last] = np.asarray(node.tuples), np.cumsum(np.asarray(node.mass))
            self._tables[depth] = table
        return self._tables[depth]

    @cached_property
    def _tables(self) -> dict[int, dict[tuple[int, int], tuple[NumpyArray, NumpyArray]]]:
        return {}

    def batch(self, rows: Sequence[int]) -> TreeBatch:
        """These rows as one batch of fresh tensors."""
        at = np.asarray(rows, dtype=int)
        drafted, base, names = self.trees[at], self.base[at][:, None], self.names[at]
        shape = (*drafted.shape, self.vocabulary)
        there = self.depths[None, :] <= self.lengths[at][:, None]
        inner = self.depths[None, :] < self.lengths[at][:, None]
        old = np.broadcast_to(self.tokens[at][:, None, :], shape)
        p, q = (np.take_along_axis(each[base, self.depths[None, :], drafted], old, 2) for each in self._with_no_name)
        p[~there] = q[~inner] = self.padding
        token = np.where(drafted >= 0, np.take_along_axis(names, drafted.clip(min=0), axis=1), -1)
        parent = np.where(there, np.asarray(self.parents)[None, :], -1)
        tensors = [torch.from_numpy(a) for a in (parent, token, p, q)]
        return TreeBatch(
            tensors[0], tensors[1], tensors[2], tensors[3], self.drafts.name,
            temperature=torch.tensor(TEMPERATURE_OF)[torch.from_numpy(self.base[at])],
            seed=torch.from_numpy(self.seeds[at]),
        )  # fmt: skip

    @cached_property
    def paths(self) -> list[set[tuple[int, ...]]]:
        """The token paths of each row, from the root, in the row's own names."""
        out = []
        for row, names in zip(self.trees.tolist(), self.names.tolist(), strict=True):
            contexts: list[tuple[int, ...]] = [()]
            for token, parent in zip(row[1:], self.parents[1:], strict=True):
                contexts.append((*contexts[parent], names[token]) if token >= 0 else (-2,))
            out.append(set(contexts) - {(-2,)})
        return out

    def completed(self, rows: Sequence[int], tokens: Sequence[tuple[int, ...]], rng: np.random.Generator) -> NumpyArray:
        """[B, L + 1] what each row put out, in the names of its base, completed with draws from the target."""
        at = np.asarray(rows, dtype=int)
        out = np.full((len(at), self.depth + 1), -1)
        old = self.tokens[at]
        for b, emitted in enumerate(tokens):
            out[b, : len(emitted)] = old[b, list(emitted)]
        last = np.full(len(at), -1)
        for depth in range(self.depth + 1):
            ends = self.distributions[0, self.base[at], depth, last].cumsum(axis=1)
            drawn = (ends <= rng.random((len(at), 1)) * ends[:, -1:]).sum(axis=1)
            last = out[:, depth] = np.where(out[:, depth] < 0, drawn, out[:, depth])
        return out
