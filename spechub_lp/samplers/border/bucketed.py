"""Border without a sort."""

from dataclasses import dataclass

from spechub_lp.drafts.base import drafter
from spechub_lp.samplers.border import preparation
from spechub_lp.samplers.border.iid import Border
from spechub_lp.samplers.border.preparation import Mixture
from spechub_lp.typing import Array


@dataclass(frozen=True)
class BorderBucketed(Border):
    """Border without a sort: tokens of similar p/q are ranked as one. Lossless by construction, just below optimal.

    The choice asks only which block was hit, so any classes of tokens will do: the distribution of the chosen draft is
    known, and the draft is verified against that distribution. What is lost is the spread of p/q within a class.

    1. Put the tokens into `levels` classes of p/q.
    2. Go on as `border`, with classes in the place of tokens.

    References
    ----------
    theory/border, section 7.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> exact(samplers.BorderBucketed(), ["3/5", "3/10", "1/10"], ["1/5", "3/10", "1/2"]).acceptance
    Fraction(19, 25)
    """

    levels: int = 128
    """How many classes; each is octaves / (levels - 2) of a factor 2 wide."""
    octaves: int = 8
    """p/q from k down to k / 2^octaves is told apart; what is below is one class."""

    name = "border_bucketed"

    def prepare(self, p: Array, q: Array) -> Mixture:
        return preparation.prepare_in_classes(p, drafter(q, 0), self.k, self.levels, self.octaves)
