"""Bets on batches of unlike rows: what each row puts out, given all that came before, other rows included."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from spechub_lp.gate.problems.batches import EQUAL, ONE_DRAFT, PLAIN, SURE, VOCABULARY, UnlikeRows
from spechub_lp.gate.results import Kind, Level
from spechub_lp.gate.statistics.tables import EqualBet, TableBet, repeats
from spechub_lp.typing import Array

APART = (1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128, 256, 512, 1024)
CLASSES = 19
"""Kinds of rows that are bet on together."""
PATIENCE = 2
"""Batches after a bet was won, before the richest bet is believed to name the cause."""
OTHERS = 18
"""Bets on the same row under other seeds and offsets, at most."""
STEP = "in the batch before"
"""What the rows of a batch are compared with when it is the next step of the one before."""


class Bets:
    """All bets on the rows of one shape.

    Parameters
    ----------
    shape
        Children of each node, level by level.
    seed
        Of what is chosen at random.

    Examples
    --------
    >>> Bets((2, 1), seed=0).depth
    2
    """

    def __init__(self, shape: tuple[int, ...], seed: int):
        self.depth = len(shape)
        self.tables: dict[tuple[Level, str], TableBet] = {}
        self.equal: dict[tuple[Level, str], EqualBet] = {}
        self.layouts: dict[int, UnlikeRows] = {}
        self.before: dict[int, tuple[Array, Array]] = {}
        """By size: first tokens and acceptance of the batch before."""
        self.scores: list[Array] = []
        self.variances: list[Array] = []
        self.promising = False
        """Whether some bet is a quarter of the way to its line."""
        self.rich = 0
        """Batches since the first bet was won."""

    def layout(self, size: int, make: Any) -> UnlikeRows:
        """The rows of this size; the same ones in every call where there are enough for pairs of all kinds."""
        if size not in self.layouts or size < 32:
            self.layouts[size] = make()
        return self.layouts[size]

    def update(self, rows: UnlikeRows, y: Array, accepted: Sequence[bool], differ: Any, told: str) -> None:
        """Take the outputs y [B, L + 1] of one batch."""
        kept = np.asarray(accepted, dtype=int)
        plain = np.isin(rows.base, PLAIN)
        for name, mask in self._classes(rows, differ):
            for depth in range(self.depth + 1):
                self._law(rows, y, mask, depth, name)
        index = np.arange(rows.size)
        self._pairs(rows, y, kept, plain if differ is None else plain & (index >= min(differ)), told, "a row")
        if differ is not None:
            self._pairs(rows, y, kept, plain & np.isin(index, differ), told, "a row that answers differently alone")
        for above, row in ((1, "above"), (-1, "below")):
            # Noise that is shared shows in the order of the ids, so these are rows that have the same names.
            name = f"the row {row} it in the batch, under the same names"
            who, asked = "a row without drafts", plain & (rows.lengths == 0)
            self._pair(rows, y[:, 0], asked, who, y[:, 0], kept, _same_names(rows, index - above), name)
        self.before[rows.size] = y[:, 0], kept
        top = rows.distributions[0, rows.base, 0, -1].argmax(axis=1)
        chance = rows.distributions[0, rows.base, 0, -1].max(axis=1)
        self.scores.append(np.where(plain, (y[:, 0] == top) - chance, 0.0))
        self.variances.append(np.where(plain, chance * (1 - chance), 0.0))

    def _pairs(self, rows: UnlikeRows, y: Array, kept: Array, asked: Array, told: str, who: str) -> None:
        """These rows given the outcomes of others: above them in the batch, and in the batch before."""
        pair, index = partial(self._pair, rows, y[:, 0], asked, who), np.arange(rows.size)
        for apart in APART:
            pair(y[:, 0], kept, index - apart, f"the row {apart} above it in the batch")
        pair(y[:, 0], kept, np.zeros(rows.size, dtype=int) - (index == 0), "row 0 of the batch")
        pair(y[:, 0], kept, _equal_above(rows), "the equal row above it in the batch")
        if told and rows.size in self.before and rows.size >= 32:
            for shift in (-1, 0, 1) if told == STEP else (0,):
                row = {0: "the same row", 1: "the row after it", -1: "the row before it"}[shift]
                pair(*self.before[rows.size], index + shift, f"{row} {told}")

    def _classes(self, rows: UnlikeRows, differ: Any) -> Iterator[tuple[str, Array]]:
        """(which rows, their mask): rows that are likely to be wrong together."""
        index, plain = np.arange(rows.size), np.isin(rows.base, PLAIN)
        yield "all rows", plain
        yield "the last row", plain & (index == rows.size - 1)
        yield "rows that answer differently alone", plain & np.isin(index, [] if differ is None else differ)
        for first in (8, 32, 64, 128, 256, 512, 1024):
            yield f"rows from {first} on", plain & (index >= first)
        yield "rows after the last multiple of 8", plain & (index >= rows.size // 8 * 8)
        yield "rows after a greedy one", plain & (np.roll(rows.base, 1) == SURE)
        yield "rows after a shorter one", plain & (np.roll(rows.lengths, 1) < rows.lengths)
        yield "rows that are shorter than others", plain & (rows.lengths < self.depth)
        yield "rows whose draft was sure", rows.base == ONE_DRAFT
        yield "rows with p = q", rows.base == EQUAL
        yield "every second row, which has a seed where the engine takes seeds", plain & (rows.seeds >= 0)
        yield "every second row, which has no seed", plain & (rows.seeds < 0)
        yield "rows of full length", plain & (rows.lengths == self.depth)

    def _law(self, rows: UnlikeRows, y: Array, mask: Array, depth: int, name: str) -> None:
        if not mask.any():
            return
        words = f"{name} do not follow the target at position {depth}, given all that came before"
        key = (Level.DRAWS, words)
        targets = rows.distributions[0, :, depth]  # [bases, V + 1, V]
        bet = self.tables.get(key) or self.tables.setdefault(key, TableBet(targets.reshape(-1, VOCABULARY), words))
        last = y[mask, depth - 1] if depth else np.full(int(mask.sum()), -1)
        bet.update(rows.base[mask] * (VOCABULARY + 1) + last % (VOCABULARY + 1), y[mask, depth])

    def _pair(
        self, rows: UnlikeRows, y: Array, asked: Array, who: str, tokens: Array, kept: Array, partner: Array, name: str
    ) -> None:
        """Rows given the outcome of a partner of the same base; partners outside the batch do not count."""
        there = asked & (partner >= 0) & (partner < rows.size)
        b = np.flatnonzero(there)
        b = b[rows.base[b] == rows.base[partner[b]]]
        if not len(b):
            return
        words = f"{who} depends on {name}: noise is shared, kept or used again"
        key = (Level.STREAM, words)
        targets = np.repeat(rows.distributions[0, : len(PLAIN), 0, -1], 2 * VOCABULARY, axis=0)
        bet = self.tables.get(key) or self.tables.setdefault(key, TableBet(targets, words))
        theirs = tokens[partner[b]]
        bet.update((rows.base[b] * VOCABULARY + theirs) * 2 + kept[partner[b]], y[b])
        same = self.equal.get(key) or self.equal.setdefault(key, EqualBet(words))
        same.update(rows.distributions[0, rows.base[b], 0, -1, theirs], theirs == y[b])

    def won(self, false_alarm: float) -> tuple[TableBet | EqualBet | None, Level, Kind, str] | None:
        """The richest bet, a few batches after the first one passed its line, so that the cause shows."""
        pairs = len(APART) + 8 + OTHERS
        alpha = false_alarm / (2 * (4 * pairs + CLASSES * (self.depth + 1)))
        bets = [(bet.log_wealth, key, bet) for d in (self.tables, self.equal) for key, bet in d.items()]
        line = math.log(1 / alpha)
        # A wrong distribution shows in the bets on pairs as well, but equal outcomes are a sign of shared noise.
        wealth, (level, said), bet = max(
            bets, key=lambda b: (b[0] > line and (b[1][0] == Level.DRAWS or isinstance(b[2], EqualBet)), b[0])
        )
        self.rich += wealth > line
        self.promising = wealth > line / 4
        if wealth > line and (self.rich > PATIENCE or math.isinf(wealth)):
            return bet, level, Kind.BIAS if level == Level.DRAWS else Kind.KEPT_NOISE, said
        looked = len(self.scores)
        if looked & (looked - 1) == 0 and not self.promising:
            lag = repeats(np.concatenate(self.scores), np.concatenate(self.variances), false_alarm / 60)
            said = f"outputs repeat themselves {lag} rows later (or at a divisor of that): noise is used again"
            return (None, Level.STREAM, Kind.KEPT_NOISE, said) if lag else None
        return None


def _same_names(rows: UnlikeRows, partner: Array) -> Array:
    """[B] the partners that name the base's tokens as the row does; -1 for others."""
    inside = np.clip(partner, 0, rows.size - 1)
    found: Array = np.where((rows.names[inside] == rows.names).all(axis=1) & (partner == inside), partner, -1)
    return found


def _equal_above(rows: UnlikeRows) -> Array:
    """[B] the nearest row above with the same base and names, or -1."""
    seen: dict[Any, int] = {}
    out = []
    for b, key in enumerate(zip(rows.base.tolist(), map(tuple, rows.names.tolist()), strict=True)):
        out.append(seen.get(key, -1))
        seen[key] = b
    return np.asarray(out)
