"""The optimum of one instance by every method we have, timed side by side."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from spechub_lp import certificate
from spechub_lp._array.convert import as_float64
from spechub_lp._util.tolerances import AGREEMENT
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import MissingMethod, MissingPackage, TooLarge
from spechub_lp.instance import Instance
from spechub_lp.optimum import cvxpy_model, highs, program, subsets
from spechub_lp.optimum.solve import Optimum, optimum

LARGEST_FULL = 2_000_000
"""Variables of a full coupling that we are willing to solve."""


@dataclass(frozen=True)
class Solve:
    """One method's answer.

    Examples
    --------
    >>> Solve("all sets H, exact", None, None, Fraction(39, 100), 0.001).value
    Fraction(39, 100)
    """

    method: str
    constraints: int | None
    variables: int | None
    value: Fraction | float
    seconds: float


@dataclass(frozen=True)
class Solutions:
    """The certified optimum beside the answers of all methods.

    Examples
    --------
    >>> found = solve_every_way("0, 1/5, 4/5", "3/5, 3/10, 1/10")
    >>> found.agree, found.document()["optimum"]
    (True, Fraction(39, 100))
    """

    optimum: Optimum
    solves: tuple[Solve, ...]
    skipped: tuple[str, ...]
    """Methods that were not run, and why."""

    @property
    def agree(self) -> bool:
        """Exact methods agree as rationals, float methods within AGREEMENT."""
        alpha = self.optimum.alpha
        return all(
            s.value == alpha if isinstance(s.value, Fraction) else abs(s.value - alpha) <= AGREEMENT
            for s in self.solves
        )

    def document(self) -> dict[str, Any]:
        """Return the comparison as JSON has it."""
        best = self.optimum
        return {
            "p": best.p,
            "q": best.q,
            "k": best.k,
            "drafts": best.drafts.name,
            "optimum": best.alpha,
            "H": sorted(best.H),
            "coupling_from": best.method,
            "methods": [asdict(s) for s in self.solves],
            "skipped": self.skipped,
            "agree": self.agree,
        }


def solve_every_way(
    p: Any, q: Any = None, k: int = 2, drafts: str | DraftPolicy = "iid", full: bool = False, normalize: bool = False
) -> Solutions:
    """Compute the certified optimum, and what each other method says.

    Parameters
    ----------
    p, q, k, drafts, normalize
        As `spechub_lp.optimum` takes them.
    full
        Whether to solve the full coupling, too.

    Returns
    -------
    Solutions
        The optimum, each method's answer and seconds, and the methods that were not run.

    Raises
    ------
    InvalidDistribution, UnknownName
        Bad input.
    TooLarge
        With `full`, V^(k+1) variables are too many.

    Examples
    --------
    >>> {solve.method for solve in solve_every_way("1/2, 1/2", "1/4, 3/4").solves} >= {"maximum flow, exact"}
    True
    """
    instance = Instance.parse(p, q, k, drafts, normalize)
    methods = _Methods([], [])
    floats = as_float64(instance.target_row[0].astype(float)), instance.tuples, instance.mass.astype(float)
    merged, plain = (program.compact(*floats, merged=m) for m in (True, False))
    best = methods.timed("compact, HiGHS, then exact", merged.size, lambda: optimum(instance))
    certificate.check(best.certificate())
    with suppress(MissingPackage):
        cvxpy_model.load_cvxpy()
    methods.timed("compact, HiGHS, permuted tuples merged", merged.size, lambda: highs.solve(merged).value)
    methods.timed("compact, HiGHS", plain.size, lambda: highs.solve(plain).value)
    methods.timed("compact, cvxpy", plain.size, lambda: cvxpy_model.compact(*floats))
    if full:
        _check_full(instance)
        coupling = program.full(*floats)
        methods.timed("full coupling, HiGHS", coupling.size, lambda: highs.solve(coupling).value)
        methods.timed("full coupling, cvxpy", coupling.size, lambda: cvxpy_model.full(*floats))
    methods.timed("maximum flow, exact", merged.size, lambda: optimum(instance, method="flow"))
    exact = instance.target_row[0], instance.draft_row, instance.policy, instance.k
    methods.timed("all sets H, exact", None, lambda: subsets.over_subsets(*exact))
    if instance.policy.prefix_is_optimal:
        methods.timed("prefixes H by p/q, exact", None, lambda: subsets.over_prefixes(*exact))
    return Solutions(best, tuple(methods.solves), tuple(methods.skipped))


@dataclass(frozen=True)
class _Methods:
    solves: list[Solve]
    skipped: list[str]

    def timed(self, method: str, size: tuple[int, int] | None, call: Callable[[], Any]) -> Any:
        """Note the answer of a method and its seconds, or why it has none."""
        started = time.perf_counter()
        try:
            answer = call()
        except (TooLarge, MissingPackage, MissingMethod) as error:
            self.skipped.append(f"{method}: {error}")
            return None
        seconds = time.perf_counter() - started
        constraints, variables = size or (None, None)
        self.solves.append(Solve(method, constraints, variables, _value(answer), seconds))
        return answer


def _value(answer: Any) -> Fraction | float:
    """The maximum acceptance: of an optimum, of a pair (value, H), or of a number itself."""
    value = answer.alpha if isinstance(answer, Optimum) else answer[0] if isinstance(answer, tuple) else answer
    exact = isinstance(value, Fraction) or (hasattr(value, "numerator") and not isinstance(value, float))
    return Fraction(int(value.numerator), int(value.denominator)) if exact else float(value)


def _check_full(instance: Instance) -> None:
    variables = len(instance.tuples) * instance.vocabulary
    if variables > LARGEST_FULL:
        raise TooLarge(f"the full coupling has {variables:,} variables (at most {LARGEST_FULL:,}); drop --full")
