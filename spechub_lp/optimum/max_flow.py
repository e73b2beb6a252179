"""The compact program as a maximum flow from draft rows to tokens, exact in rationals (Edmonds and Karp 1972)."""

from collections import deque

import numpy as np

from spechub_lp.optimum.program import Program
from spechub_lp.typing import NumpyArray


def max_flow(program: Program, start: NumpyArray | None = None) -> tuple[NumpyArray, frozenset[int]]:
    """A maximum flow [n] of a rational compact program, and the token set H of a minimum cut.

    1. Start from a feasible flow (`start`, or nothing) and serve every token directly while that is possible.
    2. Walk from the rows with mass to spare to their tokens, and back along used variables to other rows; a walk that
       ends at an unserved token is a path to push mass along.
    3. When no walk does, H is the set of tokens reached: each is served in full, and only rows that lie inside H have
       mass to spare, so the value is 1 + p(H) - Q(H).
    """
    row, token = program.row.tolist(), program.token.tolist()
    flow = np.full(len(row), program.demand[0] * 0, dtype=object) if start is None else start.copy()
    spare, unserved = program.supply.copy(), program.demand.copy()
    np.subtract.at(spare, program.row, flow)
    np.subtract.at(unserved, program.token, flow)
    edges_of_row: list[list[int]] = [[] for _ in spare]
    edges_of_token: list[list[int]] = [[] for _ in unserved]
    for i, (r, y) in enumerate(zip(row, token, strict=True)):
        edges_of_row[r].append(i)
        edges_of_token[y].append(i)

    def push(path: list[int]) -> None:
        first, last = row[path[0]], token[path[-1]]
        amount = min(spare[first], unserved[last], *(flow[i] for i in path[1::2]), unserved[last])
        for step, i in enumerate(path):
            flow[i] += -amount if step % 2 else amount
        spare[first] -= amount
        unserved[last] -= amount

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
                if unserved[y] > 0:
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
