"""Calls of the engine under test, whatever it does."""

from spechub_lp._util.lazy import public

public(__name__)
