"""The README's table is the one that the stored results give. Its code is run by test_prose_runs.py."""

import json

from places import ROOT

from spechub_lp import samplers
from validation import readme_table

README = (ROOT / "README.md").read_text()


def test_the_table_is_that_of_the_stored_results() -> None:
    figures = json.loads(readme_table.KEPT.read_text())
    assert readme_table.updated(README, figures) == README
    assert readme_table.picture(figures) == readme_table.PICTURE.read_text()
    assert figures["failures"] == []


def test_every_sampler_is_in_the_table() -> None:
    for sampler in samplers.ALL:
        assert f"| `{sampler.name}` |" in README
