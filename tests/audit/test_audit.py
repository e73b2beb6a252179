"""The audit tells the truth: a wrong sampler fails it, a broken theorem fails it, and workers change nothing."""

from typing import Any

import pytest
import wrong_samplers
from known import known

from spechub_lp import audit, samplers
from spechub_lp.theorems import checks
from spechub_lp.theorems.instances import KINDS, family


def small(**changes: Any) -> audit.Audit:
    return audit.run(**{"instances": 16, "ngram_positions": 4, "model_positions": 0, "jobs": 1, **changes})


def test_a_clean_audit_has_no_failure_and_checks_every_sampler() -> None:
    result = small()
    assert result.failures == []
    assert {line.sampler for line in result.lines} == {sampler.name for sampler in samplers.ALL}
    assert result.certificates > 100
    assert all(line.lossless == line.instances for line in result.lines if line.own)
    assert any(line.above for line in result.lines if not line.own)
    assert all(line.tried == line.held > 0 for line in result.theorems)


def test_a_wrong_sampler_fails_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = wrong_samplers.ResidualIsTarget()
    monkeypatch.setattr(samplers, "ALL", tuple(wrong if s.name == "rrs" else s for s in samplers.ALL))
    monkeypatch.setattr(checks, "ALL", ())
    failures = small(ngram_positions=0).failures
    assert any("rrs with its own iid drafts is biased on" in failure for failure in failures), failures


def test_a_false_theorem_fails_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    never = checks.Theorem("T0", "the hub always wins", "nobody", checks.hub_dominates_iid)
    monkeypatch.setattr(checks, "ALL", (never,))
    failures = small(instances=64, ngram_positions=0, samplers=["naive"]).failures
    assert any(failure.startswith("theorem T0 fails on") for failure in failures), failures


def test_workers_change_nothing() -> None:
    few: dict[str, Any] = {"instances": 6, "ngram_positions": 2, "samplers": ["rrs", "border", "spechub"]}
    assert small(jobs=2, **few).records == small(**few).records


def test_full_vocabulary_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit.audit, "TOP_TOKENS", 4)  # of the exact part, which is not looked at here
    result = audit.run(0, 0, 2, jobs=1)
    assert result.failures == []
    rows = {row["sampler"]: row for row in result.full_vocabulary}
    assert {"naive", "rrs", "rrsw", "kseq", "spechub", "greedy_hubs", "nss", "border", "border_wor"} <= set(rows)
    assert all(row["acceptance"] <= row["optimum"] + 1e-9 for row in rows.values())
    assert abs(rows["border_wor"]["gap"]) < 1e-9
    assert known(result.model)["model"]["vocabulary"] == 49152


def test_the_family_is_seeded_and_has_every_kind() -> None:
    once = list(family(64, seed=4))
    assert once == list(family(64, seed=4))
    assert once != list(family(64, seed=5))
    assert {instance.kind for instance in once} == set(KINDS)
    assert {len(instance.p) for instance in once} == {2, 3, 4, 5}
    assert all(sum(i.p) == sum(i.q) == 1 for i in once)
