"""Decoding loops of real models with token trees, and what a token costs."""

from spechub_lp._util.extras import require

require("capture", "decoding with a model", "torch")
