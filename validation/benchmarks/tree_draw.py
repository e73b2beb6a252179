"""What verifying one drafted tree costs at V = 49,152: `python validation/benchmarks/tree_draw.py`, a minute.

Every node has a pair of distributions of SmolLM2 that ships, its children are drawn from the draft's, and each rule
draws an end. CPU time, median over trees, beside RRSw node by node and traversal in the same run; no softmax.
"""

import sys
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from spechub_lp.capture.store import load_rows
from spechub_lp.decoding.generate import draw_children
from spechub_lp.trees import BorderPath, Drafted, LookAhead, NodeByNode, Shape, Traversal, full
from spechub_lp.trees.shape import children_of

TREES = 6
CAPTURED = Path(__file__).parents[1] / "captured" / "smollm2.safetensors"


def drafted(shape: Shape, rows: list[tuple[Any, Any]], rng: np.random.Generator) -> Drafted:
    """A tree without replacement, each node with distributions of a position of its own."""
    p, q = zip(*(rows[i] for i in rng.choice(len(rows), shape.size + 1)), strict=True)
    tokens = [-1] * (shape.size + 1)
    for node, children in enumerate(children_of(shape.parents)):
        if children:
            drawn = draw_children(Traversal().policy(len(children)), q[node], len(children), rng)
            for child, token in zip(children, drawn, strict=True):
                tokens[child] = token
    return Drafted(shape.parents, tokens, p, q)


def main() -> None:
    """Print the table."""
    stored = load_rows(CAPTURED)
    rows = [stored.distributions(i, 1.0) for i in range(0, len(stored), 8)]
    rules: list[Any] = [NodeByNode("rrsw"), Traversal(), NodeByNode("border_wor"), BorderPath(), LookAhead()]
    print("| tree | drafts | rule | ms a call | over RRSw | over traversal |\n|---|---|---|---|---|---|")
    for name, shape in (("2^2", full(2, 2)), ("2^5", full(2, 5)), ("3^3", full(3, 3))):
        rng, spent = np.random.default_rng(0), dict[str, list[float]]()
        for tree in [drafted(shape, rows, rng) for _ in range(TREES)]:
            for rule in rules:
                u = rng.random(shape.depth + 2).tolist()
                start = process_time()
                rule.draw(tree, u)
                spent.setdefault(rule.name, []).append(1e3 * (process_time() - start))
        found = {rule: median(times[1:]) for rule, times in spent.items()}
        for rule_name, ms in found.items():
            ratios = f"{ms / found['rrsw']:.1f} | {ms / found['traversal']:.1f}"
            print(f"| {name} | {shape.size} | {rule_name} | {ms:.1f} | {ratios} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
