"""`gate --logits`: captured rows as instances, on their top tokens and at full vocabulary; what only they can show."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from crashing_engines import CrashesOnWideRows
from gate_chains import Chain, RowOfTheParent, Seeded, Siblings
from gate_mutants import MUTANTS, Mutant, less_or_equal, rrs, rrsw, target_lookup
from node_rules import Answer
from places import ROOT
from typer.testing import CliRunner, Result

from spechub_lp import distributions
from spechub_lp import drafts as policies
from spechub_lp._util import resources
from spechub_lp.capture import store
from spechub_lp.cli.gate import gate
from spechub_lp.errors import SpecHubError
from spechub_lp.gate import Finding, check_node, check_tree
from spechub_lp.gate.adapters import spechub, transformers
from spechub_lp.gate.checks.wide import drafter
from spechub_lp.gate.problems.captured import captured, sha256_of
from spechub_lp.gate.problems.captured_rows import WideRow
from spechub_lp.gate.problems.hard_positions import KINDS
from spechub_lp.gate.protocols import Emitted, TreeBatch
from spechub_lp.gate.results import Report
from spechub_lp.gate.serialize import case_document
from spechub_lp.gate.settings import Logits, Settings
from spechub_lp.gate.statistics.token_sets import ACCEPTED, Watch, radius
from spechub_lp.report.text.gate_table import text

AUSTEN = resources.path("captured/austen")
SMOLLM2 = resources.path("captured/smollm2.safetensors")
V = 49152

EXACT = Settings(levels=(0, 1), seconds=60, clock="cpu")
LONG = 2**15
"""Where the engines below go wrong; the widest problem that the gate makes up has 8,193 tokens."""


def ids_from_2_to_15_dropped(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """The index of the last pass over the row is an int16: what lies behind is never drawn."""
    y = int(torch.multinomial(p[:LONG], 1))
    return y, drafts.index(y) if y in drafts else -1


def half_sums_of_very_wide_rows(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """Looks for the uniform in running float16 sums where the row is too long for float32 in shared memory."""
    ends = (p.half() if len(p) > 16384 else p).cumsum(0)
    y = int((ends <= torch.rand((), dtype=torch.float64)).sum())
    y = min(y, len(p) if len(p) > 16384 else int(p.nonzero()[-1]))
    return y, drafts.index(y) if y in drafts else -1


class IdsIn15Bits(Chain):
    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        emitted = super().__call__(batch, noise)
        return Emitted(torch.where(emitted.tokens >= 0, emitted.tokens % LONG, -1), emitted.n)


def proofs(report: Report, kind: str) -> list[Finding]:
    return [f for f in report.findings if f.proof and f.kind == kind]


# -- what is chosen ------------------------------------------------------------------------------------------------


def test_the_chosen_positions_are_the_hard_ones_among_candidates_that_lie_evenly() -> None:
    rows = store.load(AUSTEN)
    opened = captured(Logits(AUSTEN, positions=12))
    assert list(opened.chosen.values()) == [*KINDS, *["spread over q(a)"] * 4]
    p, q = rows.batch(np.asarray(list(opened.chosen)))
    place = {why: n for n, why in enumerate(opened.chosen.values())}
    far = np.abs(p - q).sum(axis=1)
    assert far.argmax() == place["p and q far apart"]
    assert far.argmin() == place["p nearly q"]
    first = q.max(axis=1)
    assert first[place["q nearly one-hot"]] > first[-4:].max()
    assert np.ptp(first[-4:]) > 0.3
    assert abs(first[place["q(a) about 1/2"]] - 0.5) < 0.02
    top = np.sort(q[place["a tie at the top of q"]])
    assert top[-2] / top[-1] > 0.95
    assert captured(Logits(AUSTEN, positions=12)).chosen == opened.chosen
    assert captured(Logits(AUSTEN, positions=12), seed=1).chosen != opened.chosen


def test_distributions_are_restricted_to_the_tokens_that_matter_to_either() -> None:
    p, q = distributions.restrict(((0.5, 0.3, 0.1, 0.1), (0.1, 0.1, 0.2, 0.6)), 2)
    assert p == pytest.approx((0.5 / 0.6, 0.1 / 0.6))
    assert q == pytest.approx((0.1 / 0.7, 0.6 / 0.7))


def test_a_row_is_float32_and_its_problem_is_made_of_its_own_tokens() -> None:
    opened = captured(Logits(AUSTEN, (0.7,), positions=2, top=3))
    problem = opened.narrow(policies.by_name("iid"), 2)[0]
    position = next(iter(opened.chosen))
    assert problem.name == f"austen[{position}] T=0.7 top 3"
    p, q = store.load(AUSTEN).distributions(position, 0.7)
    best = np.sort(np.argsort(-np.maximum(p, q))[:3])
    assert problem.p == pytest.approx(p[best] / p[best].sum(), rel=1e-6)
    assert list(problem.p) == np.asarray(problem.p, dtype=np.float32).tolist()
    wide = opened.wide(policies.by_name("iid"), 2)[0]
    assert wide.p.dtype == np.float32
    assert np.array_equal(wide.p, p.astype(np.float32))


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("drafts", ["iid", "without_replacement", "top_k", "greedy", "product"])
def test_problems_exist_for_every_policy(drafts: str, k: int) -> None:
    opened, policy = captured(Logits(AUSTEN, positions=2)), policies.by_name(drafts)
    for problem in opened.narrow(policy, k):
        assert len(problem.tuples) <= max(27, 3**k)
        assert problem.mass.sum() == pytest.approx(1)
    for row in opened.wide(policy, k):
        assert 0 < row.optimum <= 1
        assert np.asarray(row.q).shape == ((k, 74) if drafts == "product" else (74,))


def test_a_chain_follows_the_document_along_the_likely_tokens() -> None:
    opened = captured(Logits(AUSTEN, positions=1))
    position = next(iter(opened.chosen))
    rows = store.load(AUSTEN)
    order = opened.following(position)
    assert order[0] == position
    assert len(order) == 8
    assert set(rows.document[order]) == {rows.document[position]}
    assert np.count_nonzero(np.diff(rows.index[order]) < 0) <= 1  # in order, but for the end of the document
    chain = opened.narrow_trees(Chain(), policies.by_name("iid"), 1)[1]
    likely = int(chain.target(()).argmax())
    expected = rows.distributions(order[1])[0]
    assert chain.target((likely,)).max() == pytest.approx(expected.max() / np.sort(expected)[-5:].sum(), abs=0.02)
    other = int(chain.target(()).argsort()[-2])
    assert not np.array_equal(chain.target((likely,)), chain.target((other,)))


# -- on top tokens -------------------------------------------------------------------------------------------------

SEEN = (
    "accept uniform hard-wired to 0",
    "residual is p",
    "residual is abs(p - q)",
    "greedy drafts, believed sampled",
    "raw q for processed drafts (1/Z)",
    "top-p on one side only",
    "temperature on one side only",
    "probabilities as logits",
    "iid rule, drafts without replacement",
)


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.what in SEEN], ids=lambda m: m.what)
def test_wrong_samplers_are_rejected_on_captured_rows(mutant: Mutant) -> None:
    plan, settings = Logits(AUSTEN, (2.0,), positions=2, top=3), Settings(levels=(1,), seconds=60, clock="cpu")
    report = check_node(mutant.engine, mutant.drafts, mutant.k, settings=settings, logits=plan)
    assert report.exit_code == 1, text(report)
    assert any("austen[" in f.message for f in proofs(report, mutant.kind)), text(report)


def test_a_token_of_probability_0_comes_from_a_real_row_at_a_low_temperature() -> None:
    """p <= 1e-45 is 0 in float32, and a uniform of exactly 0 accepts it."""
    report = check_node(less_or_equal, "iid", 1, settings=EXACT, logits=Logits(AUSTEN, (0.03,), positions=1))
    assert any("exactly 0" in f.message for f in proofs(report, "zero-probability token")), text(report)


@pytest.mark.parametrize(("rule", "policy"), [("rrs", "iid"), ("rrsw", "without_replacement"), ("spechub", "hub")])
def test_our_own_rules_pass_on_captured_rows(rule: str, policy: str) -> None:
    plan = Logits(AUSTEN, positions=1, top=3)
    report = check_node(spechub.engine(rule, policy, 2), policy, 2, settings=EXACT, logits=plan)
    assert report.status == "pass", text(report)
    assert [row.level for row in report.rows] == [1]
    assert report.distance < 1e-6
    assert "any distance above 1e-06 on captured rows' top tokens would have been caught" in text(report)


@pytest.mark.slow
def test_transformers_passes_at_t_1_and_its_zero_shows_at_a_low_temperature() -> None:
    engine, settings = transformers.engine(), Settings(levels=(1,), seconds=60, clock="cpu")
    report = check_tree(engine, "iid", 1, settings=settings, logits=Logits(AUSTEN, positions=1, top=4))
    assert report.status == "pass", text(report)
    assert report.distance < 1e-6
    report = check_tree(engine, "iid", 1, settings=settings, logits=Logits(AUSTEN, (0.03,), positions=1, top=4))
    assert proofs(report, "zero-probability token"), text(report)


def test_a_chain_that_reads_the_roots_rows_is_rejected() -> None:
    report = check_tree(RowOfTheParent(), "iid", 1, settings=EXACT, logits=Logits(AUSTEN, positions=1, top=3))
    assert any("position 1" in f.message for f in proofs(report, "bias")), text(report)


# -- at full vocabulary --------------------------------------------------------------------------------------------

WIDE = Logits(SMOLLM2, positions=8)


def whole_rows(kinds: Sequence[str] = KINDS) -> Logits:
    """A plan for rows at full vocabulary and nothing else, as an evaluation has it."""
    rows = store.load(SMOLLM2)
    opened = captured(WIDE)
    sha = rows.manifest["data"]["sha256"]
    return Logits(SMOLLM2, only=tuple((i, 1.0, sha) for i, why in opened.chosen.items() if why in kinds))


@pytest.fixture(scope="module")
def plan() -> Logits:
    return whole_rows()


@pytest.mark.slow
@pytest.mark.parametrize("engine", [ids_from_2_to_15_dropped, half_sums_of_very_wide_rows])
def test_the_made_up_problems_cannot_see_what_only_a_real_vocabulary_shows(engine: Any) -> None:
    report = check_node(engine, "iid", 1, settings=Settings(levels=(0, 1), seconds=60, searched=4, clock="cpu"))
    assert report.status == "pass", text(report)


def test_dropped_ids_are_seen_on_captured_rows(plan: Logits) -> None:
    report = check_node(
        ids_from_2_to_15_dropped, "iid", 1, settings=Settings(levels=(0, 2), seconds=60, clock="cpu"), logits=plan
    )
    assert any("ids from 32,768 on come out 0 times" in f.message for f in proofs(report, "bias")), text(report)


def test_half_precision_sums_are_seen_on_captured_rows(plan: Logits) -> None:
    report = check_node(half_sums_of_very_wide_rows, "iid", 1, settings=Settings(levels=(0,)), logits=plan)
    assert any("V = 49,152" in f.message for f in proofs(report, "illegal token")), text(report)


@pytest.mark.slow
def test_ids_in_15_bits_are_seen_on_captured_chains_only(plan: Logits) -> None:
    settings = Settings(levels=(0, 1), seconds=60, searched=0, clock="cpu")
    assert check_tree(IdsIn15Bits(), "iid", 1, settings=settings).status == "pass"
    report = check_tree(IdsIn15Bits(), "iid", 1, settings=Settings(levels=(0, 2), seconds=60, clock="cpu"), logits=plan)
    assert report.exit_code == 1, text(report)
    assert any("(V = 49,152)" in f.message for f in proofs(report, "illegal path")), text(report)


@pytest.mark.slow
def test_acceptance_above_the_optimum_is_a_proof_at_full_vocabulary() -> None:
    rows = whole_rows(("p and q far apart", "the flattest p"))
    report = check_node(
        lambda p, q, x: (x[0], 0), "iid", 2, settings=Settings(levels=(2,), seconds=60, clock="cpu"), logits=rows
    )
    assert {f.kind for f in report.findings if f.proof} <= {"bias", "above the optimum"}
    assert report.exit_code == 1, text(report)
    watched = captured(rows).wide(policies.by_name("iid"), 2)
    watch = Watch([(row.p, row.q, row.optimum) for row in watched], by_row=True)
    for _ in range(100):
        watch.update(0, [0], 1)
    accepted = watch.names.index(ACCEPTED)
    assert watch.hits[0, accepted] == 100
    assert watch.wealth(by_row=False)[accepted] > 20


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "policy"), [(rrs, "iid"), (rrsw, "without_replacement"), (target_lookup, "iid")])
def test_right_samplers_pass_at_full_vocabulary(plan: Logits, engine: Any, policy: str) -> None:
    settings = Settings(levels=(0, 2), distance=0.2, seconds=60, clock="cpu")
    report = check_node(engine, policy, 2, settings=settings, logits=plan)
    assert report.status == "pass", text(report)
    assert report.smallest_caught < 0.2
    assert "15 sets of tokens at V = 49,152" in text(report)
    assert all(row.acceptance <= row.optimum + 0.3 for row in report.rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "drafts", "k"), [(Chain(), "iid", 1), (Siblings(), "top_k", 2), (transformers.engine(), "iid", 1)]
)
def test_right_batch_engines_pass_at_full_vocabulary(engine: Any, drafts: str, k: int) -> None:
    settings = Settings(levels=(0, 2), distance=0.35, seconds=60, clock="cpu")
    report = check_tree(engine, drafts, k, settings=settings, logits=whole_rows(KINDS[:3]))
    assert report.status == "pass", text(report)


def test_a_token_whose_p_is_0_in_float32_is_rejected_at_full_vocabulary() -> None:
    position = next(iter(captured(Logits(AUSTEN, (0.03,), positions=1)).chosen))
    rows = Logits(AUSTEN, only=((position, 0.03, sha256_of(store.load(AUSTEN), position)),))
    assert store.load(AUSTEN).distributions(position, 0.03)[0].min() > 0
    report = check_node(lambda p, q, x: (int(p.argmin()), -1), "iid", 1, settings=EXACT, logits=rows)
    assert any("which has p = 0" in f.message for f in proofs(report, "zero-probability token")), text(report)


def test_too_few_draws_are_no_pass(plan: Logits) -> None:
    report = check_node(target_lookup, "iid", 1, settings=Settings(levels=(0, 2), draws=64), logits=plan)
    assert report.exit_code == 3, text(report)
    assert any("after 64 draws" in reason for reason in report.inconclusive)


def test_an_engine_that_drafts_by_itself_is_not_passed_on_whole_rows(plan: Logits) -> None:
    report = check_tree(Seeded(), "iid", 1, settings=Settings(levels=(0, 2)), logits=plan)
    assert report.exit_code == 3
    assert "nothing at V = 49,152 was tried" in report.inconclusive[0]


# -- the bets ------------------------------------------------------------------------------------------------------


def austen_watch(by_row: bool = True) -> tuple[list[WideRow], Watch]:
    rows = captured(Logits(AUSTEN, positions=4)).wide(policies.by_name("iid"), 2)
    return rows, Watch([(row.p, row.q, row.optimum) for row in rows], by_row)


def test_every_bet_is_fair_and_the_one_on_acceptance_is_fair_at_the_optimum() -> None:
    _, watch = austen_watch()
    expected = watch.chance[..., None] * np.exp(watch.hit) + (1 - watch.chance[..., None]) * np.exp(watch.missed)
    assert np.abs(expected - 1).max() < 1e-9
    assert (watch.hit[:, -1] >= watch.missed[:, -1]).all()  # so fewer accepted drafts cannot make it rich


def test_right_tokens_make_no_bet_rich_and_shifted_ones_do_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    rows, watch = austen_watch(by_row=False)
    n, alpha = 1000, 1e-6
    for i in range(len(rows)):
        watch.update(i, rng.choice(74, size=n, p=rows[i].target).tolist(), 0)
    assert watch.richest()[0] < 12
    place = watch.names.index("tokens with p < q")
    size, rejected = watch.caught(alpha, 0.9), 0
    shifted = []
    for i, row in enumerate(rows):
        inside = (np.asarray(watch.bits[i]) >> place & 1).astype(bool)
        distribution = row.target * np.where(inside, 1 + 1.2 * size / watch.chance[i, place], 1)
        shifted.append(distribution / distribution.sum())
    moved = np.mean([np.abs(a - row.target).sum() / 2 for a, row in zip(shifted, rows, strict=True)])
    assert moved == pytest.approx(size, rel=0.35)
    for _ in range(40):
        trial = Watch([(r.p, r.q, r.optimum) for r in rows], by_row=False)
        for i, distribution in enumerate(shifted):
            trial.update(i, rng.choice(74, size=n, p=distribution).tolist(), 0)
        rejected += trial.richest()[0] > np.log(1 / alpha)
    assert rejected >= 30


def test_radius_holds_at_all_n_together() -> None:
    rng = np.random.default_rng(1)
    means = np.cumsum(rng.random((400, 2000)) < 0.5, axis=1) / np.arange(1, 2001)
    wide = np.asarray([radius(n, 0.05) for n in range(1, 2001)])
    outside = (np.abs(means - 0.5) > wide).any(axis=1).mean()
    assert 0 < outside <= 0.05


@pytest.mark.parametrize("drafts", ["iid", "without_replacement", "hub", "greedy", "product"])
def test_drafts_are_drawn_from_their_policy(drafts: str) -> None:
    problem = captured(Logits(AUSTEN, positions=1, top=4)).narrow(policies.by_name(drafts), 2)[0]
    draw, rng = drafter(problem.drafts, 2, [np.asarray(problem.q)]), np.random.default_rng(0)
    drawn = [draw(0, rng) for _ in range(4000)]
    seen = np.asarray([drawn.count(x) for x in problem.tuples]) / len(drawn)
    assert set(drawn) <= set(problem.tuples)
    assert np.abs(seen - problem.mass).sum() / 2 < 0.03


# -- the command, reruns, misuse -----------------------------------------------------------------------------------

ENGINES = """
import os, torch
from gate_mutants import residual_is_p, rrs, target_lookup
from gate_chains import Chain, RowOfTheParent
from crashing_engines import CrashesOnWideRows

def kills_wide(p, q, drafts):
    os.kill(os.getpid(), 9) if len(p) > 5000 else None
    return target_lookup(p, q, drafts)
"""

app = typer.Typer()
app.command()(gate)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    (tmp_path / "captured_engines.py").write_text(ENGINES)
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, ROOT / "tests" / "support"):
        monkeypatch.syspath_prepend(str(folder))
    yield lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])
    sys.modules.pop("captured_engines", None)


@pytest.mark.slow
def test_a_narrow_case_holds_its_numbers(run: Callable[..., Result]) -> None:
    result = run(
        "captured_engines:residual_is_p",
        "--k",
        "1",
        "--logits",
        AUSTEN,
        "--positions",
        "1",
        "--top",
        "3",
        "--level",
        "1",
        "--case",
        "case.json",
    )
    assert result.exit_code == 1, result.output
    assert "austen[" in result.output
    problem = json.loads(Path("case.json").read_text())["case"]["problem"]
    assert len(problem["p"]) == 3
    assert run("--rerun", "case.json", "--level", "1").exit_code == 1
    right = run("captured_engines:rrs", "--rerun", "case.json", "--level", "1")
    assert right.exit_code == 0, right.output


def test_a_narrow_chain_case_holds_its_rows(run: Callable[..., Result]) -> None:
    result = run(
        "captured_engines:RowOfTheParent", "--k", "1", "--logits", AUSTEN,
        "--positions", "1", "--top", "3", "--level", "1", "--case", "case.json",
    )  # fmt: skip
    assert result.exit_code == 1, result.output
    assert len(json.loads(Path("case.json").read_text())["case"]["tree_problem"]["rows"]) == 8
    assert run("--rerun", "case.json", "--level", "1").exit_code == 1


def test_a_wide_case_names_its_rows_and_notices_another_capture(run: Callable[..., Result], tmp_path: Path) -> None:
    for file in (SMOLLM2, SMOLLM2.with_suffix(".json")):
        shutil.copy(file, tmp_path)
    plan = ("--logits", "smollm2.safetensors", "--temperature", "1", "--positions", "8", "--level", "0", "--level", "2")
    result = run("captured_engines:kills_wide", "--k", "1", *plan, "--budget", "200draws", "--case", "case.json")
    assert result.exit_code == 1, result.output
    assert "died of signal 9" in result.output
    case = json.loads(Path("case.json").read_text())["case"]
    (row,) = case["problem"]["captured"]["rows"]
    assert row["sha256"] == store.load(SMOLLM2).manifest["data"]["sha256"]
    assert "p" not in case["problem"]
    again = run("--rerun", "case.json", "--budget", "20")
    assert again.exit_code == 1, again.output
    assert f"smollm2[{row['position']}]" in again.output
    row["sha256"] = "0" * 64
    Path("case.json").write_text(json.dumps({"schema": "spechub-gate-case-1", "engine": "x:y", "case": case}))
    stale = run("captured_engines:rrs", "--rerun", "case.json")
    assert stale.exit_code == 2
    assert "not what it was" in stale.output


def test_a_wide_tree_case_is_rerun(run: Callable[..., Result]) -> None:
    rows = whole_rows(KINDS[:1])
    report = check_tree(
        CrashesOnWideRows(), "iid", 1, name="captured_engines:CrashesOnWideRows", settings=EXACT, logits=rows
    )
    assert report.exit_code == 1, text(report)
    document = case_document(report)
    assert document["case"]["problem"]["branching"] == [1]
    Path("case.json").write_text(json.dumps(document))
    again = run("--rerun", "case.json", "--level", "0")
    assert again.exit_code == 1, again.output
    assert "rows of 49152" in again.output
    mended = run("captured_engines:Chain", "--rerun", "case.json", "--level", "0", "--budget", "100draws")
    assert mended.exit_code == 0, mended.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--logits", "nowhere"], "missing"),
        (["--logits", "."], "manifest.json"),
        (["--logits", "text.safetensors"], "text.json: the document lacks 'documents'"),
        (["--logits", "broken"], "sha256"),
        (["--logits", "empty"], "no finished shard"),
        (["--logits", AUSTEN, "--positions", "0"], "--positions 0"),
        (["--logits", AUSTEN, "--temperature", "0"], "T > 0"),
        (["--logits", AUSTEN, "--temperature", "nan"], "T > 0"),
        (["--logits", AUSTEN, "--top", "1"], "--top 1"),
        (["--logits", AUSTEN, "--top", "75"], "vocabulary of 74"),
        (["--logits", AUSTEN, "--top", "20"], "at most 256"),
        (["--top", "5"], "--logits DIR"),
        (["--temperature", "1"], "--logits DIR"),
        (["--positions", "3"], "--logits DIR"),
    ],
)
def test_misuse_is_exit_code_2_in_one_line(
    run: Callable[..., Result], tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "text.safetensors").write_text("not tensors")
    (tmp_path / "text.json").write_text("{}")
    for name in ("broken", "empty"):
        shutil.copytree(AUSTEN, tmp_path / name)
    shard = tmp_path / "broken" / "shard-00000.safetensors"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    manifest = json.loads((tmp_path / "empty" / "manifest.json").read_text())
    del manifest["checksum"]  # else it is an edited manifest
    (tmp_path / "empty" / "manifest.json").write_text(json.dumps({**manifest, "shards": []}))
    result = run("captured_engines:rrs", *arguments)
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_saved_case_about_a_position_that_is_not_there_is_rejected() -> None:
    with pytest.raises(SpecHubError, match="has 1536 positions"):
        captured(Logits(AUSTEN, only=((5000, 1.0, "x"),)))


@pytest.mark.slow
def test_the_pytest_plugin_takes_captured_rows(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "from captured_engines import residual_is_p, rrs\n"
        "from spechub_lp.gate.settings import Logits\n"
        f"rows = Logits({str(AUSTEN)!r}, positions=1, top=3)\n"
        "def test_right(spechub_gate):\n    spechub_gate(rrs, k=1, logits=rows, levels=(0, 1))\n"
        "def test_wrong(spechub_gate):\n    spechub_gate(residual_is_p, k=1, logits=rows, levels=(0, 1))\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "spechub_lp.testing.pytest_plugin", "-p", "no:cacheprovider"]
    engine = ["--spechub-gate", "captured_engines:residual_is_p", "--spechub-gate-k", "1"]
    done = subprocess.run(
        [*command, *engine, "--spechub-gate-logits", str(AUSTEN)],
        cwd=tmp_path, capture_output=True, text=True, timeout=200,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT / 'tests' / 'support'}"},
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert "2 failed, 1 passed" in done.stdout
    assert "austen[" in done.stdout
    assert len([*(tmp_path / ".spechub_gate").iterdir()]) == 2  # here, though --spechub-gate-logits names another place
