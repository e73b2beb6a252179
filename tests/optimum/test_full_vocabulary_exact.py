"""`cut` against integers: its value is within its stated error for every row, dtype, policy and way through it."""

from fractions import Fraction
from typing import Any

import exact_rows
import numpy as np
import pytest
import torch
from every import closed_form

from spechub_lp import cut, draw, exact, reference, samplers
from spechub_lp.drafts import by_name
from spechub_lp.drafts.top_k import most_likely
from spechub_lp.errors import InvalidDistribution, SpecHubError
from spechub_lp.typing import Array

DRAFTS = [
    ("iid", (1, 2, 3, 4)),
    ("without_replacement", (1, 2)),
    ("hub", (2,)),
    ("greedy", (1, 2, 3)),
    ("top_k", (1, 3)),
]
WIDTHS = (1, 2, 3, 12, 47, 48, 130)


def must_hold(p: Array, q: Array, drafts: str, k: int) -> None:
    """Both ways through the cut, in the library of the row and, from numpy, in torch too."""
    right = exact_rows.optimum(p, q, k, drafts)
    pairs = [(p, q)] if isinstance(p, torch.Tensor) else [(p, q), (torch.from_numpy(p), torch.from_numpy(q))]
    for a, b in pairs:
        for sort in (False, True):
            found = cut(a, b, k, drafts, sort=sort)
            off = abs(Fraction(float(found.alpha[0])) - right)
            assert off <= Fraction(float(found.error[0])), (
                drafts,
                k,
                len(p),
                sort,
                float(found.alpha[0]),
                float(right),
            )
            assert float(found.error[0]) < 3e-13


@pytest.mark.parametrize("dtype", exact_rows.DTYPES)
@pytest.mark.parametrize("kind", exact_rows.KINDS)
def test_the_stated_error_holds_for_every_kind_of_row(kind: str, dtype: str) -> None:
    rng = np.random.default_rng(exact_rows.KINDS.index(kind) + 100 * exact_rows.DTYPES.index(dtype))
    for v in WIDTHS:
        p, q = (exact_rows.in_dtype(row, dtype) for row in exact_rows.rows(kind, v, rng))
        for drafts, ks in DRAFTS:
            must_hold(p, q, drafts, int(rng.choice(ks)))


@pytest.mark.parametrize("dtype", exact_rows.DTYPES)
@pytest.mark.parametrize("v", [48, 777, 1000, 2000])
def test_many_tokens_at_one_ratio(v: int, dtype: str) -> None:
    """A bucket whose best prefix was missed by a slack that knew neither the dtype nor the length of the sums."""
    half = np.arange(v) < v // 2
    for low, high in ((0.75, 1.25), (0.5, 1.5), (0.9, 1.1)):
        q = np.full(v, 1 / v)
        p = np.where(half, low, high) / np.where(half, low, high).sum()
        for k in (1, 2, 3, 4):
            must_hold(exact_rows.in_dtype(p, dtype), exact_rows.in_dtype(q, dtype), "iid", k)
        must_hold(exact_rows.in_dtype(p, dtype), exact_rows.in_dtype(q, dtype), "without_replacement", 2)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", exact_rows.DTYPES)
def test_rows_of_counts(dtype: str) -> None:
    rng = np.random.default_rng(7)
    for _ in range(15):
        for kind in ("counts", "few_ratios", "edges"):
            p, q = exact_rows.rows(kind, int(rng.integers(48, 140)), rng)
            for drafts, ks in DRAFTS[:2]:
                must_hold(exact_rows.in_dtype(p, dtype), exact_rows.in_dtype(q, dtype), drafts, int(rng.choice(ks)))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("v", [3, 5, 9, 48, 60])
def test_tops_an_ulp_apart_are_chosen_once(v: int, dtype: str) -> None:
    """Policy, rule, exact distribution and cut take the tops of the row as given; over its sum they would tie."""
    rng = np.random.default_rng(v)
    for _ in range(6):
        p, q = (exact_rows.in_dtype(row, dtype)[None] for row in exact_rows.rows("ulp_tops", v, rng))
        right = exact_rows.tops(exact_rows.integers(q[0]), 4)
        for a, u in ((q, np.full((1, 4), 0.5)), (torch.from_numpy(q), torch.full((1, 4), 0.5))):
            assert most_likely(a, len(right)).tolist() == [right]
            x = draw(samplers.by_name("greedy_hubs", 3), a, a, u).drafts
            assert x[0, :2].tolist() == right[:2]
            assert np.flatnonzero(np.asarray(by_name("top_k").draft(a, most_likely(a, 1), 2)[0])).tolist() == [right[1]]
        for name, k in (("spechub", 2), ("greedy_hubs", 2), ("greedy_hubs", 3)):
            rule = samplers.by_name(name, k)
            best = exact_rows.optimum(p[0], q[0], k, rule.drafts.name)
            for a, b in ((p, q), (torch.from_numpy(p), torch.from_numpy(q))):
                assert float(closed_form(rule, a, b)[0]) == pytest.approx(float(best), abs=1e-6)
                assert float(cut(a, b, k, rule.drafts).alpha[0]) == pytest.approx(float(best), abs=1e-13)
                seen = reference(rule, a, b)
                assert seen.distance < 1e-6
                assert float(seen.acceptance) == pytest.approx(float(best), abs=1e-6)
            if v < 10 and dtype == "float64":
                distribution = exact(rule, p[0], q[0])
                assert distribution.is_lossless
                assert distribution.acceptance == best


BAD: list[tuple[Any, str]] = [
    (np.asarray([1, 0]), "dtype int64"), (torch.asarray([1, 0]), "dtype int64"),
    (np.asarray([True, False]), "dtype bool"),
    ("1/2,1/2", "not an array"), (None, "not an array"), (0.5, "not an array"), (["a", "b"], "not an array"),
    (np.asarray([np.nan, 1.0]), r"p\[0\] = nan"), (np.asarray([-0.5, 1.5]), r"p\[0\] = -0.5"),
    (np.asarray([np.inf, 0.0]), "p sums to inf"), (np.asarray([1e308, 1e308]), "p sums to inf"),
    (np.asarray([3.0, 1.0]), "p sums to 4.0"), (np.asarray([0.0, 0.0]), "p sums to 0"),
    (np.asarray([0.5, 0.5 + 1e-5]), "p sums to 1.00001"), (np.asarray([50.0, 7.0], dtype=np.float32), "p sums to 57"),
    (np.asarray([0.5 + 0j, 0.5]), "dtype complex128"),
]  # fmt: skip


@pytest.mark.parametrize("drafts", [name for name, _ in DRAFTS])
@pytest.mark.parametrize("v", [2, 48, 64, 500])
@pytest.mark.parametrize("row", range(len(BAD)))
def test_bad_rows_are_named_at_every_width(row: int, v: int, drafts: str) -> None:
    """The checks stand before the first branch, so no width and no policy has its own."""
    bad, message = BAD[row]
    if hasattr(bad, "ndim"):
        wide = np.zeros(v, dtype=bad.dtype) if isinstance(bad, np.ndarray) else torch.zeros(v, dtype=bad.dtype)
        wide[:2] = bad
        bad = wide
    good = torch.ones(v) / v if isinstance(bad, torch.Tensor) else np.full(v, 1 / v)
    for sort in (False, True):
        with pytest.raises(InvalidDistribution, match=message):
            cut(bad, good, 2, drafts, sort=sort)
        with pytest.raises(InvalidDistribution, match=message.replace("p", "q", 1) if message[0] == "p" else message):
            cut(good, bad, 2, drafts, sort=sort)


@pytest.mark.parametrize("drafts", [name for name, _ in DRAFTS])
@pytest.mark.parametrize("v", [1, 2, 48, 64])
def test_shapes_and_counts_at_every_width(v: int, drafts: str) -> None:
    row = np.full((3, v), 1 / v)
    two: Any = np.int64(2)
    for a in (row, torch.from_numpy(row)):
        empty = cut(a[:0], a[:0], 2, drafts)
        assert (tuple(empty.alpha.shape), tuple(empty.H.shape), tuple(empty.error.shape)) == ((0,), (0, v), (0,))
        assert tuple(cut(a[:0], a[:1], 2, drafts).alpha.shape) == (0,)
        assert tuple(cut(a[:1], a, 2, drafts).alpha.shape) == tuple(cut(a, a[0], two, drafts).H.shape)[:1] == (3,)
        with pytest.raises(SpecHubError, match="numbers of rows differ: p has 3, q has 2"):
            cut(a, a[:2], 2, drafts)
        with pytest.raises(SpecHubError, match=rf"p has shape \(1, 3, {v}\); cut takes .*p.reshape\(-1, {v}\)"):
            cut(a[None], a, 2, drafts)
        bad: tuple[Any, ...] = (True, 0, -1, 2.0, "2", None, np.float64(2), [2])
        for k in bad:
            with pytest.raises(SpecHubError, match="k = "):
                cut(a, a, k, drafts)
    with pytest.raises(SpecHubError, match="mixed arrays: p arrays of numpy and q arrays of torch"):
        cut(row, torch.from_numpy(row), 2, drafts)
    assert cut(row.tolist(), row.tolist(), 2, drafts).alpha.tolist() == cut(row, row, 2, drafts).alpha.tolist()
