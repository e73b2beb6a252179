"""The exact check: one setting with drafts beside the same setting without, from controlled noise."""

from dataclasses import dataclass

from spechub_lp.gate.clock import now
from spechub_lp.gate.generation.ask import Failed
from spechub_lp.gate.generation.compare import distance, first_difference
from spechub_lp.gate.generation.joint import Computed, Joint, joint_distribution
from spechub_lp.gate.generation.pair import TinyPair
from spechub_lp.gate.generation.reference import ignored, reference_joint
from spechub_lp.gate.generation.requests import Engine, NotOffered, Params, Tokens
from spechub_lp.gate.generation.results import Row, Verdict
from spechub_lp.gate.generation.settings import Setting
from spechub_lp.gate.noise.choice_sequence import Uncontrolled

TOLERANCE = 2e-6
"""A distance below this is rounding: engines read one token or several at a time, and float32 sums differ by 1e-7."""
ROUNDINGS = 4
"""So many times what an engine's plain decoding loses may its decoding with drafts be away for the same reason."""
COARSEST = 5e-3
"""Plain decoding that is farther than this from the pair's distributions does not round: it means something else."""


@dataclass(frozen=True)
class Limits:
    """Say what one setting may cost.

    Examples
    --------
    >>> Limits(seconds=20).draws
    100000
    """

    seconds: float = 120.0
    """For one setting."""
    time_limit: float = 10.0
    """For one call."""
    distance: float = 0.05
    """Draws pass only when the distance is proved to be below this."""
    draws: int = 100_000
    """Answers at most, where only draws can tell."""
    clock: str = "wall"
    """What `seconds` is read from: wall, or cpu for the processor time of the process that runs the engine."""


def unlike_prompts(pair: TinyPair, count: int) -> list[Tokens]:
    """Return prompts that differ in tokens and in length.

    Parameters
    ----------
    pair
        Whose prompt comes first.
    count
        How many, 1 to 4.

    Returns
    -------
    list of tuple of int
        The token ids of each prompt.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> unlike_prompts(make_pair(), 2)
    [(0, 1, 2, 0, 1), (2, 2, 0)]
    """
    whole = pair.prompt
    return [whole, (2, 2, 0), (1,), (0, 2, 1, 1, 2, 0, 1)][:count]


def check_exact(engine: Engine, pair: TinyPair, setting: Setting, drafts: int, tokens: int, limits: Limits) -> Row:
    """Compute the joint distributions with and without drafts from controlled noise, and compare them.

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
        `Verdict.EXACT` or `Verdict.FAILED`; `Verdict.INCONCLUSIVE` where the noise cannot be controlled, the time
        ended, or the engine's arithmetic is coarser than the difference.

    Examples
    --------
    >>> import random
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> from spechub_lp.gate.generation.settings import find
    >>> def generate(prompts, params):
    ...     return [[0 if params.drafts else random.randrange(3)] for _ in prompts]
    >>> row = check_exact(generate, make_pair(), find("max tokens 1"), drafts=1, tokens=1, limits=Limits())
    >>> print(row.verdict, round(row.distance, 3))
    failed 0.667
    """
    return compared(engine, pair, setting, drafts, tokens, limits)[0]


def compared(
    engine: Engine, pair: TinyPair, setting: Setting, drafts: int, tokens: int, limits: Limits
) -> tuple[Row, Joint | None]:
    """Do what `check_exact` does, and keep the distribution of plain decoding for other checks.

    Parameters
    ----------
    engine, pair, setting, drafts, tokens, limits
        As `check_exact` takes them.

    Returns
    -------
    row
        What was found.
    plain
        Answer -> probability, without drafts; None where not every answer was met.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> from spechub_lp.gate.generation.settings import find
    >>> def generate(prompts, params):
    ...     return [[2] for _ in prompts]
    >>> row, plain = compared(generate, make_pair(), find("max tokens 1"), drafts=1, tokens=1, limits=Limits())
    >>> row.passed, plain
    (True, {((2,),): 1.0})
    """
    start = now()
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
            seconds=now() - start,
        )  # fmt: skip

    try:
        one = computed(plain)
    except NotOffered as error:
        return row(Verdict.NOT_OFFERED, str(error)), None
    except Failed as error:
        return row(Verdict.NOT_OFFERED, f"plain decoding fails itself: {error}"), None
    except Uncontrolled as error:
        return row(Verdict.INCONCLUSIVE, f"plain decoding: {error}"), None
    known = one.chances if one.enumerated else None
    try:
        two = computed(drafted)
        if _looks_wrong(one, two) and (coarse := _coarse(engine, pair, one, two, limits)):
            return row(Verdict.INCONCLUSIVE, coarse, one, two), known
        if _looks_wrong(one, two) and not _sure(one, two):
            one, two = computed(plain, thorough=True), computed(drafted, thorough=True)
        if _looks_wrong(one, two) and not _sure(one, two):
            said = "it looks wrong, but random calls do what the search did not see"
            return row(Verdict.INCONCLUSIVE, said, one, two), known
    except NotOffered as error:
        return row(Verdict.NOT_OFFERED, str(error), one), known
    except Failed as error:
        share = f"with probability {error.probability:.3g}, " if error.probability < 1 else ""
        said = f"with drafts the engine fails where plain decoding does not: {share}{error}"
        return row(Verdict.FAILED, said, one), known
    except Uncontrolled as error:
        return row(Verdict.INCONCLUSIVE, str(error), one), known
    away = distance(one.chances, two.chances)
    if away > TOLERANCE:
        where = first_difference(one.chances, two.chances, TOLERANCE)
        return row(Verdict.FAILED, f"{where}; joint distance {away:.3g}", one, two, away=away), known
    if (open_mass := max(one.unexplained, two.unexplained)) > TOLERANCE:
        return row(Verdict.INCONCLUSIVE, f"{open_mass:.3g} of the noise is not explained", one, two, away=away), known
    if name := ignored(pair, prompts, plain, one.chances, TOLERANCE):
        said = f"plain decoding gives what it gives without {name}: raise NotOffered for what is not taken"
        return row(Verdict.NOT_OFFERED, said, one, two, away=away), known
    return row(Verdict.EXACT, "", one, two, away=away), known


def _looks_wrong(one: Computed, two: Computed) -> bool:
    return distance(one.chances, two.chances) > TOLERANCE


def _sure(one: Computed, two: Computed) -> bool:
    """Whether no region of the noise that is as large as the difference was overlooked on either side."""
    missing = distance(one.chances, two.chances) - TOLERANCE
    return one.sure(missing) and two.sure(missing)


def _coarse(engine: Engine, pair: TinyPair, one: Computed, two: Computed, limits: Limits) -> str:
    """Whether a difference is no larger than what this engine's arithmetic loses: then nobody can tell, and why."""
    away = distance(one.chances, two.chances)
    if away > ROUNDINGS * COARSEST:
        return ""
    tokens = max(len(completion) for answer in one.chances for completion in answer)
    params = Params(max_tokens=tokens)
    try:
        found = joint_distribution(engine, [pair.prompt], params, pair.vocabulary, seconds=limits.time_limit)
    except (Failed, NotOffered, Uncontrolled):
        return ""
    lost = distance(found.chances, reference_joint(pair, [pair.prompt], params) or {})
    if lost > COARSEST or away > ROUNDINGS * lost:
        return ""
    return (
        f"a joint distance of {away:.3g} is what its arithmetic may lose: without drafts its answers are {lost:.3g} "
        "from what the weights say in float64; gate it in float32"
    )
