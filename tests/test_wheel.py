"""The wheel, not the checkout: built, unpacked into an empty folder, and used from another one."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_built_wheel_works_from_another_folder(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    zipfile.ZipFile(wheel).extractall(site)
    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def python(*args):
        return subprocess.run(
            [sys.executable, *args], cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=300
        )

    where = python("-c", "import spechub_lp; print(spechub_lp.__file__)")
    assert where.stdout.startswith(str(site)), where.stderr
    done = python("-m", "spechub_lp", "audit", "--instances", "8", "--positions", "2", "--rows", "2", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert "PASS" in done.stdout
    assert (site / "spechub_lp" / "py.typed").exists()
    assert any(site.glob("*.dist-info/licenses/LICENSE"))
