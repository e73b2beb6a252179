"""What every rule reaches of the certified optimum of small trees: `python validation/benchmarks/tree_rules.py`.

The models are random tables of V tokens: p and q independent ("far"), or q moved half-way to p ("near"). Numbers are
accepted drafts a call, by enumeration of every filled shape; the optimum is exact and certified.
"""

import itertools
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import highspy
import numpy as np
from gmpy2 import mpq

from spechub_lp import tree_optimum
from spechub_lp.drafts import IID, DraftPolicy, Greedy, WithoutReplacement
from spechub_lp.trees import BorderPath, Drafted, GreedyPaths, NodeByNode, Shape, Traversal, exact_call, full, paths
from spechub_lp.trees.drafted import Outcome

SEEDS = 6
WOR = WithoutReplacement()


def model(vocabulary: int, seed: int, near: bool, kind: Callable[[Any], Any] = float) -> Any:
    """context -> (p, q) with p, q squares of 1 to 12, in floats or rationals."""

    @cache
    def rows(context: tuple[int, ...]) -> tuple[Any, Any]:
        rng = random.Random(f"{seed} {context}")
        weights = [[rng.randint(1, 12) ** 2 for _ in range(vocabulary)] for _ in range(2)]
        p, q = ([mpq(w, sum(row)) for w in row] for row in weights)
        q = [(a + b) / 2 for a, b in zip(p, q, strict=True)] if near else q
        dtype = float if kind is float else object
        return np.array([kind(a) for a in p], dtype=dtype), np.array([kind(a) for a in q], dtype=dtype)

    return rows


def rules(policy: DraftPolicy, shape: Shape) -> Iterator[tuple[str, Any]]:
    """Every rule for these drafts, by the name of its column."""
    with_replacement = policy == IID()
    yield "border_path", BorderPath(policy)
    if with_replacement:
        yield "not pooled", BorderPath(policy, pooled=False)
    yield "b as Border's", BorderPath(policy, fairest=False)
    yield "Border node by node", NodeByNode("border" if with_replacement else "border_wor")
    if with_replacement and shape == paths(len(shape.children), shape.depth):
        yield "greedy paths", GreedyPaths()
    yield "traversal", Traversal(policy)
    if with_replacement:
        yield "kseq node by node", NodeByNode("kseq")
    yield "rrs(w) node by node", NodeByNode("rrs" if with_replacement else "rrsw")


def best_by_siblings(pair: Any, shape: Shape, policy: DraftPolicy) -> float:
    """The best that any choice of a child by its siblings reaches, b made for what each subtree is worth: an LP.

    Variables beta(c), the probability that the path goes through c, and R(c), that c is accepted.
    """
    vocabulary = len(pair(())[0])
    contexts = [c for d in range(1, shape.depth + 1) for c in itertools.product(range(vocabulary), repeat=d)]
    place = {c: n for n, c in enumerate(contexts)}
    lp, nothing = highspy.Highs(), (np.array([], dtype=np.int32), np.array([]))
    lp.silent()
    for gain in (0.0, 1.0):
        for _ in contexts:
            lp.addCol(gain, 0.0, highspy.kHighsInf, 0, *nothing)
    lp.changeObjectiveSense(highspy.ObjSense.kMaximize)

    def row(most: float, terms: dict[int, float]) -> None:
        entries = np.array([*terms], dtype=np.int32), np.array([*terms.values()], dtype=float)
        lp.addRow(-highspy.kHighsInf, most, len(terms), *entries)

    count, shapes = len(contexts), {(): shape}
    for c in contexts:
        shapes[c] = shapes[c[:-1]].children[0]  # full trees: the children of a node have one shape
        chance = float(pair(c[:-1])[0][c[-1]])
        row(0, {count + place[c]: 1, place[c]: -1})
        row(0 if c[1:] else chance, {count + place[c]: 1} | ({count + place[c[:-1]]: -chance} if c[1:] else {}))
    for c in [(), *contexts]:
        if not shapes[c].children:
            continue
        q = pair(c)[1]
        for size in range(1, vocabulary + 1):
            for chosen in itertools.combinations(range(vocabulary), size):
                outside = np.array([[y not in chosen for y in range(vocabulary)]])
                hit = 1 - float(policy.prob_all_in(q[None], outside, len(shapes[c].children))[0])
                row(hit if not c else 0, {place[*c, y]: 1.0 for y in chosen} | ({place[c]: -hit} if c else {}))
    lp.run()
    return lp.getInfo().objective_function_value


def shares(vocabulary: int, shape: Shape, near: bool, policy: DraftPolicy) -> dict[str, float]:
    """Mean optimum, and mean share of it that each rule reaches."""
    found: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        pair = model(vocabulary, seed, near)
        best = float(tree_optimum(model(vocabulary, seed, near, mpq), shape, policy).value)
        found.setdefault("optimum", []).append(best)
        if len({len(node.children) for node in _inner(shape)}) == 1:
            found.setdefault("best by siblings", []).append(best_by_siblings(pair, shape, policy) / best)
        for name, rule in rules(policy, shape):
            found.setdefault(name, []).append(float(exact_call(pair, shape, rule).value) / best)
    return {name: sum(values) / SEEDS for name, values in found.items()}


def _inner(shape: Shape) -> Iterator[Shape]:
    if shape.children:
        yield shape
        for child in shape.children:
            yield from _inner(child)


@dataclass(frozen=True)
class Pruned:
    """A rule for the tree that is left when the last or the less likely child of each node is dropped."""

    rule: Any
    by_token: bool
    """Drop the child whose drawn token has the smaller q (looks at drawn tokens); else the last drawn."""

    def policy(self, k: int) -> DraftPolicy:
        """As the rule's."""
        return self.rule.policy(k)

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        """The ends of the rule on what is left."""
        keep, number = [0], {0: 0}
        for node in range(len(tree.parents)):
            children = tree.children[node]
            if node not in number or not children:
                continue
            worst = min(children, key=lambda c: tree.q[node][int(tree.tokens[c])]) if self.by_token else children[-1]
            for child in children:
                if child != worst:
                    number[child] = len(keep)
                    keep.append(child)
        parents = [-1 if node == 0 else number[tree.parents[node]] for node in keep]
        left = Drafted(parents, [tree.tokens[n] for n in keep], tree.p[keep], tree.q[keep])
        for outcome in self.rule.outcomes(left):
            yield Outcome(keep[outcome.node], outcome.weights)


def main() -> None:
    """Print the tables."""
    cases = [
        (3, full(2, 2), "2^2", False, WOR), (3, full(2, 2), "2^2", True, WOR), (4, full(2, 2), "2^2", False, WOR),
        (3, full(2, 2), "2^2", False, IID()),
        (3, paths(2, 2), "2 paths of 2", False, IID()), (3, paths(3, 2), "3 paths of 2", False, IID()),
        (2, paths(2, 4), "2 paths of 4", False, IID()), (3, paths(2, 1, 1), "2 behind 1", False, IID()),
    ]  # fmt: skip
    for vocabulary, shape, name, near, policy in cases:
        print(f"... {name}, V = {vocabulary}", file=sys.stderr)
        found = shares(vocabulary, shape, near, policy)
        rest = ", ".join(f"{rule} {100 * share:.1f}" for rule, share in found.items() if rule != "optimum")
        distance = "near" if near else "far"
        print(f"V = {vocabulary}, {name}, {policy.name}, {distance}: optimum {found['optimum']:.4f}; per cent: {rest}")
    print("\nthe optimum by draft policy, 2^2, V = 3")
    for near in (False, True):
        values = {
            policy.name: sum(tree_optimum(model(3, s, near, mpq), full(2, 2), policy).value for s in range(SEEDS))
            / SEEDS
            for policy in (IID(), WOR, Greedy())
        }
        print("near" if near else "far", {name: round(float(value), 4) for name, value in values.items()})
    print("\npruning three drafts without replacement to two, then RRSw: distance from the target")
    for by_token in (False, True):
        call = exact_call(model(3, 0, False, mpq), full(3, 1), Pruned(NodeByNode("rrsw"), by_token))
        print("by the drawn token" if by_token else "the last drawn", call.is_lossless, call.distance(2))


if __name__ == "__main__":
    main()
