"""Two reports of the gate beside each other: what got worse is told by the exit code, and nothing else is."""

import json
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from spechub_lp import SpecHubError
from spechub_lp.cli.app import app
from spechub_lp.cli.terminal import about
from spechub_lp.gate.generation.changes import engine_changes
from spechub_lp.gate.generation.results import EngineReport, Verdict
from spechub_lp.gate.generation.results import Row as Check
from spechub_lp.gate.report_changes import Effect, changes
from spechub_lp.gate.results import Finding, Kind, Level, Report, Row
from spechub_lp.gate.serialize import compare
from spechub_lp.report import schemas


def report(
    acceptance: float = 0.8, distance: float = 0.0, level: Level = Level.EXACT, bound: float = 0.0, name: str = "ties"
) -> Report:
    rows = [Row(name, level, distance, bound, acceptance, 0.9)]
    return Report("m:verify", "node", "iid", 2, rows, smallest_caught=1e-6, levels=[level])


def failing(
    kind: Kind = Kind.BIAS, proof: bool = True, problem: str = "ties", acceptance: float = 0.8, distance: float = 0.0
) -> Report:
    found = report(acceptance, distance)
    found.findings.append(Finding(Level.EXACT, kind, f"on {problem!r} it is 0.1 away", proof, problem=problem))
    return found


def unsure() -> Report:
    found = report()
    found.inconclusive.append("too few draws")
    return found


def drawn(acceptance: float) -> Report:
    return report(acceptance, level=Level.DRAWS, bound=0.02)


@pytest.mark.parametrize(
    ("old", "new", "code", "told"),
    [
        (report(), report(), 0, []),
        (report(), failing(), 1, ["verdict", "finding: bias on 'ties'"]),
        (failing(), failing(), 0, []),
        (failing(), failing(Kind.CRASH), 1, ["finding: crash on 'ties'", "finding: bias on 'ties'"]),
        (failing(), failing(problem="one token"), 1, ["finding: bias on 'one token'", "finding: bias on 'ties'"]),
        (failing(), report(), 0, ["verdict", "finding: bias on 'ties'"]),
        (report(), failing(Kind.NOTE, proof=False), 0, ["finding: note on 'ties'"]),
        (failing(proof=False), failing(), 1, ["verdict", "finding: bias on 'ties'"]),
        (report(), unsure(), 3, ["verdict"]),
        (unsure(), report(), 0, ["verdict"]),
        (unsure(), failing(), 1, ["verdict", "finding: bias on 'ties'"]),
        (report(), report(0.79), 1, ["accepts on 'ties'"]),
        (report(0.79), report(), 0, ["accepts on 'ties'"]),
        (report(), report(0.8 - 1e-9), 0, []),
        (report(), drawn(0.79), 0, ["known on 'ties'"]),
        (report(), drawn(0.7), 1, ["accepts on 'ties'", "known on 'ties'"]),
        (report(), report(distance=0.01), 1, ["distance on 'ties'"]),
        (report(0.95, 0.1), report(), 0, ["accepts on 'ties'", "distance on 'ties'"]),
        (failing(acceptance=0.95), report(), 0, ["verdict", "finding: bias on 'ties'", "accepts on 'ties'"]),
        (report(), report(name="other"), 0, ["problems no longer measured", "problems not measured before"]),
    ],
)
def test_what_got_worse_is_told(old: Report, new: Report, code: int, told: list[str], tmp_path: Path) -> None:
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    documents = [json.loads(json.dumps(one.document())) for one in (old, new)]
    for path, document in zip(paths, documents, strict=True):
        path.write_text(json.dumps(document))
    found = changes(*documents)
    assert [change.what for change in found.changes] == told
    markdown = tmp_path / "changes.md"
    files = ["--markdown", str(markdown), "--json", str(tmp_path / "changes.json")]
    done = CliRunner().invoke(app, ["compare-reports", *map(str, paths), *files])
    assert done.exit_code == found.exit_code == code
    written = json.loads((tmp_path / "changes.json").read_text())
    jsonschema.validate(written, schemas.of("compare-reports"))
    assert [change["what"] for change in written["changes"]] == told
    assert found.verdict in done.output
    assert all(what in done.output and what in markdown.read_text() for what in told)


def test_what_a_lossy_rule_accepts_is_nothing_to_hold_others_to() -> None:
    """Neither as an old report nor as a baseline; and to accept more by being lossy is not better."""
    lossy, lossless = (json.loads(json.dumps(one.document())) for one in (report(0.95, 0.1), report()))
    now = report()
    compare(now, lossy, "base.json")
    assert now.findings == []
    found = {change.what: change.effect for change in changes(lossless, lossy).changes}
    assert found == {"accepts on 'ties'": Effect.OTHER, "distance on 'ties'": Effect.WORSE}


def engine(*verdicts: Verdict, distance: float | None = None) -> EngineReport:
    limits = {"drafts": 2, "tokens": 3, "seconds": 1.0, "time_limit": 1.0, "distance": 0.05, "draws": 9}
    away = [distance if verdict == Verdict.FAILED else None for verdict in verdicts]
    rows = [Check(f"setting {n}", verdict, distance=away[n]) for n, verdict in enumerate(verdicts)]
    return EngineReport("m:Engine", rows=rows, settings=limits)


E, W, F, I, N = Verdict.EXACT, Verdict.WITHIN, Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.NOT_OFFERED  # noqa: E741


@pytest.mark.parametrize(
    ("old", "new", "code", "told"),
    [
        (engine(E), engine(E), 0, ""),
        (engine(E, W), engine(W, E), 0, ""),
        (
            engine(E, E),
            engine(E, F, distance=0.2),
            1,
            "WORSE  joint distribution with 'setting 1': exact -> failed, 0.2",
        ),
        (engine(F), engine(E), 0, "better joint distribution with 'setting 0': failed -> exact"),
        (
            engine(F, distance=0.1),
            engine(F, distance=0.2),
            1,
            "WORSE  joint distribution with 'setting 0': failed, 0.1",
        ),
        (engine(F, distance=0.2), engine(F, distance=0.1), 0, "better joint distribution"),
        (engine(E), engine(I), 3, "-      joint distribution with 'setting 0': exact -> inconclusive"),
        (engine(F, E), engine(F, I), 3, "exact -> inconclusive"),
        (engine(I), engine(F), 1, "inconclusive -> failed"),
        (engine(E, E), engine(E, N), 0, "exact -> not offered"),
        (engine(E, E), engine(E), 0, "checks no longer made: 1 -> 0"),
        (engine(E), engine(E, F), 1, "checks not made before: 0 -> 1"),
    ],
)
def test_reports_of_whole_engines(old: EngineReport, new: EngineReport, code: int, told: str, tmp_path: Path) -> None:
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    documents = [json.loads(json.dumps({**about("gate-engine"), **one.document()})) for one in (old, new)]
    for path, document in zip(paths, documents, strict=True):
        path.write_text(json.dumps(document))
    done = CliRunner().invoke(app, ["compare-reports", *map(str, paths)])
    assert done.exit_code == engine_changes(*documents).exit_code == code, done.output
    assert told in done.output


def test_what_is_no_report_is_misuse(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(report().document()))
    bad.write_text(json.dumps({"schema": "spechub-gate-2", "problems": []}))
    other = tmp_path / "engine.json"
    other.write_text(json.dumps({**about("gate-engine"), **engine(E).document()}))
    for path, told in (
        (bad, "lacks 'status'"), (tmp_path / "none.json", "cannot read"), (other, "give two of the same command"),
    ):  # fmt: skip
        error = CliRunner().invoke(app, ["compare-reports", str(good), str(path)]).exception
        assert isinstance(error, SpecHubError)
        assert error.exit_code == 2
        assert told in str(error)
