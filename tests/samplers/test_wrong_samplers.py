"""Wrong samplers are rejected: biased on the audit's own family of instances, or no distribution at all."""

import numpy as np
import pytest
import wrong_samplers
from every import own_pairs

from spechub_lp import Sampler, Verdict, exact, samplers
from spechub_lp._array.ops import columns, pick
from spechub_lp.errors import SpecHubError
from spechub_lp.theorems.instances import family
from spechub_lp.typing import Array, Number

FAMILY = list(family(80, seed=1))


def worst_distance(sampler: Sampler) -> Number:
    found: Number = max(exact(sampler, instance.p, instance.q).distance for instance in FAMILY)
    return found


@pytest.mark.parametrize("sampler", wrong_samplers.ALL, ids=lambda s: type(s).__name__)
def test_wrong_samplers_are_rejected(sampler: Sampler) -> None:
    assert worst_distance(sampler) > 0


@pytest.mark.parametrize("sampler", own_pairs(2))
def test_the_right_ones_pass_the_same_family(sampler: Sampler) -> None:
    assert worst_distance(sampler) == 0


class LeavesMassOut(samplers.RRS):
    """The rejected mass is not handed to the residual."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        right = super().verify(p, q, x)
        return Verdict(right.accept, right.residual / 2)


class Floats(samplers.NSS):
    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        right = super().verify(p, q, x)
        return Verdict(right.accept * 1.0, right.residual)


class IntegerZero(samplers.NSS):
    """The trap of object arrays: zeros_like gives ints, and int / int is silently a float."""

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        right = super().verify(p, q, x)
        return Verdict(np.zeros_like(right.accept), right.residual)


class WrongShape(Sampler):
    name, own = "wrong_shape", samplers.NSS.own

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        return Verdict(columns(pick(p, x[:, 0])), p)


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (LeavesMassOut(), r"rrs: the verdict on drafts \(0, 0\) is not a distribution: accept .* sum to 3/4"),
        (Floats(), "nss: a verdict holds .*, not a rational; make zero and one from the data"),
        (IntegerZero(), "nss: a verdict holds 0, a int, not a rational"),
        (WrongShape(), r"wrong_shape: accept has shape \(4, 1\) and residual \(1, 2\); they must be \[4, 2\]"),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, Sampler) else "",
)
def test_verdicts_that_are_no_distributions_are_errors(sampler: Sampler, message: str) -> None:
    with pytest.raises(SpecHubError, match=message):
        exact(sampler, ["1/4", "3/4"], ["1/2", "1/2"])
