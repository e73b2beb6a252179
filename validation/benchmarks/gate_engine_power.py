"""How many answers of a server the gate needs: right and wrong loops on a tiny pair, each many times.

    python validation/benchmarks/gate_engine_power.py --repeats 20

A row says how often each verdict came, and the median, least and most answers until it came.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from statistics import median
from typing import Any

import numpy as np

from spechub_lp.gate.generation import settings
from spechub_lp.gate.generation.draws import AT_ONCE, check_draws
from spechub_lp.gate.generation.exact import Limits
from spechub_lp.gate.generation.pair import TinyPair, make_pair
from spechub_lp.gate.generation.reference import conditional
from spechub_lp.gate.generation.requests import Params, Tokens

CASES = (
    ("right", "sampling", 0.1),
    ("right", "sampling", 0.05),
    ("every draft is accepted", "sampling", 0.1),
    ("the residual is the target", "sampling", 0.1),
    ("every request has the same noise", "sampling", 0.1),
    ("the bonus token has no mask", "masked token", 0.1),
    ("the bonus token has no temperature", "temperature 0.6", 0.1),
    ("the bonus token has no temperature", "temperature 0.6", 0.02),
)
"""Which loop, under which setting, and the distance that a pass has to prove."""


class Loop:
    """Speculative sampling of a chain with one fault."""

    controlled = False

    def __init__(self, pair: TinyPair, fault: str, seed: int):
        self.pair, self.name, self.rng = pair, fault, np.random.default_rng(seed)
        self.target = cache(lambda prompt, before, params: conditional(pair, prompt, before, params))

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[Tokens]:
        """One text after the other."""
        if self.name == "every request has the same noise":
            self.rng = np.random.default_rng(0)
        return [self._text(tuple(prompt), params) for prompt in prompts for _ in range(params.n)]

    def _text(self, prompt: Tokens, params: Params) -> Tokens:
        text: Tokens = ()
        shape = replace(params, n=1, drafts=0)
        while len(text) < params.max_tokens:
            text = self._step(prompt, text, shape, params.drafts)
        return text[: params.max_tokens]

    def _step(self, prompt: Tokens, text: Tokens, params: Params, drafts: int) -> Tokens:
        for _ in range(drafts):
            p = self.target(prompt, text, params)
            q = self.pair.draft_distribution((*prompt, *text))
            x = self._pick(q)
            if self.name != "every draft is accepted" and self.rng.random() * q[x] >= p[x]:
                wrong = self.name == "the residual is the target"
                return (*text, self._pick(p if wrong else np.maximum(p - q, 0)))
            text = (*text, x)
        return (*text, self._pick(self.target(prompt, text, self._bonus(params))))

    def _bonus(self, params: Params) -> Params:
        left_out: dict[str, Any] = {"the bonus token has no mask": {"masked": ()},
                                    "the bonus token has no temperature": {"temperature": 1.0}}  # fmt: skip
        return replace(params, **left_out.get(self.name, {}))

    def _pick(self, weights: Any) -> int:
        ends = np.cumsum(weights)
        return int(np.searchsorted(ends, self.rng.random() * ends[-1], side="right"))


def measured(case: tuple[str, str, float], repeats: int) -> str:
    """A row of the table."""
    fault, name, within = case
    pair, setting = make_pair(3), settings.find(name)
    rows = [
        check_draws(Loop(pair, fault, seed), pair, setting, 2, 3, Limits(600, 60, within)) for seed in range(repeats)
    ]
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in Counter(row.verdict for row in rows).most_common())
    answers = [row.calls * AT_ONCE for row in rows]
    return (
        f"| {fault} | {name} | {within} | {verdicts} | {median(answers):,.0f} | {min(answers):,} to {max(answers):,} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    print(f"| loop | setting | a pass proves | verdicts of {repeats} | answers, median | least to most |")
    print("|---|---|---|---|---|---|")
    for case in CASES:
        print(measured(case, repeats), flush=True)


if __name__ == "__main__":
    main()
