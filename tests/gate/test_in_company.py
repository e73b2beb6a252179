"""A rule that is right for one row and mixes up the rows of a batch fails; rules that keep them apart pass."""

import pytest
from array_api_compat import array_namespace

from spechub_lp import drafts
from spechub_lp.gate import Settings, check_node, problems
from spechub_lp.report.text.gate_table import text
from spechub_lp.samplers import RRS, Naive, Sampler, Verdict
from spechub_lp.typing import Array

CASES = [problem for problem in problems("iid", 1) if problem.name in ("ties", "random 0", "random 1")]
SETTINGS = Settings(levels=(0, 1), searched=0, clock="cpu")


class TargetOfTheFirst(Sampler):
    """Every row is verified against the target of the first."""

    name, own = "target_of_the_first", (drafts.IID(),)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        p = array_namespace(p).broadcast_to(p[:1], p.shape)
        return Naive(self.k).verify(p, q, x)


class ResidualOfTheBatch(Sampler):
    """What is left of the targets is summed over the batch."""

    name, own = "residual_of_the_batch", (drafts.IID(),)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        verdict, xp = Naive(self.k).verify(p, q, x), array_namespace(p)
        together = xp.sum(verdict.residual, axis=0, keepdims=True)
        mass = xp.sum(together, axis=1, keepdims=True)
        rejected = 1 - xp.sum(verdict.accept, axis=1, keepdims=True)
        return Verdict(verdict.accept, rejected * together / xp.where(mass > 0, mass, mass + 1))


@pytest.mark.usefixtures("brief_second_look")
@pytest.mark.parametrize("kind", [TargetOfTheFirst, ResidualOfTheBatch])
def test_a_rule_that_mixes_up_rows_fails(kind: type[Sampler]) -> None:
    report = check_node(kind(k=1), cases=CASES, settings=SETTINGS)
    assert report.exit_code == 1, text(report)


@pytest.mark.parametrize("rule", [RRS(1), Naive(1)], ids=lambda rule: rule.name)
def test_a_rule_that_keeps_rows_apart_passes(rule: Sampler) -> None:
    report = check_node(rule, cases=CASES, settings=SETTINGS)
    assert report.status == "pass", text(report)
    assert report.distance < 1e-6
