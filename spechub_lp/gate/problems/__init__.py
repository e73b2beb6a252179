"""What an engine is tested on."""

from spechub_lp._util.extras import require
from spechub_lp._util.lazy import public

require("gate", "the gate", "torch", "scipy", "jsonschema")

public(__name__)
