"""Whole engines: tiny pairs, joint distributions, the matrix of settings, and the command."""

import json
import os
import random
import time
from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known import known
from typer.testing import CliRunner, Result

from spechub_lp.cli.app import app
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.clock import chosen, now
from spechub_lp.gate.generation import settings
from spechub_lp.gate.generation.ask import Failed
from spechub_lp.gate.generation.compare import distance, first_difference
from spechub_lp.gate.generation.draws import check_draws, check_seeds
from spechub_lp.gate.generation.exact import Limits, check_exact
from spechub_lp.gate.generation.joint import END, Computed, joint_distribution
from spechub_lp.gate.generation.pair import TinyPair, make_pair, read_pair, write_pair
from spechub_lp.gate.generation.requests import Failure, NotOffered, Params, read_answer
from spechub_lp.gate.generation.results import Verdict
from spechub_lp.gate.generation.run import Named
from spechub_lp.gate.results import Kind
from spechub_lp.report import schemas

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return known(write_pair(make_pair(3), tmp_path_factory.mktemp("pair")).folder)


@pytest.mark.slow
def test_the_manifest_has_what_transformers_computes(folder: Path) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    manifest = json.loads((folder / "manifest.json").read_text())
    jsonschema.validate(manifest, schemas.of("tiny-pair"))
    for name in ("target", "draft"):
        model = transformers.AutoModelForCausalLM.from_pretrained(known(folder) / name)
        for row in manifest["distributions"][::97]:
            with torch.inference_mode():
                logits = model(torch.tensor([row["context"]])).logits[0, -1]
            assert np.abs(logits.softmax(-1).numpy() - row[name]).max() < 1e-6


def test_distributions_depend_on_all_tokens_before() -> None:
    pair = make_pair(4)
    away = [
        np.abs(pair.target_distribution((a, 1, 2)) - pair.target_distribution((b, 1, 2))).sum() / 2
        for a, b in combinations(range(4), 2)
    ]
    assert np.mean(away) > 0.05


@pytest.mark.parametrize("wanted", [0, 0.1, 0.3])
def test_the_draft_is_as_far_as_asked(wanted: float) -> None:
    pair = make_pair(5, distance=wanted)
    assert pair.distance == pytest.approx(wanted, abs=1e-3)
    assert (pair.target is pair.draft) == (wanted == 0)


@pytest.mark.parametrize(
    "wrong", [{"vocabulary": 2}, {"vocabulary": 65}, {"distance": 0.99}, {"distance": -1}, {"layers": 0}]
)
def test_what_is_no_pair_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecHubError, match=next(iter(wrong))):
        make_pair(**wrong)


@pytest.mark.slow
def test_own_tokens_say_the_same_text(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = write_pair(make_pair(5, own_tokens=True), tmp_path / "pair").folder
    one, other = (transformers.AutoTokenizer.from_pretrained(known(folder) / name) for name in ("target", "draft"))
    for tokens in product(range(5), repeat=3):
        text = one.decode(list(tokens))
        assert one(text).input_ids == list(tokens)
        assert other.decode(other(text).input_ids) == text
    assert len(other("abcd").input_ids) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "verdict"), [("universal", "failed"), ("universal_in_order", "exact")])
def test_the_order_of_the_drafts_words_is_fixed(tmp_path: Path, variant: str, verdict: str) -> None:
    """validation/upstream/transformers_universal.md, 1."""
    pytest.importorskip("transformers")
    from spechub_lp.gate.generation.engines.transformers import Transformers

    pair = write_pair(make_pair(3, seed=1, own_tokens=True), tmp_path / "pair")
    engine = Transformers(known(pair.folder), variant)
    row = check_exact(engine, pair, settings.find("sampling"), drafts=1, tokens=2, limits=Limits(600, 60))
    assert row.verdict == verdict, row


def test_a_pair_is_read_as_it_was_written_and_no_other(folder: Path, tmp_path: Path) -> None:
    pair = write_pair(make_pair(3, seed=1), tmp_path)
    again = read_pair(tmp_path)
    assert (again.seed, again.distance) == (1, pair.distance)
    (tmp_path / "draft" / "model.safetensors").write_bytes((folder / "draft" / "model.safetensors").read_bytes())
    with pytest.raises(SpecHubError, match="is not what it was"):
        read_pair(tmp_path)
    with pytest.raises(SpecHubError, match="tiny-pair"):
        read_pair(tmp_path / "target")
    (tmp_path / "other").touch()
    with pytest.raises(SpecHubError, match="other"):
        write_pair(pair, tmp_path)


# -- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([[0, 1, 3]], "outside the vocabulary"),
        ([[0, 1, 1, 1]], "at most 3"),
        ([[0, 1]], "nothing ends a text"),
        ([[]], "without tokens"),
        ([[0, 1, 0.5]], "no token id"),
        ([], "0 completions"),
        (None, "no list"),
        ([([0, 1, 2], [-0.1])], "1 log-probabilities for 3"),
    ],
)
def test_a_strange_answer_is_said(answer: Any, says: str) -> None:
    failure = read_answer(answer, 1, Params(), 3)
    assert isinstance(failure, Failure)
    assert says in failure.message


def test_answers_come_as_lists_pairs_or_arrays() -> None:
    both = read_answer([np.array([0, 1, 2]), ([0, 1, 2], [-1.0, -2.0, -3.0])], 1, Params(n=2), 3)
    assert not isinstance(both, Failure)
    assert [part.tokens for part in both] == [(0, 1, 2)] * 2
    assert both[1].logprobs == (-1.0, -2.0, -3.0)


# -- joint distributions ---------------------------------------------------------------------------------------------


class Coins:
    """Tokens by thresholds on torch's uniforms."""

    name, controlled = "coins", True

    def __init__(self, share: float = 0.3) -> None:
        self.share = share

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
        import torch

        tokens = [int(torch.rand(()) < 0.3)]
        tokens.append(int(torch.rand(()) < (self.share if tokens[0] else 0.5)))
        return [[*tokens, 2]]


class Shorter:
    """Its first answer ends one token earlier in company."""

    name, controlled, seeded = "shorter", False, True

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
        return [[0, 2]] * len(prompts) if len(prompts) > 1 else [[0, 2, 2]]


def test_an_answer_that_is_the_beginning_of_another_depends_on_its_company() -> None:
    row = check_seeds(Shorter(), make_pair(3), settings.find("end token"), 2, 3, Limits())
    assert row.verdict == Verdict.FAILED
    assert "seed 0, position 2: (0, 2, 2) alone and (0, 2) in a batch of 3" in row.message


def coins(share: float = 0.3) -> Computed:
    return joint_distribution(Coins(share), [(0,)], Params(), 3, seconds=5)


def test_the_joint_distribution_is_computed() -> None:
    chances = coins().chances
    assert chances[((1, 1, 2),)] == pytest.approx(0.09, abs=1e-7)
    assert sum(chances.values()) == pytest.approx(1)


def test_a_threshold_behind_a_product_is_found_in_few_calls() -> None:
    class Scaled(Coins):
        def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
            import torch

            first = bool(torch.rand(()) * 0.7 < 0.7 * 0.3)
            return [[int(first), int(torch.rand(()) / 0.9 < (0.3 if first else 0.5) / 0.9), 2]]

    found = joint_distribution(Scaled(), [(0,)], Params(), 3, seconds=5)
    assert found.chances[((1, 1, 2),)] == pytest.approx(0.09, abs=3e-7)
    assert found.calls < 2 * coins().calls


@pytest.mark.parametrize("threshold", [0.0, 0.3])
def test_numbers_that_have_nothing_to_do_with_a_uniform_cost_no_calls(threshold: float) -> None:
    class Filters(Coins):
        def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
            import torch

            accepted = bool(torch.rand(()) <= threshold)
            kept = torch.tensor([0.4, 0.5, 0.1]).cumsum(0) < torch.tensor([0.4000001, 0.9000001, 1.0000002])
            after = bool(torch.rand(()) * 0.7 <= 0.7 * (threshold if accepted else 0.5))
            return [[int(accepted), int(after), int(kept.all())]]

    found = joint_distribution(Filters(), [(0,)], Params(), 3, seconds=5, deadline=now() + 60)
    assert found.chances[((1, 1, 1),)] == pytest.approx(threshold**2, abs=2e-7)
    assert found.calls < 3 * coins().calls


def test_the_first_difference_is_named() -> None:
    one, two = coins().chances, coins(0.4).chances
    where = known(first_difference(one, two, 1e-6))
    assert (where.position, where.context, where.token in (0, 1)) == (1, (1,), True)
    assert distance(one, two) == pytest.approx(0.03, abs=1e-6)
    assert first_difference(one, coins().chances, 1e-6) is None


def test_an_end_that_comes_too_early_is_a_difference() -> None:
    where = known(first_difference({((0, 1),): 1.0}, {((0,),): 0.5, ((0, 1),): 0.5}, 1e-6))
    assert (where.position, where.context, where.distance) == (1, (0,), 0.5)
    assert where.token in (END, 1)


def test_a_crash_under_some_noise_is_found() -> None:
    class Fragile(Coins):
        def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
            (tokens,) = super().__call__(prompts, params)
            if tokens[:2] == [1, 1]:
                raise RuntimeError("probability tensor contains nan")
            return [tokens]

    with pytest.raises(Failed, match="contains nan") as caught:
        joint_distribution(Fragile(), [(0,)], Params(), 3, seconds=5)
    assert caught.value.failure.kind == Kind.CRASH


class Rounds:
    """Draws plainly in either mode; in bfloat16, summed in another order when there are drafts."""

    name, controlled = "rounds", True

    def __init__(self, pair: TinyPair, dtype: str, wrong: float = 0.0) -> None:
        self.pair, self.dtype, self.wrong = pair, dtype, wrong

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
        import torch

        text = list(prompts[0])
        for _ in range(params.max_tokens):
            logits = torch.from_numpy(np.log(self.pair.target_distribution(text))) + (0.37 if params.drafts else 0)
            p = logits.to(getattr(torch, self.dtype)).double().softmax(-1)
            p[0] *= 1 + self.wrong * bool(params.drafts)
            text.append(int(torch.multinomial(p, 1)))
        return [text[len(prompts[0]) :]]


@pytest.mark.parametrize(
    ("dtype", "wrong", "verdict", "says"),
    [
        ("float32", 0, Verdict.EXACT, ""),
        ("bfloat16", 0, Verdict.INCONCLUSIVE, "gate it in float32"),
        ("float32", 1e-3, Verdict.FAILED, "position 0"),
        ("bfloat16", 0.1, Verdict.FAILED, "position 0"),
    ],
)
def test_what_an_engine_rounds_is_not_called_wrong(dtype: str, wrong: float, verdict: Verdict, says: str) -> None:
    pair = make_pair(3)
    row = check_exact(Rounds(pair, dtype, wrong), pair, settings.PLAIN, 2, 2, Limits(60, 10))
    assert (row.verdict, says in row.message) == (verdict, True), row


class StandsStill(Coins):
    """The machine stops once, or the engine each time."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times, self.calls = times, 0

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
        self.calls += 1
        if 5 <= self.calls < 5 + self.times:
            time.sleep(60)
        return super().__call__(prompts, params)


def test_what_looks_like_a_hang_is_looked_at_twice() -> None:
    found = joint_distribution(StandsStill(1), [(0,)], Params(), 3, seconds=0.05)
    assert found.chances == coins().chances
    with pytest.raises(Failed, match="no answer within"):
        joint_distribution(StandsStill(100), [(0,)], Params(), 3, seconds=0.05)


class OneAtATime:
    """Noise that nobody controls, one completion a request, and a distribution of its own."""

    name, controlled = "one at a time", True

    def __init__(self, wrong: float) -> None:
        self.wrong = wrong

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
        if params.n > 1 and params.drafts:
            raise NotOffered("one completion at a time")
        uniform = memoryview(os.urandom(8 * params.n)).cast("Q")
        return [[int(u / 2**64 < 0.3 + self.wrong * bool(params.drafts)), 1, 2] for u in uniform]


@pytest.mark.parametrize(("wrong", "verdict"), [(0, Verdict.WITHIN), (0.2, Verdict.FAILED)])
def test_an_engine_is_held_against_its_own_plain_decoding(wrong: float, verdict: Verdict) -> None:
    row = check_draws(OneAtATime(wrong), make_pair(3), settings.PLAIN, 2, 3, Limits(60, 10, 0.15, 20_000))
    assert row.verdict == verdict, row


@pytest.mark.parametrize(("setting", "name"), [
    ("greedy", "greedy"), ("masked token + temperature 0.6", "masked and temperature"), ("max tokens 1", ""),
])  # fmt: skip
def test_an_argument_that_is_ignored_is_no_pass(setting: str, name: str) -> None:
    pair = make_pair(3)

    def generate(prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
        return [[random.choices(range(3), pair.target_distribution(prompt).tolist())[0]] for prompt in prompts]

    row = check_exact(Named(generate, "ignores"), pair, settings.find(setting), drafts=1, tokens=1, limits=Limits())
    assert row.verdict == (Verdict.NOT_OFFERED if name else Verdict.EXACT), row
    assert name in row.message


def test_the_budget_can_be_processor_time() -> None:
    limits = Limits(seconds=0.3, time_limit=10, distance=0.001, clock="cpu")
    with chosen(limits.clock):
        row = check_draws(OneAtATime(0), make_pair(3), settings.PLAIN, 2, 3, limits)
    assert row.verdict == Verdict.INCONCLUSIVE
    assert "the time ended" in row.message


# -- the matrix ------------------------------------------------------------------------------------------------------


def test_groups_hold_every_pair_that_goes_together() -> None:
    groups = [set(group.name.split(" + ")) for group in settings.pairwise()]
    assert max(map(len, groups)) <= settings.WIDTH
    for a, b in combinations(settings.FACTORS, 2):
        held = any({a.name, b.name} <= group for group in groups)
        assert held == settings.go_together(a, b)


def test_groups_of_settings_are_found_by_name() -> None:
    found = settings.find("top-k 2 + end token").params(2)
    assert (found.top_k, found.end_tokens, found.drafts) == (2, (2,), 2)
    with pytest.raises(SpecHubError, match="Did you mean 'greedy'"):
        settings.find("greeedy")


# -- the command -----------------------------------------------------------------------------------------------------


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.slow
def test_the_command_computes_transformers(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    rows, out = tmp_path / "rows.json", tmp_path / "out.json"
    ask = (
        "gate-engine",
        "transformers",
        "--pair",
        folder,
        "--setting",
        "bad words",
        "--setting",
        "processor with state",
        "--tokens",
        2,
        "--seconds",
        300,
    )
    result = run(*ask, "--resume", rows, "--json", out, "--html", tmp_path / "page.html")
    assert result.exit_code == 1, result.output
    document = json.loads(out.read_text())
    jsonschema.validate(document, schemas.of("gate-engine"))
    good, bad = (row for row in document["rows"] if row["check"] == "joint distribution")
    assert {row["verdict"] for row in document["rows"] if row["check"] != "joint distribution"} == {"not offered"}
    assert (good["verdict"], bad["verdict"]) == ("exact", "failed")
    assert good["distance"] < 1e-6 < bad["distance"]
    assert "position 0 right behind the prompt" in bad["message"]
    page = (tmp_path / "page.html").read_text()
    assert "processor with state" in page
    assert run(*ask, "--resume", rows, "--markdown", tmp_path / "out.md").exit_code == 1
    assert "| bad words | exact |" in (tmp_path / "out.md").read_text()
    assert run(*ask, "--resume", rows, "--tokens", 3).exit_code != 0


def test_the_command_says_what_is_misuse(folder: Path, tmp_path: Path) -> None:
    for arguments in (
        ("gate-engine", "transfomers", "--pair", folder),
        ("gate-engine", "transformers", "--pair", tmp_path),
        ("gate-engine", "transformers", "--pair", folder, "--setting", "nothing"),
        ("gate-engine", "transformers", "--pair", folder, "--clock", "sun"),
        ("tiny-pair", "--out", tmp_path / "pair", "-V", "2"),
    ):
        result = run(*arguments)
        assert isinstance(result.exception, SpecHubError | SystemExit)
        assert result.exit_code != 0
