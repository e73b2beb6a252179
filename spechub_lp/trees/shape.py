"""The shape of a token tree: who has how many children, fixed before a token is drawn."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spechub_lp.certificate import shown
from spechub_lp.distributions import count
from spechub_lp.errors import SpecHubError

MOST_LEVELS = 200
"""A node holds its children, so that a shape is walked by a call within a call for each level."""
MOST_DRAFTED = 1000
"""Drafts of a tree that is typed."""
FORMS = "write 2^3, or 3,2,1 level by level, or nested lists such as [[[]],[]]"


@dataclass(frozen=True)
class Shape:
    """A node and its children, in the order in which they are drafted.

    Examples
    --------
    >>> lopsided = Shape((Shape((Shape(),)), Shape()))
    >>> lopsided.size, lopsided.depth, lopsided.parents
    (3, 2, [-1, 0, 0, 1])
    """

    children: tuple["Shape", ...] = ()

    @cached_property
    def size(self) -> int:
        """Drafted tokens: nodes below this one."""
        return sum(1 + child.size for child in self.children)

    @cached_property
    def depth(self) -> int:
        """Levels below this one."""
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


def children_of(parents: Sequence[int]) -> list[list[int]]:
    """Return the children of each node, in order, from the parents.

    Parameters
    ----------
    parents
        [N] parent of each node; a node whose parent is -1 is the child of none.

    Returns
    -------
    list of list of int
        [N] children of each node.

    Examples
    --------
    >>> children_of([-1, 0, 0, 1])
    [[1, 2], [3], [], []]
    """
    children: list[list[int]] = [[] for _ in parents]
    for node, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(node)
    return children


def check_shape(shape: Any) -> None:
    """Check that something is a shape.

    Parameters
    ----------
    shape
        What was given for a Shape.

    Raises
    ------
    SpecHubError
        It is something else.

    Examples
    --------
    >>> check_shape(Shape())
    """
    if not isinstance(shape, Shape):
        raise SpecHubError(f"shape = {shape!r:.60} is no Shape; use trees.full(k, depth) or trees.chain(depth)")


def levels(*branching: int) -> Shape:
    """Return the shape whose nodes have branching[0] children at the root, branching[1] a level deeper, and so on.

    Parameters
    ----------
    branching
        Number of children of each node, level by level.

    Returns
    -------
    Shape
        The tree; without levels it is the root alone.

    Raises
    ------
    SpecHubError
        A number of children is none, or there are more than 200 levels.

    Examples
    --------
    >>> levels(3, 1).parents
    [-1, 0, 0, 0, 1, 2, 3]
    """
    check_levels(len(branching))
    for k in branching:
        count(k, "children of a node")
    return Shape((levels(*branching[1:]),) * branching[0]) if branching else Shape()


def check_levels(number: int, name: str = "depth") -> int:
    """Read a number of levels that a shape may have.

    Parameters
    ----------
    number
        What was given.
    name
        What errors call it.

    Returns
    -------
    int
        The number.

    Raises
    ------
    SpecHubError
        It is no whole number from 0 to 200.

    Examples
    --------
    >>> check_levels(3)
    3
    """
    number = count(number, name, least=0)
    if number > MOST_LEVELS:
        raise SpecHubError(f"{name} = {shown(number)} levels are too many for a shape; it has {MOST_LEVELS} at most")
    return number


def spelled(branching: Sequence[int]) -> str:
    """Spell a shape as it is typed, level by level.

    Parameters
    ----------
    branching
        Number of children of each node, level by level.

    Returns
    -------
    str
        What `parse` reads.

    Examples
    --------
    >>> spelled((2, 1)), parse(spelled((2, 1))) == levels(2, 1)
    ('2,1', True)
    """
    return ",".join(map(str, branching))


def full(branching: int, depth: int) -> Shape:
    """Return the tree b^d of the papers: `branching` children at every node, `depth` levels.

    Parameters
    ----------
    branching
        Number of children of every node above the last level.
    depth
        Number of levels below the root.

    Returns
    -------
    Shape
        The tree.

    Examples
    --------
    >>> full(2, 3).size
    14
    """
    return levels(*[branching] * check_levels(depth))


def chain(depth: int) -> Shape:
    """Return one draft at each of `depth` levels.

    Parameters
    ----------
    depth
        Number of drafts.

    Returns
    -------
    Shape
        The chain.

    Examples
    --------
    >>> chain(3).parents
    [-1, 0, 1, 2]
    """
    return full(1, depth)


def paths(k: int, depth: int, delay: int = 0) -> Shape:
    """Return k paths of `depth` drafts that part behind a common path of `delay` drafts.

    With delay 0 these are the k independent paths of SpecTr; behind a delay, delayed tree expansion.

    Parameters
    ----------
    k
        Number of paths.
    depth
        Drafts of each path, from where the paths part.
    delay
        Drafts before that.

    Returns
    -------
    Shape
        The tree of these paths.

    References
    ----------
    Delayed tree expansion: arXiv 2602.16994.

    Examples
    --------
    >>> paths(2, 2).parents
    [-1, 0, 0, 1, 2]
    >>> paths(2, 1, delay=2).parents
    [-1, 0, 1, 2, 2]
    """
    count(depth, "depth")
    return levels(*[1] * check_levels(delay, "delay"), k, *[1] * (check_levels(depth) - 1))


def parse(text: str) -> Shape:
    """Read a shape as it is typed: 2^3 (two children, three levels), 3,2,1 (level by level), or nested lists.

    Parameters
    ----------
    text
        The shape in one of these forms; in nested lists each list is a node that holds its children.

    Returns
    -------
    Shape
        The tree.

    Raises
    ------
    SpecHubError
        The text is none of these, or the tree has more than 1,000 drafts or 200 levels.

    Examples
    --------
    >>> parse("2^2") == parse("2,2") == parse("[[[],[]],[[],[]]]")
    True
    """
    if not isinstance(text, str):
        raise SpecHubError(f"tree = {text!r:.60} is of type {type(text).__name__}; {FORMS} as a string")
    if match := re.fullmatch(r"([1-9]\d{0,3})\^([1-9]\d{0,3})", text):
        branching = (int(match[1]),) * int(match[2])
    elif re.fullmatch(r"[1-9]\d{0,3}(,[1-9]\d{0,3})*", text):
        branching = tuple(map(int, text.split(",")))
    else:
        try:
            lists = json.loads(text)
        except (ValueError, RecursionError):
            lists = None
        return _bounded(_from_lists(lists, text), text)
    size, level = 0, 1
    for k in branching:
        level *= k
        size += level
        if size > MOST_DRAFTED:
            raise SpecHubError(f"tree = {text!r:.60} has more than {MOST_DRAFTED:,} drafts")
    return levels(*branching)


def _from_lists(value: Any, text: str, level: int = 0) -> Shape:
    if not isinstance(value, list):
        raise SpecHubError(f"tree = {text!r:.60} is no shape; {FORMS}")
    check_levels(level)
    return Shape(tuple(_from_lists(child, text, level + 1) for child in value))


def _bounded(shape: Shape, text: str) -> Shape:
    if shape.size > MOST_DRAFTED:
        raise SpecHubError(f"tree = {text!r:.60} has more than {MOST_DRAFTED:,} drafts")
    return shape


def best_shape(size: int, rates: Mapping[int, Sequence[float]], depth: int | None = None) -> tuple[Shape, float]:
    """Return the shape of at most `size` drafted tokens with the most expected tokens a call, and that number.

    This is Sequoia's dynamic program, for rates that may depend on the number of children. The expected tokens are the
    sum, over all nodes, of the product of the rates on the way, the root counting 1.

    Parameters
    ----------
    size
        The most drafted tokens.
    rates
        rates[k] is [k]: the probability that each of k children is accepted, taken to be the same at every node.
    depth
        The most levels; without it, as many as there are tokens.

    Returns
    -------
    shape : Shape
        The best tree.
    tokens : float
        Its expected tokens a call, the token behind the accepted path among them.

    Raises
    ------
    SpecHubError
        rates[k] has not k entries in [0, 1], rates is no mapping, or size or depth is no whole number from 0 on.

    References
    ----------
    Sequoia: arXiv 2402.12374, section 3.1.

    Examples
    --------
    >>> shape, tokens = best_shape(3, {1: [0.8], 2: [0.6, 0.3]})
    >>> shape == chain(3), round(tokens, 3)
    (True, 2.952)
    """
    if not isinstance(rates, Mapping):
        raise SpecHubError(f"rates = {rates!r:.60}; it must be a mapping, such as {{1: [0.8], 2: [0.7, 0.2]}}")
    for k, row in rates.items():
        count(k, "a number of children in rates")
        try:
            right = len(row) == k and all(0 <= rate <= 1 for rate in row)
        except TypeError:
            right = False
        if not right:
            raise SpecHubError(f"rates[{k}] = {row!r:.60}; it must hold {k} probabilities")
    size = count(size, "size", least=0)
    if size > MOST_DRAFTED:
        raise SpecHubError(f"size = {shown(size)} drafted tokens are too many; a tree has {MOST_DRAFTED:,} at most")
    levels = min(size, MOST_LEVELS if depth is None else check_levels(depth))
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
