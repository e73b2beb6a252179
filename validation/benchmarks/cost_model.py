"""Tokens a second in a cost model: one node of k drafts a step, acceptance on captured rows, measured verification.

    python validation/benchmarks/cost_model.py [--times validation/results/gpu.json] [--batch 1] [--rows 48]

A step of the target costs 10 to 50 ms, and its verification what `device_speed.py` measured. Drafting is left out: it
is the same for all rules of one k. A request gets (1 + acceptance) / (step + verification) tokens a second. Prints how
much more that is than what RRSw with two drafts gives, run in the same way, in percent.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from spechub_lp import cut, samplers
from spechub_lp.capture.store import load
from spechub_lp.kernels import border

HERE = Path(__file__).parent.parent
STEPS = (10, 20, 50)
RULES = ("rrs", "rrsw", "border", "border_wor")


def accepted(name: str, k: int, p: torch.Tensor, q: torch.Tensor) -> float:
    """Mean acceptance: that of the kernel's classes for Border, the closed form for rejection."""
    sampler = samplers.by_name(name, k)
    if name.startswith("border"):
        made = border.prepare(p, q, k, replaced=name == "border", sort=False)
        b = made.b(torch.arange(p.shape[1]).expand(p.shape[0], -1))
        found = torch.minimum(p, b).sum(dim=1)
        assert bool((found <= cut(p, q, k, sampler.drafts).alpha + 1e-9).all())
        return float(found.mean())
    return float(torch.as_tensor(sampler.acceptance(p, q)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=Path, default=HERE / "results" / "gpu.json")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument(
        "--mode", choices=("triton", "eager", "plain"), default="triton", help="CUDA graphs, or calls as they are"
    )
    chosen = parser.parse_args()
    measured = json.loads(chosen.times.read_text())
    times = {
        (line["rule"], line["k"]): line
        for line in measured["rows"]
        if (line["B"], line["V"]) == (chosen.batch, 49_152) and line["k"]
    }
    peer = times["rrsw", 2][chosen.mode] * 1e-3
    store = load(HERE / "captured" / "smollm2.safetensors")
    which = np.linspace(0, store.document.shape[0] - 1, chosen.rows).astype(int)
    print(f"{measured['card']}, B = {chosen.batch}, {chosen.rows} captured rows of SmolLM2, {chosen.mode}")
    print("| T | rule | k | acceptance | verification, µs | " + " | ".join(f"step {s} ms" for s in STEPS) + " |")
    print("|---|---|---|---|---|" + "---|" * len(STEPS))
    for t in (0.3, 0.6, 1.0, 1.5):
        p, q = (torch.as_tensor(np.asarray(a), dtype=torch.float64) for a in store.batch(which, t))
        base = accepted("rrsw", 2, p, q)
        for name in RULES:
            for k in (2, 4) if name in ("rrs", "rrsw", "border") else (2,):
                line = times.get((name, k), times[name, 2])  # rejection of four drafts was measured with two
                alpha, cost = accepted(name, k, p, q), line[chosen.mode] * 1e-3
                gains = [100 * ((1 + alpha) / (s + cost) / ((1 + base) / (s + peer)) - 1) for s in STEPS]
                gained = " | ".join(f"{g:+.1f} %" for g in gains)
                print(f"| {t} | {name} | {k} | {alpha:.4f} | {cost * 1e3:.0f} | {gained} |", flush=True)


if __name__ == "__main__":
    main()
