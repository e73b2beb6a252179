"""The cost model adds up the calls that a tree makes, and tokens per call are paired by prompt."""

import pytest

from spechub_lp.logits.speed import Costs, Run, gain, run_trees
from spechub_lp.logits.tally import Estimate, Tally
from spechub_lp.trees import NodeByNode, Shape, chain, full

COSTS = Costs(target={1: 10.0, 7: 16.0, 15: 30.0}, draft={1: 1.0, 2: 1.5, 4: 2.0})


def test_a_tree_costs_its_draft_calls_its_target_call_and_the_overhead():
    assert COSTS.call(full(2, 1)) == 1.0 + 12.0  # the root alone is read by the draft; the target reads three
    assert COSTS.call(full(2, 2), 0.5) == 1.0 + 1.5 + 16.0 + 0.5
    assert COSTS.call(full(2, 3)) == 1.0 + 1.5 + 2.0 + 30.0
    assert COSTS.call(chain(2)) == 1.0 + 1.0 + 12.0
    assert COSTS.call(Shape((Shape(), Shape((Shape(),))))) == 1.0 + 1.0 + 13.0  # leaves are not read by the draft
    assert COSTS.at(COSTS.target, 30) == 60.0
    assert COSTS.speed_up(full(2, 2), 2.5) == pytest.approx(2.5 * 10 / 18.5)


def test_a_gain_is_the_mean_of_differences_by_prompt():
    def run(counts: dict[str, tuple[int, int]]) -> Run:
        return Run("", chain(1), "rrs", Estimate(0, None, 0), counts)

    left, right = run({"a": (30, 10), "b": (20, 10)}), run({"a": (25, 10), "b": (15, 10)})
    found = gain(left, right)
    assert found == Estimate(0.5, 0.0, 2)
    assert Tally.ratio(left.by_prompt.__getitem__, left.by_prompt).mean == 2.5


@pytest.mark.slow
def test_runs_on_a_real_pair(tmp_path):
    pytest.importorskip("transformers")
    from test_capture import small_model

    from spechub_lp.logits.measures import Setting
    from spechub_lp.logits.models import load_pair
    from spechub_lp.logits.speed import call_costs, plain_seconds

    pair = load_pair(small_model(tmp_path / "model"), "temperature:1")
    prompts = {"a": [1, 2, 3], "b": [4, 5]}
    (run,) = run_trees(pair, prompts, [("chain", chain(2), NodeByNode("rrs"))], 6, Setting(1.0))
    assert run.efficiency.mean == 3.0  # the draft is the target: every draft is accepted
    assert run.by_prompt == {"a": (6, 2), "b": (6, 2)}
    assert run.per_call > run.overhead > 0
    costs = call_costs(pair, prompts["a"], (1, 3), repeats=1)
    assert min(costs.call(chain(2)), plain_seconds(pair, prompts["a"], 3, Setting(1.0))) > 0
