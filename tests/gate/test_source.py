"""A sampler as text: right, wrong, or broken in any way, it gets a report."""

from typing import Any

import pytest

from spechub_lp.gate import Settings, problems
from spechub_lp.gate.source import Checked, check_source

LOOKUP = """import torch


def verify(p, q, drafts):
    y = int(torch.multinomial({distribution}, 1))
    return y, drafts.index(y) if y in drafts else -1
"""


def check(text: str, **options: Any) -> Checked:
    settings = Settings(seconds=10, levels=(0, 1), **options)
    return check_source(text, problems("iid", 1, random=0)[:3], settings)


def test_a_right_text_passes_and_its_distribution_is_p() -> None:
    checked = check(LOOKUP.format(distribution="p"))
    assert checked.report.status == "pass"
    assert checked.output == pytest.approx(checked.problem.p, abs=1e-6)


def test_a_wrong_text_is_rejected_and_its_distribution_is_shown() -> None:
    checked = check(LOOKUP.format(distribution="q"))
    assert checked.report.status == "biased"
    assert checked.report.distance > 0.1
    assert checked.output == pytest.approx(checked.problem.q, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("def verify(p, q", "crash", "SyntaxError"),
        ("verify = none", "crash", "NameError"),
        ("x = 1", "crash", "no function verify"),
        ("verify = 1", "crash", "not callable"),
        ("def verify(p, drafts):\n    return drafts[0], 0", "crash", "is called as verify(p, q, drafts)"),
        ("verify = {}['x']", "crash", "KeyError"),
        ("import sys\nsys.exit()", "crash", "SystemExit"),
        ("def verify(p, q, drafts):\n    return 1 / 0", "crash", "ZeroDivisionError"),
        ("def verify(p, q, drafts):\n    return drafts[0]", "shape", "not (token, slot)"),
        ("import os\ndef verify(p, q, drafts):\n    os._exit(3)", "crash", "ended the process"),
        ("def verify(p, q, drafts):\n    while True:\n        pass", "hang", "no answer"),
    ],
)
def test_a_broken_text_is_a_finding(text: str, kind: str, says: str) -> None:
    report = check(text, time_limit=0.5).report
    assert report.status == "biased"
    assert kind in {finding.kind for finding in report.findings}
    assert says in " ".join(finding.message for finding in report.findings)
