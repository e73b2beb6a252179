"""From acceptance to time: tokens per call of real loops, a cost model, and the clock beside it.

The model. Plain decoding takes C_t(1) a token, with C_t(n), C_d(n) the seconds of a target or draft call that reads n
new tokens after what is cached. A tree of m drafted tokens with m_1, m_2, ... nodes that have children on its levels
takes

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
from spechub_lp.evaluate.measures import Setting
from spechub_lp.evaluate.tally import Estimate, Tally
from spechub_lp.trees.drafted import pick
from spechub_lp.trees.shape import Shape


@dataclass(frozen=True)
class Costs:
    """Seconds of one call, by the number of new tokens that it reads.

    Examples
    --------
    >>> from spechub_lp.trees.shape import full
    >>> costs = Costs(target={1: 1.0, 4: 1.3}, draft={1: 0.1})
    >>> round(costs.call(full(2, 1)), 2), round(costs.speed_up(full(2, 1), tokens_per_call=1.8), 2)
    (1.3, 1.38)
    """

    target: dict[int, float]
    draft: dict[int, float]

    def call(self, shape: Shape, overhead: float = 0.0) -> float:
        """Return the seconds that drafting, reading and verifying one tree should take."""
        drafting, level = self.at(self.draft, 1), list(shape.children)
        while inner := [node for node in level if node.children]:
            drafting += self.at(self.draft, len(inner))
            level = [child for node in inner for child in node.children]
        return drafting + self.at(self.target, shape.size + 1) + overhead

    def speed_up(self, shape: Shape, tokens_per_call: float, overhead: float = 0.0) -> float:
        """Return the speed-up over plain decoding, one target call a token."""
        return tokens_per_call * self.at(self.target, 1) / self.call(shape, overhead)

    @staticmethod
    def at(curve: dict[int, float], n: int) -> float:
        """Return the seconds at n tokens: a straight line between measured sizes; beyond the last in proportion."""
        sizes = sorted(curve)
        if n > sizes[-1]:
            return curve[sizes[-1]] * n / sizes[-1]
        return float(np.interp(n, sizes, [curve[size] for size in sizes]))


Counts = Mapping[str, Sequence[int]]
"""prompt -> (tokens, calls)."""


@dataclass
class Run:
    """One shape and rule over all prompts.

    Examples
    --------
    >>> from spechub_lp.trees.shape import full
    >>> run = Run("2^1", full(2, 1), "rrs", Estimate(1.5, None, 4), {"a": (6, 4)}, {"draft": 0.1, "choose": 0.2})
    >>> round(run.per_call, 1)
    0.3
    """

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
        """Seconds a call."""
        return sum(self.seconds.values())

    @property
    def overhead(self) -> float:
        """Seconds a call beside the two models: softmax, drawing drafts, verifying, tidying the caches."""
        return sum(self.seconds[part] for part in ("choose", "verify", "keep"))


def run_trees(
    pair: Pair, prompts: dict[str, Sequence[int]], trees: Sequence[tuple[str, Shape, Rule]], length: int,
    setting: Setting, seed: int = 0, progress: Callable[[str, int, int], None] = lambda what, done, of: None,
) -> list[Run]:  # fmt: skip
    """Generate tokens after every prompt with every tree.

    Parameters
    ----------
    pair
        The models.
    prompts
        Name -> tokens.
    trees
        (name, shape, rule) of each.
    length
        How many tokens.
    setting
        Temperature and truncation.
    seed
        Of all draws.
    progress
        Told what is being done, how much is done, and of how much.

    Returns
    -------
    list of Run
        One for each tree.
    """
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
    """Estimate the tokens per call of one run less those of another, paired at the prompts of both.

    Parameters
    ----------
    run, over
        Prompt -> (tokens, calls).

    Returns
    -------
    Estimate or None
        None where they have no prompt in common.

    Examples
    --------
    >>> gain({"a": (6, 3), "b": (8, 4)}, {"a": (3, 3), "b": (4, 4)}).mean
    1.0
    """
    both = {name: run[name][0] / run[name][1] - over[name][0] / over[name][1] for name in run if name in over}
    return Tally.ratio(lambda name: (both[name], 1), both)


def call_costs(pair: Pair, context: Sequence[int], sizes: Sequence[int], repeats: int = 5) -> Costs:
    """Time calls of both models after a context: the median of `repeats`, after one that is thrown away.

    Parameters
    ----------
    pair
        The models.
    context
        Tokens.
    sizes
        Numbers of new tokens.
    repeats
        How often each is timed.

    Returns
    -------
    Costs
        Seconds.
    """
    return Costs(*({n: _time(reader(r), context, n, repeats) for n in sizes} for r in (pair.target, pair.draft)))


def plain_seconds(pair: Pair, prompt: Sequence[int], length: int, setting: Setting, seed: int = 0) -> float:
    """Time plain decoding with the target and its cache.

    Parameters
    ----------
    pair
        The models.
    prompt
        Two tokens at least.
    length
        How many tokens are made.
    setting
        Temperature and truncation.
    seed
        Of the draws.

    Returns
    -------
    float
        Seconds a token, the median.
    """
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
