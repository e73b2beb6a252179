"""Pairs of distributions on one node that are hard in a way that can be named, with a number that says how far."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spechub_lp.typing import Array

Rng = np.random.Generator
PEAKS = (0.55, 0.7, 0.85, 0.93, 0.98, 0.985, 0.995, 0.999, 1 - 1e-4, 1 - 1e-6)
KEEP_CLOSE = ("near", "close", "gain", "ratio", "ratios")
"""Relations that say something about p and q together, which a narrowed q would lose."""
ALPHABET = (1, 1, 2, 3, 5)
"""Weights of a distribution with equal entries."""


@dataclass(frozen=True)
class Sketch:
    """What a problem shall be like.

    Examples
    --------
    >>> Sketch(8, "peak", "near", 0.01, "near").size
    8
    """

    size: int
    base: str
    """Shape of the one distribution, a name in SHAPES."""
    relation: str
    """How the other one comes from it, a name in RELATIONS."""
    value: float | None = None
    """How far the shape or the relation goes; None: drawn at random."""
    of: str = ""
    """Whose value it is: the name of the shape or of the relation."""
    support: int | None = None
    """Tokens that are drafted; None: all."""
    places: tuple[int, ...] = ()
    """Tokens that shall be drafted."""
    tail: float = 0.0
    """Mass of q on the tokens beyond its support."""
    turn: bool = False
    """Whether the base is q and not p."""


def pair(rng: Rng, sketch: Sketch, other: Array | None = None) -> tuple[Array, Array]:
    """Make two distributions as sketched.

    Parameters
    ----------
    rng
        Of all that is drawn.
    sketch
        What they shall be like.
    other
        [V] p or q of an earlier problem, to take the place of the base.

    Returns
    -------
    tuple[Array, Array]
        p [V] and q [V].

    Examples
    --------
    >>> p, q = pair(np.random.default_rng(0), Sketch(5, "plain", "near", 0.125, "near"))
    >>> round(float(np.maximum(q - p, 0).sum()), 12)
    0.125
    """
    V = sketch.size
    value = sketch.value if sketch.of == sketch.base else None
    base = other if other is not None else normalized(SHAPES[sketch.base](rng, V, value))
    relate, how_far = RELATIONS[sketch.relation], sketch.value if sketch.of == sketch.relation else None
    narrow = sketch.support is not None and sketch.support < V
    if narrow and sketch.relation in KEEP_CLOSE and rng.random() < 0.5:
        q = _narrowed(rng, base, sketch)
        return relate(rng, q, how_far), q
    second = relate(rng, base, how_far)
    p, q = (second, base) if sketch.turn else (base, second)
    return p, _narrowed(rng, q, sketch) if narrow else q


def normalized(weights: Array) -> Array:
    """Divide weights by their sum.

    Parameters
    ----------
    weights
        [V] not negative.

    Returns
    -------
    Array
        [V] a distribution.

    Examples
    --------
    >>> normalized([1, 3]).tolist()
    [0.25, 0.75]
    """
    return np.asarray(weights, dtype=np.float64) / np.sum(weights)  # type: ignore[no-any-return]


def _narrowed(rng: Rng, q: Array, sketch: Sketch) -> Array:
    """q on a few tokens, with what else it has as a thin tail."""
    V, m = sketch.size, int(sketch.support or 1)
    asked = [t for t in sketch.places if 0 <= t < V]
    ends = rng.permutation([V - 1, int(rng.integers(V)), 0, V // 2, int(rng.integers(V))]).tolist()
    kept = list(dict.fromkeys([*asked, *ends, *rng.permutation(V).tolist()]))[:m]
    inside = np.zeros(V)
    inside[kept] = 1.0
    some = q * inside
    if some.sum() <= 0:
        some = inside
    tail = q * (1 - inside)
    if not sketch.tail or tail.sum() <= 0:
        return normalized(some)
    return (1 - sketch.tail) * normalized(some) + sketch.tail * normalized(tail)


# -- shapes of one distribution ------------------------------------------------------------------------------------


def _plain(rng: Rng, V: int, value: float | None) -> Array:
    return rng.dirichlet(np.full(V, rng.choice([0.5, 1.0, 3.0]))) + 1e-4 / V


def _steps(rng: Rng, V: int, value: float | None) -> Array:
    """Few different entries, so that ties are everywhere."""
    return rng.choice(ALPHABET, size=V).astype(np.float64)


def _tied(rng: Rng, V: int, value: float | None) -> Array:
    """Two, three or more tokens share the top."""
    weights = _plain(rng, V, None)
    top = rng.permutation(V)[: max(2, min(V, int(value) if value else int(rng.choice([2, 2, 3, 3, 4]))))]
    weights[top] = weights.max()
    return weights


def _peak(rng: Rng, V: int, value: float | None) -> Array:
    """One token has nearly everything."""
    top = value if value is not None and 0 < value < 1 else float(rng.choice(PEAKS))
    weights = _plain(rng, V, None)
    at = int(rng.integers(V))
    weights[at] = 0.0
    weights *= (1 - top) / max(weights.sum(), 1e-300)  # type: ignore[operator]
    weights[at] = top if V > 1 else 1.0
    return weights  # type: ignore[no-any-return]


def _tail(rng: Rng, V: int, value: float | None) -> Array:
    """Some tokens are rare: around `value`, down to 1e-12."""
    weights = normalized(_plain(rng, V, None))
    rare = rng.permutation(V)[: max(1, min(V - 1, int(rng.integers(1, 1 + max(1, V // 2)))))]
    level = value if value is not None and value < 0.5 else 10 ** -rng.uniform(2, 12)
    weights[rare] = 0.0
    rest = weights / weights.sum()
    spread = level * rng.uniform(0.5, 1.0, size=len(rare))
    spread[0] = level
    rest *= 1 - spread.sum()
    rest[rare] = spread
    return np.maximum(rest, 0.0)  # type: ignore[no-any-return]


def _flat(rng: Rng, V: int, value: float | None) -> Array:
    return np.ones(V)


def _zeros(rng: Rng, V: int, value: float | None) -> Array:
    """Some tokens have no mass."""
    weights = _plain(rng, V, None)
    weights[rng.permutation(V)[: int(rng.integers(1, max(2, V // 2 + 1)))]] = 0.0
    return weights if weights.sum() > 0 else np.ones(V)


def _entropy(rng: Rng, V: int, value: float | None) -> Array:
    """Of this entropy (in nats), as far as V tokens allow."""
    aim = min(value if value is not None else rng.uniform(0, math.log(V)), math.log(V) * 0.999)
    order = normalized(_plain(rng, V, None))
    low, high = 0.0, 60.0
    for _ in range(50):
        power = (low + high) / 2
        low, high = (power, high) if entropy(_power(order, power)) > aim else (low, power)
    return _power(order, low)


def _power(weights: Array, power: float) -> Array:
    logs = power * np.log(weights)
    return normalized(np.exp(logs - logs.max()))


def _sorted(rng: Rng, V: int, value: float | None) -> Array:
    """Ids by falling or rising probability, as a vocabulary by frequency has them."""
    weights = np.sort(_plain(rng, V, None))
    return weights if rng.random() < 0.5 else weights[::-1].copy()


Shape = Callable[[Rng, int, float | None], Array]
SHAPES: dict[str, Shape] = {
    "plain": _plain, "steps": _steps, "tied": _tied, "peak": _peak, "tail": _tail, "flat": _flat, "zeros": _zeros,
    "entropy": _entropy, "sorted": _sorted,
}  # fmt: skip


# -- how the other distribution comes from it -----------------------------------------------------------------------


def _free(rng: Rng, base: Array, value: float | None) -> Array:
    name = str(rng.choice(["plain", "plain", "steps", "tied", "peak", "tail", "zeros", "entropy"]))
    return normalized(SHAPES[name](rng, len(base), None))


def _shaped(name: str) -> "Relation":
    """Another distribution of one shape, whatever the base."""
    return lambda rng, base, value: normalized(SHAPES[name](rng, len(base), value))


def _turned(rng: Rng, base: Array, value: float | None) -> Array:
    """The same numbers, the largest where the smallest was."""
    turned = np.empty_like(base)
    turned[np.argsort(base, kind="stable")] = np.sort(base)[::-1]
    return turned


def _near(rng: Rng, base: Array, value: float | None) -> Array:
    """`value` of the mass moves from some tokens to others: the residual has this mass."""
    return _moved(rng, base, value if value is not None else 10 ** -rng.uniform(0.3, 9), None)


def _gain(rng: Rng, base: Array, value: float | None) -> Array:
    """Exactly so many tokens gain."""
    return _moved(rng, base, 10 ** -rng.uniform(0.5, 2), int(value) if value else int(rng.integers(1, 8)))


def _moved(rng: Rng, base: Array, mass: float, gainers: int | None) -> Array:
    V = len(base)
    if V < 2:
        return base
    order = rng.permutation(V)
    count = min(gainers if gainers is not None else int(rng.integers(1, V)), V - 1)
    gain, lose = order[:count], order[count:]
    if base[lose].sum() <= mass:
        lose = np.argsort(base)[::-1][: V - count]
        gain = np.setdiff1d(np.arange(V), lose)
    mass = min(mass, 0.98 * float(base[lose].sum()))
    moved = np.array(base)
    moved[lose] -= mass * base[lose] / base[lose].sum()
    moved[gain] += mass * normalized(rng.uniform(0.2, 1.0, size=len(gain)))
    return normalized(np.maximum(moved, 0.0))


def _ratios(rng: Rng, base: Array, value: float | None) -> Array:
    """Many tokens have the same p/q."""
    V = len(base)
    factor = np.full(V, rng.uniform(0.3, 0.9))
    factor[rng.permutation(V)[: max(1, V // 4)]] = rng.uniform(1.2, 3.0)
    return normalized(base * factor)


def _ratio(rng: Rng, base: Array, value: float | None) -> Array:
    """One token's share is `value` times what it is in the base."""
    other, at = np.array(base), int(rng.integers(len(base)))
    share = (value if value is not None else 10 ** rng.uniform(-2.5, 2.5)) * base[at]
    if not 0 < share < 0.95 or base[at] >= 1:
        return _moved(rng, base, 0.2, None)
    other *= (1 - share) / max(1 - base[at], 1e-300)
    other[at] = share
    return normalized(other)


def _apart(rng: Rng, base: Array, value: float | None) -> Array:
    """Nearly disjoint: a distance close to 1."""
    little = 10 ** -rng.uniform(1, 4)
    other = np.where(base > np.median(base), little * base, rng.uniform(0.1, 1.0, size=len(base)))
    return normalized(other)


def _close(rng: Rng, base: Array, value: float | None) -> Array:
    """Every entry a little off: no |p - q| above `value`."""
    step = (value if value is not None else 10 ** -rng.uniform(1.5, 4)) * 0.9
    off = step * rng.uniform(-1, 1, size=len(base))
    off[int(np.argmax(base))] -= off.sum()
    moved = np.maximum(base + off * step / max(np.abs(off).max(), 1e-300), 0.0)
    return normalized(moved)


def _same(rng: Rng, base: Array, value: float | None) -> Array:
    return np.array(base)


Relation = Callable[[Rng, Array, float | None], Array]
RELATIONS: dict[str, Relation] = {
    "free": _free, "turned": _turned, "near": _near, "gain": _gain, "ratios": _ratios, "ratio": _ratio,
    "apart": _apart, "close": _close, "same": _same,
    "peak ": _shaped("peak"), "entropy ": _shaped("entropy"), "tail ": _shaped("tail"), "tied ": _shaped("tied"),
}  # fmt: skip


def entropy(distribution: Any) -> float:
    """Find the entropy of a distribution, in nats.

    Parameters
    ----------
    distribution
        [V].

    Returns
    -------
    float
        Zero for a one-hot.

    Examples
    --------
    >>> entropy([1.0, 0.0])
    0.0
    """
    a = np.asarray(distribution, dtype=np.float64)
    a = a[a > 0]
    return max(0.0, float(-(a * np.log(a)).sum()))
