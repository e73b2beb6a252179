"""Samplers with one mistake each, the kind that ships: every one of them must be rejected."""

from typing import ClassVar

from array_api_compat import array_namespace

from spechub_lp._array.ops import (
    accept_probability,
    argmax,
    columns,
    normalize,
    one,
    pick,
    positive,
    repeated,
    total,
    without,
    zero,
)
from spechub_lp.drafts import IID, DraftPolicy, TopK
from spechub_lp.drafts.base import left
from spechub_lp.drafts.top_k import most_likely
from spechub_lp.samplers import RRS, KSeq, RRSw, SpecHub
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.typing import Array


class ResidualIsTarget(RRS):
    """After all rejections draws from p instead of (p - q)+."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        right = super().verify(p, q, x)
        return Verdict(right.accept, (1 - total(right.accept)) * p)


class ResidualIsAbsolute(RRS):
    """|p - q| instead of (p - q)+."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        kept = accept_probability(pick(p, x[:, 0]), pick(q, x[:, 0]))
        accept = columns(kept, *[kept * 0] * (self.k - 1))
        gap = array_namespace(p).where(p > q, p - q, q - p)
        return Verdict(accept, (1 - kept)[:, None] * normalize(gap, empty=p))


class NotRenormalized(RRS):
    """The residual after a rejection is not divided by its mass; the last one takes up the slack."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        residual, rejected, accept = p, one(p), []
        for j in range(self.k):
            kept = accept_probability(pick(residual, x[:, j]), pick(q, x[:, j]))
            accept.append(rejected * kept)
            rejected = rejected * (1 - kept)
            residual = positive(residual - q)
        return Verdict(columns(*accept), rejected[:, None] * normalize(residual, empty=p))


class KeepsQ(RRSw):
    """Verifies drafts without replacement as if q had lost nothing: the rule of RRS."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        return RRS(k=self.k).verify(p, q, x)


class LosesQ(RRS):
    """Verifies iid drafts as if the rejected token had left q: the rule of RRSw."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        return RRSw(k=self.k).verify(p, q, x)


class AtLeastInsteadOfMore(RRS):
    """`u <= ratio` for a uniform u with values in {0, 1/4, 2/4, 3/4}: accepts a token of probability 0 at u = 0."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        xp = array_namespace(p)
        kept = accept_probability(pick(p, x[:, 0]), pick(q, x[:, 0]))
        quarter = one(p) / 4
        levels = [quarter * n for n in range(4)]
        hits = sum((xp.where(kept >= level, quarter, zero(p)) for level in levels), kept * 0)
        rest = normalize(positive(p - q), empty=p)
        return Verdict(columns(hits, *[hits * 0] * (self.k - 1)), (1 - hits)[:, None] * rest)


class SmallDiscount(KSeq):
    """K-SEQ with rho = 1, below the smallest valid one."""

    def discount(self, p: Array, q: Array) -> Array:
        return total(p) * 0 + 1


class Undiscounted(KSeq):
    """K-SEQ's thresholds with the residual of naive rejection."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        right = super().verify(p, q, x)
        return Verdict(right.accept, (1 - total(right.accept)) * normalize(positive(p - q), empty=p))


class LastTieWins(SpecHub):
    """Drafter and verifier choose the hub separately: on a tie of q the verifier takes the last token."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        xp = array_namespace(p)
        mirrored = super().verify(xp.flip(p, axis=-1), xp.flip(q, axis=-1), q.shape[-1] - 1 - x)
        return Verdict(mirrored.accept, xp.flip(mirrored.residual, axis=-1))


class HubTakesAll(SpecHub):
    """What is left of the pairs goes to the hub without stopping at p(a)."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        xp = array_namespace(p)
        right, hub = super().verify(p, q, x), first_hub(q, x)
        keep = xp.where(hub, zero(p), right.accept)
        return Verdict(keep + xp.where(hub, 1 - total(keep), zero(p)), right.residual * 0)


def first_hub(q: Array, x: Array) -> Array:
    """Mask [B, k] of the first slot that holds the hub."""
    is_hub = x == argmax(q)[:, None]
    return columns(is_hub[:, 0], is_hub[:, 1] & ~is_hub[:, 0])


class CountsDuplicatesTwice(Sampler):
    """Target-only whose accept probability adds p once for every sibling, repeated or not."""

    name, own = "counts_twice", (IID(),)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        first, again = pick(p, x[:, 0]), pick(p, x[:, 1])
        second = array_namespace(p).where(first + again > 1, 1 - first, again)
        return Verdict(columns(first, second), (1 - first - second)[:, None] * normalize(p, empty=p))


class SkipsDuplicates(RRS):
    """A repeated draft is skipped without updating the residual."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        xp, residual, rejected, accept = array_namespace(p), p + 0 * pick(p, x[:, 0])[:, None], one(p), []
        for j in range(self.k):
            new = ~repeated(x, j)
            kept = xp.where(new, accept_probability(pick(residual, x[:, j]), pick(q, x[:, j])), zero(p))
            accept.append(rejected * kept)
            rejected = rejected * (1 - kept)
            residual = xp.where(new[:, None], normalize(positive(residual - q), empty=residual), residual)
        return Verdict(columns(*accept), rejected[:, None] * residual)


class BelievesTopK(RRS):
    """Takes deterministic drafts for draws from q."""

    own: ClassVar[tuple[DraftPolicy, ...]] = (TopK(),)


class TopTwo(IID):
    """Draws from the two most likely tokens, renormalized."""

    def draft(self, q: Array, x: Array, k: int) -> Array:
        return normalize(q - without(q, most_likely(q, 2)), empty=q)


class RawQ(RRS):
    """Drafts from a truncated, renormalized q and verifies with the raw one: the 1/Z bug."""

    own: ClassVar[tuple[DraftPolicy, ...]] = (TopTwo(),)


class NearlySure(SpecHub):
    """Accepts the hub outright when p(a) > 9/10."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        xp = array_namespace(p)
        right = super().verify(p, q, x)
        sure = (pick(p, argmax(q)) > one(p) * 9 / 10)[:, None]
        at_hub = xp.where(first_hub(q, x), one(p), zero(p))
        return Verdict(xp.where(sure, at_hub, right.accept), xp.where(sure, zero(p), right.residual))


class WrongRest(RRSw):
    """A rejected token leaves the residual as well as q."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        right = super().verify(p, q, x)
        rest = normalize(left(p, x[:, :1]), empty=p)
        return Verdict(right.accept, (1 - total(right.accept)) * rest)


ALL = [
    ResidualIsTarget(), ResidualIsAbsolute(), NotRenormalized(), KeepsQ(), LosesQ(), AtLeastInsteadOfMore(),
    SmallDiscount(), Undiscounted(), LastTieWins(), HubTakesAll(), CountsDuplicatesTwice(), SkipsDuplicates(),
    BelievesTopK(), RawQ(), NearlySure(), WrongRest(),
]  # fmt: skip
