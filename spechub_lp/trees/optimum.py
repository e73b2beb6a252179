"""The certified optimum of a tree of drafts: its value, a verifier that reaches it, and prices that prove it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from spechub_lp import drafts as policies
from spechub_lp._array.equality import equal_fields
from spechub_lp.certificate import TREE_FORMAT, rational_text, shown
from spechub_lp.coupling import plain
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SolverError, UnknownName
from spechub_lp.instance import enumerate_drafts
from spechub_lp.trees import path_sets, simplex
from spechub_lp.trees.drafted import Drafted, Model, Outcome, Tokens, tabular
from spechub_lp.trees.path_sets import PathSet
from spechub_lp.trees.program import TreeProgram
from spechub_lp.trees.shape import Shape, check_shape
from spechub_lp.typing import NumpyArray

METHODS = ("highs", "simplex")


@dataclass(frozen=True)
class TreeOptimum:
    """The most accepted drafts a call of any lossless verifier, with both halves of its proof; exact throughout.

    Examples
    --------
    >>> from spechub_lp import certificate, tree_optimum
    >>> from spechub_lp.trees import full
    >>> best = tree_optimum(lambda context: (["3/4", "1/4"], ["1/3", "2/3"]), full(2, 2), drafts="iid")
    >>> best.value
    Fraction(4463, 2916)
    >>> certificate.check_tree(best.certificate()).value == best.value
    True
    """

    model: Model
    """context -> (p [V], q [V]) in rationals."""
    shape: Shape
    policy: DraftPolicy
    """How siblings are drawn."""
    value: Fraction
    """Expected accepted drafts a call."""
    pivots: int
    """Exact pivots after HiGHS: 0 where its basis was optimal as it stood."""
    program: TreeProgram
    """The tree program."""
    flow: NumpyArray
    """[n] s: the probability that a set of paths is drafted and verification ends at one of its nodes."""
    prices: NumpyArray
    """[M] the price of each context."""

    __eq__ = equal_fields

    def __repr__(self) -> str:
        return f"TreeOptimum(value={self.value}, {self.shape.size} {self.policy.name} drafts)"

    @property
    def tokens_per_call(self) -> Fraction:
        """Accepted drafts and the token behind them."""
        return self.value + 1

    @cached_property
    def coupling(self) -> dict[PathSet, dict[Tokens, Fraction]]:
        """The positive probabilities that a set of paths is drafted and verification ends at a path; () is the root."""
        program, ends = self.program, [*self.program.contexts]
        coupling: dict[PathSet, dict[Tokens, Fraction]] = {paths: {} for paths in program.sets}
        left = program.mass.copy()
        for i in np.flatnonzero(self.flow).tolist():
            left[program.member[i]] -= self.flow[i]
            coupling[program.sets[program.member[i]]][ends[program.end[i]]] = plain(self.flow[i])
        for paths, mass in zip(program.sets, left, strict=True):
            if mass:
                coupling[paths][()] = plain(mass)
        return coupling

    @cached_property
    def dual(self) -> dict[Tokens, Fraction]:
        """The price of accepting each context, where it is not 0 (`TreeProgram.bound`)."""
        return {path: plain(price) for path, price in zip(self.program.contexts, self.prices, strict=True) if price}

    @cached_property
    def accepted(self) -> dict[Tokens, Fraction]:
        """R(c): the probability that a context is accepted."""
        accepted: dict[Tokens, Fraction] = {}
        for ends in self.coupling.values():
            for path, mass in ends.items():
                for length in range(len(path) + 1):
                    accepted[path[:length]] = accepted.get(path[:length], Fraction(0)) + mass
        return accepted

    @property
    def rule(self) -> "OptimalTree":
        """The optimum as a verifier of filled shapes, at the context that the model calls ()."""
        return OptimalTree(self)

    def certificate(self) -> dict[str, Any]:
        """Return the proof as a document that `certificate.check_tree` checks without a solver.

        docs/certificate_format.md has its grammar.
        """
        return {
            "format": TREE_FORMAT,
            "claim": {
                "model": [[list(context), *rows] for context, rows in self._rows()],
                "shape": _nested(self.shape),
                "drafts": self.policy.name if self._is_known else "table",
                "value": rational_text(self.value),
            },
            "coupling": [
                [
                    [list(leaf) for leaf in path_sets.leaves(paths)],
                    [[list(end), rational_text(mass)] for end, mass in ends.items()],
                ]
                for paths, ends in self.coupling.items()
            ],
            "prices": [[list(path), rational_text(price)] for path, price in self.dual.items()],
        }

    @property
    def _is_known(self) -> bool:
        return self.policy in policies.ALL and not self.policy.different_drafters

    def _rows(self) -> Iterator[tuple[Tokens, tuple[list[str], Any]]]:
        """Every context that children are drafted after, with p and q, or the distribution of its draft tuples."""
        inner: dict[Tokens, set[int]] = {}

        def walk(shape: Shape, context: Tokens) -> None:
            if shape.children:
                inner.setdefault(context, set()).add(len(shape.children))
                for child in shape.children:
                    for token, chance in enumerate(self.model(context)[0]):
                        if chance and (*context, token) in self.program.contexts:
                            walk(child, (*context, token))

        walk(self.shape, ())
        for context in sorted(inner, key=lambda path: (len(path), path)):
            p, q = self.model(context)
            yield context, (_text(p), _text(q) if self._is_known else self._table(q, inner[context]))

    def _table(self, q: Any, counts: set[int]) -> list[Any]:
        table = []
        for k in sorted(counts):
            tuples, mass = enumerate_drafts(self.policy, q[None], k)
            table += [[x, rational_text(plain(m))] for x, m in zip(tuples.tolist(), mass, strict=True)]
        return table


def tree_optimum(
    model: Mapping[Tokens, Any] | Callable[[Tokens], Any],
    shape: Shape,
    drafts: str | DraftPolicy = "without_replacement",
    *,
    method: str = "highs",
    normalize: bool = False,
) -> TreeOptimum:
    """Solve the tree program: the most accepted drafts a call that any lossless verifier can reach, proved.

    Parameters
    ----------
    model
        context -> (p, q), as a mapping or a function: target and draft distribution [V] after the tokens of the
        context; rationals, strings or floats. The context of the root is ().
    shape
        Who has how many children: `trees.full(k, depth)`, `trees.chain(depth)`, or any `trees.Shape`.
    drafts
        How siblings are drawn: name of a policy, a policy, or `module:object`.
    method
        "highs" starts from the basis of HiGHS; "simplex" pivots in rationals all along, for small trees.
    normalize
        Divide each p and q by its sum.

    Returns
    -------
    TreeOptimum
        The value, a verifier that reaches it, and the prices that prove that none does better.

    Raises
    ------
    SpecHubError
        A context is missing or no pair of distributions.
    TooLarge
        Too many sets of paths.
    UnknownName
        No such policy or method.
    SolverError
        The verifier and the prices disagree: a fault of ours.

    References
    ----------
    theory/trees. A linear program over drafts of several paths, for iid paths: Thomas and Pal, arXiv 2602.16961.

    Examples
    --------
    A chain of drafts, and the same tokens a call by block verification:

    >>> from spechub_lp.trees import Block, chain, step_distribution, tabular, tokens_per_call
    >>> model = tabular(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]))
    >>> tree_optimum(model, chain(2)).value
    Fraction(11, 9)
    >>> tokens_per_call(step_distribution(model, (), chain(2), Block())) - 1
    mpq(11,9)
    """
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    check_shape(shape)
    policy, exact = policies.by_name(drafts), tabular(model, normalize)
    sets = path_sets.distribution(exact, shape, policy)
    program = TreeProgram.build(exact, sets)
    if not program.contexts:
        return TreeOptimum(exact, shape, policy, Fraction(0), 0, program, program.mass[:0], program.mass[:0])
    flow, prices, pivots = simplex.solve(program, method)
    value, bound = plain((flow * program.gain).sum()), plain(program.bound(prices))
    if value != bound:
        raise SolverError(f"verifier {shown(value)} and bound {shown(bound)} disagree; please report this model")
    return TreeOptimum(exact, shape, policy, value, pivots, program, flow, prices)


@dataclass(frozen=True)
class OptimalTree:
    """Verify by the table of a solved tree program, for the drafted trees of its root.

    Examples
    --------
    >>> from spechub_lp.trees import chain, exact_call, tabular
    >>> model = tabular(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]))
    >>> call = exact_call(model, chain(2), tree_optimum(model, chain(2), "iid").rule)
    >>> call.value, call.is_lossless
    (mpq(11,9), True)
    """

    best: TreeOptimum
    name = "tree_optimum"

    def policy(self, k: int) -> DraftPolicy:
        """How k siblings are drawn: as for the tree that was solved."""
        return self.best.policy

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        """Every end of positive probability, given the drafted tree."""
        one = tree.p[0][0] * 0 + 1
        ends = self.best.coupling[path_sets.of(tree)]
        whole = sum(ends.values())
        first: dict[Tokens, int] = {}
        for node in range(len(tree.parents)):
            first.setdefault(tree.path(node), node)
        for path, mass in ends.items():
            yield Outcome(first[path], one * (mass / whole) * self.after(path))

    def after(self, path: Tokens) -> NumpyArray:
        """[V] distribution of the token after an accepted path: R(c) p(y | c) - R(c y), normalized."""
        accepted, p = self.best.accepted, self.best.model(path)[0]
        left = np.array([accepted[path] * m - accepted.get((*path, y), 0) for y, m in enumerate(p)], dtype=object)
        found: NumpyArray = left / left.sum()
        return found


def _nested(shape: Shape) -> list[Any]:
    return [_nested(child) for child in shape.children]


def _text(row: Any) -> list[str]:
    return [rational_text(plain(value)) for value in row]
