"""Real next-token distributions that are exactly rational: a character n-gram with Witten-Bell interpolation.

A distribution of a neural model is a rounded thing. This one is a ratio of counts, so it can be given to
`exact`: real shapes, real ties, not one rounded entry. With context h, h' = h without its first character,
N(h) the number of times that h was followed by a character and T(h) the number of different ones,

    P(c | h) = (N(hc) + T(h) P(c | h')) / (N(h) + T(h)),        P(c) below the empty context = 1 / V.

Sources: Witten and Bell, "The zero-frequency problem" (1991), method C; in this interpolated form Chen and
Goodman, "An empirical study of smoothing techniques for language modeling" (1999), section 2.5.
"""

from __future__ import annotations

import random
import re
import string
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from spechub_lp.errors import SpecHubError

ALPHABET = " " + string.ascii_lowercase


def letters(text: str) -> str:
    """Write a text over `ALPHABET`: lower case, every run of other characters one space.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    str
        Small letters and spaces.

    Examples
    --------
    >>> letters("No one, ever.")
    'no one ever '
    """
    return re.sub(r"[^a-z]+", " ", text.lower())


def split(text: str) -> tuple[str, str]:
    """Split a text.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    str, str
        The first 90 %, to fit on, and the held-out rest.

    Examples
    --------
    >>> split("0123456789")
    ('012345678', '9')
    """
    cut = len(text) * 9 // 10
    return text[:cut], text[cut:]


def positions(held_out: str, n_positions: int, context: int, seed: int) -> list[str]:
    """Choose places of a held-out text.

    Parameters
    ----------
    held_out
        The text.
    n_positions
        How many different places.
    context
        How many characters before each are returned.
    seed
        Of the choice.

    Returns
    -------
    list of str
        The characters before each place, in text order.

    Raises
    ------
    SpecHubError
        There are too few places.

    Examples
    --------
    >>> positions("abcdef", 2, context=2, seed=0)
    ['bc', 'de']
    """
    places = range(context, len(held_out))
    if not 0 <= n_positions <= len(places):
        raise SpecHubError(f"n_positions = {n_positions}, but there are {len(places)} places to choose from")
    return [held_out[i - context : i] for i in sorted(random.Random(seed).sample(places, n_positions))]


@dataclass(frozen=True)
class WittenBell:
    """A character n-gram, interpolated by Witten and Bell's method C.

    A model of lower order needs no second fit: it is the same distribution on a shorter context.

    Examples
    --------
    >>> model = WittenBell.fit("abab", order=2)
    >>> model.distribution("a")[ALPHABET.index("b")]
    Fraction(190, 243)
    """

    order: int
    count: Mapping[str, int]

    @classmethod
    def fit(cls, text: str, order: int) -> WittenBell:
        """Count the grams of `text`, which is over `ALPHABET` already (see `letters`)."""
        if order < 1:
            raise SpecHubError(f"order = {order}; an n-gram needs order >= 1")
        _check(text)
        count: Counter[str] = Counter()
        for n in range(1, order + 1):
            count.update(map("".join, zip(*(text[i:] for i in range(n)), strict=False)))
        return cls(order, count)

    def distribution(self, context: str) -> tuple[Fraction, ...]:
        """[V] the distribution of the character after `context`, in the order of `ALPHABET`; it sums to exactly 1.

        From the empty context upwards, on one common denominator:
        1. start from the uniform distribution;
        2. add the counts of one more character of context to T times the distribution so far;
        3. stop at the context that was never seen, since none that ends in it was.
        """
        _check(context)
        distribution, total = [1] * len(ALPHABET), len(ALPHABET)
        for n in range(min(self.order - 1, len(context)) + 1):
            h = context[len(context) - n :]
            seen = [self.count.get(h + c, 0) for c in ALPHABET]
            types = len(seen) - seen.count(0)
            if not types:
                break
            distribution = [s * total + types * m for s, m in zip(seen, distribution, strict=True)]
            total *= sum(seen) + types
        return tuple(Fraction(m, total) for m in distribution)


def _check(text: str) -> None:
    if foreign := sorted(set(text) - set(ALPHABET)):
        raise SpecHubError(f"{foreign[0]!r} is not in the alphabet {ALPHABET!r}; pass letters(text)")
