"""The package's whole joint distribution of drafts and output equals that of an independent program, as rationals."""

from fractions import Fraction as F

import oracle
import pytest
from hypothesis import given

from spechub_lp import exact, samplers
from spechub_lp._array.rational import rational_row
from spechub_lp.coupling import plain
from spechub_lp.testing.strategies import pairs


def joint(coupling) -> dict:
    """{(drafts, output): mass} of a Coupling."""
    distribution: dict = {}
    for x, mass, accept, residual in zip(
        coupling.drafts, coupling.mass, coupling.accept, coupling.residual, strict=True
    ):
        for y, share in [*zip(x, accept, strict=True), *enumerate(residual)]:
            if share:
                distribution[x, y] = distribution.get((x, y), F(0)) + mass * plain(share)
    return distribution


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("name", ["naive", "nss", "rrs", "rrsw", "kseq", "spechub", "greedy_hubs"])
@given(pq=pairs(max_tokens=4))
def test_joint_distribution_equals_the_witness(name, k, pq):
    p, q = pq
    if (name == "spechub" and k != 2) or (name == "naive" and k != 1):
        return
    sampler = samplers.by_name(name, k)
    extra = {}
    if name == "kseq":
        extra = {"rho": plain(sampler.discount(rational_row(p), rational_row(q))[0, 0])}
    witness = oracle.joint_distribution(lambda choose: getattr(oracle, name)(p, q, choose, k=k, **extra))
    assert joint(exact(sampler, p, q)) == witness


@pytest.mark.parametrize(
    ("name", "p", "q", "acceptance"),
    [
        ("rrs", "0 1/5 4/5", "3/5 3/10 1/10", F(37, 100)),
        ("rrsw", "0 1/5 4/5", "3/5 3/10 1/10", F(13, 28)),
        ("spechub", "0 1/5 4/5", "3/5 3/10 1/10", F(9, 20)),
        ("lp_table", "0 1/5 4/5", "3/5 3/10 1/10", F(39, 100)),
        ("rrsw", "2/5 3/10 1/5 1/10", "1/10 1/5 3/10 2/5", F(107, 140)),
    ],
)
def test_values_worked_by_hand(name, p, q, acceptance):
    assert exact(samplers.by_name(name), p.split(), q.split()).acceptance == acceptance
