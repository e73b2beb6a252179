"""The optimum of one instance by every method we have, timed side by side."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from spechub_lp import certificate, distributions
from spechub_lp import drafts as policies
from spechub_lp._array.convert import as_float64
from spechub_lp._array.rational import rational_row
from spechub_lp._util.tolerances import AGREEMENT
from spechub_lp.errors import MissingPackage, TooLarge
from spechub_lp.instance import enumerate_drafts
from spechub_lp.optimum import cvxpy_model, highs, program, subsets
from spechub_lp.optimum.solve import Optimum, optimum

LARGEST_FULL = 2_000_000
"""Variables of a full coupling that we are willing to solve."""


@dataclass(frozen=True)
class Solve:
    """One method's answer."""

    method: str
    constraints: int | None
    variables: int | None
    value: Fraction | float
    seconds: float


@dataclass(frozen=True)
class Solutions:
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
        best = self.optimum
        return {
            "p": best.p,
            "q": best.q,
            "k": best.k,
            "drafts": best.drafts.name,
            "alpha": best.alpha,
            "H": sorted(best.H),
            "coupling_from": best.method,
            "methods": [asdict(s) for s in self.solves],
            "skipped": self.skipped,
            "agree": self.agree,
        }


def solve_every_way(p: Any, q: Any, k: int, drafts: str, full: bool = False, normalize: bool = False) -> Solutions:
    """The certified optimum, and what each other method says. Arguments as `spechub_lp.optimum`.

    Raises:
        InvalidDistribution, UnknownName: bad input. TooLarge: with `full`, V^(k+1) variables are too many.
    """
    policy = policies.by_name(drafts)
    target, draft = distributions.pair(p, q, normalize)
    row, draft_row = rational_row(target)[0], rational_row(draft)
    solves, skipped = [], []

    def timed(method: str, size: tuple[int, int] | None, call: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        try:
            answer = call()
        except (TooLarge, MissingPackage) as error:
            skipped.append(f"{method}: {error}")
            return None
        seconds = time.perf_counter() - started
        value = answer.alpha if isinstance(answer, Optimum) else answer[0] if isinstance(answer, tuple) else answer
        exact = isinstance(value, Fraction) or (hasattr(value, "numerator") and not isinstance(value, float))
        value = Fraction(int(value.numerator), int(value.denominator)) if exact else float(value)
        constraints, variables = size or (None, None)
        solves.append(Solve(method, constraints, variables, value, seconds))
        return answer

    x, mass = enumerate_drafts(policy, draft_row, k)
    float_p, float_mass = as_float64(row.astype(float)), mass.astype(float)
    merged, plain = (program.compact(float_p, x, float_mass, merged=m) for m in (True, False))
    best = timed("compact, HiGHS, then exact", merged.size, lambda: optimum(target, draft, k, policy))
    certificate.check(best.certificate())
    with suppress(MissingPackage):
        cvxpy_model.load_cvxpy()
    timed("compact, HiGHS, permuted tuples merged", merged.size, lambda: highs.solve(merged).value)
    timed("compact, HiGHS", plain.size, lambda: highs.solve(plain).value)
    timed("compact, cvxpy", plain.size, lambda: cvxpy_model.compact(float_p, x, float_mass))
    if full:
        if len(x) * len(float_p) > LARGEST_FULL:
            raise TooLarge(
                f"the full coupling has {len(x) * len(float_p):,} variables (at most {LARGEST_FULL:,}); drop --full"
            )
        coupling = program.full(float_p, x, float_mass)
        timed("full coupling, HiGHS", coupling.size, lambda: highs.solve(coupling).value)
        timed("full coupling, cvxpy", coupling.size, lambda: cvxpy_model.full(float_p, x, float_mass))
    timed("maximum flow, exact", merged.size, lambda: optimum(target, draft, k, policy, method="flow"))
    timed("all sets H, exact", None, lambda: subsets.over_subsets(row, draft_row, policy, k))
    if policy.prefix_is_optimal and draft_row.ndim == 2:
        timed("prefixes H by p/q, exact", None, lambda: subsets.over_prefixes(row, draft_row, policy, k))
    return Solutions(best, tuple(solves), tuple(skipped))
