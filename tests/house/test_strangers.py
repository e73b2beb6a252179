"""A policy and a rule that are defined outside the package go through all of it, as objects or as `module:object`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from known import known
from places import ROOT
from typer.testing import CliRunner

from spechub_lp import audit, cut, drafts, exact, optimum, samplers
from spechub_lp._util import objects
from spechub_lp.cli.app import app
from spechub_lp.errors import MissingMethod, SpecHubError
from spechub_lp.evaluate.evaluate import Plan, evaluate
from spechub_lp.gate import Settings, check_node, check_tree, problems
from spechub_lp.gate.checks.known_batches import sure_batch

RULES = '''
import torch

from spechub_lp import Sampler, samplers
from spechub_lp.drafts import DraftPolicy, IID, TopK
from spechub_lp.drafts.base import Cut
from spechub_lp.gate.protocols import Emitted
from spechub_lp.samplers.rejection import recursive_rejection


class TopFirst(DraftPolicy):
    """The most likely token, then draws from q."""

    name = "top_first"

    def draft(self, q, x, k):
        return q if x.shape[1] else TopK().draft(q, x, k)


class Certified(TopFirst):
    name = "certified"

    def optimal_set(self, p, q, k):
        H = (TopK().draft(q, q[:, :0], 1) > 0) | (p < q) if k == 2 else None
        if H is None:
            return None
        return Cut(1 + (p * H).sum(1) - (q * H).sum(1), H, 0 * p[:, 0] + 1e-12)


class Mine(Sampler):
    name, own = "mine", (IID(),)

    def verify(self, p, q, x):
        return samplers.RRS(k=self.k).verify(p, q, x)


class Right(Sampler):
    name, own = "right", (TopFirst(),)

    def verify(self, p, q, x):
        return recursive_rejection(p, [self.drafts.draft(q, x[:, :j], self.k) for j in range(self.k)], x)


class Pairs:
    """Batches of pairs of siblings: draws from the target at the root, and no more."""

    protocol, branchings, widest = "host", [(2,)], 10**9

    def __call__(self, batch):
        tokens = torch.multinomial(batch.p[:, 0], 1) % self.widest
        return Emitted(torch.cat([tokens, tokens * 0 - 1], dim=1), torch.ones(len(tokens)).long())


class PairsIn10Bits(Pairs):
    widest = 1024


class Solved(Sampler):
    name, own = "solved", (TopFirst(),)

    def verify(self, p, q, x):
        return samplers.LPTable(k=self.k, drafts=self.drafts).verify(p, q, x)
'''
P, Q = ["1/2", "1/4", "1/4"], ["1/4", "1/2", "1/4"]
ROWS = str(ROOT / "validation/captured/smollm2.safetensors")


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "my_rules.py").write_text(RULES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("my_rules", None)


def run(*words: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == exit_code, (words, done.output, done.exception)
    return done.output


def test_exact_and_optimum(rules: Path) -> None:
    policy, rule = drafts.by_name("my_rules:TopFirst"), samplers.by_name("my_rules:Solved")
    best = optimum(P, Q, 2, "my_rules:TopFirst")
    assert best.alpha == optimum(P, Q, 2, policy).alpha == exact(rule, P, Q).acceptance
    assert exact(rule, P, Q).is_lossless
    assert samplers.by_name(rule, 3).k == 3


def test_cut(rules: Path) -> None:
    p, q = ([float(eval(m)) for m in row] for row in (P, Q))
    found = cut(p, q, 2, "my_rules:Certified")
    assert abs(found.alpha[0] - float(optimum(P, Q, 2, "my_rules:Certified").alpha)) <= found.error[0]
    with pytest.raises(MissingMethod, match="TopFirst does not define optimal_set"):
        cut(p, q, 2, "my_rules:TopFirst")
    with pytest.raises(MissingMethod, match="Certified does not define optimal_set"):
        cut(p, q, 3, "my_rules:Certified")


def test_audit_and_sample(rules: Path) -> None:
    mine, solved = (samplers.by_name(f"my_rules:{name}") for name in ("Mine", "Solved"))
    result = audit.run(2, 0, 0, jobs=1, samplers=[mine, solved, "rrs"])
    assert {line.sampler for line in result.lines} == {"mine", "solved", "rrs"}
    assert not result.failures
    with pytest.raises(SpecHubError, match="two samplers are called 'mine'"):
        audit.run(2, 0, 0, samplers=[mine, mine])
    words = (
        "audit",
        "--sampler",
        "my_rules:Mine",
        "--instances",
        "2",
        "--positions",
        "0",
        "--rows",
        "0",
        "--jobs",
        "1",
    )
    assert "mine" in run(*words)
    run("sample", "--sampler", "my_rules:Solved", "--p", ",".join(P), "--q", ",".join(Q), "-n", "1000")
    run("solve", "--drafts", "my_rules:TopFirst", "--p", ",".join(P), "--q", ",".join(Q))


@pytest.mark.slow
def test_evaluation_of_captures(rules: Path) -> None:
    words = ("replay", ROWS, "--positions", "4", "--temperatures", "1", "--jobs", "1", "--json", "out.json")
    run(*words, "--samplers", "rrs,my_rules:Mine", "--exact-every", "0")
    plan = json.loads((rules / "out.json").read_text())["plan"]
    assert plan["samplers"] == ["rrs", "my_rules:Mine"]
    mine = samplers.by_name("my_rules:Mine")
    result = evaluate(ROWS, Plan(samplers=(mine, "rrs"), positions=2, exact_every=1), jobs=1)
    assert not result.failures
    assert result.document()["plan"]["samplers"] == ("my_rules:Mine", "rrs")


EXACT = Settings(levels=(0, 1), seconds=120)


@pytest.mark.slow
def test_the_gate_passes_a_right_rule_and_fails_a_wrong_one(rules: Path) -> None:
    right, mine = (samplers.by_name(f"my_rules:{name}") for name in ("Right", "Mine"))
    few = problems(right.drafts, 2, random=0)[:1]
    passed = check_node(right, cases=few, settings=EXACT)
    assert (passed.status, passed.drafts, passed.k) == ("pass", "top_first", 2)
    assert passed.distance < 1e-6
    failed = check_node(mine, right.drafts, cases=few, settings=EXACT)
    assert failed.status == "biased"
    wrong = exact(mine.with_drafts(right.drafts), few[0].p, few[0].q).distance
    assert failed.distance == pytest.approx(float(wrong))


def test_the_probes_know_a_strangers_policy(rules: Path) -> None:
    policy, level_0 = drafts.by_name("my_rules:TopFirst"), Settings(levels=(0,))
    batch = sure_batch(5, (2,), policy)
    assert batch.token[:, 1].tolist() == known(batch.q)[:, 0].argmax(dim=1).tolist()  # the most likely token first
    assert [int(p[t]) for p, t in zip(batch.p[:, 0], batch.token[:, 2], strict=True)] == [1, 0, 1, 0, 1]
    right, wrong = (objects.find(f"my_rules:{name}", object, "engine") for name in ("Pairs", "PairsIn10Bits"))
    assert check_tree(right, "my_rules:TopFirst", 2, settings=level_0).status == "pass"
    failed = check_tree(wrong, "my_rules:TopFirst", 2, settings=level_0)
    assert [finding.kind for finding in failed.findings] == ["zero-probability token"]


@pytest.mark.slow
def test_gate(rules: Path) -> None:
    assert "2 top_first drafts" in run("gate", "my_rules:Right", "--level", "0")
    run("gate", "my_rules:Mine", "--drafts", "my_rules:TopFirst", "--level", "1", "--case", "case.json", exit_code=1)
    assert json.loads((rules / "case.json").read_text())["case"]["problem"]["drafts"] == "my_rules:TopFirst"
    run("gate", "my_rules:Mine", "--replay", "case.json", exit_code=1)


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("my_rules:Top", "has no 'Top'"),
        ("my_rules:", "is no address"),
        ("no_such_module:X", "cannot import no_such_module"),
        ("my_rules:Mine", "not a draft policy"),
    ],
)
def test_what_is_no_policy(rules: Path, address: str, match: str) -> None:
    with pytest.raises(SpecHubError, match=match):
        drafts.by_name(address)
