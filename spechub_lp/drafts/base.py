"""What a draft policy is, and the two distributions that policies share."""

from typing import Any, ClassVar

from array_api_compat import array_namespace

from spechub_lp._array.ops import argmax, normalize, one_hot, pick, without
from spechub_lp.distributions import count
from spechub_lp.errors import SpecHubError

Array = Any


class DraftPolicy:
    """The distribution of the k drafts, given one draft at a time. Only q may decide, never p."""

    name: ClassVar[str]

    def draft(self, q: Array, x: Array, k: int) -> Array:
        """Distribution [B, V] of the next of k drafts, given the draft distribution q [B, V] and the drafts so far x
        [B, j]."""
        raise NotImplementedError

    def inside(self, q: Array, H: Array, k: int) -> Array:
        """Q(H) = Pr[every draft is in H] in closed form: q [B, V], H [B, V] (True = in the set) -> [B]."""
        raise NotImplementedError

    def drafted(self, q: Array, k: int) -> Array | None:
        """Pr[token y is among the k drafts] in closed form: q [B, V] -> [B, V], or None where none is known."""
        return None

    def check(self, q: Array, k: int) -> None:
        """Raise SpecHubError when k drafts cannot be made from q ([B, V], or [B, k, V] for different drafters)."""
        count(k, hint="a sampler needs at least one draft")
        if q.ndim != 2:
            product = q.ndim == 3 and q.shape[1] == k
            hint = (
                "use drafts='product' for a distribution a draft"
                if product
                else f"join the axes: q.reshape(-1, {q.shape[-1]})"
            )
            raise SpecHubError(
                f"{self.name} drafts come from one distribution, [V] or [B, V]; q has shape {tuple(q.shape)}: {hint}"
            )


def drafter(q: Array, j: int) -> Array:
    """The distribution of drafter j: q itself, or q[:, j] where every draft has a distribution of its own ([B, k,
    V])."""
    return q if q.ndim == 2 else q[:, j, :]


def left(q: Array, x: Array) -> Array:
    """q on the tokens not drafted yet, renormalized; where none is left, the most likely token again."""
    return normalize(without(q, x), one_hot(q, argmax(q)))


def next_top(q: Array, x: Array) -> Array:
    """The most likely token not drafted yet [B]; the lowest index wins ties; where none is left, the first top again.

    It is chosen on the row as given: division by a sum can round two entries to one number.
    """
    rest = without(q, x)
    top = argmax(rest)
    return array_namespace(q).where(pick(rest, top) > 0, top, argmax(q))
