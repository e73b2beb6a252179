"""What a verification rule says about a tuple of drafts, and what a sampler is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

from array_api_compat import array_namespace, is_array_api_obj, is_numpy_array

from spechub_lp import drafts as policies
from spechub_lp._array.equality import equal_fields
from spechub_lp._util import objects
from spechub_lp.distributions import batch, count, dtype_name
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import MissingMethod, SpecHubError, TooLarge
from spechub_lp.typing import Array

MOST_DRAFTS = 4096
"""A rule takes at least one step a draft; far more than any engine drafts, and few enough to end."""


@dataclass(frozen=True)
class Verdict:
    """Where the output comes from, given the drafts. Each row of the two sums to 1 together.

    Examples
    --------
    >>> import numpy as np
    >>> from spechub_lp import samplers
    >>> p, q, x = np.array([[0.75, 0.25]]), np.array([[0.25, 0.75]]), np.array([[1]])
    >>> verdict = samplers.Naive().verify(p, q, x)
    >>> verdict.accept.round(3).tolist(), verdict.residual.round(3).tolist()
    ([[0.333]], [[0.667, 0.0]])
    """

    accept: Array
    """[B, k] probability to output draft j as an accepted draft."""
    residual: Array
    """[B, V] probability to output token y after all drafts were rejected: the rejected mass times its distribution."""

    __eq__ = equal_fields


@dataclass(frozen=True)
class Sampler:
    """A draft policy and a verification rule.

    Subclasses define `verify` over the array namespace of what they are given; p and q may have a batch of one, which
    serves every tuple of a table. They name `own`, the policies for which the rule keeps the target distribution, and
    may define `closed_form`, the acceptance with those.

    Examples
    --------
    >>> from spechub_lp import Verdict, drafts, exact
    >>> class AcceptAll(Sampler):
    ...     name, own = "accept_all", (drafts.IID(),)
    ...     def verify(self, p, q, x):
    ...         all_to_the_first = p[:, :1] * 0 + 1
    ...         return Verdict(all_to_the_first + 0 * x, 0 * p)
    >>> exact(AcceptAll(k=1), ["1/2", "1/2"], ["1/4", "3/4"]).distance  # total variation from p
    Fraction(1, 4)
    """

    k: int = 2
    """How many drafts are made."""
    drafts: DraftPolicy = None  # type: ignore[assignment]
    """How they are made; by default the first policy of `own`."""

    name: ClassVar[str]
    own: ClassVar[tuple[DraftPolicy, ...]]

    def __new__(cls, *_: Any, **settings: Any) -> Self:
        if wrong := objects.undecorated(cls, settings):
            raise wrong
        for name, example in (("name", '"mine"'), ("own", "(drafts.IID(),)")):
            if not hasattr(cls, name):
                raise SpecHubError(f"{cls.__name__} names no {name!r}; write {name} = {example} in the class")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", count(self.k, hint="a sampler needs at least one draft"))
        if self.k > MOST_DRAFTS:
            raise TooLarge(f"k = {self.k:,} is more drafts than a sampler takes; at most {MOST_DRAFTS:,}")
        object.__setattr__(self, "drafts", self.own[0] if self.drafts is None else policies.by_name(self.drafts))

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        """Return the verdict on the drafts x [B, k], given p and q [B, V] (or [1, V] for all of them).

        The rules of this package raise SpecHubError for drafts of another shape or dtype, and in numpy for ids outside
        0..V-1. The ids of tensors are not looked at, because that would wait for the device: there -1 may be read as
        the last token, and what torch does with an id of V or more is an error, on a GPU one that ends the process.
        """
        raise MissingMethod(f"{type(self).__name__} defines no verify(p, q, x) -> Verdict (docs/howto_sampler.md)")

    def check_drafts(self, p: Array, x: Array) -> None:
        """Check that x [B, k] holds drafts of this rule, given p [B, V] (or [1, V]); ids of tensors are not looked at.

        Raises
        ------
        SpecHubError
            Another shape or dtype, another number of rows than p has, or in numpy an id outside 0..V-1.

        Examples
        --------
        >>> import numpy as np
        >>> from spechub_lp import samplers
        >>> samplers.RRS().check_drafts(np.array([[0.5, 0.5]]), np.array([[1, 0]]))
        """
        if not is_array_api_obj(x):
            raise SpecHubError(f"drafts = {x!r:.60} is no array; {self.name} takes token ids [B, {self.k}] in an array")
        if x.ndim != 2 or x.shape[1] != self.k:
            raise SpecHubError(
                f"drafts has shape {tuple(x.shape)}; {self.name} with k = {self.k} needs token ids [B, {self.k}]"
            )
        xp = array_namespace(x)
        if not xp.isdtype(x.dtype, "integral"):
            raise SpecHubError(f"drafts has dtype {dtype_name(x)}; token ids are whole numbers, such as int64")
        batch(p=p, drafts=x)
        if is_numpy_array(x) and (outside := (x < 0) | (x >= p.shape[-1])).any():
            row, slot = (int(index[0]) for index in xp.nonzero(outside))
            raise SpecHubError(
                f"drafts[{row}, {slot}] = {x[row, slot]} is no token; ids go from 0 to {p.shape[-1] - 1} "
                "(is it padding? leave rows with fewer drafts to a rule of smaller k)"
            )

    def verifier(self, p: Array, q: Array) -> Callable[[Array], Verdict]:
        """`verify` for these p and q, for many batches of drafts x [B, k]; what it needs of p and q is made once."""
        return partial(self.verify, p, q)

    def with_drafts(self, policy: str | DraftPolicy) -> Self:
        """Return the same rule fed with the drafts of another policy, right or wrong."""
        return replace(self, drafts=policies.by_name(policy))

    @property
    def is_own_pair(self) -> bool:
        """Whether the rule was made for these drafts, so that it must be lossless."""
        return type(self.drafts) in {type(policy) for policy in self.own}

    def acceptance(self, p: Array, q: Array) -> Array | None:
        """Return the acceptance [B] in closed form, O(V log V) a row, for p and q [B, V] (q [B, k, V] for product).

        None where no closed form is known, and always for drafts that are not the rule's own: `exact`, `reference` or
        `draw` tell what a wrong pair accepts.

        Raises
        ------
        SpecHubError
            k drafts cannot be made from q.

        Examples
        --------
        >>> import numpy as np
        >>> from spechub_lp import samplers
        >>> samplers.RRS().acceptance(np.array([[0.0, 0.2, 0.8]]), np.array([[0.6, 0.3, 0.1]])).round(3).tolist()
        [0.37]
        """
        if not self.is_own_pair:
            return None
        self.drafts.check(q, self.k)
        if not batch(p=p, q=q):
            return p[:0, 0]
        return self.closed_form(p, q)

    def closed_form(self, p: Array, q: Array) -> Array | None:
        """Acceptance [B] for drafts of a policy of `own`; here None. It is asked for no other policy."""
        return None
