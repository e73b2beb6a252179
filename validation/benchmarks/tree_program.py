"""Sizes and times of the tree program: `python validation/benchmarks/tree_program.py`, a few minutes.

Models of V tokens with dense random rationals. CPU seconds: all of `tree_optimum`, in rationals, and the check
of the certificate, which needs no solver.
"""

import random
from functools import cache
from time import process_time
from typing import Any

import numpy as np
from gmpy2 import mpq

from spechub_lp import certificate, tree_optimum
from spechub_lp.trees import chain, full, paths

CASES = [
    (4, "chain of 5", chain(5), "iid"), (3, "2^2", full(2, 2), "without_replacement"),
    (6, "2^2", full(2, 2), "without_replacement"), (4, "2^2", full(2, 2), "iid"),
    (3, "2 paths of 3", paths(2, 3), "iid"),
    (3, "2^3", full(2, 3), "without_replacement"), (4, "3^2", full(3, 2), "without_replacement"),
]  # fmt: skip


def main() -> None:
    """Print the table."""
    head = (
        "V | tree | drafts | filled shapes | sets of paths | contexts | variables | exact pivots | solve, s | check, s"
    )
    print(f"| {head} |\n{'|---' * 10}|")
    for vocabulary, name, shape, drafts in CASES:

        @cache
        def dense(context: tuple[int, ...], vocabulary: int = vocabulary) -> Any:
            rng = random.Random(f"{vocabulary} {context}")
            weights = [[rng.randint(1, 9) for _ in range(vocabulary)] for _ in range(2)]
            return tuple(np.array([mpq(w, sum(row)) for w in row], dtype=object) for row in weights)

        start = process_time()
        best = tree_optimum(dense, shape, drafts)
        solved = process_time()
        document = best.certificate()
        written = process_time()
        assert certificate.check_tree(document).value == best.value
        seconds = f"{solved - start:.1f} | {process_time() - written:.1f}"
        sizes = f"{len(best.program.sets):,} | {len(best.program.contexts):,} | {best.program.size:,} | {best.pivots}"
        fillings = f"{vocabulary**shape.size:,}"
        print(f"| {vocabulary} | {name} | {drafts} | {fillings} | {sizes} | {seconds} |", flush=True)


if __name__ == "__main__":
    main()
