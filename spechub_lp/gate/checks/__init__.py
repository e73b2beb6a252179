"""The checks of the gate, one a file, and their verdict."""

from spechub_lp._util.extras import require

require("gate", "the gate", "torch", "scipy", "jsonschema")
