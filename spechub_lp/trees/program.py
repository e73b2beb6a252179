"""The tree program: what any lossless verifier of drafted trees can reach (theory/trees).

With s(T, v) the probability that T is drafted and verification ends at its node v, and R(c) that c is accepted,

    max  sum_(T, v) |v| s(T, v)
    s.t. sum_v s(T, v) = Q(T)           every set of paths T
         R(c y) <= R(c) p(y | c)        every drafted context c y,  R(c) = sum of s(T, v) over v at or below c

What the second row leaves open is the token added behind c, so that c is followed by y with probability R(c) p(y | c):
the rest of the loop does not depend on having been accepted so far. Ends at the root are the slack of the first row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from spechub_lp._array.equality import equal_fields
from spechub_lp.trees import path_sets
from spechub_lp.trees.drafted import Model, Tokens
from spechub_lp.trees.path_sets import PathSet
from spechub_lp.typing import NumpyArray


@dataclass(frozen=True)
class TreeProgram:
    """The tree program of n variables (T, v), N sets of paths and M contexts below the root, in rationals.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> from spechub_lp.trees import full, tabular
    >>> model = tabular({(): (["1/2", "1/2"], ["1/3", "2/3"])})
    >>> program = TreeProgram.build(model, path_sets.distribution(model, full(2, 1), IID()))
    >>> program.size, len(program.sets), program.contexts
    (4, 3, {(0,): 0, (1,): 1})
    >>> str(program.bound(program.chance * 0 + 1))
    '1'
    """

    sets: list[PathSet]
    """[N] the sets of paths."""
    mass: NumpyArray
    """[N] Q(T)."""
    contexts: dict[Tokens, int]
    """The drafted contexts c y, numbered from 0, parents first."""
    chance: NumpyArray
    """[M] p(y | c) of each."""
    member: NumpyArray
    """[n] the set of each variable; those of one set stand together."""
    end: NumpyArray
    """[n] the context of its end v."""

    __eq__ = equal_fields

    @classmethod
    def build(cls, model: Model, sets: Mapping[PathSet, Any]) -> "TreeProgram":
        """The program of these sets of paths."""
        paths = [list(path_sets.nodes(tree)) for tree in sets]
        every = sorted({path for tree in paths for path in tree}, key=lambda path: (len(path), path))
        contexts = {path: number for number, path in enumerate(every)}
        return cls(
            list(sets),
            np.array([*sets.values()], dtype=object),
            contexts,
            np.array([model(path[:-1])[0][path[-1]] for path in every], dtype=object),
            np.repeat(np.arange(len(sets)), [len(tree) for tree in paths]),
            np.array([contexts[path] for tree in paths for path in tree], dtype=np.int64),
        )

    @property
    def size(self) -> int:
        """Number of variables n."""
        return len(self.member)

    @cached_property
    def depth(self) -> NumpyArray:
        """[M] length of each context."""
        return np.array([len(path) for path in self.contexts], dtype=np.int64)

    @cached_property
    def gain(self) -> NumpyArray:
        """[n] accepted drafts of each end, in the arithmetic of the masses."""
        nil = self.mass[0] * 0
        return np.array([nil + depth for depth in self.depth[self.end].tolist()], dtype=object)

    @cached_property
    def parent(self) -> NumpyArray:
        """[M] the context before the last token, -1 for the root."""
        return np.array([self.contexts.get(path[:-1], -1) for path in self.contexts], dtype=np.int64)

    @cached_property
    def columns(self) -> list[dict[int, Any]]:
        """[M] an end's coefficients in the second rows: 1 at v and the contexts before it, -p at what follows them."""
        following: list[list[int]] = [[] for _ in self.contexts]
        for context, parent in enumerate(self.parent.tolist()):
            if parent >= 0:
                following[parent].append(context)
        columns: list[dict[int, Any]] = []
        one = self.mass[0] * 0 + 1
        for context, parent in enumerate(self.parent.tolist()):
            column = dict(columns[parent]) if parent >= 0 else {}
            column[context] = column.get(context, 0) + one
            for after in following[context]:
                column[after] = -self.chance[after]
            columns.append({row: value for row, value in column.items() if value})
        return columns

    @cached_property
    def room(self) -> NumpyArray:
        """[M] right-hand sides of the second rows: p(y) after the root, else 0."""
        return np.where(self.parent < 0, self.chance, self.chance * 0)

    def bound(self, prices: NumpyArray) -> Any:
        """What no lossless verifier exceeds, whatever prices [M] >= 0 the contexts have; the least is the optimum.

        An accepted context pays its price mu and earns what may follow it: w(c) = 1 + sum_y p(y | c) mu(c y) - mu(c).

            sum_y p(y) mu(y) + sum_T Q(T) max over v in T of (sum of w(c) over c at or above v)
        """
        worth, at_root = 1 - prices, prices[0] * 0
        for context, parent in enumerate(self.parent.tolist()):
            earned = self.chance[context] * prices[context]
            if parent < 0:
                at_root += earned
            else:
                worth[parent] += earned
        path = worth.copy()
        best = self.mass * 0
        for context, parent in enumerate(self.parent.tolist()):
            if parent >= 0:
                path[context] += path[parent]
        for tree, end in zip(self.member.tolist(), self.end.tolist(), strict=True):
            best[tree] = max(best[tree], path[end])
        return at_root + (self.mass * best).sum()
