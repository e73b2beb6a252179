"""Microseconds of the kernels for one node on a CUDA device: in Triton, in plain torch, and in eager mode.

    python validation/benchmarks/device_speed.py [--repeats 30] [--json FILE]

Each time is a median over replays of a CUDA graph, by events of the device; "eager" is one call as it is, with its
launches. "rejected" are drafts that are all rejected, so that the second pass is made. Rows are random, float32.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from kernels import rows

from spechub_lp import samplers
from spechub_lp.kernels import node
from spechub_lp.sampling import draw_drafts

RULES = [("border", 2), ("border", 4), ("border", 8), ("border_wor", 2), ("rrs", 2), ("rrsw", 2)]


def microseconds(call: Callable[[], Any], repeats: int) -> float:
    """Median time of a call on the device."""
    for _ in range(5):
        call()
    times: list[float] = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) * 1e3)
    return median(times)


def replayed(call: Callable[[], Any]) -> Callable[[], Any]:
    """The call as a CUDA graph; that it can be captured shows that nothing in it waits for the device."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def in_plain_torch(call: Callable[[], Any], repeats: int) -> float:
    """Time of the call without Triton."""
    with patch("spechub_lp.kernels.node.by_triton", lambda _: False):
        return microseconds(replayed(call), repeats)


def measured(batch: int, vocabulary: int, repeats: int) -> list[dict[str, Any]]:
    """All rules on one shape."""
    logits, p, q = rows(batch, vocabulary, "cuda")
    shape = {"B": batch, "V": vocabulary}
    peer = microseconds(lambda: (torch.softmax(logits, -1), torch.multinomial(p, 1)), repeats)
    found: list[dict[str, Any]] = [{**shape, "rule": "softmax + multinomial", "k": 0, "eager": peer}]
    far = torch.zeros_like(p).scatter_(1, q.argmin(dim=1, keepdim=True), 1.0)
    for name, k in RULES:
        u = torch.rand(batch, k + 3, dtype=torch.float64, device="cuda")
        x = torch.as_tensor(draw_drafts(samplers.by_name(name, k).drafts, q, u[:, :k]))
        call = partial(node.verify, name, p, q, x, u[:, k:])
        rejected = partial(node.verify, name, far, q, x, u[:, k:])
        line = {
            "triton": microseconds(replayed(call), repeats),
            "rejected": microseconds(replayed(rejected), repeats),
            "plain": in_plain_torch(call, repeats),
            "eager": microseconds(call, repeats),
        }
        found.append({**shape, "rule": name, "k": k, **line})
        print(f"V = {vocabulary:7,}  B = {batch:3}  {name} {k}:  " + "  ".join(f"{n} {t:.0f}" for n, t in line.items()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    print("microseconds, medians; triton, rejected and plain as CUDA graphs", flush=True)
    table = [
        line
        for vocabulary in (512, 49_152, 151_936)
        for batch in (1, 8, 64)
        for line in measured(batch, vocabulary, chosen.repeats)
    ]
    if chosen.json:
        import triton

        made_by = {"card": torch.cuda.get_device_name(), "torch": torch.__version__, "triton": triton.__version__}
        chosen.json.write_text(json.dumps({**made_by, "unit": "microseconds", "rows": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
