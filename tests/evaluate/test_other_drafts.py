"""The script that compares other drafts on captured rows: what it measures is what its table and the report read."""

import json

import numpy as np

from spechub_lp._util import resources
from spechub_lp.capture.store import load_rows
from validation import border_on_captured


def test_the_table_of_other_drafts_is_that_of_the_written_document() -> None:
    rows = load_rows(resources.path("captured/smollm2.safetensors"))
    which = np.arange(0, 80, 10)
    found = [border_on_captured.at_temperature(rows, which, 1.5, 2)]
    table = border_on_captured.lines(found, 2, len(which))
    assert table == border_on_captured.lines(json.loads(json.dumps(found, allow_nan=False)), 2, len(which))
    assert found[0]["border_wor"]["gain"][0] == 0
    assert found[0]["oracle"]["gain"][0] >= 0
