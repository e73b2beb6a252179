"""What the README says is run, and its table is the one that the stored results give."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "validation"))
import readme_table  # noqa: E402

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.S))
def test_code_blocks_run(code):
    exec(compile(code, "README.md", "exec"), {})


def test_the_table_is_that_of_the_stored_results():
    figures = json.loads(readme_table.KEPT.read_text())
    assert readme_table.updated(README, figures) == README
    assert figures["failures"] == []


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert (ROOT / link).exists(), f"{page.name}: {link}"


def test_every_sampler_is_in_the_table():
    from spechub_lp import samplers

    for sampler in samplers.ALL:
        assert f"| `{sampler.name}` |" in README
