"""The compact program as a maximum flow from draft rows to tokens, exact in rationals (Edmonds and Karp 1972)."""

from collections import deque

import numpy as np

from spechub_lp.optimum.program import Program
from spechub_lp.typing import NumpyArray


def max_flow(program: Program, start: NumpyArray | None = None) -> tuple[NumpyArray, frozenset[int]]:
    """Find a maximum flow of a rational compact program, and the token set H of a minimum cut.

    1. Start from a feasible flow (`start`, or nothing) and cover every token directly while that is possible.
    2. Walk from the rows with mass to spare to their tokens, and back along used variables to other rows; a walk that
       ends at a token with residual is a path to push mass along.
    3. When no walk does, H is the set of tokens reached: each is covered in full, and only rows that lie inside H have
       mass to spare, so the value is 1 + p(H) - Q(H).

    Parameters
    ----------
    program
        In rationals, n variables.
    start : [n] or None
        A feasible flow.

    Returns
    -------
    flow [n], H
        The flow in rationals, and the set.

    References
    ----------
    Edmonds and Karp (1972).

    Examples
    --------
    >>> from spechub_lp import Instance
    >>> from spechub_lp.optimum.program import compact
    >>> instance = Instance.parse("1/2, 1/2", "1/4, 3/4", k=1)
    >>> flow, H = max_flow(compact(instance.target_row[0], instance.tuples, instance.mass))
    >>> flow.tolist(), H
    ([mpq(1,4), mpq(1,2)], frozenset({1}))
    """
    row, token = program.row.tolist(), program.token.tolist()
    flow = np.full(len(row), program.demand[0] * 0, dtype=object) if start is None else start.copy()
    spare, residual = program.supply.copy(), program.demand.copy()
    np.subtract.at(spare, program.row, flow)
    np.subtract.at(residual, program.token, flow)
    edges_of_row: list[list[int]] = [[] for _ in spare]
    edges_of_token: list[list[int]] = [[] for _ in residual]
    for i, (r, y) in enumerate(zip(row, token, strict=True)):
        edges_of_row[r].append(i)
        edges_of_token[y].append(i)

    def push(path: list[int]) -> None:
        first, last = row[path[0]], token[path[-1]]
        amount = min(spare[first], residual[last], *(flow[i] for i in path[1::2]), residual[last])
        for step, i in enumerate(path):
            flow[i] += -amount if step % 2 else amount
        spare[first] -= amount
        residual[last] -= amount

    for i in range(len(row)):
        push([i])
    while True:
        came_to_row: dict[int, int | None] = {int(r): None for r in np.flatnonzero(spare > 0)}
        came_to_token: dict[int, int] = {}
        queue, end = deque(came_to_row), None
        while queue and end is None:
            r = queue.popleft()
            for i in edges_of_row[r]:
                y = token[i]
                if y in came_to_token:
                    continue
                came_to_token[y] = i
                if residual[y] > 0:
                    end = y
                    break
                for back in edges_of_token[y]:
                    if flow[back] > 0 and row[back] not in came_to_row:
                        came_to_row[row[back]] = back
                        queue.append(row[back])
        if end is None:
            return flow, frozenset(came_to_token)
        path = [came_to_token[end]]
        while (back := came_to_row[row[path[-1]]]) is not None:
            path += [back, came_to_token[token[back]]]
        push(path[::-1])
