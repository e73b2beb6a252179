"""The bets of `sequential`, for whole batches of outcomes at once."""

import math

import numpy as np

from spechub_lp._util.extras import extra
from spechub_lp.typing import Array

with extra("gate", "the gate"):
    from scipy.special import gammaln


class TableBet:
    """A gambler with the Krichevsky-Trofimov rule in every context, told many outcomes at a time.

    His wealth is a function of the counts, so the order of the outcomes does not matter: each must have its stated
    probability given those that he was told before and given its context.

    Parameters
    ----------
    probs
        [C, V] the probability of each outcome in each context, if the claim holds.
    pointing
        What is wrong when the gambler gets rich, as the beginning of a sentence.

    Examples
    --------
    >>> bet = TableBet(np.asarray([[0.5, 0.5]]), "heads too often")
    >>> bet.update(np.zeros(40, dtype=int), np.zeros(40, dtype=int))
    >>> bet.log_wealth > 14, bet.n
    (True, 40)
    """

    def __init__(self, probs: Array, pointing: str = ""):
        with np.errstate(divide="ignore"):
            self.price = np.log(probs)
        self.counts = np.zeros(probs.shape, dtype=np.int64)
        self.pointing = pointing

    def update(self, contexts: Array, outcomes: Array) -> None:
        """Take outcomes [n] in these contexts [n]."""
        np.add.at(self.counts, (contexts, outcomes), 1)

    @property
    def n(self) -> int:
        """Outcomes so far."""
        return int(self.counts.sum())

    @property
    def log_wealth(self) -> float:
        """The log of the wealth; infinite once something happened that has probability 0."""
        counts = self.counts[self.counts.any(axis=1)]
        if not len(counts):
            return 0.0
        V, n = counts.shape[1], counts.sum(axis=1)
        predicted = (gammaln(counts + 0.5) - gammaln(0.5)).sum() + (gammaln(V / 2) - gammaln(n + V / 2)).sum()
        seen = self.counts > 0
        return float(predicted - (self.counts[seen] * self.price[seen]).sum())


class EqualBet:
    """Bet on "this outcome is the same as that of the partner" more often than chance, at a few fixed stakes.

    Parameters
    ----------
    pointing
        What is wrong when the gambler gets rich, as the beginning of a sentence.

    Examples
    --------
    >>> bet = EqualBet("outcomes are copied")
    >>> bet.update(np.full(40, 0.5), np.full(40, True))
    >>> bet.log_wealth > 14
    True
    """

    stakes = np.asarray([0.05, 0.15, 0.35, 0.7])

    def __init__(self, pointing: str = ""):
        self.pointing = pointing
        self.logs = np.zeros(len(self.stakes))
        self.n = 0

    def update(self, chance: Array, same: Array) -> None:
        """Take events [n]: the probability that the outcome was the partner's, and whether it was."""
        with np.errstate(divide="ignore"):
            gains = 1 - self.stakes[:, None] + self.stakes[:, None] * np.where(same, 1 / chance, 0.0)
        self.logs += np.log(gains).sum(axis=1)
        self.n += len(chance)

    @property
    def log_wealth(self) -> float:
        """The log of the mean wealth over the stakes."""
        top = float(self.logs.max())
        return top + math.log(float(np.exp(self.logs - top).mean()))


def repeats(scores: Array, variances: Array, alpha: float) -> int | None:
    """Find the lag at which scores repeat themselves; at most `alpha` of fresh sequences have one.

    By Hoeffding's lemma exp(a S - a^2 V / 2) is a supermartingale for the sum S of the products s_t s_(t + lag) and
    V = sum s_t^2 / 4. So P(|S| >= sqrt(2 v log(2 lags / alpha)) and V <= v) <= alpha for all lags at once.

    Parameters
    ----------
    scores
        [n] events less their probabilities: each of mean 0 given those before it, from an interval of length 1.
    variances
        [n] of each score, known beforehand.
    alpha
        Probability of a false alarm.

    Returns
    -------
    int or None
        The lag, or None where there is none.

    Examples
    --------
    >>> noise = np.random.default_rng(0).choice([-0.5, 0.5], size=1000)
    >>> repeats(noise, np.full(1000, 0.25), 1e-6) is None
    True
    >>> repeats(np.tile(noise[:100], 10), np.full(1000, 0.25), 1e-6)
    100
    """
    s, n = np.asarray(scores, dtype=np.float64), len(scores)
    v = 1.1 * float(np.sum(variances)) / 4
    if n < 8 or float((s**2).sum()) / 4 > v:
        return None
    padded = np.fft.rfft(s, 2 * n)
    sums = np.fft.irfft(padded * padded.conj(), 2 * n)[1 : n - 1]
    lag = int(np.argmax(np.abs(sums)))
    return lag + 1 if abs(sums[lag]) > math.sqrt(2 * v * math.log(2 * len(sums) / alpha)) else None
