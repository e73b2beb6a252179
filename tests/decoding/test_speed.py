"""The cost model adds up the calls that a tree makes, and tokens per call are paired by prompt."""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from known import known
from places import ROOT

from spechub_lp.decoding.speed import Costs, gain, run_trees
from spechub_lp.evaluate.tally import Estimate
from spechub_lp.trees.node_by_node import NodeByNode
from spechub_lp.trees.shape import Shape, chain, full

COSTS = Costs(target={1: 10.0, 7: 16.0, 15: 30.0}, draft={1: 1.0, 2: 1.5, 4: 2.0})


def test_a_tree_costs_its_draft_calls_its_target_call_and_the_overhead() -> None:
    assert COSTS.call(full(2, 1)) == 1.0 + 12.0  # the root alone is read by the draft; the target reads three
    assert COSTS.call(full(2, 2), 0.5) == 1.0 + 1.5 + 16.0 + 0.5
    assert COSTS.call(full(2, 3)) == 1.0 + 1.5 + 2.0 + 30.0
    assert COSTS.call(chain(2)) == 1.0 + 1.0 + 12.0
    assert COSTS.call(Shape((Shape(), Shape((Shape(),))))) == 1.0 + 1.0 + 13.0  # leaves are not read by the draft
    assert COSTS.at(COSTS.target, 30) == 60.0
    assert COSTS.speed_up(full(2, 2), 2.5) == pytest.approx(2.5 * 10 / 18.5)


def test_a_gain_is_the_mean_of_differences_by_prompt() -> None:
    left, right = {"a": (30, 10), "b": (20, 10)}, {"a": (25, 10), "b": (15, 10)}
    assert gain(left, right) == Estimate(0.5, 0.0, 2)
    assert known(gain(left, {"a": (25, 10), "b": (20, 10), "c": (9, 1)})).mean == 0.25
    assert gain(left, {"c": (9, 1)}) is None


@pytest.mark.slow
def test_runs_on_a_real_pair(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from small_models import small_model

    from spechub_lp.capture.models import load_pair
    from spechub_lp.decoding.speed import call_costs, plain_seconds
    from spechub_lp.evaluate.measures import Setting

    pair = load_pair(small_model(tmp_path / "model"), "temperature:1")
    prompts: dict[str, Sequence[int]] = {"a": [1, 2, 3], "b": [4, 5]}
    (run,) = run_trees(pair, prompts, [("chain", chain(2), NodeByNode("rrs"))], 6, Setting(1.0))
    assert run.efficiency.mean == 3.0  # the draft is the target: every draft is accepted
    assert run.by_prompt == {"a": (6, 2), "b": (6, 2)}
    assert run.per_call > run.overhead > 0
    costs = call_costs(pair, prompts["a"], (1, 3), repeats=1)
    assert min(costs.call(chain(2)), plain_seconds(pair, prompts["a"], 3, Setting(1.0))) > 0


@pytest.mark.slow
def test_stopped_tree_runs_go_on_behind_the_last_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    from small_models import small_model

    from spechub_lp.capture.models import load_pair

    script = ROOT / "validation" / "run.py"
    spec = importlib.util.spec_from_file_location("validation_run", script)
    run = importlib.util.module_from_spec(known(spec))
    known(known(spec).loader).exec_module(run)
    models = (small_model(tmp_path / "model"), "skip:1")
    pair = load_pair(*models)
    prompts = {f"text_{n}": [n, 2, 3] for n in range(6)}
    trees = [(name, shape, NodeByNode(rule)) for name, shape in (("2^1", full(2, 1)), ("chain", chain(2)))
             for rule in ("rrs", "rrsw")]  # fmt: skip

    def counts(name: str) -> dict[tuple[str, str], Any]:
        document = json.loads((tmp_path / f"trees_{name}.json").read_text(encoding="utf-8"))
        assert len(list(run._tree_sections(document))) == 2
        return {(r["tree"], r["rule"]): r["by_prompt"] for r in document["runs"]}

    monkeypatch.setattr(run, "RESULTS", tmp_path)
    run.tree_runs("whole", pair, models, prompts, trees, 5, (1.0,))
    loops, done = run.run_trees, list[int]()

    def stops(*args: Any, **other: Any) -> Any:
        if len(done) == 18:
            raise KeyboardInterrupt
        done.append(1)
        return loops(*args, **other)

    monkeypatch.setattr(run, "run_trees", stops)
    with pytest.raises(KeyboardInterrupt):
        run.tree_runs("parts", pair, models, prompts, trees, 5, (1.0,))
    assert {len(found) for found in counts("parts").values()} == {4, 6}  # all trees have seen four prompts
    done.clear()
    run.tree_runs("parts", pair, models, prompts, trees, 5, (1.0,))
    assert len(done) == 6
    assert counts("parts") == counts("whole")
    run.tree_runs("parts", pair, models, prompts, trees, 5, (1.0,))
    assert len(done) == 6
    done.clear()
    run.tree_runs("parts", pair, models, dict(list(prompts.items())[:1]), trees, 4, (1.0,))
    assert len(done) == 4  # another length: not gone on with
    small_model(tmp_path / "model", seed=1)
    other_draft = (models[0], "skip:0")
    other_prompts = {"text_0": [9, 9, 9]}
    for contents in ((models, {"text_0": prompts["text_0"]}), (other_draft, other_prompts), (models, other_prompts)):
        done.clear()
        run.tree_runs("parts", pair, *contents, trees, 4, (1.0,))
        assert len(done) == 4  # other weights, another draft, another text


@pytest.mark.slow
def test_a_training_of_the_same_kind_only_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    from validation import train_pair

    trained: list[str] = []
    fit = train_pair.fit

    def noted(*given: Any) -> None:
        trained.append(given[-1])
        fit(*given)

    monkeypatch.setattr(train_pair, "fit", noted)
    monkeypatch.setattr(train_pair, "say", lambda line: None)
    for steps, seed, expected in ((1, 0, 2), (1, 0, 0), (2, 0, 2), (2, 1, 2), (2, 1, 0)):
        trained.clear()
        train_pair.train(tmp_path, steps, seed)
        assert len(trained) == expected, (steps, seed)
    weights = tmp_path / "draft" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    trained.clear()
    train_pair.train(tmp_path, 2, 1)
    assert trained == ["draft"]
