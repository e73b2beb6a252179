"""What an engine is tested on: single nodes with narrow, hard distributions, and small trees of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from spechub_lp import drafts as policies
from spechub_lp._util import objects, renamed
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError
from spechub_lp.instance import MOST_TUPLES, Instance, enumerate_drafts
from spechub_lp.optimum.solve import shared_optimum
from spechub_lp.theorems.instances import BOUNDARY
from spechub_lp.typing import Array, NumpyArray

ULP = 2.0**-52
ROUNDING = 1e-4
"""How far the sum of a saved distribution may be from 1. Entries rounded to float32 are off by 2^-24 of themselves
each, and so is their sum, up to what float32 lost while the engine's softmax summed them."""

LEAVES = {"1e-9": 2.0**-30, "1e-17": 2.0**-57, "1e-30": 2.0**-100}
"""What the tokens beside a hub hold of q, and how reports say it."""
SHARES = (104858, 629146, 314572)
"""What each of them has of that, in 2^-20: no round numbers, which a coarse grid would hold, and exact in float32."""


@dataclass(frozen=True)
class Problem:
    """One node: a target distribution, a draft distribution, and how k drafts are made from it.

    The floats are what the engine gets.

    Examples
    --------
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> problem.tuples, problem.optimum
    (((0,), (1,)), Fraction(3, 4))
    """

    name: str
    """What reports call it."""
    p: tuple[float, ...]
    """[V] target distribution."""
    q: tuple[Any, ...]
    """[V] draft distribution, or k distributions [k][V] for product drafts."""
    k: int = 2
    drafts: DraftPolicy = field(default_factory=policies.IID)
    explored: int | None = field(default=None, kw_only=True)
    """How many draft tuples are looked at, the likeliest ones; None: all. Only where V^k are too many."""

    __getattr__ = renamed.fields(alpha="optimum")

    @property
    def vocabulary(self) -> int:
        """Number of tokens V."""
        return len(self.p)

    @cached_property
    def given(self) -> tuple[NumpyArray, NumpyArray]:
        """p [V] and q [V], or q [k, V] for product drafts, in float64: an engine gets copies."""
        return np.asarray(self.p, dtype=float), np.asarray(self.q, dtype=float)

    @cached_property
    def target(self) -> Array:
        """[V] the distribution that the output must have: p over its exact sum."""
        p = self.given[0]
        found: Array = p / p.sum()
        return found

    @cached_property
    def drafted(self) -> Array:
        """[V] the draft distribution; of the first draft where each has its own."""
        return self.given[1][0] if self.drafts.different_drafters else self.given[1]

    @cached_property
    def tuples(self) -> tuple[tuple[int, ...], ...]:
        """Every draft tuple of positive mass that is looked at."""
        return tuple(tuple(x) for x in self._enumerated[0].tolist())

    @cached_property
    def mass(self) -> Array:
        """[N] Q(x) of each tuple; sums to 1 where all are looked at."""
        mass = np.asarray(self._enumerated[1], dtype=np.float64)
        found: Array = mass / mass.sum() if self.explored is None else mass
        return found

    @cached_property
    def conditionals(self) -> Array:
        """[N, k, V] the distribution of each draft given the earlier ones of its tuple, over the tuples looked at."""
        tuples = np.asarray(self.tuples)
        rows = np.zeros((*tuples.shape, self.vocabulary))
        for slot in range(self.k):
            _, prefix = np.unique(tuples[:, :slot], axis=0, return_inverse=True)
            table = np.zeros((prefix.max() + 1, self.vocabulary))
            np.add.at(table, (prefix, tuples[:, slot]), self.mass)
            rows[:, slot] = (table / table.sum(axis=1, keepdims=True))[prefix]
        return rows

    @property
    def left_out(self) -> float:
        """The mass of the draft tuples that are not looked at."""
        return 0.0 if self.explored is None else max(0.0, 1 - float(self.mass.sum()))

    @cached_property
    def _enumerated(self) -> tuple[Array, Array]:
        q = np.asarray([self.q], dtype=np.float64)
        if self.explored is None:
            return enumerate_drafts(self.drafts, q, self.k)
        return likely_drafts(self.drafts, q, self.k, self.explored)

    def thresholds(self, drafts: Sequence[int]) -> list[float]:
        """p/q of each draft: where a rule often compares a uniform."""
        rows = self.q if self.drafts.different_drafters else (self.q,) * len(drafts)
        pairs = {(self.p[x], row[x]) for x, row in zip(drafts, rows, strict=True) if row[x] > 0}
        return [p / q for p, q in pairs]

    @cached_property
    def optimum(self) -> Fraction | float:
        """The certified optimum of acceptance with these drafts.

        Where not all drafts are looked at, it is that of the problem in which the tokens that those lack are one token;
        it is no smaller but for `left_out`.
        """
        p, q = (self.p, self.q) if self.explored is None else self._merged
        return shared_optimum(Instance.parse(p, q, self.k, self.drafts, normalize=True)).alpha

    @property
    def _merged(self) -> tuple[tuple[float, ...], tuple[Any, ...]]:
        kept = sorted({token for x in self.tuples for token in x})
        others = np.ones(self.vocabulary, dtype=bool)
        others[kept] = False

        def merged(row: Any, rest: bool = True) -> tuple[float, ...]:
            numbers = np.asarray(row)
            return (*numbers[kept].tolist(), float(numbers[others].sum()) if rest else 0.0)

        rest = self.drafts.is_random  # a policy that ranks tokens would rank the merged one
        q = self.q if self.drafts.different_drafters else (self.q,)
        rows = tuple(tuple(v / sum(row) for v in row) for row in (merged(row, rest) for row in q))
        return merged(self.p), rows if self.drafts.different_drafters else rows[0]

    def document(self) -> dict[str, Any]:
        """Return the problem as JSON has it; floats survive the journey bit for bit."""
        drafts = objects.address(self.drafts)
        own = {"name": self.name, "p": list(self.p), "q": self.q, "k": self.k, "drafts": drafts}
        return own if self.explored is None else own | {"explored": self.explored}

    @classmethod
    def read(cls, document: dict[str, Any]) -> "Problem":
        """Read the inverse of `document`. Raises SpecHubError on a file that holds something else."""
        try:
            q = tuple(tuple(map(float, row)) if isinstance(row, list | tuple) else float(row) for row in document["q"])
            p = tuple(float(v) for v in document["p"])
            explored = None if document.get("explored") is None else int(document["explored"])
            policy = policies.by_name(document["drafts"])
            read = cls(str(document["name"]), p, q, int(document["k"]), policy, explored=explored)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, SpecHubError):
                raise
            raise SpecHubError(f"this is not a saved gate problem: {error!r}") from None
        read.check()
        return read

    def check(self) -> None:
        """Raise SpecHubError unless p and q are distributions on the same tokens and k drafts can be enumerated."""
        rows = [self.p, *(self.q if isinstance(self.q[0], tuple) else (self.q,))]
        check_distributions(rows, self.vocabulary)
        if self.drafts.different_drafters and len(rows) - 1 != self.k:
            raise SpecHubError(
                f"{len(rows) - 1} draft distributions for k = {self.k} product drafts; one for each is needed"
            )
        self.drafts.check(np.asarray([self.q]), self.k)
        if self.explored is None and len(self.p) ** self.k > MOST_TUPLES:
            raise SpecHubError(f"V^k = {len(self.p)}^{self.k} draft tuples are too many to enumerate")


def likely_drafts(policy: DraftPolicy, q: Array, k: int, most: int) -> tuple[Array, Array]:
    """Find the likeliest draft tuples, by a beam of `most`.

    Parameters
    ----------
    policy
        Draft policy.
    q
        [1, V] draft distribution, or [1, k, V] for different drafters.
    k
        Number of drafts.
    most
        How many tuples are kept, after every draft.

    Returns
    -------
    tuple[Array, Array]
        The tuples [N, k], and their mass [N].

    Examples
    --------
    >>> x, mass = likely_drafts(policies.IID(), np.array([[0.75, 0.25]]), 2, 1)
    >>> x.tolist(), mass.tolist()
    ([[0, 0]], [0.5625])
    """
    x, mass = np.zeros((1, 0), dtype=np.int64), np.ones(1)
    for _ in range(k):
        following = np.asarray(policy.draft(q, x, k), dtype=np.float64)
        grown = mass[:, None] * (following / following.sum(axis=1, keepdims=True))
        best = np.argsort(grown, axis=None, kind="stable")[::-1][:most]
        row, token = np.unravel_index(best[grown.reshape(-1)[best] > 0], grown.shape)
        x, mass = np.concatenate([x[row], token[:, None]], axis=1), grown[row, token]
    return x, mass


def check_distributions(rows: Sequence[Sequence[Any]], vocabulary: int) -> None:
    """Check that rows are distributions on so many tokens, up to the rounding of float32.

    Parameters
    ----------
    rows
        Each [V].
    vocabulary
        V.

    Raises
    ------
    SpecHubError
        They are not.

    Examples
    --------
    >>> check_distributions([[0.5, 0.5]], 2)
    """
    for row in rows:
        if len(row) != vocabulary:
            raise SpecHubError(
                f"distributions on {vocabulary} and on {len(row)} tokens in one problem; both need the same"
            )
        if any(isinstance(value, tuple) or not value >= 0 for value in row) or abs(sum(row) - 1) > ROUNDING:
            raise SpecHubError("a distribution of this problem has entries below 0, or does not sum to 1")


def problems(drafts: str | DraftPolicy = "iid", k: int = 2, *, seed: int = 0, random: int = 3) -> list[Problem]:
    """Return the narrow hard cases for one draft policy, and a few random ones.

    Parameters
    ----------
    drafts
        The policy, or its name.
    k
        Number of drafts; V is at most 5, and less for k > 2.
    seed
        Of the random cases.
    random
        How many of them.

    Returns
    -------
    list of Problem
        The hard cases first.

    Raises
    ------
    UnknownName
        No such policy.
    SpecHubError
        The policy does not make k drafts.

    Examples
    --------
    >>> [problem.name for problem in problems("iid", k=1, random=0)][:2]
    ['q is p reversed', 'zeros in p']
    """
    policy = policies.by_name(drafts)
    rng = np.random.default_rng(seed)
    rows = [(hard.kind, _narrow(_floats(hard.p), k), _narrow(_floats(hard.q), k)) for hard in BOUNDARY]
    rows.insert(8, ("p = q up to rounding", *_nearly_equal()))
    for n in range(random):
        width = min(5, _widest(k))
        rows.append((f"random {n}", _random(rng, width), _random(rng, width)))
    made = [Problem(name, p, _drafters(policy, q, k, n), k, policy) for n, (name, p, q) in enumerate(rows)]
    policy.check(np.asarray([made[0].q]), k)
    return made + beside_a_hub(policy, k)


def beside_a_hub(policy: DraftPolicy, k: int) -> list[Problem]:
    """Return problems whose q leaves next to nothing beside its most likely token, where the second draft is of that.

    So it is at low temperature, and q(y)/R is the probability of the second draft y however little R is left. The
    entries of q that make R up are exact in float32; the hub is 1 - R, or 1 where float64 has nothing between.

    Parameters
    ----------
    policy
        How drafts are made.
    k
        Number of drafts.

    Returns
    -------
    list of Problem
        None for a policy that drafts the hub again, nor for k = 1 or above 4. Tuples without the hub in the first place
        are left out; they have a probability of about R.

    Examples
    --------
    >>> problem = beside_a_hub(policies.WithoutReplacement(), 2)[1]
    >>> problem.name, problem.tuples, problem.mass.round(2).tolist()
    ('q leaves 1e-17 beside its hub', ((0, 2), (0, 3), (0, 1)), [0.6, 0.3, 0.1])
    >>> beside_a_hub(policies.IID(), 2)
    []
    """
    p = (0.125, 0.3125, 0.375, 0.1875)
    made = []
    for name, left in LEAVES.items():
        q = (1 - left, *(left * share / sum(SHARES) for share in SHARES))
        if 2 <= k <= len(SHARES) + 1 and _leaves_the_hub(policy, q, k):
            explored = len(SHARES) if k == 2 else math.factorial(len(SHARES))
            made.append(Problem(f"q leaves {name} beside its hub", p, q, k, policy, explored=explored))
    return made


def _leaves_the_hub(policy: DraftPolicy, q: tuple[float, ...], k: int) -> bool:
    """Whether the draft after the hub is most often another token, and a random one."""
    if policy.different_drafters or not policy.is_random or not policy.takes(k):
        return False
    after = np.asarray(policy.draft(np.asarray([q]), np.asarray([[0]]), k), dtype=np.float64)[0]
    return bool(after[0] < after[1:].sum())


HARDEST = ("q is p reversed", "zeros in p", "duplicates are likely", "random 0")
"""The built-in problems that are drawn from on real noise."""


def claimed(drafts: str, k: int, *, seed: int = 0) -> list[Problem]:
    """Return the hardest problems for one more draft policy and number of drafts that a function is for.

    Parameters
    ----------
    drafts
        The policy, by name.
    k
        Number of drafts.
    seed
        Of the random ones.

    Returns
    -------
    list of Problem
        With the policy and k in their names.

    Examples
    --------
    >>> claimed("top_k", 3)[0].name
    'q is p reversed, 3 top_k drafts'
    """
    hardest = [problem for problem in problems(drafts, k, seed=seed) if problem.name in HARDEST]
    return list(map(named_by_claim, [*hardest, *beside_a_hub(policies.by_name(drafts), k)]))


def named_by_claim(problem: Problem) -> Problem:
    """Name the policy and the number of drafts, where a run has problems of several.

    Parameters
    ----------
    problem
        On one node.

    Returns
    -------
    Problem
        The same under the longer name.

    Examples
    --------
    >>> named_by_claim(Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)).name
    'mine, 1 iid drafts'
    """
    return replace(problem, name=f"{problem.name}, {problem.k} {problem.drafts.name} drafts")


def _widest(k: int) -> int:
    """The vocabulary for k drafts: V^k tuples are enumerated, so it shrinks as k grows."""
    return 5 if k < 3 else 3 if k < 5 else 2


def _floats(distribution: tuple[Fraction, ...]) -> tuple[float, ...]:
    return tuple(map(float, distribution))


def _narrow(distribution: tuple[float, ...], k: int) -> tuple[float, ...]:
    """The last tokens taken together, so that the widest vocabulary is kept."""
    width = _widest(k)
    return distribution if len(distribution) <= width else (*distribution[: width - 1], sum(distribution[width - 1 :]))


def _nearly_equal() -> tuple[tuple[float, ...], tuple[float, ...]]:
    q = (0.1, 0.2, 0.3, 0.4)
    return (q[0], q[1] - ULP / 8, q[2] + ULP / 4, q[3] - ULP / 4), q


def _random(rng: np.random.Generator, width: int) -> tuple[float, ...]:
    """A random distribution of multiples of 2^-16; about one in three has a zero."""
    counts = rng.multinomial(2**16, rng.dirichlet(np.full(width, 0.7)))
    return tuple((counts / 2**16).tolist())


def _drafters(policy: DraftPolicy, q: tuple[float, ...], k: int, turn: int) -> tuple[Any, ...]:
    """k different distributions for product drafts: q and its rotations."""
    if not policy.different_drafters:
        return q
    return tuple(tuple(np.roll(q, j * (1 + turn % 2)).tolist()) for j in range(k))
