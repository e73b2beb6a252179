"""Decoding loops of real models with token trees, and what a token costs."""

from spechub_lp._util.extras import require
from spechub_lp._util.lazy import public

require("capture", "decoding with a model", "torch")

public(__name__)
