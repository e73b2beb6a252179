"""The certified optimum: alpha*, a coupling that reaches it, and the token set H that proves nothing is better."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import cached_property, lru_cache, reduce
from itertools import chain
from typing import Any

import gmpy2
import numpy as np

from spechub_lp import drafts as policies
from spechub_lp._array.equality import equal_fields
from spechub_lp._array.rational import RATIONAL
from spechub_lp._util import renamed
from spechub_lp._util.tabular import Tabular
from spechub_lp.certificate import FORMAT, MAX_BYTES, MAX_DIGITS, shown
from spechub_lp.coupling import Coupling, plain
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SolverError, TooLarge, UnknownName
from spechub_lp.instance import Instance
from spechub_lp.optimum import highs
from spechub_lp.optimum.basis import exact_flow
from spechub_lp.optimum.max_flow import max_flow
from spechub_lp.optimum.program import Program, compact, distinct, merge
from spechub_lp.typing import NumpyArray

LARGEST_COUPLING = 4_000_000


@dataclass(frozen=True)
class Optimum(Tabular):
    """alpha*(p, Q) with both halves of its proof; exact rationals throughout.

    Examples
    --------
    >>> from spechub_lp import optimum
    >>> best = optimum("0, 1/5, 4/5", "3/5, 3/10, 1/10")
    >>> best.alpha, sorted(best.H), best.coupling.is_lossless
    (Fraction(39, 100), [0, 1], True)
    """

    instance: Instance
    alpha: Fraction
    """The optimum of the full and of the compact program."""
    H: frozenset[int]
    """A token set with alpha = 1 + p(H) - Q(H)."""
    method: str
    """How the coupling was found: "highs" (its basis, in rationals), "highs+flow" (that basis was not exactly optimal,
    and the flow mended it) or "flow" (asked for, or HiGHS failed or left a basis that is not exactly feasible)."""
    program: Program
    """The merged compact program, in rationals."""
    flow: NumpyArray
    """[n] S: the mass with which a set of tokens is drafted and the token is output as an accepted draft."""
    tuples: NumpyArray
    """[N, k] every draft tuple of positive mass."""
    weights: NumpyArray
    """[N] their mass Q(x)."""

    __eq__ = equal_fields

    def __repr__(self) -> str:
        instance = self.instance
        tokens = ", ".join(map(str, sorted(self.H)))
        return f"Optimum(alpha={self.alpha}, H={{{tokens}}}, k={instance.k}, {instance.policy.name}, V={len(self.p)})"

    def as_rows(self) -> list[dict[str, Any]]:
        """Return for each draft tuple its mass, and the probability to accept each of the drafts."""
        rows = zip(self.tuples.tolist(), self.weights, self.accept, strict=True)
        return [{"drafts": x, "mass": plain(mass), "accepted": [*map(plain, own)]} for x, mass, own in rows]

    @property
    def p(self) -> tuple[Fraction, ...]:
        """[V] target distribution."""
        return self.instance.p

    @property
    def q(self) -> tuple[Any, ...]:
        """[V] draft distribution, or [k, V] for different drafters."""
        return self.instance.q

    @property
    def k(self) -> int:
        """Number of drafts."""
        return self.instance.k

    @property
    def drafts(self) -> DraftPolicy:
        """The draft policy."""
        return self.instance.policy

    __getattr__ = renamed.fields(unserved="residual")

    @cached_property
    def residual(self) -> NumpyArray:
        """[V] what the accepted drafts leave of p."""
        rest = self.program.demand.copy()
        np.subtract.at(rest, self.program.token, self.flow)
        return rest

    @cached_property
    def accept(self) -> NumpyArray:
        """[N, k] the verdict table: probability to output draft j of tuple x, S(set, y) / Q(set) for its first y."""
        program, vocabulary = self.program, len(self.p)
        accept_of_set = np.zeros((len(program.supply), vocabulary), dtype=object)
        accept_of_set[program.row, program.token] = self.flow / program.supply[program.row]
        _, _, row = merge(distinct(self.tuples, vocabulary), self.weights, vocabulary)
        accept: NumpyArray = np.take_along_axis(accept_of_set[row], self.tuples, axis=1) + self.weights[0] * 0
        for j in range(1, self.tuples.shape[1]):
            again = (self.tuples[:, :j] == self.tuples[:, j : j + 1]).any(axis=1)
            accept[again, j] = self.weights[0] * 0
        return accept

    @cached_property
    def coupling(self) -> Coupling:
        """The optimum as a sampler's distribution: what is rejected is spread over the residual."""
        n, vocabulary = len(self.weights), len(self.p)
        if n * vocabulary > LARGEST_COUPLING:
            raise TooLarge(f"a coupling of {n:,} tuples by {vocabulary} tokens is too large; use .certificate()")
        rest = self.residual
        rejected = 1 - self.accept.sum(axis=1)
        distribution = rest / (rest.sum() if rest.sum() else 1)
        return Coupling(
            self.program.demand, self.tuples, self.weights, self.accept, rejected[:, None] * distribution[None, :]
        )

    def entries(self) -> list[tuple[tuple[int, ...], int, Fraction]]:
        """Return a full coupling as its few positive entries (drafts, output, mass).

        The tuples of one set take its accepted mass in order, and what is left of them takes what is left of p in
        order. So every mass is a sum of differences of Q and p, with no denominator but theirs: each tuple's part of
        its set's mass would have twice the digits.
        """
        program, vocabulary = self.program, len(self.p)
        _, _, row = merge(distinct(self.tuples, vocabulary), self.weights, vocabulary)
        accepted: list[list[Any]] = [[] for _ in program.supply]
        for i in np.flatnonzero(self.flow):
            accepted[program.row[i]].append([int(program.token[i]), self.flow[i]])
        rest = [[y, mass] for y, mass in enumerate(self.residual) if mass]
        out = []
        for n in np.argsort(row, kind="stable"):
            x, spare = tuple(self.tuples[n].tolist()), self.weights[n]
            for tokens in (accepted[row[n]], rest):
                while spare and tokens:
                    y, mass = tokens[0]
                    given = min(spare, mass)
                    out.append((x, y, plain(given)))
                    spare -= given
                    tokens[0][1] -= given
                    if not tokens[0][1]:
                        tokens.pop(0)
        return out

    def certificate(self) -> dict[str, Any]:
        """Return the proof as a document that `spechub_lp.certificate.check` checks without a solver.

        Raises
        ------
        TooLarge
            It would have more digits or bytes than the format allows (docs/certificate_format.md).
        """
        denominators = {int(m.denominator) for m in (*self.p, *chain(*self._draft_rows()), *self.weights)}
        # Every mass, and every sum that the checker makes, is a multiple of 1 / common.
        common = reduce(gmpy2.lcm, denominators)
        if common >= 10**MAX_DIGITS:
            raise TooLarge(
                f"the common denominator of p and of the {len(self.weights):,} draft tuples has more than the "
                f"{MAX_DIGITS:,} digits that a certificate may have; give the distributions as short rationals"
            )
        coupling = [[list(x), y, _text(mass)] for x, y, mass in self.entries()]
        known = self.drafts in policies.ALL
        distribution = (
            [] if known else [[x, _text(mass)] for x, mass in zip(self.tuples.tolist(), self.weights, strict=True)]
        )
        written = sum(len(entry[-1]) + self._line() for entry in (*coupling, *distribution))
        if written > MAX_BYTES:
            raise TooLarge(
                f"a certificate of {written:,} bytes is larger than the {MAX_BYTES:,} that checkers read; restrict the "
                "distributions to their top tokens"
            )
        rows = [list(map(_text, row)) for row in self._draft_rows()]
        return {
            "format": FORMAT,
            "claim": {
                "p": list(map(_text, self.p)),
                "q": rows if isinstance(self.q[0], tuple) else rows[0],
                "drafts": self.drafts.name if known else distribution,
                "k": self.k,
                "alpha": _text(self.alpha),
            },
            "coupling": coupling,
            "H": sorted(self.H),
        }

    def _line(self) -> int:
        """Bytes that an entry takes in the file at most, beside its mass: every number has a line of its own."""
        return 40 + (self.k + 1) * (len(str(len(self.p))) + 6)

    def _draft_rows(self) -> tuple[Any, ...]:
        return self.q if isinstance(self.q[0], tuple) else (self.q,)


@renamed.argument(normalise="normalize")
def optimum(
    p: Any,
    q: Any = None,
    k: int = 2,
    drafts: str | DraftPolicy | type[DraftPolicy] = "iid",
    *,
    method: str = "highs",
    normalize: bool = False,
) -> Optimum:
    """Compute the best acceptance that any lossless rule can reach with k drafts of a policy, and prove it.

    Parameters
    ----------
    p : [V]
        Target distribution, as rationals, strings or floats (see `distributions.parse`); or an `Instance` alone.
    q : [V] or [k, V]
        Draft distribution, or those of k different drafters for product drafts.
    k
        Number of drafts.
    drafts
        Name of a policy, a policy, or `module:object`.
    method
        "highs" solves the merged compact program and turns its basis into rationals; "flow" is exact all along.
    normalize
        Divide p and q by their sums, whatever they are.

    Returns
    -------
    Optimum
        alpha, a coupling that accepts it, and a token set H that proves that nothing accepts more.

    Raises
    ------
    InvalidDistribution
        p or q is not a distribution.
    TooLarge
        V^k tuples do not fit.
    UnknownName
        No such policy or method.

    References
    ----------
    SpecTr, arXiv 2310.15141; SpecHub, arXiv 2411.05289 (the compact program); theory/T1_one_optimum.

    Examples
    --------
    >>> from spechub_lp import optimum
    >>> optimum("0, 1/5, 4/5", "3/5, 3/10, 1/10", k=2, drafts="iid").alpha
    Fraction(39, 100)
    """
    return _copy(shared_optimum(Instance.parse(p, q, k, drafts, normalize), method))


def shared_optimum(instance: Instance, method: str = "highs") -> Optimum:
    """Compute the optimum for readers of its arrays.

    They are read-only, and the same for all who ask for the same optimum.

    Parameters
    ----------
    instance
        The problem.
    method
        As `optimum` takes it.

    Returns
    -------
    Optimum
        Remembered for the last 64 instances.

    Raises
    ------
    UnknownName
        No such method.

    Examples
    --------
    >>> instance = Instance.parse("1/2, 1/2", "1/4, 3/4")
    >>> shared_optimum(instance) is shared_optimum(instance)
    True
    """
    if method not in ("highs", "flow"):
        raise UnknownName("method", method, ["highs", "flow"])
    if not _is_value(instance.policy):
        return _solve(instance, "", method)
    if not type(instance.policy).__dataclass_params__.frozen:  # type: ignore[attr-defined]
        instance = replace(instance, policy=copy(instance.policy))
    return _remembered(instance, repr(instance.policy), method)


def _is_value(policy: DraftPolicy) -> bool:
    """Whether policies that are equal and have one repr draft alike: their own class is a dataclass with a hash."""
    try:
        hash(policy)
    except TypeError:
        return False
    return "__dataclass_params__" in vars(type(policy))


def _solve(instance: Instance, _: str, method: str) -> Optimum:
    program = compact(instance.target_row[0], instance.tuples, instance.mass)
    start = _from_highs(program) if method == "highs" else None
    flow, H = max_flow(program, start)
    used = "flow" if start is None else "highs" if (flow == start).all() else "highs+flow"
    alpha = _proved(instance, program, flow, H)
    best = Optimum(instance, alpha, H, used, program, flow, instance.tuples, instance.mass)
    return _each_array(best, _read_only)


def _proved(instance: Instance, program: Program, flow: NumpyArray, H: frozenset[int]) -> Fraction:
    """The value of the coupling, which the set H bounds from above."""
    alpha: Fraction = plain(flow.sum())
    bound = plain(cut_value(program, H))
    if alpha != bound:
        raise SolverError(
            f"coupling {shown(alpha)} and cut {shown(bound)} disagree; please report p = {shown(instance.p)}, "
            f"q = {shown(instance.q)}, {instance.policy.name}, k = {instance.k}"
        )
    return alpha


_remembered = lru_cache(maxsize=64)(_solve)
# The key has the policy's repr beside the policy: Tempered(2) == Tempered(2.0), and only the first keeps rationals.


def _each_array(best: Optimum, change: Callable[[NumpyArray], NumpyArray]) -> Optimum:
    program = replace(best.program, **{f.name: change(getattr(best.program, f.name)) for f in fields(best.program)})
    return replace(
        best, program=program, flow=change(best.flow), tuples=change(best.tuples), weights=change(best.weights)
    )


def _copy(best: Optimum) -> Optimum:
    return _each_array(best, np.copy)


def _text(value: Any) -> str:
    """A rational as the format has it; Python's own str() fails beyond 4,300 digits."""
    return str(RATIONAL(value))


def _read_only(array: NumpyArray) -> NumpyArray:
    array = array.view()
    array.flags.writeable = False
    return array


def _from_highs(program: Program) -> NumpyArray | None:
    try:
        return exact_flow(program, highs.solve(program))
    except SolverError:
        return None


def cut_value(program: Program, H: frozenset[int]) -> Any:
    """Compute 1 + p(H) - Q(H), an upper bound on every coupling.

    Parameters
    ----------
    program
        In rationals.
    H
        A token set.

    Returns
    -------
    mpq
        The bound.

    Examples
    --------
    >>> best = shared_optimum(Instance.parse("1/2, 1/2", "1/4, 3/4"))
    >>> cut_value(best.program, best.H)
    mpq(15,16)
    """
    inside = np.isin(program.sets, [*H, len(program.demand)]).all(axis=1)
    return 1 + program.demand[sorted(H)].sum() - program.supply[inside].sum()
