"""Controlled randomness: an unmodified engine asks for noise, and a choice sequence answers."""

from spechub_lp._util.lazy import public

public(__name__)
