"""Next-token distributions of real language models, captured once and stored small."""

from spechub_lp._util.extras import require

require("capture", "storing or reading captured logits", "torch", "safetensors", "jsonschema")
