"""A program solved by HiGHS through highspy.

HiGHS's tolerances are absolute and products of probabilities are smaller than its default 1e-7, so the right-hand
sides are scaled by a power of two (exact in binary) and the tolerances tightened to 1e-10. The scale must leave room
for rounding: at 2^20 one rounding of the sum of p is 1.2e-10, and presolve called 16 of 5,946 feasible programs
infeasible; at 2^13 none, the worst error was 1e-14. Primal simplex is the fastest of
HiGHS's methods on merged compact programs up to V = 50 (validation/benchmarks/solve.py).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import highspy
import numpy as np

from spechub_lp._util.stdout import without_banner
from spechub_lp.errors import SolverError, UnknownName
from spechub_lp.optimum.program import Program, incidence
from spechub_lp.typing import NumpyArray

SCALE = 2.0**13
TOLERANCE = 1e-10

METHODS: dict[str, dict[str, Any]] = {
    "primal": {"solver": "simplex", "simplex_strategy": 4},
    "dual": {"solver": "simplex", "simplex_strategy": 1},
    "ipm": {"solver": "ipm", "run_crossover": "on"},
}


@dataclass(frozen=True)
class Solution:
    """A basic optimal solution in floats. What it holds is read from HiGHS only when asked for.

    Examples
    --------
    >>> from spechub_lp.optimum.program import compact
    >>> found = solve(compact(np.array([0.5, 0.5]), np.array([[0], [1]]), np.array([0.25, 0.75])))
    >>> round(found.value, 6), found.flow.round(6).tolist()
    (0.75, [0.25, 0.5])
    """

    solver: highspy.Highs

    @property
    def value(self) -> float:
        """The optimum."""
        return self.solver.getInfo().objective_function_value / SCALE

    @cached_property
    def flow(self) -> NumpyArray:
        """[n] mass on each variable."""
        return np.asarray(self.solver.getSolution().col_value) / SCALE

    @cached_property
    def basic(self) -> NumpyArray:
        """[n] whether the variable is in the basis."""
        return is_basic(self.solver.getBasis().col_status)

    @cached_property
    def slack(self) -> NumpyArray:
        """[R + V] whether the constraint's slack is in the basis: supply rows first, then tokens."""
        return is_basic(self.solver.getBasis().row_status)


def solve(program: Program, method: str = "primal", threads: int = 1) -> Solution:
    """Solve a program with HiGHS.

    Parameters
    ----------
    program
        In floats or rationals.
    method
        "primal" or "dual" simplex, or "ipm": interior point with crossover.
    threads
        For HiGHS.

    Returns
    -------
    Solution
        A basic optimum.

    Raises
    ------
    SolverError
        HiGHS did not reach an optimum.
    UnknownName
        No such method.

    Examples
    --------
    >>> from spechub_lp.optimum.program import compact
    >>> program = compact(np.array([0.5, 0.5]), np.array([[0], [1]]), np.array([0.25, 0.75]))
    >>> round(solve(program, "dual").value, 6)
    0.75
    """
    if method not in METHODS:
        raise UnknownName("HiGHS method", method, METHODS)
    highs = quiet(threads=threads, **METHODS[method])
    load(highs, program)
    highs.run()
    status = highs.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise SolverError(f"HiGHS ({method}) ended with status {highs.modelStatusToString(status)!r}, not 'Optimal'")
    return Solution(highs)


def load(highs: highspy.Highs, program: Program) -> None:
    """Pass a whole program to HiGHS at once, as arrays.

    Parameters
    ----------
    highs
        The solver.
    program
        In floats or rationals.

    Examples
    --------
    >>> from spechub_lp.optimum.program import compact
    >>> highs = highspy.Highs()
    >>> highs.silent()
    >>> load(highs, compact(np.array([0.5, 0.5]), np.array([[0], [1]]), np.array([0.25, 0.75])))
    >>> highs.getNumCol()
    2
    """
    pass_columns(highs, program.gain, np.concatenate([program.supply, program.demand]), *incidence(program))


def quiet(**settings: Any) -> highspy.Highs:
    """Return a solver that prints nothing, works on one thread and has our tolerances.

    Parameters
    ----------
    settings
        Options of HiGHS, which go before these.

    Returns
    -------
    Highs
        Without a program.

    Examples
    --------
    >>> quiet().getOptionValue("primal_feasibility_tolerance")[1]
    1e-10
    """
    without_banner(highspy.Highs)
    highs = highspy.Highs()
    highs.silent()
    tolerances = dict.fromkeys(("primal_feasibility_tolerance", "dual_feasibility_tolerance"), TOLERANCE)
    for key, value in {"threads": 1, **tolerances, **settings}.items():
        highs.setOptionValue(key, value)
    return highs


def pass_columns(
    highs: highspy.Highs, gain: NumpyArray, room: NumpyArray, start: NumpyArray, index: NumpyArray, value: NumpyArray
) -> None:
    """Pass the program max gain x over A x <= room, x >= 0; the right-hand sides are scaled.

    Parameters
    ----------
    highs
        The solver.
    gain : [n]
        The objective.
    room : [R]
        Right-hand sides, floats or rationals.
    start : [n + 1]
        Where each column of A begins in `index` and `value`.
    index, value : [nonzeros]
        Rows and entries of A.

    Examples
    --------
    >>> highs = quiet()
    >>> one, column = np.ones(1), np.array([0, 1], dtype=np.int32)
    >>> pass_columns(highs, one, one, column, np.zeros(1, dtype=np.int32), one)
    >>> highs.getNumRow()
    1
    """
    n, rows = len(gain), len(room)
    highs.passModel(
        n,
        rows,
        len(index),
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMaximize),
        0.0,
        gain,
        np.zeros(n),
        np.full(n, highspy.kHighsInf),
        np.full(rows, -highspy.kHighsInf),
        room.astype(float) * SCALE,
        start[:-1].copy(),
        index,
        value,
        np.zeros(n, dtype=np.int32),  # integrality; an empty array would be read as garbage
    )


def is_basic(statuses: list[Any]) -> NumpyArray:
    """Return which variables or rows are in the basis.

    Parameters
    ----------
    statuses : [n]
        HiGHS's.

    Returns
    -------
    [n]
        Bools.

    Examples
    --------
    >>> is_basic([highspy.HighsBasisStatus.kBasic, highspy.HighsBasisStatus.kLower]).tolist()
    [True, False]
    """
    return np.fromiter((s == highspy.HighsBasisStatus.kBasic for s in statuses), dtype=bool, count=len(statuses))
