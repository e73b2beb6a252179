"""`spechub-lp solve --tree`: the optimum of a tree, its certificate, and documents that fit their schemas."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema

from spechub_lp.report import schemas


def run(*words: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "spechub_lp", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=cwd, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def test_a_tree_is_solved_certified_and_checked(tmp_path: Path) -> None:
    pair = ("--p", "0,1/5,4/5", "--q", "3/5,3/10,1/10", "--drafts", "without_replacement")
    solved = run("solve", "--tree", "2,1", *pair, "--certificate", "c.json", "--json", "s.json", cwd=tmp_path)
    assert solved.returncode == 0, solved.stderr
    assert "border_path" in solved.stdout
    checked = run("check-certificate", "c.json", "--json", "k.json", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("proved: no lossless verifier accepts more than")
    made = [json.loads((tmp_path / name).read_text()) for name in ("s.json", "k.json")]
    for document, name in zip(made, ("solve-tree", "check-tree"), strict=True):
        jsonschema.Draft202012Validator(schemas.of(name)).validate(document)
    assert made[0]["value"] == made[1]["value"]


def test_a_model_is_read_from_a_file(tmp_path: Path) -> None:
    row = ["1/2", "1/2"]
    (tmp_path / "m.json").write_text(json.dumps([[[], row, ["1", "0"]]]))
    solved = run("solve", "--tree", "2", "--model", "m.json", cwd=tmp_path)
    assert "optimum = 1/2" in solved.stdout, solved.stderr
    assert "rrs, node by node" in solved.stdout
    both = run("solve", "--tree", "2", "--model", "m.json", "--p", "1", cwd=tmp_path)
    assert both.returncode == 2
    assert "--tree goes with" in both.stderr
