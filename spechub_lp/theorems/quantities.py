"""What theorems are made of, exactly: the optimum of a policy, the acceptance of a rule, the chance to hit a set."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from spechub_lp import drafts as policies
from spechub_lp import samplers
from spechub_lp._array.rational import rational_row
from spechub_lp.coupling import plain
from spechub_lp.drafts.top_k import most_likely
from spechub_lp.exact import exact
from spechub_lp.optimum.solve import optimum

Distribution = Sequence[Fraction]


def max_acceptance(p: Distribution, q: Distribution, k: int, drafts: str) -> Fraction:
    """Return the maximum acceptance for k drafts of a policy, the certified optimum.

    Parameters
    ----------
    p, q : [V]
        Target and draft distribution.
    k
        Number of drafts.
    drafts
        Name of the policy.

    Returns
    -------
    Fraction
        The optimum.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> max_acceptance((half, half), (Fraction(1, 4), Fraction(3, 4)), 2, "iid")
    Fraction(15, 16)
    """
    return optimum(p, q, k, drafts).alpha


def tops(q: Distribution, n: int) -> list[int]:
    """Return the n most likely tokens.

    Parameters
    ----------
    q : [V]
        Draft distribution.
    n
        How many.

    Returns
    -------
    [n]
        The lowest index wins ties, and with too small a support the first repeats.

    Examples
    --------
    >>> tops((Fraction(1, 4), Fraction(1, 2), Fraction(1, 4)), 2)
    [1, 0]
    """
    tops: list[int] = most_likely(rational_row(q), n)[0].tolist()
    return tops


def one_hot(length: int, token: int) -> tuple[Fraction, ...]:
    """Return the distribution that sits on one token.

    Parameters
    ----------
    length
        V.
    token
        Where the mass is.

    Returns
    -------
    [V]
        Fractions.

    Examples
    --------
    >>> one_hot(2, 1)
    (Fraction(0, 1), Fraction(1, 1))
    """
    return tuple(Fraction(y == token) for y in range(length))


def accepts(sampler: str, p: Distribution, q: Distribution, k: int) -> Fraction:
    """Return the exact acceptance of a sampler with k of its own drafts.

    Parameters
    ----------
    sampler
        Its name.
    p, q : [V]
        Target and draft distribution.
    k
        Number of drafts.

    Returns
    -------
    Fraction
        The acceptance.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> accepts("rrs", (half, half), (Fraction(1, 4), Fraction(3, 4)), 2)
    Fraction(13, 16)
    """
    found: Fraction = exact(samplers.by_name(sampler, k), p, q).acceptance
    return found


def hit(q: Distribution, k: int, drafts: str) -> dict[frozenset[int], Fraction]:
    """Return the probability that some draft is in A, f(A) = 1 - Q(V without A), for every token set A.

    Parameters
    ----------
    q : [V]
        Draft distribution.
    k
        Number of drafts.
    drafts
        Name of the policy.

    Returns
    -------
    dict
        A -> f(A), for all 2^V sets.

    Examples
    --------
    >>> hit((Fraction(1, 4), Fraction(3, 4)), 2, "iid")[frozenset({0})]
    Fraction(7, 16)
    """
    sets = [frozenset(y for y in range(len(q)) if code >> y & 1) for code in range(2 ** len(q))]
    H = np.asarray([[y not in A for y in range(len(q))] for A in sets])
    inside = policies.by_name(drafts).prob_all_in(rational_row(q), H, k)
    return {A: 1 - plain(m) for A, m in zip(sets, inside, strict=True)}


def restricted(q: Distribution, A: frozenset[int]) -> tuple[Fraction, ...]:
    """Return q restricted to the tokens of A, normalized.

    Parameters
    ----------
    q : [V]
        A distribution with mass on A.
    A
        Tokens.

    Returns
    -------
    [V]
        q given A.

    Examples
    --------
    >>> restricted((Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)), frozenset({1, 2}))
    (Fraction(0, 1), Fraction(2, 3), Fraction(1, 3))
    """
    mass = sum(q[y] for y in A)
    return tuple(m / mass if y in A else Fraction(0) for y, m in enumerate(q))


def smallest_winning_mass(least: Fraction, k: int = 2) -> float:
    """Return the smallest q(Top) from which greedy hubs dominate k iid drafts for every p.

    Parameters
    ----------
    least
        The share of the lightest other token in what is outside Top.
    k
        Number of drafts.

    Returns
    -------
    float
        1 - (1 - (1 - least)^(1/k)) / least; 1 - 1/k for least -> 0.

    References
    ----------
    theory/dominance, theorems T4 and T8.

    Examples
    --------
    >>> round(smallest_winning_mass(Fraction(1, 2)), 4)
    0.4142
    """
    m = float(least)
    found: float = 1 - (1 - (1 - m) ** (1 / k)) / m
    return found
