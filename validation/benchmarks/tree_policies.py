"""How much a better way to draw drafts could give: `python validation/benchmarks/tree_policies.py`, a minute.

Only q may decide how to draw. So a draft model of V = 3 tokens is fixed, and targets are drawn: independent of q,
or half-way to it. The mean of the tree optimum over these targets is linear in the masses of the verifiers and in Q
together; its maximum over all distributions Q of trees of a shape is one linear program. The Q that is best for some
targets is judged on others, beside the policies that ship.
"""

import random
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import block_diag, coo_array, eye_array, hstack, kron, vstack

from spechub_lp.drafts import IID, DraftPolicy, Greedy, TopK, WithoutReplacement
from spechub_lp.trees import Shape, full, path_sets
from spechub_lp.trees.program import TreeProgram

SEEDS, TARGETS, VOCABULARY = 3, 16, 3
"""As many targets to find the best Q for as to judge it on."""
POLICIES: tuple[DraftPolicy, ...] = (IID(), WithoutReplacement(), Greedy(), TopK())


def model(seed: int, target: int, near: bool) -> Any:
    """context -> (p, q) in floats; q does not depend on the target."""

    @cache
    def rows(context: tuple[int, ...]) -> tuple[Any, Any]:
        draws = (random.Random(f"{seed} {context}"), random.Random(f"{seed} {target} {context}"))
        q, p = (np.array([rng.randint(1, 12) ** 2 for _ in range(VOCABULARY)], dtype=float) for rng in draws)
        q, p = q / q.sum(), p / p.sum()
        return (p + q) / 2 if near else p, q

    return rows


def best(programs: list[TreeProgram], Q: Any = None) -> tuple[float, Any]:
    """The mean of the tree optima of these targets, and the masses of trees [N]: those given, or the best."""
    N, count = len(programs[0].sets), len(programs)
    parts, rooms, gains = [], [], []
    for program in programs:
        kept = coo_array((np.ones(program.size), (program.member, np.arange(program.size))), (N, program.size))
        entries = [(row, end, a) for end, column in enumerate(program.columns) for row, a in column.items()]
        rows, ends, values = zip(*entries, strict=True)
        size = len(program.contexts)
        follows = coo_array((values, (rows, ends)), (size, size)).tocsr()[:, program.end]
        parts.append(vstack([kept, follows]))
        rooms.append(np.concatenate([np.zeros(N), program.room.astype(float)]))
        gains.append(program.depth[program.end] / count)
    size = len(programs[0].contexts)
    drawn = kron(np.ones((count, 1)), vstack([-eye_array(N), coo_array((size, N))]))
    matrix = hstack([block_diag(parts), drawn])
    bounds = [(0, None)] * sum(map(len, gains)) + ([(0, None)] * N if Q is None else [(m, m) for m in Q])
    whole = coo_array(np.concatenate([np.zeros(matrix.shape[1] - N), np.ones(N)])[None])
    objective = -np.concatenate([*gains, np.zeros(N)])
    found = linprog(objective, matrix.tocsr(), np.concatenate(rooms), whole, [1.0], bounds)
    return -float(found.fun), np.maximum(found.x[-N:], 0)


def main() -> None:
    """Print the table."""
    print(f"| tree | q | {' | '.join(policy.name for policy in POLICIES)} | fitted |\n{'|---' * (3 + len(POLICIES))}|")
    shapes: dict[str, Shape] = {"2^1": full(2, 1), "2^2": full(2, 2)}
    for name, shape in shapes.items():
        for near in (False, True):
            found: dict[str, list[float]] = {}
            for seed in range(SEEDS):
                pairs = [model(seed, target, near) for target in range(2 * TARGETS)]
                masses = {policy.name: path_sets.distribution(pairs[0], shape, policy) for policy in POLICIES}
                every = dict.fromkeys((tree for own in masses.values() for tree in own), np.float64(1))
                programs = [TreeProgram.build(pair, every) for pair in pairs]
                for policy, own in masses.items():
                    Q = [float(own.get(tree, 0)) for tree in every]
                    found.setdefault(policy, []).append(best(programs[TARGETS:], Q)[0])
                _, fitted = best(programs[:TARGETS])
                found.setdefault("best", []).append(best(programs[TARGETS:], fitted / fitted.sum())[0])
            print(f"| {name} | {'near' if near else 'far'} |", end="")
            print("".join(f" {sum(values) / SEEDS:.4f} |" for values in found.values()), flush=True)


if __name__ == "__main__":
    main()
