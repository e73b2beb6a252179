"""Two questions that are hunted and not proved, or proved only in part.

    shares    RRSw keeps 3/4 of the optimum of its drafts, for every k (open; theory/T11_promise)
    choices   the path rule is the best choice of a child by its siblings, where what follows a token depends on its
              level alone (proved; theory/trees, section 4), and not where tokens differ in what follows them

Shares: put a token of p = 1 - h in front, whose q is nearly 1. It is the first of k + 1 drafts. RRSw accepts 1 - h
there, and goes on with k drafts for the target p behind it: of these it accepts r. With F(A) = Pr[some of the k is in
A],

    RRSw tends to 1 - h (1 - r),   the optimum to 1 - max over A of (h p(A) - F(A))+

So this hunt over p, q, k and h looks at k + 1 drafts, and at pairs that one over p and q alone reaches only in the
limit. For given p and q the worst h is 1 or an end of a piece, h p(A) = F(A).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from spechub_lp import drafts as policies
from spechub_lp._array.convert import as_float64
from spechub_lp.drafts import DraftPolicy, WithoutReplacement
from spechub_lp.trees import BorderPath, exact_call, full, tabular
from spechub_lp.trees.drafted import Drafted, Model
from spechub_lp.trees.path import Choice, Place
from spechub_lp.typing import Array
from theory.values import Batch, subsets

SIZES = ((2, 1), (3, 1), (3, 2), (4, 2), (4, 3), (5, 2), (5, 3))
"""Tokens and drafts behind the first."""


@dataclass(frozen=True)
class Least:
    """The least share that a climb met."""

    tokens: int
    k: int
    looked_at: int
    share: float
    p: list[float]
    q: list[float]
    h: float


def share(p: Array, q: Array, k: int) -> tuple[Array, Array]:
    """Return the least share of the optimum that RRSw keeps, over h, and that h.

    p and q are [B, V], floats or rationals.

    Examples
    --------
    >>> least, h = share(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]), 1)
    >>> least.tolist(), h.tolist()
    ([0.75], [0.5])
    """
    r = Batch(p, q, k)("rrsw")[0]
    H = subsets(p.shape[1])[1:]
    outside = np.tile(~H, (len(p), 1))
    policy = policies.by_name("without_replacement")
    F = 1 - policy.prob_all_in(np.repeat(q, len(H), axis=0), outside, k).reshape(len(p), len(H))
    P = p @ np.transpose(H).astype(int if p.dtype == object else float)
    one = r * 0 + 1
    least, worst = one * 2, one
    for h in (
        one,
        *(np.where(P[:, A] > F[:, A], F[:, A] / np.where(P[:, A] > 0, P[:, A], 1), one) for A in range(len(H))),
    ):
        optimum = 1 - np.maximum(h[:, None] * P - F, 0).max(axis=1)
        found = (1 - h * (1 - r)) / optimum
        worst = np.where(found < least, h, worst)
        least = np.minimum(least, found)
    return least, worst


def climb(tokens: int, k: int, climbers: int = 1000, steps: int = 60, seed: int = 0) -> Least:
    """Climb down to the least share."""
    rng = np.random.default_rng(seed)

    def some() -> Array:
        weights = rng.gamma(0.4, size=(climbers, tokens)) + 1e-9
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    p, q = some(), some()
    least, h = share(p, q, k)
    for step in range(steps):
        size = 0.5 * 0.93**step
        fresh = []
        for distribution in (p, q):
            moved = distribution * np.exp(size * rng.standard_normal(p.shape) * (rng.random(p.shape) < 0.5))
            fresh.append(moved / moved.sum(axis=1, keepdims=True))
        new, at = share(fresh[0], fresh[1], k)
        better = new < least
        least, h = np.where(better, new, least), np.where(better, at, h)
        p, q = (np.where(better[:, None], new, old) for new, old in zip(fresh, (p, q), strict=True))
    n = int(np.argmin(least))
    return Least(tokens, k, climbers * (steps + 1), float(least[n]), p[n].tolist(), q[n].tolist(), float(h[n]))


def best_by_siblings(model: Model, k: int, below: int, drafts: DraftPolicy | None = None) -> float:
    """Return what the best choice of a child by its siblings reaches on two levels, k and `below` children, in floats.

    It may know what is behind every token, drafted or not. Equal siblings are not pooled. A linear program in the
    distribution b of the chosen token, that of the chosen path, and what is accepted.
    """
    policy = drafts or WithoutReplacement()
    V = len(model(())[0])
    sets = subsets(V)[1:]
    rows: list[Any] = []
    limits: list[Any] = []
    b, R, beta, S = np.arange(V), V + np.arange(V), 2 * V + np.arange(V * V), 2 * V + V * V + np.arange(V * V)
    size = 2 * V + 2 * V * V

    def at_most(plus: Any, minus: Any, factor: float = 0.0, limit: float = 0.0) -> None:
        row = np.zeros(size)
        row[plus] = 1
        row[minus] -= factor
        rows.append(row)
        limits.append(limit)

    def hits(q: Array, drawn: int) -> Array:
        return 1 - policy.prob_all_in(np.repeat(q[None], len(sets), axis=0), ~sets, drawn)

    p, q = (as_float64(m) for m in model(()))
    for A, f in zip(sets, hits(q, k), strict=True):
        at_most(b[A], [], limit=f)
    for y in range(V):
        at_most(R[y], b[y], 1)
        at_most(R[y], [], limit=p[y])
        then_p, then_q = (as_float64(m) for m in model((y,)))
        behind = slice(y * V, (y + 1) * V)
        for A, f in zip(sets, hits(then_q, below), strict=True):
            at_most(beta[behind][A], b[y], f)
        for z in range(V):
            at_most(S[behind][z], beta[behind][z], 1)
            at_most(S[behind][z], R[y], then_p[z])
    value = np.zeros(size)
    value[R], value[S] = -1, -1
    solved = linprog(value, np.asarray(rows), np.asarray(limits), method="highs")
    return -float(solved.fun)


def by_level(rng: Any, tokens: int) -> Model:
    """Draw small whole numbers for p and q of each of two levels."""
    levels = [[[f"{m}/{row.sum()}" for m in row] for row in rng.integers(1, 13, size=(2, tokens))] for _ in range(2)]
    return tabular(
        lambda context: (levels[len(context)][0], levels[len(context)][1]) if len(context) < 2 else levels[1]
    )


def farthest(count: int, tokens: int = 3, k: int = 2, seed: int = 0, rule: BorderPath | None = None) -> float:
    """Return how far the path rule is at most from the best choice by siblings, over `count` models by level."""
    rng, rule = np.random.default_rng(seed), rule or BorderPath()
    models = [by_level(rng, tokens) for _ in range(count)]
    return max(abs(best_by_siblings(m, k, k) - float(exact_call(m, full(k, 2), rule).value)) for m in models)


TOKENS_DIFFER = tabular(
    lambda context: (
        (["1/2", "1/2", "0"], ["1/4", "1/4", "1/2"])
        if not context
        else (["1", "0", "0"], ["1", "0", "0"] if context[0] == 0 else ["0", "1", "0"])
    )
)
"""What is drafted behind token 0 is accepted, behind the others not. With two iid drafts and one behind each of them
the path rule accepts 9/8 drafts a call; `InOrder`, which chooses by siblings too, 19/16, all that is possible."""


class InOrder(BorderPath):
    """Takes the first drafted token of 0, 1, 2, ... at the root."""

    def choice(self, tree: Drafted, place: Place, w: Any) -> Choice:
        found = super().choice(tree, place, w)
        if place != (0,):
            return found
        q, tokens = tree.q[0], [int(tree.tokens[below[0]]) for below, _ in found.children]
        first = np.tri(len(q), dtype=bool)
        hit = 1 - self.drafts.prob_all_in(np.repeat(q[None], len(q), axis=0), ~first, len(tree.children[0]))
        chosen = [(below, w * 0 + int(y == min(tokens))) for (below, _), y in zip(found.children, tokens, strict=True)]
        return Choice(np.diff(hit, prepend=hit[:1] * 0), chosen)


def ask(climbers: int = 1000, models: Sequence[tuple[int, int]] = ((3, 30),)) -> dict[str, Any]:
    """Hunt both; `models`: tokens and how many. Border's own b shows that the models tell choices apart."""
    return {
        "shares": [asdict(climb(tokens, k, climbers if tokens < 5 else climbers // 4)) for tokens, k in SIZES],
        "choices": [
            {
                "tokens": V,
                "models": count,
                "farthest": farthest(count, V),
                "farthest with Border's own b": farthest(count, V, rule=BorderPath(fairest=False)),
            }
            for V, count in models
        ],
    }
