"""Two drafters of different quality on real logits: `python validation/two_drafters.py`, a minute or two.

Every fourth position of SmolLM2 that ships, T = 1. The better drafter is the model with four layers skipped. Worse ones
know less: that drafter at temperature 2, and the mean of the target's distributions over the other documents, which
knows nothing of the context. One draft of each drafter: the optimum (theorem T20), and recursive rejection with the
better or the worse draft first; beside two drafts of the better one alone.
"""

from pathlib import Path
from typing import Any

import numpy as np

from spechub_lp import cut, samplers
from spechub_lp.capture.store import load_rows
from spechub_lp.evaluate.tally import Tally

EVERY = 4
CAPTURED = Path(__file__).parent / "captured" / "smollm2.safetensors"
RRS = samplers.by_name("rrs", 2)
IN_TURN = RRS.with_drafts("product")


def main() -> None:
    """Print the table."""
    rows = load_rows(CAPTURED)
    at = np.arange(0, len(rows), EVERY)
    p, q = rows.batch(at)
    document = rows.document[at]
    worse = {
        "the same at temperature 2": rows.batch(at, 2.0)[1],
        "no context": np.stack([p[document != own].mean(axis=0) for own in document]),
    }
    tally = Tally()
    for n, own in enumerate(document):
        target, better = p[n : n + 1], q[n : n + 1]
        both: dict[str, tuple[Any, Any, Any]] = {
            "two of the better": (cut(target, better).alpha, RRS.acceptance(target, better), None)
        }
        for name, other in worse.items():
            pair = np.stack([better, other[n : n + 1]], axis=1)
            best = cut(target, pair, 2, "product").alpha
            both[name] = best, IN_TURN.acceptance(target, pair), IN_TURN.acceptance(target, pair[:, ::-1])
        for name, values in both.items():
            for what, value in zip(("optimum", "better first", "worse first"), values, strict=True):
                if value is not None:
                    tally.add(str(own), (name, what), float(value[0]))
        tally.add(str(own), ("one draft",), float(np.minimum(target, better).sum()))
    print(f"{len(at)} positions of {len(set(document.tolist()))} documents; one draft: {tally.mean(('one draft',))}\n")
    print("| second drafter | optimum | better first | worse first | optimum - better first | better - worse first |")
    print("|---|---|---|---|---|---|")
    for name in ("two of the better", *worse):
        keys = [(name, what) for what in ("optimum", "better first", "worse first")]
        cells = [tally.mean(key) for key in keys] + [tally.difference(keys[0], keys[1])]
        cells.append(tally.difference(keys[1], keys[2]) if tally.mean(keys[2]) else None)
        print(f"| {name} | {' | '.join('' if cell is None else str(cell) for cell in cells)} |")


if __name__ == "__main__":
    main()
