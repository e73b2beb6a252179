"""Sums that can be merged: what an evaluation keeps of millions of positions, and the intervals made from it.

Positions of one document resemble each other, so an interval treats documents as the independent unit. A mean is a
ratio of sums over documents, m = sum S_d / sum n_d, and its variance, to first order (Cochran, Sampling Techniques,
third edition, section 6.5; the cluster-robust variance of Liang and Zeger 1986 with the factor D / (D - 1)),

    D / (D - 1)  sum_d (S_d - m n_d)^2  /  (sum_d n_d)^2,        with Student's t of D - 1 degrees of freedom.

Where mean and half-width h would leave what is possible, Wilson's score interval stands instead (J. Am. Stat. Assoc.
22, 1927), for as many independent draws as would give this variance: m (1 - m) over it. With r = h^2 / (m (1 - m)) it
goes from (m + r / 2 - sqrt(h^2 + r^2 / 4)) / (1 + r) to the same with a plus, and never leaves 0 to 1.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf, isfinite, sqrt
from typing import Any, NamedTuple

from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError

LIMITS = {
    **dict.fromkeys(("acceptance", "optimum", "slot", "region", "lossless", "q(a)", "histogram"), (0.0, 1.0)),
    **dict.fromkeys(("win", "loss", "won", "lost"), (0.0, 1.0)),
    "gain": (-1.0, 1.0),
}
"""What the mean of a column can be, by the last of these words in its key."""

Key = tuple[str | int | float, ...]
"""What a column measures: (temperature, k, quantity, ...)."""


class Estimate(NamedTuple):
    """A mean with its interval.

    Examples
    --------
    >>> Estimate(0.5, None, 3).n
    3
    >>> print(Estimate(0.75, 0.125, 3, 0, 1)), print(Estimate(0.75, 3.65, 2, 0, 1))
    0.7500 ± 0.1250
    0.7500 (95 %: 0.0078 to 0.9991)
    (None, None)
    """

    mean: float
    half_width: float | None
    n: int
    """Positions (or whatever was counted) that it is the mean of."""
    least: float = -inf
    most: float = inf
    """What the mean can be: where half-width runs beyond it, the interval is Wilson's."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval, within what is possible; None of a single document."""
        if self.half_width is None:
            return None
        if self.is_symmetric:
            return self.mean - self.half_width, self.mean + self.half_width
        return self._wilson(self.half_width)

    @property
    def is_symmetric(self) -> bool:
        """Whether mean and half-width say it: they stay within what is possible."""
        return self.half_width is None or (
            self.least <= self.mean - self.half_width and self.mean + self.half_width <= self.most
        )

    def _wilson(self, half_width: float) -> tuple[float, float]:
        """Wilson's interval; on a scale from 0 to 1, and back. At an end it is nothing but that end."""
        scale = self.most - self.least
        if not isfinite(scale):
            return max(self.least, self.mean - half_width), min(self.most, self.mean + half_width)
        m, h = (self.mean - self.least) / scale, half_width / scale
        if not 0 < m < 1:
            return self.mean, self.mean
        r = h * h / (m * (1 - m))
        low, high = ((m + r / 2 + sign * sqrt(h * h + r * r / 4)) / (1 + r) for sign in (-1, 1))
        return self.least + scale * max(0.0, low), self.least + scale * min(1.0, high)

    @property
    def reach(self) -> tuple[float, float]:
        """How far the interval goes below and above the mean; nothing where there is none."""
        low, high = self.interval or (self.mean, self.mean)
        return max(0.0, self.mean - low), max(0.0, high - self.mean)

    def __str__(self) -> str:
        if self.half_width is None:
            return f"{self.mean:.4f}"
        if self.is_symmetric:
            return f"{self.mean:.4f} ± {self.half_width:.4f}"
        low, high = (f"{end:.4f}".rstrip("0").rstrip(".") for end in self.interval or ())
        return f"{self.mean:.4f} (95 %: {low} to {high})"


@dataclass
class Tally:
    """Sums and counts of each column in each document, and worst values over all. Merging is adding.

    Examples
    --------
    >>> tally = Tally()
    >>> tally.add("a", (1.0, 2, "acceptance", "rrs"), 0.25)
    >>> tally.add("b", (1.0, 2, "acceptance", "rrs"), 0.75)
    >>> tally.mean((1.0, 2, "acceptance", "rrs")).mean
    0.5
    """

    sums: dict[str, dict[Key, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    """document -> column -> sum."""
    counts: dict[str, dict[Key, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    """document -> column -> how many values were added."""
    worst: dict[Key, float] = field(default_factory=dict)
    """column -> the largest value."""

    def add(self, document: str, key: Key, value: float) -> None:
        """Add one value of a column in a document."""
        self.sums[document][key] += value
        self.counts[document][key] += 1

    def largest(self, key: Key, value: float) -> None:
        """Remember a value where it is the largest of its column."""
        self.worst[key] = max(value, self.worst.get(key, value))

    def merge(self, other: "Tally") -> None:
        """Add another tally. Merged in one order the sums are the same to the last bit, whoever computed them."""
        for document, columns in other.sums.items():
            for key, value in columns.items():
                self.sums[document][key] += value
                self.counts[document][key] += other.counts[document][key]
        for key, value in other.worst.items():
            self.largest(key, value)

    def columns(self) -> list[Key]:
        """Return all columns, in one order whoever computed them."""
        return sorted({key for columns in self.sums.values() for key in columns}, key=lambda key: [*map(str, key)])

    def count(self, key: Key, documents: Iterable[str] | None = None) -> int:
        """Return how many values a column has."""
        return sum(self.counts[d].get(key, 0) for d in self._chosen(documents))

    def mean(self, key: Key, documents: Iterable[str] | None = None) -> Estimate | None:
        """The mean of a column over some documents (all by default), clustered by document; None if it is empty."""
        found = self.ratio(
            lambda d: (self.sums[d].get(key, 0.0), self.counts[d].get(key, 0)),
            self._chosen(documents),
        )
        return _within(found, key)

    def difference(self, left: Key, right: Key, documents: Iterable[str] | None = None) -> Estimate | None:
        """The mean of left - right, two columns that were added at the same positions."""
        return self.ratio(
            lambda d: (self.sums[d].get(left, 0.0) - self.sums[d].get(right, 0.0), self.counts[d].get(left, 0)),
            self._chosen(documents),
        )

    def share(self, key: Key, of: Key, documents: Iterable[str] | None = None) -> Estimate | None:
        """The sum of one column over the count of another: how often something was seen."""
        found = self.ratio(
            lambda d: (self.sums[d].get(key, 0.0), self.counts[d].get(of, 0)),
            self._chosen(documents),
        )
        return _within(found, key)

    @staticmethod
    def ratio(parts: Callable[[str], tuple[float, float]], documents: Iterable[str]) -> Estimate | None:
        """sum S_d / sum n_d for (S_d, n_d) = parts(d), as an estimate; None when nothing was counted."""
        pairs = [pair for pair in map(parts, documents) if pair[1]]
        count = sum(n for _, n in pairs)
        if not count:
            return None
        mean = sum(s for s, _ in pairs) / count
        if len(pairs) < 2:
            return Estimate(mean, None, int(count))
        spread = sum((s - mean * n) ** 2 for s, n in pairs) * len(pairs) / (len(pairs) - 1)
        return Estimate(mean, _student(len(pairs) - 1) * sqrt(spread) / count, int(count))

    def _chosen(self, documents: Iterable[str] | None) -> list[str]:
        return sorted(self.sums if documents is None else (d for d in documents if d in self.sums))

    def document(self) -> dict[str, Any]:
        """For a JSON file; `Tally.read` takes it back. Sums and counts stand in the order of `columns`."""
        columns = self.columns()
        return {
            "columns": [list(key) for key in columns],
            "sums": {d: [own.get(key) for key in columns] for d, own in sorted(self.sums.items())},
            "counts": {d: [own.get(key) for key in columns] for d, own in sorted(self.counts.items())},
            "worst": [[*key, value] for key, value in self.worst.items()],
        }

    @classmethod
    def read(cls, document: dict[str, Any]) -> "Tally":
        """The inverse of `document`. Raises SpecHubError when columns and values do not fit."""
        tally = cls()
        columns = [tuple(key) for key in document["columns"]]
        for read, write in ((document["sums"], tally.sums), (document["counts"], tally.counts)):
            for name, values in read.items():
                if len(values) != len(columns):
                    raise SpecHubError(f"a tally of {len(columns)} columns has {len(values)} values in {name!r}")
                write[name].update({k: v for k, v in zip(columns, values, strict=True) if v is not None})
        for name, own in tally.sums.items():
            if own.keys() != tally.counts.get(name, {}).keys():
                raise SpecHubError(f"a tally has sums without counts in {name!r}, or counts without sums")
        tally.worst = {tuple(key): value for *key, value in document["worst"]}
        return tally

    def __getstate__(self) -> dict[str, Any]:
        return self.document()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(Tally.read(state).__dict__)


def _within(found: Estimate | None, key: Key) -> Estimate | None:
    """The estimate with what its column can be."""
    limits = next((LIMITS[str(word)] for word in reversed(key) if str(word) in LIMITS), None)
    return found if found is None or limits is None else found._replace(least=limits[0], most=limits[1])


def _student(freedom: int) -> float:
    """The 97.5 % point of Student's t."""
    with extra("evaluate", "a confidence interval"):
        from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
