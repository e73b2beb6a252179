"""Controlled randomness: the random draws that a sampler asked for, and the choice sequence that answers them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn

import numpy as np

from spechub_lp._util import renamed

MOST_DRAWS = 400
"""A run that asks for more noise than this is not enumerated (a rejection loop, or noise for a whole vocabulary)."""

MOST_OUTCOMES = 256
"""An integer drawn from more outcomes than this is a uniform on a grid: its outcomes are not enumerated."""

WIDEST = 64
"""Bits of the widest integer that is controlled bit by bit; the bits below are 0."""

GUARD = 16
"""Bits by which the grid below an integer is finer than its outcomes, where these are no power of two."""

EXPONENTIAL = 53
"""Bits of the uniform of which a single exponential is made."""

FAR = 2.0**80
"""The arrival time of an exponential that must lose its race."""


class Uncontrolled(Exception):
    """The noise of this engine cannot be controlled; the message says what was met. Never leaves the gate."""


class DrawKind(StrEnum):
    """What is drawn."""

    UNIFORM = "uniform"
    """A number on a grid."""
    PICK = "pick"
    """One of several outcomes."""
    RACE = "race"
    """Independent Exp(1) times."""


@dataclass(frozen=True)
class RandomDraw:
    """Hold one piece of noise that was asked for.

    Examples
    --------
    >>> toss = RandomDraw(DrawKind.PICK, 2, (0.5, 0.5), "torch.bernoulli")
    >>> toss.takes(1), toss.takes(2)
    (True, False)
    """

    kind: DrawKind
    size: int
    """uniform: the grid is 2^-size; pick: how many outcomes; race: how many times."""
    weights: tuple[float, ...] = ()
    """pick: the probabilities of the outcomes, summing to 1."""
    source: str = ""
    """The function that was called, such as torch.rand."""

    def takes(self, value: "Value") -> bool:
        """Whether this can be the answer."""
        if self.kind is DrawKind.RACE:
            return isinstance(value, tuple) and len(value) == self.size
        outcomes = 2**self.size if self.kind is DrawKind.UNIFORM else self.size
        return isinstance(value, int) and 0 <= value < outcomes


Value = int | tuple[float, ...]
"""uniform: the place on the grid; pick: the outcome; race: the times."""


@dataclass(frozen=True)
class Run:
    """Hold one call of the engine under a choice sequence.

    Examples
    --------
    >>> toss = RandomDraw(DrawKind.PICK, 2, (0.5, 0.5))
    >>> Run((toss, toss), (0, 1), "token 3").signature(2)
    ((), 'token 3')
    """

    draws: tuple[RandomDraw, ...]
    values: tuple[Value, ...]
    outcome: Any
    """Hashable: what came out, or a Failure."""

    def signature(self, start: int) -> tuple[Any, ...]:
        """What an observer sees from draw `start` on."""
        return (self.draws[start:], self.outcome)


@dataclass(frozen=True)
class End:
    """A rule by which every uniform is the same place in its range; what is picked is likely.

    Examples
    --------
    >>> choices = ChoiceSequence((), End(1.0))
    >>> choices.uniform(24, "torch.rand") == 1 - 2**-24, choices.uniform(53, "random.random") == 1 - 2**-53
    (True, True)
    """

    share: float
    """In [0, 1]; 1 is the last place of a grid, which lies below 1."""

    def place(self, bits: int) -> int:
        """The place on a grid of 2^-bits."""
        return min(int(self.share * 2.0**bits), (1 << bits) - 1)


@dataclass(frozen=True)
class Like:
    """A rule by which each draw is answered as it was in another call; what that call did not draw, by rule 0.

    Examples
    --------
    >>> choices = ChoiceSequence((2**23,), Like((0, 2**22)))
    >>> choices.uniform(24, "torch.rand"), choices.uniform(24, "torch.rand")
    (0.5, 0.25)
    """

    values: tuple["Value", ...]
    """The answers of that call, from its first draw on."""


class ChoiceSequence:
    """Answer random draws: first from `prefix`, then by a fixed rule, so that equal sequences give equal answers.

    Rule 0 answers with middling uniforms and likely outcomes, rule 1 with high uniforms and unlikely outcomes; a
    generator answers at random with the right distribution, an End with one place of every range, and Like as another
    call was answered. What cannot be answered is remembered in `rejected`, because an engine may swallow the error and
    go another way than it goes on its own noise.

    Parameters
    ----------
    prefix
        The first answers.
    rule
        0, 1, an End, a Like or a generator: how draws behind the prefix are answered.

    Examples
    --------
    >>> choices = ChoiceSequence((2**23, 1))
    >>> choices.uniform(24, "torch.rand"), choices.pick((0.9, 0.1), "torch.multinomial")
    (0.5, 1)
    """

    def __init__(self, prefix: Sequence[Value] = (), rule: int | End | Like | np.random.Generator = 0):
        self.prefix, self.rule = prefix, rule
        self.draws: list[RandomDraw] = []
        self.values: list[Value] = []
        self.rejected: str | None = None

    def reject(self, why: str) -> NoReturn:
        """Raise Uncontrolled, and remember why."""
        self.rejected = self.rejected or why
        raise Uncontrolled(why)

    def uniform(self, bits: int, source: str) -> float:
        """Answer with a uniform on {0, 2^-bits, .., 1 - 2^-bits}."""
        return self._next(RandomDraw(DrawKind.UNIFORM, bits, source=source)) * 2.0**-bits  # type: ignore[operator]

    def pick(self, weights: Sequence[float], source: str) -> int:
        """Answer with an outcome of these weights, which need not be normalized."""
        whole = float(sum(weights))
        distribution = tuple(float(w) / whole for w in weights)
        return self._next(RandomDraw(DrawKind.PICK, len(distribution), distribution, source))  # type: ignore[return-value]

    def integer(self, outcomes: int, source: str) -> int:
        """Answer with one of so many equally likely integers, from 0 on.

        >>> ChoiceSequence((2**23,)).integer(2**24, "random.getrandbits") / 2**24
        0.5
        """
        if outcomes <= MOST_OUTCOMES:
            return self.pick([1.0] * outcomes, source)
        bits = (outcomes - 1).bit_length()
        low = max(0, bits - WIDEST)
        if outcomes == 2**bits:
            return self._next(RandomDraw(DrawKind.UNIFORM, bits - low, source=source)) << low  # type: ignore[operator]
        place = self._next(RandomDraw(DrawKind.UNIFORM, bits - low + GUARD, source=source))
        return place * outcomes >> (bits - low + GUARD)  # type: ignore[operator]

    def race(self, size: int, source: str) -> tuple[float, ...]:
        """Answer with independent Exp(1) times; a single one is a number, and made of a uniform.

        >>> [round(time, 4) for time in ChoiceSequence((2**52,)).race(1, "torch.exponential")]
        [0.6931]
        """
        if size == 1:
            return (-math.log1p(-self.uniform(EXPONENTIAL, source)),)
        return self._next(RandomDraw(DrawKind.RACE, size, source=source))  # type: ignore[return-value]

    def _next(self, draw: RandomDraw) -> Value:
        place = len(self.draws)
        if place >= MOST_DRAWS:
            self.reject(f"it asks for more than {MOST_DRAWS} pieces of noise in one call ({draw.source})")
        value = self.prefix[place] if place < len(self.prefix) else self._by_rule(draw, place)
        if not draw.takes(value):
            self.reject(f"equal calls ask for different noise: this time it is {draw.source}")
        self.draws.append(draw)
        self.values.append(value)
        return value

    def _by_rule(self, draw: RandomDraw, place: int) -> Value:
        if isinstance(self.rule, np.random.Generator):
            return at_random(draw, self.rule)
        if isinstance(self.rule, End):
            if draw.kind is DrawKind.UNIFORM:
                return self.rule.place(draw.size)
            return ChoiceSequence()._by_rule(draw, place)
        if isinstance(self.rule, Like):
            there = self.rule.values[place : place + 1]
            return there[0] if there and draw.takes(there[0]) else ChoiceSequence()._by_rule(draw, place)
        if draw.kind is DrawKind.UNIFORM:
            # The ninth and later answers wander, so that a loop which waits for a success ends.
            share = (0.4871, 0.9613)[self.rule] if place < 8 else (place * 0.618034 + 0.1 * self.rule) % 1
            return int(share * 2**draw.size)
        if draw.kind is DrawKind.RACE:
            return tuple(1 + ((i + self.rule) * 0.618034) % 1 for i in range(draw.size))
        likely = sorted(range(draw.size), key=lambda i: (-draw.weights[i], i))
        possible = [i for i in likely if draw.weights[i] > 0]
        return possible[0] if self.rule == 0 else possible[-1]


@dataclass
class Control:
    """Hold the choice sequence in use.

    The stand-ins of all generators read it, so they are put in place once for many calls.

    Examples
    --------
    >>> control = Control(ChoiceSequence((2**23,)))
    >>> control.choices.uniform(24, "torch.rand")
    0.5
    """

    choices: ChoiceSequence
    compared: list[tuple[int, float, float]] = field(default_factory=list)
    """How much noise had been drawn, and both sides, of each comparison that the stand-in of a generator notes."""
    watched: bool = False
    """Whether python's and numpy's uniforms tell with what they are compared."""
    thresholds: list[tuple[int, float]] = field(default_factory=list)
    """What they told: the place of a uniform in the sequence, and the number at which a comparison turns."""


class Free(ChoiceSequence):
    """Answer everything at random: for a stand-in that the engine kept after the calls under control.

    Examples
    --------
    >>> 0 <= Free().uniform(24, "torch.rand") < 1
    True
    """

    def __init__(self) -> None:
        super().__init__((), np.random.default_rng())

    def _next(self, draw: RandomDraw) -> Value:
        return self._by_rule(draw, 0)


def at_random(draw: RandomDraw, rng: np.random.Generator) -> Value:
    """Answer a draw with the right distribution.

    Parameters
    ----------
    draw
        What was asked for.
    rng
        Where the noise comes from.

    Returns
    -------
    int or tuple of float
        The answer.

    Examples
    --------
    >>> at_random(RandomDraw(DrawKind.PICK, 2, (0.0, 1.0)), np.random.default_rng(0))
    1
    """
    if draw.kind is DrawKind.UNIFORM:
        if draw.size > 62:
            return int.from_bytes(rng.bytes(16), "big") >> (128 - draw.size)
        return int(rng.integers(0, 2**draw.size))
    if draw.kind is DrawKind.RACE:
        return tuple(rng.exponential(size=draw.size).tolist())
    return int(rng.choice(draw.size, p=np.asarray(draw.weights) / sum(draw.weights)))


__getattr__ = renamed.attributes(
    __name__, {"Tape": "ChoiceSequence", "Request": "RandomDraw", "Unscripted": "Uncontrolled"}
)
