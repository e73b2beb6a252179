"""The independent witness: the programs in the docstrings of the rules, run through every outcome of their choices.

A program is text. It runs with the helpers below and nothing of the package, so a mistake in a definition there cannot
be repeated here by import.
"""

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

Distribution = Sequence[Fraction]
Outcome = tuple[tuple[int, ...], int]


def program(rule: type) -> str | None:
    """The program in the docstring of a rule, or None: the literal block that starts with a definition."""
    found = re.search(r"::\n\n((?: {4}def \w+\(.*\n)(?:(?: {4,}.*)?\n?)*)", (inspect.getdoc(rule) or "") + "\n")
    return textwrap.dedent(found[1]) if found else None


def witness(code: str, **arguments: Any) -> dict[Outcome, Fraction]:
    """{(drafts, output): probability} of the program `code` with these arguments."""

    def run(choose: Callable[[Any], Any]) -> Outcome:
        names: dict[str, Any] = {
            "Fraction": Fraction,
            "choose": choose,
            "flip": partial(flip, choose),
            **{helper.__name__: helper for helper in (normalized, excess, without, most_likely)},
        }
        exec(code, names)
        drafts, output = names[code[len("def ") : code.index("(")]](**arguments)
        return tuple(drafts), output

    return joint_distribution(run)


def joint_distribution(run: Callable[[Callable[[Any], Any]], Outcome]) -> dict[Outcome, Fraction]:
    """{outcome: probability}, by running along every sequence of choices."""
    distribution: dict[Outcome, Fraction] = {}
    sequences: list[list[Any]] = [[]]
    while sequences:
        outcome, mass = follow(run, sequences.pop(), sequences)
        distribution[outcome] = distribution.get(outcome, Fraction(0)) + mass
    return distribution


def follow(
    run: Callable[[Callable[[Any], Any]], Outcome], sequence: list[Any], sequences: list[list[Any]]
) -> tuple[Outcome, Fraction]:
    """Run along `sequence`, then along first outcomes; the outcomes passed by are added to `sequences`."""
    step, mass = 0, Fraction(1)

    def choose(weights: Distribution | Mapping[Any, Fraction]) -> Any:
        nonlocal step, mass
        chances = dict(weights.items() if isinstance(weights, Mapping) else enumerate(weights))
        assert sum(chances.values()) == 1, weights
        assert min(chances.values()) >= 0, weights
        if step == len(sequence):
            first, *others = (y for y, chance in chances.items() if chance)
            sequences.extend([*sequence, y] for y in others)
            sequence.append(first)
        outcome = sequence[step]
        step, mass = step + 1, mass * chances[outcome]
        return outcome

    outcome = run(choose)
    return outcome, mass


def flip(choose: Callable[[Any], Any], r: Fraction) -> bool:
    return bool(choose([1 - min(Fraction(1), r), min(Fraction(1), r)]) == 1)


def normalized(weights: Distribution) -> list[Fraction]:
    return [w / sum(weights) for w in weights]


def excess(p: Distribution, q: Distribution) -> list[Fraction]:
    return [max(a - b, Fraction(0)) for a, b in zip(p, q, strict=True)]


def most_likely(q: Distribution) -> int:
    return list(q).index(max(q))


def without(q: Distribution, tokens: Sequence[int]) -> list[Fraction]:
    rest = [Fraction(0) if y in tokens else w for y, w in enumerate(q)]
    return normalized(rest) if sum(rest) else [Fraction(y == most_likely(q)) for y in range(len(q))]
