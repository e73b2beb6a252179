"""Captured rows as the gate's instances.

A row is rounded to float32 once, and that is the distribution: what an engine in float32 is handed over, bit for bit.

Every row is used twice: on its most important tokens, renormalized (`distributions.restrict`), where the distribution
is enumerated; and as it is, where an engine is drawn from (`wide.py`).

A chain or a tree has a distribution for every context. The root is the chosen position; the most likely token leads to
the next captured position of the same document, the second most likely to the one after it, and so on, round and round
the next 8. So the path of likely tokens is the document's own order, and a kernel that reads another row is seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spechub_lp import distributions
from spechub_lp._util.recent import Recent
from spechub_lp.capture import shards, store
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.problems.captured_rows import (
    CapturedTree,
    WidePool,
    WideRow,
    WideTree,
    as_distribution,
    best_acceptance,
)
from spechub_lp.gate.problems.hard_positions import choose
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.problems.tree import TreeProblem, shapes_of
from spechub_lp.gate.results import Level, Report
from spechub_lp.gate.settings import Logits, Settings
from spechub_lp.trees.shape import spelled
from spechub_lp.typing import Array

POOL = 8
"""Captured positions that the contexts of one tree go round."""
MEMORY = 128 * 2**20
"""Bytes of distributions that are kept."""
MOST_WIDE = 16
"""Rows that are drawn from at full vocabulary; 8 for trees, which hold a pool each."""
TUPLES, TREES, SLOW_TREES, MOST = 27, 27, 16, 256
"""Draft tuples (or trees) that are enumerated on one row: by default, for slow engines, and at most."""


@dataclass(frozen=True)
class Captured:
    """Hold opened rows and what was chosen of them.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> from spechub_lp.drafts import IID
    >>> taken = captured(Logits(resources.path("captured/smollm2.safetensors"), positions=2))
    >>> [problem.vocabulary for problem in taken.narrow(IID(), k=2)]
    [5, 5]
    """

    plan: Logits
    rows: Any
    """`logits.store.Rows` or `logits.shards.Shards`."""
    chosen: dict[int, str]
    """Each chosen position, and why it was."""

    @property
    def vocabulary(self) -> int:
        """Number of tokens V."""
        return int(self.rows.vocabulary)

    def name(self, position: int, temperature: float) -> str:
        """The row as reports call it: file[position] T=..."""
        return f"{Path(self.plan.path).stem}[{position}] T={temperature:g}"

    @property
    def places(self) -> list[tuple[int, float]]:
        """(position, temperature) of every instance, the hardest kinds first."""
        if self.plan.only:
            return [(position, temperature) for position, temperature, _ in self.plan.only]
        return [(position, temperature) for position in self.chosen for temperature in self.plan.temperatures]

    def distributions(self, position: int, temperature: float) -> tuple[Array, Array]:
        """([V], [V]) p and q in float32."""
        found: tuple[Array, Array] = self._recent(
            (position, temperature),
            lambda: tuple(
                distribution.astype(np.float32) for distribution in self.rows.distributions(position, temperature)
            ),
        )
        return found

    @cached_property
    def _recent(self) -> Recent:
        """Rows are used more than once, and one takes 10 ms to rebuild."""
        return Recent(MEMORY)

    def narrow(self, policy: DraftPolicy, k: int) -> list[Problem]:
        """Every chosen row on its top tokens; none in a rerun. Raises SpecHubError when k drafts cannot be made."""
        if self.plan.only:
            return []
        top, product = self._top(k, TUPLES), policy.different_drafters
        out = []
        for position, temperature in self.places:
            p, *q = self._reduced(position, _drafters(temperature, k if product else 1), top)
            name = f"{self.name(position, temperature)} top {top}"
            out.append(Problem(name, p, tuple(q) if product else q[0], k, policy))
        policy.check(np.asarray([out[0].q]), k)
        return out

    def narrow_trees(self, engine: Any, policy: DraftPolicy, k: int) -> list[TreeProblem]:
        """Every chosen row as the root of each shape that the engine takes, on top tokens; none in a rerun."""
        out: list[TreeProblem] = []
        if self.plan.only:
            return out
        for position, temperature in self.places:
            for shape in shapes_of(engine, k):
                nodes = sum(int(np.prod(shape[: n + 1])) for n in range(len(shape)))
                top = self._top(nodes, SLOW_TREES if getattr(engine, "slow", False) else TREES)
                pairs = [self._reduced(i, (temperature,), top) for i in self.following(position)]
                rows = tuple((p, q) for p, q in pairs)
                name = f"{self.name(position, temperature)} top {top} tree {spelled(shape)}"
                out.append(CapturedTree(name, top, shape, policy, rows=rows))
        return out

    def wide(self, policy: DraftPolicy, k: int) -> list[WideRow]:
        """The first 16 chosen rows at full vocabulary."""
        out = []
        for position, temperature in self.places[:MOST_WIDE]:
            p, q = self.distributions(position, temperature)
            if policy.different_drafters:
                q = np.stack([self.distributions(position, t)[1] for t in _drafters(temperature, k)])
            source = self._source(position, temperature)
            out.append(WideRow(self.name(position, temperature), p, q, k, policy, source))
        return out

    def wide_trees(self, engine: Any, policy: DraftPolicy, k: int) -> list[WideTree]:
        """The first 8 chosen rows as roots at full vocabulary, under the engine's shapes in turn."""
        out, shapes = [], [self.plan.branching] if self.plan.branching else shapes_of(engine, k)
        for n, (position, temperature) in enumerate(self.places[: MOST_WIDE // 2]):
            pairs = [self.distributions(i, temperature) for i in self.following(position)]
            p, q = (torch.from_numpy(as_distribution([pair[side] for pair in pairs])) for side in (0, 1))
            takes = getattr(engine, "takes_logits", False)
            shape = shapes[n % len(shapes)]
            pool = WidePool(
                p,
                q,
                (p.log().float(), q.log().float()) if takes else None,
                best_acceptance(p[0], q[0], shape[0], policy),
            )
            name, source = self.name(position, temperature), self._source(position, temperature)
            out.append(WideTree(name, self.vocabulary, shape, policy, pool=pool, source=source))
        return out

    def following(self, position: int) -> list[int]:
        """List a position and those after it in its document, in order, as far as they were captured; at most 8."""
        document = np.asarray(self.rows.document)
        same = np.flatnonzero(document == document[position])
        same = same[np.argsort(np.asarray(self.rows.index)[same], kind="stable")]
        start = int(np.flatnonzero(same == position)[0])
        return [int(i) for i in np.roll(same, -start)[:POOL]]

    def summary(self) -> dict[str, Any]:
        """What was taken, for the report's settings."""
        return {
            "path": str(self.plan.path),
            "vocabulary": self.vocabulary,
            "temperatures": list(self.plan.temperatures),
            "positions": {str(position): why for position, why in self.chosen.items()},
        }

    def _top(self, nodes: int, most: int) -> int:
        """How many tokens to keep when so many drafts are enumerated together."""
        if self.plan.top is None:
            return min(self.vocabulary, max(n for n in range(3, 9) if n == 3 or n**nodes <= most))
        if self.plan.top**nodes > MOST:
            raise SpecHubError(
                f"--top {self.plan.top} with {nodes} drafts makes {self.plan.top**nodes:,} draft tuples to enumerate; "
                f"at most {MOST}: keep fewer tokens"
            )
        return self.plan.top

    def _reduced(self, position: int, temperatures: Sequence[float], top: int) -> tuple[tuple[float, ...], ...]:
        """p at the first temperature and q at each of them, on the top tokens of all."""
        p, q = self.distributions(position, temperatures[0])
        small = distributions.restrict((p, q, *(self.distributions(position, t)[1] for t in temperatures[1:])), top)
        return tuple(tuple(np.asarray(distribution, dtype=np.float32).tolist()) for distribution in small)

    def _source(self, position: int, temperature: float) -> dict[str, Any]:
        row = {"position": position, "temperature": temperature, "sha256": sha256_of(self.rows, position)}
        return {"path": str(self.plan.path), "row": row}


def narrow_part(settings: Settings) -> Settings:
    """Return what the top tokens of captured rows get of the time and of the false alarms; the whole rows get the rest.

    Parameters
    ----------
    settings
        Of the whole run.

    Returns
    -------
    Settings
        Of its first part.

    Examples
    --------
    >>> narrow_part(Settings(seconds=100)).seconds
    60.0
    """
    return replace(settings, seconds=0.6 * settings.seconds, false_alarm=settings.false_alarm / 2)


def at_full_vocabulary(
    draw: Any, engine: Any, rows: Captured, policy: DraftPolicy, report: Report, settings: Settings, start: float
) -> None:
    """Draw from an engine on whole rows, unless it has failed already.

    Parameters
    ----------
    draw
        `draw_nodes` or `draw_trees` of `gate.checks.wide`.
    engine
        The engine under test.
    rows
        The captured rows.
    policy
        How drafts are drawn.
    report
        What was found so far; more is written to it.
    settings
        Of the whole run.
    start
        When that began.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> rows, report = SimpleNamespace(summary=dict), Report("mymodule:verify", "node", "iid", 2)
    >>> at_full_vocabulary(lambda *given: print(given[4]), None, rows, None, report, Settings(levels=(1,)), 0.0)
    >>> report.scope
    " on captured rows' top tokens"
    """
    report.settings["logits"] = rows.summary()
    report.scope = " on captured rows' top tokens"
    if {Level.BOUNDARY, Level.DRAWS, Level.STREAM} & set(settings.levels) and not report.proved:
        half = replace(settings, false_alarm=settings.false_alarm / 2)
        draw(engine, rows, policy, report.k, report, half, start + settings.seconds)


def _drafters(temperature: float, k: int) -> list[float]:
    """Temperatures of k drafters: the same model, each a quarter hotter than the one before."""
    return [temperature * (1 + j / 4) for j in range(k)]


def captured(plan: Logits | str | Path, seed: int = 0) -> Captured:
    """Open a capture and choose positions; the same seed chooses the same ones.

    Parameters
    ----------
    plan
        What is taken of which capture, or its path alone.
    seed
        Of the choice.

    Returns
    -------
    Captured
        The rows.

    Raises
    ------
    SpecHubError
        The file or folder is missing, damaged or no capture; it has no positions; the vocabulary is smaller than what
        was asked for; a temperature is not positive; a row of a rerun is not what it was.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> taken = captured(Logits(resources.path("captured/smollm2.safetensors"), positions=2))
    >>> list(taken.chosen.values())
    ['p and q far apart', 'the flattest p']
    """
    plan = plan if isinstance(plan, Logits) else Logits(plan)
    for t in plan.temperatures:
        if not (t > 0 and np.isfinite(t)):
            raise SpecHubError(f"--temperature {t:g}; a distribution needs T > 0 (T = 0 is the argmax)")
    if twice := [t for t in plan.temperatures if plan.temperatures.count(t) > 1]:
        raise SpecHubError(f"--temperature {twice[0]:g} is there twice, and would be counted twice")
    if not plan.temperatures:
        raise SpecHubError("no temperature was given; a distribution needs one, such as 1")
    if plan.positions < 1:
        raise SpecHubError(f"--positions {plan.positions}; at least one is needed")
    try:
        rows = store.load(plan.path)
        count, vocabulary = len(rows), int(rows.vocabulary)
    except SpecHubError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise SpecHubError(
            f"{plan.path} is not a capture ({type(error).__name__}: {error}); "
            "give the --out folder of `spechub-lp capture`, or a .safetensors of rows"
        ) from None
    if not count:
        raise SpecHubError(f"{plan.path} holds no positions; run its capture again")
    if vocabulary < max(2, plan.top or 2):
        raise SpecHubError(f"{plan.path} has a vocabulary of {vocabulary}; at least {max(2, plan.top or 2)} are needed")
    if plan.top is not None and plan.top < 2:
        raise SpecHubError(f"--top {plan.top}; a choice needs at least 2 tokens")
    if plan.vocabulary not in (None, vocabulary):
        raise SpecHubError(f"{plan.path} has V = {vocabulary:,}; the saved case was on V = {plan.vocabulary:,}")
    for position, _, sha256 in plan.only:
        if not 0 <= position < count:
            raise SpecHubError(f"{plan.path} has {count} positions; the saved case is about number {position}")
        if sha256_of(rows, position) != sha256:
            raise SpecHubError(f"{plan.path} is not what it was when the case was saved (position {position})")
    chosen = {position: "saved" for position, _, _ in plan.only} if plan.only else choose(rows, plan, seed)
    return Captured(plan, rows, chosen)


def sha256_of(rows: Any, position: int) -> str:
    """Return the SHA-256 of the file that holds a position, from the manifest that it was checked against.

    Parameters
    ----------
    rows
        `capture.store.Rows` or `capture.shards.Shards`.
    position
        Number of the position.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> len(sha256_of(store.load(resources.path("captured/smollm2.safetensors")), 0))
    64
    """
    if isinstance(rows, shards.Shards):
        ends = np.cumsum([entry["positions"] for entry in rows.manifest["shards"]])
        return str(rows.manifest["shards"][int(np.searchsorted(ends, position, side="right"))]["sha256"])
    return str(rows.manifest["data"]["sha256"])
