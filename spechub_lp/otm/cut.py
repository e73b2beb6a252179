"""The optimum of a whole vocabulary: alpha* = 1 + min over token sets H of p(H) - Q(H), with the set as its proof."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array, is_torch_array

from spechub_lp import drafts as policies
from spechub_lp import laws
from spechub_lp.compiled import SHORT, has_numba
from spechub_lp.drafts import DraftPolicy
from spechub_lp.drafts.policy import left
from spechub_lp.drafts.top_k import most_likely
from spechub_lp.errors import SpecHubError
from spechub_lp.otm.prefix import best_draft, best_draft_error, falling
from spechub_lp.otm.scan import prefix_by_buckets
from spechub_lp.rows import argmax, is_token, one, positive, total, without, zero
from spechub_lp.tuples import as_numpy

Array = Any

UNIT = 2.0**-53
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
    """[B] bound on the rounding of alpha: no lossless rule accepts more than alpha + error."""


def cut(
    p: Array, q: Array, k: int = 2, drafts: str | DraftPolicy = "iid", *, sort: bool = False, memory: int = MEMORY
) -> Cut:
    """The optimum of k drafts at any vocabulary, in O(V) a row for iid drafts and for two without replacement.

    p, q are taken for the laws that they are after division by their sums. Sums run in float64 for every dtype; numpy
    in, numpy out; torch in, torch out, on the same device. Rows on the CPU go through bucket selection (otm/scan.py)
    where numba is installed, all others through a sort. Apply temperature, top-k and top-p with `laws.from_logits`.

    Args:
        p, q: laws [V] or [B, V], numpy or torch; a batch of one serves the other's.
        drafts: iid, without_replacement, hub, greedy or top_k.
        sort: sort even where the buckets would do; the plain way, to compare with.
        memory: budget in bytes beside inputs and answer.

    Raises:
        LawError: a row holds a NaN or a negative entry (the message names row and token) or does not sum to 1.
        SpecHubError: another policy, or k drafts cannot be made.
    """
    policy = policies.by_name(drafts)
    p, q = (a if hasattr(a, "ndim") else np.asarray(a, dtype=np.float64) for a in (p, q))
    p, q = (a if a.ndim > 1 else a[None] for a in (p, q))
    if p.shape[-1] != q.shape[-1] or not {p.shape[0], q.shape[0]} <= {1, max(p.shape[0], q.shape[0])}:
        raise SpecHubError(f"p has shape {tuple(p.shape)} and q {tuple(q.shape)}; they must agree, or one have one row")
    policy.check(q, k)
    if policy.name == "without_replacement" and k == 1:
        policy = policies.IID()
    additive = policy.name == "iid" or (policy.name == "without_replacement" and k == 2)
    if additive and not sort and p.shape[-1] >= SHORT and _on_cpu(p) and _on_cpu(q) and has_numba():
        return _by_buckets(p, q, k, policy)
    p, q = laws.float_rows(p, "p"), laws.float_rows(q, "q")
    rows, step = max(p.shape[0], q.shape[0]), max(1, memory // (ROWS_IN_WORK * 8 * p.shape[1]))
    xp = array_namespace(p, q)
    parts = [_slice(_rows(p, at, step), _rows(q, at, step), k, policy) for at in range(0, rows, step)]
    return Cut(*(xp.concat([getattr(part, name) for part in parts]) for name in ("alpha", "H", "error")))


def _slice(p: Array, q: Array, k: int, policy: DraftPolicy) -> Cut:
    xp = array_namespace(p, q)
    p, q = (xp.astype(a, xp.float64) for a in (p, q))
    if policy.name == "without_replacement" and k > 2:
        return _by_race(p / total(p) + 0 * q, q + 0 * p, k, policy)
    p, q = p / total(p), q / total(q)
    p, q = p + 0 * q, q + 0 * p
    if policy.name in ("hub", "greedy", "top_k"):
        H = _one_way(p, q, k, policy)
        inside = policy.inside(q, H, k)
    elif policy.name in ("iid", "without_replacement"):
        H = _sorted_prefix(p, q, k, policy)
        inside = policy.inside(q, H, k) if policy.name == "iid" else _pair(q, H)
    else:
        raise SpecHubError(f"no full-vocabulary cut for {policy.name} drafts; use spechub_lp.optimum at small V")
    served = total(xp.where(H, p, zero(p)))[:, 0]
    return Cut(1 + served - inside, H, _rounding(served, inside, p.shape[1], k))


def _one_way(p: Array, q: Array, k: int, policy: DraftPolicy) -> Array:
    """Where all drafts but the last are the tops: the tops, and every token that is drafted last more often than p."""
    n = 1 if policy.name == "hub" else k if policy.name == "top_k" else k - 1
    xp = array_namespace(p)
    tops = without(one(p) + 0 * p, most_likely(q, n)) == 0 if n else p < 0
    if policy.name == "top_k":
        return tops
    return tops | (p < left(q, most_likely(q, n)) if n else xp.where(q > 0, p < q, False))


def _sorted_prefix(p: Array, q: Array, k: int, policy: DraftPolicy) -> Array:
    """Sort by p/q, cumulate, take the least."""
    xp = array_namespace(p)
    finite = q > p * 1e-300  # else p/q may overflow; such a token is in no useful set
    ratio = xp.where(finite, p / xp.where(finite, q, one(q)), xp.asarray(xp.inf, dtype=p.dtype, device=device(p)))
    order = xp.argsort(ratio, axis=-1)
    p_in, q_in = (xp.cumulative_sum(xp.take_along_axis(a, order, axis=-1), axis=-1) for a in (p, q))
    value = p_in - (q_in**k if policy.name == "iid" else _pair_prefix(q, order))
    best, least = argmax(-value), xp.min(value, axis=-1)
    last = xp.take_along_axis(ratio, xp.take_along_axis(order, best[:, None], axis=-1), axis=-1)
    return (ratio <= last) & finite & (least < 0)[:, None]


def _pair_prefix(q: Array, order: Array) -> Array:
    xp = array_namespace(q)
    a = argmax(q)[:, None]
    light, top = without(q, a), xp.astype(is_token(q, a[:, 0]), q.dtype)
    inside, over, square, has = (
        xp.cumulative_sum(xp.take_along_axis(each, order, axis=-1), axis=-1)
        for each in (light, light / (1 - light), light * light / (1 - light), top)
    )
    heavy = xp.take_along_axis(q, a, axis=-1)
    others = total(light)
    then = xp.where(others > 0, inside / xp.where(others > 0, others, one(q)), one(q))
    return (inside + has * heavy) * over - square + has * heavy * then


def _pair(q: Array, H: Array) -> Array:
    """Q(H) of two drafts without replacement; the heaviest token apart, so that no 1 - q cancels."""
    xp = array_namespace(q)
    a = argmax(q)[:, None]
    light = without(q, a)
    light_in, heavy = xp.where(H, light, zero(q)), xp.where(H & is_token(q, a[:, 0]), q, zero(q))
    inside, top, others = total(light_in), total(heavy), total(light)
    then = xp.where(others > 0, inside / xp.where(others > 0, others, one(q)), one(q))
    return (total(light_in * positive(inside + top - light_in) / (1 - light_in)) + top * then)[:, 0]


def _by_race(p: Array, q: Array, k: int, policy: DraftPolicy) -> Cut:
    """More than two drafts without replacement: the law of the best draft, row by row on the CPU.

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
        error[b] = _rounding(served_in, missed[at], len(draft), k) + missed[at] * best_draft_error(best_first, k)
    xp = array_namespace(p)
    return Cut(*(xp.asarray(a, device=device(p)) for a in (alpha, H, error)))


def _by_buckets(p: Array, q: Array, k: int, policy: DraftPolicy) -> Cut:
    rows, xp = max(p.shape[0], q.shape[0]), array_namespace(p, q)
    p_rows, q_rows = as_floats(p), as_floats(q)
    H, alpha, error = np.zeros((rows, p.shape[1]), dtype=bool), np.empty(rows), np.empty(rows)
    for b in range(rows):
        row_p, row_q = p_rows[b % len(p_rows)], q_rows[b % len(q_rows)]
        served, inside, mass_p, mass_q = prefix_by_buckets(row_p, row_q, k, policy.name == "iid", H[b])
        if not (abs(mass_p - 1) <= laws.SUM_TOLERANCE["float64"] and abs(mass_q - 1) <= laws.SUM_TOLERANCE["float64"]):
            laws.float_rows(p, "p"), laws.float_rows(q, "q")  # says what is wrong, if the dtype does not excuse it
        alpha[b], error[b] = 1 + served - inside, _rounding(served, inside, p.shape[1], k)
    return Cut(*(xp.asarray(a) for a in (alpha, H, error)))


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
