"""The problem: p, q, a draft policy and k, read and checked once; and the draft tuples, by enumeration."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp import distributions
from spechub_lp import drafts as policies
from spechub_lp._array.convert import as_float64
from spechub_lp._array.rational import rational_row
from spechub_lp.certificate import shown
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError, TooLarge
from spechub_lp.typing import Array, NumpyArray

MOST_TUPLES = 1_000_000

INSTEAD = (
    "use spechub_lp.cut for the optimum and draw(...) for a sampler, or restrict the distribution to its top tokens"
)

MOST_DRAFTS = 64
"""Of a distribution that is enumerated: V = 1 has one tuple for every k."""

SHOWN = 6
"""Tokens of the longest distributions that an instance's repr spells out."""


@dataclass(frozen=True, repr=False)
class Instance:
    """A target p, a draft distribution q, and the policy that makes k drafts from q; exact rationals throughout.

    `Instance.parse` makes one from what people write. Instances compare and hash by their four fields; what is computed
    from them is kept.

    Examples
    --------
    >>> from spechub_lp import Instance, optimum
    >>> instance = Instance.parse("0, 1/5, 4/5", "3/5, 3/10, 1/10")
    >>> instance
    Instance(p=(0, 1/5, 4/5), q=(3/5, 3/10, 1/10), k=2, drafts='iid')
    >>> instance.tuples.shape
    (9, 2)
    >>> optimum(instance).alpha
    Fraction(39, 100)
    """

    p: tuple[Fraction, ...]
    """[V] target distribution."""
    q: tuple[Any, ...]
    """[V] draft distribution, or the distributions [k, V] of different drafters."""
    policy: DraftPolicy
    """How the drafts are made from q."""
    k: int = 2
    """How many drafts are made."""

    @classmethod
    def parse(
        cls,
        p: Any,
        q: Any = None,
        k: int = 2,
        drafts: str | DraftPolicy | type[DraftPolicy] = "iid",
        normalize: bool = False,
    ) -> "Instance":
        """Read and check an instance; an instance in the place of p passes through.

        Parameters
        ----------
        p
            Target distribution [V], as rationals, strings or floats (see `distributions.parse`).
        q
            Draft distribution [V], or [k, V] for product drafts.
        k
            Number of drafts.
        drafts
            Name of a draft policy, a policy, or `module:object`.
        normalize
            Divide p and q by their sums, whatever they are.

        Raises
        ------
        InvalidDistribution
            p or q is not a distribution.
        UnknownName
            No such policy.
        SpecHubError
            The policy does not make k drafts from q, or an instance came with a q of its own.
        """
        if isinstance(p, Instance):
            if q is not None:
                raise SpecHubError(f"q is given beside {p!r}, which has its own")
            return p
        if q is None:
            raise SpecHubError("q is missing; give a draft distribution, or an Instance alone")
        policy = policies.by_name(drafts)
        target, draft = distributions.pair(p, q, normalize)
        instance = cls(target, draft, policy, distributions.count(k))
        policy.check(instance.draft_row, instance.k)
        return instance

    def __repr__(self) -> str:
        given = f"k={self.k}, drafts={self.policy.name!r}"
        if self.vocabulary > SHOWN or isinstance(self.q[0], tuple):
            return f"Instance(V={self.vocabulary}, {given})"
        p, q = (f"({', '.join(map(shown, row))})" for row in (self.p, self.q))
        return f"Instance(p={p}, q={q}, {given})"

    @property
    def vocabulary(self) -> int:
        """Number of tokens V."""
        return len(self.p)

    @cached_property
    def target_row(self) -> NumpyArray:
        """[1, V] p as an array of rationals, read-only."""
        return _read_only(rational_row(self.p))

    @cached_property
    def draft_row(self) -> NumpyArray:
        """[1, V] q as an array of rationals, read-only; [1, k, V] for different drafters."""
        return _read_only(rational_row(self.q))

    @property
    def tuples(self) -> NumpyArray:
        """[N, k] every draft tuple of positive mass, in lexicographic order, read-only.

        Raises
        ------
        TooLarge
            V^k tuples are more than a million.
        """
        return self._enumerated[0]

    @property
    def mass(self) -> NumpyArray:
        """[N] Q(x), the probability of each tuple, as rationals, read-only."""
        return self._enumerated[1]

    @cached_property
    def _enumerated(self) -> tuple[NumpyArray, NumpyArray]:
        x, mass = enumerate_drafts(self.policy, self.draft_row, self.k)
        return _read_only(np.asarray(x)), _read_only(mass)


def _read_only(array: NumpyArray) -> NumpyArray:
    array = array.view()
    array.flags.writeable = False
    return array


def check_tuples(vocabulary: int, k: int, most: int, what: str, hint: str) -> None:
    """Check that the draft tuples are few enough to enumerate; a large power is not computed.

    Parameters
    ----------
    vocabulary, k
        V and the number of drafts; there are V^k tuples.
    most
        How many tuples are allowed.
    what, hint
        What errors call them, and the end of the error.

    Raises
    ------
    TooLarge
        V^k is more than `most`, or k more than 64.

    Examples
    --------
    >>> check_tuples(3, 2, most=10, what="draft tuples", hint="take fewer")
    """
    vocabulary, k = int(vocabulary), int(k)  # numpy's integers would overflow in silence
    if k > MOST_DRAFTS:
        raise TooLarge(f"k = {shown(k)} drafts are too many to enumerate (at most {MOST_DRAFTS}); {hint}")
    tuples = vocabulary**k
    if tuples > most:
        number = f"{tuples:,}" if tuples < 10**15 else f"{tuples:.0e}" if tuples < 10**300 else "more than 1e300"
        raise TooLarge(f"V^k = {vocabulary}^{k} = {number} {what} are too many to enumerate (at most {most:,}); {hint}")


def enumerate_drafts(policy: DraftPolicy, q: Array, k: int) -> tuple[Array, NumpyArray]:
    """Enumerate every draft tuple of positive mass, in lexicographic order.

    Parameters
    ----------
    policy
        How the drafts are made.
    q : [1, V] or [1, k, V]
        One draft distribution, in rationals or in floats of any dtype.
    k
        How many drafts are made.

    Returns
    -------
    tuples [N, k], mass [N]
        Token ids beside q, and their probabilities in numpy: rationals of rationals, else float64, where each
        next-draft distribution is divided by its float64 sum, as a draw would do.

    Raises
    ------
    TooLarge
        V^k tuples are more than a million.

    Examples
    --------
    >>> x, mass = enumerate_drafts(policies.by_name("iid"), np.array([[0.25, 0.75]]), 2)
    >>> x.tolist(), mass.tolist()
    ([[0, 0], [0, 1], [1, 0], [1, 1]], [0.0625, 0.1875, 0.1875, 0.5625])
    """
    policy.check(q, k)
    check_tuples(q.shape[-1], k, MOST_TUPLES, "draft tuples", INSTEAD)
    xp = array_namespace(q)
    x = xp.zeros((1, 0), dtype=xp.int64, device=device(q))
    mass = as_float64(q[0, ..., :1].reshape(-1)[:1]) * 0 + 1
    for _ in range(k):
        distribution = as_float64(policy.draft(q, x, k))
        grown = mass[:, None] * (
            distribution if distribution.dtype == object else distribution / distribution.sum(axis=1, keepdims=True)
        )
        at = np.nonzero(grown > 0)
        mass = grown[at]
        row, token = (xp.asarray(a, device=device(q)) for a in at)
        x = xp.concat([x[row], token[:, None]], axis=1)
    return x, mass
