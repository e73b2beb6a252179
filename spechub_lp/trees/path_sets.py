"""The drafted trees of a shape as sets of paths, and how likely each is.

A verifier sees which paths were drafted. Trees with the same paths are one, in whatever order siblings stand, and a
draft with p = 0 is left out: no lossless rule ever accepts it. So a few thousand sets of paths stand for millions of
filled shapes.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import TooLarge
from spechub_lp.instance import enumerate_drafts
from spechub_lp.trees.drafted import Drafted, Model, Tokens
from spechub_lp.trees.shape import Shape

MOST_SETS = 200_000
"""Sets of paths below one node."""

PathSet = tuple[tuple[int, Any], ...]
"""The children of a node, by rising token: (token, its own PathSet)."""


def distribution(model: Model, shape: Shape, policy: DraftPolicy) -> dict[PathSet, Any]:
    """Return the probability of every set of paths that the shape can be filled with.

    Parameters
    ----------
    model
        context -> (p [V], q [V]).
    shape
        The tree that is drafted.
    policy
        How siblings are drawn.

    Returns
    -------
    dict
        Set of paths -> probability; a draft with p = 0 is left out of its set.

    Raises
    ------
    TooLarge
        More than 200,000 sets.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> from spechub_lp.trees.drafted import tabular
    >>> from spechub_lp.trees.shape import full
    >>> model = tabular({(): (["1/2", "1/2"], ["1/3", "2/3"])})
    >>> {paths: str(mass) for paths, mass in distribution(model, full(2, 1), IID()).items()}
    {((0, ()),): '1/9', ((0, ()), (1, ())): '4/9', ((1, ()),): '4/9'}
    """
    one = model(())[0][0] * 0 + 1

    @cache
    def below(shape: Shape, context: Tokens) -> dict[PathSet, Any]:
        if not shape.children:
            return {(): one}
        p, q = model(context)
        k, sets = len(shape.children), dict[PathSet, Any]()
        for x, mass in zip(*enumerate_drafts(policy, q[None], k), strict=True):
            grown: dict[PathSet, Any] = {(): mass}
            for token, child in zip(x.tolist(), shape.children, strict=True):
                if p[token]:
                    grown = _product(grown, token, below(child, (*context, token)))
            for paths, part in grown.items():
                sets[paths] = sets.get(paths, 0) + part
        return sets

    return below(shape, ())


def _product(sets: dict[PathSet, Any], token: int, branches: dict[PathSet, Any]) -> dict[PathSet, Any]:
    """Every set joined with every branch below one more child, drawn independently."""
    if len(sets) * len(branches) > MOST_SETS:
        raise TooLarge(
            f"{len(sets):,} by {len(branches):,} sets of paths are too many (at most {MOST_SETS:,}); take a smaller "
            "tree or fewer tokens"
        )
    grown: dict[PathSet, Any] = {}
    for paths, mass in sets.items():
        for branch, more in branches.items():
            whole = join(paths, token, branch)
            grown[whole] = grown.get(whole, 0) + mass * more
    return grown


def join(paths: PathSet, token: int, branch: PathSet) -> PathSet:
    """Return the paths with those of one more child; equal siblings become one.

    Parameters
    ----------
    paths
        The paths so far.
    token
        Token of the child.
    branch
        The paths below it.

    Returns
    -------
    PathSet
        All of them.

    Examples
    --------
    >>> join(((2, ()),), 0, ((1, ()),))
    ((0, ((1, ()),)), (2, ()))
    >>> join(((0, ((2, ()),)),), 0, ((1, ()),))
    ((0, ((1, ()), (2, ()))),)
    """
    children = dict(paths)
    for grandchild in children.get(token, ()):
        branch = join(branch, *grandchild)
    return tuple(sorted({**children, token: branch}.items()))


def nodes(paths: PathSet) -> Iterator[Tokens]:
    """Yield every path from the root to a node below it, parents first.

    Parameters
    ----------
    paths
        A set of paths.

    Yields
    ------
    tuple of int
        The tokens of one path.

    Examples
    --------
    >>> list(nodes(((0, ((1, ()),)), (2, ()))))
    [(0,), (0, 1), (2,)]
    """
    for token, branch in paths:
        yield (token,)
        for tail in nodes(branch):
            yield (token, *tail)


def leaves(paths: PathSet) -> list[Tokens]:
    """Return the paths that end in a leaf: they spell the set out.

    Parameters
    ----------
    paths
        A set of paths.

    Returns
    -------
    list of tuple of int
        The tokens of each path.

    Examples
    --------
    >>> leaves(((0, ((1, ()),)), (2, ())))
    [(0, 1), (2,)]
    """
    whole = list(nodes(paths))
    inner = {path[:-1] for path in whole}
    return [path for path in whole if path not in inner]


def of(tree: Drafted) -> PathSet:
    """Return the set of paths of a filled shape, without drafts of p = 0.

    Parameters
    ----------
    tree
        The filled shape.

    Returns
    -------
    PathSet
        Its paths.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.array([[0.5, 0.5, 0.0]] * 3)
    >>> of(Drafted([-1, 0, 0], [-1, 2, 1], p, p))
    ((1, ()),)
    """

    def below(node: int) -> PathSet:
        paths: PathSet = ()
        for child in tree.children[node]:
            token = int(tree.tokens[child])
            if tree.p[node][token]:
                paths = join(paths, token, below(child))
        return paths

    return below(0)
