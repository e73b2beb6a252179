"""A certificate that is right is accepted; any corruption is rejected; the checker imports no solver."""

import copy
import io
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction as F
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from independent_checker import verdict
from places import ROOT

from spechub_lp import certificate, drafts, optimum
from spechub_lp._util.io import write_json
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import CertificateError, Refuted, TooLarge
from spechub_lp.testing.strategies import instances
from spechub_lp.typing import Distribution, FloatArray

DATA = ROOT / "tests" / "data" / "certificates"
DAMAGED = [json.loads(line) for line in (DATA / "damaged.jsonl").read_text(encoding="ascii").splitlines()]
GOOD = optimum(["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"]).certificate()


@given(pqk=instances(max_tokens=4), policy=st.sampled_from(drafts.ALL))
def test_every_optimum_is_certified(pqk: tuple[Distribution, Distribution, int], policy: DraftPolicy) -> None:
    p, q, k = pqk
    if policy.name == "hub" and k != 2:
        return
    best = optimum(p, q, k, policy)
    claim = certificate.check(json.loads(json.dumps(best.certificate())))
    assert (claim.alpha, claim.H, claim.p) == (best.alpha, best.H, p)


def test_product_and_tabulated_drafts() -> None:
    several = optimum(["1/2", "1/2"], [["1/3", "2/3"], ["1", "0"]], 2, "product")
    assert certificate.check(several.certificate()).alpha == several.alpha

    class Own(drafts.IID):
        name = "own"

    document = optimum(["1/2", "1/2"], ["1/3", "2/3"], 2, Own()).certificate()
    assert document["claim"]["drafts"][0] == [[0, 0], "1/9"]
    assert certificate.check(document).alpha == optimum(["1/2", "1/2"], ["1/3", "2/3"]).alpha


def corrupt(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    change(document)
    return document


def bump(text: str) -> str:
    return str(F(text) + F(1, 1000))


def swap_mass(d: dict[str, Any]) -> None:
    d["coupling"][0][2], d["coupling"][1][2] = bump(d["coupling"][0][2]), str(F(d["coupling"][1][2]) - F(1, 1000))


CORRUPTIONS = {
    "alpha": (lambda d: d["claim"].update(alpha="2/5"), "accepts 39/100; the claim is alpha = 2/5"),
    "a mass": (lambda d: d["coupling"][0].__setitem__(2, bump(d["coupling"][0][2])), "carry"),
    "two masses": (swap_mass, "carry"),
    "H too small": (lambda d: d.update(H=[]), r"1 \+ p\(H\) - Q\(H\) = 1; the claim"),
    "H too large": (lambda d: d.update(H=[0, 1, 2]), "the claim is alpha"),
    "H with a foreign token": (lambda d: d.update(H=[0, 7]), "7 is not a token below 3"),
    "H twice": (lambda d: d.update(H=[0, 0, 1]), "not a set"),
    "p": (lambda d: d["claim"].update(p=["1/5", "0", "4/5"]), "token 0 gets"),
    "p no distribution": (lambda d: d["claim"].update(p=["1/5", "1/5", "4/5"]), "not a probability distribution"),
    "p negative": (lambda d: d["claim"].update(p=["-1/5", "2/5", "4/5"]), "'-1/5' is not a rational >= 0"),
    "p shorter": (lambda d: d["claim"].update(p=["1/5", "4/5"]), "differ in length"),
    "q": (lambda d: d["claim"].update(q=["3/10", "3/5", "1/10"]), "their probability is"),
    "drafts": (lambda d: d["claim"].update(drafts="without_replacement"), r"have probability 0|their probability"),
    "unknown drafts": (lambda d: d["claim"].update(drafts="idd"), "unknown draft policy 'idd'"),
    "k": (lambda d: d["claim"].update(k=3), "has 2 parts; the format has 3"),
    "k as text": (lambda d: d["claim"].update(k="2"), "not a positive whole number"),
    "k = 0": (lambda d: d["claim"].update(k=0), "not a positive whole number"),
    "entry removed": (lambda d: d["coupling"].pop(), "carry|some are missing"),
    "entry twice": (lambda d: d["coupling"].append(d["coupling"][0]), "repeats"),
    "zero mass": (lambda d: d["coupling"].append([[0, 0], 0, "0"]), "must be positive"),
    "negative mass": (lambda d: d["coupling"].append([[0, 0], 0, "-1/10"]), "is not a rational >= 0"),
    "output moved": (lambda d: d["coupling"][0].__setitem__(1, 0), "token 0 gets|repeats"),
    "float": (lambda d: d["claim"].update(alpha=0.39), "not a rational in a string"),
    "float text": (lambda d: d["claim"].update(alpha="0.39000000001"), "not a rational"),
    "nan": (lambda d: d["claim"].update(alpha="nan"), "not a rational"),
    "no H": (lambda d: d.pop("H"), "fields"),
    "a field more": (lambda d: d.update(extra=1), "fields"),
    "format": (lambda d: d.update(format="spechub-lp certificate 2"), "is not 'spechub-lp certificate 1'"),
    "coupling of one drafts' distribution for the other": (
        lambda d: d["claim"].update(drafts=[[[0, 1], "1/2"], [[1, 0], "1/2"]]),
        "have probability 0|their probability",
    ),
    "empty": (lambda d: d.clear(), "fields"),
    "coupling no list": (lambda d: d.update(coupling=3), "coupling is 3, not a list"),
    "true as a token": (lambda d: d["coupling"][0].__setitem__(1, True), "not a token"),
}


def test_the_good_one_is_accepted() -> None:
    assert certificate.check(GOOD).alpha == F(39, 100)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_are_rejected(name: str) -> None:
    change, message = CORRUPTIONS[name]
    with pytest.raises(CertificateError, match=message):
        certificate.check(corrupt(change))


def test_any_changed_digit_is_rejected(tmp_path: Path) -> None:
    text, file = json.dumps(GOOD), tmp_path / "changed.json"
    for i in [i for i, c in enumerate(text) if c.isdigit()]:
        for digit in set("0123456789") - {text[i]}:
            file.write_text(text[:i] + digit + text[i + 1 :])
            with pytest.raises(CertificateError):
                certificate.check(file)


def test_the_page_of_the_format_is_that_of_the_checker() -> None:
    page = (ROOT / "docs" / "certificate_format.md").read_text(encoding="utf-8")
    example = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert example
    assert certificate.check(json.loads(example[1])).alpha == F(7, 12)
    for limit in (certificate.MAX_BYTES, certificate.MAX_DIGITS):
        assert f"{limit:,}" in page
    assert all(f'"{policy}"' in page for policy in certificate.POLICIES)
    assert {policy.name for policy in drafts.ALL} == set(certificate.POLICIES)
    assert f'"{certificate.FORMAT}"' in page


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    with pytest.raises(CertificateError, match="cannot read"):
        certificate.check(file)
    file.write_text("{")
    with pytest.raises(CertificateError, match="is not JSON"):
        certificate.check(file)
    file.write_text("[]")
    with pytest.raises(CertificateError, match="holds no JSON object"):
        certificate.check(file)
    file.write_text(json.dumps(GOOD))
    assert certificate.check(file).k == 2


def test_the_checker_runs_without_solver_or_numpy() -> None:
    """The file itself, loaded without the package around it but for the errors."""
    code = (
        "import sys, types, importlib.util as u;"
        "from pathlib import Path;"
        "root = Path(sys.argv[1]);"
        "package = types.ModuleType('spechub_lp'); package.__path__ = [str(root)]; sys.modules['spechub_lp'] = package;"
        "from spechub_lp import certificate;"
        "import json; certificate.check(json.loads(sys.argv[2]));"
        "bad = {'numpy', 'highspy', 'scipy', 'cvxpy', 'torch', 'gmpy2'} & set(sys.modules); assert not bad, bad"
    )
    root = certificate.__file__.rsplit("/", 1)[0]
    subprocess.run([sys.executable, "-c", code, root, json.dumps(GOOD)], check=True)


# The corpus: kinds of damage as data, with the exit code of each


def code_of(data: bytes, file: Path) -> int:
    file.write_bytes(data)
    try:
        certificate.check(file)
    except CertificateError as error:
        return error.exit_code
    return 0


def test_damaged_certificates_get_the_exit_code_that_they_deserve(tmp_path: Path) -> None:
    wrong = {}
    for case in DAMAGED:
        code = code_of(case["text"].encode("latin-1"), tmp_path / "c.json")
        if code != case["exit"]:
            wrong[case["kind"]] = code
    assert wrong == {}
    assert len({case["kind"].partition(" (")[0] for case in DAMAGED if case["exit"]}) >= 150
    assert min(sum(case["exit"] == code for case in DAMAGED) for code in (0, 1, 2)) >= 15


def test_an_independent_checker_agrees_on_the_corpus() -> None:
    wrong = {c["kind"]: got for c in DAMAGED if (got := verdict(c["text"].encode("latin-1"))) != c["exit"]}
    assert wrong == {}


def test_an_independent_checker_agrees_on_mutated_certificates(tmp_path: Path) -> None:
    """Bytes are changed, removed, repeated and taken from other certificates."""
    rng = random.Random(11)
    pool = [c["text"].encode("latin-1") for c in DAMAGED if len(c["text"]) < 1500]
    seen = set()
    for _ in range(250):
        data = bytearray(rng.choice(pool))
        for _ in range(rng.choice((1, 1, 2, 5))):
            at, other = rng.randrange(len(data) + 1), rng.choice(pool)
            start = rng.randrange(len(other) + 1)
            piece = bytes([rng.randrange(256)]) if rng.random() < 0.3 else other[start : start + rng.randrange(20)]
            data[at : at + rng.choice((0, 1, len(piece)))] = piece if rng.random() < 0.8 else b""
        right = verdict(bytes(data))
        assert code_of(bytes(data), tmp_path / "c.json") == right, bytes(data)
        seen.add(right)
    for _ in range(100):  # a digit another digit: mostly still of the format
        data = bytearray(rng.choice([c["text"].encode("latin-1") for c in DAMAGED if c["exit"] == 0]))
        digits = [i for i, c in enumerate(data) if chr(c).isdigit()]
        data[rng.choice(digits)] = ord(rng.choice("0123456789"))
        right = verdict(bytes(data))
        assert code_of(bytes(data), tmp_path / "c.json") == right, bytes(data)
        seen.add(right)
    assert seen == {0, 1, 2}


def test_the_corpus_is_what_its_script_makes() -> None:
    spec = spec_from_file_location("make", DATA / "make.py")
    assert spec
    assert spec.loader
    make = module_from_spec(spec)
    spec.loader.exec_module(make)
    assert make.text() == (DATA / "damaged.jsonl").read_text(encoding="ascii")


def test_false_and_unreadable_are_two_errors() -> None:
    with pytest.raises(Refuted) as false:
        certificate.check(corrupt(lambda d: d["claim"].update(alpha="2/5")))
    with pytest.raises(CertificateError) as unreadable:
        certificate.check(corrupt(lambda d: d["claim"].update(alpha="0.4")))
    assert (false.value.exit_code, unreadable.value.exit_code) == (1, 2)
    assert not isinstance(unreadable.value, Refuted)


# Small input, bounded work


def claim(V: int, k: int, coupling: list[Any], distribution: str | None = None) -> dict[str, Any]:
    row = [distribution or f"1/{V}"] * V
    parts = {"p": row, "q": row, "drafts": "iid", "k": k, "alpha": "1"}
    return {"format": certificate.FORMAT, "claim": parts, "coupling": coupling, "H": []}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (claim(1, 10**9, [[[0, 0], 0, "1"]]), "has 2 parts; the format has 1000000000"),
        (claim(1, 10**9, []), "have probability 0 together, not 1"),
        (claim(1, 10**5000, []), "have probability 0 together, not 1"),
        (claim(2, 40, [[[0] * 40, 0, "1"]]), "drafts .* carry 1 in the coupling"),
        (claim(1000, 3, [[[0, 0, 0], 0, "1"]]), "carry 1 in the coupling; their probability is 1/1000000000"),
        (claim(1, 2, [], "1e-99999999"), "is not a rational"),
        (claim(1, 2, [], f"1/1{'0' * 100_000}"), "an integer of more than 100,000 digits"),
        (
            claim(1, 10**5, [[[0] * 10**5, 0, "1"]], "1/2"),
            "q is not a probability distribution|p is not a probability distribution",
        ),
    ],
)
def test_endless_work_is_none(document: dict[str, Any], message: str) -> None:
    with pytest.raises(CertificateError, match=message):
        certificate.check(document)


def test_many_drafts_are_checked_in_steps_that_grow_with_the_file() -> None:
    k = 3_000
    for policy in ("iid", "without_replacement", "greedy", "top_k"):
        document = claim(1, k, [[[0] * k, 0, "1"]])
        document["claim"]["drafts"] = policy
        assert certificate.check(document).k == k


def test_sums_and_products_of_the_checker_are_bounded() -> None:
    digits = 30_000
    coprime = [f"1/{'1' + '0' * (digits - len(end)) + end}" for end in ("1", "3", "7", "9", "11")]
    with pytest.raises(CertificateError, match="a denominator of more than 100,000 digits"):
        certificate.check(claim(5, 1, []) | {"claim": claim(5, 1, [])["claim"] | {"p": coprime}})
    long = f"1{'0' * 30_000}"
    halves = [f"{'3' * 30_000}/{long}", f"{'6' * 29_999}7/{long}"]
    document = claim(2, 4, [[[0] * 4, 0, "1"]])
    document["claim"].update(p=halves, q=halves)
    with pytest.raises(CertificateError, match="a denominator of more than 100,000 digits"):
        certificate.check(document)


def test_an_endless_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "MAX_BYTES", 1000)
    with pytest.raises(CertificateError, match="has more than 1,000 bytes"):
        certificate.check("/dev/zero")


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(GOOD).encode())))
    assert certificate.check("-").alpha == F(39, 100)


# Python's limit on the digits of an integer, set as low as it goes


@pytest.fixture
def short_integers() -> Iterator[None]:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    yield
    sys.set_int_max_str_digits(limit)


@given(digits=st.integers(1, 4000), seed=st.integers(0, 9))
def test_decimals_there_and_back(digits: int, seed: int) -> None:
    number = random.Random(seed).randrange(10 ** (digits - 1), 10**digits)
    assert certificate.decimal(number) == str(number)
    assert certificate.integer(str(number)) == number
    assert certificate.decimal(-number) == str(-number)


def test_long_decimals(short_integers: None) -> None:
    for number in (0, 1, 10**500 - 1, 10**500, 10**9_999 + 7, 2**33_000):
        assert certificate.integer(certificate.decimal(number)) == number


def float_instance(V: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(1)
    return rng.dirichlet([0.3] * V), rng.dirichlet([0.3] * V)


def test_certificates_of_float_distributions_have_long_integers(short_integers: None, tmp_path: Path) -> None:
    best = optimum(*float_instance(12), 3, "without_replacement")
    document = best.certificate()
    assert max(len(mass) for _, _, mass in document["coupling"]) > 2_000
    write_json(tmp_path / "c.json", document)
    proved = certificate.check(tmp_path / "c.json")
    assert proved.alpha == best.alpha
    write_json(tmp_path / "d.json", proved._asdict() | {"H": sorted(proved.H)})
    assert json.loads((tmp_path / "d.json").read_text())["alpha"] == document["claim"]["alpha"]
    assert len(certificate.shown(best.alpha)) < 100


@pytest.mark.slow
def test_certificates_beyond_python_s_own_limit(tmp_path: Path) -> None:
    assert sys.get_int_max_str_digits() == 4300
    best = optimum(*float_instance(24), 3, "without_replacement")
    write_json(tmp_path / "c.json", best.certificate())
    assert certificate.check(tmp_path / "c.json").alpha == best.alpha


def test_what_the_writer_writes_the_checker_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have one limit: the common denominator of p, q and Q, of which every mass and sum is a multiple."""
    best = optimum(*float_instance(6), 2, "without_replacement")
    common = lcm(*(int(m.denominator) for m in (*best.p, *best.q, *best.weights)))
    digits = len(str(common))
    writer = import_module("spechub_lp.optimum.solve")
    monkeypatch.setattr(writer, "MAX_DIGITS", digits)
    document = best.certificate()
    monkeypatch.setattr(certificate, "_LARGEST", 10**digits)
    assert certificate.check(document).alpha == best.alpha
    monkeypatch.setattr(writer, "MAX_DIGITS", digits - 1)
    with pytest.raises(
        TooLarge, match=r"digits that a certificate may have; give the distributions as short rationals"
    ):
        best.certificate()


def test_what_is_too_long_to_be_read_is_not_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    best = optimum(*float_instance(9), 3)
    write_json(tmp_path / "c.json", best.certificate())
    size = (tmp_path / "c.json").stat().st_size
    writer = import_module("spechub_lp.optimum.solve")
    monkeypatch.setattr(writer, "MAX_BYTES", size - 1000)  # p, q and alpha are not counted
    with pytest.raises(TooLarge, match="is larger than the"):
        best.certificate()
    monkeypatch.setattr(writer, "MAX_BYTES", size * 5 // 4)
    assert best.certificate()
