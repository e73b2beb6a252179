"""Draws from the target, and looks for the token among the drafts."""

from dataclasses import dataclass

from array_api_compat import array_namespace

from spechub_lp._array.ops import columns, pick, repeated, total, without, zero
from spechub_lp.drafts import ALL
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.typing import Array


@dataclass(frozen=True)
class NSS(Sampler):
    """Draw the output from p, and call it accepted if it was drafted (target-only; lossless for any drafts).

    1. Accept draft j with probability p(x_j), unless an earlier draft is the same token.
    2. Else the output is one of the tokens that were not drafted, with probability p each.

    Notes
    -----
    As a program (the helpers are explained in `spechub_lp.samplers`); steps 1 and 2 are one draw::

        def nss(p, q, k):
            drafts = [choose(q) for _ in range(k)]
            return drafts, choose(p)

    References
    ----------
    Naive sampling of SpecInfer, arXiv 2305.09781, section 4.3; the tree kernels of EAGLE-2, SGLang and TensorRT-LLM.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> exact(samplers.NSS(), ["1/2", "1/2"], ["1/4", "3/4"]).acceptance
    Fraction(11, 16)
    """

    name = "nss"
    own = ALL

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        self.check_drafts(p, x)
        xp = array_namespace(p)
        accept = [xp.where(repeated(x, j), zero(p), pick(p, x[:, j])) for j in range(self.k)]  # step 1
        return Verdict(columns(*accept), without(p, x))  # step 2

    def closed_form(self, p: Array, q: Array) -> Array | None:
        """sum_y p(y) Pr[y is among the drafts], where the policy knows that probability."""
        drafted = self.drafts.drafted(q, self.k)
        return None if drafted is None else total(p * drafted)[:, 0]
