"""Border's preparation, row by row, and which draft of a tuple is chosen.

For each row of (p, q): the order of the tokens, the distribution of the chosen draft and the mixture over nested
partitions that makes it. The choice then takes O(k log k) a tuple whatever the vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp._array.convert import as_float64
from spechub_lp._array.equality import equal_fields
from spechub_lp._array.ops import accept_probability, columns, entries, normalize, positive, some, sort, total
from spechub_lp._util import renamed
from spechub_lp.drafts import IID
from spechub_lp.drafts._best_draft import falling, scaled
from spechub_lp.samplers.base import Verdict
from spechub_lp.samplers.border.merge_tree import MergeTree, best_density, merge
from spechub_lp.typing import Array

__getattr__ = renamed.attributes(__name__, {"Lottery": "Mixture", "Highest": "RangeMaximum"})

WINDOW = 32
MOST_ODDS = 2.0**1000
"""q(better blocks) / q(own block) in floats may overflow, and is cut here: two drafts of so faint a block are not drawn
while its better blocks are there to be hit."""


@dataclass(frozen=True)
class Mixture:
    """What Border knows of rows (p, q) before it sees drafts: a mixture over nested partitions of the tokens.

    Numbers are rationals; or float64 whatever the dtype of p and q, and only what meets the output is rounded: `accept`
    and `residual` are float64 for float64 rows, else float32.

    Examples
    --------
    >>> mixture = prepare(IID(), np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.3, 0.5]]), 2)
    >>> mixture.distribution.round(2).tolist(), mixture.accept.round(2).tolist()
    ([[0.36, 0.3, 0.34]], [[1.0, 1.0, 0.29]])
    """

    rank: Array
    """[B, V] place of each token by p/q falling; tokens that q cannot draft come last."""
    merge_level: "RangeMaximum"
    """[B, V] level at which the blocks beside the boundary before the token of that rank merge."""
    odds: "RangeMaximum"
    """[B, V] minus the integral from that level to 1 of q(better blocks) / q(own block)."""
    q: Array
    """[B, V] the draft distribution, divided by its sum."""
    distribution: Array
    """[B, V] b: the distribution of the chosen draft, by token, as this mixture makes it."""
    accept: Array
    """[B, V] min(1, p/b), the probability to accept a chosen token."""
    residual: Array
    """[B, V] (p - b)+ divided by its sum, the distribution of the output when the chosen draft is rejected."""
    acceptance: Array
    """[B] sum of min(p, b)."""
    trees: tuple[MergeTree, ...]
    """[B] the merge trees, by rank."""

    __eq__ = equal_fields

    __getattr__ = renamed.fields(death="merge_level", ahead="odds", keep="accept", rest="residual", served="acceptance")


def prepare(
    policy: Any, p: Array, q: Array, k: int, density: Any = best_density, weight: Array | None = None
) -> Mixture:
    """Make the mixture for k drafts of a policy: sort, cut, hold p/q between two values, merge. O(V log V) a row.

    The rows are worked on one at a time on the CPU, in rationals or in float64.

    Parameters
    ----------
    policy : DraftPolicy
        iid or without_replacement.
    p, q : [B, V] or [1, V]
        Target and draft distributions, of any array library.
    k
        Number of drafts.
    density : function of p, q, f [n]
        What makes the distribution of the chosen draft: `best_density` or `fairest_density`.
    weight : [B]
        With it, what is left of the target: weight p in the place of p, also in `accept`, `residual`, `acceptance`.

    Returns
    -------
    Mixture
        B rows.

    Examples
    --------
    >>> import numpy as np
    >>> prepare(IID(), np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.3, 0.5]]), 2).acceptance.round(2).tolist()
    [0.76]
    """
    p, q = some(p), some(q)
    rows = max(p.shape[0], q.shape[0])
    targets, drafts = (np.broadcast_to(a, (rows, a.shape[1])) for a in (_distribution(p), scaled(as_float64(q))))
    if weight is not None:
        targets = as_float64(weight)[:, None] * targets
    done = [_row(policy, target, draft, k, density) for target, draft in zip(targets, drafts, strict=True)]
    return _together(p, targets, np.broadcast_to(_distribution(q), targets.shape), done)


def prepare_in_classes(p: Array, q: Array, k: int, levels: int, octaves: int) -> Mixture:
    """Make the mixture for k iid drafts, with classes of similar p/q in the place of tokens.

    No sort: O(V log levels) a row. The classes go from p/q = k downwards; a class is never cut.

    Parameters
    ----------
    p, q : [B, V] or [1, V]
        Target and draft distributions, of any array library.
    k
        Number of drafts.
    levels
        Number of classes.
    octaves
        How many octaves of p/q they span.

    Returns
    -------
    Mixture
        B rows.

    Examples
    --------
    >>> import numpy as np
    >>> p, q = np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.3, 0.5]])
    >>> prepare_in_classes(p, q, 2, 128, 8).acceptance.round(2).tolist()
    [0.76]
    """
    p, q = some(p), some(q)
    rows = max(p.shape[0], q.shape[0])
    targets, drafts = (np.broadcast_to(a, (rows, a.shape[1])) for a in (_distribution(p), scaled(as_float64(q))))
    edges = k * 2.0 ** (-octaves * np.arange(levels - 1) / (levels - 1))
    done = [_levels(target, draft, k, edges) for target, draft in zip(targets, drafts, strict=True)]
    return _together(p, targets, np.broadcast_to(_distribution(q), targets.shape), done)


def _together(like: Array, p: Array, q: Array, done: list[Any]) -> Mixture:
    """The rows of a batch as one mixture, in the namespace and on the device of `like`."""
    *tables, trees = zip(*done, strict=True)
    stacked: Iterator[Array] = (np.stack(table) for table in tables)
    rank, merge_level, odds, distribution = stacked
    accept, residual, acceptance = against(p, distribution)
    if like.dtype != object:
        xp, at = array_namespace(like), device(like)
        rank, merge_level, odds, q, distribution, acceptance = (
            xp.asarray(a, device=at) for a in (rank, merge_level, odds, np.copy(q), distribution, acceptance)
        )
        dtype = like.dtype if like.dtype == xp.float64 else xp.float32
        accept, residual = (xp.asarray(a, dtype=dtype, device=at) for a in (accept, residual))
    return Mixture(
        rank, RangeMaximum(merge_level), RangeMaximum(-odds), q, distribution, accept, residual, acceptance, trees
    )


def against(p: Array, b: Array) -> tuple[Array, Array, Array]:
    """Verify tokens of distribution b against p.

    Parameters
    ----------
    p, b : [B, V]
        Target, and the distribution of the chosen draft.

    Returns
    -------
    [B, V], [B, V], [B]
        min(1, p/b); (p - b)+ divided by its sum; the sum of min(p, b).

    Examples
    --------
    >>> [a.round(2).tolist() for a in against(np.array([[0.75, 0.25]]), np.array([[0.25, 0.75]]))]
    [[[1.0, 0.33]], [[1.0, 0.0]], [0.5]]
    """
    left = positive(p - b)
    return accept_probability(p, b), normalize(left, p), np.sum(p - left, axis=1)


def _row(policy: Any, p: Array, q: Array, k: int, density: Any) -> tuple[Array, Array, Array, Array, MergeTree]:
    order, n = falling(p, q)
    best_first = order[:n]
    p_sorted, q_sorted = p[best_first], q[best_first]
    f = policy.best_draft(q_sorted, k)
    tree = merge(q_sorted, f, density(p_sorted, q_sorted, f))
    rank = np.empty(len(q), dtype=np.int64)
    rank[order] = np.arange(len(q))
    merge_level, odds, distribution = q * 0 + 1, q * 0, q * 0
    merge_level[:n], odds[:n] = tree.merge_level, tree.odds if q.dtype == object else np.minimum(tree.odds, MOST_ODDS)
    distribution[best_first] = tree.density * q_sorted
    return rank, merge_level, odds, distribution, tree


def _levels(p: Array, q: Array, k: int, edges: Array) -> tuple[Array, Array, Array, Array, MergeTree]:
    """As `_row`, with classes in the place of tokens; tokens that q cannot draft are a class of their own, the last."""
    can = q > 0
    at = np.full(len(q), len(edges) + 1)
    at[can] = len(edges) - np.searchsorted(edges[::-1] / float(q.sum()), p[can] / q[can])
    held, rank = np.unique(at, return_inverse=True)
    sums = np.zeros((2, len(held)), dtype=q.dtype) + q[:1] * 0
    for total_of, distribution in zip(sums, (p, q), strict=True):
        np.add.at(total_of, rank, distribution)
    n = int((held <= len(edges)).sum())
    p_class, q_class = sums[:, :n]
    f = IID().best_draft(q_class, k)
    tree = merge(q_class, f, best_density(p_class, q_class, f))
    density = np.append(tree.density, q[:1] * 0)
    merge_level, odds = (
        np.append(a, [fill] * (len(edges) + 2 - n)) for a, fill in ((tree.merge_level, 1), (tree.odds, 0))
    )
    return rank, merge_level + q[:1] * 0, odds + q[:1] * 0, density[np.minimum(rank, n)] * q, tree


def _distribution(a: Array) -> Array:
    a = as_float64(a)
    return normalize(a, a)


def choose_then_verify(choose: Array, accept: Array, residual: Array, x: Array) -> Verdict:
    """Return the verdict on drafts of which one is chosen and verified alone.

    Parameters
    ----------
    choose : [B, k]
        Probability to choose each draft.
    accept, residual : [B, V] or [1, V]
        Probability to accept each token, and the distribution of the output when the chosen draft is rejected.
    x : [B, k]
        Drafts.

    Returns
    -------
    Verdict
        In the dtype of `accept`.

    References
    ----------
    Khisti et al., arXiv 2410.18234, theorem 1.

    Examples
    --------
    >>> accept, residual = np.array([[1.0, 0.5]]), np.array([[1.0, 0.0]])
    >>> choose_then_verify(np.array([[0.5, 0.5]]), accept, residual, np.array([[0, 1]])).accept.tolist()
    [[0.5, 0.25]]
    """
    accepted = entries(accept, x)
    taken = array_namespace(accepted).astype(choose, accepted.dtype) * accepted
    return Verdict(taken, positive(1 - total(taken)) * residual)


def by_block(prepared: Mixture, x: Array) -> tuple[Array, Array]:
    """Sort the drafts of each tuple from best to worst, O(k log k), and find where they are not all in one block.

    Parameters
    ----------
    prepared
        The mixture.
    x : [B, k]
        Drafts.

    Returns
    -------
    order [B, k], apart [B, k]
        The slots of the drafts; and the levels up to which the best s + 1 of them are not all in one block, 0 for the
        best alone.

    Examples
    --------
    >>> import numpy as np
    >>> mixture = prepare(IID(), np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.3, 0.5]]), 2)
    >>> order, apart = by_block(mixture, np.array([[2, 1]]))
    >>> order.tolist(), apart.round(2).tolist()
    ([[1, 0]], [[0.0, 0.4]])
    """
    xp = array_namespace(x)
    rank, order = sort(entries(prepared.rank, x))
    apart = [entries(prepared.q, x[:, :1])[:, 0] * 0]
    for s in range(1, x.shape[1]):
        gap = prepared.merge_level(rank[:, s - 1], rank[:, s])
        apart.append(xp.where((rank[:, s - 1] < rank[:, s]) & (gap > apart[-1]), gap, apart[-1]))
    return order, columns(*apart)


def earliest(order: Array, apart: Array) -> Array:
    """Compute the probability that each draft is the earliest drawn of the best block hit, over all levels.

    Parameters
    ----------
    order, apart : [B, k]
        What `by_block` returned.

    Returns
    -------
    [B, k]
        Rows sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> earliest(np.array([[1, 0]]), np.array([[0.0, 0.4]])).tolist()
    [[0.6, 0.4]]
    """
    xp = array_namespace(order)
    k = order.shape[1]
    slot = xp.arange(k, device=device(order))[None, :]
    first, choose, whole = order[:, 0], apart * 0, apart[:, 0] * 0 + 1
    for s in range(k):
        first = xp.where(order[:, s] < first, order[:, s], first)
        levels = (apart[:, s + 1] if s + 1 < k else whole) - apart[:, s]
        choose = xp.where(slot == first[:, None], choose + levels[:, None], choose)
    return choose


class RangeMaximum:
    """Maximum of a[b, i + 1 : j + 1] for i < j, in O(1) after O(V) a row.

    Windows of 32 at both ends, and between them a table of powers of two over the blocks of 32. For i = j it is some
    entry nearby.

    Parameters
    ----------
    a : [B, V]
        Rows.

    Examples
    --------
    >>> import numpy as np
    >>> RangeMaximum(np.array([[5, 1, 4, 2]]))(np.array([0]), np.array([3])).tolist()
    [4]
    """

    def __init__(self, a: Array):
        xp = array_namespace(a)
        self.a, self.size, self.levels = a, a.shape[1], []
        blocks = self.size // WINDOW
        if blocks > 2:
            level = xp.max(xp.reshape(a[:, : blocks * WINDOW], (a.shape[0], blocks, WINDOW)), axis=-1)
            self.levels.append(level)
            while 2 ** len(self.levels) <= blocks:
                half = 2 ** (len(self.levels) - 1)
                level = xp.where(level[:, :-half] > level[:, half:], level[:, :-half], level[:, half:])
                self.levels.append(level)

    def __call__(self, i: Array, j: Array) -> Array:
        """i, j [B] -> [B]."""
        xp = array_namespace(i)
        steps = xp.arange(min(WINDOW, self.size), device=device(i))[None, :]
        lowest, last = i[:, None] + 1, j[:, None]
        from_left, from_right = lowest + steps, last - steps
        from_left = xp.where(from_left < last, from_left, last)
        from_right = xp.where(from_right > lowest, from_right, lowest)
        at = xp.concat([from_left, xp.where(from_right < self.size, from_right, 0)], axis=1)
        best = xp.max(entries(self.a, at), axis=-1)
        first, end = (i + WINDOW) // WINDOW, (j + 1) // WINDOW
        for power, level in enumerate(self.levels):
            fits = (end - first >= 2**power) & (end - first < 2 ** (power + 1))
            seen = entries(level, columns(xp.where(fits, first, 0), xp.where(fits, end - 2**power, 0)))
            seen = xp.where(seen[:, 0] > seen[:, 1], seen[:, 0], seen[:, 1])
            best = xp.where(fits & (seen > best), seen, best)
        return best
