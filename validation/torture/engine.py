"""A right verification rule for the gate: draw from the target and look the token up among the drafts."""

import random
from collections.abc import Sequence


def right(p: Sequence[float], q: Sequence[float], drafts: Sequence[int]) -> tuple[int, int]:
    token = random.choices(range(len(p)), weights=list(p))[0]
    found = list(drafts)
    return token, found.index(token) if token in found else -1
