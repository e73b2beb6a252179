"""Acceptances and optima of many distribution pairs at once, in floats to look and in rationals to decide.

`batch` uses closed forms; `proved` recomputes one pair from the sampler's enumerated distribution and the certified
optimum, so that what a hunt reports rests on neither the closed forms nor floats.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from spechub_lp import drafts as policies
from spechub_lp import samplers
from spechub_lp._array.ops import pick
from spechub_lp._array.rational import RATIONAL
from spechub_lp.errors import SpecHubError
from spechub_lp.exact import exact
from spechub_lp.optimum.solve import optimum
from spechub_lp.samplers.base import Sampler
from spechub_lp.samplers.kseq import HALVINGS, KSeq
from spechub_lp.typing import Array
from theory.statement import OTM, Bounds

CLOSED_FORMS = ("naive", "nss", "rrs", "spechub", "greedy_hubs")
OPTIMAL = ("two_step", "lp_table", "border", "border_wor")
"""Rules that reach the optimum of their drafts (the audit holds them to it)."""


class Batch:
    """Values at the distribution pairs p [B, V], q [B, V], or one q [1, V] for all p; q falls along the tokens."""

    def __init__(self, p: Array, q: Array, k: int):
        self.p, self.q, self.k = p, q, k
        self.known: dict[str, Bounds] = {}

    def number(self, text: str) -> Any:
        value = RATIONAL(Fraction(text))
        return value if self.p.dtype == object else float(value)

    def __call__(self, name: str) -> Bounds:
        if name not in self.known:
            self.known[name] = self._bounds(name)
        return self.known[name]

    def _bounds(self, name: str) -> Bounds:
        if name == "k":
            return (self.number(str(self.k)),) * 2
        if name.endswith(")"):
            return (self._tokens(self.p if name[0] == "p" else self.q, name[2:-1]),) * 2
        if name in OTM:
            return (self._optimum(OTM[name]),) * 2
        sampler = samplers.by_name(name, 1 if name == "naive" else self.k)
        if name == "kseq":
            return self._kseq(sampler)
        if name in OPTIMAL:
            return (self._optimum(sampler.drafts.name),) * 2
        q = np.broadcast_to(self.q, self.p.shape)
        value = sampler.acceptance(self.p, q) if name in CLOSED_FORMS else by_tuples(sampler, self.p, q)
        assert value is not None, name
        return value, value

    def _tokens(self, distribution: Array, which: str) -> Array:
        if which in ("a", "Top"):
            chosen = slice(0, 1 if which == "a" else self.k - 1)
        elif int(which) < distribution.shape[1]:
            chosen = slice(int(which), int(which) + 1)
        else:
            raise SpecHubError(f"token {which} does not exist; there are {distribution.shape[1]}, numbered from 0")
        return distribution[:, chosen].sum(axis=1)

    def _optimum(self, drafts: str) -> Array:
        policy, H = policies.by_name(drafts), subsets(self.p.shape[1])
        rows = self.q.shape[0]
        policy.check(self.q, self.k)
        sets = np.tile(H, (rows, 1))
        inside = policy.prob_all_in(np.repeat(self.q, len(H), axis=0), sets, self.k).reshape(rows, len(H))
        needs = self.p @ (np.transpose(H).astype(int) if self.p.dtype == object else np.transpose(H).astype(float))
        return (1 + needs - inside).min(axis=1)

    def _kseq(self, sampler: Any) -> Bounds:
        """K-SEQ at its root, from the two ends of the bisection: the acceptance falls with rho, 1 - G(rho) grows."""
        assert isinstance(sampler, KSeq)
        high = sampler.discount(self.p, np.broadcast_to(self.q, self.p.shape))
        width = self.number(str(self.k - 1)) / 2**HALVINGS
        low = np.where(high - width > 1, high - width, high * 0 + 1)

        def accepted(rho: Array) -> Array:
            found: Array = 1 - (1 - np.minimum(self.p / rho, self.q).sum(axis=1)) ** self.k
            return found

        return accepted(high), np.minimum(accepted(low), np.minimum(self.p, high * self.q).sum(axis=1))


def by_tuples(sampler: Sampler, p: Array, q: Array) -> Array:
    """Acceptance [B] from the verdicts on every draft tuple, for p and q [B, V]."""
    B, V = p.shape
    x = np.asarray(list(product(range(V), repeat=sampler.k)))
    P, Q, X = np.repeat(p, len(x), axis=0), np.repeat(q, len(x), axis=0), np.tile(x, (B, 1))
    mass = P[:, 0] * 0 + 1
    for j in range(sampler.k):
        mass = mass * pick(sampler.drafts.draft(Q, X[:, :j], sampler.k), X[:, j])
    accepted = sampler.verify(P, Q, X).accept.sum(axis=1)
    found: Array = (mass * accepted).reshape(B, len(x)).sum(axis=1)
    return found


def proved(name: str, p: Sequence[Fraction], q: Sequence[Fraction], k: int) -> Bounds:
    """The same names at one distribution pair, from the enumerated distribution or the certified optimum. Bounds are
    [1]."""
    row, draft = (np.asarray([[RATIONAL(m) for m in distribution]], dtype=object) for distribution in (p, q))
    if name == "k" or name.endswith(")") or name == "kseq":
        return Batch(row, draft, k)(name)
    if name in OTM:
        value = optimum(p, q, k, OTM[name]).alpha
    else:
        value = exact(samplers.by_name(name, 1 if name == "naive" else k), p, q).acceptance
    bound = np.asarray([RATIONAL(value)], dtype=object)
    return bound, bound


@lru_cache(maxsize=8)
def subsets(tokens: int) -> Array:
    """Every token set as a mask [2^V, V]."""
    found: Array = (np.arange(2**tokens)[:, None] >> np.arange(tokens)) % 2 == 1
    return found


def sorted_by_q(p: Array, q: Array) -> tuple[Array, Array]:
    """Relabel each pair [B, V] so that q falls; the lowest index stays the hub."""
    order = np.argsort(-q, axis=1, kind="stable")
    return np.take_along_axis(p, order, axis=1), np.take_along_axis(q, order, axis=1)
