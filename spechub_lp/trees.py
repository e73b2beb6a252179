"""Token trees: several drafts deep, verified in one call of the target.

A tree has a shape (who has how many children), which is fixed before a token is drawn. Drafting fills it: at each node
the children are drawn by the rule's own draft policy from the draft's law there. Verifying gives, for one drafted tree,
where the accepted path ends and which token is added behind it.

    node by node    a sampler at every node, from the root down (SpecInfer, Sequoia, SpecHub, Border, target-only)
    jointly         block and traversal verification, in `joint.py`

`step_law` and `loop_law` enumerate all of it for a small tabular model, so that a whole decoding loop can be compared
with the target's joint law as rationals.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from spechub_lp import samplers
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError
from spechub_lp.tuples import enumerate_drafts
from spechub_lp.verdict import Sampler

Array = Any
Tokens = tuple[int, ...]
Model = Callable[[Tokens], tuple[Array, Array]]
"""context -> (target law [V], draft law [V])."""


@dataclass(frozen=True)
class Shape:
    """A node and its children, in the order in which they are drafted."""

    children: tuple["Shape", ...] = ()

    @cached_property
    def size(self) -> int:
        """Drafted tokens: nodes below this one."""
        return sum(1 + child.size for child in self.children)

    @cached_property
    def depth(self) -> int:
        return max((1 + child.depth for child in self.children), default=0)

    @cached_property
    def parents(self) -> list[int]:
        """[size + 1] parent of each node, level by level, children of one node side by side; the root is 0, with -1."""
        out, level = [-1], [(0, self)]
        while level:
            below = []
            for node, shape in level:
                for child in shape.children:
                    below.append((len(out), child))
                    out.append(node)
            level = below
        return out


def chain(depth: int) -> Shape:
    return full(1, depth)


def full(branching: int, depth: int) -> Shape:
    """`branching` children at every node, `depth` levels: the tree b^d of the papers."""
    return Shape((full(branching, depth - 1),) * branching) if depth > 0 else Shape()


def best_shape(size: int, rates: Mapping[int, Sequence[float]], depth: int | None = None) -> tuple[Shape, float]:
    """The shape of at most `size` drafted tokens with the most expected tokens per call, and that number.

    Sequoia's dynamic program (arXiv 2402.12374, section 3.1), for rates that may depend on the number of children:
    rates[k][i] is the probability that the i-th of k children is accepted, taken to be the same at every node. Then the
    expected tokens are the sum, over all nodes, of the product of the rates on the way, the root counting 1.

    Raises:
        SpecHubError: rates[k] has not k entries in [0, 1].
    """
    for k, row in rates.items():
        if k < 1 or len(row) != k or not all(0 <= rate <= 1 for rate in row):
            raise SpecHubError(f"rates[{k}] = {list(row)}; it must hold {k} probabilities")
    levels = size if depth is None else min(depth, size)
    best: list[tuple[float, Shape]] = [(1.0, Shape())] * (size + 1)
    for _ in range(levels):
        grown = [best[0]]
        for n in range(1, size + 1):
            found = (1.0, Shape())
            for k, row in rates.items():
                if k <= n:
                    value, children = _share(n, row, best)
                    found = max(found, (1 + value, Shape(children)), key=lambda pair: pair[0])
            grown.append(max(found, grown[-1], key=lambda pair: pair[0]))
        best = grown
    return best[size][1], best[size][0]


def _share(n: int, rates: Sequence[float], best: list[tuple[float, Shape]]) -> tuple[float, tuple[Shape, ...]]:
    """Share n tokens among children with these rates; each child takes one and has the best tree of its rest."""
    table: list[tuple[float, tuple[Shape, ...]] | None] = [(0.0, ())] + [None] * n
    for rate in rates:
        fresh: list[tuple[float, tuple[Shape, ...]] | None] = [None] * (n + 1)
        for used, kept in enumerate(table):
            if kept is None:
                continue
            for own in range(1, n - used + 1):
                value, shape = best[own - 1]
                total = kept[0] + rate * value
                old = fresh[used + own]
                if old is None or total > old[0]:
                    fresh[used + own] = (total, (*kept[1], shape))
        table = fresh
    return max((entry for entry in table if entry is not None), key=lambda entry: entry[0], default=(0.0, ()))


@dataclass(frozen=True)
class Drafted:
    """A shape filled with tokens, and the laws at its nodes. Node 0 is the root; parents come before children."""

    parents: Sequence[int]
    """[N] parent of each node; -1 for the root."""
    tokens: Sequence[int]
    """[N] token of each node; the root's is of no use."""
    p: Array
    """[N, V] target law after each node."""
    q: Array
    """[N, V] draft law after each node, from which its children were drawn."""

    @cached_property
    def children(self) -> list[list[int]]:
        out: list[list[int]] = [[] for _ in self.parents]
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                out[parent].append(node)
        return out

    def path(self, node: int) -> Tokens:
        """The tokens from below the root down to a node."""
        out: list[int] = []
        while node:
            out.append(int(self.tokens[node]))
            node = self.parents[node]
        return tuple(reversed(out))


@dataclass(frozen=True)
class Outcome:
    """The path to `node` is accepted and one more token is drawn."""

    node: int
    weights: Array
    """[V] probability of this end and that last token; over all outcomes of a drafted tree they sum to 1."""


@dataclass(frozen=True)
class NodeByNode:
    """A sampler at every node: the child that it accepts is where it goes on; what it draws instead is the end."""

    name: str
    """Name of the sampler. With one child every rule but target-only is naive; spechub with three or more is greedy
    hubs, with the same law on the drafted set where both exist."""

    def rule(self, k: int) -> Sampler:
        """The sampler at a node with k children."""
        if k == 1 and self.name != "nss":
            return samplers.by_name("naive", 1)
        return samplers.by_name("greedy_hubs" if self.name == "spechub" and k != 2 else self.name, k)

    def policy(self, k: int) -> DraftPolicy:
        return self.rule(k).drafts

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        """Every end of positive probability, given the drafted tree."""
        reach: dict[int, Any] = {0: tree.p[0][0] * 0 + 1}
        for node, children in enumerate(tree.children):
            if node not in reach:
                continue
            if not children:
                yield Outcome(node, reach[node] * tree.p[node])
                continue
            verdict = self.verdict(tree, node)
            for child, share in zip(children, verdict[0], strict=True):
                if share > 0:
                    reach[child] = reach[node] * share
            yield Outcome(node, reach[node] * verdict[1])

    def verdict(self, tree: Drafted, node: int) -> tuple[Array, Array]:
        """(accept [k], residual [V]) at one node."""
        x = np.asarray([[tree.tokens[child] for child in tree.children[node]]], dtype=np.int64)
        verdict = self.rule(x.shape[1]).verify(tree.p[node][None], tree.q[node][None], x)
        return verdict.accept[0], verdict.residual[0]

    def draw(self, tree: Drafted, u: Sequence[float]) -> tuple[int, int]:
        """(last node of the accepted path, token behind it), one uniform a level; only visited nodes are worked on."""
        node = 0
        for level in range(len(u)):
            if not tree.children[node]:
                return node, pick(tree.p[node], u[level])
            accept, residual = self.verdict(tree, node)
            cell = pick(np.concatenate([accept, residual]), u[level])
            if cell >= len(accept):
                return node, cell - len(accept)
            node = tree.children[node][cell]
        raise SpecHubError(f"{len(u)} uniforms for a deeper tree; one for each level and one more are needed")


def pick(weights: Array, u: float) -> int:
    """The cell that u falls into when weights [C], of any sum, are laid end to end."""
    ends = np.cumsum(np.asarray(weights, dtype=np.float64))
    return int(min(np.count_nonzero(ends <= u * ends[-1]), np.count_nonzero(ends < ends[-1])))


def every_drafted(model: Model, context: Tokens, shape: Shape, rule: Any) -> Iterator[tuple[Any, Drafted]]:
    """Every filling of a shape and its probability; the laws decide the arithmetic. Only for tiny models."""
    for mass, nodes in _fillings(model, context, shape, rule):
        parents, tokens, p, q = zip(*_by_level(nodes), strict=True)
        yield mass, Drafted(parents, tokens, np.stack(p), np.stack(q))


def step_law(model: Model, context: Tokens, shape: Shape, rule: Any) -> dict[Tokens, Any]:
    """The law of the tokens that one call gives (accepted path and the token behind it), by enumeration."""
    law: dict[Tokens, Any] = {}
    for mass, tree in every_drafted(model, context, shape, rule):
        for outcome in rule.outcomes(tree):
            path = tree.path(outcome.node)
            for token, weight in enumerate(outcome.weights):
                if weight:
                    out = (*path, token)
                    law[out] = law.get(out, mass * 0) + mass * weight
    return law


def loop_law(model: Model, shape: Shape, rule: Any, length: int, context: Tokens = ()) -> dict[Tokens, Any]:
    """The law of the first `length` tokens of a decoding loop: calls until there are enough, what is over cut off."""
    law: dict[Tokens, Any] = {}
    for step, mass in step_law(model, context, shape, rule).items():
        head = step[:length]
        rest = loop_law(model, shape, rule, length - len(head), context + head) if len(head) < length else {(): 1}
        for tail, more in rest.items():
            law[head + tail] = law.get(head + tail, 0) + mass * more
    return law


def target_law(model: Model, length: int, context: Tokens = ()) -> dict[Tokens, Any]:
    """The law of the next `length` tokens under the target alone."""
    law: dict[Tokens, Any] = {}
    for token, mass in enumerate(model(context)[0]):
        if mass:
            rest = target_law(model, length - 1, (*context, token)) if length > 1 else {(): 1}
            for tail, more in rest.items():
                law[(token, *tail)] = mass * more
    return law


def tokens_per_call(law: Mapping[Tokens, Any]) -> Any:
    """The mean number of tokens that a call gives."""
    return sum(len(tokens) * mass for tokens, mass in law.items())


_Node = tuple[int, Array, Array, list[Any]]
"""(token, p [V], q [V], children)."""


def _fillings(model: Model, context: Tokens, shape: Shape, rule: Any, token: int = -1) -> Iterator[tuple[Any, _Node]]:
    p, q = model(context)
    one, k = q[0] * 0 + 1, len(shape.children)
    if not k:
        yield one, (token, p, q, [])
        return
    for x, mass in zip(*enumerate_drafts(rule.policy(k), q[None], k), strict=True):
        below = (
            list(_fillings(model, (*context, int(y)), child, rule, int(y)))
            for y, child in zip(x, shape.children, strict=True)
        )
        for parts in product(*below):
            whole = mass
            for part, _ in parts:
                whole = whole * part
            yield whole, (token, p, q, [node for _, node in parts])


def _by_level(root: _Node) -> Iterator[tuple[int, int, Array, Array]]:
    level: list[tuple[int, _Node]] = [(-1, root)]
    count = 0
    while level:
        below = []
        for parent, (token, p, q, children) in level:
            yield parent, token, p, q
            below += [(count, child) for child in children]
            count += 1
        level = below
