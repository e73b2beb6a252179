"""What an engine is tested on."""

from spechub_lp._util.extras import require

require("gate", "the gate", "torch", "scipy", "jsonschema")
