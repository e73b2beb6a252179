"""The two linear programs of theory/T1_one_optimum, as plain parts.

Both have the same shape. A variable is a pair (draft row r, token y); it carries mass from r to y:

    max  sum_i gain[i] S[i]
    s.t. sum_{i: row[i] = r} S[i] <= supply[r],   sum_{i: token[i] = y} S[i] <= demand[y],   S >= 0

The full program has every pair and gains 1 where y was drafted; its marginals are equalities in the paper, but a
sub-coupling always completes without losing value, and HiGHS calls the equalities of a peaked distribution infeasible.
The compact program has the drafted pairs only. The supply rows are draft tuples, or, merged, the sets of drafted
tokens: permuted tuples have the same variables, so only the set matters.
"""

from dataclasses import dataclass

import numpy as np

from spechub_lp.typing import NumpyArray


@dataclass(frozen=True)
class Program:
    """max gain . S subject to supply and demand. n variables, R draft rows, V tokens."""

    sets: NumpyArray
    """[R, k] the drafted tokens of each row, without repeats, padded with V at the end."""
    supply: NumpyArray
    """[R] Q of each row."""
    demand: NumpyArray
    """[V] the target distribution p."""
    row: NumpyArray
    """[n] draft row of each variable."""
    token: NumpyArray
    """[n] token of each variable."""
    gain: NumpyArray
    """[n] 1 where the token was drafted, else 0."""

    @property
    def size(self) -> tuple[int, int]:
        """(constraints, variables)."""
        return len(self.supply) + len(self.demand), len(self.row)


def compact(p: NumpyArray, x: NumpyArray, mass: NumpyArray, *, merged: bool = True) -> Program:
    """The compact program of target p [V] and draft tuples x [N, k] of mass [N]; floats or rationals."""
    sets, supply = merge(distinct(x, len(p)), mass, len(p))[:2] if merged else (distinct(x, len(p)), mass)
    row, token = drafted_pairs(sets, len(p))
    return Program(sets, supply, p, row, token, np.ones(len(row)))


def full(p: NumpyArray, x: NumpyArray, mass: NumpyArray, *, merged: bool = False) -> Program:
    """The full coupling (OTM) of target p [V] and draft tuples x [N, k] of mass [N]."""
    sets, supply = merge(distinct(x, len(p)), mass, len(p))[:2] if merged else (distinct(x, len(p)), mass)
    row, token = all_pairs(sets, len(p))
    return Program(sets, supply, p, row, token, membership(sets, row, token))


def distinct(x: NumpyArray, vocabulary: int) -> NumpyArray:
    """The set of each tuple: sorted, repeats replaced by `vocabulary` and moved to the end. [N, k] -> [N, k]."""
    ordered = np.sort(x, axis=1)
    row, slot = np.nonzero(ordered[:, 1:] == ordered[:, :-1])
    ordered[row, slot + 1] = vocabulary
    ordered[row] = np.sort(ordered[row], axis=1)
    return ordered


def merge(sets: NumpyArray, mass: NumpyArray, vocabulary: int) -> tuple[NumpyArray, NumpyArray, NumpyArray]:
    """Add up the tuples that draft the same set: (sets [R, k], supply [R], which row each tuple went to [N])."""
    key = np.zeros(len(sets), dtype=np.int64)
    for column in sets.T:
        key = key * (vocabulary + 1) + column
    _, first, member = np.unique(key, return_index=True, return_inverse=True)
    if mass.dtype == object:
        supply = np.zeros(len(first), dtype=object)
        np.add.at(supply, member, mass)
    else:
        supply = np.bincount(member, weights=mass)
    return sets[first], supply, member


def drafted_pairs(sets: NumpyArray, vocabulary: int) -> tuple[NumpyArray, NumpyArray]:
    """The compact program's variables: each row with each of its tokens -> (row [n], token [n])."""
    row, slot = np.nonzero(sets < vocabulary)
    return row, sets[row, slot]


def all_pairs(sets: NumpyArray, vocabulary: int) -> tuple[NumpyArray, NumpyArray]:
    """The full program's variables: each row with each token of the vocabulary -> (row [n], token [n])."""
    return np.repeat(np.arange(len(sets)), vocabulary), np.tile(np.arange(vocabulary), len(sets))


def membership(sets: NumpyArray, row: NumpyArray, token: NumpyArray) -> NumpyArray:
    """1 where the token was drafted in its row, else 0: [n]."""
    return (sets[row] == token[:, None]).any(axis=1).astype(float)


def incidence(program: Program) -> tuple[NumpyArray, NumpyArray, NumpyArray]:
    """The constraint matrix by columns (start [n + 1], index [2n], value [2n]): supply rows first, then tokens."""
    n = len(program.row)
    index = np.empty(2 * n, dtype=np.int32)
    index[0::2] = program.row
    index[1::2] = program.token + len(program.supply)
    return np.arange(0, 2 * n + 1, 2, dtype=np.int32), index, np.ones(2 * n)
