"""Mean acceptance on captured rows of SmolLM2-135M (V = 49,152): every rule beside the certified optimum of its drafts.

    python validation/border_on_captured.py [--rows 40] [--all]

`wor` is "without replacement". The two Border columns are what the prepared lottery accepts; the two optima come from
the cut, which shares nothing with it but the law of the best draft. Adaptive and tempered drafts are chosen by their
optimum on the even rows and judged on the odd ones.
"""

import argparse
from pathlib import Path

import numpy as np

from spechub_lp import samplers
from spechub_lp.drafts.tempered import Tempered
from spechub_lp.logits.store import Rows, load
from spechub_lp.otm.cut import cut

STORE = Path(__file__).parent / "captured" / "smollm2.safetensors"
TEMPERATURES = (0.3, 0.6, 1.0, 1.5)
POWERS = (0.8, 1.25, 1.5, 2.0)
DRAWS = 16


def two_of_rrsw(need: np.ndarray, q: np.ndarray) -> float:
    """RRSw on two drafts from q [V] for what the target needs [V], exactly: sums of min(need, s q) for every scale s at
    once, from the tokens sorted by need/q."""
    first = np.minimum(need, q).sum()
    refused = np.maximum(q - need, 0)  # q(x) (1 - min(1, need / q)): drafted and refused
    rest = np.maximum(need - q, 0)
    if rest.sum() <= 0 or refused.sum() <= 0:
        return float(first)
    rest /= rest.sum()
    can = np.flatnonzero(q)
    ratio = rest[can] / q[can]
    order = can[np.argsort(ratio)]
    need_in, q_in = np.append(0, np.cumsum(rest[order])), np.append(0, np.cumsum(q[order]))
    x = np.flatnonzero(refused)
    scale = 1 / np.maximum(1 - q[x], 1e-300)
    at = np.searchsorted(np.sort(ratio), scale)
    second = need_in[at] + scale * (q_in[-1] - q_in[at]) - np.minimum(rest[x], scale * q[x])
    return float(first + (refused[x] * np.where(q[x] < 1, second, 0)).sum())


def rrsw(p: np.ndarray, q: np.ndarray, k: int, rng: np.random.Generator) -> tuple[float, float]:
    """Mean acceptance of RRSw over the rows and its standard error: all drafts but the last two are drawn, and those
    two are averaged exactly, so k = 2 has no error."""
    means, errors = [], []
    for target, draft in zip(p, q, strict=True):
        values = []
        for _ in range(DRAWS if k > 2 else 1):
            need, offer, refused, value = target, draft, 1.0, 0.0
            for _ in range(k - 2):
                x = int(np.searchsorted(np.cumsum(offer), rng.random() * offer.sum()))
                value += refused * np.minimum(need, offer).sum()
                refused *= 1 - min(1.0, need[x] / offer[x])
                rest = np.maximum(need - offer, 0)
                need = rest / rest.sum() if rest.sum() > 0 else need
                offer = np.where(np.arange(len(offer)) == x, 0, offer)
                offer = offer / offer.sum()
            values.append(value + refused * two_of_rrsw(need, offer))
        means.append(np.mean(values))
        errors.append(np.std(values) ** 2 / len(values))
    return float(np.mean(means)), float(np.sqrt(np.sum(errors)) / len(means))


def table(rows: Rows, which: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    head = ["rrs", "rrsw", "spechub", "greedy", "border", "optimum iid", "border wor", "optimum wor"]
    print(f"\nMean acceptance, {len(which)} rows\n\n| T | k | " + " | ".join(head) + " |\n|" + "---|" * (len(head) + 2))
    for temperature in TEMPERATURES:
        p, q = rows.batch(which, temperature)
        for k in (2, 3, 4):
            mean = {
                "rrs": samplers.by_name("rrs", k).acceptance(p, q).mean(),
                "spechub": samplers.by_name("spechub").acceptance(p, q).mean() if k == 2 else np.nan,
                "greedy": samplers.by_name("greedy_hubs", k).acceptance(p, q).mean(),
                "border": samplers.by_name("border", k).acceptance(p, q).mean(),
                "optimum iid": cut(p, q, k).alpha.mean(),
                "border wor": samplers.by_name("border_wor", k).acceptance(p, q).mean(),
                "optimum wor": cut(p, q, k, "without_replacement").alpha.mean(),
            }
            value, error = rrsw(p, q, k, rng)
            mean["rrsw"] = value
            cells = ["" if np.isnan(mean[name]) else f"{mean[name]:.4f}" for name in head]
            if error:
                cells[1] += f" ± {error:.4f}"
            print(f"| {temperature} | {k} | " + " | ".join(cells) + " |", flush=True)


def chosen_drafts(rows: Rows, which: np.ndarray, k: int = 2) -> None:
    print(f"\nDrafts chosen on the even rows, judged on the odd ones, k = {k} (mean optimum of the drafts)\n")
    print("| T | without replacement | greedy | threshold | adaptive | power | tempered | oracle of the two |")
    print("|---|---|---|---|---|---|---|---|")
    for temperature in TEMPERATURES:
        p, q = rows.batch(which, temperature)
        wor, hub = cut(p, q, k, "without_replacement").alpha, cut(p, q, k, "greedy").alpha
        learn, judge = slice(0, None, 2), slice(1, None, 2)
        top = q.max(axis=1)
        thresholds = np.append(np.sort(top[learn]), 2.0)
        gain = [np.where(top >= t, hub, wor)[learn].mean() for t in thresholds]
        threshold = thresholds[int(np.argmax(gain))]
        powers = {1.0: wor, **{n: cut(p, Tempered(n).temper(q), k, "without_replacement").alpha for n in POWERS}}
        power = max(powers, key=lambda n: powers[n][learn].mean())
        adaptive = np.where(top >= threshold, hub, wor)[judge].mean()
        print(
            f"| {temperature} | {wor[judge].mean():.4f} | {hub[judge].mean():.4f} | {threshold:.3f} | {adaptive:.4f} | "
            f"{power} | {powers[power][judge].mean():.4f} | {np.maximum(wor, hub)[judge].mean():.4f} |",
            flush=True,
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=12, help="how many rows, spread over the store")
    arguments.add_argument("--all", action="store_true", help="all rows (half an hour)")
    options = arguments.parse_args()
    rows = load(STORE)
    count = len(rows) if options.all else min(options.rows, len(rows))
    which = np.unique(np.linspace(0, len(rows) - 1, count).astype(int))
    table(rows, which)
    count = min(len(rows), 4 * count)
    chosen_drafts(rows, np.unique(np.linspace(0, len(rows) - 1, count).astype(int)))


if __name__ == "__main__":
    main()
