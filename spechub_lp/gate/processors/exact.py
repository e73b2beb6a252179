"""The exact processed distribution of one position, in float64."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from spechub_lp._array.equality import equal_fields
from spechub_lp.gate.processors.protocol import Stage
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Processing:
    """How one request is processed; the defaults change nothing.

    Examples
    --------
    >>> print(Processing(temperature=0.5, top_k=3))
    temperature 0.5, top_k 3
    >>> Processing(top_k=3).active
    (<Stage.TOP_K: 'top_k'>,)
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    masked: bool = False

    def without(self, stage: Stage) -> "Processing":
        """The same with one stage that changes nothing."""
        none = Processing()
        return replace(self, **{name: getattr(none, name) for name in FIELDS[stage]})

    def taken_from(self, other: "Processing", stage: Stage) -> "Processing":
        """The same with one stage of another request."""
        return replace(self, **{name: getattr(other, name) for name in FIELDS[stage]})

    @property
    def active(self) -> tuple[Stage, ...]:
        """The stages that change something."""
        return tuple(stage for stage in Stage if self.without(stage) != self)

    def __str__(self) -> str:
        none = Processing()
        said = [f"{name} {value:g}" for name, value in vars(self).items() if value != getattr(none, name)]
        return ", ".join(said).replace("masked 1", "masked") or "no parameters"


FIELDS: dict[Stage, tuple[str, ...]] = {
    Stage.MASK: ("masked",),
    Stage.PENALTIES: ("repetition_penalty", "frequency_penalty", "presence_penalty"),
    Stage.TEMPERATURE: ("temperature",),
    Stage.MIN_P: ("min_p",),
    Stage.TOP_K: ("top_k",),
    Stage.TOP_P: ("top_p",),
}


@dataclass(frozen=True)
class Position:
    """What the distribution at one position depends on.

    Examples
    --------
    >>> at = Position(np.zeros(3), Processing(repetition_penalty=1.2), prompt=(0,), before=(2,))
    >>> at.prompt + at.before
    (0, 2)
    """

    logits: Array
    """[V] float64."""
    parameters: Processing
    prompt: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    """The tokens committed, and then drafted, before it."""
    allowed: Array = field(default_factory=lambda: np.ones(0, dtype=bool))
    """[V]."""

    __eq__ = equal_fields


def processed(at: Position, stages: Sequence[Stage], prompt_counts: bool = False) -> tuple[Array, float]:
    """Process one position.

    Parameters
    ----------
    at
        The position.
    stages
        What is applied, in this order.
    prompt_counts
        Whether frequency and presence penalties count the prompt.

    Returns
    -------
    tuple[Array, float]
        The distribution [V], and how far the nearest decision was from the other way: a tie that rounding may break
        has 0.

    Examples
    --------
    >>> p, margin = processed(Position(np.log([0.5, 0.3, 0.2]), Processing(top_k=2)), [Stage.TOP_K])
    >>> p.round(3).tolist(), round(margin, 3)
    ([0.625, 0.375, 0.0], 0.405)
    """
    x: Array = np.array(at.logits, dtype=np.float64)
    margin = np.inf
    for stage in stages:
        x, near = _STEPS[stage](x, at, prompt_counts)
        margin = min(margin, near)
    return softmax(x), margin


def softmax(x: Array) -> Array:
    """Return the distribution with these logits.

    Parameters
    ----------
    x : [V]
        Logits, -inf for a token that is out.

    Returns
    -------
    Array
        [V] probabilities.

    Examples
    --------
    >>> softmax(np.array([0.0, 0.0, -np.inf])).tolist()
    [0.5, 0.5, 0.0]
    """
    weights = np.exp(x - x.max())
    found: Array = weights / weights.sum()
    return found


def _mask(x: Array, at: Position, prompt_counts: bool) -> tuple[Array, float]:
    return (np.where(at.allowed, x, -np.inf) if at.parameters.masked else x), np.inf


def _penalties(x: Array, at: Position, prompt_counts: bool) -> tuple[Array, float]:
    own = at.parameters
    output = np.bincount(np.asarray(at.before, dtype=int), minlength=len(x))
    prompt = np.bincount(np.asarray(at.prompt, dtype=int), minlength=len(x))
    counts = output + prompt if prompt_counts else output
    repeated = np.where(x > 0, x / own.repetition_penalty, x * own.repetition_penalty)
    x = np.where(output + prompt > 0, repeated, x)
    return x - own.frequency_penalty * counts - own.presence_penalty * (counts > 0), np.inf


def _temperature(x: Array, at: Position, prompt_counts: bool) -> tuple[Array, float]:
    if at.parameters.temperature > 0:
        return x / at.parameters.temperature, np.inf
    best = np.sort(x)[::-1]
    return np.where(x == best[0], x, -np.inf), _gap(best, 1)


def _top_k(x: Array, at: Position, prompt_counts: bool) -> tuple[Array, float]:
    k = at.parameters.top_k
    best = np.sort(x)[::-1]
    if not 0 < k < len(x) or np.isinf(best[k]):
        return x, np.inf
    return np.where(x >= best[k - 1], x, -np.inf), _gap(best, k)


def _top_p(x: Array, at: Position, prompt_counts: bool) -> tuple[Array, float]:
    if at.parameters.top_p >= 1:
        return x, np.inf
    p = softmax(x)
    order = np.argsort(-p, kind="stable")
    sums = p[order].cumsum()  # type: ignore[attr-defined]
    kept = int((sums < at.parameters.top_p).sum()) + 1
    near = float(abs(sums[:-1] - at.parameters.top_p).min(initial=np.inf))
    cut = np.full_like(x, -np.inf)
    cut[order[:kept]] = x[order[:kept]]
    return cut, min(near, _gap(x[order], kept) if kept < len(x) else np.inf)


def _min_p(x: Array, at: Position, prompt_counts: bool) -> tuple[Array, float]:
    if at.parameters.min_p <= 0:
        return x, np.inf
    p = softmax(x)
    least = at.parameters.min_p * p.max()
    return np.where(p >= least, x, -np.inf), float(abs(p / least - 1).min())


def _gap(best: Array, k: int) -> float:
    """How far the k-th of falling numbers is from the next one."""
    return float(best[k - 1] - best[k]) if k < len(best) else np.inf


_STEPS = {
    Stage.MASK: _mask,
    Stage.PENALTIES: _penalties,
    Stage.TEMPERATURE: _temperature,
    Stage.TOP_K: _top_k,
    Stage.TOP_P: _top_p,
    Stage.MIN_P: _min_p,
}
