"""The race of `race.Race` for up to four drafts, in closed form: row by row on a CPU, and by operations of torch.

With M the mass of all tokens, u q of the heaviest light one, and T heavy tokens (notation of `race_loops`):

    int e^{-M s} (u s)^m prod over i in T of (e^{q_i s} - 1) ds
        = m! u^m sum over S in T of (-1)^{|T| - |S|} / (M - q(S))^{m + 1}.

So a heavy token that joins a set costs a division for each pair of those before it (three drafts: for each of them),
and no time is looked at. Of up to three light tokens e_n is a cubic in the sums of powers. Masses are whole multiples
of 2^-60: their differences are exact, however little a hub leaves.
"""

from functools import cache
from math import factorial
from typing import Any

import numpy as np

from spechub_lp._array.jit import compiled
from spechub_lp._util.extras import extra
from spechub_lp.kernels.grains import WHOLE, grains
from spechub_lp.kernels.race_loops import MOMENTS

with extra("torch", "the kernels"):
    import torch

MOST = 4
"""With five drafts there would be a division for each three heavy tokens."""
REACH = MOMENTS + 2
"""Powers of u s that are kept."""


@compiled
def all_in(heavy: Any, begin: Any, anew: bool, light: Any, others: Any, row: Any, k: Any, unit: Any,
           series: Any, out: Any) -> None:  # fmt: skip
    """Fill in the probability that all drafts are in each set.

    Parameters
    ----------
    heavy : [N, m]
        q of the heavy tokens; the walk is from the last to the first.
    begin : [N, S]
        Where the set's heavy tokens begin, rising; they end where those of the next set begin if `anew`, else with all.
    anew
        Whether a set does not hold the heavy tokens of the next one.
    light : [N, S, MOMENTS]
        Sums of powers of the set's light tokens.
    others : [N, S]
        Mass of the tokens that are not in the set; unless `anew` 0 of the first, which holds all.
    row : [N]
        Whose tokens they are.
    k : [N, 1]
        Number of drafts, MOST at most; with fewer than two of other tokens, `anew`, nothing is filled in.
    unit : [B, 1]
        Of each row, q of the heaviest light token.
    series : [3, MOMENTS]
        Coefficients of x, x^2, ... in (e^x - 1)^j, j = 1, 2, 3.
    out : [N, S]
        Where the results go.

    Examples
    --------
    >>> q, light, out = np.array([[0.1, 0.2, 0.3, 0.4]]), np.zeros((1, 2, 6)), np.zeros((1, 2))
    >>> begin, others, two = np.array([[0, 2]]), np.array([[0.0, 0.3]]), np.array([[2]])
    >>> all_in(q, begin, False, light, others, np.array([0]), two, np.ones((1, 1)), np.zeros((3, 6)), out)
    >>> out.round(6).tolist()  # 0.4 * 0.3 / 0.6 + 0.3 * 0.4 / 0.7
    [[1.0, 0.371429]]
    """
    batch, sets, _ = light.shape
    pairs = heavy.shape[1] ** 2 // 2 + 1
    without, over = np.empty((MOST - 1, pairs), dtype=np.int64), np.empty((MOST - 1, pairs))
    count = np.empty(MOST - 1, dtype=np.int64)
    integral, gain, upto = np.empty((MOST, REACH + 1)), np.empty((MOST, REACH + 1)), np.empty((MOST, REACH + 1))
    one, two, three = np.empty(MOMENTS), np.empty((MOMENTS, MOMENTS)), np.empty((MOMENTS, MOMENTS, MOMENTS))

    def one_over(mass: Any) -> Any:
        return WHOLE / np.float64(max(mass, 1))

    def begin_without_heavy(mass: Any, grain: float) -> None:
        without[0, 0], over[0, 0], count[:], integral[:] = mass, one_over(mass), 0, 0.0
        count[0], integral[0, 0] = 1, one_over(mass)
        for m in range(REACH):
            integral[0, m + 1] = integral[0, m] * over[0, 0] * grain * (m + 1)

    def join(q: float, drafts: int, grain: float) -> None:
        """Add what heavy tokens with this one and earlier ones make; `gain` is after^(m + 1) - before^(m + 1)."""
        own = np.int64(np.rint(q * WHOLE))
        gain[:] = 0.0
        for d in range(drafts - 2, -1, -1):
            for i in range(count[d]):
                rest, before = without[d, i] - own, over[d, i]
                after = one_over(rest)
                first = q * before * after
                if d == drafts - 2:  # no light token is beside so many
                    gain[d + 1, 0] += first
                    continue
                more, power = first, before
                for m in range(REACH + 1):
                    gain[d + 1, m] += more
                    more, power = more * after + power * first, power * before
                without[d + 1, count[d + 1] + i], over[d + 1, count[d + 1] + i] = rest, after
        for d in range(1, drafts):
            ways = 1.0
            for t in range(d, 0, -1):  # t - 1 of the earlier tokens, and d - t more
                factor = ways
                for m in range(REACH + 1):
                    integral[d, m] += factor * gain[t, m]
                    factor *= grain * (m + 1)
                ways *= -(count[1] - t + 2) / (d - t + 1)
        for d in range(drafts - 2, 0, -1):
            count[d] += count[d - 1]

    def weigh_light(drafts: int) -> None:
        """Make the coefficients of the light tokens' sums of powers."""
        for lights in range(MOST):
            for m in range(REACH + 1):
                upto[lights, m] = 0.0
                for d in range(drafts - lights):
                    upto[lights, m] += integral[d, m]
        for x in range(MOMENTS):
            of_one, of_two, of_three = series[0, x], series[1, x], series[2, x]
            one[x] = of_one * upto[1, x + 1] - of_two * upto[2, x + 1] / 2 + of_three * upto[3, x + 1] / 3
            for y in range(x, MOMENTS):
                if x + y + 2 > REACH:
                    break
                both, mixed = of_one * series[0, y], (of_one * series[1, y] + of_two * series[0, y]) / 2
                orders = 0.5 if x == y else 1.0
                two[x, y] = (both * upto[2, x + y + 2] - mixed * upto[3, x + y + 2]) * orders
                for z in range(y, MOMENTS):
                    if x + y + z + 3 > REACH:
                        break
                    orders = 1 / 6 if x == z else 0.5 if x == y or y == z else 1.0
                    three[x, y, z] = both * series[0, z] * upto[3, x + y + z + 3] * orders

    def cubic(power: Any, drafts: int) -> Any:
        total = upto[0, 0]
        for x in range(MOMENTS):
            inner = one[x]
            for y in range(x, MOMENTS):
                if x + y + 2 > REACH:
                    break
                innermost = two[x, y]
                if drafts > 3:
                    for z in range(y, MOMENTS):
                        if x + y + z + 3 > REACH:
                            break
                        innermost += three[x, y, z] * power[z]
                inner += innermost * power[y]
            total += inner * power[x]
        return total

    for b in range(batch):
        drafts, grain = k[b, 0], unit[row[b], 0]
        if drafts < (2 if anew else 1):
            continue
        joined, s = heavy.shape[1], sets - 1
        while s >= 0:
            if anew or s == sets - 1:
                of = s if anew else 0
                mass = np.int64(np.rint(others[b, of] * WHOLE)) + np.int64(np.rint(light[b, of, 0] * grain * WHOLE))
                for i in range(begin[b, of], joined):
                    mass += np.int64(np.rint(heavy[b, i] * WHOLE))
                begin_without_heavy(mass, grain)
            while joined > begin[b, s]:
                joined -= 1
                if heavy[b, joined] > 0:
                    join(heavy[b, joined], drafts, grain)
            weigh_light(drafts)
            low = s
            while low > 0 and not anew and begin[b, low - 1] == begin[b, s]:
                low -= 1
            for j in range(low, s + 1):
                out[b, j] = min(max(1 - others[b, j] * cubic(light[b, j], drafts), 0.0), 1.0)
            s = low - 1


def all_in_by_operations(heavy: torch.Tensor, begin: torch.Tensor, light: torch.Tensor, others: torch.Tensor,
                         k: int | torch.Tensor, unit: torch.Tensor, most: int) -> torch.Tensor:  # fmt: skip
    """Compute the probability that all drafts are in each set.

    Parameters
    ----------
    heavy : [B, m]
        q of the heavy tokens.
    begin : [B, S]
        Where the set's heavy tokens begin, rising; they end with all.
    light : [B, S, MOMENTS]
        Sums of powers of the set's light tokens.
    others : [B, S]
        Mass of the tokens that are not in the set.
    k : int or [B, 1]
        Number of drafts, `most` at most.
    unit : [B, 1]
        q of the heaviest light token.
    most
        The most drafts of a row, MOST at most.

    Returns
    -------
    [B, S]
        float64; 1 of the first set, which holds all.

    Examples
    --------
    >>> q, others = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).double(), torch.tensor([[0.0, 0.3]]).double()
    >>> light, one, begin = torch.zeros(1, 2, 6).double(), torch.ones(1, 1).double(), torch.tensor([[0, 2]])
    >>> all_in_by_operations(q, begin, light, others, 2, one, 2).round(decimals=6).tolist()
    [[1.0, 0.371429]]
    """
    joining, each = heavy.flip(1), grains(heavy).flip(1)
    mass = grains(others[:, :1]) + grains(light[:, :1, 0] * unit) + each.sum(dim=1, keepdim=True)
    reach = torch.arange(REACH + 1, device=unit.device)
    scale = unit**reach * _factorials(unit.device)
    integral = [(_one_over(mass) ** (reach + 1) * scale)[:, None, :].expand(-1, heavy.shape[1] + 1, -1)]
    gains, there = _gains(joining, each, mass, most), joining > 0
    earlier = (there.cumsum(dim=1) - there.long())[:, :, None].double()
    for d in range(1, most):
        more, ways = torch.zeros_like(gains[0]), torch.ones_like(earlier)
        for t in range(d, 0, -1):
            more = more + ways * gains[t - 1]
            ways = ways * -(earlier - t + 2) / (d - t + 1)
        integral.append(torch.nn.functional.pad((more * scale[:, None, :]).cumsum(dim=1), (0, 0, 1, 0)))
    at = (heavy.shape[1] - begin)[:, :, None].expand(-1, -1, REACH + 1)
    integral = [sums.gather(1, at) for sums in integral]
    lights = _lights(light, most)

    def found(k: int) -> torch.Tensor:
        total = sum((sums[:, :, 0] for sums in integral[1:k]), integral[0][:, :, 0])
        for j in range(1, k):
            total = total + (lights[j - 1] * sum(integral[1 : k - j], integral[0])).sum(dim=2)
        return (1 - others * total).clamp(0, 1)

    if isinstance(k, int):
        return found(k)
    return torch.stack([torch.where(k == n, found(n), 0.0) for n in range(1, most + 1)]).sum(dim=0)


def _gains(q: torch.Tensor, each: torch.Tensor, mass: torch.Tensor, most: int) -> list[torch.Tensor]:
    """What each token [B, m], in grains, adds to the sums over sets of 1, 2, ... tokens: [B, m, REACH + 1]."""
    there, order = q > 0, torch.arange(q.shape[1], device=q.device)
    one = mass - each
    gains = [torch.where(there[:, :, None], _gain(q, _one_over(mass), _one_over(one)), 0.0)]
    if most > 2:
        two = one[:, None, :] - each[:, :, None]
        both = there[:, :, None] & there[:, None, :] & (order[:, None] > order)
        gain = _gain(q[:, :, None].expand_as(two), _one_over(one)[:, None, :].expand_as(two), _one_over(two))
        gains.append(torch.where(both[:, :, :, None], gain, 0.0).sum(dim=2))
    if most > 3:
        late, early = _pairs(q.shape[1], q.device)
        pair = two[:, late, early]
        three = pair[:, None, :] - each[:, :, None]
        whole = there[:, :, None] & (there[:, late] & there[:, early])[:, None, :] & (order[:, None] > late)
        gain = torch.where(whole, q[:, :, None] * _one_over(pair)[:, None, :] * _one_over(three), 0.0).sum(dim=2)
        gains.append(torch.nn.functional.pad(gain[:, :, None], (0, REACH)))  # no light token is beside three
    return gains


def _gain(q: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """after^(m + 1) - before^(m + 1) [..., REACH + 1] of what is q more than before, without cancellation."""
    first = q * before * after
    gain, power = [first], before
    for _ in range(REACH):
        gain.append(gain[-1] * after + power * first)
        power = power * before
    return torch.stack(gain, dim=-1)


def _lights(light: torch.Tensor, most: int) -> list[torch.Tensor]:
    """e_1, e_2, ... [B, S, REACH + 1] of the light tokens, by Newton's identities."""
    powers = light[:, :, None, :] * series(MOST - 1, light.device)
    sums = torch.nn.functional.pad(powers, (1, REACH - MOMENTS)).unbind(dim=2)
    lights: list[torch.Tensor] = []
    for n in range(1, most):
        terms = [(-1) ** (j - 1) * _times(lights[n - j - 1], sums[j - 1]) for j in range(1, n)]
        lights.append(sum(terms, (-1) ** (n - 1) * sums[n - 1]) / n)
    return lights


def _times(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The product of two polynomials [B, S, REACH + 1], cut behind the last power."""
    return torch.matmul((a[..., :, None] * b[..., None, :]).flatten(2), _same_power(a.device))


def _one_over(mass: torch.Tensor) -> torch.Tensor:
    return WHOLE / mass.clamp_min(1).double()


@cache
def series(powers: int, device: torch.device) -> torch.Tensor:
    """List the coefficients of x, x^2, ... in (e^x - 1)^j, j = 1, 2, ....

    Parameters
    ----------
    powers
        How many j.
    device
        Where they are kept.

    Returns
    -------
    [powers, MOMENTS]
        float64.

    Examples
    --------
    >>> (6 * series(2, torch.device("cpu"))[:, :3]).round().tolist()
    [[6.0, 3.0, 1.0], [0.0, 6.0, 6.0]]
    """
    rows = [[1 / factorial(m) for m in range(1, MOMENTS + 1)]]
    for _ in range(powers - 1):
        rows.append([sum(rows[-1][i] * rows[0][m - i - 1] for i in range(m)) for m in range(MOMENTS)])
    return torch.tensor(rows, dtype=torch.float64, device=device)


@cache
def _factorials(device: torch.device) -> torch.Tensor:
    return torch.tensor([factorial(m) for m in range(REACH + 1)], dtype=torch.float64, device=device)


@cache
def _same_power(device: torch.device) -> torch.Tensor:
    """[(REACH + 1)^2, REACH + 1]: 1 where x^i x^j is the power."""
    power = torch.arange(REACH + 1, device=device)
    return (power[:, None, None] + power[:, None] == power).flatten(0, 1).double()


@cache
def _pairs(n: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Later and earlier of each two of n tokens."""
    late, early = torch.tril_indices(n, n, -1, device=device)
    return late, early
