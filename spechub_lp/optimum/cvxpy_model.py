"""The two programs stated in cvxpy, as readable as the paper: a second witness of our own parts."""

from typing import Any

import highspy
import numpy as np

from spechub_lp._util.extras import extra
from spechub_lp._util.stdout import without_banner
from spechub_lp.errors import SolverError
from spechub_lp.optimum.highs import SCALE, TOLERANCE
from spechub_lp.typing import NumpyArray


def full(p: NumpyArray, x: NumpyArray, mass: NumpyArray) -> float:
    """Solve the full coupling C [N, V]: marginals Q and p, gain where the output y was drafted in tuple x.

    Parameters
    ----------
    p : [V]
        Target distribution.
    x : [N, k]
        Draft tuples.
    mass : [N]
        Q of each.

    Returns
    -------
    float
        The optimum.

    Examples
    --------
    >>> p, x, mass = np.array([0.5, 0.5]), np.array([[0], [1]]), np.array([0.25, 0.75])
    >>> round(full(p, x, mass), 6)
    0.75
    """
    cp = load_cvxpy()
    drafted = (x[:, :, None] == np.arange(len(p))).any(axis=1)
    C = cp.Variable((len(x), len(p)), nonneg=True)
    accepted = cp.sum(cp.multiply(drafted.astype(float), C))
    return _solve(cp.Maximize(accepted), [cp.sum(C, axis=1) <= SCALE * mass, cp.sum(C, axis=0) <= SCALE * p])


def compact(p: NumpyArray, x: NumpyArray, mass: NumpyArray) -> float:
    """Solve the compact program S [N, k]: the mass with which tuple x is drafted and its i-th draft is output.

    Parameters
    ----------
    p : [V]
        Target distribution.
    x : [N, k]
        Draft tuples.
    mass : [N]
        Q of each.

    Returns
    -------
    float
        The optimum.

    Examples
    --------
    >>> p, x, mass = np.array([0.5, 0.5]), np.array([[0], [1]]), np.array([0.25, 0.75])
    >>> round(compact(p, x, mass), 6)
    0.75
    """
    cp = load_cvxpy()
    from scipy import sparse

    S = cp.Variable(x.shape, nonneg=True)
    outputs = sparse.csr_array((np.ones(x.size), (x.ravel(), np.arange(x.size))), shape=(len(p), x.size))
    covered = outputs @ cp.vec(S, order="C")
    return _solve(cp.Maximize(cp.sum(S)), [cp.sum(S, axis=1) <= SCALE * mass, covered <= SCALE * p])


def load_cvxpy() -> Any:
    """Import cvxpy; that takes most of a second, so timings do it first.

    Returns
    -------
    module
        cvxpy, or MissingPackage is raised.

    Examples
    --------
    >>> load_cvxpy().__name__
    'cvxpy'
    """
    with extra("cvxpy", "a program stated in cvxpy"):
        import cvxpy
    return cvxpy


def _solve(objective: Any, constraints: list[Any]) -> float:
    """Solve the scaled program at tight tolerances (see highs.py) and scale back."""
    without_banner(highspy.Highs)
    problem = load_cvxpy().Problem(objective, constraints)
    problem.solve(solver="HIGHS", primal_feasibility_tolerance=TOLERANCE, dual_feasibility_tolerance=TOLERANCE)
    if problem.status != "optimal":
        raise SolverError(f"cvxpy ended with status {problem.status!r}, not 'optimal'")
    return float(problem.value) / SCALE
