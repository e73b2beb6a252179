"""Level 3: try an engine on its own noise, call after call, and whether each output is fresh.

For a lossless engine on fresh drafts the output has distribution p *whatever happened before*. So the gamblers of level
2 may use the past as their context: the output before, its slot, its drafts, the parity of the call. Noise that is kept
from call to call, reseeded, shared with the drafts or recycled makes one of them rich.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spechub_lp.drafts import DraftPolicy
from spechub_lp.gate.clock import now
from spechub_lp.gate.engines.node import Emitted1, Failure, NodeEngine
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.search.thresholds import Distribution
from spechub_lp.gate.statistics.sequential import AboveBet, Bet, Claim, distance_bound
from spechub_lp.gate.statistics.tables import EqualBet, repeats

RESEEDED = (
    "its real noise does not give the distribution that the same code has under fresh noise: "
    "a generator is reseeded, or noise is kept from call to call"
)
BLOCK = 200
RECYCLED = 6000
"""Calls in which noise that comes round again is looked for."""
LAGS = (2, 3, 4)
WIDE = 4096
"""Tokens among which an output says much about the noise behind it."""
COUNTED = 3000
"""Calls in which it is counted how often an output has come before."""
SLACK = 1e-6
"""Mixed into a computed distribution before it is bet against, so that its own rounding is no proof."""


@dataclass
class Watch:
    """One problem watched over many real calls.

    Examples
    --------
    >>> one = Watch(Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1), None)
    >>> one.update((0,), Emitted1(0, 0))
    >>> one.counts.tolist(), one.accepted
    ([1.0, 0.0], 1)
    """

    problem: Problem
    distributions: dict[Any, Distribution] | None
    counts: np.ndarray = field(init=False)
    accepted: int = 0
    bets: list[Bet | AboveBet] = field(default_factory=list)
    failure: tuple[tuple[int, ...], Failure] | None = None
    last_drafts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        p = self.problem.target.tolist()
        self.counts = np.zeros(len(p))
        self.past: list[tuple[int, int]] = []
        kept = [
            "an output depends on the output of the call before: noise is kept or shared",
            "an output depends on whether the call before accepted: noise is kept or shared",
            "an output depends on the drafts of the call before: noise is shared with drafting",
            "outputs differ between even and odd calls: noise is reused every second call",
            *(f"an output depends on the output {n} calls before: noise is reused" for n in LAGS),
        ]
        self.bets.append(Bet(Claim.OUTPUT, p, "its outputs do not follow p"))
        self.bets += [Bet(Claim.INDEPENDENCE, p, message) for message in kept]
        self.above = AboveBet(float(self.problem.optimum), "it accepts more than the optimum of these drafts allows")
        self.bets.append(self.above)
        self.confirm: dict[Any, tuple[Bet, dict[Any, int]]] = {}
        self.confirmed = Bet(Claim.INDEPENDENCE, [1.0], RESEEDED)
        """Against the distributions under controlled noise. Another distribution on real noise is no bias by itself (a
        fixed list may choose between two lossless rules), so this bet fails nobody: it asks for more draws."""

    def update(self, drafts: tuple[int, ...], outcome: Emitted1) -> None:
        """One call: outputs are bet on in every context, then remembered."""
        y, t = outcome.token, len(self.past)
        contexts: list[Any] = [None]
        last = self.past[-1] if self.past else (-1, -1)
        contexts += [last[0], last[1], self.last_drafts if t else None, t % 2]
        contexts += [self.past[-n][0] if t >= n else -1 for n in LAGS]
        for bet, context in zip(self.bets, contexts, strict=False):
            bet.update(y, context)  # type: ignore[call-arg]
        self.above.update(float(outcome.slot >= 0))
        if self.distributions is not None:
            self._confirm(drafts, outcome)
        self.past.append((y, int(outcome.slot >= 0)))
        self.last_drafts = drafts
        self.counts[y] += 1
        self.accepted += outcome.slot >= 0

    def _confirm(self, drafts: tuple[int, ...], outcome: Emitted1) -> None:
        assert self.distributions is not None
        if drafts not in self.confirm:
            known = {o: c for o, c in self.distributions[drafts].chances.items() if isinstance(o, Emitted1)}
            place = {o: i for i, o in enumerate(known)}
            distribution = [(1 - SLACK) * c for c in known.values()] + [SLACK]
            self.confirm[drafts] = (Bet(Claim.INDEPENDENCE, distribution), place)
        bet, place = self.confirm[drafts]
        before = bet.log_wealth
        bet.update(place.get(outcome, len(place)))
        self.confirmed.log_wealth += bet.log_wealth - before
        self.confirmed.n += 1

    def bound(self, alpha: float) -> float:
        """Upper confidence bound of the distance between outputs and p."""
        return distance_bound(self.counts, self.problem.target.tolist(), alpha)


@dataclass
class Stream:
    """What the real calls showed.

    Examples
    --------
    >>> Stream([Watch(Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1), None)], alpha=1e-6).failure is None
    True
    """

    watches: list[Watch]
    alpha: float
    """The false-alarm rate of each single bet, so that all of them together keep the promise."""
    refuted: tuple[Watch, Bet | AboveBet] | None = None
    calls: int = 0
    differs: Watch | None = None
    """Where real noise gave another distribution than controlled noise."""

    @property
    def failure(self) -> tuple[Problem, tuple[int, ...], Failure] | None:
        """The first call that failed: its problem, its drafts, and what it did."""
        for watch in self.watches:
            if watch.failure:
                return (watch.problem, *watch.failure)
        return None

    def bound(self) -> float:
        """Upper confidence bound of the largest distance between outputs and p."""
        return max(watch.bound(self.alpha) for watch in self.watches)


def watch(
    engine: NodeEngine,
    problems: list[Problem],
    distributions: dict[str, dict[Any, Distribution]],
    *,
    false_alarm: float,
    calls: int,
    deadline: float,
    seed: int = 0,
    enough: Callable[[Stream], bool] = lambda stream: False,
    block: int = BLOCK,
) -> Stream:
    """Call the engine on fresh drafts, in blocks of one problem each, until refuted, enough, or out of time.

    Parameters
    ----------
    engine
        The plain function.
    problems
        In turn.
    distributions
        The exact distributions by name of the problem, where there are some.
    false_alarm
        The probability that a right engine is refuted.
    calls
        How many; no limit where real noise gives another distribution than controlled noise.
    deadline
        When it must end, by `gate.clock.now`.
    seed
        Of the drafts.
    enough
        Whether what was seen makes a pass.
    block
        Calls on one problem before the next.

    Returns
    -------
    Stream
        What the calls showed.

    Examples
    --------
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> engine = NodeEngine(lambda p, q, drafts: (drafts[0], 0))
    >>> stream = watch(engine, [problem], {}, false_alarm=1e-6, calls=1000, deadline=now() + 60)
    >>> stream.refuted is not None
    True
    """
    rng = np.random.default_rng([seed, 77])
    watches = [Watch(problem, distributions.get(problem.name)) for problem in problems]
    tests = sum(len(w.bets) for w in watches) + 1
    stream = Stream(watches, false_alarm / (2 * tests))
    line = math.log(1 / stream.alpha)
    while (stream.calls < calls or stream.differs) and now() < deadline:
        for w in watches:
            if now() >= deadline:
                break
            drawn = rng.choice(len(w.problem.tuples), size=block, p=w.problem.mass)
            tuples = [w.problem.tuples[place] for place in drawn]
            for drafts, outcome in zip(tuples, engine.several(w.problem, tuples), strict=True):
                stream.calls += 1
                if isinstance(outcome, Failure):
                    w.failure = (drafts, outcome)
                    return stream
                w.update(drafts, outcome)
                if stream.calls % 16 == 0 or w.problem.p[outcome.token] == 0:
                    rich = [bet for bet in w.bets if bet.log_wealth > line]
                    if rich:
                        stream.refuted = (w, max(rich, key=lambda b: b.log_wealth))
                        return stream
            if w.confirmed.log_wealth > line:
                stream.differs = w
        if enough(stream):
            break
    return stream


def nearly_sure(policy: DraftPolicy, k: int) -> Problem:
    """Make a problem with one nearly sure draft, so that equal noise gives equal outputs on fresh drafts too.

    Parameters
    ----------
    policy
        How drafts are made.
    k
        Number of drafts.

    Returns
    -------
    Problem
        Of at least 3 tokens.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> nearly_sure(IID(), 1).q[0]
    0.999
    """
    V = max(3, k + 1)
    q = (0.999, *((0.001 / (V - 1),) * (V - 1)))
    p = (0.5, 0.3, *((0.2 / (V - 2),) * (V - 2)))
    return Problem("one draft is nearly sure", p, (q,) * k if policy.different_drafters else q, k, policy)


def recycled(engine: NodeEngine, problem: Problem, alpha: float, deadline: float, seed: int = 0) -> int | None:
    """Find the lag at which outputs on fresh drafts repeat themselves.

    A lossless engine gives fresh drafts an output with distribution p whatever it keeps, so this holds for engines with
    state too; two lossless rules in turn repeat themselves on equal drafts, and are right.

    Parameters
    ----------
    engine
        The plain function.
    problem
        One draft of which is nearly sure.
    alpha
        The false-alarm rate.
    deadline
        When it must end, by `gate.clock.now`.
    seed
        Of the drafts.

    Returns
    -------
    int or None
        So many calls apart; None where nothing repeats itself.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> engine = NodeEngine(lambda p, q, drafts: (drafts[0], 0))
    >>> recycled(engine, nearly_sure(IID(), 1), 1e-6, deadline=now()) is None  # no time is left
    True
    """
    rng = np.random.default_rng([seed, 78])
    top, scores = int(np.argmax(problem.target)), []
    chance = float(problem.target[top])
    for place in rng.choice(len(problem.tuples), size=RECYCLED, p=problem.mass):
        outcome = engine.real(problem, problem.tuples[place])
        if now() > deadline or not isinstance(outcome, Emitted1):
            break
        scores.append((outcome.token == top) - chance)
    return repeats(np.asarray(scores), np.full(len(scores), chance * (1 - chance)), alpha)


def never_accepted(policy: DraftPolicy, k: int) -> Problem:
    """Make a problem whose drafts have p = 0, and whose other tokens are many and equally likely.

    Parameters
    ----------
    policy
        How drafts are made.
    k
        Number of drafts.

    Returns
    -------
    Problem
        Of WIDE tokens, of which the first k + 1 are drafted.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> problem = never_accepted(IID(), 2)
    >>> problem.p[:4] == (0, 0, 0, problem.p[-1]), problem.q[:4]
    (True, (0.5, 0.25, 0.25, 0.0))
    """
    drafted, others = k + 1, WIDE - k - 1
    q = (0.5, *[0.5 / k] * k, *[0.0] * others)
    p = (*[0.0] * drafted, *[1 / others] * others)
    return Problem("no draft can be accepted", p, (q,) * k if policy.different_drafters else q, k, policy)


def few_seeds(engine: NodeEngine, problem: Problem, alpha: float, deadline: float) -> tuple[int, int] | None:
    """Count how often an output has come before, and say so where it is too often for noise that is fresh.

    Whatever a lossless engine keeps, its output is one of the V tokens of positive probability, all equally likely. So
    it has come before with probability D / V, where D is the number of tokens that have. An engine that begins each
    call with one of S seeds repeats itself sooner, however well its outputs follow p over all seeds.

    Parameters
    ----------
    engine
        The plain function.
    problem
        Its drafts are never accepted; see `never_accepted`.
    alpha
        The false-alarm rate.
    deadline
        When it must end, by `gate.clock.now`.

    Returns
    -------
    tuple[int, int] or None
        Calls, and how many tokens came; None where nothing speaks against fresh noise.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> engine = NodeEngine(lambda p, q, drafts: (17, -1))
    >>> few_seeds(engine, never_accepted(IID(), 1), 1e-6, deadline=float("inf"))
    (3, 1)
    """
    drafts, tokens = tuple(range(problem.k)), np.count_nonzero(problem.p)
    bet, seen = EqualBet(), set[int]()
    for n in range(1, COUNTED + 1):
        outcome = engine.real(problem, drafts)
        if now() > deadline or not isinstance(outcome, Emitted1):
            return None
        bet.update(np.asarray([len(seen) / tokens]), np.asarray([outcome.token in seen]))
        seen.add(outcome.token)
        if bet.log_wealth > math.log(1 / alpha):
            return n, len(seen)
    return None
