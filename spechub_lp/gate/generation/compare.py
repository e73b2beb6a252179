"""Two joint distributions of tokens: their distance, and the first place and context where they differ."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spechub_lp.gate.generation.joint import END, Joint
from spechub_lp.gate.generation.requests import Tokens


def distance(p: Mapping[Any, float], q: Mapping[Any, float]) -> float:
    """Return the total variation distance of two distributions.

    Parameters
    ----------
    p, q
        Outcome -> probability; what one leaves out has probability 0.

    Returns
    -------
    float
        Half the sum of the absolute differences, in [0, 1].

    Examples
    --------
    >>> distance({"a": 0.5, "b": 0.5}, {"b": 0.75, "c": 0.25})
    0.5
    """
    return sum(abs(p.get(x, 0.0) - q.get(x, 0.0)) for x in p.keys() | q.keys()) / 2


@dataclass(frozen=True)
class Difference:
    """Name the first place where two engines differ.

    Examples
    --------
    >>> print(Difference(1, (0,), token=2, plain=0.25, drafted=0.5, distance=0.25))
    position 1 after (0,): token 2 has probability 0.500000 where plain decoding gives 0.250000
    """

    position: int
    """The number of the token, from 0."""
    context: Tokens
    """The tokens before."""
    token: int
    """The token whose probability differs most; END stands for the end of the text."""
    plain: float
    """Its probability there without drafts."""
    drafted: float
    """Its probability there with drafts."""
    distance: float
    """Total variation distance of the two distributions at this place."""
    completion: int = 0
    """Which completion of the answer."""

    def __str__(self) -> str:
        after = f"after {self.context}" if self.context else "right behind the prompt"
        what = "the end of the text" if self.token == END else f"token {self.token}"
        which = f"completion {self.completion}, " if self.completion else ""
        said = f"{which}position {self.position} {after}: {what} has probability {self.drafted:.6f}"
        return f"{said} where plain decoding gives {self.plain:.6f}"


def first_difference(plain: Joint, drafted: Joint, tolerance: float) -> Difference | None:
    """Find the first position, and the context there, at which two joint distributions differ.

    Parameters
    ----------
    plain, drafted
        Answer -> probability, without drafts and with them.
    tolerance
        A conditional distribution counts where its distance, weighted by the mass of its context, is above this.

    Returns
    -------
    Difference or None
        The largest difference at that position; None where there is none above the tolerance.

    Examples
    --------
    >>> print(first_difference({((0,),): 0.5, ((1,),): 0.5}, {((0,),): 1.0}, tolerance=1e-6))
    position 0 right behind the prompt: token 0 has probability 1.000000 where plain decoding gives 0.500000
    """
    completions = max(len(x) for x in plain.keys() | drafted.keys())
    for which in range(completions):
        one, two = _completion(plain, which), _completion(drafted, which)
        longest = max(len(x) for x in one.keys() | two.keys())
        for position in range(longest):
            if (found := _at(one, two, position, tolerance)) is not None:
                return Difference(position, *found, which)
    return None


def _completion(joint: Joint, which: int) -> dict[Tokens, float]:
    """The distribution of one completion, END behind it."""
    out: dict[Tokens, float] = defaultdict(float)
    for answer, mass in joint.items():
        out[(*answer[which], END)] += mass
    return out


def _at(
    plain: dict[Tokens, float], drafted: dict[Tokens, float], position: int, tolerance: float
) -> tuple[Tokens, int, float, float, float] | None:
    """(context, token, its probabilities, distance) of the largest difference at a position."""
    one, two = _next(plain, position), _next(drafted, position)
    worst = None
    for context in one.keys() & two.keys():
        p, q = _normalized(one[context]), _normalized(two[context])
        away = distance(p, q)
        weight = away * min(sum(one[context].values()), sum(two[context].values()))
        if weight > tolerance and (worst is None or weight > worst[0]):
            token = max(p.keys() | q.keys(), key=lambda t: abs(p.get(t, 0.0) - q.get(t, 0.0)))
            worst = (weight, (context, token, p.get(token, 0.0), q.get(token, 0.0), away))
    return worst[1] if worst else None


def _next(joint: dict[Tokens, float], position: int) -> dict[Tokens, dict[int, float]]:
    """Context -> mass of each next token at a position."""
    out: dict[Tokens, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for tokens, mass in joint.items():
        if len(tokens) > position:
            out[tokens[:position]][tokens[position]] += mass
    return out


def _normalized(masses: dict[int, float]) -> dict[int, float]:
    whole = sum(masses.values())
    return {token: mass / whole for token, mass in masses.items()}
