"""One run for several draft policies and numbers of drafts: each is tried, named, and fails the engine."""

from typing import Any

import pytest
import torch
from gate_chains import Siblings, Weights
from typer.testing import CliRunner

from spechub_lp.cli.app import app
from spechub_lp.errors import SpecHubError
from spechub_lp.gate import Settings, check_node, check_tree
from spechub_lp.report.text.gate_report import headline
from spechub_lp.samplers import by_name

FEW = Settings(levels=(0, 1), searched=0, clock="cpu")
THREE = Settings(levels=(0, 1), searched=4, clock="cpu", claims=(("top_k", 3),))


def verify(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    """Right for one draft; accepts the first of three."""
    if len(drafts) == 3:
        return drafts[0], 0
    y = int(torch.multinomial(p, 1))
    return y, drafts.index(y) if y in drafts else -1


class WrongFrom3(Siblings):
    branchings = [(2,), (3,)]
    wrong = True

    def row(self, parent: list[int], token: list[int], p: Weights) -> list[int]:
        if self.wrong and len(self.children(parent, 0)) == 3:
            return [token[1], int(torch.multinomial(torch.from_numpy(p[1]), 1))]
        return super().row(parent, token, p)


class RightFrom3(WrongFrom3):
    wrong = False


def test_a_function_is_tried_with_every_claim() -> None:
    assert check_node(verify, "iid", 1, settings=FEW).status == "pass"
    report = check_node(verify, "iid", 1, settings=THREE)
    assert report.status == "biased"
    assert headline(report).startswith("FAIL")
    assert "1 iid and 3 top_k drafts" in headline(report)
    assert report.coverage is not None
    assert (report.coverage.policies, report.coverage.k) == (["iid", "top_k"], [1, 3])


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "status"), [(WrongFrom3(), "biased"), (RightFrom3(), "pass")])
def test_an_engine_of_batches_is_tried_with_every_claim(engine: Any, status: str) -> None:
    engine.branchings = [(2,)]
    report = check_tree(engine, "top_k", 2, settings=THREE)
    assert report.status == status
    assert status == "biased" or (report.coverage is not None and report.coverage.k == [2, 3])


def test_claims_on_the_command_line() -> None:
    runner = CliRunner()
    for wrong in ("top_k", "top_k:", ":3", "top_k:0", "bottom_k:2"):
        result = runner.invoke(app, ["gate", "spechub/rrs", "--k", "1", "--claim", wrong])
        assert result.exit_code == 2
        assert wrong.partition(":")[0] in result.output
    with pytest.raises(SpecHubError, match="its own drafts"):
        check_node(by_name("rrs", 2), settings=THREE)
