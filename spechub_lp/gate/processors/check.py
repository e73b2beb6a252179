"""The gate for logits processors: every row at every step against its exact processed distribution."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.checks.covered import note_code
from spechub_lp.gate.clock import now
from spechub_lp.gate.coverage.watch import Watcher
from spechub_lp.gate.engines.declared import Declared, handed, returned
from spechub_lp.gate.engines.node import Failure, crashed, one_thread
from spechub_lp.gate.engines.time_limit import Hang, time_limit
from spechub_lp.gate.processors.exact import softmax
from spechub_lp.gate.processors.explain import explained
from spechub_lp.gate.processors.protocol import Gives, Kept
from spechub_lp.gate.processors.requests import Requests, Step
from spechub_lp.gate.protocols import ProtocolName, protocol_of
from spechub_lp.gate.results import Coverage, Finding, Kind, Level, Report, Row
from spechub_lp.gate.settings import Settings
from spechub_lp.gate.waivers import Findings
from spechub_lp.typing import Array

TOLERANCE = 1e-5
"""Total variation distance that is rounding of a softmax in float32."""
LEAKS = 1e-12
"""A probability from here on of a token that is out is no rounding."""
SIZES = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129)
"""Rows of batches, around powers of two."""
WIDE = (33, 257, 1030)
"""Vocabularies."""
STEPS = 8
NAMED = 8
"""Rows that a finding names."""


def check_processor(
    processor: Any, *, name: str = "", settings: Settings | None = None, cases: Sequence[Requests] | None = None
) -> Report:
    """Gate a logits processor over several steps.

    Parameters
    ----------
    processor
        Follows `spechub_lp.gate.processors.protocol`.
    name
        What reports call it.
    settings
        How hard to look; the time and the seed count.
    cases
        Requests to use instead of the built-in ones.

    Returns
    -------
    Report
        For each set of stages the largest distance from the exact processed distribution; a finding names the first
        row and step that differ, how that row was processed instead, and which rows were right.

    Raises
    ------
    SpecHubError
        It is no processor, or its attributes say what the protocol does not know.

    Examples
    --------
    >>> class Scales:
    ...     protocol, stages = "processor", ("temperature",)
    ...     def __call__(self, batch):
    ...         return batch.logits / batch.temperature[:, None, None].clamp(min=1e-6)
    >>> check_processor(Scales(), cases=[Requests("few", 7, rows=3, steps=2)]).exit_code
    0
    """
    if protocol_of(processor, name) is not ProtocolName.PROCESSOR or not callable(processor):
        raise SpecHubError(f"{name or processor!r} is no logits processor: protocol must be {ProtocolName.PROCESSOR}")
    settings = settings or Settings()
    kept = Kept.of(processor)
    start = now()
    report = Report(name or type(processor).__name__, ProtocolName.PROCESSOR, "no", max(1, kept.drafts))
    report.settings = settings.document()
    report.findings = Findings(settings.waivers)
    run = _Run(processor, kept, settings, report, Watcher(processor))
    todo = list(cases) if cases is not None else list(requests(kept, settings.seed))
    with one_thread(), run.watcher:
        done = 0
        for case in todo:
            run.check(case)
            done += 1
            if report.proved or now() - start > settings.seconds:
                break
    run.note(todo[:done], len(todo) - done)
    report.seconds = now() - start
    return report


def requests(kept: Kept, seed: int) -> Iterator[Requests]:
    """Make the requests that every processor is tried on, in order.

    Parameters
    ----------
    kept
        What the processor says of itself; one that takes drafts is tried without and with them.
    seed
        Of the first requests; the others have seeds that follow it.

    Yields
    ------
    Requests
        So many rows over so many steps.

    Examples
    --------
    >>> next(requests(Kept.of(None), seed=0)).name
    'one row'
    """
    for drafts in sorted({0, kept.drafts}):
        title = f", up to {drafts} drafts" if drafts else ""
        yield Requests(f"one row{title}", 7, 1, STEPS, drafts, seed)
        yield Requests(f"8 unlike rows{title}", 7, 8, STEPS, drafts, seed + 1)
        yield Requests(f"12 unlike rows{title}", 12, 12, STEPS, drafts, seed + 2)
        for V in WIDE:
            yield Requests(f"V = {V}{title}", V, 6, 4, drafts, seed + 3)
        for size in SIZES:
            yield Requests(f"{size} rows{title}", 9, size, 2, drafts, seed + 4)
        yield Requests(f"8 unlike rows, once again{title}", 7, 8, STEPS, drafts, seed + 1)


@dataclass
class _Run:
    """One processor, and what was seen of it."""

    processor: Any
    kept: Kept
    settings: Settings
    report: Report
    watcher: Watcher
    worst: dict[str, float] = field(default_factory=dict)
    """By the stages that a row has: the largest distance."""
    positions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.arrays = Declared.of(self.processor).arrays
        self.call = self.watcher.watched(self.processor)

    def check(self, case: Requests) -> None:
        """All steps of some requests, up to the first one that is wrong."""
        for step in case.steps_of(self.kept):
            answer = self._answer(step)
            if isinstance(answer, Failure):
                text = f"on {case.name!r}, step {step.step}: {answer.message}"
                self._find(Level.BOUNDARY, answer.kind, text, case)
                return
            if self._wrong(case, step, answer):
                return

    def _answer(self, step: Step) -> Any:
        """[B, N, V] distributions, or a failure."""
        batch = step.batch
        given = {name: a.clone() for name, a in vars(batch).items()}
        self.report.calls += 1
        try:
            with time_limit(self.settings.time_limit):
                said = returned(self.call(handed(batch, self.arrays)))
        except Hang:
            return Failure(Kind.HANG, f"no answer within {self.settings.time_limit:g} seconds")
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return Failure(Kind.CRASH, crashed(error))
        for name, before in given.items():
            if name != "logits" and not bool((getattr(batch, name) == before).all()):
                return Failure(Kind.OVERWRITTEN, f"{name} was changed by the call")
        if said.shape != batch.logits.shape:
            return Failure(Kind.SHAPE, f"it returned {tuple(said.shape)} for logits {tuple(batch.logits.shape)}")
        return said.double().numpy()

    def _distribution(self, said: Array) -> Array:
        """[V] what a row of the answer means; NaN where it is no distribution."""
        if self.kept.gives is Gives.PROBS:
            return said
        with np.errstate(all="ignore"):
            return softmax(said)

    def _wrong(self, case: Requests, step: Step, answer: Array) -> bool:
        """Compare every position; the first one that differs is a finding."""
        first, rows = None, set()
        for b, row in enumerate(step.right):
            stages = ", ".join(step.requests[b].parameters.active) or "nothing"
            for i, right in enumerate(row):
                found = self._distribution(answer[b, i])
                away = float(abs(found - right).sum() / 2) if np.isfinite(found).all() else np.inf
                leaks = np.isfinite(away) and bool((found[right == 0] > LEAKS).any())
                self.worst[stages] = max(self.worst.get(stages, 0.0), min(away, 1.0))
                self.positions[stages] = self.positions.get(stages, 0) + 1
                if not away < TOLERANCE or leaks:
                    rows.add(b)
                    first = first or (b, i, found, away, leaks)
        if first is None:
            return False
        b, i, found, away, leaks = first
        request = step.requests[b]
        where = (
            f"on {case.name!r}, step {step.step}, row {b} ({request.parameters}; {len(request.output)} tokens put out)"
            f"{f', after {i} of its drafts' if i else ''}"
        )
        right_rows = sorted(set(range(len(step.right))) - rows)
        others = f"; wrong at this step: {_rows(sorted(rows))}; right: {_rows(right_rows)}"
        if not np.isfinite(away):
            self._find(Level.BOUNDARY, Kind.NAN_ROW, f"{where}: it gives no distribution{others}", case)
        elif leaks and away < TOLERANCE:
            token = int(np.flatnonzero((step.right[b][i] == 0) & (found > LEAKS))[0])
            text = f"{where}: token {token} is out, and gets probability {found[token]:.3g}{others}"
            self._find(Level.BOUNDARY, Kind.IMPOSSIBLE_TOKEN, text, case)
        else:
            why = explained(step, b, i, found, TOLERANCE)
            text = f"{where}: the processed distribution is {away:.3g} away from the exact one{why}{others}"
            self._find(Level.EXACT, Kind.BIAS, text, case, away)
        return True

    def _find(self, level: Level, kind: Kind, text: str, case: Requests, distance: float | None = None) -> None:
        saved = {"requests": case.document()}
        self.report.findings.append(Finding(level, kind, text, True, distance, saved, problem=case.name))

    def note(self, done: Sequence[Requests], left: int) -> None:
        """The rows of the report, its level and its coverage."""
        report, nan = self.report, float("nan")
        report.level, report.levels = "level 1: the exact processed distributions", [Level.BOUNDARY, Level.EXACT]
        report.smallest_caught = TOLERANCE
        report.scope = " of a processed distribution"
        for stages, worst in sorted(self.worst.items()):
            title = f"rows with {stages}, {self.positions[stages]:,} positions"
            report.rows.append(Row(title, Level.EXACT, worst, worst, nan, nan))
        shapes = {
            f"{case.rows} rows over {case.steps} steps{f' with up to {case.drafts} drafts' if case.drafts else ''}"
            for case in done
        }
        coverage = report.coverage = Coverage(
            problems=len(done), sizes=sorted({case.vocabulary for case in done}), not_reached=left,
            batches=sorted(shapes, key=lambda text: int(text.split()[0])),
        )  # fmt: skip
        note_code(report, coverage, self.watcher)


def _rows(rows: Sequence[int]) -> str:
    named = ", ".join(map(str, rows[:NAMED]))
    if not rows:
        return "no row"
    return f"row{'s' if len(rows) > 1 else ''} {named}" + (
        f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    )
