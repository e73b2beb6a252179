"""The race of `race.Race` row by row on a CPU, for sets that are given as a walk.

Successive sampling has drawn n tokens of the set H, and then one of the others, of mass a, with probability

    a int e^{-m s} e_n(s) ds,    e_n = sum over n tokens of H of prod (e^{q s} - 1),    m the mass of all,

so all k drafts are in H with probability 1 - a sum over n < k of these integrals: by the trapezoidal rule in log s. A
heavy token that joins H changes e_n at each time. Light tokens do not: their part of e_n is a polynomial in x = unit s,
whose coefficients are made of the sums of powers, and its integral is a sum over coefficients. So the tokens at or
behind each boundary, worst place first, cost one loop over the times for a heavy token and none for a light one.
"""

from typing import Any

import numpy as np

from spechub_lp._array.jit import compiled

MOMENTS = 6
"""Sums of powers that are known of light tokens."""
STRIDE = 256
"""Entries of a row that are looked at together."""
OCTAVE = 3
"""Times to an octave, so that e^{q s} - 1 is that of an earlier time, squared: u (u + 2)."""
HUB = 60.0
"""A token with q s above it at the last time is multiplied in as e^{-q s} (1 + (e^{q s} - 1) z): it might overflow."""


@compiled
def all_in(heavy: Any, begin: Any, anew: bool, light: Any, others: Any, whole: Any, row: Any, k: Any, unit: Any,
           slow: Any, ends: Any, series: Any, out: Any) -> None:  # fmt: skip
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
        Mass of the tokens that are not in the set.
    whole : [N, S] or [N, 1]
        Mass of all tokens; of each row the same, unless `anew`.
    row : [N]
        Whose tokens they are.
    k : [N, 1]
        Number of drafts; with fewer than two of other tokens, `anew`, nothing is filled in.
    unit, slow : [B, 1]
        Of each row, q of the heaviest light token, and the slowest rate of the race.
    ends : [2, most + 1 or more]
        Logarithms of the first time of so many drafts, and of the last in units of 1 / slow.
    series : [most - 1, MOMENTS]
        Coefficients of x, x^2, ... in (e^x - 1)^j, j = 1, ..., for up to `most` drafts.
    out : [N, S]
        Where the results go.

    Examples
    --------
    >>> q, light, out = np.array([[0.1, 0.2, 0.3, 0.4]]), np.zeros((1, 1, 6)), np.zeros((1, 1))
    >>> one, row, two, ends = np.ones((1, 1)), np.array([0]), np.array([[2]]), np.array([[0, 0, -16.0], [0, 0, 5.0]])
    >>> all_in(q, two, False, light, one * 0.3, one, row, two, one, one, ends, np.zeros((1, 6)), out)
    >>> out.round(6).tolist()  # 0.4 * 0.3 / 0.6 + 0.3 * 0.4 / 0.7
    [[0.371429]]
    """
    batch, sets, _ = light.shape
    most = len(series) + 1
    width = MOMENTS + most - 1
    gap = np.log(2.0) / OCTAVE
    power_sums, joint = np.zeros((most, width, sets)), np.zeros((most, width, sets))
    integral, upto, total = np.zeros((most, width)), np.zeros((most, width)), np.zeros(sets)
    for b in range(batch):
        drafts, grain = k[b, 0], unit[row[b], 0]
        if drafts < (2 if anew else 1):
            continue
        first = ends[0, drafts]
        nodes = int(np.ceil((ends[1, drafts] - np.log(slow[row[b], 0]) - first) / gap)) + 1
        time = np.exp(first + gap * np.arange(nodes))
        weight, each, more, chance = np.empty((nodes, width)), np.empty(nodes), np.empty(nodes), np.zeros((most, nodes))
        short = np.zeros(most)
        for j in range(1, drafts):
            for m in range(j, MOMENTS + 1):
                for s in range(sets):
                    power_sums[j, m, s] = series[j - 1, m - 1] * max(light[b, s, m - 1], 0.0)
        for n in range(1, drafts):
            over = 1.0 / n
            for m in range(n, width):  # all sets at once, so that these loops are vectors
                for s in range(sets):
                    joint[n, m, s] = power_sums[n, m, s] if n % 2 else -power_sums[n, m, s]
                for j in range(1, n):
                    for low in range(j, min(MOMENTS, m - n + j) + 1):
                        if j % 2:
                            for s in range(sets):
                                joint[n, m, s] += power_sums[j, low, s] * joint[n - j, m - low, s]
                        else:
                            for s in range(sets):
                                joint[n, m, s] -= power_sums[j, low, s] * joint[n - j, m - low, s]
                for s in range(sets):
                    joint[n, m, s] *= over
        joined, plain, has_hub = heavy.shape[1], 0.0, False
        s = sets - 1
        while s >= 0:
            all_mass = max(whole[b, min(s, whole.shape[1] - 1)], 1e-30)  # 0 in no distribution
            low, last, fresh = s, begin[b, s], anew or s == sets - 1
            while low > 0 and not anew:  # down to the next heavy token
                while last > begin[b, low - 1] and not heavy[b, last - 1] > 0:
                    last -= 1
                if last > begin[b, low - 1]:
                    break
                low -= 1
            if fresh:
                has_hub, plain = False, 0.0
                chance[:] = 0
                chance[0] = 1
            renew, moved = fresh, fresh
            while joined > begin[b, s]:
                joined -= 1
                q = heavy[b, joined]
                if not q > 0:
                    continue
                moved = True
                if q * time[nodes - 1] > HUB:
                    has_hub, renew = True, True
                    for i in range(nodes):
                        kept, rung = np.exp(-q * time[i]), -np.expm1(-q * time[i])
                        for d in range(drafts - 1, 0, -1):
                            chance[d, i] = chance[d, i] * kept + chance[d - 1, i] * rung
                        chance[0, i] *= kept
                    continue
                plain += q
                for i in range(min(OCTAVE, nodes)):
                    each[i] = np.expm1(q * time[i])
                for i in range(OCTAVE, nodes):
                    each[i] = each[i - OCTAVE] * (each[i - OCTAVE] + 2)
                for d in range(drafts - 1, 0, -1):
                    for i in range(nodes):
                        more[i] = each[i] * chance[d - 1, i]
                        chance[d, i] += more[i]
                    if not renew and d < drafts - 1:
                        for i in range(nodes):
                            for m in range(width):
                                integral[d, m] += weight[i, m] * more[i]
                    elif not renew:
                        for i in range(nodes):
                            integral[d, 0] += weight[i, 0] * more[i]
            if renew:
                mass = others[b, s] + light[b, s, 0] * grain + plain if has_hub else all_mass
                integral[:] = 0
                for i in range(nodes):
                    power = gap * time[i] * np.exp(-mass * time[i])
                    for m in range(width):
                        weight[i, m] = power
                        for d in range(drafts):
                            integral[d, m] += power * chance[d, i]
                        power *= time[i] * grain
            if fresh:
                for n in range(drafts):
                    short[n] = all_mass ** -(n + 1.0)
                for i in range(nodes):
                    power = gap * time[i] * np.exp(-all_mass * time[i])
                    for n in range(drafts):
                        short[n] -= power
                        power *= time[i] / (n + 1)
            if moved:
                upto[0] = integral[0]
                for d in range(1, drafts - 1):
                    for m in range(width):
                        upto[d, m] = upto[d - 1, m] + integral[d, m]
            for j in range(low, s + 1):
                total[j], power = 1 / all_mass, 1.0
                for d in range(1, drafts):
                    power *= all_mass - others[b, j]
                    total[j] += integral[d, 0] + power * short[d]
            for d in range(1, drafts):
                for m in range(d, width):
                    for j in range(low, s + 1):
                        total[j] += joint[d, m, j] * upto[drafts - 1 - d, m]
            for j in range(low, s + 1):
                out[b, j] = min(max(1 - others[b, j] * total[j], 0.0), 1.0)
            s = low - 1


@compiled
def likeliest(q: Any, whole: Any, most: int, least: float, share: Any, token: Any, unit: Any) -> None:
    """Find the tokens of each row that the race of up to `most` drafts multiplies in one by one.

    Parameters
    ----------
    q : [B, V]
        Draft distribution, of any scale.
    whole : [B]
        Its sum.
    most
        The most drafts of a row.
    least
        Of all tokens beside the `most` - 1 likeliest, what a light one holds at most, while there is room.
    share, token : [B, h]
        Where the heavy tokens and their q go, falling; 0 behind them.
    unit : [B, 1]
        Where q of the likeliest of the others goes.

    Examples
    --------
    >>> share, token, unit = np.zeros((1, 3)), np.zeros((1, 3), int), np.zeros((1, 1))
    >>> likeliest(np.array([[0.1, 0.2, 0.3, 0.4]]), np.ones(1), 2, 0.4, share, token, unit)
    >>> share.tolist(), token.tolist(), unit.tolist()
    ([[0.4, 0.3, 0.0]], [[3, 2, 0]], [[0.2]])
    """

    def put_in(x: Any, i: int, falling: Any, tokens: Any) -> Any:
        """Put x where it belongs, and return what falls out at the end."""
        at, out = len(falling) - 1, falling[-1]
        while at > 0 and falling[at - 1] < x:
            falling[at], tokens[at] = falling[at - 1], tokens[at - 1]
            at -= 1
        falling[at], tokens[at] = x, i
        return out

    def any_above(row: Any, least: Any) -> bool:
        above = 0
        for i in range(len(row)):
            above += row[i] > least
        return above > 0

    for b in range(len(share)):
        share[b] = 0.0
        top = share[b, : most - 1]
        for start in range(0, q.shape[1], STRIDE):
            entries = q[b, start : start + STRIDE]
            for i in range(len(entries) if any_above(entries, top[-1]) else 0):
                if entries[i] > top[-1]:
                    put_in(entries[i], i, top, token[b])
        floor = least * (whole[b] - top.sum())
        share[b], token[b], light = 0.0, 0, 0.0
        for start in range(0, q.shape[1], STRIDE):
            entries = q[b, start : start + STRIDE]
            for i in range(len(entries) if any_above(entries, light) else 0):
                left_out = np.float64(entries[i])
                if left_out > floor and left_out > share[b, -1]:
                    left_out = put_in(left_out, start + i, share[b], token[b])
                light = max(light, left_out)
        unit[b, 0] = light
        for h in range(share.shape[1]):
            if not share[b, h] > light:
                share[b, h] = 0.0


@compiled
def by_place(share: Any, token: Any, place: Any, unit: Any, behind: Any, most: int, slow: Any) -> None:
    """Sort the heavy tokens of each row by their places; of tokens that tie, the likeliest comes first.

    Parameters
    ----------
    share, token, place : [B, h]
        q, falling, the tokens and their places, which are sorted; q is 0 where there is none, and its place comes last.
    unit : [B, 1]
        q of the heaviest light token.
    behind : [B, n + 1, MOMENTS]
        Sums of powers of the light tokens at or behind each boundary.
    most
        The most drafts of a row.
    slow : [B, 1]
        Where the mass of all tokens but the heavy ones of the `most` - 1 likeliest goes.

    Examples
    --------
    >>> share, token, place = np.array([[0.5, 0.25]]), np.array([[7, 9]]), np.array([[3, 1]])
    >>> unit, behind, slow = np.array([[0.125]]), np.array([[[2.0], [0.0]]]), np.zeros((1, 1))
    >>> by_place(share, token, place, unit, behind, 2, slow)
    >>> share.tolist(), token.tolist(), place.tolist(), slow.tolist()
    ([[0.25, 0.5]], [[9, 7]], [[1, 3]], [[0.5]])
    """
    for b in range(len(share)):
        slow[b, 0] = behind[b, 0, 0] * unit[b, 0] + share[b, most - 1 :].sum()
        for h in range(share.shape[1]):
            held, at = (share[b, h], token[b, h], place[b, h] if share[b, h] > 0 else behind.shape[1] - 1), h
            while at > 0 and place[b, at - 1] > held[2]:
                share[b, at], token[b, at], place[b, at] = share[b, at - 1], token[b, at - 1], place[b, at - 1]
                at -= 1
            share[b, at], token[b, at], place[b, at] = held


@compiled
def boundaries(heavy: Any, place: Any, behind: Any, unit: Any, begin: Any, mass: Any) -> None:
    """Find the heavy tokens and the mass ahead of each boundary.

    Parameters
    ----------
    heavy : [B, h]
        q of the heavy tokens.
    place : [B, h]
        Their places, rising.
    behind : [B, n + 1, MOMENTS]
        Sums of powers of the light tokens at or behind each boundary.
    unit : [B, 1]
        q of the heaviest light token.
    begin : [B, n + 1]
        Where the number of heavy tokens ahead goes.
    mass : [B, n + 1]
        Where q of the tokens ahead goes.

    Examples
    --------
    >>> behind, begin, mass = np.array([[[2.0], [1.0], [0.0]]]), np.zeros((1, 3), int), np.zeros((1, 3))
    >>> boundaries(np.array([[0.5]]), np.array([[0]]), behind, np.array([[0.25]]), begin, mass)
    >>> begin.tolist(), mass.tolist()
    ([[0, 1, 1]], [[0.0, 0.75, 1.0]])
    """
    for b in range(len(begin)):
        before, n = 0.0, 0
        for j in range(begin.shape[1]):
            while n < place.shape[1] and place[b, n] < j:
                before += heavy[b, n]
                n += 1
            begin[b, j], mass[b, j] = n, before + (behind[b, 0, 0] - behind[b, j, 0]) * unit[b, 0]


@compiled
def sums_behind(light: Any, grain: float, out: Any) -> None:
    """Sum what is at or behind each boundary.

    Parameters
    ----------
    light : [MOMENTS, B, n]
        int64, of each place.
    grain
        What 1 of it stands for.
    out : [B, n + 1, MOMENTS]
        Where the sums go.

    Examples
    --------
    >>> out = np.zeros((1, 3, 1))
    >>> sums_behind(np.array([[[2, 3]]]), 0.5, out)
    >>> out[0, :, 0].tolist()
    [2.5, 1.5, 0.0]
    """
    moments, batch, n = light.shape
    for b in range(batch):
        for m in range(moments):
            held = np.int64(0)
            out[b, n, m] = 0.0
            for j in range(n - 1, -1, -1):
                held += light[m, b, j]
                out[b, j, m] = np.float64(held) * grain
