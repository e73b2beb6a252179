"""The integral of `race.Race` row by row on a CPU, for sets that are given as a walk.

Each set of a row is the last one and some heavy tokens more, or begins anew: so the tokens at or behind each boundary,
worst place first, cost one multiplication a token.
"""

from typing import Any

import numpy as np

from spechub_lp._array.jit import compiled


@compiled
def all_in(heavy: Any, stop: Any, anew: bool, light: Any, outside: Any, span: Any, k: Any, unit: Any, series: Any,
           step: float, out: Any) -> None:  # fmt: skip
    """Fill in the probability that all drafts are in each set.

    Parameters
    ----------
    heavy : [B, m]
        q of the heavy tokens in the order of the walk.
    stop : [B, S]
        How many of them have joined the set.
    anew
        Whether each set begins without the tokens of the last one.
    light : [B, S, MOMENTS]
        Sums of powers of the set's light tokens.
    outside : [B, S]
        q of all tokens but the set's heavy ones.
    span : [B, 2]
        Logarithms of the first and the last time.
    k : [B, 1]
        Number of drafts; a row with 0 is left as it is.
    unit : [B, 1]
        q of the heaviest light token.
    series : [2 most - 1, MOMENTS]
        Coefficients, for up to `most` drafts (`race._series`).
    step
        Of the logarithm of time.
    out : [B, S]
        Where the results go.

    Examples
    --------
    >>> import torch
    >>> from spechub_lp.kernels.race import MOMENTS, _series
    >>> q, light, out = np.array([[0.4, 0.3, 0.2, 0.1]]), np.zeros((1, 1, MOMENTS)), np.zeros((1, 1))
    >>> one, series = np.ones((1, 1)), _series(1, torch.device("cpu")).numpy()
    >>> stop, k = np.array([[2]]), np.array([[1]])
    >>> all_in(q, stop, False, light, one * 0.3, np.array([[-33.0, 5.0]]), k, one, series, 0.26, out)
    >>> out.round(6).tolist()  # one draft is one of the first two tokens
    [[0.7]]
    """
    batch, sets, moments = light.shape
    most = (len(series) + 1) // 2
    for b in range(batch):
        if k[b, 0] < 1:
            continue
        nodes = int(np.ceil((span[b, 1] - span[b, 0]) / step)) + 1
        gap = (span[b, 1] - span[b, 0]) / (nodes - 1)
        time = np.exp(span[b, 0] + gap * np.arange(nodes))
        terms = np.empty((len(series), moments, nodes))
        power = np.ones(nodes)
        for m in range(moments):
            power *= time * unit[b, 0]
            for j in range(len(series)):
                terms[j, m] = series[j, m] * power
                if j >= most - 1:
                    terms[j, m] /= time
        chance, rate, product = np.zeros((most, nodes)), np.zeros((most, nodes)), np.empty((most, nodes))
        sums, ring, total = np.empty((len(series), nodes)), np.empty(nodes), np.empty(nodes)
        chance[0] = 1
        joined, mass = 0, -1.0
        for s in range(sets):
            if s and not anew and stop[b, s] == joined and (light[b, s] == light[b, s - 1]).all():
                out[b, s] = out[b, s - 1]
                continue
            if anew:
                chance[:] = 0
                rate[:] = 0
                chance[0] = 1
            while joined < stop[b, s]:
                q = heavy[b, joined]
                joined += 1
                for i in range(nodes if q > 0 else 0):
                    kept, rung = np.exp(-q * time[i]), -np.expm1(-q * time[i])
                    for j in range(most - 1, 0, -1):
                        rate[j, i] = (rate[j, i] + q * chance[j, i]) * kept + rate[j - 1, i] * rung
                        chance[j, i] = chance[j, i] * kept + chance[j - 1, i] * rung
                    rate[0, i] = (rate[0, i] + q * chance[0, i]) * kept
                    chance[0, i] *= kept
            if outside[b, s] != mass:
                mass = outside[b, s]
                product[0] = np.exp(-mass * time) * time * gap
            for j in range(len(series)):
                first = light[b, s, 0]
                for i in range(nodes):
                    sums[j, i] = first * terms[j, 0, i]
                for m in range(1, moments):
                    y = light[b, s, m]
                    for i in range(nodes):
                        sums[j, i] += y * terms[j, m, i]
            for n in range(1, k[b, 0]):
                for i in range(nodes):
                    product[n, i] = product[n - 1, i] * sums[0, i] / n
                for j in range(2, n + 1):
                    sign = (1.0 if j % 2 else -1.0) / n
                    for i in range(nodes):
                        product[n, i] += sign * product[n - j, i] * sums[j - 1, i]
            for i in range(nodes):
                total[i] = 0
            for m in range(k[b, 0]):
                for i in range(nodes):
                    ring[i] = rate[m, i]
                for j in range(m + 1):
                    sign = -1.0 if j % 2 else 1.0
                    for i in range(nodes):
                        ring[i] += sign * sums[most - 1 + j, i] * chance[m - j, i]
                for i in range(nodes):
                    total[i] += ring[i] * product[k[b, 0] - 1 - m, i]
            out[b, s] = min(max(total.sum(), 0.0), 1.0)
