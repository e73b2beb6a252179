"""Checks on the engine's own noise: bets on the joint distribution, reported log-probabilities, and seeds.

P(a right engine fails) <= 1e-6 over all bets of one setting, whenever one looks. A pass by draws says how small a
distance it proves.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spechub_lp.gate.clock import now
from spechub_lp.gate.generation.ask import ask
from spechub_lp.gate.generation.compare import distance, first_difference
from spechub_lp.gate.generation.exact import Limits, unlike_prompts
from spechub_lp.gate.generation.joint import Joint
from spechub_lp.gate.generation.pair import TinyPair
from spechub_lp.gate.generation.reference import KNOWN, conditional, reference_joint
from spechub_lp.gate.generation.requests import Completion, Engine, Failure, NotOffered, Params, Tokens
from spechub_lp.gate.generation.results import Row, Verdict
from spechub_lp.gate.generation.settings import Setting
from spechub_lp.gate.settings import FALSE_ALARM
from spechub_lp.gate.statistics.sequential import Bet, Claim, distance_bound, odds, radius, smallest_caught

AT_ONCE = 64
"""Completions that one request asks for, where the setting does not say how many."""
LOGPROBS = 24
"""Requests whose log-probabilities are compared."""
CLOSE = 1e-3
"""Log-probabilities that differ by less are equal: engines report them in float32, servers in a few digits."""
SEEDS = 48
Outcome = tuple[Tokens, ...]


class Stopped(Exception):
    """Say that a check has its answer; never leaves this module.

    Parameters
    ----------
    verdict
        The answer.
    message
        Why, as a sentence.
    """

    def __init__(self, verdict: Verdict, message: str):
        super().__init__(message)
        self.verdict, self.message = verdict, message


@dataclass
class Asking:
    """Ask one engine about one setting, counted and timed.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> asking = Asking(lambda prompts, params: [[0]], make_pair(), [(0,)], Params(max_tokens=1), Limits(), 1e9)
    >>> asking(), asking.calls
    ((Completion(tokens=(0,), logprobs=None),), 1)
    """

    engine: Engine
    pair: TinyPair
    prompts: Sequence[Tokens]
    """Token ids of each prompt."""
    params: Params
    limits: Limits
    deadline: float
    """When no more is asked, by `gate.clock.now`."""
    calls: int = 0
    """Requests so far."""
    at_once: int = AT_ONCE
    """Completions that one request asks for; 1 once it was seen that the engine takes no more with drafts."""

    def __call__(self, params: Params | None = None, prompts: Sequence[Tokens] | None = None) -> tuple[Completion, ...]:
        """An answer. Raises Stopped where the engine fails, does not offer this, or the time is over."""
        if self.over:
            raise Stopped(Verdict.INCONCLUSIVE, f"the time ended after {self.calls:,} requests")
        self.calls += 1
        params = params or self.params
        try:
            answer = ask(self.engine, prompts or self.prompts, params, self.pair.vocabulary, self.limits.time_limit)
        except NotOffered as error:
            raise Stopped(Verdict.NOT_OFFERED, str(error)) from None
        if isinstance(answer, Failure):
            raise Stopped(Verdict.FAILED, f"{answer.kind}, request {self.calls}: {answer.message}")
        return answer

    @property
    def over(self) -> bool:
        """Whether the time has ended."""
        return now() > self.deadline

    def outcomes(self, params: Params) -> list[Outcome]:
        """Answers to the setting; several completions of one prompt are as many answers, where n says nothing else."""
        if params.n > 1 or len(self.prompts) > 1:
            return [tuple(part.tokens for part in self(params))]
        try:
            return [(part.tokens,) for part in self(replace(params, n=self.at_once))]
        except Stopped as stopped:
            if stopped.verdict is not Verdict.NOT_OFFERED or self.at_once == 1:
                raise
        self.at_once = 1
        return self.outcomes(params)


def check_draws(
    engine: Engine, pair: TinyPair, setting: Setting, drafts: int, tokens: int, limits: Limits,
    own: Joint | None = None,
) -> Row:  # fmt: skip
    """Bet against the claim that drafts change nothing.

    The answers are held against the distribution of the engine's own plain decoding where it was computed, against the
    stated one where the arguments have one meaning and the engine cannot be run otherwise, else against its plain
    answers. P(a right engine fails) <= 1e-6.

    Parameters
    ----------
    engine
        The engine, opened.
    pair
        The pair that it was opened with.
    setting
        Which arguments are passed.
    drafts
        Drafts a step, unless the setting has its own number.
    tokens
        Tokens of a completion at most, unless the setting has its own number.
    limits
        What this may cost.
    own
        Answer -> probability: the engine's own plain decoding, where it was computed.

    Returns
    -------
    Row
        `Verdict.WITHIN` with the distance that is proved, `Verdict.FAILED`, or `Verdict.INCONCLUSIVE` where the draws
        or the time ended before either.

    References
    ----------
    Shafer, *Testing by betting*, Journal of the Royal Statistical Society A 184 (2021). Between two streams the bet is
    which of two answers came with drafts, which nobody can tell where the streams are exchangeable.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> from spechub_lp.gate.generation.settings import find
    >>> def generate(prompts, params):
    ...     return [[0] for _ in range(params.n)]
    >>> generate.controlled = False
    >>> row = check_draws(generate, make_pair(), find("max tokens 1"), drafts=1, tokens=1, limits=Limits())
    >>> row.verdict, row.message.partition(" where")[0]
    (<Verdict.FAILED: 'failed'>, 'position 0 right behind the prompt: token 0 has probability 1.000000')
    """
    drafted, plain = setting.params(drafts, tokens), setting.params(0, tokens)
    prompts = unlike_prompts(pair, plain.batch)

    def work(asking: Asking) -> Row:
        stated = not engine.controlled and not plain.changed & getattr(engine, "own_meanings", frozenset())
        reference = own or (reference_joint(pair, prompts, plain) if stated else None)
        if reference is not None:
            return _against_reference(asking, setting, drafted, reference)
        return _against_plain(asking, setting, plain, drafted)

    return _row(engine, pair, setting, prompts, drafted, limits, "joint distribution", work)


def _row(
    engine: Engine, pair: TinyPair, setting: Setting, prompts: Sequence[Tokens], params: Params, limits: Limits,
    check: str, work: Any,
) -> Row:  # fmt: skip
    start = now()
    asking = Asking(engine, pair, prompts, params, limits, start + limits.seconds)
    try:
        row: Row = work(asking)
    except Stopped as stopped:
        row = Row(setting.name, stopped.verdict, message=stopped.message)
    return replace(row, check=check, calls=asking.calls, seconds=now() - start)


def _against_reference(asking: Asking, setting: Setting, params: Params, reference: Joint) -> Row:
    known = sorted(reference)
    place = {outcome: i for i, outcome in enumerate(known)}
    masses = [reference[outcome] for outcome in known]
    bets = [
        Bet(Claim.OUTPUT, masses, "its answers do not follow plain decoding"),
        Bet(Claim.INDEPENDENCE, masses, "an answer tells something about the next one"),
    ]
    counts, before = np.zeros(len(known)), None
    alpha = FALSE_ALARM / (len(bets) + 1)
    while not counts.sum() or (counts.sum() < asking.limits.draws and not asking.over):
        for outcome in asking.outcomes(params):
            if outcome not in place:
                raise Stopped(
                    Verdict.FAILED, f"{_impossible(reference, outcome)}: plain decoding gives it probability 0"
                )
            counts[place[outcome]] += 1
            bets[0].update(place[outcome])
            if before is not None:
                bets[1].update(place[outcome], before % 7)
            before = place[outcome]
        drawn = {outcome: n / counts.sum() for outcome, n in zip(known, counts, strict=True) if n}
        away = distance(reference, drawn)
        for bet in bets:
            if bet.log_wealth > math.log(1 / alpha):
                said = _where(reference, drawn) if bet.claim is Claim.OUTPUT else bet.pointing
                message = f"{said}; {int(counts.sum()):,} answers, {odds(bet.log_wealth)}"
                return Row(setting.name, Verdict.FAILED, distance=away, message=message, outcomes=len(known))
        bound = distance_bound(counts, masses, alpha)
        if bound < asking.limits.distance:
            return Row(setting.name, Verdict.WITHIN, distance=away, bound=bound, outcomes=len(known))
    caught = smallest_caught(int(counts.sum()), len(known), alpha)
    ended = "the time ended: " if asking.over else ""
    said = f"{ended}{int(counts.sum()):,} answers prove a distance below {bound:.3g}, not {asking.limits.distance:g}"
    power = f"; a distance of {caught:.3g} would have been caught with power 0.99"
    return Row(
        setting.name, Verdict.INCONCLUSIVE, distance=away, bound=bound, message=said + power, outcomes=len(known)
    )


def _against_plain(asking: Asking, setting: Setting, plain: Params, drafted: Params) -> Row:
    """Two streams of answers: where they are exchangeable, nobody can tell which of two came with drafts."""
    counts: tuple[Counter[Outcome], Counter[Outcome]] = (Counter(), Counter())
    log_wealth, n, alpha = 0.0, 0, FALSE_ALARM / 2
    while n == 0 or (n < asking.limits.draws and not asking.over):
        # With drafts an engine may give one completion at a time: the first request without them gave too many.
        for a, b in zip(asking.outcomes(plain), asking.outcomes(drafted), strict=False):
            if a != b:
                right = (counts[0][a] + 0.5) * (counts[1][b] + 0.5)
                wrong = (counts[0][b] + 0.5) * (counts[1][a] + 0.5)
                log_wealth += math.log(2 * right / (right + wrong))
            counts[0][a] += 1
            counts[1][b] += 1
            n += 1
        one, two = ({outcome: c / n for outcome, c in each.items()} for each in counts)
        known, away = sorted(one.keys() | two.keys()), distance(one, two)
        if log_wealth > math.log(1 / alpha):
            message = f"{_where(one, two)}; {n:,} answers each, {odds(log_wealth)}"
            return Row(setting.name, Verdict.FAILED, distance=away, message=message, outcomes=len(one))
        bound = min(1.0, away + sum(radius(np.asarray([e[x] for x in known]), alpha / 2) for e in counts))
        if bound < asking.limits.distance:
            return Row(setting.name, Verdict.WITHIN, distance=away, bound=bound, outcomes=len(one))
    ended = "the time ended: " if asking.over else ""
    said = f"{ended}{n:,} answers each prove a distance below {bound:.3g}, not {asking.limits.distance:g}"
    return Row(setting.name, Verdict.INCONCLUSIVE, distance=away, bound=bound, message=said, outcomes=len(one))


def _where(reference: Joint, drawn: Joint) -> str:
    """The first position whose frequencies differ by half of the largest difference at any."""
    return str(first_difference(reference, drawn, distance(reference, drawn) / 4) or "")


def _impossible(reference: Joint, outcome: Outcome) -> str:
    """The first token of an answer that cannot be."""
    for which, tokens in enumerate(outcome):
        for end in range(1, len(tokens) + 1):
            if not any(known[which][:end] == tokens[:end] for known in reference):
                after = f"after {tokens[: end - 1]}" if end > 1 else "right behind the prompt"
                return f"token {tokens[end - 1]} came at position {end - 1} {after}"
    return f"the answer {outcome} came"


def check_logprobs(engine: Engine, pair: TinyPair, setting: Setting, drafts: int, tokens: int, limits: Limits) -> Row:
    """Compare reported log-probabilities with the exact ones: of the model itself, or of what is sampled from.

    Parameters
    ----------
    engine
        The engine, opened.
    pair
        The pair that it was opened with.
    setting
        Which arguments are passed.
    drafts
        Drafts a step, unless the setting has its own number.
    tokens
        Tokens of a completion at most, unless the setting has its own number.
    limits
        What this may cost.

    Returns
    -------
    Row
        `Verdict.EXACT` where one of the two is what is reported, to within 1e-3; `Verdict.FAILED` with the worst
        token; `Verdict.NOT_OFFERED` where none are reported, or the arguments have more than one meaning.

    Examples
    --------
    >>> import random
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> from spechub_lp.gate.generation.settings import find
    >>> pair = make_pair()
    >>> def generate(prompts, params):
    ...     p = pair.target_distribution(prompts[0])
    ...     token = random.choices(range(3), p)[0]
    ...     return [([token], [math.log(p[token])])]
    >>> check_logprobs(generate, pair, find("max tokens 1"), drafts=1, tokens=1, limits=Limits()).verdict
    <Verdict.EXACT: 'exact'>
    """
    params = replace(setting.params(drafts, tokens), logprobs=True)
    prompts = unlike_prompts(pair, 1)

    def work(asking: Asking) -> Row:
        if params.changed - KNOWN:
            why = "the log-probabilities of these arguments have more than one meaning"
            return Row(setting.name, Verdict.NOT_OFFERED, message=why)
        worst: dict[str, tuple[float, str]] = {"the model's": (0.0, ""), "the processed": (0.0, "")}
        for _ in range(LOGPROBS):
            answer = asking()
            if answer[0].logprobs is None:
                return Row(setting.name, Verdict.NOT_OFFERED, message="it reports no log-probabilities")
            for at, (token, said) in enumerate(zip(answer[0].tokens, answer[0].logprobs, strict=True)):
                before = answer[0].tokens[:at]
                for name, args in (("the model's", Params()), ("the processed", replace(params, logprobs=False))):
                    true = math.log(max(float(conditional(pair, prompts[0], before, args)[token]), 1e-300))
                    where = (
                        f"position {at} after {before}: token {token} is reported with {said:.5f}, {name} is {true:.5f}"
                    )
                    worst[name] = max(worst[name], (abs(said - true), where))
        name = min(worst, key=lambda name: worst[name][0])
        if worst[name][0] > CLOSE:
            return Row(setting.name, Verdict.FAILED, message=worst[name][1])
        return Row(setting.name, Verdict.EXACT, message=f"{name} log-probabilities, within {worst[name][0]:.1g}")

    return _row(engine, pair, setting, prompts, params, limits, "log-probabilities", work)


def check_seeds(engine: Engine, pair: TinyPair, setting: Setting, drafts: int, tokens: int, limits: Limits) -> Row:
    """Try whether a seed fixes the answer: twice, beside other seeds, and alone and in a batch of unlike prompts.

    Parameters
    ----------
    engine
        The engine, opened.
    pair
        The pair that it was opened with.
    setting
        Which arguments are passed.
    drafts
        Drafts a step, unless the setting has its own number.
    tokens
        Tokens of a completion at most, unless the setting has its own number.
    limits
        What this may cost.

    Returns
    -------
    Row
        `Verdict.EXACT`, or `Verdict.FAILED` where a seed gives two answers or all seeds give one.

    Examples
    --------
    >>> import random
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> from spechub_lp.gate.generation.settings import find
    >>> def generate(prompts, params):
    ...     return [[random.Random(params.seed).randrange(3)] for _ in prompts]
    >>> check_seeds(generate, make_pair(), find("max tokens 1"), drafts=1, tokens=1, limits=Limits()).verdict
    <Verdict.EXACT: 'exact'>
    """
    params = setting.params(drafts, tokens)
    prompts = unlike_prompts(pair, 3)

    def answer(asking: Asking, seed: int, prompts: Sequence[Tokens]) -> list[Tokens]:
        return [part.tokens for part in asking(replace(params, seed=seed), prompts)]

    def work(asking: Asking) -> Row:
        seen: list[Tokens] = []
        for seed in range(SEEDS):
            alone = answer(asking, seed, prompts[:1])
            if (again := answer(asking, seed, prompts[:1])) != alone:
                return Row(setting.name, Verdict.FAILED, message=f"seed {seed} gives {alone[0]} and then {again[0]}")
            together = answer(asking, seed, prompts)
            if together[0] != alone[0]:
                both = list(zip(alone[0], together[0], strict=False))
                at = next((i for i, (a, b) in enumerate(both) if a != b), len(both))
                said = f"seed {seed}, position {at}: {alone[0]} alone and {together[0]} in a batch of {len(prompts)}"
                return Row(setting.name, Verdict.FAILED, message=f"a seeded answer depends on its company: {said}")
            seen.append(alone[0])
        reference = reference_joint(pair, prompts[:1], params) or {}
        chance = sum(mass**SEEDS for mass in reference.values()) if reference else 0.0
        if len(set(seen)) == 1 and chance < FALSE_ALARM:
            return Row(setting.name, Verdict.FAILED, message=f"{SEEDS} seeds all give {seen[0]}")
        return Row(
            setting.name, Verdict.EXACT, message=f"{SEEDS} seeds, each twice and in a batch", outcomes=len(set(seen))
        )

    return _row(engine, pair, setting, prompts, params, limits, "seeds", work)
