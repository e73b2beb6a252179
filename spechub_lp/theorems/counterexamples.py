"""False statements near the theorems, each with the distributions that refute it."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from spechub_lp import samplers
from spechub_lp.exact import exact
from spechub_lp.theorems.quantities import Distribution, max_acceptance


@dataclass(frozen=True)
class Counterexample:
    """A false statement "left >= right for every p" and the distribution pair that refutes it.

    Examples
    --------
    >>> FALSE[0].statement, FALSE[0].values[0] < FALSE[0].values[1]
    ('spechub >= rrsw', True)
    """

    statement: str
    p: tuple[Fraction, ...]
    q: tuple[Fraction, ...]
    left: Callable[[Distribution, Distribution], Fraction]
    right: Callable[[Distribution, Distribution], Fraction]

    @property
    def values(self) -> tuple[Fraction, Fraction]:
        """The two sides at (p, q); the left one is smaller."""
        return self.left(self.p, self.q), self.right(self.p, self.q)


def _accepts(name: str) -> Callable[[Distribution, Distribution], Fraction]:
    return lambda p, q: exact(samplers.by_name(name), p, q).acceptance


def _best(drafts: str) -> Callable[[Distribution, Distribution], Fraction]:
    return lambda p, q: max_acceptance(p, q, 2, drafts)


def _distributions(p: Any, q: Any) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    return tuple(Fraction(v) for v in p.split()), tuple(Fraction(v) for v in q.split())


_T5 = _distributions("0 1/5 4/5", "3/5 3/10 1/10")
_BELOW = _distributions(".41626 .29052 .0519 .07658 .16474", ".13172 .1612 .26083 .28605 .1602")
_HUB_ONLY = _distributions("1 0 0", "1/3 1/3 1/3")
FALSE: tuple[Counterexample, ...] = (
    Counterexample("spechub >= rrsw", *_T5, _accepts("spechub"), _accepts("rrsw")),
    Counterexample("spechub >= OTM without replacement", *_T5, _accepts("spechub"), _best("without_replacement")),
    Counterexample("spechub >= rrs when q(a) < 1/2", *_BELOW, _accepts("spechub"), _accepts("rrs")),
    Counterexample("OTM without replacement >= spechub", *_HUB_ONLY, _best("without_replacement"), _accepts("spechub")),
    Counterexample("greedy >= OTM without replacement", *_T5, _best("greedy"), _best("without_replacement")),
    Counterexample("rrsw >= kseq", *_distributions("1/2 1/2 0", "1/2 1/4 1/4"), _accepts("rrsw"), _accepts("kseq")),
    Counterexample("kseq >= rrsw", *_distributions("1 0 0", "1/2 1/2 0"), _accepts("kseq"), _accepts("rrsw")),
    Counterexample("rrsw >= OTM iid", *_distributions("2/3 1/3 0", "1/3 1/3 1/3"), _accepts("rrsw"), _best("iid")),
)
