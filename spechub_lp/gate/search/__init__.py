"""The exact distribution of an engine, found by searching the thresholds of its noise."""

from spechub_lp._util.lazy import public

public(__name__)
