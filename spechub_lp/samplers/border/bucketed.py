from dataclasses import dataclass
from typing import Any

from spechub_lp.drafts.base import drafter
from spechub_lp.samplers.border import preparation
from spechub_lp.samplers.border.iid import Border
from spechub_lp.samplers.border.preparation import Lottery

Array = Any


@dataclass(frozen=True)
class BorderBucketed(Border):
    """Border without a sort: tokens of similar p/q are ranked as one. Lossless by construction, just below optimal.

    Which block was hit is all that the lottery asks, so any classes of tokens will do: the distribution of the chosen
    draft is known, and it is verified against that distribution. What is lost is the spread of p/q within a class
    (theory/border).

    1. Put the tokens into `levels` classes of p/q. 2. Go on as `border`, with classes in the place of tokens.
    """

    levels: int = 128
    """How many classes; each is octaves / (levels - 2) of a factor 2 wide."""
    octaves: int = 8
    """p/q from k down to k / 2^octaves is told apart; what is below is one class."""

    name = "border_bucketed"

    def prepare(self, p: Array, q: Array) -> Lottery:
        return preparation.prepare_in_levels(p, drafter(q, 0), self.k, self.levels, self.octaves)
