"""What the checks of plain functions and of batches share: tolerances, the second look, the floor on acceptance."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch

from spechub_lp.gate.results import Finding, Kind, Level, Report
from spechub_lp.gate.search.thresholds import LEAST_RANDOM, MOST_RANDOM, Distributions, Explorer, Node
from spechub_lp.gate.settings import NARROW, Settings
from spechub_lp.gate.statistics.token_sets import radius

TOLERANCE = 1e-6
"""A distance below this is rounding: a float32 uniform has steps of 2^-24, and a rule compares a few of them."""
MOST_CALLS = 2500
"""For one draft tuple; thresholds on a few uniforms take some hundreds, combined uniforms more."""
NEVER = 2.0**-40
"""A failure this unlikely is a note: it needs a float64 uniform within rounding of 1."""


def tolerance(vocabulary: int) -> float:
    """Bound the distance that rounding of the engine's uniforms makes.

    Parameters
    ----------
    vocabulary
        The number of tokens V.

    Returns
    -------
    float
        A total variation distance; above it is a difference.

    Examples
    --------
    >>> tolerance(2), tolerance(2 * NARROW)
    (1e-06, 2e-06)
    """
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
    """What the search found on one problem.

    Examples
    --------
    >>> Look(None, {}, [], doubt=1e-4).reservation
    '; unless it hides regions of less than 0.0001 from thousands of random calls'
    """

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
    """Look again at a problem that looks failed, so that whatever a report prints has been seen twice.

    Parameters
    ----------
    first
        The first look.
    explorer
        That made it.
    keys
        Its N inputs.
    mass
        The probability of each.
    build
        Makes what is judged of the distributions.
    problem
        The problem by name.
    report
        Takes the reason where time is short.
    seed
        Of the random calls.

    Returns
    -------
    Look or None
        The first look where that fails nothing, else another one; None when time is short.

    Examples
    --------
    >>> class Right:
    ...     distance = excess = 0.0
    >>> first = Look(Right(), {}, [])
    >>> second_look(first, None, [], [], lambda found: Right(), "mine", None, seed=0) is first
    True
    """
    if first.measured.excess <= 0:
        return first
    seen = first.found, first.roots
    # An engine that has failed already fails without this problem too: fewer calls, and the reservation says so.
    most = LEAST_RANDOM if any(finding.proof for finding in report.findings) else MOST_RANDOM
    looked = explorer.confirm(keys, mass, lambda found: build(found).excess, seen, seed=seed, most=most)
    if looked is None:
        report.inconclusive.append(
            f"on {problem!r} the distribution looks {first.measured.distance:.3g} away, but the time ended before it "
            "was sure that the search had overlooked nothing of that size: give it more time"
        )
        return None
    distributions, roots, doubt = looked
    return Look(build(distributions), distributions, roots, doubt)


class Seen(NamedTuple):
    """Something impossible at a leaf of a decision tree.

    Examples
    --------
    >>> Seen(Kind.CRASH, "ValueError", proof=True, drafts=(0,), case={}).kind
    <Kind.CRASH: 'crash'>
    """

    kind: Kind
    message: str
    proof: bool
    drafts: Any
    case: dict[str, Any]


def impossible_leaves(
    problem: str, roots: Iterable[Node], mass: Iterable[float], look: Callable[[Node, Node], Seen | None]
) -> list[Finding]:
    """Find the likeliest leaf of each kind at which something impossible happens (level 0).

    Parameters
    ----------
    problem
        The problem by name.
    roots
        The decision tree of each of N inputs.
    mass
        The probability of each input.
    look
        Called as look(root, leaf); says what is impossible there, or None.

    Returns
    -------
    list of Finding
        One for each kind, proofs and notes apart.

    Examples
    --------
    >>> root = Node((0,), (), 1.0, outcome="crash")
    >>> seen = Seen(Kind.CRASH, "ValueError", True, (0,), {})
    >>> impossible_leaves("mine", [root], [0.5], lambda root, leaf: seen)[0].message
    "on 'mine', drafts (0,): ValueError; probability 0.5"
    """
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

    Parameters
    ----------
    report
        Is added to.
    settings
        With the floor.

    Examples
    --------
    >>> from spechub_lp.gate.results import Row
    >>> report = Report("verify", "node", "iid", 1, rows=[Row("mine", Level.EXACT, 0.0, 0.0, 0.4, 0.8)])
    >>> add_floor(report, Settings(acceptance_floor=0.9))
    >>> report.findings[0].kind
    <Kind.FLOOR: 'acceptance floor'>
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
    """Seed the global generators of python, numpy and torch, so that a run can be repeated.

    Parameters
    ----------
    seed
        From 0 to 2^32 - 1.

    Examples
    --------
    >>> seed_everything(1)
    >>> once = random.random()
    >>> seed_everything(1)
    >>> random.random() == once
    True
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
