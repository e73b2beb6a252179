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

from spechub_lp._array.equality import equal_fields
from spechub_lp.typing import NumpyArray


@dataclass(frozen=True)
class Program:
    """A linear program: max gain . S subject to supply and demand. n variables, R draft rows, V tokens.

    Examples
    --------
    >>> program = compact(np.array([0.5, 0.5]), np.array([[0], [1]]), np.array([0.25, 0.75]))
    >>> program.size, program.row.tolist(), program.token.tolist()
    ((4, 2), [0, 1], [0, 1])
    """

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

    __eq__ = equal_fields

    @property
    def size(self) -> tuple[int, int]:
        """(constraints, variables)."""
        return len(self.supply) + len(self.demand), len(self.row)


def compact(p: NumpyArray, x: NumpyArray, mass: NumpyArray, *, merged: bool = True) -> Program:
    """Build the compact program.

    Parameters
    ----------
    p : [V]
        Target distribution, in floats or rationals.
    x : [N, k]
        Draft tuples.
    mass : [N]
        Q of each.
    merged
        Whether tuples that draft the same set are one row.

    Returns
    -------
    Program
        A variable for each drafted pair.

    Examples
    --------
    >>> x, mass = np.array([[0, 1], [1, 0]]), np.array([0.5, 0.5])
    >>> compact(np.array([0.5, 0.5]), x, mass).supply.tolist()
    [1.0]
    """
    sets, supply = merge(distinct(x, len(p)), mass, len(p))[:2] if merged else (distinct(x, len(p)), mass)
    row, token = drafted_pairs(sets, len(p))
    return Program(sets, supply, p, row, token, np.ones(len(row)))


def full(p: NumpyArray, x: NumpyArray, mass: NumpyArray, *, merged: bool = False) -> Program:
    """Build the full coupling (OTM).

    Parameters
    ----------
    p : [V]
        Target distribution, in floats or rationals.
    x : [N, k]
        Draft tuples.
    mass : [N]
        Q of each.
    merged
        Whether tuples that draft the same set are one row.

    Returns
    -------
    Program
        A variable for each row with each token.

    Examples
    --------
    >>> full(np.array([0.5, 0.5]), np.array([[0], [1]]), np.array([0.25, 0.75])).gain.tolist()
    [1.0, 0.0, 0.0, 1.0]
    """
    sets, supply = merge(distinct(x, len(p)), mass, len(p))[:2] if merged else (distinct(x, len(p)), mass)
    row, token = all_pairs(sets, len(p))
    return Program(sets, supply, p, row, token, membership(sets, row, token))


def distinct(x: NumpyArray, vocabulary: int) -> NumpyArray:
    """Return the set of each tuple: sorted, repeats replaced by V and moved to the end.

    Parameters
    ----------
    x : [N, k]
        Draft tuples.
    vocabulary
        V.

    Returns
    -------
    [N, k]
        Sets.

    Examples
    --------
    >>> distinct(np.array([[2, 0], [1, 1]]), 3).tolist()
    [[0, 2], [1, 3]]
    """
    ordered = np.sort(x, axis=1)
    row, slot = np.nonzero(ordered[:, 1:] == ordered[:, :-1])
    ordered[row, slot + 1] = vocabulary
    ordered[row] = np.sort(ordered[row], axis=1)
    return ordered


def merge(sets: NumpyArray, mass: NumpyArray, vocabulary: int) -> tuple[NumpyArray, NumpyArray, NumpyArray]:
    """Add up the tuples that draft the same set.

    Parameters
    ----------
    sets : [N, k]
        The set of each tuple, as `distinct` has it.
    mass : [N]
        Q of each tuple.
    vocabulary
        V.

    Returns
    -------
    sets [R, k], supply [R], row [N]
        The sets, their masses, and which row each tuple went to.

    Examples
    --------
    >>> sets, supply, row = merge(np.array([[0, 1], [0, 1], [1, 2]]), np.array([0.25, 0.25, 0.5]), 2)
    >>> sets.tolist(), supply.tolist(), row.tolist()
    ([[0, 1], [1, 2]], [0.5, 0.5], [0, 0, 1])
    """
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
    """List the compact program's variables: each row with each of its tokens.

    Parameters
    ----------
    sets : [R, k]
        Drafted sets.
    vocabulary
        V.

    Returns
    -------
    row [n], token [n]
        The variables.

    Examples
    --------
    >>> [a.tolist() for a in drafted_pairs(np.array([[0, 1], [1, 2]]), 2)]
    [[0, 0, 1], [0, 1, 1]]
    """
    row, slot = np.nonzero(sets < vocabulary)
    return row, sets[row, slot]


def all_pairs(sets: NumpyArray, vocabulary: int) -> tuple[NumpyArray, NumpyArray]:
    """List the full program's variables: each row with each token of the vocabulary.

    Parameters
    ----------
    sets : [R, k]
        Drafted sets.
    vocabulary
        V.

    Returns
    -------
    row [n], token [n]
        The variables.

    Examples
    --------
    >>> [a.tolist() for a in all_pairs(np.array([[0, 1], [1, 2]]), 2)]
    [[0, 0, 1, 1], [0, 1, 0, 1]]
    """
    return np.repeat(np.arange(len(sets)), vocabulary), np.tile(np.arange(vocabulary), len(sets))


def membership(sets: NumpyArray, row: NumpyArray, token: NumpyArray) -> NumpyArray:
    """Mark the variables whose token was drafted in its row.

    Parameters
    ----------
    sets : [R, k]
        Drafted sets.
    row, token : [n]
        The variables.

    Returns
    -------
    [n]
        1 where it was, else 0.

    Examples
    --------
    >>> membership(np.array([[0, 2]]), np.array([0, 0]), np.array([0, 1])).tolist()
    [1.0, 0.0]
    """
    inside: NumpyArray = (sets[row] == token[:, None]).any(axis=1).astype(float)
    return inside


def incidence(program: Program) -> tuple[NumpyArray, NumpyArray, NumpyArray]:
    """Return the constraint matrix by columns: supply rows first, then tokens.

    Parameters
    ----------
    program
        n variables.

    Returns
    -------
    start [n + 1], index [2n], value [2n]
        A compressed sparse matrix.

    Examples
    --------
    >>> program = compact(np.array([0.5, 0.5]), np.array([[0], [1]]), np.array([0.25, 0.75]))
    >>> incidence(program)[1].tolist()
    [0, 2, 1, 3]
    """
    n = len(program.row)
    index = np.empty(2 * n, dtype=np.int32)
    index[0::2] = program.row
    index[1::2] = program.token + len(program.supply)
    return np.arange(0, 2 * n + 1, 2, dtype=np.int32), index, np.ones(2 * n)
