"""A tree's optimum, and what every rule for its drafts reaches of it, exactly."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from spechub_lp import certificate
from spechub_lp import drafts as policies
from spechub_lp._util.strict_json import read_json
from spechub_lp.coupling import plain
from spechub_lp.drafts import IID, DraftPolicy
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers import ALL
from spechub_lp.trees.decoding import exact_call
from spechub_lp.trees.drafted import Model, Tokens
from spechub_lp.trees.greedy_paths import GreedyPaths
from spechub_lp.trees.look_ahead import LookAhead
from spechub_lp.trees.node_by_node import NodeByNode
from spechub_lp.trees.optimum import TreeOptimum, tree_optimum
from spechub_lp.trees.path import Block, BorderPath
from spechub_lp.trees.shape import Shape, paths
from spechub_lp.trees.traversal import Traversal

MOST_FILLINGS = 20_000
"""Filled shapes that are enumerated for a rule."""


@dataclass(frozen=True)
class RuleOnTree:
    """Say what a rule does on the tree.

    Examples
    --------
    >>> RuleOnTree("block", Fraction(11, 9), lossless=True).accepted
    Fraction(11, 9)
    """

    name: str
    accepted: Fraction
    """Expected accepted drafts a call."""
    lossless: bool
    """Whether the loop keeps the target's joint distribution, as an equality of rationals."""


@dataclass(frozen=True)
class TreeSolution:
    """Hold the certified optimum and the rules beside it.

    Examples
    --------
    >>> from spechub_lp.trees.shape import chain
    >>> solution = solve_tree(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]), chain(1), "iid")
    >>> solution.vocabulary, solution.best.value
    (2, Fraction(2, 3))
    """

    best: TreeOptimum
    seconds: float
    rules: tuple[RuleOnTree, ...]
    """By falling acceptance; empty where the fillings of the shape are too many."""

    @property
    def vocabulary(self) -> int:
        """Number of tokens V."""
        return len(self.best.model(())[0])

    def document(self) -> dict[str, Any]:
        """The figures of `spechub-lp solve --tree` as JSON."""
        best = self.best
        return {
            "tree": best.certificate()["claim"]["shape"],
            "drafts": best.policy.name,
            "vocabulary": self.vocabulary,
            "value": best.value,
            "sets_of_paths": len(best.program.sets),
            "constraints": len(best.program.sets) + len(best.program.contexts),
            "variables": best.program.size,
            "exact_pivots": best.pivots,
            "seconds": self.seconds,
            "prices": [[list(path), price] for path, price in best.dual.items()],
            "rules": [{"name": r.name, "accepted": r.accepted, "lossless": r.lossless} for r in self.rules],
        }


def solve_tree(model: Any, shape: Shape, drafts: str | DraftPolicy, normalize: bool = False) -> TreeSolution:
    """Return the certified optimum of a tree and the exact acceptance of every rule for its drafts.

    It raises what `tree_optimum` raises.

    Parameters
    ----------
    model
        context -> (p, q), as a mapping or a function: target and draft distribution [V] after the tokens of the
        context.
    shape
        The tree that is drafted.
    drafts
        How siblings are drawn: name of a policy, a policy, or `module:object`.
    normalize
        Divide each p and q by its sum.

    Returns
    -------
    TreeSolution
        The optimum, how long it took, and the rules by falling acceptance.

    Examples
    --------
    >>> from spechub_lp.trees.shape import chain
    >>> solution = solve_tree(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]), chain(2), "iid")
    >>> [(rule.name, str(rule.accepted)) for rule in solution.rules if rule.accepted == solution.best.value]
    [('block', '11/9'), ('border_path', '11/9'), ('greedy_paths', '11/9'), ('traversal', '11/9')]
    """

    def completed(context: Tokens) -> Any:
        """The model; where it need not say anything, behind the last drafts and those with p = 0, as at the root."""
        try:
            return best.model(context)
        except SpecHubError:
            return best.model(())

    started = time.perf_counter()
    best = tree_optimum(model, shape, drafts, normalize=normalize)
    seconds = time.perf_counter() - started
    certificate.check_tree(best.certificate())
    found = []
    if _fillings(shape, len(best.model(())[0])) <= MOST_FILLINGS:
        for name, rule in rules_for(shape, best.policy):
            call = exact_call(completed, shape, rule)
            found.append(RuleOnTree(name, plain(call.value), call.is_lossless))
    return TreeSolution(best, seconds, tuple(sorted(found, key=lambda rule: -rule.accepted)))


def rules_for(shape: Shape, policy: DraftPolicy) -> Iterator[tuple[str, Any]]:
    """Yield the name and the rule of every verifier that is lossless for this shape and these drafts.

    Parameters
    ----------
    shape
        The tree that is drafted.
    policy
        How siblings are drawn.

    Yields
    ------
    name : str
        What tables call the rule.
    rule
        A verifier, as `trees.exact_call` takes it.

    Examples
    --------
    >>> from spechub_lp.trees.shape import full
    >>> [name for name, _ in rules_for(full(2, 2), IID())][:2]
    ['border_path', 'traversal']
    """
    widths = {len(node.children) for node in _inner(shape)}
    if widths <= {1}:
        yield "block", Block()
    if policy in (IID(), policies.WithoutReplacement()):
        yield "border_path", BorderPath(policy)
        if policy == IID() and shape == paths(len(shape.children), shape.depth):
            yield "greedy_paths", GreedyPaths()
        yield "traversal", Traversal(policy)
        if any(len(node.children) == 2 and node.depth > 1 for node in _inner(shape)):
            yield "look_ahead", LookAhead(policy)
    for sampler in ALL:
        if sampler.name not in ("two_step", "naive", "lp_table") and policy in sampler.own:
            rule = NodeByNode(sampler.name)
            if all(rule.policy(k) in (policy, IID()) and policy.takes(k) for k in widths):
                yield f"{sampler.name}, node by node", rule


def _inner(shape: Shape) -> Iterator[Shape]:
    if shape.children:
        yield shape
        for child in shape.children:
            yield from _inner(child)


def _fillings(shape: Shape, vocabulary: int) -> int:
    return vocabulary**shape.size if shape.size < 64 else MOST_FILLINGS + 1


MODEL_SCHEMA = {
    "type": "array",
    "items": {
        "type": "array",
        "prefixItems": [
            {"type": "array", "items": {"type": "integer", "minimum": 0}},
            {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1},
            {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1},
        ],
        "items": False,
        "minItems": 3,
    },
}


def read_model(path: Path) -> dict[Tokens, tuple[list[Any], list[Any]]]:
    """Read a JSON list of [context, p, q], each with its own distributions.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        context -> (p [V], q [V]), as they stand in the file.

    Raises
    ------
    SpecHubError
        The file cannot be read or is something else.

    Examples
    --------
    >>> written = Path("model.json").write_text('[[[], ["1/2", "1/2"], ["1", "0"]]]')
    >>> read_model(Path("model.json"))
    {(): (['1/2', '1/2'], ['1', '0'])}
    """
    hint = 'write a list of [context, p, q], such as [[[], ["1/2", "1/2"], ["1", "0"]]]'
    document = read_json(path, MODEL_SCHEMA, hint)
    return {tuple(context): (p, q) for context, p, q in document}


__all__ = ["Model", "RuleOnTree", "TreeSolution", "read_model", "rules_for", "solve_tree"]
