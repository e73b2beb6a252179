"""From acceptance to time: tokens per call of real loops, a cost model, and the clock beside it.

The model. Plain decoding takes C_t(1) a token, with C_t(n), C_d(n) the seconds of a target or draft call that reads n
new tokens behind a cache. A tree of m drafted tokens with m_1, m_2, ... nodes that have children on its levels takes

    C_d(1) + C_d(m_1) + C_d(m_2) + ... + C_t(m + 1) + overhead

a call (overhead: softmax, drawing drafts, verifying, tidying the caches) and gives E tokens. The speed-up is E C_t(1)
over that.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from spechub_lp.capture.models import Pair
from spechub_lp.decoding.generate import PARTS, Rule, generate
from spechub_lp.decoding.readers import Reader, reader
from spechub_lp.replay.measures import Setting
from spechub_lp.replay.tally import Estimate, Tally
from spechub_lp.trees.drafted import pick
from spechub_lp.trees.shape import Shape


@dataclass(frozen=True)
class Costs:
    """Seconds of one call, by the number of new tokens that it reads."""

    target: dict[int, float]
    draft: dict[int, float]

    def call(self, shape: Shape, overhead: float = 0.0) -> float:
        """Seconds that drafting, reading and verifying one tree should take."""
        drafting, level = self.at(self.draft, 1), list(shape.children)
        while inner := [node for node in level if node.children]:
            drafting += self.at(self.draft, len(inner))
            level = [child for node in inner for child in node.children]
        return drafting + self.at(self.target, shape.size + 1) + overhead

    def speed_up(self, shape: Shape, tokens_per_call: float, overhead: float = 0.0) -> float:
        """Over plain decoding, one target call a token."""
        return tokens_per_call * self.at(self.target, 1) / self.call(shape, overhead)

    @staticmethod
    def at(curve: dict[int, float], n: int) -> float:
        """Between measured sizes a straight line; beyond the last one in proportion to it."""
        sizes = sorted(curve)
        if n > sizes[-1]:
            return curve[sizes[-1]] * n / sizes[-1]
        return float(np.interp(n, sizes, [curve[size] for size in sizes]))


Counts = Mapping[str, Sequence[int]]
"""prompt -> (tokens, calls)."""


@dataclass
class Run:
    """One shape and rule over all prompts."""

    name: str
    shape: Shape
    rule: str
    efficiency: Estimate
    """Tokens per call of the target; the interval is clustered by prompt."""
    by_prompt: Counts
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds a call, by part of the work."""

    @property
    def per_call(self) -> float:
        return sum(self.seconds.values())

    @property
    def overhead(self) -> float:
        """Seconds a call beside the two models: softmax, drawing drafts, verifying, tidying the caches."""
        return sum(self.seconds[part] for part in ("choose", "verify", "keep"))


def run_trees(
    pair: Pair, prompts: dict[str, Sequence[int]], trees: Sequence[tuple[str, Shape, Rule]], length: int,
    setting: Setting, seed: int = 0, progress: Callable[[str, int, int], None] = lambda what, done, of: None,
) -> list[Run]:  # fmt: skip
    """Generate `length` tokens behind every prompt with every (name, shape, rule)."""
    out = []
    for done, (name, shape, rule) in enumerate(trees):
        progress("trees", done, len(trees))
        by_prompt, seconds = {}, dict.fromkeys(PARTS, 0.0)
        for number, (prompt, ids) in enumerate(prompts.items()):
            rng = np.random.default_rng((seed, number))
            made = generate(reader(pair.target), reader(pair.draft), ids, shape, rule, length, setting, rng)
            by_prompt[prompt] = (sum(made.calls), len(made.calls))
            for part, spent in made.seconds.items():
                seconds[part] += spent
        calls = sum(n for _, n in by_prompt.values())
        mean = Tally.ratio(by_prompt.__getitem__, by_prompt)
        assert mean is not None
        per_call = {part: spent / calls for part, spent in seconds.items()}
        out.append(Run(name, shape, rule.name, mean, by_prompt, per_call))
    progress("trees", len(trees), len(trees))
    return out


def gain(run: Counts, over: Counts) -> Estimate | None:
    """Tokens per call of one run less those of another at the prompts of both: paired, so that prompts cancel."""
    both = {name: run[name][0] / run[name][1] - over[name][0] / over[name][1] for name in run if name in over}
    return Tally.ratio(lambda name: (both[name], 1), both)


def call_costs(pair: Pair, context: Sequence[int], sizes: Sequence[int], repeats: int = 5) -> Costs:
    """Time calls of both models behind a context: the median of `repeats`, after one that is thrown away."""
    return Costs(*({n: _time(reader(r), context, n, repeats) for n in sizes} for r in (pair.target, pair.draft)))


def plain_seconds(pair: Pair, prompt: Sequence[int], length: int, setting: Setting, seed: int = 0) -> float:
    """Seconds a token of plain decoding with the target and its cache, the median."""
    target, rng = reader(pair.target), np.random.default_rng(seed)
    target.read(prompt[:-1], range(-1, len(prompt) - 2))
    target.keep(len(prompt) - 2)
    token, spent = int(prompt[-1]), []
    for _ in range(length):
        started = time.perf_counter()
        logits = target.read([token], [-1])
        target.keep(0)
        distribution = setting.distribution(np.asarray(logits.cpu(), dtype=np.float64))[0]
        token = pick(distribution, float(rng.random()))
        spent.append(time.perf_counter() - started)
    return median(spent)


def _time(model: Reader, context: Sequence[int], n: int, repeats: int) -> float:
    model.read(context, range(-1, len(context) - 1))
    model.keep(len(context) - 1)
    spent = []
    tokens: Any = [context[i % len(context)] for i in range(n)]
    for _ in range(repeats + 1):
        started = time.perf_counter()
        model.read(tokens, [-1] * n)
        spent.append(time.perf_counter() - started)
        model.keep(-1)
    return median(spent[1:])
