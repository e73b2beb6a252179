"""Certificates as theorems in Rocq: the kept ones are current, and Rocq accepts just what is true."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from spechub_lp import certificate, optimum
from spechub_lp.errors import CertificateError, Refuted
from spechub_lp.rocq import rocq_text

THEORY = ROOT / "theory"
DAMAGED = ROOT / "tests/data/certificates/damaged.jsonl"
P, Q = ["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"]
KEPT: dict[str, tuple[Any, ...]] = {
    "Iid": (P, Q, 2, "iid"),
    "WithoutReplacement": (P, Q, 2, "without_replacement"),
    "Hub": (P, Q, 2, "hub"),
    "ThreeDrafts": (["1/10", "1/10", "1/5", "3/5"], ["2/5", "3/10", "1/5", "1/10"], 3, "without_replacement"),
}
"""theory/certificates/NAME.v -> the instance whose optimum it proves."""

SHORT = 4000
"""Characters of a file without integers of thousands of digits, for which Rocq takes minutes."""

needs_rocq = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc is not installed")


def text_of(name: str) -> str:
    proof = optimum(*KEPT[name], method="flow").certificate()
    return rocq_text(certificate.read_contents(proof))


@pytest.mark.parametrize("name", KEPT)
def test_the_kept_proofs_are_what_the_command_writes(name: str) -> None:
    assert (THEORY / f"certificates/{name}.v").read_text() == text_of(name)
    assert f"certificates/{name}.v\n" in (THEORY / "_CoqProject").read_text()


@cache
def checker() -> None:
    """The checker, compiled."""
    done = subprocess.run(["make", "-C", THEORY, "certificates/Policies.vo"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def coqc(file: Path) -> subprocess.CompletedProcess[str]:
    checker()
    folders = [("dominance", "Dominance"), ("border", "Border"), ("certificates", "Certificates")]
    options = [word for folder, name in folders for word in ("-Q", str(THEORY / folder), name)]
    return subprocess.run(["coqc", *options, "-w", "none", file], capture_output=True, text=True)


@needs_rocq
@pytest.mark.slow
def test_rocq_accepts_what_the_command_writes_and_no_other_number(tmp_path: Path) -> None:
    true = text_of("Iid")
    (tmp_path / "good.v").write_text(true)
    done = coqc(tmp_path / "good.v")
    assert (done.returncode, done.stdout.strip()) == (0, "Closed under the global context"), done.stderr
    (tmp_path / "bad.v").write_text(true.replace("39 // 100", "2 // 5"))
    done = coqc(tmp_path / "bad.v")
    assert done.returncode == 1
    assert "by vm_compute" in true.splitlines()[int(done.stderr.split("line ")[1].split(",")[0]) - 1]


@needs_rocq
@pytest.mark.slow
def test_rocq_and_python_check_alike(tmp_path: Path) -> None:
    """Every damaged certificate of the format, and every whole one, computed by Rocq in one file."""
    parts: list[str] = []
    said: list[bool] = []
    for line in map(json.loads, DAMAGED.read_text().splitlines()):
        (tmp_path / "c.json").write_bytes(line["text"].encode("latin-1"))
        try:
            contents = certificate.read_contents(tmp_path / "c.json")
            proved = bool(certificate.check(contents))
        except Refuted:
            proved = False
        except CertificateError:
            continue
        text = rocq_text(contents)
        if len(text) > SHORT:
            continue
        said.append(proved)
        head, body = text[: text.index("Definition p")], text[text.index("Definition p") : text.index("Lemma accepted")]
        computation = text.split("Lemma accepted : ")[1].split(".\nProof")[0]
        goal = f"Goal ({computation}) = {str(said[-1]).lower()}. Proof. vm_compute; reflexivity. Qed."
        parts.append(f"Module M{len(parts)}.\n{body}{goal}\nEnd M{len(parts)}.\n")
    assert said.count(True) >= 9
    assert said.count(False) >= 20
    (tmp_path / "all.v").write_text(head + "\n".join(parts))
    done = coqc(tmp_path / "all.v")
    assert done.returncode == 0, done.stderr
