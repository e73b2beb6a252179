"""The ends of the uniform and the edges between tokens: equal tokens in numpy and torch, none of probability 0."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from every import every_pair, own_pairs
from hypothesis import given
from hypothesis import strategies as st

from spechub_lp import draw, samplers, sampling_torch
from spechub_lp._array.ops import total
from spechub_lp.samplers.base import Sampler
from spechub_lp.sampling import ROWS_IN_WORK, Draw, descend, draw_drafts, inverse_cdf, sums
from spechub_lp.theorems.instances import family
from spechub_lp.typing import FloatArray, NumpyArray

DTYPES = ("float64", "float32", "float16")
"""Of numpy and torch; bfloat16 is torch's alone."""
TOKENS = (1, 2, 3, 5, 8, 13, 40)


def rows(dtype: str, tokens: int, seed: int) -> tuple[NumpyArray, NumpyArray]:
    """Pairs of distributions [B, V]: random ones, counts, cold ones, equal ones, one-hots, and the boundary family."""
    rng = np.random.default_rng([seed, tokens])
    p = [rng.dirichlet([0.5] * tokens), rng.multinomial(20, [1 / tokens] * tokens) / 20, rng.dirichlet([3] * tokens)]
    q = [rng.dirichlet([0.5] * tokens), rng.multinomial(20, [1 / tokens] * tokens) / 20]
    cold = rng.standard_normal(tokens) * 40
    q += [np.exp(cold - cold.max()) / np.exp(cold - cold.max()).sum()]
    p, q = [*p, p[0], np.eye(tokens)[0], p[1]], [*q, p[0], q[0], np.eye(tokens)[-1]]
    if tokens > 1:
        for i in family(11, seed=seed, tokens=(min(tokens, 5),)):
            pad = [0] * (tokens - len(i.p))
            p.append(np.asarray([*i.p, *pad], dtype=float))
            q.append(np.asarray([*i.q, *pad], dtype=float))
    return np.stack(p).astype(dtype), np.stack(q).astype(dtype)


def ends(dtype: str) -> list[Any]:
    """0, the smallest positive numbers, the largest below 1, and 1, of a numpy dtype."""
    kind = np.finfo(dtype)
    one = np.ones((), dtype=dtype)
    return [0, kind.smallest_subnormal, kind.tiny, kind.eps, np.nextafter(one, one * 0), 1]


def same_and_legal(sampler: Sampler, p: Any, q: Any, u: NumpyArray) -> Draw:
    """Draw in numpy, torch and in slices; the tokens are equal and can come out."""
    one = draw(sampler, p, q, u)
    tensors = [torch.from_numpy(a) for a in (p, q, u)]
    half = ROWS_IN_WORK * 8 * p.shape[1] * (len(u) // 2 + 1)
    for other in (draw(sampler, *tensors), sampling_torch.draw(sampler, *tensors, memory=half)):
        for name in ("tokens", "slots", "drafts"):
            assert np.array_equal(getattr(one, name), getattr(other, name).numpy()), name
    is_possible(sampler, p, q, one)
    return one


def is_possible(sampler: Sampler, p: Any, q: Any, drawn: Draw) -> None:
    tokens, slots, drafts = (np.asarray(a) for a in (drawn.tokens, drawn.slots, drawn.drafts))
    vocabulary = p.shape[1]
    assert ((tokens >= 0) & (tokens < vocabulary)).all()
    assert ((drafts >= 0) & (drafts < vocabulary)).all()
    assert ((slots >= -1) & (slots < sampler.k)).all()
    accepted = slots >= 0
    assert (np.take_along_axis(drafts, slots.clip(0)[:, None], 1)[accepted, 0] == tokens[accepted]).all()
    drafted = np.take_along_axis(np.asarray(q, dtype=float), drafts, axis=1)
    assert (drafted > 0).all()
    if sampler.is_own_pair:
        assert (np.take_along_axis(np.asarray(p, dtype=float), tokens[:, None], axis=1) > 0).all()


def all_ends(sampler: Sampler, values: Sequence[Any], dtype: npt.DTypeLike) -> NumpyArray:
    """Every combination of two ends (drafts, verdict), and mixed ones: [n, k + 1]."""
    cases = [[a] * sampler.k + [b] for a in values for b in values]
    cases += [[values[(i + j) % len(values)] for j in range(sampler.k + 1)] for i in range(len(values))]
    return np.asarray(cases, dtype=dtype)


def is_solved(sampler: Sampler) -> bool:
    return sampler.name in ("lp_table", "two_step")


def is_slow(sampler: Sampler) -> bool:
    """Whether a row takes a program, or a loop in Python."""
    return is_solved(sampler) or sampler.name.startswith(("border", "weighted"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sampler", [*every_pair(2), *own_pairs(1, 3)])
def test_ends_of_the_uniform(sampler: Sampler, dtype: str) -> None:
    u = all_ends(sampler, ends(dtype), dtype)
    for size in (1, 4) if is_slow(sampler) else TOKENS[:: 1 if sampler.k < 3 else 2]:
        p, q = rows(dtype, size, seed=sampler.k)
        if is_slow(sampler):
            for at in range(0, len(p), 4):
                same_and_legal(sampler, p[at : at + 1], q[at : at + 1], u)
        else:
            p, q = (np.repeat(a, len(u), 0) for a in (p, q))
            same_and_legal(sampler, p, q, np.tile(u, (len(p) // len(u), 1)))


@pytest.mark.parametrize("sampler", [*every_pair(2), *own_pairs(1, 3)])
def test_ends_of_the_uniform_in_bfloat16(sampler: Sampler) -> None:
    kind = torch.finfo(torch.bfloat16)
    values = [0, kind.smallest_normal, kind.eps, 1 - kind.eps / 2, 1]
    u = torch.from_numpy(all_ends(sampler, values, np.float32)).bfloat16()
    for size in (2, 3) if is_solved(sampler) else (2, 13):
        pairs = [torch.from_numpy(a).bfloat16() for a in rows("float64", size, seed=1)]
        if is_slow(sampler):
            for p, q in zip(*pairs, strict=True):
                is_possible(sampler, p[None].float(), q[None].float(), draw(sampler, p, q, u))
        else:
            p, q = (a.repeat_interleave(len(u), 0) for a in pairs)
            is_possible(sampler, p.float(), q.float(), draw(sampler, p, q, u.repeat(len(pairs[0]), 1)))


def test_one_means_the_same_in_every_dtype() -> None:
    """u = 1 is what the largest number below 1 is, not the last token of any weight."""
    p = np.array([[0.5, 0.25, 0.25, 0.0, 0.0]])
    for dtype in DTYPES:
        for end, token in ((0, 0), (1, 2)):
            u = np.full((1, 2), end, dtype=dtype)
            assert draw(samplers.Naive(), p, p, u).tokens.tolist() == [token]


def edges(weights: NumpyArray) -> FloatArray:
    """For each row of weights [B, C]: uniforms on the edges between its cells and one rounding to both sides."""
    sums = np.cumsum(weights.astype(np.float64), axis=1)
    at = np.clip(sums / sums[:, -1:], 0, 1)
    return np.concatenate([at, np.nextafter(at, 0), np.nextafter(at, 1).clip(0, 1)], axis=1)


def on_edges(sampler: Sampler, p: NumpyArray, q: NumpyArray, rng: np.random.Generator) -> FloatArray:
    """u [n, k + 1] for p, q [1, V]: each draft's on an edge of its distribution, the last on an edge of the verdict."""
    width = 3 * p.shape[1]
    u, x = np.zeros((width, 0)), np.zeros((width, 0), dtype=np.int64)
    for j in range(sampler.k):
        distribution = edges(np.broadcast_to(sampler.drafts.draft(q, x, sampler.k), (width, p.shape[1])))
        choice = rng.integers(0, width, width) if j else np.arange(width)
        u = np.concatenate([u, np.take_along_axis(distribution, choice[:, None], 1)], axis=1)
        x = np.concatenate([x, inverse_cdf(sampler.drafts.draft(q, x, sampler.k), u[:, j])[:, None]], axis=1)
    verdict = sampler.verify(p, q, x)
    residual = np.broadcast_to(verdict.residual, (width, p.shape[1]))
    last = edges(np.concatenate([verdict.accept, residual], axis=1))
    return np.concatenate([np.repeat(u, last.shape[1], 0), last.reshape(-1, 1)], axis=1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sampler", [*every_pair(2), *own_pairs(1, 3)])
def test_tokens_are_equal_on_every_edge(sampler: Sampler, dtype: str) -> None:
    rng = np.random.default_rng(0)
    for size in (2, 4) if is_slow(sampler) else (2, 5, 11):
        p, q = rows(dtype, size, seed=sampler.k)
        if is_slow(sampler):
            for at in range(0, len(p), 6):
                one = p[at : at + 1], q[at : at + 1]
                same_and_legal(sampler, *one, on_edges(sampler, *one, rng))
        else:
            p, q = p[::3], q[::3]
            each = [on_edges(sampler, p[b : b + 1], q[b : b + 1], rng) for b in range(len(p))]
            p, q = (np.concatenate([np.repeat(a[b : b + 1], len(u), 0) for b, u in enumerate(each)]) for a in (p, q))
            same_and_legal(sampler, p, q, np.concatenate(each))


@pytest.mark.parametrize("sampler", [pair for pair in own_pairs(2) if not is_solved(cast("Sampler", pair.values[0]))])
def test_tokens_are_equal_on_edges_of_wide_rows(sampler: Sampler) -> None:
    """Sums of a thousand entries differ in their last bits where libraries add in orders of their own."""
    rng = np.random.default_rng(1)
    for dtype in ("float64", "float32"):
        p, q = (rng.dirichlet([0.3] * 1009, 1).astype(dtype) for _ in range(2))
        x = edges(np.asarray(sampler.drafts.draft(q, np.zeros((1, 0), dtype=np.int64), 2)))[0]
        first = rng.choice(x, 6)
        u = np.stack([first, rng.random(6)], axis=1)
        drafts = draw_drafts(sampler.drafts, q, u)
        verdict = sampler.verify(p, q, drafts)
        last = edges(np.concatenate([verdict.accept, np.broadcast_to(verdict.residual, (6, 1009))], axis=1))
        u = np.concatenate([np.repeat(u, 200, 0), rng.permuted(last, axis=1)[:, :200].reshape(-1, 1)], axis=1)
        same_and_legal(sampler, p, q, u)


WEIGHTS = st.lists(st.sampled_from([0, 0, 1, 2, 3, 2**-60, 1e-300, 5e-324, 0.1]), min_size=1, max_size=40)


@given(WEIGHTS.filter(lambda weights: sum(weights) >= 1e-300))
def test_inverse_cdf_against_cumulative_sums(weights: list[float]) -> None:
    """Away from the edges by more than the rounding of the sums, the cell is that of the cumulated weights."""
    row = np.asarray([weights], dtype=float)
    u = np.concatenate([edges(row)[0], np.linspace(0, 1, 57)])
    for kind in (np.asarray, torch.from_numpy):
        cell = np.asarray(inverse_cdf(kind(np.repeat(row, len(u), 0)), kind(u)))
        assert np.array_equal(cell, np.asarray(inverse_cdf(kind(row), kind(u))))
        assert (row[0, cell] > 0).all()
        sums = np.cumsum(row[0]) / row.sum()
        before = np.where(cell > 0, sums[cell - 1], 0)
        assert (before <= u + 1e-14).all()
        assert (u <= sums[cell] + 1e-14).all()
        assert (np.diff(cell[np.argsort(u, kind="stable")]) >= 0).all()


@pytest.mark.parametrize("tokens", [1, 2, 7, 8, 9, 63, 64, 65, 1000, 4097])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_have_the_same_bits_and_are_close(tokens: int, dtype: str) -> None:
    a = np.random.default_rng(tokens).dirichlet([0.3] * tokens, 5).astype(dtype)
    ours = total(a)
    assert ours.dtype == a.dtype
    assert ours.shape == (5, 1)
    assert np.array_equal(ours, np.asarray(total(torch.from_numpy(a))))
    assert np.array_equal(ours[2:3], total(a[2:3]))
    exactly = a.astype(np.longdouble).sum(axis=1, keepdims=True)
    assert np.abs(ours - exactly).max() <= 40 * np.finfo(np.float32 if dtype == "float16" else dtype).eps + (
        np.finfo(dtype).eps
    )


@pytest.mark.parametrize("cells", [1, 2, 3, 7, 64, 1000])
def test_one_uniform_falls_into_the_cell_that_it_has_in_a_batch(cells: int) -> None:
    rng = np.random.default_rng(cells)
    faint = rng.random(cells) * 10.0 ** -rng.integers(0, 320, cells)
    for weights in (rng.random(cells), np.ones(cells), faint, rng.integers(0, 2, cells) + (np.arange(cells) == 0.0)):
        edges = np.cumsum(weights) / weights.sum()
        u = np.concatenate([rng.random(50), edges, np.nextafter(edges, 0), [0.0, 5e-324, 1 - 2.0**-53, 1.0]])
        u = np.minimum(u, 1.0)
        assert [descend(sums(weights), x) for x in u.tolist()] == inverse_cdf(weights[None], u).tolist()
