"""Two reports of the gate beside each other: what got worse is told by the exit code, and nothing else is."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spechub_lp import SpecHubError
from spechub_lp.cli.app import app
from spechub_lp.gate.report_changes import changes
from spechub_lp.gate.results import Finding, Kind, Level, Report, Row


def report(
    acceptance: float = 0.8, distance: float = 0.0, level: Level = Level.EXACT, bound: float = 0.0, name: str = "ties"
) -> Report:
    rows = [Row(name, level, distance, bound, acceptance, 0.9)]
    return Report("m:verify", "node", "iid", 2, rows, smallest_caught=1e-6, levels=[level])


def failing(kind: Kind = Kind.BIAS, proof: bool = True, problem: str = "ties") -> Report:
    found = report()
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
    done = CliRunner().invoke(app, ["compare-reports", *map(str, paths), "--markdown", str(markdown)])
    assert done.exit_code == found.exit_code == code
    assert found.verdict in done.output
    assert all(what in done.output and what in markdown.read_text() for what in told)


def test_what_is_no_report_is_misuse(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(report().document()))
    bad.write_text(json.dumps({"schema": "spechub-gate-2", "problems": []}))
    for path, told in ((bad, "lacks 'status'"), (tmp_path / "none.json", "cannot read")):
        error = CliRunner().invoke(app, ["compare-reports", str(good), str(path)]).exception
        assert isinstance(error, SpecHubError)
        assert error.exit_code == 2
        assert told in str(error)
