"""Samplers side by side: what each accepts, whether its output is the target, and the optimum of its drafts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from spechub_lp import distributions
from spechub_lp import drafts as policies
from spechub_lp import samplers as rules
from spechub_lp._array.convert import as_float64
from spechub_lp._util.tabular import Tabular
from spechub_lp._util.words import counted
from spechub_lp.acceptance import acceptance
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import MissingMethod, SpecHubError, TooLarge
from spechub_lp.exact import exact
from spechub_lp.instance import Instance
from spechub_lp.optimum.full_vocabulary import cut
from spechub_lp.optimum.solve import shared_optimum
from spechub_lp.plot import Picture, curves
from spechub_lp.plot import acceptance as acceptance_picture
from spechub_lp.samplers import Sampler
from spechub_lp.typing import Array, ArrayLike

MOST_EXACT = 512
"""Draft tuples V^k up to which everything is enumerated in rationals."""
UNKNOWN = float("nan")

Rule = str | Sampler | type[Sampler]
Policy = str | DraftPolicy | type[DraftPolicy]
Rules = Rule | Sequence[Rule] | None
Policies = Policy | Sequence[Policy] | None


@dataclass(frozen=True)
class Compared:
    """One sampler with its drafts.

    Examples
    --------
    >>> row = Compared("rrs", "iid", 2, True, Fraction(37, 100), 0.0, Fraction(39, 100), Fraction(0))
    >>> round(row.share, 3)
    0.949
    """

    sampler: str
    drafts: str
    k: int
    """How many drafts it takes; naive takes one."""
    lossless: bool | None
    """Whether the output is the target, exactly; None where that was not enumerated."""
    acceptance: Fraction | float
    """Exactly, or the mean over the rows."""
    error: float
    """Standard error of drawn drafts; 0 where none were drawn."""
    optimum: Fraction | float
    """Of the same drafts; NaN where no way is known at this vocabulary."""
    distance: Fraction | None = None
    """Total variation from the target; None where it was not enumerated."""
    own: bool = True
    """Whether the rule was made for these drafts."""
    temperature: float = 1.0
    """Of a sweep."""
    asked: int = 0
    """Drafts that were asked for; 0 says k."""

    @property
    def share(self) -> float:
        """Acceptance over the optimum."""
        return float(self.acceptance) / float(self.optimum) if self.optimum else UNKNOWN

    def record(self) -> dict[str, Any]:
        """Return the row as column -> value."""
        exactly = {} if self.lossless is None else {"lossless": self.lossless, "distance": self.distance}
        own = "its own" if self.own else "not its own"
        drawn = {"error": self.error} if self.error else {}
        head = {"sampler": self.sampler, "drafts": self.drafts, "which are": own, "k": self.k, **exactly}
        accepted = {"acceptance": self.acceptance, **drawn}
        return head | accepted | {"optimum": self.optimum, "of the optimum": self.share}


@dataclass(frozen=True, repr=False)
class Comparison(Tabular):
    """What `compare` found: `.table()`, `.frame()`, `.plot()`; a notebook shows the table.

    Examples
    --------
    >>> from spechub_lp import compare
    >>> found = compare("0, 1/5, 4/5", "3/5, 3/10, 1/10", samplers=["rrs", "border"])
    >>> found
    Comparison(2 samplers, k=2, V=3, best: border with iid drafts, 39/100)
    """

    rows: tuple[Compared, ...]
    k: int
    vocabulary: int
    left_out: tuple[str, ...] = ()
    """Samplers that were not compared, and why."""

    @property
    def best(self) -> Compared | None:
        """The row that accepts most, of those that keep the target: exactly, or because they were made for the drafts.

        None where no row does.
        """
        keep = [row for row in self.rows if (row.own if row.lossless is None else row.lossless)]
        return max(keep, key=lambda row: (row.acceptance, row.own), default=None)

    def __repr__(self) -> str:
        most = self.best
        told = "" if most is None else f", best: {most.sampler} with {most.drafts} drafts, {_short(most.acceptance)}"
        return f"Comparison({counted(len(self.rows), 'sampler')}, k={self.k}, V={self.vocabulary}{told})"

    def as_rows(self) -> list[dict[str, Any]]:
        return [row.record() for row in self.rows]

    def plot(self) -> Picture:
        """Draw the acceptances, each beside the optimum of its drafts."""
        return acceptance_picture(self.rows)


@dataclass(frozen=True, repr=False)
class Sweep(Tabular):
    """What `sweep` found: `.table()`, `.frame()`, `.plot()`; a notebook shows the table.

    Examples
    --------
    >>> from spechub_lp import sweep
    >>> sweep([0.0, 1.0, 2.0], [1.0, 0.5, 0.0], temperatures=(0.5, 1), samplers=["rrs", "border"])
    Sweep(2 temperatures, 4 rows, V=3)
    """

    rows: tuple[Compared, ...]
    vocabulary: int
    left_out: tuple[str, ...] = ()
    """Samplers that were not compared, and why."""

    def __repr__(self) -> str:
        heats = len({row.temperature for row in self.rows})
        return f"Sweep({counted(heats, 'temperature')}, {counted(len(self.rows), 'row')}, V={self.vocabulary})"

    def as_rows(self) -> list[dict[str, Any]]:
        return [{"temperature": f"{row.temperature:g}", **row.record()} for row in self.rows]

    def plot(self) -> Picture:
        """Draw acceptance and optimum against temperature."""
        return curves(self.rows)


def compare(
    p: Any,
    q: Any = None,
    k: int = 2,
    *,
    samplers: Rules = None,
    drafts: Policies = None,
    draws: int = 1024,
    seed: int = 0,
) -> Comparison:
    """Compare samplers on one pair of distributions, or on the mean of many.

    A pair with few draft tuples (V^k up to 512) is enumerated in rationals: then every row says whether the output is
    the target, exactly. Larger ones and batches take closed forms, or drawn drafts with their error.

    Parameters
    ----------
    p : [V] or [B, V]
        Target distributions: rationals, strings or floats, numpy or torch; or an `Instance` alone.
    q : [V] or [B, V]
        Draft distributions.
    k
        Number of drafts; naive takes one.
    samplers
        Rules, or their names; every one that takes k drafts by default.
    drafts
        Policies that every rule is tried with, right or wrong; each rule's own first one by default.
    draws
        Draft tuples to draw for a row that has too many and no closed form.
    seed
        Of the draws.

    Returns
    -------
    Comparison
        A row for each pair of a rule and a policy.

    Raises
    ------
    InvalidDistribution
        p or q is not a distribution.
    UnknownName
        No such sampler or policy.
    SpecHubError
        No sampler that was asked for takes k drafts.

    Examples
    --------
    >>> from spechub_lp import compare
    >>> found = compare(
    ...     "4/10, 3/10, 2/10, 1/10", "1/10, 2/10, 3/10, 4/10", drafts="without_replacement", samplers=["rrs", "rrsw"]
    ... )
    >>> [(row.sampler, row.lossless, str(row.acceptance)) for row in found.rows]
    [('rrs', False, '111/140'), ('rrsw', True, '107/140')]
    """
    if isinstance(p, Instance):
        drafts, k, p, q = p.policy if drafts is None else drafts, p.k, p.p, p.q
    if q is None:
        raise SpecHubError("q is missing; give a draft distribution, or an Instance alone")
    k = distributions.count(k)
    pairs, skipped = _pairs(k, samplers, drafts)
    instance = _few(p, q, k, all(sampler.drafts.different_drafters for sampler in pairs))
    if instance is None:
        p, q = distributions.float_rows(p, "p"), distributions.float_rows(q, "q")
        distributions.batch(p=p, q=q)
    rows: list[Compared] = []
    found: dict[Any, float] = {}
    for sampler in pairs:
        try:
            rows.append(_exactly(sampler, *instance) if instance else _in_floats(sampler, p, q, found, draws, seed))
        except (TooLarge, MissingMethod) as error:
            skipped.append(f"{sampler.name} with {sampler.drafts.name} drafts: {error}")
    vocabulary = len(instance[0]) if instance else p.shape[-1]
    return Comparison(tuple(rows), k, vocabulary, tuple(skipped))


def sweep(
    target: ArrayLike,
    draft: ArrayLike,
    temperatures: float | Sequence[float] = (0.3, 0.6, 1.0, 1.5, 2.0),
    k: int | Sequence[int] = 2,
    *,
    samplers: Rules = None,
    drafts: Policies = None,
    top_k: int | None = None,
    top_p: float | None = None,
    draws: int = 256,
    seed: int = 0,
) -> Sweep:
    """Compare samplers at several temperatures, and with several numbers of drafts.

    Parameters
    ----------
    target, draft : [V] or [B, V]
        Logits, numpy or torch; log-probabilities are logits too.
    temperatures
        Of both distributions.
    k
        Number of drafts, or several.
    samplers, drafts
        As `compare` takes them.
    top_k, top_p
        Keep both distributions' most likely tokens, or their nucleus.
    draws
        Draft tuples to draw for a row that has too many and no closed form.
    seed
        Of the draws.

    Returns
    -------
    Sweep
        A row for each temperature, number of drafts, rule and policy; means over the B rows.

    Raises
    ------
    InvalidDistribution
        These are no logits.
    UnknownName
        No such sampler or policy.
    SpecHubError
        A temperature that is not positive.

    Examples
    --------
    >>> from spechub_lp import sweep
    >>> found = sweep([0.0, 1.0, 2.0], [1.0, 0.5, 0.0], temperatures=(0.5, 1), samplers=["rrs"])
    >>> [(row.temperature, round(row.acceptance, 3)) for row in found.rows]
    [(0.5, 0.293), (1, 0.61)]
    """
    rows: list[Compared] = []
    skipped: dict[str, None] = {}
    for asked in [k] if isinstance(k, int) else k:
        asked = distributions.count(asked)
        pairs, out = _pairs(asked, samplers, drafts)
        skipped |= dict.fromkeys(out)
        for t in [temperatures] if isinstance(temperatures, int | float) else temperatures:
            p, q = (distributions.from_logits(logits, t, top_k, top_p) for logits in (target, draft))
            p, q = distributions.float_rows(p, "target"), distributions.float_rows(q, "draft")
            found: dict[Any, float] = {}
            for sampler in pairs:
                try:
                    rows.append(_in_floats(sampler, p, q, found, draws, seed, t, asked))
                except (TooLarge, MissingMethod) as error:
                    skipped[f"{sampler.name} with {sampler.drafts.name} drafts: {error}"] = None
    return Sweep(tuple(rows), int(np.shape(target)[-1]), tuple(skipped))


def _pairs(k: int, asked: Any, drafts: Any) -> tuple[list[Sampler], list[str]]:
    """The rules with their drafts, and the default ones that do not take k drafts."""
    wanted = None if drafts is None else [*_policies(drafts)]
    out, skipped = [], []
    for rule in rules.ALL if asked is None else [asked] if isinstance(asked, str | Sampler | type) else asked:
        mine = rules.by_name(rule)
        try:
            mine = rules.by_name(mine, 1 if mine.name == "naive" else k)
        except SpecHubError as error:
            if asked is not None:
                raise
            skipped.append(f"{mine.name}: {error}")
            continue
        out += [mine] if wanted is None else [mine.with_drafts(policy) for policy in wanted if policy.takes(mine.k)]
    out = [sampler for sampler in out if sampler.drafts.takes(sampler.k)]
    if not out:
        raise SpecHubError(f"no sampler that was asked for takes k = {k} such drafts")
    return out, skipped


def _policies(drafts: Any) -> Iterator[DraftPolicy]:
    one = isinstance(drafts, str | DraftPolicy | type)
    yield from map(policies.by_name, [drafts] if one else drafts)


def _few(p: Any, q: Any, k: int, different: bool) -> tuple[Any, Any] | None:
    """(p, q) in rationals where they are one pair with few draft tuples; q [k, V] where the drafters are different."""
    shape = np.shape(p) if not isinstance(p, str) else (len(p.split(",")),)
    if different and len(shape) == 1 and np.ndim(q) == 2 and shape[0] ** k <= MOST_EXACT:
        return distributions.pair(p, q)
    if len(shape) == 2 and shape[0] == 1 and np.ndim(q) <= 2:
        p, q, shape = p[0], (q[0] if np.ndim(q) == 2 else q), shape[1:]
    if len(shape) != 1 or np.ndim(q) > 1 or shape[0] ** k > MOST_EXACT:
        return None
    return distributions.pair(p, q)


def _exactly(sampler: Sampler, p: Any, q: Any) -> Compared:
    instance = Instance.parse(p, q, sampler.k, sampler.drafts)
    coupling = exact(sampler, instance)
    return Compared(
        sampler.name, sampler.drafts.name, sampler.k, coupling.is_lossless, coupling.acceptance, 0.0,
        shared_optimum(instance).alpha, coupling.distance, sampler.is_own_pair,
    )  # fmt: skip


def _in_floats(
    sampler: Sampler, p: Array, q: Array, found: dict[Any, float], draws: int, seed: int, t: float = 1.0, asked: int = 0
) -> Compared:
    """Means over the rows; `found` remembers the optima."""
    value, error = acceptance(sampler, p, q, draws=draws, seed=seed).mean
    key = sampler.drafts, sampler.k
    if key not in found:
        try:
            found[key] = float(as_float64(cut(p, q, sampler.k, sampler.drafts).alpha).mean())
        except MissingMethod:
            found[key] = UNKNOWN
    return Compared(
        sampler.name, sampler.drafts.name, sampler.k, None, value, error, found[key], None, sampler.is_own_pair, t,
        asked or sampler.k,
    )  # fmt: skip


def _short(value: Any) -> str:
    return f"{float(value):.4f}" if isinstance(value, float) or len(str(value)) > 12 else str(value)
