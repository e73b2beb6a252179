"""The race of `race.Race` for up to four drafts, in closed form, row by row on a CPU.

With M the mass of all tokens, u q of the heaviest light one, and T heavy tokens (notation of `race_loops`):

    int e^{-M s} (u s)^m prod over i in T of (e^{q_i s} - 1) ds
        = m! u^m sum over S in T of (-1)^{|T| - |S|} / (M - q(S))^{m + 1}.

So a heavy token that joins a set costs a division for each pair of those before it (three drafts: for each of them), and
no time is looked at. Of up to three light tokens e_n is a cubic in the sums of powers. Masses are whole multiples of
2^-60: their differences are exact, however little a hub leaves.
"""

from typing import Any

import numpy as np

from spechub_lp._array.jit import compiled
from spechub_lp.kernels.race_loops import MOMENTS

MOST = 4
"""With five drafts there would be a division for each three heavy tokens."""
REACH = MOMENTS + 2
"""Powers of u s that are kept."""
WHOLE = 2.0**60


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

    def one_over(mass: Any) -> Any:
        return WHOLE / np.float64(max(mass, 1))

    def add_gain(q: float, before: float, after: float, gain: Any) -> None:
        """Add after^(m + 1) - before^(m + 1) of what is q more than before, without cancellation."""
        first = q * before * after
        more, power = first, before
        for m in range(len(gain)):
            gain[m] += more
            more, power = more * after + power * first, power * before

    batch, sets, _ = light.shape
    size = heavy.shape[1]
    pairs = max(size * (size - 1) // 2, size, 1)
    without, over, count = np.empty((3, pairs), dtype=np.int64), np.empty((3, pairs)), np.zeros(3, dtype=np.int64)
    integral, gain, upto = np.empty((MOST, REACH + 1)), np.empty((MOST, REACH + 1)), np.empty((MOST, REACH + 1))
    one, two = np.empty(MOMENTS), np.empty((MOMENTS, MOMENTS))
    three = np.empty((MOMENTS, MOMENTS, MOMENTS))
    for b in range(batch):
        drafts, grain = k[b, 0], unit[row[b], 0]
        if drafts < (2 if anew else 1):
            continue
        joined, s = size, sets - 1
        while s >= 0:
            if anew or s == sets - 1:
                of = s if anew else 0
                mass = np.int64(np.rint(others[b, of] * WHOLE)) + np.int64(np.rint(light[b, of, 0] * grain * WHOLE))
                for i in range(begin[b, of], joined):
                    mass += np.int64(np.rint(heavy[b, i] * WHOLE))
                without[0, 0], over[0, 0], count[:], integral[:] = mass, one_over(mass), 0, 0.0
                count[0], integral[0, 0] = 1, one_over(mass)
                for m in range(REACH):
                    integral[0, m + 1] = integral[0, m] * over[0, 0] * grain * (m + 1)
            while joined > begin[b, s]:
                joined -= 1
                q = heavy[b, joined]
                if not q > 0:
                    continue
                grains = np.int64(np.rint(q * WHOLE))
                gain[:] = 0.0
                for d in range(drafts - 2, -1, -1):
                    for i in range(count[d]):
                        rest = without[d, i] - grains
                        after = one_over(rest)
                        if d == drafts - 2:  # no light token is beside so many
                            gain[d + 1, 0] += q * over[d, i] * after
                        else:
                            add_gain(q, over[d, i], after, gain[d + 1])
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
            low = s
            while low > 0 and not anew and begin[b, low - 1] == begin[b, s]:
                low -= 1
            for lights in range(MOST):
                for m in range(REACH + 1):
                    upto[lights, m] = 0.0
                    for d in range(drafts - lights):
                        upto[lights, m] += integral[d, m]
            for x in range(MOMENTS):
                one[x] = series[0, x] * upto[1, x + 1] - series[1, x] * upto[2, x + 1] / 2 + series[2, x] * upto[3, x + 1] / 3
                for y in range(x, MOMENTS):
                    if x + y + 2 > REACH:
                        break
                    both = series[0, x] * series[0, y]
                    mixed = (series[0, x] * series[1, y] + series[1, x] * series[0, y]) / 2
                    orders = 0.5 if x == y else 1.0
                    two[x, y] = (both * upto[2, x + y + 2] - mixed * upto[3, x + y + 2]) * orders
                    for z in range(y, MOMENTS):
                        if x + y + z + 3 > REACH:
                            break
                        orders = 1 / 6 if x == z else 0.5 if x == y or y == z else 1.0
                        three[x, y, z] = both * series[0, z] * upto[3, x + y + z + 3] * orders
            for j in range(low, s + 1):
                power = light[b, j]
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
                out[b, j] = min(max(1 - others[b, j] * total, 0.0), 1.0)
            s = low - 1
