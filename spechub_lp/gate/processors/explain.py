"""What a wrong processed distribution is instead: the parameters, the counts or the mask of another row or step."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from spechub_lp.gate.processors.exact import FIELDS, Position, Processing, processed
from spechub_lp.gate.processors.protocol import Stage
from spechub_lp.gate.processors.requests import Request, Step
from spechub_lp.typing import Array

MOST_ROWS = 40
"""Other rows that are thought of, the nearest ones."""


def explained(step: Step, row: int, place: int, found: Array, tolerance: float) -> str:
    """Say what a wrong distribution is instead, as the end of a sentence.

    Parameters
    ----------
    step
        The step at which it came out.
    row
        The request's row.
    place
        The position in that row.
    found : [V]
        The wrong distribution.
    tolerance
        Total variation distance up to which a known mistake explains it.

    Returns
    -------
    str
        Empty when no known mistake fits.

    Examples
    --------
    >>> from spechub_lp.gate.processors.protocol import Kept
    >>> from spechub_lp.gate.processors.requests import Requests
    >>> step = next(Requests("two rows", 5, rows=2, steps=1).steps_of(Kept.of(None)))
    >>> explained(step, 0, 0, step.right[1][0], 1e-9)
    '; it is what comes out in row 1'
    """
    for words, at, stages in _guesses(step, row, place):
        if np.abs(processed(at, stages, step.kept.prompt_counts)[0] - found).sum() / 2 < tolerance:
            return f"; it is what comes out {words}"
    return ""


def _guesses(step: Step, row: int, place: int) -> Iterator[tuple[str, Position, tuple[Stage, ...]]]:
    """(words, position, order of the stages), the likeliest first."""
    at, stages, own = step.positions[row][place], step.kept.stages, step.requests[row]
    active = [stage for stage in stages if stage in at.parameters.active]
    yield "without any processing", replace(at, parameters=Processing()), stages
    for stage in active:
        yield f"without its {stage}", replace(at, parameters=at.parameters.without(stage)), stages
    for words, before in _counts(own, place):
        yield words, replace(at, before=before), stages
    yield "when its prompt does not count", replace(at, prompt=()), stages
    if own.heir_of is not None:
        gone = own.heir_of
        yield (
            "with the parameters of the request that had its row before",
            replace(at, parameters=gone.parameters),
            stages,
        )
        yield from (
            (
                f"with what the request counted that had its row before{words}",
                replace(at, prompt=prompt, before=before),
                stages,
            )
            for words, prompt, before in (
                ("", gone.prompt, gone.output),
                (", added to its own", own.prompt + gone.prompt, gone.output + at.before),
                (", added to its own output", own.prompt, gone.output + at.before),
            )
        )
    yield from ((words, other, stages) for words, other in _neighbours(step, row, place))
    for order in itertools.permutations(active):
        if list(order) != active:
            yield f"in the order {', '.join(order)}", at, order


def _counts(own: Request, place: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    output, before = own.output, own.drafted[:place]
    yield "when nothing counts that was put out", ()
    yield "when the last committed token does not count", output[:-1] + before
    yield "when the last committed token counts twice", output + output[-1:] + before
    yield "when drafted tokens before it do not count", output
    yield "when the last drafted token before it does not count", output + before[:-1]
    yield "when the last drafted token alone counts of those before it", output + before[-1:]
    yield "when all drafted tokens count, those behind it too", output + own.drafted
    yield "when rejected drafts of the step before count too", output + own.rejected + before
    yield "with the counts of its first step", output[:1]


def _neighbours(step: Step, row: int, place: int) -> Iterator[tuple[str, Position]]:
    at = step.positions[row][place]
    others = sorted((b for b in range(len(step.requests)) if b != row), key=lambda b: abs(b - row))[:MOST_ROWS]
    for i, other in enumerate(step.positions[row]):
        if i != place:
            yield f"with the mask of its position {i}", replace(at, allowed=other.allowed)
            yield f"at its position {i}", other
    for b in others:
        them = step.positions[b][min(place, len(step.positions[b]) - 1)]
        mine, theirs = at.parameters, them.parameters
        yield f"with the mask of row {b}", replace(at, allowed=them.allowed)
        yield f"with the counts of row {b}", replace(at, prompt=them.prompt, before=them.before)
        yield f"with the output counts of row {b}", replace(at, before=them.before)
        yield f"with the parameters of row {b}", replace(at, parameters=replace(theirs, masked=mine.masked))
        yield f"with the parameters and the mask of row {b}", replace(at, parameters=theirs, allowed=them.allowed)
        for stage in Stage:
            other = replace(at, parameters=mine.taken_from(theirs, stage))
            if stage is Stage.MASK:
                other = replace(other, allowed=them.allowed)
            yield f"with the {stage} of row {b}", other
        for name in FIELDS[Stage.PENALTIES]:
            taken = replace(mine, **{name: getattr(theirs, name)})
            yield f"with the {name.replace('_', ' ')} of row {b}", replace(at, parameters=taken)
        yield f"in row {b}", them
