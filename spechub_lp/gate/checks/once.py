"""What a function does once: in its first calls, and in the call behind an input that is no distribution.

Thousands of calls on one problem say nothing of these. Each is made again and again from the same state: the first
calls by a fork of a process in which there was none, the other right behind the bad input. Under the same noise the
answers should be those of any other call. Where they are not, the function may still be right (it may mix two lossless
rules), so bets on its outputs under fresh noise decide.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from spechub_lp.gate.checks.node_exact import node_case
from spechub_lp.gate.clock import now, wall
from spechub_lp.gate.engines.fresh import Fresh
from spechub_lp.gate.engines.node import Emitted1, Failure, Hung, NodeEngine, Verify
from spechub_lp.gate.noise.choice_sequence import Uncontrolled
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.results import FIRST, ONCE, Finding, Kind, Level, Report
from spechub_lp.gate.search.thresholds import Call
from spechub_lp.gate.settings import Settings
from spechub_lp.gate.statistics.sequential import AboveBet, Bet, Claim, odds

COMPARED = 16
"""Calls whose answers are compared with those of later calls."""
DRAWN = 400
"""Calls against p where there is nothing to compare with."""
MOST_DRAWN = 2000
"""Calls against p where answers differ."""
SHARE, DECIDING = 0.03, 0.2
"""Of the time, for each of both: where answers are alike, and where they differ."""
PATIENCE = 3
"""How many times that wall time may pass: forks use no time of this process."""

BAD = 0.5
"""Seconds that a call on a bad input may take; loops that never end are advised of elsewhere."""

Once = Callable[[Problem, Call], Any]
"""Makes one call: its outcome; None where it cannot be made."""


def in_order(verify: Verify, seconds: float) -> Callable[[Any], Any]:
    """Say how calls of a function are made one after the other, for `Fresh`.

    Parameters
    ----------
    verify
        The function.
    seconds
        How long one call may take.

    Returns
    -------
    callable
        Takes (problem, call) for each, and returns their outcomes.

    Examples
    --------
    >>> work = in_order(lambda p, q, drafts: (drafts[0], 0), 1.0)
    >>> work([(Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1), ((1,), (), 0))])
    [Emitted1(token=1, slot=0)]
    """
    engine = NodeEngine(verify, seconds)
    return lambda calls: [run.outcome for run in engine.in_turn(calls)]


def check_first_calls(
    fresh: Fresh, engine: NodeEngine, problems: Sequence[Problem], report: Report, settings: Settings
) -> str:
    """Compare the first calls of a process with later ones, under the same noise.

    Parameters
    ----------
    fresh
        Makes them, by `in_order`.
    engine
        The same function, which was called before; its noise is under control.
    problems
        To call it on.
    report
        Is added to.
    settings
        How hard to look.

    Returns
    -------
    str
        What was done, for the report's coverage; "" where nothing could be.

    Examples
    --------
    >>> def verify(p, q, drafts):
    ...     return drafts[0], 0
    >>> few, report = [Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)], Report("verify", "node", "iid", 1)
    >>> with Fresh(in_order(verify, 5.0)) as fresh:
    ...     check_first_calls(fresh, NodeEngine(verify), few, report, Settings())  # doctest: +ELLIPSIS
    'the first 4 calls (... times)'
    """
    deadline, calls, done = now() + SHARE * settings.seconds, _calls(problems, settings.seed), 0
    while done < COMPARED and now() < deadline and not report.proved:
        some = [(problem, x, seed) for problem, x, seed in itertools.islice(calls, FIRST)]
        found = fresh.ask([(problem, _call(x, seed)) for problem, x, seed in some])
        usual = [_usual(engine, *one) for one in some]
        if found is None or None in usual:
            break
        done += 1
        at = next((i for i in range(FIRST) if found[i] != usual[i]), None)
        if at is not None:
            once = partial(_after, fresh, [(problem, _call(x, seed)) for problem, x, seed in some[:at]])
            when = f"in call {at + 1} of a process"
            end = now() + DECIDING * settings.seconds
            return told(ONCE[0], done + _bets(once, engine, some[at][0], when, report, settings, end, paired=True))
    return told(ONCE[0], done)


def _after(fresh: Fresh, before: list[Any], problem: Problem, call: Call) -> Any:
    """A call in a new process, behind these."""
    found = fresh.ask([*before, (problem, call)])
    return found and found[-1]


def check_after_errors(
    engine: NodeEngine, problems: Sequence[Problem], report: Report, settings: Settings, *, exact: bool
) -> str:
    """Try calls right behind calls on inputs that are no distributions, or draft what is not there.

    The answers to these are not judged here, and neither is a function that answers nothing afterwards: a note says so.

    Parameters
    ----------
    engine
        The plain function.
    problems
        To call it on.
    report
        Is added to.
    settings
        How hard to look.
    exact
        Whether its noise is under control, so that answers can be compared.

    Returns
    -------
    str
        What was done, for the report's coverage; "" where nothing could be.

    Examples
    --------
    >>> few, report = [Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)], Report("verify", "node", "iid", 1)
    >>> engine = NodeEngine(lambda p, q, drafts: (drafts[0], 0))
    >>> check_after_errors(engine, few, report, Settings(), exact=True)
    'the call behind a bad input (80 times)'
    """
    done, deadline = 0, now() + SHARE * settings.seconds
    for name, bad in _bad(problems[0]):
        if not exact and len(bad[0].p) != problems[0].vocabulary:
            continue  # a compiled function would compile again
        if now() > deadline:
            break
        once, when = partial(_behind, engine, bad, controlled=exact), f"in the call behind one with {name}"
        if exact:
            made, differs = _compared(once, engine, problems, settings.seed, deadline)
        else:
            made, differs = 0, problems[0]
        if differs is not None:
            end = now() + DECIDING * settings.seconds if exact else deadline
            made += _bets(once, engine, differs, when, report, settings, end, paired=exact)
        done += made
        if report.proved or (exact and differs is not None):
            break
    return told(ONCE[1], done)


def _call(x: tuple[int, ...], seed: list[int]) -> Call:
    return x, (), np.random.default_rng(seed)


def told(what: str, times: int) -> str:
    """Say how often calls that come once were tried.

    Parameters
    ----------
    what
        The calls in words.
    times
        How often.

    Returns
    -------
    str
        "" for never.

    Examples
    --------
    >>> told("the first batch", 12)
    'the first batch (12 times)'
    """
    return f"{what} ({times} times)" if times else ""


def _compared(
    once: Once, engine: NodeEngine, problems: Sequence[Problem], seed: int, deadline: float
) -> tuple[int, Problem | None]:
    """(how many calls were compared with ordinary ones under the same noise, a problem on which one differs)."""
    done = 0
    for problem, x, noise in itertools.islice(_calls(problems, seed), COMPARED):
        outcome = once(problem, _call(x, noise)) if now() < deadline else None
        usual = _usual(engine, problem, x, noise) if outcome is not None else None
        if usual is None:
            break
        done += 1
        if outcome != usual:
            return done, problem
    return done, None


def _calls(problems: Sequence[Problem], seed: int) -> Iterator[tuple[Problem, tuple[int, ...], list[int]]]:
    """Problems in turn, with drafts of each policy, and the seed of the noise."""
    rng = np.random.default_rng([seed, 80])
    for n in range(10**9):
        problem = problems[n % len(problems)]
        yield problem, problem.tuples[rng.choice(len(problem.tuples), p=problem.mass)], [seed, 81, n]


def _bets(
    once: Once, engine: NodeEngine, problem: Problem, when: str, report: Report, settings: Settings, deadline: float,
    *, paired: bool,
) -> int:  # fmt: skip
    """Bet on the outputs of such calls under fresh noise, which have distribution p if the function is right.

    paired: whether each has an ordinary call beside it, under the same noise.
    """
    bets, line, name = _Bets(problem), math.log(64 / settings.false_alarm), problem.name
    most, ends = MOST_DRAWN if paired else DRAWN, wall() + PATIENCE * (deadline - now())
    for n, (_, x, seed) in enumerate(_calls([problem], settings.seed + 1)):
        in_time = n < most and now() < deadline and wall() < ends
        outcome = once(problem, _call(x, seed)) if in_time else None
        usual = _usual(engine, problem, x, seed) if outcome is not None and paired else None
        if outcome is None or (paired and usual is None):
            if paired:
                text = f"on {name!r}, {when}, it does not answer as it does otherwise under the same noise"
                report.findings.append(_note(problem, f"{text}; {n} such calls do not speak against p"))
            return n
        if isinstance(outcome, Failure):
            report.findings.append(_note(problem, f"on {name!r}, {when}, it gives no answer: {outcome.message}"))
            return n
        bets.update(outcome, usual)
        if bets.log_wealth > line:
            seen = f"after {n + 1} such calls, {odds(bets.log_wealth)}"
            text = f"on {name!r}, {when}, its outputs do not follow p ({seen})"
            report.findings.append(Finding(Level.STREAM, Kind.BIAS, text, case=node_case(problem, x), problem=name))
            return n
    return 0


class _Bets:
    """Against outputs with distribution p, alone and beside outputs that have it, under the same noise."""

    def __init__(self, problem: Problem):
        tokens = range(problem.vocabulary)
        self.alone = Bet(Claim.OUTPUT, problem.target.tolist())
        self.beside = {(token, sign): AboveBet(0.5) for token in tokens for sign in (1, -1)}
        self.whole = math.log(1 + len(self.beside))

    def update(self, outcome: Emitted1, usual: Any) -> None:
        self.alone.update(outcome.token)
        if isinstance(usual, Emitted1):
            for (token, sign), bet in self.beside.items():  # as often as there: half, where none is 0 and both are 1
                bet.update((1 + sign * (int(outcome.token == token) - int(usual.token == token))) / 2)

    @property
    def log_wealth(self) -> float:
        """Of the mean gambler, at least."""
        return max(self.alone.log_wealth, *(bet.log_wealth for bet in self.beside.values())) - self.whole


def _usual(engine: NodeEngine, problem: Problem, x: tuple[int, ...], seed: list[int]) -> Any:
    """What an ordinary call gives under this noise; None where it gives nothing."""
    try:
        return engine.controlled(problem, [_call(x, seed)])[0].outcome
    except (Hung, Uncontrolled):
        return None


def _note(problem: Problem, text: str) -> Finding:
    return Finding(Level.STREAM, Kind.NOTE, text, proof=False, problem=problem.name)


def _bad(problem: Problem) -> Iterator[tuple[str, tuple[Problem, tuple[int, ...]]]]:
    """Inputs that no drafter and no model should give, of the size of a problem."""
    x, V, nan = problem.tuples[0], problem.vocabulary, float("nan")
    for name, row in (("a target of NaN", (nan,) * V), ("a target of zeros", (0.0,) * V)):
        yield name, (replace(problem, name=name, p=row), x)
    rows = len(problem.q) if isinstance(problem.q[0], tuple) else 0
    q: Any = ((nan,) * V,) * rows if rows else (nan,) * V
    yield "a draft distribution of NaN", (replace(problem, name="q of NaN", q=q), x)
    yield "a draft that is no token", (problem, (V,) * problem.k)
    yield "a target of one token less", (replace(problem, name="short", p=problem.p[:-1]), x)


def _behind(
    engine: NodeEngine, bad: tuple[Problem, tuple[int, ...]], problem: Problem, call: Call, *, controlled: bool
) -> Any:
    """The call behind a bad one; None where the bad one was ended by the gate, which leaves any function half-way."""
    if not controlled:
        first = engine.real(*bad, seconds=min(engine.seconds, BAD))
        if isinstance(first, Failure) and first.kind is Kind.HANG:
            return None
        return engine.real(problem, call[0])
    try:
        engine.controlled(bad[0], [(bad[1], (), np.random.default_rng(0))])
        return engine.controlled(problem, [call])[0].outcome
    except (Hung, Uncontrolled):
        return None
