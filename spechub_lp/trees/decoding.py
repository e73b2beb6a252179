"""The joint distribution of a call and of a whole decoding loop, by enumeration for a small tabular model."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from spechub_lp.instance import enumerate_drafts
from spechub_lp.trees.drafted import Drafted, Model, Tokens
from spechub_lp.trees.shape import Shape
from spechub_lp.typing import Array


def every_drafted(model: Model, context: Tokens, shape: Shape, rule: Any) -> Iterator[tuple[Any, Drafted]]:
    """Every filling of a shape and its probability; the distributions decide the arithmetic. Only for tiny models."""
    for mass, nodes in _fillings(model, context, shape, rule):
        parents, tokens, p, q = zip(*_by_level(nodes), strict=True)
        yield mass, Drafted(parents, tokens, np.stack(p), np.stack(q))


def step_distribution(model: Model, context: Tokens, shape: Shape, rule: Any) -> dict[Tokens, Any]:
    """The distribution of the tokens that one call gives (accepted path and the token behind it), by enumeration."""
    distribution: dict[Tokens, Any] = {}
    for mass, tree in every_drafted(model, context, shape, rule):
        for outcome in rule.outcomes(tree):
            path = tree.path(outcome.node)
            for token, weight in enumerate(outcome.weights):
                if weight:
                    out = (*path, token)
                    distribution[out] = distribution.get(out, mass * 0) + mass * weight
    return distribution


def loop_distribution(model: Model, shape: Shape, rule: Any, length: int, context: Tokens = ()) -> dict[Tokens, Any]:
    """The distribution of the first `length` tokens of a decoding loop: calls until there are enough, what is over cut
    off."""
    distribution: dict[Tokens, Any] = {}
    for step, mass in step_distribution(model, context, shape, rule).items():
        head = step[:length]
        rest = (
            loop_distribution(model, shape, rule, length - len(head), context + head) if len(head) < length else {(): 1}
        )
        for tail, more in rest.items():
            distribution[head + tail] = distribution.get(head + tail, 0) + mass * more
    return distribution


def target_distribution(model: Model, length: int, context: Tokens = ()) -> dict[Tokens, Any]:
    """The distribution of the next `length` tokens under the target alone."""
    distribution: dict[Tokens, Any] = {}
    for token, mass in enumerate(model(context)[0]):
        if mass:
            rest = target_distribution(model, length - 1, (*context, token)) if length > 1 else {(): 1}
            for tail, more in rest.items():
                distribution[(token, *tail)] = mass * more
    return distribution


def tokens_per_call(distribution: Mapping[Tokens, Any]) -> Any:
    """The mean number of tokens that a call gives."""
    return sum(len(tokens) * mass for tokens, mass in distribution.items())


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
