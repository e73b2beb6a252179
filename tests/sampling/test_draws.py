"""One definition, three arithmetics: tables agree to rounding, and equal uniforms give equal tokens."""

from fractions import Fraction as F
from typing import Any, cast

import array_api_strict
import numpy as np
import pytest
import torch
from every import own_pairs
from hypothesis import given, settings

from spechub_lp import draw, exact, reference, samplers, sampling_torch
from spechub_lp.errors import InvalidDistribution, SpecHubError
from spechub_lp.samplers.base import Sampler
from spechub_lp.sampling import inverse_cdf
from spechub_lp.testing.strategies import pairs
from spechub_lp.typing import Array, Distribution, NumpyArray

# How far from p the output distribution may be when the verdicts are computed in a dtype, beyond what rounding p itself
# costs. The worst of 400 Dirichlet pairs, V <= 5, k <= 3, were 2.5e-15, 1.1e-7 and .0083 (K-SEQ, which divides by
# beta).
ROUNDING = {"float64": 1e-14, "float32": 1e-6, "bfloat16": 0.03}


def floats(pq: tuple[Distribution, Distribution], dtype: type[np.floating[Any]]) -> tuple[NumpyArray, NumpyArray]:
    p, q = (np.asarray(row, dtype=dtype) for row in pq)
    return p, q


@pytest.mark.parametrize("sampler", own_pairs(1, 2, 3))
@given(pq=pairs())
@settings(max_examples=30)
def test_tables_agree_with_the_exact_distribution(sampler: Sampler, pq: tuple[Distribution, Distribution]) -> None:
    distribution = exact(sampler, *pq)
    p, q = floats(pq, np.float64)
    p, q = p / p.sum(), q / q.sum()
    table = reference(sampler, p, q)
    assert np.allclose(table.output_distribution, np.asarray(distribution.output_distribution, dtype=float), atol=1e-12)
    assert (
        abs(table.acceptance - float(distribution.acceptance)) < 1e-9
    )  # K-SEQ's rho is on a grid of 2^-24, equal in both


@pytest.mark.parametrize("sampler", own_pairs(2, 3))
@given(pq=pairs())
@settings(max_examples=30)
def test_rounding_moves_the_output_distribution_by_no_more_than_stated(
    sampler: Sampler, pq: tuple[Distribution, Distribution]
) -> None:
    for dtype, most in ROUNDING.items():
        p, q = (torch.as_tensor(np.asarray(row, dtype=float), dtype=getattr(torch, dtype)) for row in pq)
        assert reference(sampler, p, q).distance < most + abs(1 - float(p.double().sum())), dtype


@pytest.mark.parametrize("sampler", own_pairs(2, 3))
def test_the_same_uniforms_give_the_same_tokens(sampler: Sampler) -> None:
    rng = np.random.default_rng(5)
    for size in (1, 2, 5, 9):
        p, q = (rng.dirichlet([0.5] * size, 40) for _ in range(2))
        u = rng.random((40, sampler.k + 1))
        one = draw(sampler, p, q, u)
        two = draw(sampler, *(torch.from_numpy(a) for a in (p, q, u)))
        three = sampling_torch.draw(sampler, p, q, u, memory=10_000)
        for name in ("tokens", "slots", "drafts"):
            assert np.array_equal(getattr(one, name), getattr(two, name).numpy())
            assert np.array_equal(getattr(one, name), getattr(three, name).numpy())


@pytest.mark.parametrize("sampler", own_pairs(2))
def test_draws_follow_the_exact_distribution(sampler: Sampler) -> None:
    """40,000 draws land within 5 of the largest standard errors."""
    p, q = [F(1, 10), F(2, 5), F(1, 2)], [F(1, 2), F(3, 10), F(1, 5)]
    distribution = exact(sampler, p, q)
    u = np.random.default_rng(11).random((40_000, 3))
    result = draw(sampler, p, q, u)
    drawn = np.bincount(result.tokens, minlength=3) / len(u)
    assert np.abs(drawn - np.asarray(distribution.output_distribution, dtype=float)).max() < 5 * 0.5 / 200
    assert abs((result.slots >= 0).mean() - float(distribution.acceptance)) < 5 * 0.5 / 200
    accepted = result.slots >= 0
    assert (result.drafts[accepted, result.slots[accepted]] == result.tokens[accepted]).all()


@pytest.mark.parametrize("sampler", own_pairs(1, 2, 3))
@pytest.mark.parametrize("edge", [0.0, 2**-24, 1 - 2**-24, 1.0])
def test_no_token_of_probability_zero_at_the_edges(sampler: Sampler, edge: float) -> None:
    p, q = np.array([[0, 0.5, 0, 0.5, 0]]), np.array([[0.25, 0, 0.5, 0.25, 0]])
    result = draw(sampler, p, q, np.full((1, sampler.k + 1), edge))
    assert p[0, result.tokens[0]] > 0
    assert (q[0, result.drafts[0]] > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("sampler", own_pairs(2))
def test_low_precision_draws_are_legal(sampler: Sampler, dtype: torch.dtype) -> None:
    gen = torch.Generator().manual_seed(1)
    solves = sampler.name in ("lp_table", "two_step")  # a program for each row: fewer rows, and more draws of each
    p = (torch.randn(4 if solves else 64, 33, generator=gen) * 4).softmax(-1).to(dtype)
    for rows in p.split(1 if solves else 64):
        u = torch.rand(64, sampler.k + 1, dtype=torch.float64, generator=gen)
        tokens = torch.as_tensor(sampling_torch.draw(sampler, rows, rows, u).tokens)
        assert (rows.expand(64, -1).gather(1, tokens[:, None]) > 0).all()


def test_equal_distributions_up_to_rounding() -> None:
    """p = q up to one rounding: the residual is 0 or one ulp, and every rule but NSS accepts."""
    q = np.random.default_rng(2).dirichlet([1] * 50)
    p = np.nextafter(q, 1)
    u = np.random.default_rng(3).random((2000, 3))
    for sampler in samplers.ALL:
        if sampler.name in ("nss", "lp_table", "two_step"):
            continue
        result = draw(sampler, p, q, u[:, : sampler.k + 1])
        assert (result.slots >= 0).mean() > 0.999, sampler.name


@pytest.mark.parametrize("sampler", own_pairs(1, 2, 3))
def test_inputs_are_not_written_to(sampler: Sampler) -> None:
    p, q, u = np.array([[0.3, 0.7, 0]]), np.array([[0.5, 0.25, 0.25]]), np.full((4, sampler.k + 1), 0.9)
    for a in (p, q, u):
        a.setflags(write=False)
    assert draw(sampler, p, q, u).tokens.shape == (4,)
    assert reference(sampler, p[0], q[0]).distance < 1e-15


@pytest.mark.parametrize("name", ["naive", "nss", "rrs", "kseq", "spechub", "greedy_hubs"])
def test_the_rules_speak_the_array_standard_only(name: str) -> None:
    xp = array_api_strict
    p, q, x = (cast("Array", xp.asarray(rows)) for rows in ([[0.1, 0.4, 0.5]], [[0.5, 0.3, 0.2]], [[0, 1]]))
    with array_api_strict.ArrayAPIStrictFlags(api_version="2024.12"):
        verdict = samplers.by_name(name).verify(p, q, x)
    assert float(np.asarray(verdict.accept).sum() + np.asarray(verdict.residual).sum()) == pytest.approx(1)


def test_inverse_cdf_picks_the_cell_that_u_falls_into() -> None:
    weights = np.array([[0, 0.25, 0, 0.75, 0]] * 5)
    assert inverse_cdf(weights, np.array([0, 0.2, 0.25, 0.99, 1.0])).tolist() == [1, 1, 3, 3, 3]


def test_product_draws() -> None:
    q = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    sampler = samplers.by_name("rrs").with_drafts("product")
    result = draw(sampler, [0.2, 0.2, 0.6], q, np.full((3, 3), 0.5))
    assert result.drafts.tolist() == [[0, 1]] * 3
    batch = draw(sampler, np.array([[0.2, 0.2, 0.6]] * 3), np.stack([q] * 3), np.full((3, 3), 0.5))
    assert batch.tokens.tolist() == result.tokens.tolist()
    assert reference(sampler, np.array([0.2, 0.2, 0.6]), q).distance < 1e-15


def test_bad_draws() -> None:
    rrs, p = samplers.by_name("rrs"), np.array([[0.5, 0.5]])
    u = np.full((1, 3), 0.5)
    with pytest.raises(SpecHubError, match=r"u has shape \(1, 2\); rrs with k = 2 needs \[B, 3\]"):
        draw(rrs, p, p, u[:, :2])
    with pytest.raises(SpecHubError, match="outside"):
        draw(rrs, p, p, u + 1)
    with pytest.raises(SpecHubError, match="outside"):
        draw(rrs, p, p, u * np.nan)
    with pytest.raises(SpecHubError, match="p has 2 rows, q has 1 and u has 3"):
        draw(rrs, np.repeat(p, 2, 0), p, np.full((3, 3), 0.5))
    with pytest.raises(SpecHubError, match="p has 2 tokens and q has 3"):
        draw(rrs, p, np.array([[0.5, 0.25, 0.25]]), u)
    with pytest.raises(InvalidDistribution, match=r"q\[1\] = nan is not a probability"):
        draw(rrs, p, np.array([[0.5, np.nan]]), u)


def test_is_lossless_is_for_rationals() -> None:
    with pytest.raises(SpecHubError, match="statement about rationals"):
        _ = reference(samplers.by_name("rrs"), np.array([1.0]), np.array([1.0])).is_lossless
