"""A robustness run: attacks on the package with random inputs, each judged by code of its own.

    python -m validation.torture [--minutes 60] [--seed S] [--only NAME ...]

An attack is a module of this folder with `trial(seed)`, an iterator with one entry for each check: None where it held,
a message where it failed, `Doing(...)` to name what comes next. `SECONDS` is the limit of one trial, `MEMORY` the bytes
that it may map beside what was mapped before it (None: no limit). The seed determines the trial.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests" / "support"))  # the oracle, a witness of its own

ATTACKS = (
    "certificates",
    "trees",
    "exact",
    "cuts",
    "closed_forms",
    "draws",
    "kernels",
    "inputs",
    "readings",
    "outputs",
    "signals",
    "memory",
    "commands",
)


class Doing(str):
    """What a trial does next; shown when it hangs or its process dies."""


Checks = Iterator[str | None]
