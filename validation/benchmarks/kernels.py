"""Kernels for one node beside the least that any sampler does, a softmax and a multinomial, and beside RRSw.

    python validation/benchmarks/kernels.py [--quick] [--filtered] [--device cpu] [--repeats 7] [--threads 1]
        [--json growth.json]

Every number is a ratio of medians of one run: rules and peers take turns in each repeat. "full" rows are worked on as
they are; "filtered" rows have 512 tokens, as an engine has after top-k or top-p, and their peer is RRSw with as many
drafts on the same rows (with two drafts, in brackets). `--json` also measures growth in V, k and B. On a GPU a call is
timed as it is, with its launches; device_speed.py measures what the device does.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from typing import Any

import torch

from spechub_lp import cut, samplers
from spechub_lp.kernels.node import verify
from spechub_lp.sampling import draw_drafts

FULL = [("rrs", 2), ("rrsw", 2), ("spechub", 2), ("kseq", 2), ("border", 2), ("border", 4), ("border", 8)]
FULL += [("border_wor", k) for k in (2, 3, 4)]
FILTERED = [(name, k) for name in ("rrsw", "border", "border_wor") for k in (2, 3, 4)]


def rows(batch: int, vocabulary: int, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of the target [B, V], and both distributions."""
    generator = torch.Generator(device).manual_seed(0)
    logits = torch.randn(batch, vocabulary, generator=generator, device=device) * 3
    near = logits + torch.randn(batch, vocabulary, generator=generator, device=device)
    return logits, torch.softmax(logits, -1), torch.softmax(near, -1)


def now(device: str) -> float:
    """Seconds; of this thread's own time on a CPU, which other programs on the machine do not change."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        return perf_counter()
    return thread_time() if torch.get_num_threads() == 1 else perf_counter()


def ratios(
    rules: list[tuple[str, int]], batch: int, vocabulary: int, device: str, repeats: int, peer: str
) -> dict[str, float]:
    """Median time of each rule over the median time of the peer: "draw" (softmax and multinomial) or "rrsw 2"."""
    logits, p, q = rows(batch, vocabulary, device)
    calls: dict[str, Callable[[], Any]] = {}
    if peer == "draw":
        calls["peer"] = lambda: (torch.softmax(logits, -1), torch.multinomial(p, 1))
    for name, k in rules:
        u = torch.rand(batch, k + 3, dtype=torch.float64, device=device)
        x = torch.as_tensor(draw_drafts(samplers.by_name(name, k).drafts, q, u[:, :k]))
        calls[f"{name} {k}"] = partial(verify, name, p, q, x, u[:, k:])
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            start = now(device)
            call()
            if turn:  # the first one compiles
                times[name].append(now(device) - start)
    middle = {name: median(each) for name, each in times.items()}
    base = middle.pop("peer") if peer == "draw" else middle[peer]
    return {name: time / base for name, time in middle.items()}


def cut_over_sort(batch: int, vocabulary: int, device: str, repeats: int) -> float:
    """Time of `cut` over that of sorting p/q."""
    _, p, q = rows(batch, vocabulary, device)
    calls: list[Callable[[], Any]] = [lambda: torch.sort(p / q), lambda: cut(p, q, 2)]
    times: list[list[float]] = [[], []]
    for turn in range(repeats + 1):
        for call, each in zip(calls, times, strict=True):
            start = now(device)
            call()
            if turn:
                each.append(now(device) - start)
    return median(times[1]) / median(times[0])


def held(vocabulary: int) -> float:
    """Rows of float32 that one row of border holds beside its inputs: the largest of its temporary tensors together."""
    _, p, q = rows(1, vocabulary, "cpu")
    x, u = torch.tensor([[1, 2]]), torch.rand(1, 3)
    verify("border", p, q, x, u)
    with torch.profiler.profile(profile_memory=True) as profile:
        verify("border", p, q, x, u)
    level, peak = 0, 0
    for event in sorted(
        (e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"), key=lambda e: e.start_ns()
    ):
        level += event.nbytes()
        peak = max(peak, level)
    return peak / (4 * vocabulary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two sizes")
    parser.add_argument("--filtered", action="store_true", help="rows of 512 tokens alone")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    device, repeats = chosen.device, chosen.repeats
    shapes = [(b, v) for v in (49_152, 151_936) for b in (1, 4, 16, 64)]
    table: list[dict[str, Any]] = []

    def show(
        kind: str, batch: int, vocabulary: int, found: dict[str, float], equal: dict[str, float] | None = None
    ) -> None:
        table.append({"kind": kind, "B": batch, "V": vocabulary, "ratios": found})
        told = [f"{n} {equal[n]:.2f} ({r:.2f})" if equal else f"{n} {r:.2f}" for n, r in found.items()]
        print(f"{kind:9} B = {batch:3}  V = {vocabulary:7,}  " + "  ".join(told), flush=True)

    print(f"{device}, {chosen.threads} thread(s), float32, medians of {repeats}")
    print("full: time over softmax + multinomial; filtered: over RRSw with as many drafts (with two)")
    for batch, vocabulary in () if chosen.filtered else shapes[:3:2] if chosen.quick else shapes:
        show("full", batch, vocabulary, ratios(FULL, batch, vocabulary, device, repeats, "draw"))
    for batch in (1, 64) if chosen.quick else (1, 4, 16, 64):
        over_two = ratios(FILTERED, batch, 512, device, repeats, "rrsw 2")
        show("filtered", batch, 512, over_two, {name: r / over_two[f"rrsw {name[-1]}"] for name, r in over_two.items()})
    if chosen.filtered:
        return
    for vocabulary in (49_152,) if chosen.quick else (49_152, 151_936):
        print(f"cut over a sort, B = 4, V = {vocabulary:,}: {cut_over_sort(4, vocabulary, device, repeats):.2f}")
        if device == "cpu":
            print(f"border holds {held(vocabulary):.2f} rows of float32 beside its inputs, B = 1, V = {vocabulary:,}")
    if chosen.json:
        for vocabulary in (1_024, 4_096, 16_384, 65_536, 262_144):
            show(
                "growth V",
                4,
                vocabulary,
                ratios([("border", 2), ("border_wor", 2), ("rrsw", 2)], 4, vocabulary, device, repeats, "draw"),
            )
        for k in (1, 2, 4, 8, 16):
            show("growth k", 4, 49_152, ratios([("border", k)], 4, 49_152, device, repeats, "draw"))
        for batch in (1, 2, 4, 8, 16, 32, 64):
            show(
                "growth B",
                batch,
                49_152,
                ratios([("border", 2), ("border_wor", 2), ("rrsw", 2)], batch, 49_152, device, repeats, "draw"),
            )
        chosen.json.write_text(
            json.dumps({"device": device, "threads": chosen.threads, "rows": table}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
