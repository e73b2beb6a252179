"""Kinds of damage to certificates of trees, as data: each gets the exit code that it deserves."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from known import known
from places import ROOT

from spechub_lp import certificate
from spechub_lp.errors import CertificateError

DATA = ROOT / "tests" / "data" / "certificates"
DAMAGED = [json.loads(line) for line in (DATA / "damaged_trees.jsonl").read_text(encoding="ascii").splitlines()]


def test_damaged_certificates_of_trees_get_the_exit_code_that_they_deserve(tmp_path: Path) -> None:
    wrong, file = {}, tmp_path / "tree.json"
    for case in DAMAGED:
        file.write_text(case["text"], encoding="ascii")
        try:
            certificate.check_any(file)
            code = 0
        except CertificateError as error:
            code = error.exit_code
        if code != case["exit"]:
            wrong[case["kind"]] = code
    assert wrong == {}
    assert min(sum(case["exit"] == code for case in DAMAGED) for code in (0, 1, 2)) >= 5


def test_the_corpus_of_trees_is_what_its_script_makes() -> None:
    spec = known(spec_from_file_location("make_trees", DATA / "make_trees.py"))
    make = module_from_spec(spec)
    known(spec.loader).exec_module(make)
    assert make.text() == (DATA / "damaged_trees.jsonl").read_text(encoding="ascii")
