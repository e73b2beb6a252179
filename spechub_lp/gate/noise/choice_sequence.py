"""Scripted randomness: what a sampler asked for, and the tape that answers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_REQUESTS = 400
"""A run that asks for more noise than this is not enumerated (a rejection loop, or noise for a whole vocabulary)."""

FAR = 2.0**80
"""The arrival time of an exponential that must lose its race."""


class Unscripted(Exception):
    """The noise of this engine cannot be scripted; the message says what was met. Never leaves the gate."""


@dataclass(frozen=True)
class Request:
    """One piece of noise that was asked for."""

    kind: str
    """"uniform" (a number on a grid), "pick" (one of several outcomes) or "race" (independent Exp(1) times)."""
    size: int
    """uniform: the grid is 2^-size; pick: how many outcomes; race: how many times."""
    weights: tuple[float, ...] = ()
    """pick: the probabilities of the outcomes, summing to 1."""
    source: str = ""


Value = int | tuple[float, ...]
"""uniform: the place on the grid; pick: the outcome; race: the times."""


@dataclass(frozen=True)
class Run:
    """One call of the engine under a script."""

    requests: tuple[Request, ...]
    values: tuple[Value, ...]
    outcome: Any
    """Hashable: what came out, or a Failure."""

    def signature(self, start: int) -> tuple[Any, ...]:
        """What an observer sees from request `start` on."""
        return (self.requests[start:], self.outcome)


class Tape:
    """Answers requests: first from `prefix`, then by a fixed rule, so that the same tape gives the same answers.

    Rule 0 answers with middling uniforms and likely outcomes, rule 1 with high uniforms and unlikely outcomes;
    a generator answers at random with the right distribution.
    """

    def __init__(self, prefix: Sequence[Value] = (), rule: int | np.random.Generator = 0):
        self.prefix, self.rule = prefix, rule
        self.requests: list[Request] = []
        self.values: list[Value] = []

    def uniform(self, bits: int, source: str) -> float:
        """A uniform on {0, 2^-bits, .., 1 - 2^-bits}."""
        return self._next(Request("uniform", bits, source=source)) * 2.0**-bits  # type: ignore[operator]

    def pick(self, weights: Sequence[float], source: str) -> int:
        """An outcome with these weights, which need not be normalized."""
        whole = float(sum(weights))
        distribution = tuple(float(w) / whole for w in weights)
        return self._next(Request("pick", len(distribution), distribution, source))  # type: ignore[return-value]

    def race(self, size: int, source: str) -> tuple[float, ...]:
        """Independent Exp(1) times."""
        return self._next(Request("race", size, source=source))  # type: ignore[return-value]

    def _next(self, request: Request) -> Value:
        place = len(self.requests)
        if place >= MOST_REQUESTS:
            raise Unscripted(f"it asks for more than {MOST_REQUESTS} pieces of noise in one call ({request.source})")
        value = self.prefix[place] if place < len(self.prefix) else self._by_rule(request, place)
        self.requests.append(request)
        self.values.append(value)
        return value

    def _by_rule(self, request: Request, place: int) -> Value:
        if isinstance(self.rule, np.random.Generator):
            return at_random(request, self.rule)
        if request.kind == "uniform":
            # The third and later answers wander, so that a loop which waits for a success ends.
            share = (0.4871, 0.9613)[self.rule] if place < 8 else (place * 0.618034 + 0.1 * self.rule) % 1
            return int(share * 2**request.size)
        if request.kind == "race":
            return tuple(1 + ((i + self.rule) * 0.618034) % 1 for i in range(request.size))
        likely = sorted(range(request.size), key=lambda i: (-request.weights[i], i))
        there = [i for i in likely if request.weights[i] > 0]
        return there[0] if self.rule == 0 else there[-1]


@dataclass
class Script:
    """The tape in use; the stand-ins of all generators read it, so they are put in place once for many calls."""

    tape: Tape


def at_random(request: Request, rng: np.random.Generator) -> Value:
    """An answer with the right distribution."""
    if request.kind == "uniform":
        return int(rng.integers(0, 2**request.size))
    if request.kind == "race":
        return tuple(rng.exponential(size=request.size).tolist())
    return int(rng.choice(request.size, p=np.asarray(request.weights) / sum(request.weights)))
