"""Recursive rejection, the one recursion behind naive, RRS and RRSw: only the offers differ."""

from collections.abc import Iterable
from typing import Any

from spechub_lp._array.ops import columns, normalize, one, pick, positive, share
from spechub_lp.samplers.base import Verdict

Array = Any


def recursive_rejection(p: Array, offers: Iterable[Array], x: Array) -> Verdict:
    """Verify draft j, drawn from offers[j] [B, V], against what the target still needs.

    1. Keep draft j with probability min(1, need / offer).
    2. If rejected, the need becomes (need - offer)+, normalized.
    3. After the last draft, draw from the need.

    Lossless whenever offers[j] is the distribution of draft j given the drafts before it. Then a need that ran out goes
    with a rejection of probability 0; with other drafts, or by rounding, the last need is kept.
    """
    need, rejected, accept = p, one(p), []
    for j, offer in enumerate(offers):
        kept = share(pick(need, x[:, j]), pick(offer, x[:, j]))
        accept.append(rejected * kept)
        rejected = rejected * (1 - kept)
        need = normalize(positive(need - offer), empty=need)
    return Verdict(columns(*accept), rejected[:, None] * need)
