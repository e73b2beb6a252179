"""Progress: from before the first part is done, in one line that no terminal cuts."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spechub_lp import audit
from spechub_lp._util import resources
from spechub_lp.cli.terminal import ProgressBar
from spechub_lp.gate.generation.plan import JOINT, Plan
from spechub_lp.gate.generation.settings import find


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("thread", [False, True])
def test_a_long_description_gives_way_to_the_numbers(
    columns: int, thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = Terminal()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    with ProgressBar(thread) as report:
        report(f"mykernel:verify on {'q is p ' * 20}reversed, 1,542 calls; seconds", 17, 120)
        drawn = stderr.getvalue()
    lines = [line for line in re.split(r"[\r\n]", re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", drawn)) if "mykernel" in line]
    assert lines
    for line in lines:
        assert len(line) <= columns
        assert re.search(r"… *[^…]*seconds *\S+ +\d+/120 +\d:\d\d:\d\d (gone|left)$", line.rstrip()), line


def _evaluate(progress: Any) -> None:
    evaluation = pytest.importorskip("spechub_lp.evaluate.evaluate")
    plan = evaluation.Plan(samplers=("naive",), positions=1, exact_every=0)
    evaluation.evaluate(resources.path("captured/austen"), plan, 1, progress)


def _gate_engine(progress: Any) -> None:
    from spechub_lp.gate.generation.pair import make_pair, write_pair
    from spechub_lp.gate.generation.run import gate_engine

    write_pair(make_pair(), Path("pair"))
    Path("one_answer.py").write_text("def generate(prompts, params):\n    return [[0] for _ in prompts]\n")
    gate_engine("one_answer:generate", Path("pair"), Plan((find("max tokens 1"),), checks=(JOINT,)), progress=progress)


@pytest.mark.parametrize(
    "work",
    [
        lambda progress: audit.run(1, 0, 0, jobs=1, samplers=["naive"], progress=progress),
        _evaluate,
        _gate_engine,
    ],
    ids=["audit", "evaluate", "gate-engine"],
)
def test_progress_is_told_before_anything_is_done(
    work: Callable[[Any], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    said: list[tuple[str, int, int]] = []
    work(lambda *what: said.append(what))
    assert said
    assert said[0][1] == 0 < said[0][2]
