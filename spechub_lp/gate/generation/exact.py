"""The exact check: one setting with drafts beside the same setting without, from controlled noise."""

import time
from dataclasses import dataclass

from spechub_lp.gate.generation.ask import Failed
from spechub_lp.gate.generation.joint import Computed, distance, first_difference, joint_distribution
from spechub_lp.gate.generation.pair import TinyPair
from spechub_lp.gate.generation.requests import Engine, NotOffered, Params, Tokens
from spechub_lp.gate.generation.results import Row, Verdict
from spechub_lp.gate.generation.settings import Setting
from spechub_lp.gate.noise.choice_sequence import Uncontrolled

TOLERANCE = 2e-6
"""A distance below this is rounding: engines read one token or several at a time, and float32 sums differ by 1e-7."""


@dataclass(frozen=True)
class Limits:
    """What one setting may cost."""

    seconds: float = 120.0
    """For one setting."""
    time_limit: float = 10.0
    """For one call."""
    distance: float = 0.05
    """Draws pass only when the distance is proved to be below this."""
    draws: int = 100_000
    """Answers at most, where only draws can tell."""


def unlike_prompts(pair: TinyPair, count: int) -> list[Tokens]:
    """Prompts that differ in tokens and in length."""
    whole = pair.prompt
    return [whole, (2, 2, 0), (1,), (0, 2, 1, 1, 2, 0, 1)][:count]


def check_exact(engine: Engine, pair: TinyPair, setting: Setting, drafts: int, tokens: int, limits: Limits) -> Row:
    """Compute both joint distributions and compare them.

    Returns
    -------
    Row
        `Verdict.INCONCLUSIVE` where the noise cannot be controlled, or the time ended.
    """
    start = time.monotonic()
    drafted, plain = setting.params(drafts, tokens), setting.params(0, tokens)
    prompts = unlike_prompts(pair, plain.batch)

    def computed(params: Params, thorough: bool = False) -> Computed:
        return joint_distribution(
            engine, prompts, params, pair.vocabulary, seconds=limits.time_limit, deadline=start + limits.seconds,
            thorough=thorough,
        )  # fmt: skip

    def row(verdict: Verdict, message: str = "", *made: Computed, away: float | None = None) -> Row:
        return Row(
            setting.name, verdict, distance=away, message=message, outcomes=len(made[0].chances) if made else 0,
            unexplained=max((m.unexplained for m in made), default=0.0), calls=sum(m.calls for m in made),
            seconds=time.monotonic() - start,
        )  # fmt: skip

    try:
        one = computed(plain)
    except NotOffered as error:
        return row(Verdict.NOT_OFFERED, str(error))
    except Failed as error:
        return row(Verdict.NOT_OFFERED, f"plain decoding fails itself: {error}")
    except Uncontrolled as error:
        return row(Verdict.INCONCLUSIVE, f"plain decoding: {error}")
    try:
        two = computed(drafted)
        if _looks_wrong(one, two) and not _sure(one, two):
            one, two = computed(plain, thorough=True), computed(drafted, thorough=True)
        if _looks_wrong(one, two) and not _sure(one, two):
            return row(
                Verdict.INCONCLUSIVE, "it looks wrong, but random calls do what the search did not see", one, two
            )
    except NotOffered as error:
        return row(Verdict.NOT_OFFERED, str(error), one)
    except Failed as error:
        share = f"with probability {error.probability:.3g}, " if error.probability < 1 else ""
        return row(Verdict.FAILED, f"with drafts the engine fails where plain decoding does not: {share}{error}", one)
    except Uncontrolled as error:
        return row(Verdict.INCONCLUSIVE, str(error), one)
    away = distance(one.chances, two.chances)
    if away > TOLERANCE:
        where = first_difference(one.chances, two.chances, TOLERANCE)
        return row(Verdict.FAILED, f"{where}; joint distance {away:.3g}", one, two, away=away)
    if (open_mass := max(one.unexplained, two.unexplained)) > TOLERANCE:
        return row(Verdict.INCONCLUSIVE, f"{open_mass:.3g} of the noise is not explained", one, two, away=away)
    return row(Verdict.EXACT, "", one, two, away=away)


def _looks_wrong(one: Computed, two: Computed) -> bool:
    return distance(one.chances, two.chances) > TOLERANCE


def _sure(one: Computed, two: Computed) -> bool:
    """Whether no region of the noise that is as large as the difference was overlooked on either side."""
    missing = distance(one.chances, two.chances) - TOLERANCE
    return one.sure(missing) and two.sure(missing)
