"""Full vocabulary: an engine drawn from on captured rows, and bets on where its tokens fall.

Level 0 goes first: the ends of every uniform, then every draw must have p > 0, a legal id and n >= 1. The bets are
those of `token_sets.py`: an engine passes when the mass of each set is proved to be near p's and a shift would have
shown.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from spechub_lp import drafts as policies
from spechub_lp._util.recent import Recent
from spechub_lp.drafts import DraftPolicy
from spechub_lp.gate.checks.probes import ENDS
from spechub_lp.gate.clock import now
from spechub_lp.gate.engines.node import Emitted1, Failure, NodeEngine
from spechub_lp.gate.engines.tree import TreeEngine, read_noise, real_noise
from spechub_lp.gate.noise.choice_sequence import ChoiceSequence, End, Uncontrolled
from spechub_lp.gate.noise.interception import controlled
from spechub_lp.gate.problems.captured import Captured
from spechub_lp.gate.problems.captured_rows import WideRow, WideTree, wide_document
from spechub_lp.gate.problems.tree import impossible
from spechub_lp.gate.protocols import NoiseSpec, ProtocolName
from spechub_lp.gate.results import Finding, Kind, Level, Report, Row
from spechub_lp.gate.settings import Settings
from spechub_lp.gate.statistics.sequential import odds
from spechub_lp.gate.statistics.token_sets import Watch
from spechub_lp.sampling import descend, sums
from spechub_lp.trees.shape import levels
from spechub_lp.typing import Array, FloatArray

BLOCK = 16
FEW = 400
"""Draws at level 0 alone."""
BATCH_NUMBERS = 1 << 21
"""Numbers in the rows of one batch of trees: 16 MB of float64."""
MEMORY = 64 * 2**20
"""Bytes of draft distributions that are kept."""


def drafter(
    policy: DraftPolicy, k: int, rows: Sequence[Array]
) -> Callable[[int, np.random.Generator], tuple[int, ...]]:
    """Make a function that draws drafts; the distribution of each next draft is kept for drafts that come often.

    Parameters
    ----------
    policy
        How drafts are made.
    k
        Number of drafts.
    rows
        Draft distributions, each [V].

    Returns
    -------
    Callable
        draw(row, rng) gives k drafts.

    Examples
    --------
    >>> drafter(policies.TopK(), 2, [np.array([0.25, 0.5, 0.25])])(0, np.random.default_rng(0))[0]
    1
    """
    recent = Recent(MEMORY)

    def next_draft(row: int, x: tuple[int, ...]) -> tuple[FloatArray, ...]:
        q = np.asarray(rows[row], dtype=np.float64)[None]
        return sums(policy.draft(q, np.asarray([x], dtype=np.int64).reshape(1, -1), k)[0])

    def draw(row: int, rng: np.random.Generator) -> tuple[int, ...]:
        x: tuple[int, ...] = ()
        for _ in range(k):
            x = (*x, descend(recent((row, x), partial(next_draft, row, x)), rng.random()))
        return x

    return draw


@dataclass
class Drawn:
    """Bets and stopping rules of one run.

    Examples
    --------
    >>> one = Watch([(np.array([0.25, 0.75]), np.array([0.5, 0.5]), 0.75)], by_row=True)
    >>> Drawn(Report("verify", "node", "iid", 1), Settings(), now() + 60, [(one, "")], []).over
    False
    """

    report: Report
    settings: Settings
    deadline: float
    watches: list[tuple[Watch, str]]
    """Bets, and what they are about; the first has a row for each of `rows`."""
    rows: list[Any]
    calls: int = 0
    alpha: float = field(init=False)

    def __post_init__(self) -> None:
        tests = sum(watch.tests for watch, _ in self.watches)
        self.alpha = self.settings.false_alarm / (2 * tests)
        self.bets = bool({Level.DRAWS, Level.STREAM} & set(self.settings.levels))
        self.limit = (self.settings.draws or 10**9) if self.bets else FEW

    @property
    def over(self) -> bool:
        """Whether time, calls or findings say stop."""
        late = self.calls >= self.limit or now() > self.deadline
        return late or self.report.proved

    def failed(self, row: Any, drafts: Any, failure: Failure, where: str = "") -> None:
        """A level-0 finding."""
        text = f"on {row.name!r} (V = {row.vocabulary:,}), drafts {drafts}{where}: {failure.message}"
        first = "tuple" if isinstance(row, WideRow) else "tree"
        case = _case([row], **{first: drafts})
        self.report.findings.append(Finding(Level.BOUNDARY, failure.kind, text, case=case, problem=row.name))

    def judge(self) -> bool:
        """A finding when some bet is rich; True when nothing is left to do."""
        if not self.bets:
            return False
        for watch, about in self.watches:
            wealth, rows, place = watch.richest()
            if wealth > math.log(1 / self.alpha):
                hits, right, n = watch.counts(rows, place)
                problem = self.rows[rows[0]].name if len(rows) == 1 else None
                where = f"{len(self.rows)} captured rows" if problem is None else repr(problem)
                if place == watch.acceptance:
                    text = f"it accepts {hits} of {n:,} times, and the optimum of these drafts allows {right:.1f}"
                    level, kind = Level.ACCEPTANCE, Kind.ABOVE_OPTIMUM
                else:
                    text = f"{about}{watch.names[place]} come out {hits} times in {n:,} draws where p gives {right:.1f}"
                    level, kind = Level.DRAWS, Kind.BIAS
                V = self.rows[0].vocabulary
                seen = [self.rows[rows[0]]] if len(rows) == 1 else self.rows
                text = f"on {where} at V = {V:,}: {text} ({odds(wealth)})"
                self.report.findings.append(Finding(level, kind, text, case=_case(seen), problem=problem))
                return True
        return self.calls % 512 < BLOCK and self.enough()

    def enough(self) -> bool:
        """Whether a pass is earned."""
        return all(
            watch.bound(range(len(watch.n)), self.alpha)[1] < self.settings.distance
            and watch.caught(self.alpha, self.settings.min_power) <= self.settings.distance
            for watch, _ in self.watches
        )

    def finish(self, optima: Sequence[float]) -> None:
        """Rows of the report, and what would have been caught."""
        report, V = self.report, self.rows[0].vocabulary
        if not self.bets:
            report.levels = sorted({*report.levels, Level.BOUNDARY})
            report.level = report.level or f"level 0: {self.calls} draws at V = {V:,}"
            return
        watch, exact = self.watches[0][0], report.exact
        report.levels = sorted({*report.levels, Level.BOUNDARY, Level.DRAWS})
        before = report.smallest_caught if report.level else 0.0
        head = "exact on captured rows' top tokens, and " if exact else f"{report.level}; " if report.level else ""
        report.level = f"{head}draws at V = {V:,}"
        for i, row in enumerate(self.rows):
            if watch.n[i]:
                seen, most = watch.bound([i], self.alpha)
                accepted = float(watch.hits[i, -1] / watch.n[i])
                report.rows.append(Row(row.name, Level.DRAWS, seen, most, accepted, optima[i], draws=int(watch.n[i])))
        if report.proved:
            return
        caught = max(w.caught(self.alpha, self.settings.min_power) for w, _ in self.watches)
        bound = max(w.bound(range(len(w.n)), self.alpha)[1] for w, _ in self.watches)
        text = (
            f"{self.calls:,} draws on {len(self.rows)} captured rows at V = {V:,}, in {len(watch.names) - 1} sets of "
            f"tokens: the mass of each is at most {bound:.3g} off in the mean over the rows; a shift inside the sets "
            "is not seen"
        )
        report.findings.append(Finding(Level.DRAWS, Kind.FULL_VOCABULARY, text, proof=False, distance=bound))
        report.scope = f" in the mass of one of {len(watch.names) - 1} sets of tokens at V = {V:,}"
        report.smallest_caught = max(caught, before)
        if bound >= self.settings.distance or caught > self.settings.distance:
            report.inconclusive.append(
                f"at V = {V:,}, after {self.calls:,} draws, the sets' mass is only known to be less than {bound:.3g} "
                f"off, and a shift of {caught:.3g} would have been caught with power {self.settings.min_power:g}; "
                f"{self.settings.distance:g} was asked for: give it more time"
            )


def _case(rows: Sequence[Any], **first: Any) -> dict[str, Any]:
    return {"problem": wide_document(rows), **first}


# -- plain functions -----------------------------------------------------------------------------------------------


def draw_nodes(
    engine: NodeEngine, captured: Captured, policy: DraftPolicy, k: int, report: Report, settings: Settings,
    deadline: float,
) -> None:  # fmt: skip
    """Look at levels 0 and 2 of a plain function on the captured rows at full vocabulary.

    Parameters
    ----------
    engine
        The plain function.
    captured
        The rows.
    policy
        How drafts are made.
    k
        Number of drafts.
    report
        Is added to.
    settings
        How hard to look.
    deadline
        When it must end, by `gate.clock.now`.
    """
    rows = captured.wide(policy, k)
    optima = [row.optimum for row in rows]
    watch = Watch([(row.p, row.q, most) for row, most in zip(rows, optima, strict=True)], by_row=True)
    drawn = Drawn(report, settings, deadline, [(watch, "")], rows)
    draw, rng = drafter(policy, k, [row.q for row in rows]), np.random.default_rng([settings.seed, 23])
    for step in range(max(len(ENDS), len(rows))):
        i, share = step % len(rows), ENDS[step % len(ENDS)]
        x = tuple(captured.plan.first) if captured.plan.first else draw(i, rng)
        drawn.calls += 1
        if failure := _wrong(rows[i], _at_end(engine, rows[i], x, share)):
            drawn.failed(rows[i], x, failure, f", every uniform at {share:.8g}")
            break
    for i in itertools.cycle(range(len(rows))):
        if drawn.judge() or drawn.over:
            break
        tokens: list[int] = []
        accepted = 0
        while len(tokens) < BLOCK and not drawn.over:
            x = draw(i, rng)
            outcome: Any = engine.real(rows[i], x)
            drawn.calls += 1
            if failure := _wrong(rows[i], outcome):
                drawn.failed(rows[i], x, failure)
            else:
                tokens.append(outcome.token)
                accepted += outcome.slot >= 0
        watch.update(i, tokens, accepted)
    drawn.finish(optima)


def _wrong(row: WideRow, outcome: Any) -> Failure | None:
    if isinstance(outcome, Emitted1) and row.p[outcome.token] == 0:
        return Failure(Kind.IMPOSSIBLE_TOKEN, f"it puts out token {outcome.token}, which has p = 0")
    return outcome if isinstance(outcome, Failure) else None


def _at_end(engine: NodeEngine, row: WideRow, x: tuple[int, ...], share: float) -> Any:
    """One call with every uniform at one end; None where its noise cannot be controlled."""
    try:
        with controlled(engine.places) as control:
            control.choices = ChoiceSequence((), End(share))
            return engine.real(row, x)
    except Uncontrolled:
        return None


# -- batches -------------------------------------------------------------------------------------------------------


def draw_trees(
    tried: TreeEngine, captured: Captured, policy: DraftPolicy, k: int, report: Report, settings: Settings,
    deadline: float,
) -> None:  # fmt: skip
    """Look at levels 0 and 2 of a batch engine at full vocabulary: every token, completed with draws from the target.

    Parameters
    ----------
    tried
        The engine.
    captured
        The rows.
    policy
        How siblings are drafted.
    k
        Number of siblings.
    report
        Is added to.
    settings
        How hard to look.
    deadline
        When it must end, by `gate.clock.now`.
    """
    if hasattr(tried.engine, "draft"):
        report.inconclusive.append(f"the engine drafts by itself: nothing at V = {captured.vocabulary:,} was tried")
        return
    roots = captured.wide_trees(tried.engine, policy, k)
    optima = [root.pool.optimum for root in roots]
    pools = [(p, q) for root in roots for p, q in zip(root.pool.p.numpy(), root.pool.q.numpy(), strict=True)]
    starts = [sum(len(root.pool.p) for root in roots[:i]) for i in range(len(roots))]
    first = Watch([(*pools[start], most) for start, most in zip(starts, optima, strict=True)], by_row=True)
    later = Watch([(*pool, None) for pool in pools], by_row=False)
    drawn = Drawn(report, settings, deadline, [(first, ""), (later, "behind the first token, ")], roots)
    rng = np.random.default_rng([settings.seed, 29])
    draws = {k: drafter(policy, k, [q for _, q in pools]) for root in roots for k in root.branching}
    target = drafter(policies.IID(), 1, [p for p, _ in pools])
    saved = captured.plan.first
    for step, share in enumerate(_shares(tried, len(roots))):
        if (share is None and drawn.judge()) or drawn.over:
            break
        i, root, start = step % len(roots), roots[step % len(roots)], starts[step % len(roots)]
        if saved and step < len(roots):
            problem = root.of([[(int(up), int(token)) for up, token in saved]])
        else:
            count = 1 if share is not None else _batch(root, tried)
            problem = root.with_trees(partial(_drafts, draws, start, rng), count)
        outcomes = _outcomes(tried, problem, share, rng, settings.seed, step)
        drawn.calls += len(outcomes)
        tokens: list[tuple[int, ...]] = []
        for tree, outcome in zip(problem.drawn, outcomes, strict=True):
            bad = None if isinstance(outcome, Failure) else impossible(problem, outcome.tokens)
            if isinstance(outcome, Failure) or bad:
                failure = outcome if isinstance(outcome, Failure) else Failure(Kind.IMPOSSIBLE_TOKEN, str(bad))
                drawn.failed(root, tree, failure, "" if share is None else f", every uniform at {share:.8g}")
                break
            tokens.append(outcome.tokens)
        if share is not None or len(tokens) < len(outcomes):
            continue
        first.update(i, [t[0] for t in tokens], sum(len(t) > 1 for t in tokens))
        for emitted in tokens:
            for depth in range(1, root.depth + 1):
                row = start + root.place(emitted[:depth])
                if depth == len(emitted):
                    emitted = (*emitted, *target(row, rng))
                later.update(row, [emitted[depth]], 0)
    drawn.finish(optima)


def _drafts(draws: dict[int, Any], start: int, rng: np.random.Generator, place: int, width: int) -> tuple[int, ...]:
    drafts: tuple[int, ...] = draws[width](start + place, rng)
    return drafts


def _shares(tried: TreeEngine, roots: int) -> Iterator[float | None]:
    """Where every uniform lies, step by step: at one of its ends for each root, if they can be set, then anywhere."""
    if tried.protocol is not ProtocolName.SEEDED:
        yield from (ENDS[step % len(ENDS)] for step in range(max(len(ENDS), roots)))
    yield from itertools.repeat(None)


def _batch(root: WideTree, tried: TreeEngine) -> int:
    """Trees in one batch."""
    if getattr(tried.engine, "slow", False):
        return 2
    nodes = 1 + levels(*root.branching).size
    return max(1, min(BLOCK, BATCH_NUMBERS // (nodes * root.vocabulary)))


def _outcomes(
    tried: TreeEngine, problem: WideTree, share: float | None, rng: np.random.Generator, seed: int, step: int
) -> list[Any]:
    trees = list(range(len(problem.drawn)))
    problem.batch(trees[:1])  # made before the noise is controlled
    if share is None:
        return tried.verify(problem, trees, lambda spec: real_noise(spec, len(trees), rng), seed=seed, step=step)
    try:
        with controlled(tried.places) as control:
            control.choices = ChoiceSequence((), End(share))

            def noise(spec: NoiseSpec) -> torch.Tensor:
                return torch.stack([read_noise(spec, ChoiceSequence((), End(share))) for _ in trees])

            return tried.verify(problem, trees, noise, seed=seed, step=step)
    except Uncontrolled:
        return []
