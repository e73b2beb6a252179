"""T20, the optimal token set of different drafters, as an exact check (theory/T20_different_drafters)."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations
from math import prod
from typing import Any

from spechub_lp._array.rational import rational_row
from spechub_lp.drafts._different import optimal_tokens
from spechub_lp.optimum.solve import optimum

Distribution = Sequence[Fraction]


def drafters(q: Distribution, k: int) -> list[list[Fraction]]:
    """Return k distributions of different quality: q, and q moved to other tokens.

    Parameters
    ----------
    q : [V]
        A distribution.
    k
        How many.

    Returns
    -------
    [k, V]
        Row j is q moved by j tokens, and for odd j half q.

    Examples
    --------
    >>> [list(map(str, row)) for row in drafters([Fraction(2, 3), Fraction(1, 3), Fraction(0)], 3)]
    [['2/3', '1/3', '0'], ['1/3', '1/2', '1/6'], ['1/3', '0', '2/3']]
    """
    rows = []
    for j in range(k):
        moved = [q[(y - j) % len(q)] for y in range(len(q))]
        rows.append([(a + b) / 2 for a, b in zip(moved, q, strict=True)] if j % 2 else moved)
    return rows


def best_sets(p: Distribution, rows: Sequence[Distribution]) -> tuple[Any, list[frozenset[int]]]:
    """Return the least p(H) - prod_j q_j(H) over all H, and every H that has it.

    Parameters
    ----------
    p : [V]
        Target distribution.
    rows : [k, V]
        The drafters' distributions.

    Returns
    -------
    tuple
        The value and the sets.

    Examples
    --------
    >>> half = [Fraction(1, 2), Fraction(1, 2)]
    >>> best_sets(half, [half, half])
    (Fraction(0, 1), [frozenset(), frozenset({0, 1})])
    """
    values = {
        frozenset(H): sum((p[y] for y in H), Fraction(0)) - prod(sum((row[y] for y in H), Fraction(0)) for row in rows)
        for size in range(len(p) + 1)
        for H in combinations(range(len(p)), size)
    }
    least = min(values.values())
    return least, [H for H, value in values.items() if value == least]


def by_products(masses: Sequence[Any]) -> list[Any]:
    """Return the weight of each drafter: the product of the other drafters' masses on H.

    Parameters
    ----------
    masses : [k]
        q_j(H).

    Returns
    -------
    [k]
        The weights.

    Examples
    --------
    >>> by_products([2, 3, 5])
    [15, 10, 6]
    """
    return [prod(m for i, m in enumerate(masses) if i != j) for j in range(len(masses))]


def set_is_a_prefix(p: Distribution, q: Distribution, k: int) -> bool:
    """T20: the largest optimal H is {p <= sum_j w_j q_j}, w_j the product of the others' q_i(H); and it is found."""
    rows = drafters(q, k)
    least, _ = best_sets(p, rows)
    found = optimal_tokens(rational_row(p)[0], rational_row(rows)[0]).nonzero()[0].tolist()
    value = sum((p[y] for y in found), Fraction(0)) - prod(sum((row[y] for y in found), Fraction(0)) for row in rows)
    return largest_set_is_a_prefix(p, q, k) and value == least and optimum(p, rows, k, "product").alpha == 1 + least


def largest_set_is_a_prefix(
    p: Distribution, q: Distribution, k: int, weigh: Callable[[Sequence[Any]], list[Any]] = by_products
) -> bool:
    """Return whether the largest optimal H is a prefix by p over a mix: the first half of T20.

    Parameters
    ----------
    p, q : [V]
        Target distribution, and what `drafters` makes the drafters of.
    k
        How many drafters.
    weigh
        The masses q_j(H) [k] -> the weights of the drafters in the mix [k].

    Returns
    -------
    bool
        True where H = {p <= sum_j w_j q_j}.

    Examples
    --------
    >>> p, q = [Fraction(0), Fraction(1, 5), Fraction(4, 5)], [Fraction(3, 5), Fraction(3, 10), Fraction(1, 10)]
    >>> largest_set_is_a_prefix(p, q, 2), largest_set_is_a_prefix(p, q, 3, weigh=lambda masses: [0, 0, 0])
    (True, False)
    """
    rows = drafters(q, k)
    _, sets = best_sets(p, rows)
    H = frozenset().union(*sets)
    weights = weigh([sum((row[y] for y in H), Fraction(0)) for row in rows])
    prefix = {y for y, m in enumerate(p) if m <= sum(w * row[y] for w, row in zip(weights, rows, strict=True))}
    return H in sets and prefix == H
