"""Do other drafts gain over drafts without replacement? Border on captured rows of SmolLM2-135M (V = 49,152).

    python validation/border_on_captured.py [--rows 40] [--all] [--captured build/thousand] [--temperatures 1,1.5]

Three rules, each optimal for its drafts: border_wor; border_adaptive, greedy drafts where q(a) is at least a threshold
and drafts without replacement elsewhere; border_tempered, drafts without replacement from q^power. Threshold and power
are chosen on one half of the documents and judged on the other, then the halves change places: every position is judged
by a choice that it had no part in. Choices are made by the optimum of the drafts (the cut); what is judged is the
acceptance of the sampler. Intervals are clustered by document.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spechub_lp import samplers
from spechub_lp._util.io import write_json
from spechub_lp.capture.store import Rows, load
from spechub_lp.drafts.adaptive import Adaptive
from spechub_lp.drafts.tempered import Tempered
from spechub_lp.evaluate.tally import Tally
from spechub_lp.optimum.full_vocabulary import cut
from spechub_lp.report.text.markdown import markdown_table

HERE = Path(__file__).parent
STORE, RESULT = HERE / "captured" / "smollm2.safetensors", HERE / "results" / "other_drafts.json"
TEMPERATURES = (0.3, 0.6, 1.0, 1.5)
POWERS = (0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)
SLAB = 16
SIDE = 1e-9
"""A difference of acceptances below this is a draw."""


def by_slab(rows: Rows, which: np.ndarray, t: float, value: Callable[[Any, Any, Any], Any]) -> np.ndarray:
    """value(p, q, slab) over all rows, a slab at a time: [n] or [n, m]."""
    slabs = [which[i : i + SLAB] for i in range(0, len(which), SLAB)]
    return np.concatenate([value(*rows.batch(slab, t), slab) for slab in slabs])


def optima(p: np.ndarray, q: np.ndarray, k: int) -> np.ndarray:
    """[B, 2 + powers]: q(a), the optimum of greedy drafts, that of tempered ones for each power."""
    tempered = (cut(p, q if n == 1 else Tempered(n).temper(q), k, "without_replacement").alpha for n in POWERS)
    return np.stack([q.max(axis=1), cut(p, q, k, "greedy").alpha, *tempered], axis=1)


def choice(best: np.ndarray) -> tuple[float, float]:
    """The threshold and the power with the highest mean optimum over the rows of `optima`; 2 is never greedy."""
    top, greedy, plain = best[:, 0], best[:, 1], best[:, 2 + POWERS.index(1.0)]
    thresholds = np.append(np.sort(top), 2.0)
    gains = [np.where(top >= t, greedy, plain).mean() for t in thresholds]
    power = POWERS[int(np.argmax(best[:, 2:].mean(axis=0)))]
    return float(thresholds[int(np.argmax(gains))]), power


def at_temperature(rows: Rows, which: np.ndarray, t: float, k: int) -> dict[str, Any]:
    names = [entry["name"] for entry in rows.manifest["documents"]]
    documents = np.asarray([names[d] for d in rows.document[which]])
    half = np.asarray([int(name.rpartition("_")[2]) % 2 for name in documents])
    best = by_slab(rows, which, t, lambda p, q, slab: optima(p, q, k))
    chosen = [choice(best[half != side]) for side in (0, 1)]
    side_of = dict(zip(which.tolist(), half.tolist(), strict=True))

    def accepted(p: np.ndarray, q: np.ndarray, slab: np.ndarray) -> np.ndarray:
        out = []
        for b, row in enumerate(slab.tolist()):
            threshold, power = chosen[side_of[row]]
            rules = (
                samplers.BorderWor(k),
                samplers.BorderAdaptive(k, Adaptive(threshold)),
                samplers.BorderTempered(k, Tempered(power)),
            )
            known = [rule.acceptance(p[b : b + 1], q[b : b + 1]) for rule in rules]
            out.append([float(row[0]) for row in known if row is not None])
        return np.asarray(out)

    wor, adaptive, tempered = by_slab(rows, which, t, accepted).T
    oracle = np.maximum(wor, best[:, 1])
    columns = {"border_wor": wor, "border_adaptive": adaptive, "border_tempered": tempered, "oracle": oracle}
    tally = Tally()
    for n, document in enumerate(documents):
        for name, values in columns.items():
            gain = float(values[n] - wor[n])
            tally.add(document, (name, "acceptance"), float(values[n]))
            tally.add(document, (name, "gain"), gain)
            tally.add(document, (name, "wins"), float(gain > SIDE))
            tally.add(document, (name, "loses"), float(gain < -SIDE))
    shown = ("acceptance", "gain", "wins", "loses")
    return {
        "T": t,
        "chosen": [dict(zip(("threshold", "power"), pair, strict=True)) for pair in chosen],
        "greedy drafts at": float(np.mean([best[n, 0] >= chosen[half[n]][0] for n in range(len(which))])),
        **{name: {what: list(tally.mean((name, what)) or ())[:3] for what in shown} for name in columns},
    }


def lines(found: list[dict[str, Any]], k: int, count: int) -> list[str]:
    """The table, as Markdown."""
    out = [
        f"**Other drafts against drafts without replacement, {count} positions, k = {k}: gain in acceptance**\n",
    ]
    heads = ("T", "border_wor", "border_adaptive", "wins at", "loses at", "thresholds", "border_tempered", "wins at",
             "loses at", "powers", "oracle of greedy and without replacement")  # fmt: skip
    rows = []
    for row in found:
        cells = [f"{row['T']}", f"{row['border_wor']['acceptance'][0]:.4f}"]
        for name, setting in (("border_adaptive", "threshold"), ("border_tempered", "power")):
            wins, loses = (row[name][what][0] for what in ("wins", "loses"))
            settings = " and ".join(f"{each[setting]:.3g}" for each in row["chosen"])
            cells += [_signed(row[name]["gain"]), f"{wins:.3f}", f"{loses:.3f}", settings]
        rows.append([*cells, _signed(row["oracle"]["gain"])])
    note = (
        "± covers 95 %, clustered by document. Thresholds and powers are chosen on one half of the documents and "
        "judged on the other, both ways. The oracle sees p, so no sampler may follow it."
    )
    return [*out, *markdown_table(heads, rows), "", note]


def _signed(estimate: Any) -> str:
    mean, half, _ = estimate
    return f"{mean:+.4f}" + ("" if half is None else f" ± {half:.4f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--rows", type=int, default=48, help="how many rows, spread over the store")
    arguments.add_argument("--all", action="store_true", help=f"all rows, and write results/{RESULT.name}")
    arguments.add_argument("--k", type=int, default=2)
    arguments.add_argument("--captured", type=Path, default=STORE, help="other rows, which are not written down")
    arguments.add_argument("--temperatures", default=",".join(map(str, TEMPERATURES)))
    given = arguments.parse_args()
    rows = load(given.captured)
    count = len(rows) if given.all else min(given.rows, len(rows))
    which = np.unique(np.linspace(0, len(rows) - 1, count).astype(int))
    found = []
    for t in map(float, given.temperatures.split(",")):
        found.append(at_temperature(rows, which, t, given.k))
    print("\n".join(lines(found, given.k, len(which))))
    if given.all and given.captured == STORE:
        write_json(RESULT, {"k": given.k, "positions": len(which), "temperatures": found})


if __name__ == "__main__":
    main()
