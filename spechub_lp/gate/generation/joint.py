"""The joint distribution of the tokens of a completion: computed from controlled noise."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spechub_lp._util.words import counted
from spechub_lp.gate.clock import now
from spechub_lp.gate.engines.node import one_thread
from spechub_lp.gate.generation.ask import Failed, ask
from spechub_lp.gate.generation.requests import Engine, Failure, Params, Tokens
from spechub_lp.gate.generation.watching import Watching
from spechub_lp.gate.noise.choice_sequence import ChoiceSequence, Control, DrawKind, Run, Value
from spechub_lp.gate.noise.interception import controlled
from spechub_lp.gate.noise.places import Places
from spechub_lp.gate.results import Kind
from spechub_lp.gate.search.thresholds import RULES, Call, Explorer, Node, OutOfTime
from spechub_lp.gate.settings import FALSE_ALARM

END = -1
"""What follows the last token of a text that ended before its time."""
ENDS = (0.0, 1.0)
"""Where a uniform is looked at that was seen in a comparison, beside the other side of the comparison."""
DIGITS = 6
"""Thresholds that differ beyond these digits are one."""
NEAR = 4
"""Steps of a float32 grid within which a threshold lies that was found through a product."""
PROBES = 32
"""Random calls that the regions must explain."""
AT_ONCE = 16
"""Random calls between two looks."""
LEFT_OUT = 1e-10
"""At most so much mass was left out or rounded away where all answers are said to be known."""
Joint = dict[tuple[Tokens, ...], float]
"""The probability of every answer: the tokens of each completion. An answer that failed is `Failed`."""


@dataclass(frozen=True)
class Computed:
    """Hold a joint distribution, and what it cost.

    Examples
    --------
    >>> Computed({((0,),): 1.0}, unexplained=0.0, calls=2, sure=lambda mass: True).chances
    {((0,),): 1.0}
    """

    chances: Joint
    """Answer -> its probability."""
    unexplained: float
    """Share of random calls that the regions did not explain, and the mass that was left out."""
    calls: int
    """Calls of the engine."""
    sure: Callable[[float], bool]
    """sure(mass): whether no region of that mass was overlooked, but for a chance of FALSE_ALARM; makes calls."""
    enumerated: bool = False
    """Whether all its noise was choices among outcomes, each of which was looked at: no other answer can come."""


class Informed(Explorer):
    """Explore the noise, hints first: what a uniform was compared with is a threshold, found in two calls.

    Parameters
    ----------
    calls
        Of the engine; they collect the hints.
    **options
        Of the `Explorer`.

    Examples
    --------
    >>> import random
    >>> from math import inf
    >>> calls = Calls(lambda prompts, params: [[random.randrange(2)]], [(0,)], Params(max_tokens=1), 2, 5, deadline=inf)
    >>> found, roots = Informed(calls).distributions([None], probes=8)
    >>> found[None].chances
    {((0,),): 0.5, ((1,),): 0.5}
    """

    def __init__(self, calls: "Calls", **options: Any):
        super().__init__(calls.evaluate, coarse=True, **options)
        self.hints, self.scaled, self.told = calls.hints, calls.scaled, calls.told
        self.quick = True
        """Whether a uniform that tells with what it is compared, and told nothing, is looked at from its ends only."""

    def _split_uniforms(self, nodes: list[Node]) -> None:
        wide = self.start
        for node in nodes:
            assert node.draw is not None
            seen = (
                self.hints.get(node.prefix)
                or self.scaled.get(node.prefix)
                or (self.quick and node.draw.source in self.told)
            )
            self.start = ENDS if seen else wide
            super()._split_uniforms([node])
        self.start = wide

    def _middles(self, node: Node, points: dict[int, Any]) -> list[int]:
        assert node.draw is not None
        grid, reach = 2**node.draw.size, 2 ** max(0, node.draw.size - self.finest) // 2
        hints = {int(hint * grid) for hint in self.hints.get(node.prefix, ()) if 0 <= hint < 1}
        scaled = {int(hint * grid) for hint in self.scaled.get(node.prefix, ()) if 0 < hint < 1}
        around = [(h - NEAR, h + NEAR) for h in scaled]
        for h in hints | scaled:
            around += [(h - reach, h + reach)] if reach else [(h - b, h - b + 1) for b in (0, 1)]
        self.known = {gap for gap in around if 0 <= gap[0] and gap[1] < grid}
        return super()._middles(node, points)

    def sure(self, roots: list[Node], missing: float) -> bool:
        """Whether random calls meet nothing that their regions do not explain.

        So many are made that a region of mass `missing` would be met but for a chance of FALSE_ALARM.
        """
        if all(map(_enumerated, roots)):
            return True
        rng, made, needed = np.random.default_rng(1), 0, math.log(1 / FALSE_ALARM) / missing
        while made < needed:
            if self._missed(roots, [0] * AT_ONCE, rng):
                return False
            made += AT_ONCE
        return True


def _enumerated(node: Node) -> bool:
    """Whether everything below is choices among outcomes, each of which was looked at."""
    return node.draw is None or (node.draw.kind is DrawKind.PICK and all(map(_enumerated, node.children)))


@dataclass(frozen=True)
class WatchedRun(Run):
    """Hold a run whose uniforms told with what they were compared.

    Examples
    --------
    >>> WatchedRun((), (), "token 3", ((0.25,),)).signature(0)
    ((), 'token 3', '[[0.25]]')
    """

    thresholds: tuple[tuple[float, ...], ...] = ()
    """For each draw, what it was compared with."""

    def signature(self, start: int) -> tuple[Any, ...]:
        """Two runs that compare later uniforms with unlike numbers go on differently, whatever came out this time."""
        later = [[round(x, DIGITS) for x in found] for found in self.thresholds[start:]]
        return (*super().signature(start), str(later))


class Calls:
    """Call an engine with one request under choice sequences.

    Parameters
    ----------
    engine
        Any callable of prompts and `Params`.
    prompts
        Token ids of each prompt.
    params
        The arguments of the request.
    vocabulary
        V; a token id of V or more is a failure.
    seconds
        What one call may take.
    deadline
        When to give up, by `gate.clock.now`.

    Examples
    --------
    >>> import random
    >>> from math import inf
    >>> calls = Calls(lambda prompts, params: [[random.randrange(2)]], [(0,)], Params(max_tokens=1), 2, 5, deadline=inf)
    >>> [run.outcome for run in calls.evaluate([(None, (0,), 0), (None, (1,), 0)])]
    [((0,),), ((1,),)]
    """

    def __init__(
        self, engine: Engine, prompts: Sequence[Tokens], params: Params, vocabulary: int, seconds: float,
        deadline: float,
    ):  # fmt: skip
        self.engine, self.prompts, self.params = engine, prompts, params
        self.vocabulary, self.seconds, self.deadline = vocabulary, seconds, deadline
        self.places = Places(list(_inside(engine)))
        self.hints: dict[tuple[Any, ...], list[float]] = {}
        self.scaled: dict[tuple[Any, ...], list[float]] = {}
        """Thresholds of uniforms that were multiplied before they were compared."""
        self.supposed: dict[tuple[Any, ...], dict[float, float]] = {}
        """A threshold, if one side was a multiple of the uniform -> the value of the uniform in that call."""
        self.told: set[str] = set()
        """Sources of uniforms that tell with what they are compared."""
        self.runs: dict[tuple[tuple[Value, ...], int], Run] = {}
        self.thorough = False
        """Whether what follows is looked at under two rules; one rule for all lets a call serve many looks."""
        self.made = 0

    def evaluate(self, calls: list[Call]) -> list[Run]:
        """Controlled calls. A beginning of noise that an earlier call went on from is not called again."""
        with one_thread(), controlled(self.places, Watching) as control:
            return [self._known(control, tuple(prefix), rule) for _, prefix, rule in calls]

    def _known(self, control: Control, prefix: tuple[Value, ...], rule: Any) -> Run:
        if isinstance(rule, np.random.Generator):
            return self._run(control, prefix, rule)
        rule = rule if self.thorough else RULES[1]
        if (prefix, rule) not in self.runs:
            run = self._run(control, prefix, rule)
            self.runs |= {(run.values[:n], rule): run for n in range(len(prefix), len(run.values) + 1)}
        return self.runs[prefix, rule]

    def _run(self, control: Control, prefix: tuple[Value, ...], rule: Any) -> Run:
        if now() > self.deadline:
            raise OutOfTime(f"the time (--seconds) ended after {counted(self.made, 'call')}")
        outcome, choices = self._answer(control, prefix, rule)
        if _hung(outcome):
            outcome, choices = self._answer(control, prefix, rule)
            if _hung(outcome):  # a machine that stood still does not do so twice; each further look would cost as much
                raise Failed(outcome, 1.0)
        told: dict[int, list[float]] = defaultdict(list)
        for place, threshold in control.thresholds:
            told[place].append(threshold)
        run = WatchedRun(
            tuple(choices.draws),
            tuple(choices.values),
            outcome,
            tuple(tuple(told[n]) for n in range(len(choices.draws))),
        )
        self._note(run, control.compared)
        return run

    def _answer(self, control: Control, prefix: tuple[Value, ...], rule: Any) -> tuple[Any, ChoiceSequence]:
        choices = control.choices = ChoiceSequence(prefix, rule)
        control.compared.clear()
        control.thresholds.clear()
        return self.once(), choices

    def once(self) -> Any:
        """Return the tokens of each completion, or a Failure. Raises NotOffered."""
        self.made += 1
        read = ask(self.engine, self.prompts, self.params, self.vocabulary, self.seconds)
        return read if isinstance(read, Failure) else tuple(part.tokens for part in read)

    def _note(self, run: WatchedRun, compared: list[tuple[int, float, float]]) -> None:
        """The other side of every comparison of a uniform, by the noise before the uniform."""
        sides: dict[float, list[float]] = defaultdict(list)
        for drawn, a, b in compared:
            sides[a].append(b)
            sides[b].append(a)
            self._note_scaled(run, drawn - 1, a, b)
        for place, (draw, value, told) in enumerate(zip(run.draws, run.values, run.thresholds, strict=True)):
            if draw.kind is DrawKind.UNIFORM:
                self.told |= {draw.source} if told else set()
                found = self.hints.setdefault(run.values[:place], [])
                seen = sides.get(value * 2.0**-draw.size, ())  # type: ignore[operator]
                found += [x for x in (*seen, *told) if x not in found]

    def _note_scaled(self, run: WatchedRun, place: int, a: float, b: float) -> None:
        """Where the last uniform before a comparison turns it, if one side is that uniform times something.

        Then two values of the uniform give the same place; numbers that have nothing to do with it do not.
        """
        if place < 0 or run.draws[place].kind is not DrawKind.UNIFORM:
            return
        grid = 2.0 ** run.draws[place].size
        u = run.values[place] / grid  # type: ignore[operator]
        if 0 in (a, b) or u in (a, b):
            return
        before = self.supposed.setdefault(run.values[:place], {})
        found = self.scaled.setdefault(run.values[:place], [])
        for x in (u * b / a, u * a / b):
            if 0 < x < 1 and all(abs(x - y) > NEAR / grid for y in found):
                found += [x] if any(abs(x - y) <= NEAR / grid and v != u for y, v in before.items()) else []
                before[x] = u


def _hung(outcome: Any) -> bool:
    return isinstance(outcome, Failure) and outcome.kind is Kind.HANG


def _inside(engine: Any) -> Iterator[Any]:
    """An engine, and what it is when our own wrappers are taken off."""
    while engine is not None:
        yield engine
        engine = getattr(engine, "__dict__", {}).get("function")


def joint_distribution(
    engine: Engine,
    prompts: Sequence[Tokens],
    params: Params,
    vocabulary: int,
    *,
    seconds: float,
    deadline: float = float("inf"),
    thorough: bool = False,
) -> Computed:
    """Compute the distribution of an engine's answer to one request, from controlled noise.

    Parameters
    ----------
    engine
        Any callable of prompts and `Params`.
    prompts
        Token ids of each prompt.
    params
        The arguments of the request.
    vocabulary
        V; a token id of V or more is a failure.
    seconds
        What one call may take.
    deadline
        When to give up, by `gate.clock.now`.
    thorough
        Whether to look at what follows a uniform under two rules; it is done anyway where one rule leaves something
        unexplained.

    Returns
    -------
    Computed
        The probability of every answer, and what was left open.

    Raises
    ------
    Uncontrolled
        The noise cannot be controlled, or the deadline came.
    Failed
        The engine fails, always or with some probability.
    NotOffered
        The engine does not take these arguments.

    Examples
    --------
    >>> import random
    >>> def generate(prompts, params):
    ...     return [[int(random.random() < 0.25)] for _ in prompts]
    >>> joint_distribution(generate, [(0,)], Params(max_tokens=1), vocabulary=2, seconds=5).chances
    {((1,),): 0.25, ((0,),): 0.75}
    """
    calls = Calls(engine, prompts, params, vocabulary, seconds, deadline)
    with one_thread():
        first = calls.once()  # on real noise: what is imported at first use may draw noise of its own
        first = calls.once() if _hung(first) else first
    if isinstance(first, Failure):
        raise Failed(first, 1.0)
    explorer = Informed(calls, deadline=deadline)
    if not thorough:
        found, roots = explorer.distributions([None], probes=PROBES, repairs=0)
    if thorough or found[None].unexplained:
        calls.thorough, explorer.rules, explorer.quick = True, RULES, False
        found, roots = explorer.distributions([None], probes=PROBES)
    whole = found[None]
    return Computed(
        _sound(whole.chances), whole.unexplained, calls.made, lambda mass: explorer.sure(roots, mass),
        whole.unexplained < LEFT_OUT and all(map(_enumerated, roots)),
    )  # fmt: skip


def _sound(chances: dict[Any, float]) -> Joint:
    failed = {outcome: mass for outcome, mass in chances.items() if isinstance(outcome, Failure)}
    if failed:
        raise Failed(max(failed, key=lambda outcome: failed[outcome]), sum(failed.values()))
    return chances
