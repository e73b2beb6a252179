"""Three and more drafts without replacement: what Border's mixture and its choice ask of them, for a batch of rows.

Successive sampling is a race (theory/border): token i rings at a time of distribution Exp(q_i), and the first k rings
are the drafts. Let H be tokens behind a boundary and a the mass of those before it. All k drafts are in H if H rings k
times before the first ring of the others,

    missed = 1 - int a e^{-a s} P(N_H(s) < k) ds = (c / (a + c))^k - int a e^{-a s} [P(N_H(s) < k) - P(N_c(s) < k)] ds,

with N_H the number of tokens of H that have rung and N_c a Poisson clock of any rate c, here that of all but the k - 1
heaviest tokens. The integrand is small at both ends of log s, where the trapezoidal rule errs as said in
`drafts._best_draft`: below 1e-11 with NODES nodes while the tokens beside the k - 1 heaviest hold LEAST of the row. The
distribution of N_H is a product of polynomials (1 - r_i) + r_i z, cut behind z^(k - 1); all its terms are positive.
"""

from functools import cache
from math import lgamma, log, log1p

from spechub_lp._util.extras import extra
from spechub_lp.drafts import WithoutReplacement
from spechub_lp.kernels.classes import by_loops

with extra("torch", "the kernels"):
    import torch

POLICY = WithoutReplacement()
NODES = 120
LEAST = 2.0**-26
"""Of a row's mass, that the tokens beside the k - 1 heaviest must hold: b/q is up to 1 over it, and sums of q are whole
multiples of 2^-60."""
TAIL = 1e-14
ENTRIES = 2**22
"""Numbers of one coefficient in work at once."""


@cache
def _ends(k: int) -> tuple[float, float]:
    """Logarithms of the first time, in units of the row's mass, and of the last, in those of the slowest clock."""
    late = k + 1.0
    while (k - 1) * log(late) - late - lgamma(k) - log1p(-(k - 1) / late) > log(TAIL):
        late *= 1.1
    return (log(TAIL) + lgamma(k + 1)) / (k + 1), log(late)


def too_faint(q: torch.Tensor, k: int) -> torch.Tensor:
    """Return whether the tokens beside the k - 1 heaviest hold something, and less than the rule of sums can see.

    Parameters
    ----------
    q : [B, n]
        Draft distribution.
    k
        Number of drafts.

    Returns
    -------
    [B, 1]
        bool.

    Examples
    --------
    >>> too_faint(torch.tensor([[0.5, 0.5, 1e-30], [0.5, 0.5, 0.0], [0.5, 0.25, 0.25]]).double(), 3).tolist()
    [[True], [False], [False]]
    """
    light = _light(q, k)
    return (light > 0) & (light < q.sum(dim=1, keepdim=True) * LEAST)


def _light(q: torch.Tensor, k: int) -> torch.Tensor:
    """The mass [B, 1] beside the k - 1 heaviest tokens."""
    heavy = q.topk(min(k - 1, q.shape[1]), dim=1).indices
    return q.scatter(1, heavy, 0.0).sum(dim=1, keepdim=True)


def _times(q: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Times [B, NODES] of a race of q [B, n], their weights, and the slowest rate [B, 1] of the gaps between rings."""
    whole = q.sum(dim=1, keepdim=True)
    slow = torch.maximum(_light(q, k), whole * LEAST)
    early, late = _ends(k)
    first, last = early - whole.log(), late - slow.log()
    step = (last - first) / (NODES - 1)
    time = (first + step * torch.arange(NODES, device=q.device)).exp()
    return time, time * step, slow


def _join(a: list[torch.Tensor], b: list[torch.Tensor]) -> list[torch.Tensor]:
    """The product of two polynomials, cut behind the power that both are cut at."""
    return [sum((a[i] * b[m - i] for i in range(1, m + 1)), a[0] * b[m]) for m in range(len(a))]


def _tokens(q: torch.Tensor, time: torch.Tensor, k: int) -> list[torch.Tensor]:
    """Coefficients [B, NODES, n] of each token alone, up to z^(k - 1)."""
    passed = time[:, :, None] * q[:, None, :]
    still = (-passed).exp()
    return [still, -torch.expm1(-passed), *(torch.zeros_like(still) for _ in range(k - 2))]


def _missed(before: torch.Tensor, few: torch.Tensor, q: torch.Tensor, k: int) -> torch.Tensor:
    """The formula above from a [B, m], and P(N_H < k) [B, NODES, m]."""
    time, weight, slow = _times(q, k)
    clock = slow * time
    term, poisson = torch.ones_like(clock), torch.ones_like(clock)
    for j in range(1, k):
        term = term * clock / j
        poisson = poisson + term
    poisson = poisson * (-clock).exp()
    waiting = before[:, None, :] * (-time[:, :, None] * before[:, None, :]).exp()
    less = (weight[:, :, None] * waiting * (few - poisson[:, :, None])).sum(dim=1)
    return ((slow / (before + slow)) ** k - less).clamp(0, 1)


def missed_race(q: torch.Tensor, before: torch.Tensor, k: int) -> torch.Tensor:
    """Return the probability that k drafts without replacement are all at or behind each boundary.

    Parameters
    ----------
    q : [B, n]
        Draft distribution of tokens, best first.
    before : [B, n + 1]
        Its sums before each boundary.
    k
        Number of drafts.

    Returns
    -------
    [B, n + 1]
        One probability for each boundary, falling from 1 to 0.

    Examples
    --------
    >>> q = torch.tensor([[0.4, 0.3, 0.2, 0.1]], dtype=torch.float64)
    >>> before = torch.nn.functional.pad(q.cumsum(dim=1), (1, 0))
    >>> missed_race(q, before, 3).round(decimals=4).tolist()
    [[1.0, 0.0778, 0.0, 0.0, 0.0]]
    """
    if by_loops(q):
        best = _best_drafts(q, k)
        return torch.nn.functional.pad(best.flip(1).cumsum(dim=1).flip(1), (0, 1)).clamp(0, 1)
    step = max(1, ENTRIES // (NODES * q.shape[1]))
    return torch.cat(
        [_missed_rows(q[at : at + step], before[at : at + step], k) for at in range(0, max(len(q), 1), step)]
    )


def _missed_rows(q: torch.Tensor, before: torch.Tensor, k: int) -> torch.Tensor:
    time, _, _ = _times(q, k)
    behind, reach = _tokens(q, time, k), 1
    while reach < q.shape[1]:  # products of all that lie at or behind each token, by doubling
        ahead = [torch.nn.functional.pad(each[:, :, reach:], (0, reach)) for each in behind]
        ahead[0][:, :, q.shape[1] - reach :] = 1
        behind, reach = _join(behind, ahead), 2 * reach
    few = sum(behind[1:], behind[0])
    found = _missed(before, torch.nn.functional.pad(few, (0, 1), value=1.0), q, k)
    count = (q > 0).flip(1).cumsum(dim=1).flip(1)  # fewer tokens than drafts cannot hold them all
    possible = torch.nn.functional.pad(count >= k, (0, 1), value=False)
    return torch.where(before > 0, torch.where(possible, found, 0.0), 1.0)


def _best_drafts(q: torch.Tensor, k: int) -> torch.Tensor:
    """The distribution [B, n] of the best draft, row by row by numba."""
    out = torch.zeros_like(q)
    for row, found in zip(q, out, strict=True):
        there = row > 0
        if bool(there.any()):
            found[there] = torch.from_numpy(POLICY.best_draft(row[there].numpy(), k))
    return out


def hit_race(pool: torch.Tensor, inside: torch.Tensor, r: int) -> torch.Tensor:
    """Return the probability that one of r further drafts is in a set.

    Parameters
    ----------
    pool : [B, n]
        q, and 0 at tokens that are gone; of any sum.
    inside : [B, n]
        bool: the set.
    r
        Number of drafts.

    Returns
    -------
    [B]
        0 where the set holds nothing.

    Examples
    --------
    >>> pool = torch.tensor([[0.0, 0.3, 0.2, 0.1]], dtype=torch.float64)
    >>> hit_race(pool, torch.tensor([[True, True, False, False]]), 1).round(decimals=3).tolist()
    [0.5]
    """
    set_mass = torch.where(inside, pool, 0.0).sum(dim=1, keepdim=True)
    rest = torch.where(inside, 0.0, pool)
    if r == 1:
        return (set_mass / (set_mass + rest.sum(dim=1, keepdim=True)).clamp_min(1e-300))[:, 0]
    if by_loops(pool):
        return torch.where(inside, _best_drafts(pool, r), 0.0).sum(dim=1)
    step = max(1, ENTRIES // (NODES * pool.shape[1]))
    parts = [slice(at, at + step) for at in range(0, max(len(pool), 1), step)]
    return torch.cat([_hit(pool[at], rest[at], set_mass[at], r) for at in parts])


def _hit(pool: torch.Tensor, rest: torch.Tensor, set_mass: torch.Tensor, r: int) -> torch.Tensor:
    pool = torch.where(pool.sum(dim=1, keepdim=True) > 0, pool, 1.0)
    time, _, _ = _times(pool, r)
    all_of = _tokens(rest, time, r)
    while (size := all_of[0].shape[2]) > 1:
        half = (size + 1) // 2
        others = [torch.nn.functional.pad(each[:, :, half:], (0, 2 * half - size)) for each in all_of]
        if size % 2:
            others[0][:, :, -1] = 1
        all_of = _join([each[:, :, :half] for each in all_of], others)
    found = 1 - _missed(set_mass, sum(all_of[1:], all_of[0]), pool, r)[:, 0]
    sure = (rest > 0).sum(dim=1) < r
    return torch.where(set_mass[:, 0] > 0, torch.where(sure, 1.0, found), 0.0)


def hand_over(
    q: torch.Tensor, place: torch.Tensor, first: torch.Tensor, end: torch.Tensor, there: torch.Tensor
) -> torch.Tensor:
    """Compute the probability that each draft is chosen from the best block: the walk of `samplers.BorderWor`.

    Parameters
    ----------
    q : [B, n]
        Draft distribution of tokens, best first.
    place : [B, k]
        Places of the drafts in the order drawn.
    first, end : [B]
        The best block that was hit.
    there : [B, k]
        Which slots hold a draft.

    Returns
    -------
    [B, k]
        Rows sum to 1.

    Examples
    --------
    >>> q, at = torch.tensor([[0.4, 0.3, 0.2, 0.1]], dtype=torch.float64), torch.tensor([0])
    >>> place = torch.tensor([[2, 0, 1]])
    >>> hand_over(q, place, at, at + 1, place >= 0).tolist()
    [[0.0, 1.0, 0.0]]
    """
    k, index = place.shape[1], torch.arange(q.shape[1], device=q.device)
    new = there & ~(place[:, :, None] == place[:, None, :]).tril(-1).any(dim=2)
    inside = new & (place >= first[:, None]) & (place < end[:, None])
    better, block = index < first[:, None], (index >= first[:, None]) & (index < end[:, None])
    pool, left, chosen = q, torch.ones_like(q[:, 0]), []
    for j in range(k):
        own = place[:, j : j + 1]
        without = torch.where(new[:, j : j + 1], pool.scatter(1, own, 0.0), pool)
        more = torch.zeros_like(left)
        if j + 1 < k:
            theta = _theta(pool, without, better, block, k - 1 - j)
            more = torch.where(inside[:, j + 1 :].any(dim=1), theta, 0.0)
        rest = torch.where(inside[:, j], left * more, left)
        chosen.append(left - rest)
        left, pool = rest, without
    return torch.stack(chosen, dim=1)


def _theta(
    pool: torch.Tensor, without: torch.Tensor, better: torch.Tensor, block: torch.Tensor, r: int
) -> torch.Tensor:
    """The probability [B] to hand over at a draft of the block, r drafts before the end (samplers/border/selection)."""
    masses = torch.where(block, pool, 0.0)
    heaviest = pool.scatter(1, masses.argmax(dim=1, keepdim=True), 0.0)
    hit = hit_race(without, better, r)
    spread = (hit_race(heaviest, better, r) - hit).clamp_min(0)
    missed = hit_race(without, better | block, r) - hit
    others = torch.where(block, without, 0.0).sum(dim=1) / masses.sum(dim=1).clamp_min(1e-300)
    return torch.where(missed > 0, others * spread / missed.clamp_min(1e-300), 0.0).clamp(0, 1)
