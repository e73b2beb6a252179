"""From HiGHS's floating basis to the exact solution that the basis stands for."""

import numpy as np

from spechub_lp.optimum.highs import Solution
from spechub_lp.optimum.program import Program
from spechub_lp.typing import NumpyArray


def exact_flow(program: Program, solution: Solution) -> NumpyArray | None:
    """Return the rational solution that a floating basis stands for.

    Every variable touches one row and one token, so the basic variables form a forest whose tight constraints can be
    read off leaf by leaf: a tight constraint with one variable left decides that variable.

    Parameters
    ----------
    program
        In rationals, n variables.
    solution
        What HiGHS found for it.

    Returns
    -------
    [n] or None
        The flow; None when the basis is not exactly feasible.

    Examples
    --------
    >>> from spechub_lp import Instance
    >>> from spechub_lp.optimum import highs
    >>> from spechub_lp.optimum.program import compact
    >>> instance = Instance.parse("1/2, 1/2", "1/4, 3/4", k=1)
    >>> program = compact(instance.target_row[0], instance.tuples, instance.mass)
    >>> exact_flow(program, highs.solve(program)).tolist()
    [mpq(1,4), mpq(1,2)]
    """
    rows = len(program.supply)
    room = np.concatenate([program.supply, program.demand])
    ends = [(int(r), int(y) + rows) for r, y in zip(program.row, program.token, strict=True)]
    flow = np.full(len(ends), room[0] * 0, dtype=object)
    open_at: list[set[int]] = [set() for _ in room]
    for i in np.flatnonzero(solution.basic).tolist():
        for end in ends[i]:
            open_at[end].add(i)
    tight = ~solution.slack
    leaves = [node for node in np.flatnonzero(tight).tolist() if len(open_at[node]) == 1]
    while leaves:
        node = leaves.pop()
        if not open_at[node]:
            continue
        (i,) = open_at[node]
        flow[i] = room[node]
        for end in ends[i]:
            room[end] -= flow[i]
            open_at[end].discard(i)
            if tight[end] and len(open_at[end]) == 1:
                leaves.append(end)
    feasible = not any(open_at) and (flow >= 0).all() and (room >= 0).all()
    return flow if feasible else None
