"""The hunter returns the simplest counterexample, certified; it reads statements safely and never invents one."""

from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from known import known

from spechub_lp import certificate, samplers
from spechub_lp.errors import CertificateError, SpecHubError, UnknownName
from spechub_lp.theorems.instances import family
from theory.hunt import certificates, distributions_over, hunt, prove, recheck, simplify
from theory.statement import OTM, StatementError, read
from theory.values import Batch, proved

SMALL = {"climbs": 0}


def test_distributions_over_a_denominator_are_all_and_exact() -> None:
    for tokens, over in product((1, 2, 3, 4), (1, 2, 3, 6, 8)):
        every = {w for w in product(range(over + 1), repeat=tokens) if sum(w) == over and np.gcd.reduce(w) == 1}
        assert set(map(tuple, distributions_over(tokens, over).tolist())) == every
        falling = {w for w in every if list(w) == sorted(w, reverse=True)}
        assert set(map(tuple, distributions_over(tokens, over, falling=True).tolist())) == falling


@pytest.mark.parametrize(
    ("claim", "where", "p", "q"),
    [
        ("spechub >= otm_iid", "q(a) < 1/2", "0 1 0", "1/3 1/3 1/3"),
        ("rrsw >= spechub", "q(a) > 1/2", "1 0 0", "3/5 1/5 1/5"),
        ("otm_wor >= spechub", "", "1 0 0", "1/3 1/3 1/3"),
        ("kseq >= rrsw", "", "1 0 0", "1/2 1/2 0"),
    ],
)
def test_simplest_counterexample(claim: str, where: str, p: str, q: str) -> None:
    found = known(hunt(read(claim, where), tokens=3, denominator=6, **SMALL).found)
    assert found.minimal
    assert found.p == tuple(map(Fraction, p.split()))
    assert found.q == tuple(map(Fraction, q.split()))


def test_nothing_simpler_refutes() -> None:
    """Brute force with enumerated distributions and certified optima over everything simpler."""
    statement = read("rrs >= 22/25 * otm_iid")
    found = known(hunt(statement, tokens=2, denominator=8, **SMALL).found)
    larger = max(m.denominator for m in (*found.p, *found.q))
    for over_p, over_q in product(range(1, larger), repeat=2):
        for p, q in product(distributions_over(2, over_p).tolist(), distributions_over(2, over_q).tolist()):
            target, draft = (tuple(Fraction(m, over) for m in row) for row, over in ((p, over_p), (q, over_q)))
            assert prove(statement, target, draft, 2, False, or_none=True) is None


@pytest.mark.parametrize("claim", ["rrsw >= rrs", "kseq >= rrs", "rrs >= nss", "otm_wor >= otm_iid"])
def test_theorems_stand(claim: str) -> None:
    result = hunt(read(claim), tokens=3, denominator=6, climbs=32, seed=2)
    assert result.found is None
    assert result.exhausted == 6
    assert result.pairs > 500
    assert result.smallest_slack > -1e-9


def test_the_climb_finds_what_small_denominators_hide() -> None:
    """Nothing over denominators up to 3 refutes 7/8; the climb does, and its finding is exact."""
    statement = read("rrs >= 173/200 * otm_iid")
    result = hunt(statement, tokens=2, denominator=3, climbs=64, seed=0)
    assert result.exhausted == 3
    found = known(result.found)
    assert not found.minimal
    assert found.values["rrs"][0] < Fraction(173, 200) * found.values["otm_iid"][0]


def test_rounding_keeps_a_counterexample_or_says_no() -> None:
    statement = read("spechub >= otm_iid")
    assert known(simplify(statement, np.array([0.001, 0.0, 0.999]), np.array([0.34, 0.33, 0.33]), 2)).k == 2
    assert simplify(statement, np.array([0.5, 0.25, 0.25]), np.array([0.6, 0.2, 0.2]), 2) is None


@pytest.mark.parametrize("k", [1, 2, 3])
def test_closed_forms_agree_with_enumerated_distributions(k: int) -> None:
    """What the hunter looks with, against what it proves with: floats and rationals, every name."""
    names = [n for n in OTM if n != "otm_hub" or k == 2]
    for sampler in samplers.ALL:
        try:
            samplers.by_name(sampler.name, k)
            names.append(sampler.name)
        except SpecHubError:
            pass
    for instance in family(24, seed=6, tokens=(3,)):
        order = sorted(range(3), key=lambda y: -instance.q[y])
        p, q = (tuple(distribution[y] for y in order) for distribution in (instance.p, instance.q))
        batch = Batch(np.array([p], dtype=float), np.array([q], dtype=float), k)
        for name in names:
            low, high = batch(name)
            exact_low, exact_high = proved(name, p, q, k)
            assert low[0] == pytest.approx(float(exact_low[0]), abs=1e-6), (name, p, q)
            assert high[0] == pytest.approx(float(exact_high[0]), abs=1e-6), (name, p, q)
            assert exact_low[0] <= exact_high[0]


def test_certificates_carry_the_counterexample(tmp_path: Path) -> None:
    statement = read("rrsw >= spechub", "q(a) > 1/2")
    found = known(hunt(statement, tokens=3, denominator=6, **SMALL).found)
    files = certificates(statement, found, tmp_path / "found")
    assert [f.name for f in files] == ["found.without_replacement.json", "found.hub.json"]
    assert certificate.check(files[1]).alpha == found.values["spechub"][0]  # SpecHub is the optimum of its drafts
    again = recheck(statement, files[0])
    assert (again.p, again.q, again.values) == (found.p, found.q, found.values)
    with pytest.raises(SpecHubError, match="is not refuted"):
        recheck(read("spechub >= rrsw"), files[0])
    files[0].write_text(files[0].read_text().replace('"1/5"', '"1/6"', 1))
    with pytest.raises(CertificateError):
        recheck(statement, files[0])


def test_a_statement_is_not_python() -> None:
    calls = ("__import__('os') >= 1", "rrs >= (lambda: 1)()", "p(q(0)) >= 1", "min() >= 1")
    for text in (*calls, "rrs.k >= 1", "rrs[0] >= 1", "rrs >= 'a'", "rrs ** 2 >= 1", "rrs != 1", "rrs", "True >= 1"):
        with pytest.raises((StatementError, UnknownName)):
            read(text)
    with pytest.raises(UnknownName, match="Did you mean 'rrs'"):
        read("rrsv >= rrs")
    with pytest.raises(StatementError, match="makes 2 comparisons"):
        read("rrs >= nss >= naive")
    with pytest.raises(StatementError, match="cannot read"):
        read("rrs >=")
    with pytest.raises(SpecHubError, match="token 7 does not exist"):
        hunt(read("rrs >= nss", "q(7) > 0"), tokens=3, denominator=2, **SMALL)


def test_arithmetic_bounds_and_conditions() -> None:
    p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.5, 0.25, 0.25]])
    batch = Batch(p, q, 2)

    def slack(text: str) -> float:
        return float(read(text).slack(batch, batch.number)[0])

    assert slack("p(0) + q(1) * 2 >= max(q(2), 3/4) - min(1/4, k)") == pytest.approx(0.5)
    assert slack("q(Top) <= 0.75") == pytest.approx(0.25)
    assert slack("q(a) == 1/2") == pytest.approx(0)
    assert slack("-q(a) >= -1") == pytest.approx(0.5)
    assert slack("kseq / 2 >= rrs / 2") > 0
    met = read("rrs >= nss", "1/4 < q(a) <= 1/2 and q(1) == q(2)").met(batch, batch.number)
    assert bool(met.all())
    assert not read("rrs >= nss", "q(a) > 1/2").met(batch, batch.number).any()
    assert read("rrs > nss").refuted(np.array([0.0])).all()
    assert not read("rrs >= nss").refuted(np.array([0.0])).any()
