"""A shape filled with tokens, and where its verification ends."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from spechub_lp import distributions
from spechub_lp._array.equality import equal_fields
from spechub_lp._array.rational import rational_row
from spechub_lp.errors import SpecHubError
from spechub_lp.sampling import descend, sums
from spechub_lp.trees.shape import children_of
from spechub_lp.typing import Array

Tokens = tuple[int, ...]


Model = Callable[[Tokens], tuple[Array, Array]]
"""context -> (target distribution [V], draft distribution [V])."""


def tabular(model: Mapping[Tokens, Any] | Callable[[Tokens], Any], normalize: bool = False) -> Model:
    """Return a pair of models in exact rationals, read and checked context by context, as it is asked.

    Parameters
    ----------
    model
        context -> (p, q), as a mapping or a function; rationals, strings or floats (see `distributions.parse`).
    normalize
        Divide each p and q by its sum.

    Returns
    -------
    Model
        context -> (p [V], q [V]), as rationals that cannot be written to.

    Raises
    ------
    SpecHubError
        A context is missing, or has more or fewer tokens than the first. Raised when the context is asked for.

    Examples
    --------
    >>> pair = tabular({(): (["1/2", "1/2"], ["1/3", "2/3"])})
    >>> pair(())[1].tolist()
    [mpq(1,3), mpq(2,3)]
    """
    vocabulary: list[int] = []

    @cache
    def rows(context: Tokens) -> tuple[Array, Array]:
        if isinstance(model, Mapping) and context not in model:
            raise SpecHubError(f"the model says nothing of context {context}; it needs (p, q) after every drafted path")
        given: Any = model[context] if isinstance(model, Mapping) else model(context)
        try:
            target, draft = given
            p, q = (rational_row(row)[0] for row in distributions.pair(target, draft, normalize))
        except (TypeError, ValueError) as error:
            raise SpecHubError(f"context {context}: {error}") from error
        vocabulary.append(len(p))
        if len(p) != vocabulary[0]:
            raise SpecHubError(f"context {context} has {len(p)} tokens, others have {vocabulary[0]}")
        for row in (p, q):
            row.flags.writeable = False
        return p, q

    return rows


@dataclass(frozen=True)
class Drafted:
    """Hold a shape filled with tokens, and the distributions at its nodes.

    Node 0 is the root; parents come before children.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.full((3, 2), 0.5)
    >>> tree = Drafted(parents=[-1, 0, 1], tokens=[-1, 1, 0], p=rows, q=rows)
    >>> tree.children, tree.path(2)
    ([[1], [2], []], (1, 0))
    """

    parents: Sequence[int]
    """[N] parent of each node; -1 for the root."""
    tokens: Sequence[int]
    """[N] token of each node; the root's is of no use."""
    p: Array | Sequence[Array]
    """[N, V] target distribution after each node."""
    q: Array | Sequence[Array]
    """[N, V] draft distribution after each node, from which its children were drawn."""

    __eq__ = equal_fields

    @cached_property
    def children(self) -> list[list[int]]:
        """[N] children of each node."""
        return children_of(self.parents)

    @cached_property
    def branching(self) -> list[Tokens | None]:
        """[N] children a level below each node, level by level, where all nodes of a level have as many; else None."""
        found: list[Tokens | None] = [()] * len(self.parents)
        for node in range(len(self.parents) - 1, -1, -1):
            if children := self.children[node]:
                kinds = {found[child] for child in children}
                below = kinds.pop()
                found[node] = None if kinds or below is None else (len(children), *below)
        return found

    def path(self, node: int) -> Tokens:
        """The tokens from below the root down to a node."""
        out: list[int] = []
        while node:
            out.append(int(self.tokens[node]))
            node = self.parents[node]
        return tuple(reversed(out))


@dataclass(frozen=True)
class Outcome:
    """Hold one end of verification: the path to `node` is accepted and one more token is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> end = Outcome(0, np.array([0.25, 0.75]))
    >>> float(end.weights.sum())
    1.0
    """

    node: int
    weights: Array
    """[V] probability of this end and that last token; over all outcomes of a drafted tree they sum to 1."""

    __eq__ = equal_fields


def pick(weights: Array | Sequence[float], u: float) -> int:
    """Return the cell that u falls into when the weights are laid end to end.

    Parameters
    ----------
    weights
        [C] weights from 0 on, of any sum.
    u
        A uniform in [0, 1].

    Returns
    -------
    int
        Number of the cell.

    Examples
    --------
    >>> pick([1, 2, 1], 0.5)
    1
    """
    return descend(sums(weights), u)
