"""Logits processors over several steps: which row is processed how, against the exact processed distributions.

Start with `protocol.py`.
"""

from spechub_lp._util.lazy import public

public(__name__)
