"""Small draft trees with distributions that depend on the context, so that a wrong row shows."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from spechub_lp import drafts as policies
from spechub_lp._util import objects
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.protocols import TreeBatch
from spechub_lp.instance import MOST_TUPLES
from spechub_lp.trees.shape import spelled

Context = tuple[int, ...]

COUNTS = 64
"""Entries of a tree's distributions are multiples of 1/64, and most of them are positive."""
LOGITS = (-1.75, 0.75, 1.25)
SHIFT = 7.458333333333333
"""Logits of p = q that differ by this: float32 softmax gives p/q = 1 - 7 * 2^-24 at token 0, and p <= q everywhere."""


@dataclass(frozen=True)
class TreeProblem:
    """Hold drafted trees in which every context has a target and a draft distribution of its own.

    Siblings are drafted by one policy.

    Examples
    --------
    >>> problem = TreeProblem("a chain", vocabulary=3)
    >>> len(problem.trees), problem.target((2,)).shape, problem.joint.shape
    (9, (3,), (27,))
    """

    name: str
    vocabulary: int = 4
    branching: tuple[int, ...] = (1, 1)
    """Children of each node, level by level; (1, 1) is a chain of two drafts."""
    drafts: DraftPolicy = field(default_factory=policies.IID)
    zeros: bool = False
    """Some rows have zeros, and some rows have p = q."""
    seed: int = 0
    loose: tuple[int, ...] | None = None
    """The depths at which distributions have several tokens, where a tree is too deep for all; None: every depth."""
    padding: int = 0
    """Nodes of padding after each tree, as in a batch with longer rows."""
    shift: float = 0.0
    """When not 0: p = q = softmax(LOGITS) everywhere, and the target's logits are larger by this constant."""

    def document(self) -> dict[str, Any]:
        """The problem as JSON."""
        own = ("name", "vocabulary", "branching", "zeros", "seed", "shift", "loose", "padding")
        return {name: getattr(self, name) for name in own} | {"drafts": objects.address(self.drafts)}

    @classmethod
    def read(cls, document: dict[str, Any]) -> "TreeProblem":
        """The inverse of `document`. Raises SpecHubError on something else."""
        try:
            read = cls(
                str(document["name"]),
                int(document["vocabulary"]),
                tuple(int(n) for n in document["branching"]),
                policies.by_name(document["drafts"]),
                bool(document["zeros"]),
                int(document["seed"]),
                shift=float(document.get("shift", 0.0)),
                loose=None if document.get("loose") is None else tuple(map(int, document["loose"])),
                padding=int(document.get("padding", 0)),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, SpecHubError):
                raise
            raise SpecHubError(f"this is not a saved tree problem: {error!r}") from None
        read.check()
        if read.vocabulary > COUNTS and "rows" not in document:
            raise SpecHubError(
                f"vocabulary = {read.vocabulary}; the distributions of a tree are on at most {COUNTS} tokens"
            )
        return read

    def check(self) -> None:
        """Raise SpecHubError when the distributions cannot be made, or the trees are too many to enumerate."""
        V, shape = self.vocabulary, spelled(self.branching)
        if self.shift and len(LOGITS) != V:
            raise SpecHubError(f"shifted logits are those of {len(LOGITS)} tokens; vocabulary = {V}")
        drafted, level = 0, 1
        for width in self.branching:
            level *= width
            drafted += level
            if self.loose is None and (drafted > 64 or V**drafted > MOST_TUPLES):
                raise SpecHubError(f"trees {shape} on V = {V} tokens are too many to enumerate")
        if len(self.branching) > 16 or V ** (len(self.branching) + 1) > MOST_TUPLES:
            raise SpecHubError(f"texts of {len(self.branching) + 1} tokens of V = {V} are too many to enumerate")

    @property
    def depth(self) -> int:
        """Number of levels below the root."""
        return len(self.branching)

    def target(self, context: Context) -> np.ndarray:
        """[V] target distribution after these tokens."""
        return self._cached(context, 0)

    def draft(self, context: Context) -> np.ndarray:
        """[V] draft distribution after these tokens."""
        same = self.zeros and len(context) == 1 and context[0] == 0
        return self.target(context) if same else self._cached(context, 1)

    def _cached(self, context: Context, side: int) -> np.ndarray:
        if (context, side) not in self._distributions:
            self._distributions[context, side] = self._distribution(context, side)
        return self._distributions[context, side]

    @cached_property
    def _distributions(self) -> dict[tuple[Context, int], np.ndarray]:
        return {}

    def _distribution(self, context: Context, side: int) -> np.ndarray:
        if self.shift:
            distribution = np.exp(LOGITS)
            return np.asarray(distribution / distribution.sum())
        if self.loose is not None:
            if len(context) not in self.loose:
                return np.asarray(np.eye(self.vocabulary)[(sum(context) + len(context)) % self.vocabulary])
            context = (len(context), *context[-1:])
        if side == 1 and (sum(context) + len(context)) % 2 == 0:
            # The target's numbers in reverse: half of the tokens are drafted too rarely, so a residual has a choice.
            distribution = self.target(context) if self.loose is None else self._random(context, 0)
            turned = np.empty_like(distribution)
            turned[np.argsort(distribution, kind="stable")] = np.sort(distribution)[::-1]
            return turned
        return self._random(context, side)

    def _random(self, context: Context, side: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, side, len(context), *context])
        counts = 1 + rng.multinomial(COUNTS - self.vocabulary, rng.dirichlet(np.full(self.vocabulary, 0.9)))
        if self.zeros and self.vocabulary > 1:
            gone = (sum(context) + side) % self.vocabulary
            counts[(gone + 1) % self.vocabulary] += counts[gone]
            counts[gone] = 0
        return counts / COUNTS

    def node(self, context: Context) -> Problem:
        """The drafting at one node."""
        q = tuple(self.draft(context).tolist())
        return Problem(str(context), tuple(self.target(context).tolist()), q, self.branching[len(context)], self.drafts)

    @cached_property
    def trees(self) -> list[tuple[list[tuple[int, int]], float]]:
        """Every drafted tree as [(parent, token)], root first, level by level, and its probability."""
        return [([(-1, -1), *nodes], mass) for nodes, mass in self._grow([((), 0)], 1)]

    def _grow(self, level: Sequence[tuple[Context, int]], size: int) -> list[tuple[list[tuple[int, int]], float]]:
        """All ways to draft below the nodes (context, index) of one level when `size` nodes exist."""
        if len(level[0][0]) == self.depth:
            return [([], 1.0)]
        choices = [list(zip(p.tuples, p.mass.tolist(), strict=True)) for p in (self.node(c) for c, _ in level)]
        grown = []
        for choice in itertools.product(*choices):
            nodes: list[tuple[int, int]] = []
            below: list[tuple[Context, int]] = []
            mass = 1.0
            for (context, index), (tokens, chance) in zip(level, choice, strict=True):
                mass *= chance
                for token in tokens:
                    below.append(((*context, token), size + len(nodes)))
                    nodes.append((index, token))
            grown += [(nodes + rest, mass * m) for rest, m in self._grow(below, size + len(nodes))]
        return grown

    @cached_property
    def _all(self) -> TreeBatch:
        """Every tree, as one batch."""
        count = len(self.trees[0][0]) + self.padding
        parent = torch.full((len(self.trees), count), -1, dtype=torch.int64)
        token = parent.clone()
        p = torch.full((len(self.trees), count, self.vocabulary), torch.nan, dtype=torch.float64)
        q = p.clone()
        for b, (tree, _) in enumerate(self.trees):
            for n, ((up, t), context) in enumerate(zip(tree, self.contexts[b], strict=True)):
                parent[b, n], token[b, n] = up, t
                p[b, n] = torch.from_numpy(self.target(context))
                if len(context) < self.depth:
                    q[b, n] = torch.from_numpy(self.draft(context))
        if not self.shift:
            return TreeBatch(parent, token, p, q, self.drafts.name)
        logits = torch.tensor(LOGITS).expand(p.shape)
        return TreeBatch(parent, token, p, q, self.drafts.name, logits + self.shift, logits + q.float() * 0)

    def batch(self, trees: Sequence[int]) -> TreeBatch:
        """These trees as one batch of fresh tensors."""
        rows = torch.tensor(list(trees))
        whole = self._all
        assert whole.q is not None
        logits = [None if a is None else a[rows] for a in (whole.logits_of_p, whole.logits_of_q)]
        return TreeBatch(
            whole.parent[rows], whole.token[rows], whole.p[rows], whole.q[rows], whole.draft_distribution, *logits
        )

    @cached_property
    def contexts(self) -> list[list[Context]]:
        """The tokens that lead to each node of each tree."""
        out = []
        for tree, _ in self.trees:
            contexts: list[Context] = []
            for up, t in tree:
                contexts.append((*contexts[up], t) if up >= 0 else ())
            out.append(contexts)
        return out

    @cached_property
    def joint(self) -> np.ndarray:
        """[V^(L+1)] the target's joint distribution of depth + 1 tokens."""
        distribution = np.ones((1,))
        for depth in range(self.depth + 1):
            rows = [self.target(c) for c in itertools.product(range(self.vocabulary), repeat=depth)]
            distribution = (distribution[:, None] * np.asarray(rows)).reshape(-1)
        return distribution

    def completed(self, tokens: Context) -> np.ndarray:
        """[V^(L+1)] the distribution of depth + 1 tokens when these were emitted and the target draws the rest."""
        if tokens not in self._completed:
            distribution = np.zeros(self.vocabulary ** len(tokens))
            distribution[int(sum(t * self.vocabulary**i for i, t in enumerate(reversed(tokens))))] = 1.0
            for depth in range(len(tokens), self.depth + 1):
                rows = [self.target(c) for c in itertools.product(range(self.vocabulary), repeat=depth)]
                distribution = (distribution[:, None] * np.asarray(rows)).reshape(-1)
            self._completed[tokens] = distribution
        return self._completed[tokens]

    @cached_property
    def _completed(self) -> dict[Context, np.ndarray]:
        return {}

    @cached_property
    def paths(self) -> list[set[Context]]:
        """The token paths of each tree, from the root."""
        return [set(contexts) for contexts in self.contexts]


def impossible(problem: TreeProblem, tokens: tuple[int, ...]) -> str | None:
    """Say what is wrong with a token of probability 0.

    Parameters
    ----------
    problem
        Has the target distributions.
    tokens
        What the engine put out.

    Returns
    -------
    str or None
        The first such token and its position; None where every token is possible.

    Examples
    --------
    >>> problem = TreeProblem("a chain with zeros", vocabulary=3, zeros=True)
    >>> zero = int(problem.target(()).argmin())
    >>> impossible(problem, (zero,)) == f"it puts out token {zero} at position 0, which has p = 0 there"
    True
    """
    for i, token in enumerate(tokens):
        if problem.target(tokens[:i])[token] == 0:
            return f"it puts out token {token} at position {i}, which has p = 0 there"
    return None


def shapes_of(engine: Any, k: int) -> list[tuple[int, ...]]:
    """Return the trees that an engine takes.

    Parameters
    ----------
    engine
        Its `branchings` says which; without them, chains of two drafts, or k siblings and one child of each.
    k
        Number of siblings.

    Returns
    -------
    list of tuple of int
        The children of each node, level by level, of each shape.

    Examples
    --------
    >>> shapes_of(object(), 1), shapes_of(object(), 2)
    ([(1, 1)], [(2,), (2, 1)])
    """
    return getattr(engine, "branchings", None) or ([(1, 1)] if k == 1 else [(k,), (k, 1)])


MOST_DEEP = 3
"""Levels of a chain whose drafts are all enumerated; longer ones are loose at two depths at a time."""


def tree_problems(engine: Any, drafts: str, k: int, seed: int = 0) -> list[TreeProblem]:
    """Return problems for an engine: chains of two drafts, or trees with k siblings when it takes trees.

    Parameters
    ----------
    engine
        Its attributes say which trees it takes, and whether it takes padding and logits.
    drafts
        The draft policy, by name.
    k
        Number of siblings.
    seed
        Of the distributions.

    Returns
    -------
    list of TreeProblem
        The problems; long chains come last.

    Examples
    --------
    >>> [problem.name for problem in tree_problems(object(), "iid", 1)]
    ['tree 1,1', 'tree 1,1 with zeros']
    """
    policy = policies.by_name(drafts)
    made, deep = [], []
    for shape in shapes_of(engine, k):
        title = spelled(shape)
        if len(shape) > MOST_DEEP and set(shape) == {1}:
            deep += [
                TreeProblem(f"tree {title}, depths {a} and {b}", 3, shape, policy, False, seed, (a, b))
                for a, b in _pairs(len(shape), getattr(engine, "slow", False))
            ]
            continue
        if len(shape) == MOST_DEEP and set(shape) == {1}:  # where three tokens take longer than there is time
            made.append(TreeProblem(f"tree {title} of two tokens", 2, shape, policy, False, seed))
        width = 4 if int(np.prod(shape)) * len(shape) < 4 else 3
        made.append(TreeProblem(f"tree {title}", width, shape, policy, False, seed))
        made.append(TreeProblem(f"tree {title} with zeros", width, shape, policy, True, seed + 1))
    shortest = min(shapes_of(engine, k), key=len)
    if getattr(engine, "ragged", False):
        made.append(TreeProblem("a tree before padding", 4, shortest[:1], policy, False, seed + 2, padding=2))
    if getattr(engine, "takes_logits", False) and (1,) in shapes_of(engine, k):
        made.append(TreeProblem("p = q, logits shifted", 3, (1,), policy, False, seed, shift=SHIFT))
    return made + deep


def claimed_trees(engine: Any, drafts: str, k: int, seed: int = 0) -> list[TreeProblem]:
    """Return the problems of one more draft policy and number of siblings that an engine is for.

    Parameters
    ----------
    engine
        Its `branchings` with so many siblings say which trees it takes; without them, k siblings alone.
    drafts
        The draft policy, by name.
    k
        Number of siblings.
    seed
        Of the distributions.

    Returns
    -------
    list of TreeProblem
        One for each shape.

    Examples
    --------
    >>> [problem.name for problem in claimed_trees(object(), "top_k", 2)]
    ['tree 2 of top_k drafts', 'tree 2,1 of top_k drafts']
    """
    policy = policies.by_name(drafts)
    shapes = [shape for shape in shapes_of(engine, k) if shape[0] == k and len(shape) <= MOST_DEEP] or [(k,)]
    return [
        TreeProblem(f"tree {spelled(shape)} of {policy.name} drafts", 3, shape, policy, True, seed + 3)
        for shape in shapes
    ]


def _pairs(depth: int, few: bool) -> list[tuple[int, int]]:
    """Depths of a long chain that are loose together: neighbours, and the ends."""
    return [(depth - 2, depth - 1)] if few else [(0, depth - 1), *((a, a + 1) for a in range(depth - 1))]
