"""A seeded family of rational distribution pairs that seeks the boundaries: where samplers and proofs break first."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from spechub_lp.typing import Distribution


@dataclass(frozen=True)
class Instance:
    """A pair of distributions of one kind.

    Examples
    --------
    >>> next(family(1))
    Instance(kind='plain', p=(Fraction(1, 2), Fraction(1, 2)), q=(Fraction(1, 4), Fraction(3, 4)))
    """

    kind: str
    """What is special about it, one of KINDS; in BOUNDARY a name of its own."""
    p: Distribution
    q: Distribution


def family(count: int, seed: int = 0, tokens: tuple[int, ...] = (2, 3, 4, 5)) -> Iterator[Instance]:
    """Yield instances, the kinds and the vocabulary sizes in turn.

    Parameters
    ----------
    count
        How many.
    seed
        The same seed gives the same family.
    tokens
        The vocabulary sizes.

    Yields
    ------
    Instance
        p and q [V].

    Examples
    --------
    >>> [instance.kind for instance in family(3)]
    ['plain', 'zeros', 'ties']
    """
    rng = random.Random(seed)
    for n in range(count):
        kind = KINDS[n % len(KINDS)]
        p, q = _MAKE[kind](rng, tokens[(n // len(KINDS)) % len(tokens)])
        yield Instance(kind, p, q)


def distribution(rng: random.Random, size: int, weights: tuple[int, ...] = (1, 2, 3, 4, 6, 12)) -> Distribution:
    """Draw a distribution with small whole-number weights.

    Parameters
    ----------
    rng
        Source of randomness.
    size
        V.
    weights
        What each token's weight is chosen from.

    Returns
    -------
    [V]
        Fractions that sum to 1.

    Examples
    --------
    >>> sum(distribution(random.Random(0), 3))
    Fraction(1, 1)
    """
    drawn = [rng.choice(weights) for _ in range(size)]
    drawn = drawn if any(drawn) else [1, *drawn[1:]]
    return tuple(Fraction(w, sum(drawn)) for w in drawn)


def _plain(rng: random.Random, size: int) -> tuple[Distribution, Distribution]:
    return distribution(rng, size), distribution(rng, size)


def _zeros(rng: random.Random, size: int) -> tuple[Distribution, Distribution]:
    weights = (0, 0, 1, 2, 5)
    return distribution(rng, size, weights), distribution(rng, size, weights)


def _ties(rng: random.Random, size: int) -> tuple[Distribution, Distribution]:
    return distribution(rng, size, (1, 1, 2)), distribution(rng, size, (1, 1, 1, 2))


def _equal(rng: random.Random, size: int) -> tuple[Distribution, Distribution]:
    p = distribution(rng, size, (0, 1, 2, 3, 7))
    return p, p


def _one_hot(rng: random.Random, size: int) -> tuple[Distribution, Distribution]:
    sharp = [Fraction(0)] * size
    sharp[rng.randrange(size)] = Fraction(1)
    return (tuple(sharp), distribution(rng, size)) if rng.random() < 0.7 else (distribution(rng, size), tuple(sharp))


def _disjoint(rng: random.Random, size: int) -> tuple[Distribution, Distribution]:
    cut = rng.randrange(1, size)
    none = (Fraction(0),) * size
    return distribution(rng, cut) + none[cut:], none[:cut] + distribution(rng, size - cut)


def _hub_at_half(rng: random.Random, size: int) -> tuple[Distribution, Distribution]:
    hub = Fraction(rng.choice((44, 46, 48, 49, 50, 50, 50, 51, 52, 56)), 100)
    return distribution(rng, size), (hub, *(m * (1 - hub) for m in distribution(rng, size - 1)))


def _peaked(rng: random.Random, size: int) -> tuple[Distribution, Distribution]:
    weights = (1, 10, 1000, 10**6)
    return distribution(rng, size, weights), distribution(rng, size, weights)


_MAKE: dict[str, Callable[[random.Random, int], tuple[Distribution, Distribution]]] = {
    "plain": _plain,
    "zeros": _zeros,
    "ties": _ties,
    "p = q": _equal,
    "one-hot": _one_hot,
    "disjoint": _disjoint,
    "hub at 1/2": _hub_at_half,
    "peaked": _peaked,
}
KINDS = tuple(_MAKE)

# Sixteenths are exact in every float format, so a distance found on them is the sampler's own.
_SIXTEENTHS: tuple[tuple[str, tuple[float, ...], tuple[float, ...]], ...] = (
    ("q is p reversed", (1, 3, 4, 8), (8, 4, 3, 1)),
    ("zeros in p", (0, 9, 5, 2), (6, 2, 4, 4)),
    ("zeros in q", (5, 2, 6, 3), (0, 9, 0, 7)),
    ("ties", (2, 4, 2, 8), (4, 4, 4, 4)),
    ("duplicates are likely", (3, 5, 8), (13, 2, 1)),
    ("p is one-hot", (0, 0, 16, 0), (3, 9, 2, 2)),
    ("disjoint", (9, 7, 0, 0), (0, 0, 10, 6)),
    ("p = q", (2, 9, 5), (2, 9, 5)),
    ("one token", (16,), (16,)),
    ("p nearly one-hot", (16 - 2**-8, 2**-9, 2**-9), (4, 8, 4)),
    ("q nearly p", (8 + 2**-7, 5, 3 - 2**-7), (8, 5, 3)),
    ("q is one-hot", (4, 9, 3), (0, 16, 0)),
)
BOUNDARY = tuple(
    Instance(kind, *(tuple(Fraction(weight) / 16 for weight in row) for row in (p, q))) for kind, p, q in _SIXTEENTHS
)
"""The narrow cases one by one, each with a name of its own: those of the gate, and of the tests."""
