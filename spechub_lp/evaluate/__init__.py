"""Captured distributions through every sampler, at full vocabulary."""

from spechub_lp._util.lazy import public

public(__name__)
