"""Verification rules: what is done with the drafts so that the output follows the target distribution. One rule a file.

Each rule's docstring says what it does in numbered steps, shows the optimisation problem that it solves, where there is
one, and then the rule as a program. The code has the same numbers. The programs are run: a test takes them from the
docstrings, follows them through every outcome in rationals, and compares the whole joint distribution of drafts and
output with that of the code. They know p and q as lists of `Fraction`, k, and these helpers:

    choose(weights)        a token drawn from a distribution; a key, if the weights are a dictionary
    flip(r)                true with probability min(1, r)
    normalized(weights)    the weights divided by their sum
    excess(p, q)           (p - q)+, token by token
    without(q, tokens)     q on the other tokens, normalized; where q has no other, the most likely token again
    most_likely(q)         the token with the largest q, the first of them if there are several
"""

from dataclasses import replace
from typing import Any

from spechub_lp._util import objects
from spechub_lp.errors import SpecHubError, UnknownName
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.samplers.border.adaptive import BorderAdaptive
from spechub_lp.samplers.border.bucketed import BorderBucketed
from spechub_lp.samplers.border.iid import Border
from spechub_lp.samplers.border.product import BorderProduct
from spechub_lp.samplers.border.tempered import BorderTempered
from spechub_lp.samplers.border.without_replacement import BorderWor
from spechub_lp.samplers.greedy_hubs import GreedyHubs
from spechub_lp.samplers.kseq import KSeq
from spechub_lp.samplers.lp_table import LPTable
from spechub_lp.samplers.naive import Naive
from spechub_lp.samplers.nss import NSS
from spechub_lp.samplers.rejection import RRS, RRSw
from spechub_lp.samplers.spechub import SpecHub
from spechub_lp.samplers.two_step import TwoStep
from spechub_lp.samplers.weighted_choice import WeightedChoice

ALL: tuple[Sampler, ...] = (
    Naive(),
    NSS(),
    RRS(),
    RRSw(),
    KSeq(),
    SpecHub(),
    GreedyHubs(),
    TwoStep(),
    LPTable(),
    Border(),
    BorderWor(),
)
"""One of each rule, with its own drafts and two of them (naive looks at one)."""

VARIANTS: tuple[Sampler, ...] = (
    BorderAdaptive(),
    BorderTempered(),
    BorderBucketed(),
    BorderProduct(),
    WeightedChoice(),
)
"""Border with a setting of its own (other drafts, or no sort), and the rules for different drafters. `by_name` knows
them; with the setting left as it is they are lossless like the rules of ALL."""


_ITS_OWN: Any = object()
"""Stands for the k that is not given: None is no number of drafts."""


def by_name(name: str | Sampler | type[Sampler], k: int = _ITS_OWN) -> Sampler:
    """Find a sampler.

    Parameters
    ----------
    name
        A sampler's name, or `module:object`; a sampler passes through, and a rule's class is made with its defaults.
    k
        Number of drafts: 2 where none is given, or those of the sampler that was passed or found at an address.

    Returns
    -------
    Sampler
        With drafts of its own policy; `.with_drafts(policy)` pairs it with another.

    Raises
    ------
    UnknownName
        No such sampler; the message has the nearest name.
    SpecHubError
        No sampler is at that address, or the rule does not take k drafts.

    Examples
    --------
    >>> by_name("rrs", k=3)
    RRS(k=3, drafts=IID())
    """
    if isinstance(name, str) and ":" in name:
        found = objects.find(name, Sampler, "sampler")
        return objects.at(name, found if k is _ITS_OWN else replace(found, k=k))
    if isinstance(name, type) and issubclass(name, Sampler):
        name = objects.made(name.__name__, name)
    if isinstance(name, Sampler):
        if name.drafts is None:
            kind = type(name).__name__
            hint = f"call super().__init__() in it, or write fields and @dataclass(frozen=True) above class {kind}"
            raise SpecHubError(f"{kind}.__init__ leaves out k and drafts; {hint}")
        return name if k is _ITS_OWN else objects.at(objects.kept(name), replace(name, k=k))
    if not isinstance(name, str):
        raise objects.stranger("sampler", name, Sampler, "'rrs'")
    k = 2 if k is _ITS_OWN else k
    for sampler in (*ALL, *VARIANTS):
        if sampler.name == name:
            return type(sampler)(k=k)
    raise UnknownName("sampler", name, [sampler.name for sampler in (*ALL, *VARIANTS)])


__all__ = [
    "ALL",
    "NSS",
    "RRS",
    "VARIANTS",
    "Border",
    "BorderAdaptive",
    "BorderBucketed",
    "BorderProduct",
    "BorderTempered",
    "BorderWor",
    "GreedyHubs",
    "KSeq",
    "LPTable",
    "Naive",
    "RRSw",
    "Sampler",
    "SpecHub",
    "TwoStep",
    "Verdict",
    "WeightedChoice",
    "by_name",
]
