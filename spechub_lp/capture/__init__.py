"""Next-token distributions of real language models, captured once and stored small."""

from spechub_lp._util.extras import require
from spechub_lp._util.lazy import public

require("capture", "storing or reading captured logits", "torch", "safetensors", "jsonschema")

public(__name__)
