"""Levels 2 and 3 of an engine on batches of unlike rows: every row alone and in company, and pairs of rows.

That a row answers differently in company is no proof of bias: a rule may depend on the number of a row. What must hold
is that each row's tokens, completed with draws from the target, follow the target given everything that came before,
the rows above included. So the comparison under equal noise says where to look, and bets on real noise decide.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from spechub_lp._util import objects
from spechub_lp.drafts import DraftPolicy
from spechub_lp.gate.checks.row_bets import STEP, Bets
from spechub_lp.gate.clock import now
from spechub_lp.gate.engines.node import Failure
from spechub_lp.gate.engines.tree import TreeEngine, real_noise
from spechub_lp.gate.problems.batches import SEED_BITS as ROW_SEED_BITS
from spechub_lp.gate.problems.batches import VOCABULARY, UnlikeRows
from spechub_lp.gate.problems.tree import shapes_of
from spechub_lp.gate.protocols import NoiseSpec, ProtocolName, RowParameter
from spechub_lp.gate.results import Finding, Kind, Level, Report
from spechub_lp.gate.settings import Settings
from spechub_lp.gate.statistics.sequential import odds
from spechub_lp.gate.statistics.tables import EqualBet, TableBet
from spechub_lp.trees.shape import spelled

SIZES = (1, 2, 3, 5, 7, 8, 9, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 256, 257, 511, 512, 513, 1023, 1024, 1025)
"""Around powers of two, where kernels have their borders."""
WINDOWS = 6
"""How often each small size is tried, on other rows."""
LARGEST = 1088
"""Rows of the largest batch, so that 64 pairs are 1,024 apart."""
DRAWN: tuple[tuple[int, int], ...] = ((257, 16), (LARGEST, 4), (3, 60), (9, 40), (33, 20))
"""(rows, batches) on real noise."""
SLOW: tuple[tuple[int, int], ...] = ((5, 8), (17, 6))
"""The same for an engine of 20 ms a row."""
OVERHEAD = 50
"""A batch costs about as much as so many rows more."""
SHARE = 0.3
"""Of the time, for all batches of unlike rows."""
PAIRED = 300
"""Rows of the batches whose seeds or offsets differ in one bit."""
MOST_ROWS = 24_000
"""Rows on real noise for one shape."""
MORE = 4
"""How many times that many while a bet is on its way to be won."""
ENOUGH_ROWS = 3000
"""Rows on real noise that settle whether rows which answer differently alone are biased."""
SEED_BITS, OFFSET_BITS = (0, 8, 16, 31, 32, 62), (1, 4, 8, 16, 31, 32)
WIDE = (9, 33, 70, 300, 1030)
"""Vocabularies of wide rows, in turn."""
WIDE_DRAWN: tuple[tuple[int, int], ...] = ((257, 5), (65, 200))
"""(rows, batches) of wide rows on real noise."""
DEEPER = ((1,) * 3, (1,) * 8)
"""Chains that are tried whether an engine names them or not."""
BELOW = ((1, 1), (1,) * 5)
"""Levels below the first one of trees that are tried whether an engine names them or not."""
SEEDED_ROWS = 33
"""Rows of the batches in which rows with seeds are looked at in other company."""
SEEDED_ALONE = 6
"""Of those, rows that are looked at alone."""


class Step(NamedTuple):
    """One call on real noise.

    Examples
    --------
    >>> Step(size=64, seed=0, offset=1, told="").bit is None
    True
    """

    size: int
    seed: int
    offset: int
    told: str
    """What its rows are compared with of the call before; "": nothing."""
    bit: int | None = None
    """Of the rows' own seeds: those of the call before, with this bit turned."""


def check_batches(
    tried: TreeEngine, policy: DraftPolicy, k: int, report: Report, settings: Settings, deadline: float
) -> list[tuple[str, int]]:
    """Batches of unlike rows of every shape that the engine takes, and of longer chains; findings go to the report.

    Parameters
    ----------
    tried
        The engine.
    policy
        How siblings are drafted.
    k
        Number of siblings.
    report
        Is added to.
    settings
        How hard to look.
    deadline
        When the run must end, by `gate.clock.now`.

    Returns
    -------
    list of tuple
        What was covered of each shape, in words, and how many rows on real noise.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> from spechub_lp.gate.protocols import Emitted
    >>> class DrawsFromP:  # right, and accepts nothing on purpose
    ...     protocol, branchings = "host", [(1,)]
    ...     def __call__(self, batch): ...
    >>> report = Report("draws", "host", "iid", 1)
    >>> check_batches(TreeEngine(DrawsFromP(), 5), IID(), 1, report, Settings(), deadline=now())  # no time is left
    []
    """
    stop = min(deadline, now() + SHARE * settings.seconds)
    known = [shape for shape in shapes_of(tried.engine, k) if not policy.different_drafters]
    longest = getattr(tried.engine, "deepest", max(map(len, known), default=0))
    shapes = sorted(known, key=lambda shape: (-len(shape), -math.prod(shape)))
    deeper = [] if getattr(tried.engine, "slow", False) else _deeper(known)
    wide = [(shape, True) for shape in shapes[-1:] if not getattr(tried.engine, "slow", False)]
    todo = [*((shape, False) for shape in shapes[:2]), *wide, *((shape, False) for shape in deeper)]
    covered: list[tuple[str, int]] = []
    for i, (shape, is_wide) in enumerate(todo):
        until = now() + (stop - now()) / (1 if i == len(todo) - 1 else 2)
        if report.proved or now() >= stop:
            break
        claimed = shape in known or len(shape) <= longest
        company = Company(
            tried, shape, policy, k, settings, until, deadline, claimed, settings.false_alarm / (4 * len(todo)), is_wide
        )
        finding = company.finding()
        if finding is not None:
            report.findings.append(finding)
        if finding is not None and finding.kind == Kind.ROWS_MIXED and company.drawn < ENOUGH_ROWS and claimed:
            report.inconclusive.append(f"{finding.message}, and these are too few to tell: give it more time")
        covered.append((f"{spelled(shape)}{company.how_wide} ({company.seen})", company.drawn))
    if covered:
        text = f"batches of unlike rows of up to {LARGEST:,}: trees {', '.join(words for words, _ in covered)}"
        report.findings.append(Finding(Level.STREAM, Kind.NOTE, text, proof=False))
        report.levels = sorted({*report.levels, Level.STREAM})
    return covered


def _deeper(known: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Longer chains, and deeper trees, than an engine names."""
    chains = DEEPER if any(set(shape) == {1} for shape in known) else ()
    widest = max((shape[0] for shape in known), default=1)
    trees = tuple((widest, *below) for below in BELOW) if widest > 1 else ()
    return [shape for shape in (*chains, *trees) if shape not in known]


@dataclass
class Company:
    """One engine on batches of unlike rows of one shape.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> class Engine:
    ...     protocol, branchings = "host", [(1, 1)]
    ...     def __call__(self, batch): ...
    >>> tried = TreeEngine(Engine(), 5)
    >>> Company(tried, (1, 1), IID(), 1, Settings(), 0.0, 0.0, claimed=True, false_alarm=1e-4).where
    'on batches of unlike rows (chains of 2)'
    """

    tried: TreeEngine
    shape: tuple[int, ...]
    policy: DraftPolicy
    k: int
    settings: Settings
    deadline: float
    last: float
    """The deadline where rows answer differently alone, which must be settled."""
    claimed: bool
    """Whether the engine says that it takes this shape; else what is found is advice."""
    false_alarm: float
    wide: bool = False
    """Whether the rows have many tokens, all but a few of probability 0."""
    compared: int = 0
    drawn: int = 0
    differ: dict[int, list[int]] = field(default_factory=dict)
    """By size of the batch: the rows that answered differently alone."""
    calls: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.settings.seed, 31, *self.shape])
        self.slow = getattr(self.tried.engine, "slow", False)
        self.ragged = getattr(self.tried.engine, "ragged", False)

    @property
    def seen(self) -> str:
        """How many rows were looked at, in words."""
        counts = {"alone and in company": self.compared, "on real noise": self.drawn}
        return ", ".join(f"{n:,} rows {how}" for how, n in counts.items() if n) or "none"

    @property
    def where(self) -> str:
        """The shape, in words."""
        kind = f"chains of {len(self.shape)}" if set(self.shape) == {1} else f"trees {spelled(self.shape)}"
        return f"on batches of unlike rows ({kind}{', ragged' if self.ragged else ''}{self.how_wide})"

    @property
    def how_wide(self) -> str:
        """The vocabularies of wide rows, in words."""
        return f", V from {min(WIDE)} to {max(WIDE):,}" if self.wide else ""

    def rows(self, size: int, variant: int = 0) -> UnlikeRows:
        """So many unlike rows, drafted afresh."""
        rows = UnlikeRows(self.shape, self.policy, size, self.ragged, self.settings.seed, variant)
        if self.wide:
            rows.vocabulary = WIDE[variant % len(WIDE)]
        rows.redraw(self.rng)
        return rows

    def finding(self) -> Finding | None:
        """What is wrong, or what is to be noted."""
        if self.tried.protocol is ProtocolName.UNIFORM and not self.wide:
            failure = self.compare()
            if failure or not self.differ:
                return self._failed(*failure) if failure else None
            self.deadline = self.last
        elif not self.wide and RowParameter.SEED in self.tried.declared.rows and (found := self.seeded()):
            return found
        bets = Bets(self.shape, self.settings.seed)
        for step in self._plan():
            if now() > self.deadline or self.drawn > MOST_ROWS * (MORE if bets.promising else 1):
                break
            made = partial(self.rows, step.size, self.calls)
            rows, size = made() if self.wide else bets.layout(step.size, made), step.size
            self._redraw(rows, step.bit)
            rows.padding = (float("nan"), 1 / VOCABULARY)[self.calls % 2]
            outcomes = self.verify(rows, range(size), seed=step.seed, offset=step.offset)
            self.calls += 1
            self.drawn += size
            if wrong := first_failure(rows, outcomes):
                if step.seed != self.settings.seed or step.offset >= 2**31:
                    break  # a seed or an offset that it does not take
                return self._failed(*wrong)
            y = rows.completed(range(size), [o.tokens for o in outcomes], self.rng)
            bets.update(rows, y, [len(o.tokens) > 1 for o in outcomes], self.differ.get(size), step.told)
            if won := bets.won(self.false_alarm):
                return self._finding(*won)
        return self._note()

    def _redraw(self, rows: UnlikeRows, bit: int | None) -> None:
        """Draft afresh, with fresh seeds of rows, or with those of the call before and a bit of them turned."""
        before = rows.seeds.copy()
        rows.redraw(self.rng)
        if bit is not None:
            rows.seeds[:] = np.where(before >= 0, before ^ 1 << bit, before)

    def _plan(self) -> Iterator[Step]:
        """Each call on real noise."""
        base, sizes = self.settings.seed, SLOW if self.slow else (*DRAWN, *((size, 1) for size in SIZES))
        if self.wide:
            calls = (size for size, batches in WIDE_DRAWN for _ in range(batches))
            yield from (Step(size, base, offset, "") for offset, size in enumerate(calls))
            return
        if self.differ:
            most = max(self.differ, key=lambda size: len(self.differ[size]) / (size + OVERHEAD))
            sizes = ((most, max(1, MORE * MOST_ROWS // most)),)
        offset = itertools.count()
        yield from (Step(size, base, next(offset), STEP) for size, batches in sizes[:1] for _ in range(batches))
        if self.tried.protocol is ProtocolName.SEEDED and not self.slow:
            for field_, bits in (("a seed", SEED_BITS), ("an offset", OFFSET_BITS)):
                for bit in bits:
                    at, other = next(offset), f"with {field_} that differs in bit {bit}"
                    yield Step(PAIRED, base, at, "")
                    yield Step(PAIRED, *((base ^ 1 << bit, at) if field_ == "a seed" else (base, at ^ 1 << bit)), other)
        if RowParameter.SEED in self.tried.declared.rows and not self.slow:
            for bit in (bit for bit in SEED_BITS if bit < ROW_SEED_BITS):
                at = next(offset)
                yield Step(PAIRED, base, at, "")
                yield Step(PAIRED, base, at, f"with a seed of the row that differs in bit {bit}", bit)
        yield from (Step(size, base, next(offset), STEP) for size, batches in sizes[1:] for _ in range(batches))

    def seeded(self) -> Finding | None:
        """Rows with seeds of their own: the same tokens in any order, in other company, alone, and once again."""
        rows = self.rows(SEEDED_ROWS)
        every = list(range(SEEDED_ROWS))
        own = [b for b in every if rows.seeds[b] >= 0]
        first = self.verify(rows, every, seed=self.settings.seed)
        if wrong := first_failure(rows, first):
            return self._failed(*wrong)
        others = [
            ("in another order", self.rng.permutation(every).tolist()),
            ("in other company", [*own, *every[1:8:2]]),
            *(("alone", [b]) for b in own[:SEEDED_ALONE]),
            ("once again", every),
        ]
        for how, which in others:
            again = self.verify(rows, which, seed=self.settings.seed + 1)
            self.compared += len(which)
            if wrong := first_failure(rows, again, which):
                return self._failed(*wrong)
            for place, b in enumerate(which):
                if rows.seeds[b] >= 0 and again[place] != first[b]:
                    text = (
                        f"{self.where}, row {b} of {SEEDED_ROWS}, which has a seed of its own, puts out "
                        f"{first[b].tokens}, and {how} {again[place].tokens}"
                    )
                    return Finding(Level.STREAM, Kind.ROWS_MIXED, text, self.claimed, case=self._case())
        return None

    def verify(self, rows: UnlikeRows, which: Sequence[int], seed: int = 0, offset: int = 0, noise: Any = None) -> Any:
        """The outcomes of these rows in one batch."""

        def made(spec: NoiseSpec) -> torch.Tensor:
            return real_noise(spec, len(which), self.rng) if noise is None else noise[spec.name][list(which)].clone()

        return self.tried.verify(rows, list(which), made, seed=seed, step=offset)

    def compare(self) -> tuple[str, Failure] | None:
        """Rows alone and in batches of all sizes and in another order, each with its own noise."""
        size = 17 if self.slow else LARGEST if len(self.shape) <= 3 else 129
        rows = self.rows(size)
        specs = self.tried.noise_of(rows)
        noise = {spec.name: real_noise(spec, size, self.rng) for spec in specs}
        alone: list[Any] = []
        halfway = (now() + self.deadline) / 2
        while len(alone) < size and now() < halfway:
            alone += self.verify(rows, [len(alone)], noise=noise)
        self.compared = size = len(alone)
        if wrong := first_failure(rows, alone):
            return wrong
        mixed = [self.rng.permutation(n) for n in (min(size, 64), size)]
        batches: list[Any] = [*(range(n) for n in SIZES if n < size), range(size), *mixed, range(min(size, 64))]
        small = [(n, int(self.rng.integers(size - n))) for n in SIZES if n < min(size, 40) for _ in range(WINDOWS)]
        batches += [range(start, start + n) for n, start in small]
        for which in batches:
            if now() > self.deadline:
                break
            rows.padding = float("nan") if rows.padding == 1 / VOCABULARY else 1 / VOCABULARY
            together = self.verify(rows, which, noise=noise)
            if wrong := first_failure(rows, together, which):
                return wrong
            other = [place for place, b in enumerate(which) if together[place] != alone[b]]
            if other:
                self.differ.setdefault(len(which), sorted({*self.differ.get(len(which), []), *other}))
        return None

    def _failed(self, where: str, failure: Failure) -> Finding:
        text = f"{self.where}, {where}: {failure.message}"
        return Finding(Level.BOUNDARY, failure.kind, text, self.claimed, case=self._case())

    def _finding(self, bet: TableBet | EqualBet | None, level: Level, kind: Kind, said: str) -> Finding:
        text = f"{self.where}, {said}"
        if bet is not None:
            text += f" (after {bet.n:,} rows, {odds(bet.log_wealth)})"
        if not self.claimed:
            text += "; the engine does not say that it takes this shape"
        return Finding(level, kind, text, self.claimed, case=self._case())

    def _note(self) -> Finding | None:
        if not self.differ:
            return None
        size, rows = min(self.differ.items())
        text = (
            f"{self.where}, row {rows[0]} of {size} answers differently alone, with the same noise; "
            f"{self.drawn:,} rows on real noise show no bias"
        )
        return Finding(Level.STREAM, Kind.ROWS_MIXED, text, proof=False)

    def _case(self) -> dict[str, Any]:
        return {"probe": objects.address(self.policy), "k": self.k, "vocabulary": VOCABULARY, "batch": True}


def first_failure(
    rows: UnlikeRows, outcomes: Sequence[Any], which: Sequence[int] | None = None
) -> tuple[str, Failure] | None:
    """Find the first row that failed or put out a token of probability 0.

    Parameters
    ----------
    rows
        Unlike rows.
    outcomes
        Tokens or a failure, for each row of a batch.
    which
        The rows that this batch had; None: all of them in their order.

    Returns
    -------
    tuple or None
        Where, in words, and the failure.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> first_failure(UnlikeRows((1,), IID(), 8), [Failure(Kind.CRASH, "ValueError")])
    ('row 0 of 1', Failure(kind=<Kind.CRASH: 'crash'>, message='ValueError'))
    """
    for place, outcome in enumerate(outcomes):
        b = place if which is None else int(which[place])
        if isinstance(outcome, Failure):
            return f"row {place} of {len(outcomes)}", outcome
        old = rows.tokens[b]
        last = -1
        for depth, token in enumerate(outcome.tokens):
            if old[token] == VOCABULARY or rows.distributions[0, rows.base[b], depth, last, old[token]] == 0:
                message = f"it puts out token {token} at position {depth}, which has p = 0 there"
                return f"row {place} of {len(outcomes)}", Failure(Kind.IMPOSSIBLE_TOKEN, message)
            last = int(old[token])
    return None
