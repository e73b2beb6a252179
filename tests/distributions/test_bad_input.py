"""Bad input gets one clear error that names the value, the place and a hint."""

from decimal import Decimal
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest
import torch

from spechub_lp import certificate, distributions, exact, optimum, samplers, sampling_torch
from spechub_lp.errors import CertificateError, InvalidDistribution, SpecHubError, TooLarge, UnknownName

RRS = samplers.by_name("rrs")


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (
            ["1/2", "-1/7", "9/14"],
            r"p\[1\] = -1/7 is negative; a distribution needs entries >= 0\. Did you pass logits\?",
        ),
        (["1/2", "1/4"], "p sums to 3/4, not 1; pass normalize=True"),
        ([3, 1, 1], "p sums to 5, not 1; pass normalize=True"),
        ([0.5, 0.4], "p sums to 0.9, not 1"),
        ([0, 0], "p sums to 0; a distribution needs some mass"),
        ([], "p is empty"),
        (["1/2", "x"], r"p\[1\] = 'x' is not a number \(write 1/3, 0.2 or 0\)"),
        (["1/0", "1"], r"p\[0\] = '1/0' is not a number .* it divides by 0"),
        ([float("nan"), 1.0], r"p\[0\] = nan is not a number"),
        ([float("inf"), 1.0], r"p\[0\] = inf is not a number"),
        ([None, 1], r"p\[0\] = None is not a number"),
        (["1e-99999999", "1"], r"p\[0\] = '1e-99999999' is not a number .* its exponent is beyond 2,000"),
        ([Decimal("1e-99999999"), 1], r"p\[0\] = .* its exponent is beyond 2,000"),
        (["1e9999999999", "1"], r"p\[0\] = '1e9999999999' is not a number"),
        (["1/" + "3" * 3000, "1"], r"3,002 characters are more than 2,000"),
        (["1" * 1999, "1"], r"p sums to 1{59}.* \(1,999 characters\), not 1"),
        (["-" + "1" * 1999, "1"], r"p\[0\] = -1{59}.* is negative"),
        ([F(-1, 10**5000), 1], r"p\[0\] = -1/10{56}\.\.\. \(5,004 characters\) is negative"),
        ([F(1, 10**5000), 1], r"p sums to 1000.*, not 1"),
        (["1_0/2_0", "1/2"], r"'1_0/2_0' is not a number .* it is no fraction and no decimal number"),
        (["\u0661/\u0662", "1/2"], r"it is no fraction and no decimal number"),
        (["1 /2", "1/2"], r"it is no fraction and no decimal number"),
        (["0x1", "0"], r"it is no fraction and no decimal number"),
    ],
)
def test_distributions(p: Any, message: str) -> None:
    with pytest.raises(InvalidDistribution, match=message):
        exact(RRS, p, ["1/2", "1/2"])


def test_lengths() -> None:
    with pytest.raises(InvalidDistribution, match="p has 2 tokens and q has 3; both need the same vocabulary"):
        exact(RRS, ["1/2", "1/2"], ["1/3", "1/3", "1/3"])


@pytest.mark.parametrize(
    "p",
    [
        ["1/5", "4/5"], "1/5,4/5", [F(1, 5), F(4, 5)], ["0.2", "0.8"], [0.2, 0.8], np.array([0.2, 0.8]),
        torch.tensor([0.2, 0.8], dtype=torch.float64), [np.float64(0.2), np.float64(0.8)],
    ],
    ids=lambda p: type(p).__name__,
)  # fmt: skip
def test_every_kind_of_distribution_is_read(p: Any) -> None:
    read = distributions.parse(p)
    assert sum(read) == 1
    assert all(type(v) is F and type(v.numerator) is int for v in read)
    assert abs(read[0] - F(1, 5)) < F(1, 10**15)


@pytest.mark.parametrize(
    "half", ["0.5", ".5", "1/2", " 1/2 ", "5e-1", "+0.5", "50E-2", "0.50", Decimal("0.5"), "01/02"]
)
def test_every_way_to_write_a_number(half: str) -> None:
    assert distributions.parse([half, "1/2"]) == (F(1, 2), F(1, 2))


def test_the_smallest_float_written_out_is_read() -> None:
    written = f"{Decimal.from_float(2.0**-1074):f}"
    assert len(written) == 1076
    assert distributions.parse([written, "1"], normalize=True)[0] == F(1, 2**1074 + 1)


def test_counts_are_normalized_only_when_asked() -> None:
    assert distributions.parse([3, 1, 1], normalize=True) == (F(3, 5), F(1, 5), F(1, 5))
    assert exact(RRS, [3, 1, 1], [1, 1, 1], normalize=True).is_lossless


def test_floats_are_the_distribution_that_they_round() -> None:
    assert distributions.parse([0.1] * 10) == (F(1, 10),) * 10
    assert sum(distributions.parse([0.1, 0.2, 0.7])) == 1


def test_float_rows() -> None:
    with pytest.raises(InvalidDistribution, match=r"p\[2\] = -0.5 is not a probability \(index \[1, 2\]\)"):
        distributions.float_rows(np.array([[0.5, 0.5, 0], [1, 0.5, -0.5]]))
    with pytest.raises(InvalidDistribution, match=r"q sums to 0.9.*not 1 \(row 1\)"):
        distributions.float_rows(np.array([[0.5, 0.5], [0.5, 0.4]]), "q")
    with pytest.raises(InvalidDistribution, match="p has dtype int64"):
        distributions.float_rows(np.array([[1, 0]]))
    with pytest.raises(InvalidDistribution, match=r"shape \(1, 0\)"):
        distributions.float_rows(np.zeros((1, 0)))
    with pytest.raises(InvalidDistribution, match=r"p\[0\] = nan"):
        distributions.float_rows(torch.tensor([float("nan"), 1.0]))


def test_logits() -> None:
    logits = np.array([[0.0, np.log(3), -np.inf, np.log(4)]])
    assert np.allclose(distributions.from_logits(logits), [[1 / 8, 3 / 8, 0, 4 / 8]])
    assert np.allclose(distributions.from_logits(logits, temperature=0.5), [[1 / 26, 9 / 26, 0, 16 / 26]])
    assert np.allclose(distributions.from_logits(logits, top_k=2), [[0, 3 / 7, 0, 4 / 7]])
    assert np.allclose(distributions.from_logits(logits, top_p=0.6), [[0, 3 / 7, 0, 4 / 7]])
    assert np.allclose(distributions.from_logits(logits, top_p=0.45), [[0, 0, 0, 1]])
    assert np.allclose(distributions.from_logits(torch.from_numpy(logits), top_k=2, top_p=0.9), [[0, 3 / 7, 0, 4 / 7]])
    assert distributions.from_logits(torch.zeros(2, dtype=torch.bfloat16)).dtype == torch.float32
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"temperature": 0}, "temperature = 0; it must be > 0"),
        ({"top_k": 0}, "top_k = 0"),
        ({"top_p": 1.5}, "top_p = 1.5"),
    ]
    for kwargs, message in wrong:
        with pytest.raises(InvalidDistribution, match=message):
            distributions.from_logits(logits, **kwargs)
    for bad in ([np.nan, 0.0], [np.inf, 0.0], [-np.inf, -np.inf]):
        with pytest.raises(
            InvalidDistribution, match=r"row \[1\] of the logits has a NaN, a \+inf, or no finite entry"
        ):
            distributions.from_logits(np.array([[0.0, 1.0], bad]))


def test_logits_at_every_temperature_and_dtype() -> None:
    """A temperature that float32 cannot hold gave 0 / 0 or inf / inf; numpy's scalars changed the dtype."""
    logits = np.array([[1.0, 0.5, -np.inf, 1.0]])
    for dtype in (np.float16, np.float32, np.float64):
        for a in (logits.astype(dtype), torch.from_numpy(logits.astype(dtype))):
            for temperature, right in [
                (5e-324, [0.5, 0, 0, 0.5]), (1e-50, [0.5, 0, 0, 0.5]), (1e-40, [0.5, 0, 0, 0.5]),
                (1e40, [1 / 3, 1 / 3, 0, 1 / 3]), (1e308, [1 / 3, 1 / 3, 0, 1 / 3]),
            ]:  # fmt: skip
                got = distributions.from_logits(a, temperature)
                assert np.abs(np.asarray(got) - right).max() < 1e-7
                assert distributions.dtype_name(got) == ("float32" if dtype == np.float16 else np.dtype(dtype).name)
    halves: tuple[Any, ...] = (np.float64(0.5), np.float32(0.5), np.asarray(0.5), torch.tensor(0.5), F(1, 2))
    for half in halves:
        assert distributions.from_logits(logits.astype(np.float32), half).dtype == np.float32
    far = np.array([[-1.7e308, 1.7e308]])
    assert (
        distributions.from_logits(far).tolist() == distributions.from_logits(torch.from_numpy(far)).tolist() == [[0, 1]]
    )
    assert np.allclose(distributions.from_logits(np.array([[0, 0, 5]]), 1e-3), [[0, 0, 1]])
    assert distributions.from_logits(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf, "1", None, True, [1.0], np.float16(1e-9)])
def test_temperatures_that_are_none(temperature: Any) -> None:
    with pytest.raises(InvalidDistribution, match="temperature = "):
        distributions.from_logits(np.zeros(3), temperature)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("1/2,1/2", "is not an array of numbers"), (None, "is not an array of numbers"),
        (0.5, "is not an array of numbers"), (np.float64(0.5), "shape"), ([[0.5, 0.5], [1.0]], "not an array"),
        ([None, 1.0, "x"], "not an array"), ({"a": 1}, "not an array"), (np.array([1, 0]), "dtype int64"),
        (torch.tensor([1, 0]), "dtype int64"), (np.array([True, False]), "dtype bool"),
        (np.array([0.5j, 0.5]), "dtype complex128"), (np.array([F(1, 2)] * 2), "dtype object"),
        (np.zeros((2, 2, 2, 2)), r"reshape\(-1, 2\)"), ([], "shape"), (np.asarray([], dtype=np.float64), "shape"),
        (np.ma.masked_array([0.5, 0.5], mask=[True, False]), "masked array"),
    ],
    ids=lambda v: str(v)[:20],
)  # fmt: skip
def test_what_is_no_array_of_floats(values: Any, message: str) -> None:
    with pytest.raises(InvalidDistribution, match=message):
        distributions.float_rows(values)
    if "reshape" not in message and "int64" not in message:
        with pytest.raises(InvalidDistribution, match="logits"):
            distributions.from_logits(values)


def test_kinds_of_arrays_of_their_own_become_plain() -> None:
    """In numpy.matrix, for one, * is another operation."""

    class Marked(np.ndarray):
        pass

    assert type(distributions.float_rows(np.array([0.5, 0.5]).view(Marked))) is np.ndarray


def test_arrays_that_torch_would_not_share() -> None:
    """Read-only and reversed arrays go to torch as copies, without a warning."""
    row = np.array([0.0, 1.0])
    row.setflags(write=False)
    for p, token in ((row, 1), (row[::-1], 0), (np.broadcast_to(row, (3, 2)), 1)):
        assert sampling_torch.draw(RRS, p, p, np.full((3, 3), 0.5)).tokens.tolist() == [token] * 3


@pytest.mark.parametrize("source", [None, 1, -1, True, [], ["x"], np.zeros(2), b"x", "a\0b", "\ud800"], ids=repr)
def test_what_is_no_certificate(source: Any) -> None:
    with pytest.raises(CertificateError, match=r"neither a certificate nor|cannot read"):
        certificate.check(source)


def test_whole_numbers() -> None:
    for three in (3, np.int64(3), np.uint8(3), np.asarray(3)):
        assert distributions.count(three) == 3
        assert type(distributions.count(three)) is int
    wrong: tuple[Any, ...] = (True, np.True_, 1.0, "2", None, [2], np.asarray([2]), F(2), [[2, 3], 1])
    for k in wrong:
        with pytest.raises(SpecHubError, match=r"k = .* is not a whole number"):
            distributions.count(k)
    with pytest.raises(SpecHubError, match="k = 0; it must be at least 1"):
        distributions.count(0)


def test_arrays_that_do_not_go_together() -> None:
    rows = np.ones((3, 1))
    distributions.same_library(p=rows, q=rows)
    with pytest.raises(SpecHubError, match="mixed arrays: p arrays of numpy and q arrays of torch"):
        distributions.same_library(p=rows, q=torch.ones(3, 1))
    with pytest.raises(SpecHubError, match="mixed arrays: p arrays on cpu and q arrays on meta"):
        distributions.same_library(p=torch.ones(3, 1), q=torch.ones(3, 1, device="meta"))
    assert distributions.batch(p=rows, q=rows[:1]) == 3
    assert distributions.batch(p=rows[:0], q=rows[:1]) == 0
    assert distributions.batch(p=rows[:1], q=rows[:1]) == 1
    with pytest.raises(SpecHubError, match="p has 3, q has 2; they must agree, or be 1"):
        distributions.batch(p=rows, q=rows[:2])


def test_names() -> None:
    with pytest.raises(UnknownName, match=r"unknown sampler 'spechubb'\. Did you mean 'spechub'\? Known: border"):
        samplers.by_name("spechubb")
    with pytest.raises(UnknownName, match="unknown draft policy 'without-replacement'"):
        RRS.with_drafts("without-replacement")
    with pytest.raises(SpecHubError, match=r"spechub verifies two drafts; k = 3 \(use greedy_hubs"):
        samplers.by_name("spechub", 3)
    with pytest.raises(SpecHubError, match="two_step chooses between two drafts; k = 1"):
        samplers.by_name("two_step", 1)
    wrong: tuple[Any, ...] = (0, -1, 1.5, "2")
    for k in wrong:
        with pytest.raises(SpecHubError, match="k = "):
            samplers.by_name("rrs", k)


def test_sizes() -> None:
    wide = [F(1, 1001)] * 1001
    with pytest.raises(TooLarge, match=r"V\^k = 1001\^2 = 1,002,001 draft tuples are too many .* use spechub_lp"):
        optimum(wide, wide)
    wide = [F(1, 300)] * 300
    with pytest.raises(TooLarge, match=r"a table of 90,000 draft tuples by 300 tokens is too large .* use draw"):
        exact(RRS, wide, wide)


@pytest.mark.parametrize(
    "rows",
    [
        None, 3, "ab", [], [[]], [None], [[None, 1]], [["a", 1]], [[1, 0], [1]], [[1j, 0]], [0.5, 0.5],
        [[float("nan"), 1.0]], [[0.5, float("nan")]], [[float("inf"), 1]], [[-1, 2]], np.zeros((0, 3)),
    ],
    ids=str,
)  # fmt: skip
def test_restrict_says_what_is_no_row(rows: Any) -> None:
    with pytest.raises(InvalidDistribution, match=r"rows = .*restrict\(\[p, q\], tokens\)"):
        distributions.restrict(rows, 1)


@pytest.mark.parametrize("tokens", [0, -1, None, float("nan"), 2.5, "2", True, [2]], ids=str)
def test_restrict_says_what_is_no_number_of_tokens(tokens: Any) -> None:
    with pytest.raises(InvalidDistribution, match="tokens = "):
        distributions.restrict([[0.5, 0.5]], tokens)
