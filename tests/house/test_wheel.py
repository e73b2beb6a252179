"""The release, not the checkout: source archive, wheel made from it, unpacked and used from another folder."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from places import ROOT

import spechub_lp


def test_the_citation_names_this_version() -> None:
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {spechub_lp.__version__}" in lines


@pytest.mark.slow
def test_the_release_works_from_another_folder(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (archive,) = (tmp_path / "dist").glob("*.tar.gz")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert archive.name.removesuffix(".tar.gz") == wheel.name.removesuffix("-py3-none-any.whl")
    with tarfile.open(archive) as files:
        packed = {Path(name).parts[1] for name in files.getnames()}
    assert {"spechub_lp", "theory", "tests", "notebooks", "validation", "docs", "Makefile", "CITATION.cff"} <= packed
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    zipfile.ZipFile(wheel).extractall(site)
    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def python(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *args], cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=300
        )

    where = python("-c", "import spechub_lp; print(spechub_lp.__file__)")
    assert where.stdout.startswith(str(site)), where.stderr
    small = ("--instances", "2", "--positions", "1", "--rows", "1", "--jobs", "1", "--html", "audit.html")
    done = python("-m", "spechub_lp", "audit", "--sampler", "rrs,border", *small)
    assert done.returncode == 0, done.stderr
    assert "PASS" in done.stdout
    assert "are the target distribution" in (elsewhere / "audit.html").read_text()
    assert (site / "spechub_lp" / "py.typed").exists()
    assert any(site.glob("*.dist-info/licenses/LICENSE"))
