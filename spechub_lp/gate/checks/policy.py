"""What the checks of plain functions and of batches share: tolerances, the second look, the floor on acceptance."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch

from spechub_lp.gate.results import Finding, Kind, Level, Report
from spechub_lp.gate.search.thresholds import Distributions, Explorer, Node
from spechub_lp.gate.settings import NARROW, Settings
from spechub_lp.gate.statistics.token_sets import radius

TOLERANCE = 1e-6
"""A distance below this is rounding: a float32 uniform has steps of 2^-24, and a rule compares a few of them."""
MOST_CALLS = 2500
"""For one draft tuple; thresholds on a few uniforms take some hundreds, combined uniforms more."""
NEVER = 2.0**-40
"""A failure this unlikely is a note: it needs a float64 uniform within rounding of 1."""


def tolerance(vocabulary: int) -> float:
    """The distance below which a difference on so many tokens is rounding of the engine's uniforms."""
    return TOLERANCE * max(1.0, vocabulary / NARROW)


class Measured(Protocol):
    """The exact distribution on one problem, as far as a second look needs it."""

    @property
    def distance(self) -> float:
        """Total variation distance from the target."""

    @property
    def excess(self) -> float:
        """How much of the probability must be told wrongly if the engine is right after all; <= 0: nothing must."""


M = TypeVar("M", bound=Measured)


@dataclass(frozen=True)
class Look(Generic[M]):
    """What the search found on one problem."""

    measured: M
    found: Distributions
    """The distribution of each input."""
    roots: list[Node]
    doubt: float = 0.0
    """The mass below which a region could have escaped a second look; 0 when none could."""

    @property
    def reservation(self) -> str:
        """What a failed engine's finding leaves open, as the end of a sentence."""
        if not self.doubt:
            return ""
        return f"; unless it hides regions of less than {self.doubt:.1g} from thousands of random calls"


def second_look(
    first: Look[M],
    explorer: Explorer,
    keys: Sequence[Any],
    mass: Sequence[float],
    build: Callable[[Distributions], M],
    problem: str,
    report: Report,
    seed: int,
) -> Look[M] | None:
    """The first look when it fails nothing, else another one; None (and a reason in the report) when time is short.

    Every problem that looks failed is looked at again, so that whatever a report prints has been seen twice.
    """
    if first.measured.excess <= 0:
        return first
    looked = explorer.confirm(keys, mass, lambda found: build(found).excess, seed=seed)
    if looked is None:
        report.inconclusive.append(
            f"on {problem!r} the distribution looks {first.measured.distance:.3g} away, but the time ended before it "
            "was sure that the search had overlooked nothing of that size: give it more time"
        )
        return None
    distributions, roots, doubt = looked
    return Look(build(distributions), distributions, roots, doubt)


class Seen(NamedTuple):
    """Something impossible at a leaf of a decision tree."""

    kind: Kind
    message: str
    proof: bool
    drafts: Any
    case: dict[str, Any]


def impossible_leaves(
    problem: str, roots: Iterable[Node], mass: Iterable[float], look: Callable[[Node, Node], Seen | None]
) -> list[Finding]:
    """Level 0: the likeliest leaf of each kind at which `look(root, leaf)` sees something impossible."""
    worst: dict[tuple[Kind, bool], tuple[float, Seen]] = {}
    for root, weight in zip(roots, mass, strict=True):
        for leaf in root.leaves():
            seen, chance = look(root, leaf), leaf.mass * weight
            if seen is None or chance <= 0:
                continue
            key = (seen.kind, seen.proof)
            if key not in worst or chance > worst[key][0]:
                worst[key] = (chance, seen)
    return [
        Finding(
            Level.BOUNDARY,
            seen.kind,
            f"on {problem!r}, drafts {seen.drafts}: {seen.message}; probability {chance:.3g}",
            seen.proof,
            chance,
            seen.case,
            problem=problem,
        )
        for chance, seen in worst.values()
    ]


def add_floor(report: Report, settings: Settings) -> None:
    """Add a finding for every row that accepts less than `settings.acceptance_floor` of the optimum; None adds none.

    The share of draws that were accepted may lie below by its confidence radius. All of them together fail an engine at
    the floor with a probability of at most false_alarm / 4, which the bets leave.
    """
    floor = settings.acceptance_floor
    if floor is None:
        return
    drawn = sum(row.level != Level.EXACT for row in report.rows)
    for row in report.rows:
        if row.searched:
            continue  # some are extreme, and which ones there are depends on the code
        exact = row.level == Level.EXACT
        slack = TOLERANCE + row.unexplained if exact else radius(row.draws, settings.false_alarm / (4 * drawn))
        if row.acceptance < floor * row.optimum - slack:
            text = (
                f"on {row.problem!r} it accepts {row.acceptance:.6g}, {row.acceptance / row.optimum:.3f} of the "
                f"optimum {row.optimum:.6g}; the floor is {floor:g}"
            )
            report.findings.append(Finding(Level.ACCEPTANCE, Kind.FLOOR, text, problem=row.problem))


def seed_everything(seed: int) -> None:
    """Seed the global generators of python, numpy and torch, so that a run can be repeated."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
