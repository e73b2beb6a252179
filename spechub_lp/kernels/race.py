"""Three and more drafts without replacement: the probability that all of them are in a set, for a batch of rows.

Successive sampling is a race (theory/border): token i rings at a time of distribution Exp(q_i), and the first k rings
are the drafts. All k are in the set H if H rings k times before any of the others, of mass a:

    Pr[all in H] = int e^{-a s} r(s) ds,    r(s) = sum over i in H of q_i e^{-q_i s} Pr[k - 1 others of H rang by s].

Up to four drafts have a closed form (`race_closed`). With more it is integrated by the trapezoidal rule in log s, whose
error is that of `drafts._best_draft`: below 1e-10 of the result with NODES nodes, while the tokens beside the k - 1
heaviest hold LEAST of the row.

The number of H that have rung by s has the generating function prod e^{-x} (1 + w z), x = q s, w = e^x - 1. The
likeliest tokens, HEAVY at most, are multiplied one by one. The others are light: their product is
e^{-sum x} exp(sum_j (-1)^{j+1} z^j/j sum w^j), and w^j = j! sum_m S(m, j) x^m / m!, with S the Stirling numbers of the
second kind. So MOMENTS sums of powers of q are all that is asked of a set, be it of ten tokens or of fifty thousand.
What is left out begins with x^7 / 7!. No heavy token is lighter than a light one, so the race is over, for HEAVY = 64,
before x is large enough to matter.
"""

from dataclasses import dataclass
from functools import cache
from math import lgamma, log, log1p

from spechub_lp._array.jit import SHORT, has_numba
from spechub_lp._util.extras import extra
from spechub_lp.kernels import race_closed, race_loops
from spechub_lp.kernels.race_loops import MOMENTS

with extra("torch", "the kernels"):
    import torch

NODES, STEP = 120, 0.26
"""A device takes NODES times of every row; a CPU, in rows that are not short, as many as keep STEP in log s."""
LEAST = 2.0**-26
"""Of a row's mass, that the tokens beside the k - 1 heaviest must hold: b/q is up to 1 over it, and sums of q are whole
multiples of 2^-60."""
TAIL = 1e-14
HEAVY = 64
LIGHT = 1 / 48
"""Of all tokens beside the k - 1 heaviest, k - 1 times what a light token holds at most, while fewer than HEAVY are
heavy: in rows of equal tokens the sums of powers then leave out 1e-10."""
GRAIN = 2.0**-42
"""Powers of q are summed as whole multiples of this, in units of the heaviest light token's: integer sums have no
order."""
ENTRIES = 2**22
"""Numbers of one coefficient in work at once on a device."""


@dataclass(frozen=True)
class Heavy:
    """The likeliest tokens of a batch of rows.

    Examples
    --------
    >>> Heavy.of(torch.tensor([[0.5, 0.125, 0.375]]), 3).share[:, :4].tolist()
    [[0.5, 0.375, 0.125, 0.0]]
    """

    share: torch.Tensor
    """[B, HEAVY] q, falling, of any scale; 0 where there is none."""
    token: torch.Tensor
    """[B, HEAVY] the tokens."""
    unit: torch.Tensor
    """[B, 1] q of the heaviest light token; next to nothing where there is none."""

    @classmethod
    def of(cls, q: torch.Tensor, most: int) -> "Heavy":
        """Return the tokens of q [B, V] that the race of up to `most` drafts cannot take for light, HEAVY at most."""
        whole = q.sum(dim=1, dtype=torch.float64)
        if q.device.type == "cpu" and has_numba():
            share = torch.empty(len(q), HEAVY, dtype=torch.float64)
            token, unit = torch.empty_like(share, dtype=torch.int64), torch.empty(len(q), 1, dtype=torch.float64)
            race_loops.likeliest(
                q.contiguous().numpy(),
                whole.numpy(),
                most,
                LIGHT / (most - 1),
                *(a.numpy() for a in (share, token, unit)),
            )
        else:
            lacking = (0, max(0, HEAVY + 1 - q.shape[1]))
            top, token = (torch.nn.functional.pad(a, lacking) for a in q.topk(min(HEAVY + 1, q.shape[1]), dim=1))
            top = top.double()
            floor = LIGHT / (most - 1) * (whole - top[:, : most - 1].sum(dim=1))
            unit = top.gather(1, (top[:, :HEAVY] > floor[:, None]).sum(dim=1, keepdim=True))
            share, token = torch.where(top > unit, top, 0.0)[:, :HEAVY], token[:, :HEAVY]
        return cls(share, token, unit.clamp_min(torch.finfo(unit.dtype).tiny))

    def heaviest(self, m: int) -> torch.Tensor:
        """Return q [B, m] of the m likeliest tokens, falling; those beside the heavy ones weigh a unit."""
        return torch.where(self.share > 0, self.share, self.unit)[:, :m]

    def rows(self, at: torch.Tensor) -> "Heavy":
        """Return the rows at indices [m]."""
        return Heavy(self.share[at], self.token[at], self.unit[at])

    def powers(self, q: torch.Tensor) -> torch.Tensor:
        """Return (q/unit)^m [MOMENTS, B, n] in grains, int64, of light entries q [B, n]; 0 of heavy ones."""
        share = q.double() * (1 / self.unit)
        power = torch.where(share > 1, 0.0, share).expand(MOMENTS, -1, -1).cumprod(dim=0)
        return (power / GRAIN).round().long()


@dataclass(frozen=True)
class Race:
    """A batch of rows in n places: heavy tokens one by one, sums of powers of the light ones.

    Examples
    --------
    >>> q = torch.tensor([[0.4, 0.3, 0.2, 0.1]], dtype=torch.float64)
    >>> heavy = Heavy.of(q, 3)  # each token is a place
    >>> race = Race.of(heavy, heavy.token, torch.zeros(1, 5, MOMENTS, dtype=q.dtype), q.sum(dim=1, keepdim=True), 3)
    >>> race.missed(3).round(decimals=4).tolist()
    [[1.0, 0.0778, 0.0, 0.0, 0.0]]
    """

    share: torch.Tensor
    """[B, HEAVY] q of the heavy tokens over the sum of its row, best place first; 0 where there is none."""
    token: torch.Tensor
    """[B, HEAVY] the heavy tokens."""
    place: torch.Tensor
    """[B, HEAVY] their places, rising; the last boundary where there is none."""
    unit: torch.Tensor
    """[B, 1] q of the heaviest light token, over the sum of its row."""
    behind: torch.Tensor
    """[B, n + 1, MOMENTS] sums of (q/unit)^m over the light tokens at or behind each boundary."""
    slow: torch.Tensor
    """[B, 1] mass of all tokens but the heavy ones of the `most` - 1 likeliest, at least LEAST: the slowest rate."""
    paired: torch.Tensor
    """[B, 1] bool: rows whose first two drafts alone are verified, because those tokens hold something, and less than
    the rule of sums can see."""
    most: int
    """The most drafts of a row."""

    @classmethod
    def of(cls, heavy: Heavy, place: torch.Tensor, behind: torch.Tensor, q_sum: torch.Tensor, most: int,
           raised: torch.Tensor | bool = False) -> "Race":  # fmt: skip
        """Return the race of heavy tokens at places [B, HEAVY] and light ones behind each boundary [B, n + 1, MOMENTS].

        raised : [B, 1] rows of `faint.raise_others`.
        """
        unit = heavy.unit / q_sum
        if place.device.type == "cpu" and has_numba():
            share, token, place = heavy.share / q_sum, heavy.token.clone().contiguous(), place.clone()
            slow = torch.empty_like(unit)
            race_loops.by_place(*(a.numpy() for a in (share, token, place, unit, behind)), most, slow.numpy())
        else:
            beside = heavy.share[:, most - 1 :].sum(dim=1, keepdim=True)
            slow = (behind[:, 0, :1] * heavy.unit + beside) / q_sum
            place, order = torch.where(heavy.share > 0, place, behind.shape[1] - 1).sort(dim=1, stable=True)
            share, token = (each.gather(1, order) for each in (heavy.share / q_sum, heavy.token))
        paired = (slow > 0) & (slow < LEAST) | raised
        return cls(share, token, place, unit, behind, slow.nan_to_num(1.0).clamp_min(LEAST), paired, most)

    def missed(self, k: int | torch.Tensor) -> torch.Tensor:
        """Return the probability [B, n + 1] that k (or [B, 1]) drafts are all at or behind each boundary."""
        batch, size, _ = self.behind.shape
        if self.in_loops:
            ahead = torch.empty(batch, size, dtype=torch.int64)
            mass = torch.empty(batch, size, dtype=torch.float64)
            given = (self.share, self.place, self.behind, self.unit, ahead, mass)
            race_loops.boundaries(*(a.contiguous().numpy() for a in given))
            row, drafts = torch.arange(batch), torch.as_tensor(k).expand(batch, 1)
            return self._by_loops(row, self.share, ahead, False, self.behind, mass, mass[:, -1:], drafts, self.most)
        boundary = torch.arange(size, device=self.unit.device).expand(batch, -1).contiguous()
        ahead = torch.searchsorted(self.place, boundary)
        before = torch.nn.functional.pad(self.share.cumsum(dim=1), (1, 0)).gather(1, ahead)
        mass = before + (self.behind[:, :1, 0] - self.behind[:, :, 0]) * self.unit
        outside = before + self.behind[:, :1, 0] * self.unit
        each = HEAVY**3 // 2 if _few(self.most) else NODES * size
        step = 1 if self._alone() else max(1, ENTRIES // each)
        parts = [slice(at, at + step) for at in range(0, max(batch, 1), step)]
        found = torch.cat(
            [
                self.rows(at)._missed(k if isinstance(k, int) else k[at], ahead[at], mass[at], outside[at])
                for at in parts
            ]
        )
        return torch.where(mass > 0, found, 1.0)

    def _missed(
        self, k: int | torch.Tensor, ahead: torch.Tensor, mass: torch.Tensor, outside: torch.Tensor
    ) -> torch.Tensor:
        if _few(self.most):
            return race_closed.all_in_by_operations(self.share, ahead, self.behind, mass, k, self.unit, self.most)
        time, weight = self._times(k)
        heavy = _polynomials(self.share[:, None, :], time[:, :, None], self.most)
        reach, size = 1, self.share.shape[1]
        while reach < size:  # products of all that lie at or behind each token, by doubling
            heavy = _join(heavy, _shifted(heavy, reach))
            reach *= 2
        heavy = torch.cat([heavy, _one(heavy[..., :1])], dim=-1)
        heavy = heavy.gather(-1, ahead[None, None, :, None, :].expand(2, self.most, -1, time.shape[1], -1))
        return self._all_in(time, weight, k, self.behind, heavy, outside)

    def mass(self, pool: "Pool") -> torch.Tensor:
        """Return q [B, S] of each set."""
        return (self.share[:, None, :] * pool.inside).sum(dim=2) + pool.light_inside[:, :, 0] * self.unit

    def hit(self, pool: "Pool", mass: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        """Return the probability [B, S] that one of r [B, 1] further drafts is in a set of q mass [B, S]."""
        share, light, draws = self.share[:, None, :], pool.light_rest[:, :, 0] * self.unit, r.clamp_min(1)
        left = share * pool.rest
        if _few(self.most):
            begin = torch.zeros_like(mass[:, :, None], dtype=torch.int64)
            sets = (left, begin, pool.light_rest[:, :, None], mass[:, :, None])
            heavy, begin, lights, others = (a.flatten(0, 1) for a in sets)
            count, unit = (a.repeat_interleave(mass.shape[1], dim=0) for a in (draws, self.unit))
            missed = race_closed.all_in_by_operations(heavy, begin, lights, others, count, unit, self.most - 1)
            missed = missed.view_as(mass)
        else:
            time, weight = self._times(draws)
            factors = _polynomials(share[:, None], time[:, :, None, None], self.most - 1)
            factors = torch.where(pool.rest[:, None], factors, _one(factors))
            while (size := factors.shape[-1]) > 1:
                half = (size + 1) // 2
                factors = _join(factors[..., :half], _shifted(factors, half)[..., :half])
            missed = self._all_in(time, weight, draws, pool.light_rest, factors[..., 0], mass + light)
        return _hit(mass, left.sum(dim=2) + light, r, missed)

    def hit_by_loops(self, row: torch.Tensor, r: torch.Tensor, walk: torch.Tensor, light: torch.Tensor,
                     mass: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:  # fmt: skip
        """Return the same [N, S], by the loops of numba, for r [N, 1] further drafts of rows [N] and mass [N, S].

        walk [N, S HEAVY] heavy and light [N, S, MOMENTS] tokens of the others, of q rest [N, S].
        """
        begin = (torch.arange(mass.shape[1]) * self.token.shape[1]).repeat(len(mass), 1)
        missed = self._by_loops(row, walk, begin, True, light, mass, mass + rest, r, self.most - 1)
        return _hit(mass, rest, r, missed)

    def _all_in(self, time: torch.Tensor, weight: torch.Tensor, k: int | torch.Tensor, light: torch.Tensor,
                heavy: torch.Tensor, outside: torch.Tensor) -> torch.Tensor:  # fmt: skip
        """Pr[all in H] [B, S] for light [B, S, MOMENTS] and heavy [2, K, B, N, S] (`_polynomials`) tokens of each set.

        outside : [B, S] the mass of all but the heavy tokens of the set.
        """
        most = heavy.shape[1]
        x = (time * self.unit)[:, :, None].expand(-1, -1, MOMENTS).cumprod(dim=2)
        sums = torch.matmul(_series(most, x.device) * x[:, :, None, :], light.transpose(1, 2)[:, None])
        rates = sums[:, :, most - 1 :] / time[:, :, None, None]
        product = [torch.exp(-time[:, :, None] * outside[:, None, :])]
        for n in range(1, most):
            terms = [(-1) ** (j - 1) * product[n - j] * sums[:, :, j - 1] for j in range(1, n + 1)]
            product.append(sum(terms[1:], terms[0]) / n)
        rung, ringing = heavy
        rate = [sum(((-1) ** i * rates[:, :, i] * rung[m - i] for i in range(m + 1)), ringing[m]) for m in range(most)]

        def density(k: int) -> torch.Tensor:
            return torch.stack([rate[m] * product[k - 1 - m] for m in range(k)]).sum(dim=0)

        if isinstance(k, int):
            found = density(k)
        else:
            each = [torch.where((k == n)[:, :, None], density(n), 0.0) for n in range(1, most + 1)]
            found = torch.stack(each).sum(dim=0)
        return (weight[:, :, None] * found).sum(dim=1).clamp(0, 1)

    def _times(self, k: int | torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Times [B, N] and their weights, for k (or [B, 1]) drafts."""
        first, late = _ends(self.most, self.unit.device)[:, k]
        last = late - self.slow.log()
        first, nodes = first.expand_as(last), NODES
        if self._alone():
            nodes = int(((last - first).max() / STEP).ceil()) + 1
        step = (last - first) / (nodes - 1)
        time = (first + step * torch.arange(nodes, device=last.device)).exp()
        return time, time * step

    def rows(self, at: slice | torch.Tensor) -> "Race":
        """Return some of the rows."""
        share, token, place, unit = self.share[at], self.token[at], self.place[at], self.unit[at]
        return Race(share, token, place, unit, self.behind[at], self.slow[at], self.paired[at], self.most)

    def _alone(self) -> bool:
        """Whether each row is worked on by itself, with its own number of times."""
        return self.unit.device.type == "cpu" and self.behind.shape[1] > SHORT and not _few(self.most)

    @property
    def in_loops(self) -> bool:
        """Whether numba's loops work on it."""
        return self.unit.device.type == "cpu" and has_numba()

    def _by_loops(self, row: torch.Tensor, heavy: torch.Tensor, begin: torch.Tensor, anew: bool, light: torch.Tensor,
                  others: torch.Tensor, whole: torch.Tensor, k: torch.Tensor, most: int) -> torch.Tensor:  # fmt: skip
        """`all_in` of up to `most` drafts, in closed form where they are few."""
        device, out = others.device, torch.zeros(others.shape, dtype=others.dtype)
        if _few(most):
            closed = (begin, light, others, row, k, self.unit, race_closed.series(race_closed.MOST - 1, device), out)
            walk, at, *rest = (a.contiguous().numpy() for a in (heavy, *closed))
            race_closed.all_in(walk, at, anew, *rest)
            return out
        given = (begin, light, others, whole, row, k, self.unit, self.slow)
        tables = (_ends(self.most, device), race_closed.series(most - 1, device), out)
        walk, at, *rest = (a.contiguous().numpy() for a in (heavy, *given, *tables))
        race_loops.all_in(walk, at, anew, *rest)
        return out


@dataclass(frozen=True)
class Pool:
    """S sets of each row, and the other tokens that can still be drafted.

    Examples
    --------
    >>> both = torch.tensor([[[True, False]]])
    >>> Pool(both, ~both, torch.zeros(1, 1, MOMENTS), torch.zeros(1, 1, MOMENTS)).rest.tolist()
    [[[False, True]]]
    """

    inside: torch.Tensor
    """[B, S, h] bool: the heavy tokens of the set."""
    rest: torch.Tensor
    """[B, S, h] bool: those of the others."""
    light_inside: torch.Tensor
    """[B, S, MOMENTS] sums of powers of the light tokens of the set."""
    light_rest: torch.Tensor
    """[B, S, MOMENTS] those of the others."""


def _few(most: int) -> bool:
    """Whether the race of so many drafts has a closed form that costs less than the times."""
    return most <= race_closed.MOST


@cache
def _ends(most: int, device: torch.device) -> torch.Tensor:
    """Logarithms of the first time, in units of the row's mass, and of the last, in those of the slowest clock.

    [2, most + 1]: for k = 0..`most` drafts.
    """
    early, late = [0.0], [0.0]
    for k in range(1, most + 1):
        early.append((log(TAIL) + lgamma(k + 1)) / k)
        end = k + 1.0
        while (k - 1) * log(end) - end - lgamma(k) - log1p(-(k - 1) / end) > log(TAIL):
            end *= 1.1
        late.append(log(end))
    return torch.tensor([early, late], dtype=torch.float64, device=device)


def _hit(mass: torch.Tensor, rest: torch.Tensor, r: torch.Tensor, missed: torch.Tensor) -> torch.Tensor:
    one = mass / (mass + rest).clamp_min(1e-300)
    return torch.where(r > 1, torch.where(mass > 0, 1 - missed, 0.0), one)


@cache
def _series(most: int, device: torch.device) -> torch.Tensor:
    """Coefficients [2 most - 1, MOMENTS] of x, x^2, ... in w^j, j = 1..most - 1, and in x w^j, j = 0..most - 1."""
    w = race_closed.series(most - 1, device)
    rates = torch.cat([torch.eye(1, MOMENTS, dtype=w.dtype, device=device), torch.nn.functional.pad(w[:, :-1], (1, 0))])
    return torch.cat([w, rates])


def _polynomials(q: torch.Tensor, time: torch.Tensor, most: int) -> torch.Tensor:
    """[2, most, ...] coefficients up to z^(most - 1): of one token, and of q e^{-x} that it rings now."""
    still = (-q * time).exp()
    nothing = torch.zeros_like(still)
    rung = [still, -torch.expm1(-q * time)][:most]
    return torch.stack(
        [torch.stack([*rung, *[nothing] * (most - len(rung))]), torch.stack([q * still, *[nothing] * (most - 1)])]
    )


def _one(like: torch.Tensor) -> torch.Tensor:
    one = torch.zeros_like(like)
    one[0, 0] = 1
    return one


def _shifted(a: torch.Tensor, by: int) -> torch.Tensor:
    """Each entry's `by`-th neighbour, and 1 behind the last."""
    return torch.cat([a[..., by:], _one(a[..., :by])], dim=-1)


def _join(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The product of two sets, cut behind the power that both are cut at, and the rate at which one of it rings."""
    out = torch.zeros_like(a)
    most = a.shape[1]
    for i in range(most):
        out[:, i:] += a[:1, i : i + 1] * b[:, : most - i]
        out[1, i:] += a[1, i] * b[0, : most - i]
    return out
