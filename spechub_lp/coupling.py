"""A sampler's whole distribution for one (p, q): draft tuples, their mass and their verdicts."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from spechub_lp._array.equality import equal_fields
from spechub_lp._util import renamed
from spechub_lp._util.tabular import Tabular
from spechub_lp._util.words import counted
from spechub_lp.errors import SpecHubError
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Coupling(Tabular):
    """A joint distribution of drafts and output: a point of both linear programs (S(x, j) = Q(x) accept_x[j]).

    Numbers are Fractions (or another exact rational) where they come from `exact`, else float64. Whoever asked knows
    which, so their type is Any.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> coupling = exact(samplers.Naive(k=1), ["1/2", "1/2"], ["1/4", "3/4"])
    >>> coupling.drafts, coupling.mass
    (((0,), (1,)), (Fraction(1, 4), Fraction(3, 4)))
    >>> coupling.acceptance, coupling.output_distribution
    (Fraction(3, 4), (Fraction(1, 2), Fraction(1, 2)))
    """

    p: Array
    """[V] target distribution."""
    tuples: Array
    """[N, k] the draft tuples of positive mass, as token ids."""
    weights: Array
    """[N] their probabilities."""
    accept: Array
    """[N, k] probability to output draft j as an accepted draft, given the tuple."""
    residual: Array
    """[N, V] probability to output token y after all drafts were rejected, given the tuple."""

    __eq__ = equal_fields

    def __repr__(self) -> str:
        tuples, k = self.tuples.shape
        kept = "lossless" if self.is_exact and self.is_lossless else f"distance={self.distance}"
        return (
            f"Coupling(acceptance={self.acceptance}, {kept}, {counted(tuples, 'draft tuple')}, k={k}, V={len(self.p)})"
        )

    def as_rows(self) -> list[dict[str, Any]]:
        """Return for each draft tuple its mass, how each draft is accepted, and what comes out when none is."""
        rows = zip(self.tuples.tolist(), self.weights, self.accept, self.residual, strict=True)
        return [
            {
                "drafts": x,
                "mass": plain(mass),
                "accepted": [*map(plain, own)],
                "residual": {y: plain(left) for y, left in enumerate(rest) if left},
            }
            for x, mass, own, rest in rows
        ]

    @property
    def is_exact(self) -> bool:
        """Whether the numbers are rationals."""
        return bool(self.weights.dtype == object)

    @cached_property
    def drafts(self) -> tuple[tuple[int, ...], ...]:
        """The draft tuples, in the order of `mass`."""
        return tuple(tuple(x) for x in self.tuples.tolist())

    @cached_property
    def mass(self) -> tuple[Any, ...]:
        """Q(x) of each tuple."""
        return tuple(map(plain, self.weights))

    @cached_property
    def acceptance(self) -> Any:
        """Round acceptance: Pr[the output is an accepted draft]."""
        return plain((self.weights[:, None] * self.accept).sum())

    @cached_property
    def membership(self) -> Any:
        """Membership acceptance, the objective of the programs: Pr[the output is among the drafts]."""
        by_luck = np.take_along_axis(np.asarray(self.residual), np.asarray(self.tuples), axis=1)
        for j in range(1, self.tuples.shape[1]):
            by_luck[(self.tuples[:, :j] == self.tuples[:, j : j + 1]).any(axis=1), j] = self.weights[0] * 0
        return plain((self.weights[:, None] * by_luck).sum()) + self.acceptance

    @cached_property
    def output_distribution(self) -> tuple[Any, ...]:
        """[V] the distribution of the output, in token order."""
        out = np.asarray(self.weights @ self.residual)
        np.add.at(out, self.tuples, self.weights[:, None] * self.accept)
        return tuple(map(plain, out))

    @property
    def output_law(self) -> tuple[Any, ...]:
        """The old name of `output_distribution`."""
        renamed.warn("Coupling.output_law", "output_distribution")
        return self.output_distribution

    @cached_property
    def distance(self) -> Any:
        """Total variation distance between the output distribution and p."""
        gaps = [abs(o - plain(t)) for o, t in zip(self.output_distribution, self.p, strict=True)]
        return sum(gaps) / 2

    @property
    def is_lossless(self) -> bool:
        """Whether the output distribution is p, as an equality of rationals."""
        if not self.is_exact:
            raise SpecHubError("is_lossless is a statement about rationals: use exact(...), or read .distance")
        return bool(self.distance == 0)


def plain(value: Any) -> Any:
    """Return a number of the internal arithmetic as a Fraction or a float.

    Parameters
    ----------
    value
        A float, or any rational.

    Returns
    -------
    Fraction or float
        The same number.

    Examples
    --------
    >>> from gmpy2 import mpq
    >>> plain(mpq(1, 3))
    Fraction(1, 3)
    """
    if isinstance(value, float | np.floating):
        return float(value)
    return Fraction(int(value.numerator), int(value.denominator))
