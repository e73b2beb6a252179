"""What a gate run says: findings, a row for each problem, a status with an exit code."""

from dataclasses import dataclass, field
from math import isnan
from typing import Any

EXIT = {"pass": 0, "biased": 1, "inconclusive": 3}
"""2 is misuse: the command line's own errors."""


@dataclass(frozen=True)
class Finding:
    """Something the gate saw."""

    level: int
    kind: str
    """A short name: "bias", "zero-probability token", "above the optimum", "crash", "kept noise", ..."""
    message: str
    proof: bool = True
    """Whether it rejects the engine; notes do not."""
    distance: float | None = None
    case: dict[str, Any] | None = None
    """The smallest failing input, for `--replay`."""


def _size(case: dict[str, Any]) -> int:
    if "probe" in case:
        return int(case["vocabulary"])
    if "problem" in case:
        return case["problem"].get("vocabulary") or len(case["problem"]["p"])
    return len(case.get("tree") or ())


@dataclass
class Row:
    """What was measured on one problem."""

    problem: str
    level: int
    """1: exact distribution. 2: draws."""
    distance: float
    """Level 1: the exact distance. Level 2: that of the frequencies."""
    bound: float
    """Upper end for the true distance: rounding at level 1, the confidence sequence at level 2."""
    acceptance: float
    """NaN where it was not measured: draws of a tree are about its output."""
    optimum: float
    unexplained: float = 0.0
    draws: int = 0

    def document(self) -> dict[str, Any]:
        return vars(self) | {"acceptance": None if isnan(self.acceptance) else self.acceptance}


@dataclass
class Report:
    """The outcome of one gate run."""

    engine: str
    door: str
    drafts: str
    k: int
    rows: list[Row] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    level: str = ""
    """Which level decided, in words."""
    smallest_caught: float = 1.0
    """The smallest distance that this run would have rejected with the asked power (.99 by default)."""
    scope: str = ""
    """What that distance is measured in, where it is not the whole distribution."""
    inconclusive: list[str] = field(default_factory=list)
    """Why a run without proof of bias is no pass either."""
    calls: int = 0
    seconds: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        if any(finding.proof for finding in self.findings):
            return "biased"
        return "inconclusive" if self.inconclusive else "pass"

    @property
    def exit_code(self) -> int:
        return EXIT[self.status]

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
            "schema": "spechub-gate-1",
            "engine": self.engine,
            "door": self.door,
            "drafts": self.drafts,
            "k": self.k,
            "status": self.status,
            "exit_code": self.exit_code,
            "level": self.level,
            "levels": self.levels,
            "distance": self.distance,
            "smallest_distance_caught": self.smallest_caught,
            "scope": self.scope,
            "inconclusive": self.inconclusive,
            "findings": [vars(finding) for finding in self.findings],
            "problems": [row.document() for row in self.rows],
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "settings": self.settings,
        }
