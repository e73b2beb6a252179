"""The joint distribution of a call and of a whole decoding loop, by enumeration for a small tabular model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from spechub_lp.distributions import count
from spechub_lp.errors import SpecHubError
from spechub_lp.instance import enumerate_drafts
from spechub_lp.trees.drafted import Drafted, Model, Tokens
from spechub_lp.trees.shape import Shape, check_shape
from spechub_lp.typing import Array


def every_drafted(model: Model, context: Tokens, shape: Shape, rule: Any) -> Iterator[tuple[Any, Drafted]]:
    """Yield every filling of a shape and its probability, for tiny models; the distributions decide the arithmetic.

    Parameters
    ----------
    model
        context -> (p [V], q [V]).
    context
        What stands before the call.
    shape
        The tree that is drafted.
    rule
        Its `policy(k)` says how k siblings are drawn.

    Yields
    ------
    mass
        The probability of this filling.
    tree : Drafted
        The filled shape.

    Examples
    --------
    >>> from spechub_lp.trees import NodeByNode, chain, tabular
    >>> model = tabular(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]))
    >>> [(str(mass), tree.tokens) for mass, tree in every_drafted(model, (), chain(1), NodeByNode("naive"))]
    [('2/3', (-1, 0)), ('1/3', (-1, 1))]
    """
    for mass, nodes in _fillings(model, context, shape, rule):
        parents, tokens, p, q = zip(*_by_level(nodes), strict=True)
        yield mass, Drafted(parents, tokens, np.stack(p), np.stack(q))


@dataclass(frozen=True)
class Call:
    """The ends of one call: with which probability a context is accepted and which token comes behind it.

    Examples
    --------
    >>> from spechub_lp.trees import NodeByNode, chain, tabular
    >>> model = tabular(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]))
    >>> call = exact_call(model, chain(1), NodeByNode("naive"))
    >>> call.accepted[0,], call.emitted[1,], call.distance(2)
    (mpq(1,3), mpq(2,3), mpq(0,1))
    """

    model: Model
    context: Tokens
    """What stood before the call."""
    ends: dict[tuple[Tokens, int], Any] = field(default_factory=dict)
    """(accepted context, token behind it) -> probability."""

    @cached_property
    def accepted(self) -> dict[Tokens, Any]:
        """R(c): the probability that all of c is accepted."""
        accepted: dict[Tokens, Any] = {}
        for (path, _), mass in self.ends.items():
            for length in range(len(path) + 1):
                accepted[path[:length]] = accepted.get(path[:length], mass * 0) + mass
        return accepted

    @cached_property
    def emitted(self) -> dict[Tokens, Any]:
        """M(c): the probability that the call gives c, its last token accepted or added."""
        emitted = dict(self.accepted)
        for (path, token), mass in self.ends.items():
            out = (*path, token)
            emitted[out] = emitted.get(out, mass * 0) + mass
        return emitted

    @cached_property
    def value(self) -> Any:
        """Expected accepted drafts."""
        return sum(len(path) * mass for (path, _), mass in self.ends.items())

    @cached_property
    def is_lossless(self) -> bool:
        """Whether M(c y) = R(c) p(y | c) for every accepted context c and every token y (theory/trees).

        Then, and only then, the tokens of the loop have the target's joint distribution, whatever later calls do that
        are lossless too.
        """
        return not self.wrong

    @cached_property
    def wrong(self) -> dict[Tokens, tuple[Any, Any]]:
        """c y -> (M(c y), R(c) p(y | c)), where the two differ."""
        wrong = {}
        for path, mass in self.accepted.items():
            for token, chance in enumerate(self.model((*self.context, *path))[0]):
                out = (*path, token)
                if self.emitted.get(out, mass * 0) != mass * chance:
                    wrong[out] = (self.emitted.get(out, mass * 0), mass * chance)
        return wrong

    def distance(self, length: int) -> Any:
        """Total variation distance of the next `length` tokens from the target's, when the target draws what is left.

        0 at the depth of the tree and one more says the same as `is_lossless`.
        """
        out: dict[Tokens, Any] = {}
        for (path, token), mass in self.ends.items():
            head = (*path, token)[:length]
            rest = target_distribution(self.model, length - len(head), (*self.context, *head))
            for tail, more in (rest or {(): 1}).items():
                out[head + tail] = out.get(head + tail, mass * 0) + mass * more
        right = target_distribution(self.model, length, self.context)
        return sum(abs(out.get(key, 0) - right.get(key, 0)) for key in out.keys() | right.keys()) / 2


def exact_call(model: Model, shape: Shape, rule: Any, context: Tokens = ()) -> Call:
    """Return what one call of a rule does, by enumeration of every filling of the shape; only for tiny models.

    Parameters
    ----------
    model
        context -> (p [V], q [V]); rationals give rationals.
    shape
        The tree that is drafted.
    rule
        Has `policy(k)`, how k siblings are drawn, and `outcomes(tree)`, the ends of a filled shape.
    context
        What stands before the call.

    Returns
    -------
    Call
        Every end of the call and its probability.

    Raises
    ------
    SpecHubError
        shape is no Shape, or rule has no `policy` or no `outcomes`.

    Examples
    --------
    >>> from spechub_lp.trees import NodeByNode, chain, tabular
    >>> model = tabular(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]))
    >>> call = exact_call(model, chain(2), NodeByNode("naive"))
    >>> call.value, call.is_lossless
    (mpq(10,9), True)
    """
    _fit(shape, rule)
    call = Call(model, context)
    for mass, tree in every_drafted(model, context, shape, rule):
        for outcome in rule.outcomes(tree):
            path = tree.path(outcome.node)
            for token, weight in enumerate(outcome.weights):
                if weight:
                    call.ends[path, token] = call.ends.get((path, token), mass * 0) + mass * weight
    return call


def step_distribution(model: Model, context: Tokens, shape: Shape, rule: Any) -> dict[Tokens, Any]:
    """Return the distribution of the tokens that one call gives: the accepted path and the token behind it.

    Parameters
    ----------
    model
        context -> (p [V], q [V]).
    context
        What stands before the call.
    shape
        The tree that is drafted.
    rule
        A verifier, as `exact_call` takes it.

    Returns
    -------
    dict
        Tokens -> probability.

    Examples
    --------
    >>> from spechub_lp.trees import NodeByNode, chain, tabular
    >>> model = tabular(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]))
    >>> {tokens: str(mass) for tokens, mass in step_distribution(model, (), chain(1), NodeByNode("naive")).items()}
    {(1,): '1/3', (0, 0): '1/9', (0, 1): '2/9', (1, 0): '1/9', (1, 1): '2/9'}
    """
    distribution: dict[Tokens, Any] = {}
    for (path, token), mass in exact_call(model, shape, rule, context).ends.items():
        out = (*path, token)
        distribution[out] = distribution.get(out, mass * 0) + mass
    return distribution


def loop_distribution(model: Model, shape: Shape, rule: Any, length: int, context: Tokens = ()) -> dict[Tokens, Any]:
    """Return the distribution of the first `length` tokens of a decoding loop.

    The loop makes calls until there are enough tokens, and what is over is cut off.

    Parameters
    ----------
    model
        context -> (p [V], q [V]).
    shape
        The tree that is drafted in each call.
    rule
        A verifier, as `exact_call` takes it.
    length
        Number of tokens.
    context
        What stands before the first call.

    Returns
    -------
    dict
        Tokens -> probability.

    Examples
    --------
    >>> from spechub_lp.trees import NodeByNode, chain, tabular
    >>> model = tabular(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]))
    >>> loop = loop_distribution(model, chain(1), NodeByNode("naive"), 2)
    >>> loop == target_distribution(model, 2)
    True
    """
    length = count(length, "length", least=0)
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
    """Return the distribution of the next `length` tokens under the target alone.

    Parameters
    ----------
    model
        context -> (p [V], q [V]).
    length
        Number of tokens.
    context
        What stands before them.

    Returns
    -------
    dict
        Tokens -> probability, where it is positive.

    Examples
    --------
    >>> from spechub_lp.trees import tabular
    >>> model = tabular(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]))
    >>> {tokens: str(mass) for tokens, mass in target_distribution(model, 2).items()}
    {(0, 0): '1/9', (0, 1): '2/9', (1, 0): '2/9', (1, 1): '4/9'}
    """
    if not count(length, "length", least=0):
        return {(): 1}
    distribution: dict[Tokens, Any] = {}
    for token, mass in enumerate(model(context)[0]):
        if mass:
            for tail, more in target_distribution(model, length - 1, (*context, token)).items():
                distribution[(token, *tail)] = mass * more
    return distribution


def tokens_per_call(distribution: Mapping[Tokens, Any]) -> Any:
    """Return the mean number of tokens that a call gives.

    Parameters
    ----------
    distribution
        Tokens -> probability, from `step_distribution`.

    Returns
    -------
    number
        The mean, in the arithmetic of the probabilities.

    Examples
    --------
    >>> tokens_per_call({(0,): 0.25, (0, 1): 0.75})
    1.75
    """
    return sum(len(tokens) * mass for tokens, mass in distribution.items())


def _fit(shape: Any, rule: Any) -> None:
    check_shape(shape)
    if isinstance(rule, type) or not all(callable(getattr(rule, name, None)) for name in ("policy", "outcomes")):
        raise SpecHubError(
            f"rule = {rule!r:.60} is no verifier of trees; it needs policy(k) and outcomes(tree), such as BorderPath() "
            "or NodeByNode('rrsw')"
        )


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
