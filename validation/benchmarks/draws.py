"""Tokens verified a second by each sampler at V = 49,152 in torch, on one core.

    python validation/benchmarks/draws.py        about a minute

The drafts are given. `verify` starts from p and q each time; `prepared` is Border's verdict once the mixture is made.
Aim: Border prepared within 2 x SpecHub.
"""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import torch

from spechub_lp import samplers

torch.set_num_threads(1)
V, ROWS = 49_152, 16


def best(run: Callable[[], Any], times: int = 5) -> float:
    """Least time in seconds."""
    run()
    least = float("inf")
    for _ in range(times):
        start = perf_counter()
        run()
        least = min(least, perf_counter() - start)
    return least


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    q = torch.softmax(2 * torch.randn(ROWS, V, generator=generator), dim=-1)
    p = torch.softmax(torch.log(q) + torch.randn(ROWS, V, generator=generator), dim=-1)
    print(f"float32, V = {V:,}, {ROWS} rows a batch, one core\n")
    print("| sampler | k | verify, tokens/s | prepared, tokens/s | prepared / spechub |")
    print("|---|---|---|---|---|")
    hub = None
    for name in ("spechub", "naive", "nss", "rrs", "rrsw", "kseq", "greedy_hubs", "border", "border_wor"):
        for k in (1,) if name == "naive" else (2,) if name in ("spechub", "border_wor") else (2, 4):
            sampler: Any = samplers.by_name(name, k)
            x = torch.zeros((ROWS, 0), dtype=torch.int64)
            for _ in range(k):
                x = torch.cat(
                    [x, torch.multinomial(sampler.drafts.draft(q, x, k).expand(ROWS, V), 1, generator=generator)], dim=1
                )
            seconds = best(partial(sampler.verify, p, q, x), 3)
            hub = hub or seconds
            cells = "| |"
            if name.startswith("border"):
                after = best(partial(sampler.judge, sampler.prepare(p, q), x))
                cells = f"{ROWS / after:,.0f} | {after / hub:.2f} |"
            print(f"| {name} | {k} | {ROWS / seconds:,.0f} | {cells}", flush=True)


if __name__ == "__main__":
    main()
