"""The README's table is the one that the stored results give. Its code is run by test_prose_runs.py."""

import json
import re

import pytest
from places import ROOT

from spechub_lp import samplers
from validation import readme_table

README = (ROOT / "README.md").read_text()


def test_the_table_is_that_of_the_stored_results() -> None:
    figures = json.loads(readme_table.KEPT.read_text())
    assert readme_table.updated(README, figures) == README
    assert readme_table.picture(figures) == readme_table.PICTURE.read_text()
    assert figures["failures"] == []


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_first_lines_say_what_the_table_says(page: str) -> None:
    said = " ".join((ROOT / page).read_text().split())
    found = re.search(r"`border` accepts (\S+) and `border_wor` (\S+), .* stops at (\d+) % of it", said)
    rows = {row["sampler"]: row for row in json.loads(readme_table.KEPT.read_text())["full_vocabulary"]}
    accepted = [f"{rows[name]['acceptance']:.4f}" for name in ("border", "border_wor")]
    share = rows["rrs"]["acceptance"] / rows["rrs"]["optimum"]
    assert found
    assert list(found.groups()) == [*accepted, f"{100 * share:.0f}"]


def test_every_sampler_is_in_the_table() -> None:
    for sampler in samplers.ALL:
        assert f"| `{sampler.name}` |" in README
