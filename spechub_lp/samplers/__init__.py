"""Verification rules: what is done with the drafts so that the output follows the target distribution. One rule a
file."""

from spechub_lp.errors import UnknownName
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.samplers.border.adaptive import BorderAdaptive
from spechub_lp.samplers.border.bucketed import BorderBucketed
from spechub_lp.samplers.border.iid import Border
from spechub_lp.samplers.border.tempered import BorderTempered
from spechub_lp.samplers.border.without_replacement import BorderWor
from spechub_lp.samplers.greedy_hubs import GreedyHubs
from spechub_lp.samplers.kseq import KSeq
from spechub_lp.samplers.lp_table import LPTable
from spechub_lp.samplers.naive import Naive
from spechub_lp.samplers.nss import NSS
from spechub_lp.samplers.rrs import RRS
from spechub_lp.samplers.rrsw import RRSw
from spechub_lp.samplers.spechub import SpecHub
from spechub_lp.samplers.two_step import TwoStep

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

VARIANTS: tuple[Sampler, ...] = (BorderAdaptive(), BorderTempered(), BorderBucketed())
"""Border with a setting of its own: other drafts, or no sort. `by_name` knows them; with the setting left as it is they
are lossless like the rules of ALL."""


def by_name(name: str, k: int = 2) -> Sampler:
    """The sampler of that name with k drafts of its own policy; `.with_drafts(policy)` pairs it with another.

    Raises:
        UnknownName: no such sampler; the message has the nearest name. SpecHubError: the rule does not take k drafts.
    """
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
    "by_name",
]
