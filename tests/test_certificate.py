"""A certificate that is right is accepted; any corruption is refused; the checker imports no solver."""

import copy
import json
import subprocess
import sys
from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spechub_lp import certificate, drafts, optimum
from spechub_lp.errors import CertificateError
from spechub_lp.strategies import instances

GOOD = optimum(["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"]).certificate()


@given(pqk=instances(max_tokens=4), policy=st.sampled_from(drafts.ALL))
def test_every_optimum_is_certified(pqk, policy):
    p, q, k = pqk
    if policy.name == "hub" and k != 2:
        return
    best = optimum(p, q, k, policy)
    claim = certificate.check(json.loads(json.dumps(best.certificate())))
    assert (claim.alpha, claim.H, claim.p) == (best.alpha, best.H, p)


def test_product_and_tabulated_drafts():
    several = optimum(["1/2", "1/2"], [["1/3", "2/3"], ["1", "0"]], 2, "product")
    assert certificate.check(several.certificate()).alpha == several.alpha

    class Own(drafts.IID):
        name = "own"

    document = optimum(["1/2", "1/2"], ["1/3", "2/3"], 2, Own()).certificate()
    assert document["claim"]["drafts"][0] == [[0, 0], "1/9"]
    assert certificate.check(document).alpha == optimum(["1/2", "1/2"], ["1/3", "2/3"]).alpha


def corrupt(change) -> dict:
    document = copy.deepcopy(GOOD)
    change(document)
    return document


def bump(text: str) -> str:
    return str(F(text) + F(1, 1000))


def swap_mass(d):
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
    "p no law": (lambda d: d["claim"].update(p=["1/5", "1/5", "4/5"]), "not a probability law"),
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
    "coupling of one drafts' law for the other": (
        lambda d: d["claim"].update(drafts=[[[0, 1], "1/2"], [[1, 0], "1/2"]]),
        "have probability 0|their probability",
    ),
    "empty": (lambda d: d.clear(), "fields"),
    "coupling no list": (lambda d: d.update(coupling=3), "coupling is 3, not a list"),
    "true as a token": (lambda d: d["coupling"][0].__setitem__(1, True), "not a token"),
}


def test_the_good_one_is_accepted():
    assert certificate.check(GOOD).alpha == F(39, 100)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_are_refused(name):
    change, message = CORRUPTIONS[name]
    with pytest.raises(CertificateError, match=message):
        certificate.check(corrupt(change))


def test_any_changed_digit_is_refused(tmp_path):
    text, file = json.dumps(GOOD), tmp_path / "changed.json"
    for i in [i for i, c in enumerate(text) if c.isdigit()]:
        for digit in set("0123456789") - {text[i]}:
            file.write_text(text[:i] + digit + text[i + 1 :])
            with pytest.raises(CertificateError):
                certificate.check(file)


def test_files(tmp_path):
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


def test_the_checker_runs_without_solver_or_numpy():
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
