"""The optimum of a whole vocabulary: alpha* = 1 + min over token sets H of p(H) - Q(H), with the set as its proof."""

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array, is_torch_array

from spechub_lp import distributions
from spechub_lp import drafts as policies
from spechub_lp._array.convert import as_numpy
from spechub_lp._array.jit import SHORT, has_numba
from spechub_lp._util.tolerances import SUM_TOLERANCE
from spechub_lp.certificate import shown
from spechub_lp.drafts import DraftPolicy
from spechub_lp.drafts._optimal_set import error_of_sums
from spechub_lp.drafts.base import Cut
from spechub_lp.errors import MissingMethod, SpecHubError
from spechub_lp.optimum.bucket_scan import prefix_by_buckets
from spechub_lp.typing import Array, ArrayLike

MEMORY = 64 * 2**20
"""Default budget in bytes beside the inputs and the answer; larger batches are worked on in slices."""
ROWS_IN_WORK = 24
"""Rows of float64 in work for each row of the batch (sort and scan)."""

MOST_DRAFTS = 2**63 - 1


def cut(
    p: ArrayLike,
    q: ArrayLike,
    k: int = 2,
    drafts: str | DraftPolicy = "iid",
    *,
    sort: bool = False,
    memory: int = MEMORY,
    check: bool = True,
) -> Cut:
    """Compute the optimum of k drafts at any vocabulary, in O(V) a row for iid drafts and for two without replacement.

    p, q are taken for the distributions that they are after division by their sums. Sums run in float64 for every
    dtype; numpy in, numpy out; torch in, torch out, on the same device. Rows on the CPU go through bucket selection
    (optimum/bucket_scan.py) where numba is installed, all others through a sort. Apply temperature, top-k and top-p
    with `distributions.from_logits`.

    Parameters
    ----------
    p, q : [V] or [B, V]
        Distributions, numpy or torch; a batch of one goes with every row of the other. Product drafts: q [k, V] or
        [B, k, V], which are worked on one row at a time.
    k
        Number of drafts.
    drafts
        A policy that defines `optimal_set`: every one that ships does, and one of your own may.
    sort
        Sort even where the buckets would do; the plain way, to compare with.
    memory
        Budget in bytes beside inputs and answer.
    check
        Whether entries are looked at, for which the host waits for a device. Without, iid drafts and up to two without
        replacement on a device are worked on without a copy to the host, and what a row that is no distribution gets
        is not said.

    Returns
    -------
    Cut
        alpha [B], H [B, V] and error [B].

    Raises
    ------
    InvalidDistribution
        A row holds a NaN or a negative entry (the message names row and token) or does not sum to 1.
    MissingMethod
        The policy has no `optimal_set`.
    SpecHubError
        k drafts cannot be made.

    References
    ----------
    Hu et al., arXiv 2502.18779 (the prefix and its convexity); theory/T20_different_drafters.

    Examples
    --------
    >>> from spechub_lp import cut
    >>> cut(np.array([[0.0, 0.2, 0.8]]), np.array([[0.6, 0.3, 0.1]]), k=2).alpha.round(3).tolist()
    [0.39]
    """
    policy, k = policies.by_name(drafts), distributions.count(k)
    if k > MOST_DRAFTS:
        raise SpecHubError(f"k = {shown(k)} drafts are too many for floats; cut takes 2^63 - 1 at most")
    p, q = distributions.float_array(p, "p"), distributions.float_array(q, "q")
    distributions.same_library(p=p, q=q)
    if type(policy).optimal_set is DraftPolicy.optimal_set:
        raise _no_set(policy)
    if policy.different_drafters and q.ndim == 2:
        q = q[None]
    for name, a, axes in (("p", p, 2), ("q", q, 3 if policy.different_drafters else 2)):
        if a.ndim != axes:
            raise SpecHubError(
                f"{name} has shape {tuple(a.shape)}; cut takes [V] or [B, V]: {name}.reshape(-1, {a.shape[-1]})"
            )
    if p.shape[-1] != q.shape[-1]:
        raise SpecHubError(f"p has shape {tuple(p.shape)} and q {tuple(q.shape)}; both need the same vocabulary")
    rows = distributions.batch(p=p, q=q)
    policy.check(q, k)
    summed = None if sort else policy.running_sums(k)
    if summed and p.shape[-1] >= SHORT and _on_cpu(p) and _on_cpu(q) and has_numba():
        return _by_buckets(p, q, *summed, rows)
    if check:
        p, q = distributions.float_rows(p, "p"), distributions.float_rows(q, "q")
    step = max(1, memory // (ROWS_IN_WORK * 8 * p.shape[1] * (q.ndim - 1)))
    xp = array_namespace(p, q)
    parts = [_slice(_rows(p, at, step), _rows(q, at, step), k, policy) for at in range(0, rows, step)]
    parts = parts or [_none(p)]
    return Cut(*(xp.concat([getattr(part, name) for part in parts]) for name in ("alpha", "H", "error")))


def _none(p: Array) -> Cut:
    """The answer for a batch of no rows."""
    xp, at = array_namespace(p), device(p)
    alpha = xp.zeros(0, dtype=xp.float64, device=at)
    return Cut(alpha, xp.zeros((0, p.shape[1]), dtype=xp.bool, device=at), alpha)


def _no_set(policy: DraftPolicy) -> MissingMethod:
    what = "optimum at full vocabulary"
    return policy.lacks("optimal_set(p, q, k)", what, "; use spechub_lp.optimum at small V")


def _slice(p: Array, q: Array, k: int, policy: DraftPolicy) -> Cut:
    xp = array_namespace(p, q)
    p, q = (xp.astype(a, xp.float64) for a in (p, q))
    count = max(p.shape[0], q.shape[0])
    p, q = (xp.broadcast_to(a, (count, *a.shape[1:])) for a in (p, q))
    found = policy.optimal_set(p, q, k)
    if found is None:
        raise _no_set(policy)
    shapes = tuple(tuple(getattr(found, name).shape) for name in ("alpha", "H", "error"))
    if shapes != (p.shape[:1], tuple(p.shape), p.shape[:1]):
        raise SpecHubError(
            f"{policy.name}: optimal_set gave alpha, H and error of shapes {', '.join(map(str, shapes))}; "
            f"they must be [B], [B, V] and [B], with p of shape {tuple(p.shape)}"
        )
    return found


def _by_buckets(p: Array, q: Array, k: int, replaced: bool, rows: int) -> Cut:
    xp = array_namespace(p, q)
    p_rows, q_rows = as_floats(p), as_floats(q)
    H, alpha = np.zeros((rows, p.shape[1]), dtype=bool), np.empty(rows)
    for b in range(rows):
        row_p, row_q = p_rows[b % len(p_rows)], q_rows[b % len(q_rows)]
        covered, inside, *masses = prefix_by_buckets(row_p, row_q, k, replaced, H[b])
        if not all(abs(mass - 1) <= SUM_TOLERANCE["float64"] for mass in masses):
            for name, a in (("p", p), ("q", q)):  # says what is wrong, if the dtype does not excuse it
                distributions.float_rows(a, name)
        alpha[b] = 1 + covered - inside
    found = xp.asarray(H)
    return Cut(xp.asarray(alpha), found, error_of_sums(found, k, pair=not replaced))


def as_floats(a: Array) -> Array:
    """Bring an array to numpy, in a float dtype that numpy knows.

    Parameters
    ----------
    a : [...]
        An array of any library.

    Returns
    -------
    [...]
        float16 and bfloat16 become float32.

    Examples
    --------
    >>> as_floats(np.ones(2, dtype=np.float16)).dtype
    dtype('float32')
    """
    if is_torch_array(a):
        return as_numpy(a.float() if str(a.dtype) in ("torch.bfloat16", "torch.float16") else a)
    rows = np.asarray(a)
    return rows.astype(np.float32) if rows.dtype == np.float16 else rows


def _on_cpu(a: Array) -> bool:
    return is_numpy_array(a) or str(device(a)) == "cpu"


def _rows(a: Array, start: int, count: int) -> Array:
    return a if a.shape[0] == 1 else a[start : start + count]
