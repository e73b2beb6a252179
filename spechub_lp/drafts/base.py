"""What a draft policy is, and the two distributions that policies share."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from array_api_compat import array_namespace

from spechub_lp._array.equality import equal_fields
from spechub_lp._array.ops import argmax, normalize, one_hot, pick, without
from spechub_lp._util import objects, renamed
from spechub_lp._util.tabular import Tabular, few
from spechub_lp.distributions import count
from spechub_lp.errors import MissingMethod, SpecHubError
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Cut(Tabular):
    """The best acceptance of any lossless rule, and why there is no better one.

    Examples
    --------
    >>> import numpy as np
    >>> from spechub_lp import cut
    >>> found = cut(np.array([[0.0, 0.2, 0.8]]), np.array([[0.6, 0.3, 0.1]]), k=2)
    >>> found.alpha.round(3).tolist(), found.H.tolist()
    ([0.39], [[True, True, False]])
    """

    alpha: Array
    """[B] 1 + p(H) - Q(H) in float64, summed over H as it stands, however H was found."""
    H: Array
    """[B, V] the token set, True where it holds the token."""
    error: Array
    """[B] bound on |alpha - optimum|, of rounding and search: no lossless rule accepts more than alpha + error."""

    __eq__ = equal_fields

    def __repr__(self) -> str:
        rows, vocabulary = tuple(self.H.shape)
        return f"Cut(alpha={few(self.alpha)}, {rows} row{'s' * (rows != 1)}, V={vocabulary})"

    def as_rows(self) -> list[dict[str, Any]]:
        """Return for each row the optimum, the bound on its error, and how many tokens H holds."""
        sizes = [sum(row) for row in self.H.tolist()]
        rows = zip(self.alpha.tolist(), self.error.tolist(), sizes, strict=True)
        return [{"row": b, "optimum": a, "error": f"{e:.1e}", "tokens in H": n} for b, (a, e, n) in enumerate(rows)]


class DraftPolicy:
    """The distribution of the k drafts, given one draft at a time. Only q may decide, never p.

    A policy defines `draft`; that is enough for `exact`, `optimum`, `sample`, the audit's exact parts and the gate. The
    other methods are closed forms, for more than enumeration can do. Make a policy with settings a frozen dataclass, so
    that policies compare by their values.

    Examples
    --------
    The most likely token first, then draws from q:

    >>> from spechub_lp import optimum
    >>> from spechub_lp.drafts import DraftPolicy, TopK
    >>> class TopFirst(DraftPolicy):
    ...     name = "top_first"
    ...
    ...     def draft(self, q, x, k):
    ...         return q if x.shape[1] else TopK().draft(q, x, k)
    >>> optimum(["1/2", "1/4", "1/4"], ["1/4", "1/2", "1/4"], 2, TopFirst()).alpha
    Fraction(3, 4)
    """

    def __new__(cls, *_: Any, **settings: Any) -> Self:
        if wrong := objects.undecorated(cls, settings):
            raise wrong
        return super().__new__(cls)

    name: ClassVar[str]
    """How documents and tables call the policy."""
    different_drafters: ClassVar[bool] = False
    """Whether every draft has a distribution of its own, q [B, k, V]."""
    is_random: ClassVar[bool] = True
    """Whether q leaves more than one draft tuple possible."""
    prefix_is_optimal: ClassVar[bool] = False
    """Whether an optimal H is a prefix of the tokens by p/q rising (theorem T2)."""

    def draft(self, q: Array, x: Array, k: int) -> Array:
        """Return the distribution [B, V] of the next of k drafts, given q [B, V] and the drafts so far x [B, j]."""
        raise self.lacks("draft(q, x, k)", "drafts")

    def prob_all_in(self, q: Array, H: Array, k: int) -> Array:
        """Return Q(H) = P(every draft is in H) in closed form: q [B, V], H [B, V] (True = in the set) -> [B].

        Raises
        ------
        MissingMethod
            No closed form is known.
        """
        if type(self).inside is not DraftPolicy.inside:  # a policy written for the first release
            renamed.warn(f"{type(self).__name__}.inside", "prob_all_in")
            return self.inside(q, H, k)
        raise self.lacks("prob_all_in(q, H, k)", "closed form of Q(H)")

    def inside(self, q: Array, H: Array, k: int) -> Array:
        """Return `prob_all_in(q, H, k)`, under its old name."""
        renamed.warn(f"{type(self).__name__}.inside", "prob_all_in")
        return self.prob_all_in(q, H, k)

    def best_draft(self, q: Array, k: int) -> Array:
        """Return P(the best of k drafts is token j), for one row q [n] > 0 of any sum, best token first -> [n].

        Raises
        ------
        MissingMethod
            The distribution is not known.
        """
        raise self.lacks("best_draft(q, k)", "distribution of the best draft")

    def optimal_set(self, p: Array, q: Array, k: int) -> Cut | None:
        """Return the optimum of each row p, q [B, V] (float64), with the set that proves it and its error bound.

        None where no way is known that does without enumeration; `cut` then has no answer.
        """
        return None

    def running_sums(self, k: int) -> tuple[int, bool] | None:
        """Return (k, replaced) where Q(prefix) is read off running sums, as optimum/bucket_scan.py does; else None.

        (k, True): k drafts with replacement. (2, False): two without.
        """
        return None

    def drafted(self, q: Array, k: int) -> Array | None:
        """Return P(token y is among the k drafts) in closed form: q [B, V] -> [B, V], or None where none is known."""
        return None

    @property
    def equivalent(self) -> "DraftPolicy":
        """A policy that drafts each set as often, so that its optimum is the same; here the policy itself."""
        return self

    def takes(self, k: int) -> bool:
        """Return whether the policy makes k drafts."""
        return k >= 1

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
        if not self.takes(k):
            raise SpecHubError(self.wrong_count(k))

    def wrong_count(self, k: int) -> str:
        """Return what is said where the policy does not make k drafts."""
        return f"{self.name} does not make k = {k} drafts"

    def lacks(self, method: str, what: str, instead: str = "") -> MissingMethod:
        """Return the error that names a method which this policy does not define."""
        lacking = f"{type(self).__name__} does not define {method}"
        return MissingMethod(f"no {what} is known for {self.name} drafts: {lacking}{instead}")


def drafter(q: Array, j: int) -> Array:
    """Return the distribution of one drafter.

    Parameters
    ----------
    q : [B, V] or [B, k, V]
        Draft distributions.
    j
        Which draft.

    Returns
    -------
    [B, V]
        q itself, or q[:, j] where every draft has a distribution of its own.

    Examples
    --------
    >>> import numpy as np
    >>> drafter(np.array([[[1.0, 0.0], [0.5, 0.5]]]), 1).tolist()
    [[0.5, 0.5]]
    """
    return q if q.ndim == 2 else q[:, j, :]


def distinct(q: Array, k: int) -> int:
    """Return the number of drafts after which more change nothing.

    It is for drafts that repeat no token while another is left.

    Parameters
    ----------
    q : [B, V]
        Draft distributions.
    k
        Number of drafts.

    Returns
    -------
    int
        k, or V + 1: every token is drafted by then, and the most likely one again.

    Examples
    --------
    >>> import numpy as np
    >>> distinct(np.array([[0.5, 0.5]]), 100)
    3
    """
    return min(k, q.shape[-1] + 1)


def left(q: Array, x: Array) -> Array:
    """Return q on the tokens not drafted yet.

    Parameters
    ----------
    q : [B, V]
        Draft distributions.
    x : [B, j]
        The drafts so far.

    Returns
    -------
    [B, V]
        Normalized; where no token is left, the most likely one again.

    Examples
    --------
    >>> import numpy as np
    >>> left(np.array([[0.5, 0.25, 0.25]]), np.array([[0]])).tolist()
    [[0.0, 0.5, 0.5]]
    """
    return normalize(without(q, x), one_hot(q, argmax(q)))


def next_top(q: Array, x: Array) -> Array:
    """Return the most likely token not drafted yet.

    It is chosen on the row as given: division by a sum can round two entries to one number.

    Parameters
    ----------
    q : [B, V]
        Draft distributions.
    x : [B, j]
        The drafts so far.

    Returns
    -------
    [B]
        The lowest index wins ties; where no token is left, the first top again.

    Examples
    --------
    >>> import numpy as np
    >>> next_top(np.array([[0.5, 0.2, 0.3]]), np.array([[0]])).tolist()
    [2]
    """
    rest = without(q, x)
    top = argmax(rest)
    return array_namespace(q).where(pick(rest, top) > 0, top, argmax(q))
