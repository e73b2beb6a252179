"""Generation with trees: readers see what a plain call sees, and what comes out follows the target."""

from collections import Counter
from collections.abc import Callable, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import LETTERS, small_model
from tabular_models import model

from spechub_lp.capture.models import Runner, load_pair
from spechub_lp.decoding.generate import generate
from spechub_lp.decoding.readers import CachedReader, WindowReader, cache_argument, reader
from spechub_lp.evaluate.measures import Setting
from spechub_lp.trees.decoding import step_distribution, target_distribution, tokens_per_call
from spechub_lp.trees.node_by_node import NodeByNode
from spechub_lp.trees.path import Block, BorderPath
from spechub_lp.trees.shape import Shape, chain, full
from spechub_lp.trees.traversal import Traversal
from spechub_lp.typing import FloatArray, ObjectArray

LARGEST_Z = 5.5
"""Standard errors; fewer than 60 counts are compared, so a correct loop fails once in 4e5 families of tests."""


class TabularReader:
    """A tabular model as a reader; log 0 is -inf."""

    def __init__(self, distributions: Callable[[tuple[int, ...]], tuple[ObjectArray, ObjectArray]], which: int) -> None:
        self.distributions, self.which = distributions, which
        self.text: tuple[int, ...] = ()
        self.paths: list[tuple[int, ...]] = []

    def read(self, tokens: Sequence[int], parents: Sequence[int]) -> FloatArray:
        for token, parent in zip(tokens, parents, strict=True):
            self.paths.append((*(self.paths[parent] if parent >= 0 else ()), int(token)))
        fresh = self.paths[len(self.paths) - len(tokens) :]
        with np.errstate(divide="ignore"):
            # the first token is the prompt, which the tabular model does not know
            found: FloatArray = np.log(
                np.stack([self.distributions((*self.text, *p)[1:])[self.which].astype(float) for p in fresh])
            )
            return found

    def keep(self, node: int) -> None:
        self.text += self.paths[node] if node >= 0 else ()
        self.paths = []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "rule"),
    [
        (full(2, 2), NodeByNode("rrsw")),
        (full(2, 2), NodeByNode("spechub")),
        (Shape((Shape((Shape(),)), Shape())), NodeByNode("border_wor")),
        (full(2, 2), Traversal()),
        (chain(3), Block()),
        (full(2, 2), BorderPath()),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_is_generated_follows_the_joint_distribution_of_the_target(shape: Shape, rule: Any) -> None:
    pair, rng, draws = model(3, 5), np.random.default_rng(0), 1500
    counts: Counter[tuple[int, ...]] = Counter()
    first = 0
    for _ in range(draws):
        made = generate(TabularReader(pair, 0), TabularReader(pair, 1), [0], shape, rule, 3, rng=rng)
        counts[tuple(made.tokens)] += 1
        first += made.calls[0]
    distribution = target_distribution(pair, 3)
    assert set(counts) <= set(distribution)
    for tokens, mass in distribution.items():
        spread = sqrt(draws * mass * (1 - mass))
        assert abs(counts[tokens] - draws * mass) <= LARGEST_Z * spread, tokens
    step = step_distribution(pair, (), shape, rule)
    mean = float(tokens_per_call(step))
    variance = float(sum(len(t) ** 2 * m for t, m in step.items())) - mean**2
    assert abs(first / draws - mean) <= LARGEST_Z * sqrt(variance / draws) + 1e-12


@pytest.mark.slow
def test_readers_see_what_a_plain_call_sees(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    pair = load_pair(small_model(tmp_path / "model"), "skip:1")
    for runner in (pair.target, pair.draft, Runner(pair.target.model, context=4), Runner(pair.target.model, None, 2.0)):
        seen = reader(runner)
        assert isinstance(seen, WindowReader if runner.context else CachedReader)
        seen.read([1, 2, 3, 4, 5], range(-1, 4))
        seen.keep(4)
        seen.read([6, 7, 8, 9], [-1, 0, 0, 1])  # a tree of which the path 6, 8 is kept
        seen.keep(2)
        logits = seen.read([10, 11, 12], [-1, 0, 0])
        for row, tail in zip(logits, ([10], [10, 11], [10, 12]), strict=True):
            text = [1, 2, 3, 4, 5, 6, 8, *tail]
            text = text[-runner.context :] if runner.context else text
            with torch.inference_mode():
                plain = runner.model(torch.tensor([text]), use_cache=False).logits[0, -1] / runner.temperature
            assert (plain.log_softmax(-1) - row.log_softmax(-1)).abs().max() < 1e-4


class Before:
    """A model with the signature of transformers up to 5.23, around an installed one."""

    def __init__(self, model: Any) -> None:
        self.model, self.config, self.device, self.dtype = model, model.config, model.device, model.dtype

    def forward(
        self,
        ids: torch.Tensor,
        attention_mask: Any = None,
        position_ids: Any = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
    ) -> Any:
        named = {cache_argument(self.model.forward): past_key_values}
        return self.model(ids, attention_mask=attention_mask, position_ids=position_ids, use_cache=use_cache, **named)

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self.forward(*given, **named)


class Since(Before):
    """A model with the signature of transformers from 5.24 on: it has no other name for the cache."""

    def forward(
        self,
        ids: torch.Tensor,
        attention_mask: Any = None,
        position_ids: Any = None,
        cache: Any = None,
        use_cache: bool | None = None,
    ) -> Any:
        return super().forward(ids, attention_mask, position_ids, cache, use_cache)


@pytest.mark.slow
def test_the_cache_goes_by_the_name_that_the_model_has(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    model = load_pair(small_model(tmp_path / "model"), "skip:1").target.model
    read = [reader(Runner(each)).read([1, 2, 3], range(-1, 2)) for each in (model, Before(model), Since(model))]
    assert (read[0] == read[1]).all()
    assert (read[0] == read[2]).all()
    assert [cache_argument(kind.forward) for kind in (Before, Since)] == ["past_key_values", "cache"]


@pytest.mark.slow
def test_a_real_pair_generates(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    pair = load_pair(small_model(tmp_path / "target"), small_model(tmp_path / "draft", layers=1, seed=1))
    for draft in (pair.draft, Runner(pair.target.model, context=3), pair.target):
        rng = np.random.default_rng(0)
        shape, rule = full(2, 3), NodeByNode("spechub")
        made = generate(reader(pair.target), reader(draft), [1, 2, 3], shape, rule, 12, Setting(0.8), rng)
        assert len(made.tokens) == 12
        assert all(0 <= token < len(LETTERS) for token in made.tokens)
        assert sum(made.calls) >= 12
        assert made.read == len(made.calls) * 15
        assert all(1 <= n <= 4 for n in made.calls)
    assert all(n == 4 for n in made.calls)  # a draft that is the target is always believed


@pytest.mark.parametrize(
    "shape", [full(2, 2), chain(3), Shape((Shape((Shape(),)), Shape()))], ids=["2^2", "3", "mixed"]
)
def test_both_models_have_read_what_was_generated(shape: Shape) -> None:
    """A leaf is not read by the draft when it is accepted; it must be read with the next call."""
    pair = model(3, 5)
    target, draft = TabularReader(pair, 0), TabularReader(pair, 0)
    made = generate(target, draft, [0], shape, NodeByNode("rrsw"), 40, rng=np.random.default_rng(0))
    assert list(target.text[1 : 1 + len(made.tokens)]) == made.tokens[: len(target.text) - 1]
    assert len(target.text) == sum(made.calls)
    assert draft.text == target.text[: len(draft.text)]
    assert len(draft.text) >= len(target.text) - 1
    assert 1 + shape.depth in made.calls
