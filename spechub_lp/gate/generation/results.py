"""What a run on a whole engine says: a row for each setting, and a status with an exit code."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from spechub_lp.gate.results import Status
from spechub_lp.report.schemas import identifier


class Verdict(StrEnum):
    """What was found out about one setting."""

    EXACT = "exact"
    """The joint distributions were computed and are equal, up to rounding."""
    WITHIN = "within"
    """Draws prove that the distance is below the one that was asked for."""
    FAILED = "failed"
    """A difference was computed or proved, or the engine failed."""
    INCONCLUSIVE = "inconclusive"
    """Neither; the message says why."""
    NOT_OFFERED = "not offered"
    """The engine does not take these arguments."""


@dataclass(frozen=True)
class Row:
    """Hold what was found about one setting of one engine.

    Examples
    --------
    >>> Row("greedy", Verdict.EXACT, distance=0.0).passed
    True
    """

    setting: str
    verdict: str
    """A `Verdict`."""
    check: str = "joint distribution"
    """Which check it was: of the joint distribution, of log-probabilities, or of seeds."""
    distance: float | None = None
    """Total variation distance from plain decoding: computed, or that of the frequencies."""
    bound: float | None = None
    """Upper end for the true distance: by draws, the confidence sequence."""
    message: str = ""
    """Why, as a sentence; a failure names the first position and context that differ."""
    outcomes: int = 0
    """Answers that plain decoding can give; 1 says that there was nothing to choose from."""
    unexplained: float = 0.0
    """Mass of the noise that the computed distributions leave open."""
    calls: int = 0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the setting is right, by computation or by draws."""
        return self.verdict in (Verdict.EXACT, Verdict.WITHIN)


@dataclass
class EngineReport:
    """Hold the outcome of one run.

    Examples
    --------
    >>> EngineReport("mymodule:generate", rows=[Row("greedy", Verdict.FAILED)]).status
    <Status.BIASED: 'biased'>
    """

    engine: str
    version: str = ""
    """Of the engine's package, where it is known."""
    pair: dict[str, Any] = field(default_factory=dict)
    """What is known of the two models."""
    rows: list[Row] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    """How hard was looked."""
    seconds: float = 0.0

    @property
    def status(self) -> Status:
        """Biased where a setting failed; inconclusive where none failed and one stayed open, or none was offered."""
        found = {row.verdict for row in self.rows}
        if Verdict.FAILED in found:
            return Status.BIASED
        settled = Verdict.INCONCLUSIVE not in found and any(row.passed for row in self.rows)
        return Status.PASS if settled else Status.INCONCLUSIVE

    @property
    def exit_code(self) -> int:
        """0 pass, 1 biased, 3 inconclusive."""
        return self.status.exit_code

    @property
    def failed(self) -> list[Row]:
        """The rows that fail."""
        return [row for row in self.rows if row.verdict == Verdict.FAILED]

    def count(self, verdict: Verdict) -> int:
        """Count the rows of a verdict."""
        return sum(row.verdict == verdict for row in self.rows)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "schema": identifier("gate-engine"),
            "engine": self.engine,
            "version": self.version,
            "pair": self.pair,
            "status": self.status,
            "exit_code": self.exit_code,
            "rows": [asdict(row) for row in self.rows],
            "settings": self.settings,
            "seconds": round(self.seconds, 3),
        }
