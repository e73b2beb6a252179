"""Bets against a known distribution, one outcome at a time."""

from spechub_lp._util.lazy import public

public(__name__)
