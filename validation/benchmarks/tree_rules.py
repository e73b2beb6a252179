"""What every rule reaches of the certified optimum of small trees: `python validation/benchmarks/tree_rules.py`.

The models are random tables of V tokens: p and q independent ("far"), or q moved half-way to p ("near"). Numbers are
accepted drafts a call, by enumeration of every filled shape; the optimum is exact and certified. Every number goes to
validation/results/tree_rules.json as soon as it is known, so that a stopped run goes on behind it; the tables go to
docs/trees.md at the end. `--report` writes the tables of what is there.
"""

import itertools
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import highspy
import numpy as np
from gmpy2 import mpq

from spechub_lp import samplers, tree_optimum
from spechub_lp._util.io import write_json, write_text
from spechub_lp._util.reading import read_text
from spechub_lp._util.strict_json import read_json
from spechub_lp.drafts import IID, DraftPolicy, Greedy, WithoutReplacement
from spechub_lp.report.text.markdown import markdown_table
from spechub_lp.trees import (
    BorderPath,
    Drafted,
    GreedyPaths,
    LookAhead,
    NodeByNode,
    Shape,
    Traversal,
    every_drafted,
    exact_call,
    full,
    levels,
    path_sets,
    paths,
    simplex,
)
from spechub_lp.trees.drafted import Outcome
from spechub_lp.trees.program import TreeProgram

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE.parent))

from validation.pages import with_part  # noqa: E402

RESULT, PAGE = HERE / "results" / "tree_rules.json", HERE.parent / "docs" / "trees.md"
SEEDS, PRUNED_SEEDS = 6, 3
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
    if any(len(node.children) > 1 and node.depth > 1 for node in _inner(shape)):
        yield "look_ahead", LookAhead(policy)
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

    count, shapes = len(contexts), dict[tuple[int, ...], Shape]({(): shape})
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


def entries(vocabulary: int, shape: Shape, near: bool, policy: DraftPolicy, seed: int) -> Iterator[tuple[str, Any]]:
    """Yield (name, how to get its accepted drafts a call), the optimum first."""
    pair = model(vocabulary, seed, near)
    yield "optimum", lambda: tree_optimum(model(vocabulary, seed, near, mpq), shape, policy).value
    if len({len(node.children) for node in _inner(shape)}) == 1:
        yield "best by siblings", lambda: best_by_siblings(pair, shape, policy)
    for name, rule in rules(policy, shape):
        yield name, lambda rule=rule: exact_call(pair, shape, rule).value


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
        policy: DraftPolicy = self.rule.policy(k)
        return policy

    def kept(self, tree: Drafted) -> list[int]:
        """The nodes that are left, parents first."""
        keep = [0]
        for node in range(len(tree.parents)):
            children = tree.children[node]
            if node not in keep or not children:
                continue
            worst = min(children, key=lambda c: tree.q[node][int(tree.tokens[c])]) if self.by_token else children[-1]
            keep += [child for child in children if child != worst]
        return keep

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        """The ends of the rule on what is left."""
        keep = self.kept(tree)
        for outcome in self.rule.outcomes(part(tree, keep)):
            yield Outcome(keep[outcome.node], outcome.weights)


def part(tree: Drafted, keep: list[int]) -> Drafted:
    """The part of a drafted tree that these nodes are, parents first."""
    parents = [-1 if node == 0 else keep.index(tree.parents[node]) for node in keep]
    return Drafted(parents, [tree.tokens[n] for n in keep], *([each[n] for n in keep] for each in (tree.p, tree.q)))


@dataclass(frozen=True)
class Ranked:
    """Trees of the likeliest child and one drawn from the rest, cut to their best nodes, then greedy hubs.

    A reading of RheoSampling (arXiv 2609.21827) from its description: nodes are kept by the product of q along their
    paths; a drawn child has a proxy in the place of its q, the mean of q over the rest, which is the same for all
    of them. `by_proxy` off: the drawn token's own q.
    """

    keep: int
    by_proxy: bool

    def policy(self, k: int) -> DraftPolicy:
        """One drawn child beside the likeliest."""
        return Greedy()

    def kept(self, tree: Drafted) -> list[int]:
        """The nodes that are left and can be reached, parents first."""
        scores = [tree.q[0][0] * 0 + 1]
        for node in range(1, len(tree.parents)):
            parent, q = tree.parents[node], tree.q[tree.parents[node]]
            top, rest = int(np.argmax(q)), 1 - q.max()
            own = q[int(tree.tokens[node])]
            if node != tree.children[parent][0] and self.by_proxy:
                own = sum(a * a for y, a in enumerate(q) if y != top) / rest if rest else rest
            scores.append(scores[parent] * own)
        best = sorted(range(1, len(tree.parents)), key=lambda node: (-scores[node], node))[: self.keep]
        keep = [0]
        for node in sorted(best):
            keep += [node] if tree.parents[node] in keep else []
        return keep

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        """The ends on what is left."""
        keep = self.kept(tree)
        reach = {0: tree.q[0][0] * 0 + 1}
        for node in keep:
            children = [child for child in tree.children[node] if child in keep]
            accept, residual = self._verdict(tree, node, children)
            for child, share in zip(children, accept, strict=True):
                reach[child] = reach[node] * share
            yield Outcome(node, reach[node] * residual)

    @staticmethod
    def _verdict(tree: Drafted, node: int, children: list[int]) -> tuple[list[Any], Any]:
        p = tree.p[node]
        if len(children) == 2:
            x = np.array([[int(tree.tokens[child]) for child in children]])
            verdict = samplers.by_name("greedy_hubs", 2).verify(p[None], tree.q[node][None], x)
            return list(verdict.accept[0]), verdict.residual[0]
        chosen = {
            int(tree.tokens[child]) for child in children
        }  # a child that is there for sure is the target's choice
        return [p[y] for y in chosen], np.array([a * (y not in chosen) for y, a in enumerate(p)], dtype=p.dtype)


CASES = [
    (3, full(2, 2), "2^2", False, WOR), (3, full(2, 2), "2^2", True, WOR),
    (3, levels(3, 1), "3, then 1", False, WOR), (2, full(2, 2), "2^2", False, IID()),
    (3, paths(2, 2), "2 paths of 2", False, IID()), (2, paths(2, 4), "2 paths of 4", False, IID()),
    (3, paths(2, 1, 1), "2 behind 1", False, IID()),
]  # fmt: skip
LARGER = [
    (2, paths(2, 3, 1), "2 of 3 behind 1", False, IID()),
    (2, paths(3, 3), "3 paths of 3", False, IID()), (3, full(2, 2), "2^2", False, IID()),
    (4, full(2, 2), "2^2", False, WOR),
]  # fmt: skip
PRUNED = {
    "three drafts cut to two by their order, RRSw": (full(3, 1), Pruned(NodeByNode("rrsw"), by_token=False)),
    "three drafts cut to the two likeliest, RRSw": (full(3, 1), Pruned(NodeByNode("rrsw"), by_token=True)),
    "2^2 cut to four nodes by q and a proxy, greedy hubs": (full(2, 2), Ranked(4, by_proxy=True)),
    "2^2 cut to four nodes by q, greedy hubs": (full(2, 2), Ranked(4, by_proxy=False)),
}


PRUNED_HEADS = ["drafts and rule", "lossless", "largest distance", "accepted a call", "optimum", "share, %"]


def numbers() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield every number's key and how to get it, the quick ones first."""
    yield from _shares(CASES)
    for near in (False, True):
        for policy in (IID(), WOR, Greedy()):
            for seed in range(SEEDS):
                key = f"policy | {'near' if near else 'far'} | {policy.name} | {seed}"
                yield key, partial(_optimum, model(3, seed, near, mpq), policy)
    for name in PRUNED:
        yield f"pruned | {name}", partial(_pruned, *PRUNED[name])
        yield f"cut | {name}", partial(_best_of_the_cut, *PRUNED[name])
    yield from _shares(LARGER)


def _shares(cases: list[tuple[int, Shape, str, bool, DraftPolicy]]) -> Iterator[tuple[str, Callable[[], Any]]]:
    for vocabulary, shape, name, near, policy in cases:
        for seed in range(SEEDS):
            for rule, compute in entries(vocabulary, shape, near, policy, seed):
                distance = "near" if near else "far"
                yield f"{vocabulary} | {name} | {policy.name} | {distance} | {rule} | {seed}", compute


def _optimum(pair: Any, policy: DraftPolicy) -> Any:
    return tree_optimum(pair, full(2, 2), policy).value


def _pruned(shape: Shape, rule: Any) -> list[Any]:
    """Whether it is lossless on every table, the largest distance from the target, accepted drafts a call."""
    calls = [exact_call(model(3, seed, False, mpq), shape, rule) for seed in range(PRUNED_SEEDS)]
    distance = max(float(call.distance(shape.depth + 1)) for call in calls)
    return [all(call.is_lossless for call in calls), distance, sum(float(call.value) for call in calls) / len(calls)]


def _best_of_the_cut(shape: Shape, rule: Any) -> float:
    """The mean of the optima of the trees that are left."""
    values = []
    for seed in range(PRUNED_SEEDS):
        pair, masses = model(3, seed, False, mpq), dict[Any, Any]()
        for mass, tree in every_drafted(pair, (), shape, rule):
            left = path_sets.of(part(tree, rule.kept(tree)))
            masses[left] = masses.get(left, 0) + mass
        program = TreeProgram.build(pair, masses)
        flow, prices, _ = simplex.solve(program)
        assert (flow * program.gain).sum() == program.bound(prices)
        values.append(float(program.bound(prices)))
    return sum(values) / len(values)


def work() -> None:
    """Every number that is not there yet, the quick ones first."""
    found = read_json(RESULT) if RESULT.exists() else {}
    for key, compute in numbers():
        if key not in found:
            print(key, file=sys.stderr, flush=True)
            value = compute()
            found[key] = value if isinstance(value, list) else float(value)
            write_json(RESULT, found)


def tables(found: dict[str, Any]) -> dict[str, str]:
    """The parts of the page, as Markdown."""
    means: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for key, value in found.items():
        *case, rule, _ = key.split(" | ")
        if not key.startswith(("policy", "pruned", "cut")):
            means.setdefault(tuple(case), {}).setdefault(rule, []).append(value)
    columns = [
        "best by siblings", "look_ahead", "border_path", "not pooled", "b as Border's", "Border node by node",
        "greedy paths", "traversal", "kseq node by node", "rrs(w) node by node",
    ]  # fmt: skip
    shares = []
    for where, values in means.items():
        if len(values[[*values][-1]]) < SEEDS:
            continue  # not finished
        optimum = values["optimum"]
        cells = [
            f"{100 * sum(a / b for a, b in zip(values[c], optimum, strict=False)) / len(values[c]):.1f}"
            if c in values
            else ""
            for c in columns
        ]
        shares.append([*where, f"{sum(optimum) / len(optimum):.4f}", *cells])
    policies = []
    for near in ("far", "near"):
        own = [
            [v for key, v in found.items() if key.startswith(f"policy | {near} | {policy.name} |")]
            for policy in (IID(), WOR, Greedy())
        ]
        if all(own):
            policies.append([near, *(f"{sum(v) / len(v):.4f}" for v in own)])
    pruned = []
    for key, value in found.items():
        if key.startswith("pruned"):
            lossless, distance, accepted = value
            best = found.get(f"cut | {key[9:]}")
            share = f"{100 * accepted / best:.1f}" if best and lossless else ""
            most = f"{best:.4f}" if best else ""
            pruned.append([key[9:], "yes" if lossless else "no", f"{distance:.4f}", f"{accepted:.4f}", most, share])
    tables = {
        "shares": markdown_table(["V", "tree", "drafts", "q", "optimum", *columns], shares),
        "policies": markdown_table(["q", *(p.name for p in (IID(), WOR, Greedy()))], policies),
        "pruned": markdown_table(PRUNED_HEADS, pruned),
    }
    return {name: "\n".join(lines) for name, lines in tables.items()}


def report() -> None:
    """Put the tables into the page."""
    page = read_text(PAGE)
    for part, text in tables(read_json(RESULT)).items():
        page = with_part(page, part, "validation/benchmarks/tree_rules.py", text)
    write_text(PAGE, page)


if __name__ == "__main__":
    if "--report" not in sys.argv:
        work()
    report()
