"""Level 2: betting against a known distribution, one outcome at a time.

Under the distribution that is claimed, the wealth of a gambler who bets on outcomes before he sees them is a
nonnegative martingale, so by Ville's inequality it ever passes 1/alpha with probability at most alpha, whenever one
looks and for whatever reason one stops. The gambler here predicts with the Krichevsky-Trofimov rule, (count + 1/2) / (n
+ outcomes/2), separately in every context; a context may be anything that is known before the outcome.
"""

import math
from collections.abc import Hashable, Sequence
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from spechub_lp.typing import Array


class Claim(StrEnum):
    """What is claimed of an engine, and bet against."""

    OUTPUT = "output"
    """Its outputs follow the target."""
    INDEPENDENCE = "independence"
    """Its outputs follow the target given the past, or given what the same code does under controlled noise."""
    ACCEPTANCE = "acceptance"
    """It accepts no more than the optimum."""


class Bet:
    """A gambler against one distribution, with a memory for each context.

    Parameters
    ----------
    claim
        What is bet against.
    distribution
        [V] the probability of each outcome, if the claim holds.
    pointing
        What is wrong when the gambler gets rich, as the beginning of a sentence.

    Examples
    --------
    >>> bet = Bet(Claim.OUTPUT, [0.5, 0.5])
    >>> for _ in range(40):
    ...     bet.update(0)
    >>> bet.log_wealth > math.log(1e6)  # P(this ever happens) <= 1e-6 under the claim
    True
    """

    def __init__(self, claim: Claim, distribution: Sequence[float], pointing: str = ""):
        self.claim, self.pointing = claim, pointing
        self.price = [math.log(w) if w > 0 else -math.inf for w in distribution]
        self.memory: dict[Hashable, list[float]] = {}
        self.log_wealth = 0.0
        self.n = 0

    def update(self, outcome: int, context: Hashable = None) -> None:
        """Take an outcome (a place in the distribution) in a context that was known before it."""
        counts = self.memory.setdefault(context, [0.5] * len(self.price) + [len(self.price) / 2])
        self.log_wealth += math.log(counts[outcome] / counts[-1]) - self.price[outcome]
        counts[outcome] += 1
        counts[-1] += 1
        self.n += 1


def odds(log_wealth: float) -> str:
    """Say against which odds a bet was won.

    Parameters
    ----------
    log_wealth
        Natural logarithm of the gambler's wealth.

    Returns
    -------
    str
        The odds in words.

    Examples
    --------
    >>> odds(32.3), odds(math.inf)
    ('against odds of 1e14', 'against any odds: it has probability 0')
    """
    if math.isinf(log_wealth):
        return "against any odds: it has probability 0"
    return f"against odds of 1e{log_wealth / math.log(10):.0f}"


class AboveBet:
    """Bet against "the mean of these numbers in [0, 1] is at most `most`", with a mixture of fixed stakes.

    Parameters
    ----------
    most
        The largest mean, if the claim holds.
    pointing
        What is wrong when the gambler gets rich, as the beginning of a sentence.

    Examples
    --------
    >>> bet = AboveBet(0.5)
    >>> for _ in range(40):
    ...     bet.update(1.0)
    >>> bet.log_wealth > math.log(1e6)
    True
    """

    claim = Claim.ACCEPTANCE

    def __init__(self, most: float, pointing: str = ""):
        self.pointing, self.most = pointing, most
        self.stakes = np.asarray([0.02, 0.05, 0.1, 0.2, 0.4, 0.8]) / max(most, 1e-3)
        self.logs = np.zeros(len(self.stakes))
        self.n = 0

    def update(self, outcome: float) -> None:
        """Take a number in [0, 1]."""
        self.logs += np.log1p(np.maximum(self.stakes * (outcome - self.most), -0.999999))
        self.n += 1

    @property
    def log_wealth(self) -> float:
        """The log of the mean wealth over the stakes."""
        top = float(self.logs.max())
        return top + math.log(float(np.exp(self.logs - top).mean()))


def log_mixture(counts: Array) -> float:
    """Return the logarithm of the Krichevsky-Trofimov probability of a sequence.

    Parameters
    ----------
    counts
        [C] how often each outcome is in the sequence.

    Returns
    -------
    float
        The natural logarithm.

    Examples
    --------
    >>> round(math.exp(log_mixture(np.array([1, 1]))), 6)  # 1/2 times (1/2) / 2
    0.125
    """
    outcomes, n = len(counts), float(np.sum(counts))
    gains = sum(math.lgamma(c + 0.5) - math.lgamma(0.5) for c in counts)
    return gains - math.lgamma(n + outcomes / 2) + math.lgamma(outcomes / 2)


def radius(counts: Array, alpha: float) -> float:
    """Return a total variation radius around the frequencies that holds the true distribution at every n at once.

    The probability that it ever fails to is at most alpha. {r : log KT(counts) - sum counts log r < log(1/alpha)} is a
    confidence sequence for the distribution r; Pinsker's inequality turns n KL(frequencies | r) into a distance.

    Parameters
    ----------
    counts
        [C] how often each outcome came.
    alpha
        Probability that the true distribution is ever outside.

    Returns
    -------
    float
        The radius, at most 1.

    Examples
    --------
    >>> radius(np.array([0, 0]), 1e-6), round(radius(np.array([5000, 5000]), 1e-6), 3)
    (1.0, 0.031)
    """
    n = float(np.sum(counts))
    if n == 0:
        return 1.0
    best = sum(c * math.log(c / n) for c in counts if c > 0)
    room = math.log(1 / alpha) + best - log_mixture(counts)
    return min(1.0, math.sqrt(room / (2 * n)))


def distance_bound(counts: Array, distribution: Sequence[float], alpha: float) -> float:
    """Return an upper bound of the total variation distance between the engine's distribution and another.

    It is the upper end of a confidence sequence, so it holds at every n at once.

    Parameters
    ----------
    counts
        [C] how often each outcome came.
    distribution
        [C] what the engine is compared with.
    alpha
        Probability that the bound is ever too small.

    Returns
    -------
    float
        The bound, at most 1.

    Examples
    --------
    >>> round(distance_bound(np.array([6000, 4000]), [0.5, 0.5], 1e-6), 3)
    0.131
    """
    n = float(np.sum(counts))
    if n == 0:
        return 1.0
    return min(1.0, float(np.abs(np.asarray(counts) / n - np.asarray(distribution)).sum()) / 2 + radius(counts, alpha))


def smallest_caught(n: int, outcomes: int, alpha: float, power: float = 0.99) -> float:
    """Return the smallest distance that `n` draws reject with some probability, whatever its direction.

    A distribution at total variation d is at least 2 d^2 away in relative entropy. The logarithm of the wealth after n
    draws is that times n, less the cost of learning `outcomes` numbers, less a fluctuation of about sqrt(4 d^2 n) a
    standard deviation.

    Parameters
    ----------
    n
        Number of draws.
    outcomes
        Number of outcomes of a draw.
    alpha
        Probability of a false alarm.
    power
        Probability that the distance is rejected.

    Returns
    -------
    float
        A total variation distance, at most 1. It is an estimate, by a normal approximation.

    Examples
    --------
    >>> round(smallest_caught(10_000, 4, 1e-6), 3)
    0.051
    """
    if n < 2:
        return 1.0
    z = NormalDist().inv_cdf(power)
    need = math.log(1 / alpha) + (outcomes - 1) / 2 * math.log(n) + 1
    root = (z + math.sqrt(z * z + 2 * need)) / 2  # x = d sqrt(n) solves 2 x^2 - 2 z x = need
    return min(1.0, root / math.sqrt(n))
