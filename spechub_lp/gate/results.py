"""What a gate run says: findings, a row for each problem, a status with an exit code."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from math import isnan
from typing import Any

from spechub_lp._util import renamed
from spechub_lp._util.tabular import Tabular
from spechub_lp._util.words import counted
from spechub_lp.report.schemas import identifier


class Status(StrEnum):
    """The verdict of a run."""

    PASS = "pass"
    BIASED = "biased"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_code(self) -> int:
        """0 for a pass, 1 for a bias, 3 for neither; 2 is misuse, the command line's own errors."""
        return {Status.PASS: 0, Status.BIASED: 1, Status.INCONCLUSIVE: 3}[self]


class Level(IntEnum):
    """By which means something was seen."""

    BOUNDARY = 0
    """Inputs and uniforms at the ends of their ranges."""
    EXACT = 1
    """The exact distribution, from controlled noise."""
    DRAWS = 2
    """Bets on outputs, on real noise."""
    STREAM = 3
    """Bets on outputs given the past, on real noise."""
    ACCEPTANCE = 4
    """Acceptance beside the optimum."""


class Kind(StrEnum):
    """What a finding is about."""

    BIAS = "bias"
    ABOVE_OPTIMUM = "above the optimum"
    KEPT_NOISE = "kept noise"
    IMPOSSIBLE_TOKEN = "zero-probability token"
    ILLEGAL_TOKEN = "illegal token"
    ILLEGAL_SLOT = "illegal slot"
    ILLEGAL_PATH = "illegal path"
    SHAPE = "shape"
    OVERWRITTEN = "inputs overwritten"
    CRASH = "crash"
    HANG = "hang"
    NAN_ROW = "NaN row"
    ROWS_MIXED = "rows mixed"
    LOGPROBS = "log-probabilities"
    FLOOR = "acceptance floor"
    REGRESSION = "acceptance regression"
    NOT_CONTROLLED = "not controlled"
    LEFT_OUT = "left out"
    FULL_VOCABULARY = "full vocabulary"
    NOTE = "note"


ABOUT_THE_OUTPUT = (Kind.BIAS, Kind.ABOVE_OPTIMUM, Kind.KEPT_NOISE, Kind.IMPOSSIBLE_TOKEN, Kind.ROWS_MIXED)
"""Proofs that what comes out is not the target's; the others are about answers that no verification may give."""


NEVER = 1e-9
"""An acceptance below it is none."""
NO_TOKEN = 1e-9
"""A smaller probability that a call gives no token is rounding."""


@dataclass(frozen=True)
class Finding:
    """Something the gate saw.

    Examples
    --------
    >>> finding = Finding(Level.BOUNDARY, Kind.CRASH, "on 'ties': it died", problem="ties")
    >>> finding.proof, finding.problem
    (True, 'ties')
    """

    level: int
    """A `Level`."""
    kind: str
    """A `Kind`."""
    message: str
    """What, where and how much, as a sentence."""
    proof: bool = True
    """Whether it fails the engine; notes do not."""
    distance: float | None = None
    """Its size, where it has one."""
    case: dict[str, Any] | None = None
    """The smallest failing input, for `--rerun`."""
    problem: str | None = field(default=None, kw_only=True)
    """The name of the problem that it was seen on; None where it is about the whole run."""
    waived: str = field(default="", kw_only=True)
    """Why a defect that would fail the engine does not; "" where no waiver covers it."""

    def document(self) -> dict[str, Any]:
        """The finding as JSON."""
        return dict(vars(self))


def _size(case: dict[str, Any]) -> int:
    if "probe" in case:
        return int(case["vocabulary"])
    if "requests" in case:
        return int(case["requests"]["vocabulary"])
    if "problem" in case:
        return case["problem"].get("vocabulary") or len(case["problem"]["p"])
    return len(case.get("tree") or ())


MAY_BE_NAN = ("acceptance", "optimum")
"""Fields of a row that JSON has as null."""


@dataclass
class Row:
    """What was measured on one problem.

    Examples
    --------
    >>> Row("ties", Level.EXACT, distance=0.0, bound=0.0, acceptance=0.8, optimum=0.9).optimum
    0.9
    """

    problem: str
    """Its name."""
    level: int
    """`Level.EXACT` or `Level.DRAWS`."""
    distance: float
    """Level 1: the exact distance. Level 2: that of the frequencies."""
    bound: float
    """Upper end for the true distance: rounding at level 1, the confidence sequence at level 2."""
    acceptance: float
    """NaN where it was not measured: draws of a tree are about its output."""
    optimum: float
    """The certified optimum of acceptance with the same drafts; NaN where nothing is drafted."""
    unexplained: float = 0.0
    """Mass of the noise that the exact distribution leaves open."""
    draws: int = 0
    """Calls at level 2."""
    searched: bool = False
    """Whether the problem was searched, and not built in or given."""

    def document(self) -> dict[str, Any]:
        """The row as JSON."""
        return vars(self) | {name: None if isnan(vars(self)[name]) else vars(self)[name] for name in MAY_BE_NAN}


FIRST = 4
"""Calls of a process that are looked at as its first."""
ONCE = (f"the first {FIRST} calls", "the call behind a bad input")
ONCE_OF_BATCHES = ("the first batch", "the batch behind a NaN row")
"""Calls that come once in a process, as `Coverage.once` names them: of functions, and of engines of batches."""


@dataclass
class Coverage:
    """What a run looked at, and what it did not.

    Examples
    --------
    >>> Coverage(problems=2, sizes=[2, 5], unvisited=["`verify`, line 4 never ran: `return 0`"]).complete
    False
    """

    problems: int = 0
    """Problems that were looked at."""
    sizes: list[int] = field(default_factory=list)
    """Their vocabularies, each once."""
    policies: list[str] = field(default_factory=list)
    """Draft policies."""
    k: list[int] = field(default_factory=list)
    """Numbers of drafts."""
    kinds: dict[str, int] = field(default_factory=dict)
    """Kinds of distributions, and on how many problems each was met; 0: not met."""
    batches: list[str] = field(default_factory=list)
    """Shapes of batches; empty for a plain function."""
    exact: float | None = None
    """Smallest distance that an exact distribution on up to four tokens tells from 0; None without one."""
    draws: int = 0
    """Calls on real noise against p."""
    drawn: float | None = None
    """Smallest distance that those would have caught, with the power that was asked for."""
    by_draws_only: int = 0
    """Problems without an exact distribution."""
    not_reached: int = 0
    """Problems that were planned and not reached."""
    left_out: float = 0.0
    """The largest mass of noise and drafts, over the exact problems, that was not looked at."""
    lines: tuple[int, int] | None = None
    """(lines of the engine's own Python code that ran, all of them); None where its code was not watched."""
    outcomes: tuple[int, int] | None = None
    """(outcomes of its conditions that were seen, two for each condition)."""
    unwatched: str = ""
    """Why its code was not watched."""
    unvisited: list[str] = field(default_factory=list)
    """What of its code no call has run, as sentences."""
    once: list[str] = field(default_factory=list)
    """Calls that come once in a process and were tried, in words; see ONCE and ONCE_OF_BATCHES."""

    @property
    def complete(self) -> bool:
        """Whether the engine's code was watched and all of it ran."""
        return self.lines is not None and not self.unvisited

    def document(self) -> dict[str, Any]:
        """The coverage as JSON."""
        pairs = {"lines": self.lines, "outcomes": self.outcomes}
        return vars(self) | {name: None if pair is None else list(pair) for name, pair in pairs.items()}

    @classmethod
    def read(cls, document: dict[str, Any] | None) -> "Coverage | None":
        """The inverse of `document`; None of a document without it."""
        if document is None:
            return None
        pairs = {name: tuple(document[name]) for name in ("lines", "outcomes") if document[name] is not None}
        return cls(**document | pairs)


@dataclass(frozen=True)
class Evidence:
    """What an engine does on the smallest problem on which its exact distribution is wrong.

    Examples
    --------
    >>> shown = Evidence("mine", [0.5, 0.5], [[0.25, 0.75]], [0.25, 0.75], nearest="as RRS, but reversed")
    >>> shown.off_by, shown.no_token
    ([-0.25, 0.25], 0.0)
    """

    problem: str
    """Its name."""
    p: list[float]
    """[V] target distribution."""
    q: list[list[float]]
    """[1, V] draft distribution; [k, V] where each draft has its own."""
    output: list[float]
    """[V] the distribution that came out; its sum is below 1 where a call gave no token."""
    tuples: list[list[int]] = field(default_factory=list)
    """[N, k] draft tuples; empty where there are too many to read."""
    accept: list[list[float]] = field(default_factory=list)
    """[N, k] probability that the draft is accepted, for each tuple."""
    residual: list[list[float]] = field(default_factory=list)
    """[N, V] probability of a token after all drafts were rejected, for each tuple."""
    nearest: str = ""
    """The known wrong rule that does the same on every problem that was measured, in words; "" where none does."""

    @property
    def off_by(self) -> list[float]:
        """[V] what came out, less p."""
        return [came - asked for came, asked in zip(self.output, self.p, strict=True)]

    @property
    def no_token(self) -> float:
        """The probability that a call gives no token."""
        missing = 1 - sum(self.output)
        return missing if missing > NO_TOKEN else 0.0

    @classmethod
    def read(cls, document: dict[str, Any] | None) -> "Evidence | None":
        """The inverse of `vars`; None of a document without it."""
        return None if document is None else cls(**document)


@dataclass
class Report(Tabular):
    """The outcome of one gate run.

    Examples
    --------
    >>> report = Report("mymodule:verify", "node", "iid", 2)
    >>> report.findings.append(Finding(Level.EXACT, Kind.BIAS, "the output distribution is 0.1 away from p"))
    >>> report.status, report.exit_code
    (<Status.BIASED: 'biased'>, 1)
    """

    engine: str
    """The name of the engine."""
    protocol: str
    """How it is called: a `spechub_lp.gate.protocols.ProtocolName`."""
    drafts: str
    """The draft policy, by name."""
    k: int
    """How many drafts."""
    rows: list[Row] = field(default_factory=list)
    """One for each problem that was measured."""
    findings: list[Finding] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    """Levels that were reached."""
    level: str = ""
    """Which level decided, in words."""
    smallest_caught: float = 1.0
    """The smallest distance that this run would have failed with the asked power (.99 by default)."""
    scope: str = ""
    """What that distance is measured in, where it is not the whole distribution."""
    inconclusive: list[str] = field(default_factory=list)
    """Why a run without proof of bias is no pass either."""
    calls: int = 0
    """Calls of the engine, or rows of its batches."""
    seconds: float = 0.0
    """Wall time."""
    settings: dict[str, Any] = field(default_factory=dict)
    confirmed: tuple[int, float | None] = (0, None)
    """(calls on real noise against p, the smallest distance that they would have caught)."""
    coverage: Coverage | None = None
    """What was looked at; None where it was not noted."""
    evidence: Evidence | None = None
    """What a plain function with a wrong exact distribution does, on the smallest problem; else None."""

    def __repr__(self) -> str:
        seen = f"{counted(len(self.rows), 'problem')}, {counted(self.calls, 'call')}"
        return f"Report({self.engine!r}, {self.status}, {self.what_drafts}, {seen})"

    def __str__(self) -> str:
        proofs = [f"{finding.kind}: {finding.message}" for finding in self.findings if finding.proof]
        return "\n".join([repr(self), *proofs[:1], *self.inconclusive[:1]])

    def as_rows(self) -> list[dict[str, Any]]:
        """Return the problems that were measured, worst first."""
        rows = sorted(self.rows, key=lambda row: -row.distance)
        return [
            {
                "problem": row.problem, "by": "exact" if row.level == Level.EXACT else "draws",
                "distance": f"{row.distance:.3g}", "at most": f"{row.bound:.3g}",
                "acceptance": row.acceptance, "optimum": row.optimum,
            }
            for row in rows
        ]  # fmt: skip

    @property
    def door(self) -> str:
        """The old name of `protocol`."""
        renamed.warn("Report.door", "protocol")
        return self.protocol

    @property
    def proved(self) -> bool:
        """Whether some finding fails the engine."""
        return any(finding.proof for finding in self.findings)

    @property
    def status(self) -> Status:
        """The verdict: biased by proof, inconclusive for a reason, else a pass."""
        if self.proved:
            return Status.BIASED
        return Status.INCONCLUSIVE if self.inconclusive else Status.PASS

    @property
    def exit_code(self) -> int:
        """0 pass, 1 biased, 3 inconclusive."""
        return self.status.exit_code

    @property
    def decided(self) -> str:
        """The level that decided, in words: of the proofs where there are some, else of the run."""
        proofs = [finding for finding in self.findings if finding.proof]
        if not proofs or any(finding.level in (Level.EXACT, Level.DRAWS) for finding in proofs):
            return self.level
        first = min(finding.level for finding in proofs)
        kinds = dict.fromkeys(finding.kind for finding in proofs if finding.level == first)
        return f"level {first}: {', '.join(kinds)}"

    @property
    def waived(self) -> list[Finding]:
        """The findings that would fail the engine and are waived."""
        return [finding for finding in self.findings if finding.waived]

    @property
    def warnings(self) -> list[str]:
        """What a verdict does not say and its reader must know."""
        measured = [row for row in self.rows if row.acceptance >= 0 and row.optimum > 0]
        if measured and max(row.acceptance for row in measured) < NEVER:
            best = max(row.optimum for row in measured)
            return [f"it never accepted a draft, although up to {best:.4g} is possible: every drafted token is lost"]
        return []

    @property
    def about_the_output(self) -> bool:
        """Whether some proof says that the output is wrong, and not only that an answer broke the contract."""
        return any(finding.proof and finding.kind in ABOUT_THE_OUTPUT for finding in self.findings)

    @property
    def what_drafts(self) -> str:
        """The drafts that the engine was tried with, in words.

        >>> Report("mine", "node", "iid", 2, settings={"claims": (("top_k", 3),)}).what_drafts
        '2 iid and 3 top_k drafts'
        """
        claims = [(self.drafts, self.k), *self.settings.get("claims", ())]
        *first, last = [f"{k} {drafts}" for drafts, k in claims]
        return f"{', '.join(first)}{' and ' if first else ''}{last} drafts"

    @property
    def exact(self) -> bool:
        """Whether exact distributions alone decided."""
        return Level.EXACT in self.levels and all(row.level == Level.EXACT for row in self.rows)

    def failed_on(self, problem: str) -> list[Finding]:
        """The findings that fail the engine on the problem of this name."""
        return [finding for finding in self.findings if finding.proof and finding.problem == problem]

    @property
    def distance(self) -> float:
        """The largest distance that was measured."""
        return max((row.distance for row in self.rows), default=0.0)

    @property
    def case(self) -> dict[str, Any] | None:
        """The failing input with the smallest vocabulary."""
        cases = [f.case for f in self.findings if f.proof and f.case is not None]
        return min(cases, key=_size, default=None)

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "schema": identifier("gate"),
            "engine": self.engine,
            "protocol": self.protocol,
            "drafts": self.drafts,
            "k": self.k,
            "status": self.status,
            "exit_code": self.exit_code,
            "level": self.decided,
            "levels": self.levels,
            "distance": self.distance,
            "smallest_distance_caught": self.smallest_caught,
            "scope": self.scope,
            "inconclusive": self.inconclusive,
            "warnings": self.warnings,
            "findings": [finding.document() for finding in self.findings],
            "problems": [row.document() for row in self.rows],
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "settings": self.settings,
            "coverage": self.coverage and self.coverage.document(),
            "evidence": self.evidence and vars(self.evidence),
        }
