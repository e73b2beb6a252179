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
        return _is_basic(self.solver.getBasis().col_status)

    @cached_property
    def slack(self) -> NumpyArray:
        """[R + V] whether the constraint's slack is in the basis: supply rows first, then tokens."""
        return _is_basic(self.solver.getBasis().row_status)


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
    without_banner(highspy.Highs)
    highs = highspy.Highs()
    highs.silent()
    settings: dict[str, Any] = {
        "threads": threads,
        "primal_feasibility_tolerance": TOLERANCE,
        "dual_feasibility_tolerance": TOLERANCE,
        **METHODS[method],
    }
    for key, value in settings.items():
        highs.setOptionValue(key, value)
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
    constraints, n = program.size
    start, index, value = incidence(program)
    upper = np.concatenate([program.supply, program.demand]).astype(float) * SCALE
    highs.passModel(
        n,
        constraints,
        2 * n,
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMaximize),
        0.0,
        program.gain,
        np.zeros(n),
        np.full(n, highspy.kHighsInf),
        np.full(constraints, -highspy.kHighsInf),
        upper,
        start[:-1].copy(),
        index,
        value,
        np.zeros(n, dtype=np.int32),  # integrality; an empty array would be read as garbage
    )


def _is_basic(statuses: list[Any]) -> NumpyArray:
    return np.fromiter((s == highspy.HighsBasisStatus.kBasic for s in statuses), dtype=bool, count=len(statuses))
