"""An evaluation measures what the exact distributions say, its sums merge, its intervals cover; wrong rules are red."""

import json
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from known import known
from places import ROOT
from stored_rows import N, stored
from typer.testing import CliRunner

from spechub_lp import reference, samplers
from spechub_lp.capture import shards
from spechub_lp.cli.evaluate import evaluate as evaluate_command
from spechub_lp.cli.names import VARIANTS
from spechub_lp.drafts import DraftPolicy
from spechub_lp.drafts.adaptive import Adaptive
from spechub_lp.drafts.tempered import Tempered
from spechub_lp.errors import SpecHubError
from spechub_lp.evaluate import measures
from spechub_lp.evaluate.evaluate import Evaluation, Plan, evaluate
from spechub_lp.evaluate.tally import Estimate, Tally
from spechub_lp.optimum.solve import optimum
from spechub_lp.report.text.evaluations import markdown, sections
from spechub_lp.samplers.base import Verdict
from spechub_lp.theorems import checks
from spechub_lp.typing import Array

VALIDATION = ROOT / "validation"
EVERY = ("all", *VARIANTS)
LOWEST_FALSE_ALARM = 5.5
"""Standard errors: a normal exceeds them once in 2.6e7 times; the tests below draw fewer than 26 numbers."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("evaluate") / "rows")


@pytest.fixture(scope="module")
def result(folder: Path) -> Evaluation:
    return evaluate(folder, Plan(EVERY, temperatures=(0.5, 1.0), ks=(2, 3), draws=64, exact_every=8), jobs=1)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_acceptance_is_that_of_the_enumerated_distribution(
    result: Evaluation, folder: Path, temperature: float, k: int
) -> None:
    rows = shards.load(folder)
    for sampler in measures.chosen(EVERY, k):
        true = np.mean([reference(sampler, *rows.distributions(i, temperature)).acceptance for i in range(N)])
        found = known(result.tally.mean((temperature, sampler.k, "acceptance", sampler.name)))
        error = measures.monte_carlo_error(result.tally, (temperature, k, "noise", sampler.name))
        assert abs(found.mean - true) <= LOWEST_FALSE_ALARM * error + 1e-9, sampler.name
        assert found.n == N


@pytest.mark.parametrize("k", [2, 3])
def test_the_optimum_is_the_certified_one(result: Evaluation, folder: Path, k: int) -> None:
    rows = shards.load(folder)
    own: dict[str, DraftPolicy] = {"adaptive": Adaptive(), "tempered": Tempered()}
    pairs = [[rationals(row) for row in rows.distributions(i)] for i in range(N)]
    for name in measures.OPTIMA:
        policy = own.get(name, name)
        true = np.mean([float(optimum(p, q, k, policy).alpha) for p, q in pairs])
        assert abs(known(result.tally.mean((1.0, k, "optimum", name))).mean - true) < 1e-9, name


def test_border_with_other_drafts_reaches_the_optimum_of_those(result: Evaluation) -> None:
    for name, policy in (("border_adaptive", "adaptive"), ("border_tempered", "tempered")):
        for k in (2, 3):
            gap = result.tally.difference((1.0, k, "acceptance", name), (1.0, k, "optimum", policy))
            assert abs(known(gap).mean) < 1e-9, (name, k)
    wor = result.tally.mean((1.0, 2, "acceptance", "border_wor"))
    assert result.tally.mean((1.0, 2, "acceptance", "border_adaptive")) != wor
    assert result.tally.mean((1.0, 2, "acceptance", "border_tempered")) != wor


def test_one_draft_can_be_evaluated(folder: Path) -> None:
    found = evaluate(folder, Plan(EVERY, ks=(1,), draws=2, exact_every=8), jobs=1)
    assert found.failures == []
    for name in ("rrs", "border", "border_adaptive"):
        mean = known(found.tally.mean((1.0, 1, "acceptance", name))).mean
        assert mean == pytest.approx(known(found.tally.mean((1.0, 1, "acceptance", "naive"))).mean, abs=1e-12)


def test_drawn_verdicts_agree_with_the_closed_forms(result: Evaluation) -> None:
    compared = 0
    for sampler in measures.chosen(["all"], 2):
        gap = result.tally.mean((1.0, 2, "drawn - closed", sampler.name))
        if gap is not None:
            error = measures.monte_carlo_error(result.tally, (1.0, 2, "drawn noise", sampler.name))
            assert abs(gap.mean) <= LOWEST_FALSE_ALARM * error, sampler.name
            compared += 1
    assert compared == len(measures.chosen(["all"], 2)) - 1  # naive alone needs no draws


def test_every_rule_is_exactly_lossless_and_none_beats_its_optimum(result: Evaluation) -> None:
    assert result.failures == []
    checked = [key for key in result.tally.columns() if key[2] == "lossless"]
    assert {key[3] for key in checked} == {s.name for k in (2, 3) for s in measures.chosen(EVERY, k)}
    assert set(VARIANTS) < {key[3] for key in checked}
    assert all(result.tally.worst[1.0, 2, "distance", name, "float32"] < 1e-6 for name in ("rrs", "spechub", "rrsw"))


def test_a_biased_rule_and_a_closed_form_that_promises_too_much_are_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(samplers=("spechub",), draws=2, exact_every=4, positions=12)
    right = samplers.SpecHub.verify

    def tilted(self: samplers.SpecHub, p: Array, q: Array, x: Array) -> Verdict:
        verdict = right(self, p, q, x)
        return samplers.Verdict(verdict.accept[:, ::-1] if p.dtype == object else verdict.accept, verdict.residual)

    monkeypatch.setattr(samplers.SpecHub, "verify", tilted)
    assert any("biased" in failure for failure in evaluate(folder, plan, jobs=1).failures)
    monkeypatch.setattr(samplers.SpecHub, "verify", right)
    honest = samplers.SpecHub.acceptance
    monkeypatch.setattr(samplers.SpecHub, "acceptance", lambda self, p, q: known(honest(self, p, q)) + 1e-3)
    assert any("more than the optimum" in failure for failure in evaluate(folder, plan, jobs=1).failures)


@pytest.mark.slow
def test_blocks_in_processes_give_the_same_bits(folder: Path) -> None:
    plan = Plan(samplers=("rrs", "rrsw"), ks=(3,), draws=4, exact_every=0)
    one, two = (evaluate(folder, plan, jobs) for jobs in (1, 2))
    assert one.tally.document() == two.tally.document()


def test_torch_gives_the_same_numbers(folder: Path) -> None:
    names = ("rrs", "rrsw", "spechub", "greedy_hubs", "kseq", "nss")
    plan = Plan(samplers=names, draws=4, exact_every=0, positions=8)
    one = evaluate(folder, plan, 1)
    two = evaluate(folder, Plan(**{**plan.__dict__, "device": "cpu"}), 1)
    assert one.tally.columns() == two.tally.columns()
    for key in one.tally.columns():
        assert abs(known(one.tally.mean(key)).mean - known(two.tally.mean(key)).mean) < 1e-9, key
    with pytest.raises(SpecHubError, match="cannot be used"):
        evaluate(folder, Plan(device="cuda:99" if torch.cuda.is_available() else "cuda", exact_every=0), 1)


@pytest.mark.parametrize(("top_k", "top_p"), [(1, None), (2, None), (None, 0.5), (3, 0.9)])
def test_truncated_distributions_with_disjoint_supports_are_measured(
    folder: Path, top_k: int | None, top_p: float | None
) -> None:
    result = evaluate(folder, Plan(top_k=top_k, top_p=top_p, draws=4, exact_every=6, ks=(2,)), jobs=1)
    assert result.failures == []
    assert all(0 <= known(result.tally.mean((1.0, 2, "optimum", name))).mean <= 1 for name in measures.POLICIES)


def test_regions_are_those_of_the_theorems() -> None:
    generator = np.random.default_rng(1)
    seen = set()
    for n in range(200):
        weights = generator.integers(1, 9, size=4).astype(int)
        weights[0] *= 1 + n % 8
        q = [Fraction(int(w), int(weights.sum())) for w in weights]
        for k in (2, 3):
            (place,) = measures.region(np.asarray([q], dtype=float), k)
            seen.add(place)
            # floats on the very border may fall on either side
            rest = 1 - sum(sorted(q)[-(k - 1) :])
            if rest * k != 1 and all(rest * sum((1 - m) ** j for j in range(k)) != 1 for m in q):
                assert (place != "beyond") == (not checks.beyond_border(q, k)), (q, k)
                assert (place == "half") == (rest * k <= 1)
    assert seen == set(measures.REGIONS)


def test_an_interval_is_that_of_documents_and_not_of_positions() -> None:
    tally = Tally()
    for document, values in {"a": [1.0, 1.0, 1.0], "b": [0.0, 0.0], "c": [1.0]}.items():
        for value in values:
            tally.add(document, ("x",), value)
    found = known(tally.mean(("x",)))
    mean = 4 / 6
    spread = (3 - mean * 3) ** 2 + (0 - mean * 2) ** 2 + (1 - mean) ** 2
    assert found.mean == pytest.approx(mean)
    assert found.half_width == pytest.approx(4.302653 * np.sqrt(1.5 * spread) / 6, rel=1e-6)
    assert known(tally.mean(("x",), ["a"])).half_width is None
    assert tally.mean(("y",)) is None


def test_an_interval_stays_within_what_is_possible() -> None:
    tally = Tally()
    columns = [(1.0, 2, "acceptance", "rrs"), (1.0, 2, "hub against", "iid", "half", "gain"), (1.0, 2, "noise", "rrs")]
    for document, value in (("a", 0.9), ("b", 0.2)):
        for column in columns:
            tally.add(document, column, value)
    share, gain, free = (known(tally.mean(column)) for column in columns)
    assert share.half_width == gain.half_width == free.half_width == pytest.approx(0.35 * 12.7062, rel=1e-4)
    assert str(share) == "0.5500 (95 %: 0.0037 to 0.9975)"
    low, high = known(share.interval)
    assert share.reach == pytest.approx((0.55 - low, high - 0.55))
    for one, least, most in ((share, 0, 1), (gain, -1, 1)):
        low, high = known(one.interval)
        assert least < low < one.mean < high < most
    assert "±" in str(free)


@pytest.mark.parametrize(("accepted", "draws"), [(1, 10), (3, 4), (49, 50), (2, 2)])
def test_an_interval_that_would_leave_the_possible_is_wilsons(accepted: int, draws: int) -> None:
    """That of so many independent draws, from its definition: the shares whose own error reaches to the one seen."""
    mean, t = accepted / draws, 2.5
    found = known(Estimate(mean, t * np.sqrt(mean * (1 - mean) / draws), draws, 0, 1).interval)
    if accepted == draws:
        assert found == (1, 1)
        return
    for end in found:
        assert abs(mean - end) == pytest.approx(t * np.sqrt(end * (1 - end) / draws))


def test_a_tally_survives_merging_pickling_and_json(result: Evaluation) -> None:
    parts = [Tally(), Tally()]
    whole = Tally()
    for n in range(20):
        for tally in (whole, parts[n % 2]):
            tally.add(f"d{n % 3}", (1.0, 2, "x"), n / 8)
            tally.largest((1.0, 2, "y"), n)
    parts[0].merge(parts[1])
    assert parts[0].mean((1.0, 2, "x")) == whole.mean((1.0, 2, "x"))
    assert parts[0].worst == whole.worst
    again = Evaluation.read(json.loads(json.dumps(result.document())))
    assert pickle.loads(pickle.dumps(result.tally)).document() == result.tally.document() == again.tally.document()
    assert again.plan == result.plan


def test_tables_hold_what_was_measured(result: Evaluation) -> None:
    found = {section.title: section for section in sections(result)}
    table = found["Acceptance with 2 drafts (naive: one)"]
    spechub = result.tally.mean((1.0, 2, "acceptance", "spechub"))
    assert any(row[0] == "spechub" and row[-1] == str(spechub) for row in table.rows)
    for section in found.values():
        assert all(len(row) == len(section.columns) for row in section.rows), section.title
        assert section.title in markdown(section)


def test_bad_plans_are_rejected(folder: Path) -> None:
    for plan, text in (
        (Plan(samplers=("spechib",)), "Did you mean 'spechub'"),
        (Plan(samplers=("lp_table",)), "evaluate the optimum"),
        (Plan(samplers=("spechub",), ks=(3,)), "two drafts"),
        (Plan(temperatures=(0.0,)), "temperature = 0.0"),
        (Plan(ks=(0,)), "k = 0"),
        (Plan(draws=1), "draws = 1"),
        (Plan(device="mps"), "has no float64"),
    ):
        with pytest.raises(SpecHubError, match=text):
            evaluate(folder, plan, 1)


def test_the_command_shows_tables_and_writes_the_sums(folder: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(evaluate_command)
    out = tmp_path / "evaluation.json"
    arguments = [str(folder), "--temperatures", "0.5,1", "--k", "2", "--samplers", "rrs,spechub", "--positions", "8"]
    shown = CliRunner().invoke(app, [*arguments, "--jobs", "1", "--json", str(out), "-v"])
    assert shown.exit_code == 0, shown.output
    for title in ("Acceptance with 2 drafts", "By domain", "SpecHub against", "Losslessness"):
        assert title in shown.output
    again = Evaluation.read(json.loads(out.read_text(encoding="utf-8")))
    assert again.plan.samplers == ("rrs", "spechub")
    assert again.positions == 8
    wrong = CliRunner().invoke(app, [str(folder), "--k", "two"])
    assert isinstance(wrong.exception, SpecHubError)
    assert "k = 'two'; write numbers" in str(wrong.exception)


@pytest.mark.slow
def test_the_shipped_rows_are_evaluated_at_full_vocabulary() -> None:
    plan = Plan(draws=4, positions=16, exact_every=0)
    result = evaluate(VALIDATION / "captured" / "smollm2.safetensors", plan, jobs=1)
    assert result.vocabulary == 49152
    assert result.failures == []
    mean = {name: known(result.tally.mean((1.0, 2, "acceptance", name))).mean for name in ("rrs", "rrsw", "spechub")}
    assert mean["rrs"] < mean["rrsw"] < known(result.tally.mean((1.0, 2, "optimum", "without_replacement"))).mean


def rationals(distribution: np.ndarray) -> list[Fraction]:
    exact = [Fraction(m) for m in distribution.tolist()]
    return [m / sum(exact) for m in exact]


def test_a_block_is_of_the_rows_that_the_evaluation_began_with(tmp_path: Path) -> None:
    from spechub_lp.capture import store
    from spechub_lp.evaluate.evaluate import work

    plan, folder = Plan(("rrs",), draws=2, exact_every=0), stored(tmp_path / "rows", v=6)
    began = store.fingerprint(folder)
    before = work(folder, plan, [0, 1], began).document()
    stored(folder, v=7)
    with pytest.raises(SpecHubError, match="holds other rows here than where this began, or was changed"):
        work(folder, plan, [0, 1], began)
    after = work(folder, plan, [0, 1]).document()  # not what a cache keeps under the same name
    assert after["sums"] != before["sums"]
