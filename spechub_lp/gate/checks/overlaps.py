"""Whether the noise of one seed and offset comes again with another, some rows or some numbers further on.

Counters of streams that are too close to each other do this, and what is drawn then depends on an earlier step or on
another request. Here rows are verified whose outputs tell much of the noise behind them: a token out of a thousand, and
whether a draft is accepted that has probability 1/2. On independent noise, two calls agree on few tokens and in about
half of these bits, however far their rows are shifted.
"""

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import combinations, product
from typing import Any

import numpy as np
import torch
from scipy.special import bdtrc

from spechub_lp.drafts import DraftPolicy
from spechub_lp.gate.checks.batch_probes import answers
from spechub_lp.gate.clock import now
from spechub_lp.gate.engines.node import Failure
from spechub_lp.gate.engines.tree import TreeEngine
from spechub_lp.gate.problems.tree import shapes_of
from spechub_lp.gate.protocols import ProtocolName, TreeBatch
from spechub_lp.gate.results import Finding, Kind, Level, Report
from spechub_lp.gate.settings import Settings
from spechub_lp.trees.shape import levels
from spechub_lp.typing import NumpyArray

V = 1024
"""Tokens of a row."""
ROWS, FEWER = 64, 32
"""Rows of a call; and of some, for counters that depend on the size of a batch."""
STREAMS = ((0, 0), (0, 1), (0, 2), (1, 0), (0, 3), (1, 1), (2, 0), (0, 5))
"""What is added to the seed, and the offset, of each call."""
FEWEST = 8
"""Rows that two shifted calls share at least."""
COMPARED = 16 * ROWS
"""Shifts of two calls, times what is compared at each."""
SHARE = 0.05
"""Of the time."""


@dataclass(frozen=True)
class Told:
    """What the outputs of one call tell of its noise.

    Examples
    --------
    >>> Told(0, 1, {"token below 512": np.array([True, False])}, np.array([3, 700])).where
    'seed 0 and offset 1'
    """

    seed: int
    offset: int
    bits: dict[str, NumpyArray]
    """[B] each; one of any two has probability 1/2."""
    tokens: NumpyArray | None
    """[B] tokens of equal probabilities; None where some rows have others."""

    @property
    def where(self) -> str:
        """The seed and the offset, in words."""
        return f"seed {self.seed} and offset {self.offset}"


def check_overlaps(tried: TreeEngine, policy: DraftPolicy, k: int, report: Report, settings: Settings) -> int:
    """Compare the noise of calls with other seeds and offsets; what two calls have in common goes to the report.

    Parameters
    ----------
    tried
        The engine; nothing is done unless its noise is a function of a seed and an offset.
    policy
        How siblings are drafted.
    k
        Number of siblings.
    report
        Is added to.
    settings
        How hard to look.

    Returns
    -------
    int
        How many calls were compared.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> from spechub_lp.gate.protocols import Emitted
    >>> class AddsOffsetToRow:
    ...     protocol, branchings = "seeded", [(1,)]
    ...     def __call__(self, batch, *, seed, offset):
    ...         u = [np.random.default_rng([seed, offset + b]).random() for b in range(len(batch.p))]
    ...         token = torch.searchsorted(batch.p[:, 0].cumsum(1), torch.tensor(u)[:, None])
    ...         return Emitted(torch.cat([token, torch.full_like(token, -1)], dim=1), torch.ones(len(u)).long())
    >>> report = Report("mine", "seeded", "iid", 1)
    >>> calls = check_overlaps(TreeEngine(AddsOffsetToRow(), 5), IID(), 1, report, Settings())
    >>> print(report.findings[0].message.partition(": ")[2])
    in 63 of 63 rows, 1 row further on, the same token of 1,023
    """
    shapes = [shape for shape in shapes_of(tried.engine, k) if all(map(policy.takes, shape))]
    if tried.protocol is not ProtocolName.SEEDED or policy.different_drafters or not shapes:
        return 0
    told: list[Told] = []
    stop, slow = now() + SHARE * settings.seconds, getattr(tried.engine, "slow", False)
    for seed, offset, batch, depth in _calls(shapes, policy, settings.seed, slow=slow):
        answer = answers(tried, len(batch.token), partial(tried.call, batch, seed=seed, offset=offset))
        if now() > stop or isinstance(answer, Failure) or not all(answer) or len(set(answer)) == 1:
            break  # rows that are all alike are seen elsewhere
        told.append(_told(seed, offset, answer, depth, int(batch.token[0, 1:].min())))
    chance = settings.false_alarm / (COMPARED * max(1, len(told)) ** 2)
    for a, b in combinations(told, 2):
        if (a.seed, a.offset) != (b.seed, b.offset) and (said := _common(a, b, chance)):
            text = f"the noise of {a.where} comes again with {b.where}: {said}"
            report.findings.append(Finding(Level.STREAM, Kind.KEPT_NOISE, text))
            break
    return len(told)


def _calls(
    shapes: Sequence[tuple[int, ...]], policy: DraftPolicy, seed: int, *, slow: bool
) -> Iterator[tuple[int, int, TreeBatch, int | None]]:
    """(seed, offset, batch, at which depth a draft is accepted with probability 1/2 or None where none is)."""
    chains = sorted({len(shape) for shape in shapes if set(shape) == {1}})
    depths = [None, *dict.fromkeys([*chains[:1], *chains[-1:]])]
    for (more, offset), depth in product(STREAMS[: 4 if slow else None], depths):
        batch = _rejected(shapes[0], policy, ROWS) if depth is None else _even(depth, policy, ROWS)
        yield seed + more, offset, batch, depth
    for offset in () if slow else (2, 3, 4, 6):
        yield seed, offset, _rejected(shapes[0], policy, FEWER), None


def _rejected(shape: tuple[int, ...], policy: DraftPolicy, rows: int) -> TreeBatch:
    """Trees whose drafts have p = 0, so that one of the other tokens comes out, each with the same probability."""
    parents, k = levels(*shape).parents, max(shape)
    p = torch.zeros((len(parents), V), dtype=torch.float64)
    p[:, : V - k] = 1 / (V - k)
    q = torch.zeros_like(p)
    q[:, V - k :] = 2.0 ** -torch.arange(k, dtype=torch.float64)
    place, token = dict.fromkeys(range(-1, len(parents)), 0), [-1]
    for parent in parents[1:]:
        token.append(V - k + place[parent])
        place[parent] += 1
    return _batch(parents, token, p, q / q.sum(dim=1, keepdim=True), policy, rows)


def _even(depth: int, policy: DraftPolicy, rows: int) -> TreeBatch:
    """Chains whose last draft is accepted with probability 1/2, and all before it for certain."""
    parents, x = [-1, *range(depth)], V - 1
    p = torch.full((depth + 1, V), 0.5 / (V - 1), dtype=torch.float64)
    p[:, x] = 0.5
    q = torch.zeros_like(p)
    q[:, x] = 1
    p[: depth - 1] = q[: depth - 1]
    p[depth] = 1 / V
    return _batch(parents, [-1, *[x] * depth], p, q, policy, rows)


def _batch(
    parents: Sequence[int], token: list[int], p: torch.Tensor, q: torch.Tensor, policy: DraftPolicy, rows: int
) -> TreeBatch:
    inner = torch.tensor([node in parents[1:] for node in range(len(parents))])
    q = torch.where(inner[:, None], q, torch.nan)
    one = torch.tensor(list(parents)), torch.tensor(token), p, q
    parent, tokens, targets, proposals = (each.expand(rows, *each.shape).clone() for each in one)
    return TreeBatch(parent, tokens, targets, proposals, policy.name)


def _told(seed: int, offset: int, answer: Sequence[tuple[int, ...]], depth: int | None, drafts: int) -> Told:
    last = np.array([row[-1] for row in answer])
    bits = {f"a token below {V // 2}": last < V // 2}
    if depth is None:
        return Told(seed, offset, bits, last if (last < drafts).all() else None)
    return Told(seed, offset, {f"draft {depth} accepted": np.array([len(row) > depth for row in answer]), **bits}, None)


def _common(a: Told, b: Told, chance: float) -> str:
    """What the calls have in common, in words; "" where independent noise may have that."""
    most = min(max(map(len, a.bits.values())), max(map(len, b.bits.values())))
    for shift in sorted(range(FEWEST - most, most - FEWEST + 1), key=abs):
        if a.tokens is not None and b.tokens is not None:
            here, there = _shifted(a.tokens, b.tokens, shift)
            alike, rows = int((here == there).sum()), len(here)
            if alike >= _least(rows, 2 / V, chance):
                return f"in {alike} of {rows} rows{_further(shift)}, the same token of {V - 1:,}"
        for (this, first), (that, second) in product(a.bits.items(), b.bits.items()):
            here, there = _shifted(first, second, shift)
            alike, rows = int((here == there).sum()), len(here)
            if max(alike, rows - alike) >= _least(rows, 0.5 + 1 / V, chance):
                how = "with" if 2 * alike > rows else "never with"
                return f"in {max(alike, rows - alike)} of {rows} rows{_further(shift)}, {this!r} comes {how} {that!r}"
    return ""


def _shifted(a: NumpyArray, b: NumpyArray, shift: int) -> tuple[Any, Any]:
    """Row r + shift of a beside row r of b."""
    a, b = a[max(0, shift) :], b[max(0, -shift) :]
    n = min(len(a), len(b))
    return a[:n], b[:n]


def _further(shift: int) -> str:
    return f", {abs(shift)} row{'s' * (abs(shift) > 1)} further on" if shift else ""


@cache
def _least(rows: int, probability: float, chance: float) -> int:
    """How many of so many independent rows agree with less than this chance."""
    return bisect(range(rows), -chance, key=lambda count: -bdtrc(count, rows, probability)) + 1
