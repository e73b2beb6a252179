"""The tree program solved: by HiGHS in floats, and from its basis by the simplex method in rationals.

In most cases the basis of HiGHS is optimal as it stands, and one sparse system says what it stands for. Where it is
not, because two corners lie closer than rounding can tell, a few exact pivots mend it.

Every set of paths has a row of its own, and most have one basic variable. So one *key* variable of each set is
expressed by the others (generalized upper bounding: Dantzig and Van Slyke 1967), and what is left is a sparse system of
at most M equations, however many sets there are.

Variables are numbered: the n ends below the root, then the N ends at the root (the slack of the first rows), then the M
slacks of the second rows.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import highspy
import numpy as np

from spechub_lp.errors import SolverError
from spechub_lp.optimum.highs import is_basic, pass_columns, quiet
from spechub_lp.trees.program import TreeProgram
from spechub_lp.typing import BoolArray, NumpyArray

DANTZIG = 500
"""Pivots that take the largest gain; then Bland's rule, which cannot cycle."""
MOST_PIVOTS = 100_000

Row = dict[int, Any]


def solve(program: TreeProgram, method: str = "highs") -> tuple[NumpyArray, NumpyArray, int]:
    """Return the optimal masses, the prices of the contexts, and how many exact pivots were needed.

    Parameters
    ----------
    program
        The tree program, of n variables and M contexts.
    method
        "highs" starts from the basis of HiGHS, "simplex" from ends at the root alone.

    Returns
    -------
    masses : [n]
        The probability that a set of paths is drafted and verification ends at one of its nodes.
    prices : [M]
        The price of each context.
    pivots : int
        Number of exact pivots.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> from spechub_lp.trees import full, path_sets, tabular
    >>> model = tabular({(): (["1/2", "1/2"], ["1/3", "2/3"])})
    >>> program = TreeProgram.build(model, path_sets.distribution(model, full(2, 1), IID()))
    >>> masses, prices, _ = solve(program)
    >>> str((masses * program.gain).sum()), str(program.bound(prices))
    ('1', '1')
    """
    start = _from_highs(program) if method == "highs" else None
    basis, pivots = Basis(program, _at_root(program) if start is None else start), 0
    if start is not None:
        repaired = _dual(basis)
        if repaired is None:
            basis = Basis(program, _at_root(program))
        else:
            basis, pivots = repaired
    basis, more = _primal(basis)
    return basis.values[: program.size], basis.prices[1], pivots + more


def _at_root(program: TreeProgram) -> BoolArray:
    basic = np.ones(program.size + len(program.sets) + len(program.contexts), dtype=bool)
    basic[: program.size] = False
    return basic


@dataclass(frozen=True)
class Basis:
    """A basis of the tree program and the system that it leaves; rationals throughout.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> from spechub_lp.trees import full, path_sets, tabular
    >>> model = tabular({(): (["1/2", "1/2"], ["1/3", "2/3"])})
    >>> program = TreeProgram.build(model, path_sets.distribution(model, full(2, 1), IID()))
    >>> at_root = np.array([False] * 4 + [True] * 5)
    >>> Basis(program, at_root).is_square, sum(Basis(program, at_root).values[:4])
    (True, mpq(0,1))
    """

    program: TreeProgram
    basic: BoolArray
    """[n + N + M] which variables are in the basis."""

    @cached_property
    def key(self) -> NumpyArray:
        """[N] the key variable of each set: its end at the root where that is basic, or its first basic end."""
        n, key = self.program.size, np.full(len(self.program.sets), -1)
        inside = np.flatnonzero(self.basic[:n])
        key[self.program.member[inside][::-1]] = inside[::-1]
        at_root = np.flatnonzero(self.basic[n : n + len(key)])
        key[at_root] = at_root + n
        return key

    @cached_property
    def others(self) -> list[int]:
        """The basic ends that are no keys."""
        inside = np.flatnonzero(self.basic[: self.program.size])
        found: list[int] = inside[self.key[self.program.member[inside]] != inside].tolist()
        return found

    @cached_property
    def tight(self) -> dict[int, int]:
        """context -> equation, for the rows without a basic slack."""
        slack = self.basic[self.program.size + len(self.program.sets) :]
        return {int(context): place for place, context in enumerate(np.flatnonzero(~slack))}

    @property
    def is_square(self) -> bool:
        """Whether every set has a key, and the rest as many equations as unknowns."""
        return bool((self.key >= 0).all()) and len(self.others) == len(self.tight)

    def column(self, variable: int) -> Row:
        """The coefficients of a variable in the second rows."""
        n, N = self.program.size, len(self.program.sets)
        if variable < n:
            found: Row = self.program.columns[self.program.end[variable]]
            return found
        return {} if variable < n + N else {variable - n - N: self.program.mass[0] * 0 + 1}

    @cached_property
    def system(self) -> list[Row]:
        """The columns of `others` less those of their keys, on the tight rows."""
        out = []
        for variable in self.others:
            column = dict(self.column(variable))
            for row, a in self.column(self.key[self.program.member[variable]]).items():
                column[row] = column.get(row, 0) - a
            out.append({self.tight[row]: a for row, a in column.items() if a and row in self.tight})
        return out

    def solve(self, mass: NumpyArray, room: NumpyArray) -> NumpyArray:
        """The values [n + N + M] of the basic variables for these right-hand sides [N], [M]; the rest are 0."""
        program, n, N = self.program, self.program.size, len(self.program.sets)
        need = room.copy()
        for tree in np.flatnonzero(mass).tolist():
            for row, a in self.column(self.key[tree]).items():
                need[row] -= mass[tree] * a
        rows: list[Row] = [{} for _ in self.tight]
        for place, column in enumerate(self.system):
            for row, a in column.items():
                rows[row][place] = a
        solved = solve_sparse(rows, [need[context] for context in self.tight])
        values, left = np.full(n + N + len(room), mass[0] * 0, dtype=object), mass.copy()
        for variable, value in zip(self.others, solved, strict=True):
            values[variable] = value
            left[program.member[variable]] -= value
        values[self.key] = left
        spare = room.copy()
        for variable in np.flatnonzero(values[:n]).tolist():
            for row, a in self.column(variable).items():
                spare[row] -= a * values[variable]
        values[n + N :] = spare
        return values

    def price(self, gain: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """The multipliers of the first rows [N] and of the second [M] that leave no basic variable a gain."""
        program, slack = self.program, self.basic[self.program.size + len(self.program.sets) :]
        prices = np.full(len(slack), gain[0] * 0, dtype=object)
        prices[slack] = gain[program.size + len(program.sets) :][slack]
        wanted = []
        for variable in self.others:
            key = self.key[program.member[variable]]
            rest = gain[variable] - gain[key]
            for row, a in self.column(variable).items():
                rest -= prices[row] * a
            for row, a in self.column(key).items():
                rest += prices[row] * a
            wanted.append(rest)
        for context, price in zip(self.tight, solve_sparse(self.system, wanted), strict=True):
            prices[context] = price
        cost = self.cost(prices)
        keys = self.key
        inner = keys < program.size
        first = gain[keys]
        first[inner] -= cost[program.end[keys[inner]]]
        return first, prices

    def cost(self, prices: NumpyArray) -> NumpyArray:
        """[M] what an end pays at these prices of the contexts."""
        columns = self.program.columns
        return np.array([sum(prices[row] * a for row, a in column.items()) for column in columns], dtype=object)

    def reduced(self, gain: NumpyArray, multipliers: tuple[NumpyArray, NumpyArray]) -> NumpyArray:
        """[n + N + M] gain less price of every variable."""
        first, prices = multipliers
        program = self.program
        ends = self.cost(prices)[program.end] + first[program.member]
        found: NumpyArray = gain - np.concatenate([ends, first, prices])
        return found

    @cached_property
    def gain(self) -> NumpyArray:
        """[n + N + M] the objective."""
        return np.concatenate([self.program.gain, self.program.mass * 0, self.program.room * 0])

    @cached_property
    def values(self) -> NumpyArray:
        """[n + N + M] the basic solution."""
        return self.solve(self.program.mass, self.program.room)

    @cached_property
    def prices(self) -> tuple[NumpyArray, NumpyArray]:
        """[N] and [M]: the multipliers of both kinds of rows at this basis."""
        return self.price(self.gain)

    def exchange(self, enters: int, leaves: int) -> "Basis":
        """Return the basis with one variable in and another out."""
        basic = self.basic.copy()
        basic[enters], basic[leaves] = True, False
        return replace(self, basic=basic)


def _primal(basis: Basis) -> tuple[Basis, int]:
    """Pivot from a feasible basis to an optimal one."""
    program, n, N = basis.program, basis.program.size, len(basis.program.sets)
    for pivots in range(MOST_PIVOTS):
        reduced = basis.reduced(basis.gain, basis.prices)
        gains = np.flatnonzero(reduced > 0)
        if not len(gains):
            return basis, pivots
        enters = int(gains[np.argmax(reduced[gains])] if pivots < DANTZIG else gains[0])
        mass, room = program.mass * 0, program.room * 0
        if enters < n + N:
            mass[program.member[enters] if enters < n else enters - n] += 1
        for row, a in basis.column(enters).items():
            room[row] += a
        step = basis.solve(mass, room)
        falls = np.flatnonzero(basis.basic & (step > 0))
        leaves = int(falls[np.argmin(basis.values[falls] / step[falls])])
        basis = basis.exchange(enters, leaves)
    raise SolverError(f"no optimum of the tree program after {MOST_PIVOTS:,} pivots")


def _dual(basis: Basis) -> tuple[Basis, int] | None:
    """Pivot to a feasible basis, for gains lowered until nothing that is not basic has any; None: singular."""
    if not basis.is_square:
        return None
    try:
        reduced = basis.reduced(basis.gain, basis.prices)
        gain = basis.gain - np.where(reduced > 0, reduced, 0)
        for pivots in range(MOST_PIVOTS):
            short = np.flatnonzero(basis.values < 0)
            if not len(short):
                return basis, pivots
            leaves = int(short[0])
            unit = basis.gain * 0
            unit[leaves] += 1
            row = -basis.reduced(unit * 0, basis.price(unit))
            falls = np.flatnonzero(~basis.basic & (row < 0))
            reduced = basis.reduced(gain, basis.price(gain))
            enters = int(falls[np.argmin(reduced[falls] / row[falls])])
            basis = basis.exchange(enters, leaves)
    except ZeroDivisionError:
        return None
    raise SolverError(f"no feasible basis of the tree program after {MOST_PIVOTS:,} pivots")


def solve_sparse(rows: list[Row], need: list[Any]) -> list[Any]:
    """Solve a square sparse system exactly, by elimination, the emptiest row first.

    Parameters
    ----------
    rows
        [M] of unknown -> coefficient.
    need
        [M] right-hand sides.

    Returns
    -------
    list
        [M] values of the unknowns.

    Raises
    ------
    ZeroDivisionError
        The system is singular.

    Examples
    --------
    >>> from fractions import Fraction as F
    >>> solve_sparse([{0: F(1), 1: F(1)}, {0: F(1), 1: F(-1)}], [F(3), F(1)])
    [Fraction(2, 1), Fraction(1, 1)]
    """
    rows, need = [dict(row) for row in rows], list(need)
    users: list[set[int]] = [set() for _ in rows]
    for number, row in enumerate(rows):
        for unknown in row:
            users[unknown].add(number)
    waiting, steps = set(range(len(rows))), []
    while waiting:
        pivot = min(waiting, key=lambda number: len(rows[number]))
        waiting.discard(pivot)
        if not rows[pivot]:
            raise ZeroDivisionError("the system is singular")
        unknown = min(rows[pivot], key=lambda u: len(users[u]))
        steps.append((pivot, unknown))
        for other in rows[pivot]:
            users[other].discard(pivot)
        for number in users[unknown]:
            factor = rows[number].pop(unknown) / rows[pivot][unknown]
            need[number] -= factor * need[pivot]
            for other, a in rows[pivot].items():
                if other == unknown:
                    continue
                value = rows[number].get(other, 0) - factor * a
                if value:
                    rows[number][other] = value
                    users[other].add(number)
                elif rows[number].pop(other, None) is not None:
                    users[other].discard(number)
        users[unknown] = set()
    values: list[Any] = [None] * len(rows)
    for pivot, unknown in reversed(steps):
        rest = need[pivot]
        for other, a in rows[pivot].items():
            if other != unknown:
                rest -= a * values[other]
        values[unknown] = rest / rows[pivot][unknown]
    return values


def _from_highs(program: TreeProgram) -> BoolArray | None:
    """The optimal basis that HiGHS finds in floats, or None where it finds none."""
    solver, N = quiet(), len(program.sets)
    rows = [np.array([*column], dtype=np.int32) + N for column in program.columns]
    entries = [np.array([*column.values()], dtype=float) for column in program.columns]
    length = np.array([1 + len(row) for row in rows], dtype=np.int32)[program.end]
    start = np.concatenate([[0], np.cumsum(length)]).astype(np.int32)
    index, value = np.empty(start[-1], dtype=np.int32), np.ones(start[-1])
    index[start[:-1]] = program.member
    inner = np.ones(start[-1], dtype=bool)
    inner[start[:-1]] = False
    index[inner] = np.concatenate([rows[v] for v in program.end.tolist()])
    value[inner] = np.concatenate([entries[v] for v in program.end.tolist()])
    room = np.concatenate([program.mass, program.room])
    pass_columns(solver, program.depth[program.end].astype(float), room, start, index, value)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    basis = solver.getBasis()
    return is_basic([*basis.col_status, *basis.row_status])
