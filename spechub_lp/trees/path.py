"""Choose a path of the tree, then verify it as a block (theory/trees).

    from the root down   choose one child, with a known distribution b of its token given the path so far
    along that path      block verification (Sun et al., arXiv 2403.10444), b in the place of the draft distribution

Block verification keeps the target's distribution whatever the draft distribution is, as long as it is that of the
chosen token given the path. So the choice of a child may look at its siblings, and at nothing below them.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp._array.convert import as_float64
from spechub_lp._array.ops import accept_probability, normalize, positive, total
from spechub_lp.drafts import IID, DraftPolicy, WithoutReplacement
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers.border import preparation
from spechub_lp.samplers.border.iid import Border
from spechub_lp.samplers.border.merge_tree import best_density, fairest_density
from spechub_lp.samplers.border.preparation import Mixture
from spechub_lp.samplers.border.without_replacement import BorderWor
from spechub_lp.trees.drafted import Drafted, Outcome, pick
from spechub_lp.typing import Array

Place = tuple[int, ...]
"""Nodes of a drafted tree that have one path: one node, or equal siblings that are pooled."""


class Choice(NamedTuple):
    """Say where a path goes on from a place.

    Examples
    --------
    >>> import numpy as np
    >>> choice = Choice(np.array([0.5, 0.5]), [((1,), 1.0)])
    >>> choice.children
    [((1,), 1.0)]
    """

    b: Array
    """[V] distribution of the chosen token, over the drafts of the children."""
    children: list[tuple[Place, Any]]
    """Each place below, and the probability that it is chosen, given these drafts."""


@dataclass(frozen=True)
class PathThenBlock:
    """Choose a path, from the root down; then accept the longest of its prefixes that passes.

    With w = 1 at the root and w = min(1, w p(x) / b(x)) at the chosen token x below, and s = sum (w p - b)+,

    1. choose one child at each node, whose token has the distribution b given the path;
    2. a prefix of the path passes with probability s / (s + 1 - w), the whole path with w, the root with 1;
    3. accept the longest prefix that passes;
    4. draw the next token from (w p - b)+, normalized; behind the whole path from p.

    Examples
    --------
    >>> from spechub_lp.trees import Block, chain, exact_call, tabular
    >>> model = tabular(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]))
    >>> isinstance(Block(), PathThenBlock), exact_call(model, chain(2), Block()).is_lossless
    (True, True)
    """

    name: ClassVar[str]

    @abstractmethod
    def policy(self, k: int) -> DraftPolicy:
        """How k siblings are drawn."""

    @abstractmethod
    def choice(self, tree: Drafted, place: Place, w: Any) -> Choice:
        """Choose among the children of a place (step 1)."""

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        """Every end and its weights, given the drafted tree."""
        one = tree.p[0][0] * 0 + 1
        yield from self._ends(tree, (0,), one, one)[0]

    def _ends(self, tree: Drafted, place: Place, w: Any, chosen: Any) -> tuple[list[Outcome], Any]:
        """The ends at or below a place that is chosen with this probability, and what is left for those above."""
        p = tree.p[place[0]]
        if not any(tree.children[node] for node in place):
            return [Outcome(place[0], chosen * w * p)], chosen * (1 - w)
        b, children = self.choice(tree, place, w)
        ends: list[Outcome] = []
        left = chosen * 0
        for below, probability in children:
            if probability > 0:
                found, more = self._ends(tree, below, _weight(tree, below, w, p, b), chosen * probability)
                ends += found
                left = left + more
        passes, residual = _passes(p, b, w, at_root=place == (0,))
        return [*ends, Outcome(place[0], left * passes * residual)], left * (1 - passes)

    def draw(self, tree: Drafted, u: Sequence[float]) -> tuple[int, int]:
        """(last node of the accepted path, token behind it), from one uniform a level of the tree and two more.

        Only the nodes of the chosen path are worked on.
        """
        place: Place = (0,)
        w, steps = tree.p[0][0] * 0 + 1, []
        for at in u[2:]:
            if not any(tree.children[node] for node in place):
                break
            p = tree.p[place[0]]
            b, children = self.choice(tree, place, w)
            steps.append((place[0], *_passes(p, b, w, at_root=place == (0,))))
            place = children[pick([float(probability) for _, probability in children], at)][0]
            w = _weight(tree, place, w, p, b)
        if any(tree.children[node] for node in place):
            raise SpecHubError(f"{len(u)} uniforms for a deeper tree; one for each level and two more are needed")
        return _longest([*steps, (place[0], w, tree.p[place[0]])], u)


def _longest(path: list[tuple[int, Any, Array]], u: Sequence[float]) -> tuple[int, int]:
    """(last node accepted, token behind it) of a path of (node, probability to pass, distribution of the token)."""
    at = u[0]
    for node, passes, residual in reversed(path):
        if at < passes or node == 0:
            return node, pick(as_float64(residual), u[1])
        at = (at - float(passes)) / (1 - float(passes))  # what is left of u is uniform again
    raise AssertionError("the root passes")


def _weight(tree: Drafted, place: Place, w: Any, p: Array, b: Array) -> Any:
    """min(1, w p(x) / b(x)) at the token x of a place."""
    x = int(tree.tokens[place[0]])
    return accept_probability(w * p[x : x + 1], b[x : x + 1])[0]


def _passes(p: Array, b: Array, w: Any, at_root: bool) -> tuple[Any, Array]:
    """The probability that a prefix passes when none longer does, and the distribution [V] of the token behind it."""
    residual = positive(w * p - b)
    mass = total(residual)[0]
    rest = mass + 1 - w
    passes = w * 0 + 1 if at_root else mass / rest if rest > 0 else w * 0
    return passes, normalize(residual[None], p[None])[0]


@dataclass(frozen=True)
class Block(PathThenBlock):
    """Block verification of a chain, as published (algorithm 2): the path is there, and b = q.

    References
    ----------
    Sun et al., arXiv 2403.10444.

    Examples
    --------
    >>> from spechub_lp.trees import chain, exact_call, tabular
    >>> model = tabular(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]))
    >>> exact_call(model, chain(2), Block()).value
    mpq(11,9)
    """

    name = "block"

    def policy(self, k: int) -> DraftPolicy:
        if k != 1:
            raise SpecHubError(f"block verification takes chains; a node has {k} children (use traversal)")
        return IID()

    def choice(self, tree: Drafted, place: Place, w: Any) -> Choice:
        (child,) = tree.children[place[0]]
        return Choice(tree.q[place[0]], [((child,), w * 0 + 1)])


@dataclass(frozen=True)
class BorderPath(PathThenBlock):
    """Border at each node chooses the path, block verification accepts along it.

    Siblings are drawn with replacement or without. Of all distributions b that a choice among siblings can have, the
    fairest is taken: what is left of the target, w p, is covered as far as the drafts allow, as Border does, and the
    rest of b is spread so that b/p is as equal as can be (`samplers/border/merge_tree.fairest_density`). Among the
    rules that choose a child by its siblings, it is the best for every value of a subtree that is concave in w and the
    same for all tokens. Equal siblings drawn with replacement are pooled: their children are drafts of one
    distribution. All this where the tree is level below a node; where some children have more below them than others it
    matters which child is chosen, beside its token, and Border's own choice is kept.

    Never below Border node by node, and block verification for chains.

    References
    ----------
    theory/trees, sections 3 to 5.

    Examples
    --------
    >>> from spechub_lp import tree_optimum
    >>> from spechub_lp.trees import NodeByNode, exact_call, full, tabular
    >>> model = tabular(lambda context: (["1/2", "3/10", "1/5"], ["1/5", "3/10", "1/2"]))
    >>> rules = (NodeByNode("rrsw"), NodeByNode("border_wor"), BorderPath())
    >>> [round(float(exact_call(model, full(2, 2), rule).value), 4) for rule in rules]
    [1.4924, 1.9573, 1.9643]
    >>> round(float(tree_optimum(model, full(2, 2)).value), 4)
    1.9645
    """

    drafts: DraftPolicy = field(default_factory=WithoutReplacement)
    """How siblings are drawn: without replacement or iid."""
    fairest: bool = True
    """Whether what is over of b is spread fairly; else it goes where p/q is lowest, as Border leaves it."""
    sub_target: bool = True
    """Whether b is made for what is left of the target, w p; else for p."""
    pooled: bool = True
    """Whether equal siblings drawn with replacement are one."""

    name = "border_path"

    def policy(self, k: int) -> DraftPolicy:
        return self.drafts

    def choice(self, tree: Drafted, place: Place, w: Any) -> Choice:
        return self._among(tree, place, self._mixture(tree, place, w))

    def _mixture(self, tree: Drafted, place: Place, w: Any, seen: Any = None) -> Mixture:
        """The mixture for the children of a place; `seen` is how they were drawn, where not as the rule draws."""
        k, node = sum(len(tree.children[node]) for node in place), place[0]
        level = tree.branching[node] is not None
        return self._prepare(seen or self._rule(k).race, k, tree.p[node], tree.q[node], w, level)

    def _among(self, tree: Drafted, place: Place, mixture: Mixture) -> Choice:
        """The choice that a mixture makes."""
        children = [child for node in place for child in tree.children[node]]
        q = tree.q[place[0]]
        xp, tokens = array_namespace(q), [int(tree.tokens[child]) for child in children]
        x = xp.asarray([tokens], dtype=xp.int64, device=device(q))
        chosen = as_float64(self._rule(len(children)).choose(mixture, x))[0]
        b = mixture.distribution[0]
        if not self._pools(tree.branching[place[0]] is not None):
            return Choice(b, [((child,), chance) for child, chance in zip(children, chosen, strict=True)])
        places: dict[int, tuple[Place, Any]] = {}
        for child, token, chance in zip(children, tokens, chosen, strict=True):
            same, before = places.get(token, ((), chance * 0))
            places[token] = ((*same, child), before + chance)
        return Choice(b, list(places.values()))

    def _rule(self, k: int) -> Border:
        return (Border if isinstance(self.drafts, IID) else BorderWor)(k)

    def _pools(self, level: bool) -> bool:
        """Whether equal siblings are one place."""
        return level and self.pooled and isinstance(self.drafts, IID)

    def _prepare(self, race: Any, k: int, p: Array, q: Array, w: Any, level: bool) -> Mixture:
        density = fairest_density if self.fairest and level else best_density
        weight = w if self.sub_target and level else w * 0 + 1
        if p.dtype == object:  # an enumeration meets the same distributions thousands of times
            return _of_rationals(race, k, density, tuple(p), tuple(q), weight)
        return preparation.prepare(race, p[None], q[None], k, density, p[:1] * 0 + weight)


@lru_cache(maxsize=4096)
def _of_rationals(race: Any, k: int, density: Any, p: tuple[Any, ...], q: tuple[Any, ...], weight: Any) -> Mixture:
    target, draft, left = (np.asarray([a], dtype=object) for a in (p, q, weight))
    return preparation.prepare(race, target, draft, k, density, left)
