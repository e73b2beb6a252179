"""The optimum of a whole vocabulary: alpha* = 1 + min over token sets H of p(H) - Q(H), with the set as its proof."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array, is_torch_array

from spechub_lp import distributions
from spechub_lp import drafts as policies
from spechub_lp._array.convert import as_numpy
from spechub_lp._array.jit import SHORT, has_numba
from spechub_lp._array.ops import argmax, is_token, one, without, zero
from spechub_lp._util.tolerances import SUM_TOLERANCE, UNIT
from spechub_lp.drafts import DraftPolicy
from spechub_lp.drafts._best_draft import best_draft, best_draft_error, falling
from spechub_lp.drafts.base import left
from spechub_lp.drafts.top_k import most_likely
from spechub_lp.errors import SpecHubError
from spechub_lp.optimum import sums
from spechub_lp.optimum.bucket_scan import UP, prefix_by_buckets

Array = Any

POLICIES = ("iid", "without_replacement", "hub", "greedy", "top_k")
"""Draft policies with a cut at full vocabulary."""
MEMORY = 64 * 2**20
"""Default budget in bytes beside the inputs and the answer; larger batches are worked on in slices."""
ROWS_IN_WORK = 24
"""Rows of float64 in work for each row of the batch (sort and scan)."""


@dataclass(frozen=True)
class Cut:
    """The best acceptance of any lossless rule, and why there is no better one."""

    alpha: Array
    """[B] 1 + p(H) - Q(H) in float64, summed over H as it stands, however H was found."""
    H: Array
    """[B, V] the token set, True where it holds the token."""
    error: Array
    """[B] bound on |alpha - optimum|, of rounding and search: no lossless rule accepts more than alpha + error."""


def cut(
    p: Array, q: Array, k: int = 2, drafts: str | DraftPolicy = "iid", *, sort: bool = False, memory: int = MEMORY
) -> Cut:
    """The optimum of k drafts at any vocabulary, in O(V) a row for iid drafts and for two without replacement.

    p, q are taken for the distributions that they are after division by their sums. Sums run in float64 for every
    dtype; numpy in, numpy out; torch in, torch out, on the same device. Rows on the CPU go through bucket selection
    (optimum/bucket_scan.py) where numba is installed, all others through a sort. Apply temperature, top-k and top-p
    with `distributions.from_logits`.

    Args:
        p, q: distributions [V] or [B, V], numpy or torch; a batch of one serves the other's.
        drafts: iid, without_replacement, hub, greedy or top_k.
        sort: sort even where the buckets would do; the plain way, to compare with.
        memory: budget in bytes beside inputs and answer.

    Raises:
        InvalidDistribution: a row holds a NaN or a negative entry (the message names row and token) or does not sum to
        1.
        SpecHubError: another policy, or k drafts cannot be made.
    """
    policy, k = policies.by_name(drafts), distributions.count(k)
    p, q = distributions.float_array(p, "p"), distributions.float_array(q, "q")
    distributions.same_library(p=p, q=q)
    if policy.name not in POLICIES:
        raise SpecHubError(f"no full-vocabulary cut for {policy.name} drafts; use spechub_lp.optimum at small V")
    for name, a in (("p", p), ("q", q)):
        if a.ndim != 2:
            raise SpecHubError(
                f"{name} has shape {tuple(a.shape)}; cut takes [V] or [B, V]: {name}.reshape(-1, {a.shape[-1]})"
            )
    if p.shape[-1] != q.shape[-1]:
        raise SpecHubError(f"p has shape {tuple(p.shape)} and q {tuple(q.shape)}; both need the same vocabulary")
    rows = distributions.batch(p=p, q=q)
    policy.check(q, k)
    if policy.name in ("without_replacement", "greedy", "top_k"):
        k = min(k, p.shape[-1] + 1)  # every token is drafted by then, and the hub again
    if policy.name == "without_replacement" and k == 1:
        policy = policies.IID()
    additive = policy.name == "iid" or (policy.name == "without_replacement" and k == 2)
    if additive and not sort and p.shape[-1] >= SHORT and _on_cpu(p) and _on_cpu(q) and has_numba():
        return _by_buckets(p, q, k, policy, rows)
    p, q = distributions.float_rows(p, "p"), distributions.float_rows(q, "q")
    step = max(1, memory // (ROWS_IN_WORK * 8 * p.shape[1]))
    xp = array_namespace(p, q)
    parts = [_slice(_rows(p, at, step), _rows(q, at, step), k, policy) for at in range(0, rows, step)]
    parts = parts or [_none(p)]
    return Cut(*(xp.concat([getattr(part, name) for part in parts]) for name in ("alpha", "H", "error")))


def _none(p: Array) -> Cut:
    """The answer for a batch of no rows."""
    xp, at = array_namespace(p), device(p)
    alpha = xp.zeros(0, dtype=xp.float64, device=at)
    return Cut(alpha, xp.zeros((0, p.shape[1]), dtype=xp.bool, device=at), alpha)


def _slice(p: Array, q: Array, k: int, policy: DraftPolicy) -> Cut:
    xp = array_namespace(p, q)
    p, q = xp.broadcast_arrays(*(xp.astype(a, xp.float64) for a in (p, q)))
    if policy.name == "without_replacement" and k > 2:
        return _by_race(_over_sum(p), q, k, policy)
    target = _over_sum(p)
    if policy.name in ("iid", "without_replacement"):
        H, inside = _sorted_prefix(p, target, q, k, policy.name == "iid")
    else:
        H, inside = _one_way(target, q, k, policy)
    served = sums.total(xp.where(H, target, zero(p)))[:, 0]
    return Cut(1 + served - inside, H, _error(H, k, policy))


def _over_sum(a: Array) -> Array:
    return a * (1 / sums.total(a))


def _one_way(target: Array, q: Array, k: int, policy: DraftPolicy) -> tuple[Array, Array]:
    """Where all drafts but the last are the tops: the tops, and every token that is drafted last more often than p.

    The tops are those of the row as given, as the policy drafts them: a division by the sum can make two of them tie.
    """
    n = 1 if policy.name == "hub" else k if policy.name == "top_k" else k - 1
    xp = array_namespace(q)
    if n == 0:
        last = _over_sum(q)
        H = (q > 0) & (target < last)
        return H, sums.total(xp.where(H, last, zero(q)))[:, 0]
    tops = most_likely(q, n)
    H = without(one(q) + 0 * q, tops) == 0
    if policy.name == "top_k":
        return H, (one(q) + 0 * q)[:, 0]
    last = _over_sum(left(q, tops))
    H = H | (target < last)
    return H, sums.total(xp.where(H, last, zero(q)))[:, 0]


def _sorted_prefix(p: Array, target: Array, q: Array, k: int, replaced: bool) -> tuple[Array, Array]:
    """Sort by p/q on the row as given, cumulate, take the least; as optimum/bucket_scan.py does without a sort."""
    xp = array_namespace(p)
    can = q > 0
    ratio = xp.where(can, p / xp.where(can, q * UP, one(q)), xp.asarray(xp.inf, dtype=p.dtype, device=device(p)))
    order = xp.argsort(ratio, axis=-1)
    pieces, part, others = ([_over_sum(q)], one(q), one(q)) if replaced else _pair_pieces(q)

    def inside(summed: list[Array]) -> Array:
        return summed[0] ** k if replaced else _pair(summed, part, others)

    def before(a: Array) -> Array:
        return sums.running(xp.take_along_axis(a, order, axis=-1))

    value = before(target) - inside([before(piece) for piece in pieces])
    best, least = argmax(-value), xp.min(value, axis=-1)
    last = xp.take_along_axis(ratio, xp.take_along_axis(order, best[:, None], axis=-1), axis=-1)
    H = (ratio <= last) & can & (least < 0)[:, None]
    return H, inside([sums.total(xp.where(H, piece, zero(q))) for piece in pieces])[:, 0]


def _pair_pieces(q: Array) -> tuple[list[Array], Array, Array]:
    """What is summed over H for two drafts without replacement, and the part of q beside its heaviest token [B, 1].

    Summed are y, the tokens beside the heaviest over their own sum (which may be 1e-300); y q / (1 - q), where 1 - q
    is at least 1/2; and the heaviest token. Last, whether there are tokens beside the heaviest.
    """
    xp = array_namespace(q)
    heaviest = argmax(q)
    light = without(q, heaviest[:, None])
    over = xp.sum(light, axis=-1, keepdims=True)
    y = light / xp.where(over > 0, over, one(q))
    share = xp.where(over > 0, sums.total(y), one(q))
    y = y * (1 / share)
    whole = sums.total(q)
    x = light * (1 / whole)
    heavy = xp.where(is_token(q, heaviest), q * (1 / whole), zero(q))
    return [y, y * (x / (1 - x)), heavy], over * share / whole, over > 0


def _pair(summed: list[Array], part: Array, others: Array) -> Array:
    """Q(H) of two drafts without replacement from the sums of `_pair_pieces`; the formula is in sums.rounding."""
    y, z, t = summed
    y = array_namespace(y).where(others, y, y * 0 + 1)
    return (part * y + t) * (part * (y + z)) - part * z + t * y


def _by_race(p: Array, q: Array, k: int, policy: DraftPolicy) -> Cut:
    """More than two drafts without replacement: the distribution of the best draft, row by row on the CPU.

    q is not divided by its sum: that would round subnormal entries, which count where they must be drafted.
    """
    H, alpha, error = np.zeros(p.shape, dtype=bool), np.zeros(p.shape[0]), np.zeros(p.shape[0])
    for b, (target, draft) in enumerate(zip(as_numpy(p), as_numpy(q), strict=True)):
        order, n = falling(target, draft)
        best_first = draft[order[:n]]
        missed = np.append(np.cumsum(best_draft(policy, best_first, k)[::-1])[::-1], 0.0)
        served = np.append(np.cumsum(target[order[:n]][::-1])[::-1], 0.0)
        at = int(np.argmin(served - missed))
        H[b, order[at:n]] = True
        served_in = target[H[b]].sum()
        alpha[b] = 1 + served_in - missed[at]
        # The search compared other prefixes by the same sums, and cumulated p(H) one by one: twice their errors more.
        searched = 2 * (best_draft_error(best_first, k) + n * UNIT)
        error[b] = _rounding(served_in, missed[at], len(draft), k) + missed[at] * searched / 2 + searched
    xp = array_namespace(p)
    return Cut(*(xp.asarray(a, device=device(p)) for a in (alpha, H, error)))


def _by_buckets(p: Array, q: Array, k: int, policy: DraftPolicy, rows: int) -> Cut:
    xp = array_namespace(p, q)
    p_rows, q_rows = as_floats(p), as_floats(q)
    H, alpha = np.zeros((rows, p.shape[1]), dtype=bool), np.empty(rows)
    for b in range(rows):
        row_p, row_q = p_rows[b % len(p_rows)], q_rows[b % len(q_rows)]
        served, inside, *masses = prefix_by_buckets(row_p, row_q, k, policy.name == "iid", H[b])
        if not all(abs(mass - 1) <= SUM_TOLERANCE["float64"] for mass in masses):
            (
                distributions.float_rows(p, "p"),
                distributions.float_rows(q, "q"),
            )  # says what is wrong, if the dtype does not excuse it
        alpha[b] = 1 + served - inside
    alpha, H = xp.asarray(alpha), xp.asarray(H)
    return Cut(alpha, H, _error(H, k, policy))


def _error(H: Array, k: int, policy: DraftPolicy) -> Array:
    """[B] bound on the error of alpha: that of its value, and twice that for the search, which compared such values.

    Tokens whose p/q round to one number, and tokens that p and the last draft hardly tell apart, cost less than that.
    """
    xp, iid = array_namespace(H), policy.name == "iid"
    bound = 3 * sums.rounding(H.shape[1], k if iid else 2, policy.name == "without_replacement")
    return xp.full(H.shape[0], bound, dtype=xp.float64, device=device(H))


def _rounding(served: Array, inside: Array, vocabulary: int, k: int) -> Array:
    """Sums of V terms in blocks of 128 (numpy and torch sum in finer trees), each of 4 roundings; a k-th power."""
    return UNIT * (vocabulary / 128 + 140) * (served + (k + 2) * inside + 1e-3) + 4 * UNIT


def as_floats(a: Array) -> Array:
    """numpy, in a float dtype that numpy knows."""
    if is_torch_array(a):
        return as_numpy(a.float() if str(a.dtype) in ("torch.bfloat16", "torch.float16") else a)
    return a.astype(np.float32) if a.dtype == np.float16 else a


def _on_cpu(a: Array) -> bool:
    return is_numpy_array(a) or str(device(a)) == "cpu"


def _rows(a: Array, start: int, count: int) -> Array:
    return a if a.shape[0] == 1 else a[start : start + count]
