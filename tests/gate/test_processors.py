"""Logits processors over several steps: wrong ones fail with row and step named, right ones that look odd pass."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from spechub_lp.cli.app import app
from spechub_lp.cli.terminal import about
from spechub_lp.errors import SpecHubError
from spechub_lp.gate import check_processor
from spechub_lp.gate.processors.exact import Position, Processing, processed
from spechub_lp.gate.processors.protocol import Kept, Stage, StepBatch
from spechub_lp.gate.processors.requests import Requests
from spechub_lp.gate.results import Report
from spechub_lp.gate.serialize import case_document
from spechub_lp.report.html.page import page
from spechub_lp.report.text.gate_summary import junit, markdown
from spechub_lp.report.text.gate_table import text

CASES = [
    Requests("few", 7, rows=8, steps=7, drafts=0, seed=1),
    Requests("drafted", 7, rows=8, steps=7, drafts=3, seed=2),
    Requests("wide", 40, rows=9, steps=2, drafts=3, seed=3),
]


class Right:
    """Vectorized, in float32 torch, in the order of vLLM."""

    protocol, drafts = "processor", 3

    def __call__(self, batch: StepBatch) -> Any:
        rows = [[self.position(batch, b, i) for i in range(batch.logits.shape[1])] for b in range(len(batch.request))]
        return torch.stack([torch.stack(row) for row in rows])

    def position(self, batch: StepBatch, b: int, i: int) -> torch.Tensor:
        x = batch.logits[b, i].clone()
        if torch.isnan(x).any():
            return x
        x = x.masked_fill(~self.allowed(batch, b, i), -torch.inf)
        x = self.penalties(x, batch, b, i)
        return self.cut(x, batch, b)

    def allowed(self, batch: StepBatch, b: int, i: int) -> torch.Tensor:
        return batch.allowed[b, i]

    def counts(self, batch: StepBatch, b: int, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """How often each token stands in the prompt, and in what was put out and drafted before position i."""
        return self.count(batch, batch.prompt[b]), self.count(batch, torch.cat([batch.output[b], batch.drafted[b, :i]]))

    def count(self, batch: StepBatch, tokens: torch.Tensor) -> torch.Tensor:
        return torch.bincount(tokens[tokens >= 0], minlength=batch.logits.shape[2])

    def penalties(self, x: torch.Tensor, batch: StepBatch, b: int, i: int) -> torch.Tensor:
        prompt, output = self.counts(batch, b, i)
        r = batch.repetition_penalty[b]
        x = torch.where(prompt + output > 0, torch.where(x > 0, x / r, x * r), x)
        return x - batch.frequency_penalty[b] * output - batch.presence_penalty[b] * (output > 0)

    def cut(self, x: torch.Tensor, batch: StepBatch, b: int) -> torch.Tensor:
        return self.top_p(self.top_k(self.min_p(self.temperature(x, batch, b), batch, b), batch, b), batch, b)

    def temperature(self, x: torch.Tensor, batch: StepBatch, b: int) -> torch.Tensor:
        t = float(batch.temperature[b])
        return x / t if t > 0 else torch.where(x == x.max(), x, -torch.inf)

    def min_p(self, x: torch.Tensor, batch: StepBatch, b: int) -> torch.Tensor:
        p = x.softmax(0)
        return x.masked_fill(p < batch.min_p[b] * p.max(), -torch.inf)

    def top_k(self, x: torch.Tensor, batch: StepBatch, b: int) -> torch.Tensor:
        k = int(batch.top_k[b])
        return x.masked_fill(x < x.topk(k).values[-1], -torch.inf) if k else x

    def top_p(self, x: torch.Tensor, batch: StepBatch, b: int) -> torch.Tensor:
        if batch.top_p[b] >= 1:
            return x
        order = x.argsort(descending=True)
        p = x[order].softmax(0)
        gone = p.cumsum(0) - p >= batch.top_p[b]
        return x.masked_fill(torch.zeros_like(gone).scatter(0, order, gone), -torch.inf)


class RowZeroOnly(Right):
    def position(self, batch: StepBatch, b: int, i: int) -> torch.Tensor:
        return super().position(batch, b, i) if b == 0 else batch.logits[b, i]


class ForgetsStepTwo(Right):
    step = -1

    def __call__(self, batch: StepBatch) -> Any:
        self.step = 0 if batch.output.shape[1] == 0 else self.step + 1
        return batch.logits if self.step == 2 else super().__call__(batch)


class TopPBeforeTemperature(Right):
    def cut(self, x: torch.Tensor, batch: StepBatch, b: int) -> torch.Tensor:
        return self.top_k(self.min_p(self.temperature(self.top_p(x, batch, b), batch, b), batch, b), batch, b)


class CountsOfTheNeighbour(Right):
    def counts(self, batch: StepBatch, b: int, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        other = (b + 1) % len(batch.request)
        return super().counts(batch, other, min(i, int((batch.drafted[other] >= 0).sum())))


class MaskOfTheRowAbove(Right):
    def allowed(self, batch: StepBatch, b: int, i: int) -> torch.Tensor:
        row = batch.allowed[b - 1, i]
        return row if row.any() else batch.allowed[b - 1, 0]


class MaskOfTheFirstPosition(Right):
    def allowed(self, batch: StepBatch, b: int, i: int) -> torch.Tensor:
        return batch.allowed[b, 0]


class CountsByTheRow(Right):
    """What a row has counted goes on counting when another request takes it."""

    def __init__(self) -> None:
        self.kept: dict[int, list[int]] = {}

    def __call__(self, batch: StepBatch) -> Any:
        for b in range(len(batch.request)):
            said = [t for t in batch.output[b].tolist() if t >= 0]
            known = self.kept.setdefault(b, [])
            self.kept[b] = known + said[len(said) - 1 :] if len(said) else known
        return super().__call__(batch)

    def counts(self, batch: StepBatch, b: int, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.count(batch, batch.prompt[b]), self.count(batch, torch.tensor(self.kept[b], dtype=torch.int64))


class LastCommittedTwice(Right):
    def counts(self, batch: StepBatch, b: int, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        prompt, output = super().counts(batch, b, i)
        said = batch.output[b][batch.output[b] >= 0]
        return prompt, output + self.count(batch, said[-1:])


class LastDraftOnly(Right):
    def counts(self, batch: StepBatch, b: int, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        own = self.count(batch, torch.cat([batch.output[b], batch.drafted[b, max(0, i - 1) : i]]))
        return super().counts(batch, b, i)[0], own


class RejectedStay(Right):
    def __init__(self) -> None:
        self.drafted: dict[int, list[int]] = {}

    def __call__(self, batch: StepBatch) -> Any:
        answer = super().__call__(batch)
        self.drafted = {
            int(r): [t for t in row.tolist() if t >= 0] for r, row in zip(batch.request, batch.drafted, strict=True)
        }
        self.lengths = {int(r): int((row >= 0).sum()) for r, row in zip(batch.request, batch.output, strict=True)}
        return answer

    def counts(self, batch: StepBatch, b: int, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        prompt, output = super().counts(batch, b, i)
        request = int(batch.request[b])
        before = self.drafted.get(request, [])
        new = int((batch.output[b] >= 0).sum()) - self.lengths[request] - 1 if before else 0
        return prompt, output + self.count(batch, torch.tensor(before[new:], dtype=torch.int64))


class RowParametersAreStale(Right):
    """The parameters of the request that had the row first."""

    def __init__(self) -> None:
        self.first: dict[int, float] = {}

    def temperature(self, x: torch.Tensor, batch: StepBatch, b: int) -> torch.Tensor:
        t = self.first.setdefault(b, float(batch.temperature[b]))
        return x / t if t > 0 else torch.where(x == x.max(), x, -torch.inf)


class LeakyMask(Right):
    def position(self, batch: StepBatch, b: int, i: int) -> torch.Tensor:
        return super().position(batch, b, i).clamp(min=-23.0)


class ChangesTemperatures(Right):
    def __call__(self, batch: StepBatch) -> Any:
        answer = super().__call__(batch)
        batch.temperature.clamp_(min=1.0)
        return answer


def checked(processor: Any) -> Report:
    return check_processor(processor, cases=CASES)


WRONG = (
    (RowZeroOnly(), ("step 0, row 1", "without any processing", "right: row")),
    (ForgetsStepTwo(), ("step 2, row", "without any processing")),
    (TopPBeforeTemperature(), ("step 0", "row 6 (top_k 2, top_p 0.6", "top_p;")),
    (CountsOfTheNeighbour(), ("row", "counts of row")),
    (MaskOfTheRowAbove(), ("step 0, row 0 (masked;", "right: rows 2, 3, 4, 5")),
    (MaskOfTheFirstPosition(), ("after 1 of its drafts", "mask of its position 0")),
    (CountsByTheRow(), ("step", "")),
    (LastCommittedTwice(), ("step 1", "last committed token counts twice")),
    (LastDraftOnly(), ("after 2 of its drafts", "last drafted token alone")),
    (RejectedStay(), ("step 1", "rejected drafts of the step before count too")),
    (RowParametersAreStale(), ("step", "")),
    (LeakyMask(), ("is out, and gets probability", "row")),
    (ChangesTemperatures(), ("temperature was changed by the call", "step 3")),
)


@pytest.mark.parametrize(("processor", "says"), WRONG, ids=[type(processor).__name__ for processor, _ in WRONG])
def test_a_wrong_processor_fails_with_row_and_step(processor: Any, says: tuple[str, ...]) -> None:
    report = checked(processor)
    assert report.exit_code == 1
    assert any(all(words in f.message for words in says) for f in report.findings), report.findings


class InPlace(Right):
    """Overwrites the logits, masks with a large number, and leaves padding as it comes."""

    def __call__(self, batch: StepBatch) -> Any:
        batch.logits[:] = super().__call__(batch).nan_to_num(7.0, neginf=-3e38)
        return batch.logits


class Probabilities(Right):
    gives = "probs"

    def __call__(self, batch: StepBatch) -> Any:
        return super().__call__(batch).softmax(-1)


class ShiftedLogProbabilities(Right):
    def __call__(self, batch: StepBatch) -> Any:
        return super().__call__(batch).log_softmax(-1) + 5.0


class CountsByTheRequest(Right):
    """Keeps running counts under the request's number, and forgets those who left."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[int, torch.Tensor]] = {}

    def __call__(self, batch: StepBatch) -> Any:
        there = set(batch.request.tolist())
        self.kept = {request: known for request, known in self.kept.items() if request in there}
        for b, request in enumerate(batch.request.tolist()):
            said = batch.output[b][batch.output[b] >= 0]
            length, counts = self.kept.get(request, (0, torch.zeros(batch.logits.shape[2], dtype=torch.int64)))
            self.kept[request] = len(said), counts + self.count(batch, said[length:])
        return super().__call__(batch)

    def counts(self, batch: StepBatch, b: int, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        drafted = self.count(batch, batch.drafted[b, :i])
        return self.count(batch, batch.prompt[b]), self.kept[int(batch.request[b])][1] + drafted


class PromptCounts(Right):
    prompt_counts = True

    def penalties(self, x: torch.Tensor, batch: StepBatch, b: int, i: int) -> torch.Tensor:
        prompt, output = self.counts(batch, b, i)
        both, r = prompt + output, batch.repetition_penalty[b]
        x = torch.where(both > 0, torch.where(x > 0, x / r, x * r), x)
        return x - batch.frequency_penalty[b] * both - batch.presence_penalty[b] * (both > 0)


class AnotherOrder(TopPBeforeTemperature):
    stages = ("mask", "penalties", "top_p", "temperature", "min_p", "top_k")


class InNumpy:
    """Temperature and top-k in numpy, on one position."""

    protocol, arrays, stages = "processor", "numpy", ("temperature", "top_k")

    def __call__(self, batch: Any) -> Any:
        x = np.array(batch.logits[:, 0])
        for b, (t, k) in enumerate(zip(batch.temperature, batch.top_k, strict=True)):
            k = 1 if t == 0 else k or x.shape[1]
            x[b] = np.where(x[b] >= np.sort(x[b])[-k], x[b] / (t or 1.0), -np.inf)
        return x[:, None]


RIGHT = (
    Right(), InPlace(), Probabilities(), ShiftedLogProbabilities(), CountsByTheRequest(), PromptCounts(),
    AnotherOrder(),
)  # fmt: skip


@pytest.mark.parametrize("processor", RIGHT, ids=lambda p: type(p).__name__)
def test_right_processors_pass_however_they_do_it(processor: Any) -> None:
    report = checked(processor)
    assert report.status == "pass", text(report)
    assert 0 < report.distance < 1e-5


def test_numpys_arrays_and_one_position_at_a_time() -> None:
    report = check_processor(InNumpy(), cases=[replace(case, drafts=0) for case in CASES])
    assert report.status == "pass", text(report)
    assert {row.problem.partition(",")[0] for row in report.rows} <= {
        "rows with temperature",
        "rows with top_k",
        "rows with nothing",
    }


@pytest.mark.slow
def test_the_built_in_requests() -> None:
    report = check_processor(Right())
    assert report.status == "pass", text(report)
    assert report.coverage is not None
    assert report.coverage.not_reached == 0


def test_every_form_of_the_report_names_the_rows(tmp_path: Path) -> None:
    for processor, words in ((Right(), "rows with"), (RowZeroOnly(), "row 1")):
        report = checked(processor)
        document = json.loads(json.dumps(report.document()))
        for shown in (text(report), markdown(report), junit(report), page({**about("gate"), **document})):
            assert words in " ".join(shown.split())
    saved = case_document(report)
    assert saved["case"]["requests"]["name"] in [case.name for case in CASES]
    assert Requests.read(saved["case"]["requests"]) in CASES


def test_the_command_runs_and_reruns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "raw_logits.py").write_text(
        'class Raw:\n    protocol = "processor"\n    def __call__(self, batch):\n        return batch.logits\n'
    )
    words = ["gate", "raw_logits:Raw", "--case", "case.json", "--json", "report.json"]
    assert CliRunner().invoke(app, words).exit_code == 1
    again = CliRunner().invoke(app, ["gate", "--rerun", "case.json"])
    assert again.exit_code == 1
    assert "without any processing" in " ".join(again.output.split())


def test_the_exact_distribution_by_hand() -> None:
    logits = np.log([0.4, 0.3, 0.2, 0.1])
    at = Position(logits, Processing(temperature=0.5, top_p=0.8))
    assert processed(at, list(Stage))[0] == pytest.approx([16 / 25, 9 / 25, 0, 0])
    cold_first = processed(at, [Stage.TOP_P, Stage.TEMPERATURE])[0]
    assert cold_first == pytest.approx([16 / 29, 9 / 29, 4 / 29, 0])
    counted = Position(logits, Processing(repetition_penalty=2.0, frequency_penalty=1.0), (1,), (0, 0))
    x = np.array([2 * logits[0] - 2, 2 * logits[1], logits[2], logits[3]])
    assert processed(counted, list(Stage))[0] == pytest.approx(np.exp(x) / np.exp(x).sum())


def test_misuse_is_named() -> None:
    class Odd(Right):
        stages: Any = ("temprature",)

    with pytest.raises(SpecHubError, match="stages are"):
        check_processor(Odd())
    with pytest.raises(SpecHubError, match="no logits processor"):
        check_processor(lambda p, q, drafts: (0, -1))
    assert Kept.of(Right()).drafts == 3
