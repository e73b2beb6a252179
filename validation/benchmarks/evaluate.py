"""Evaluation of every sampler at 1,000 positions of V = 49,152, k = 2, one temperature: seconds and peak memory.

    python validation/benchmarks/capture.py --repeats 1 --out build/thousand
    python validation/benchmarks/evaluate.py [--rows build/thousand] [--positions 1000] [--jobs 2]

The aims are 60 seconds and 2 GB on two cores. Memory is the resident set of this process and its workers together,
looked at ten times a second; pages of one file that several processes map are counted once for each.
"""

import argparse
import sys
import threading
from pathlib import Path

import psutil

from spechub_lp.evaluate.evaluate import Plan, evaluate

SECONDS, GIGABYTES = 60, 2.0


class Peak(threading.Thread):
    """The largest resident set of this process and its children, in bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.done = 0, threading.Event()

    def run(self) -> None:
        me = psutil.Process()
        while not self.done.wait(0.1):
            held = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    held += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.most = max(self.most, held)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=Path, default=Path("build/thousand"))
    parser.add_argument("--positions", type=int, default=1000)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--samplers", default="all")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    plan = Plan(tuple(given.samplers.split(",")), (given.temperature,), positions=given.positions)
    peak = Peak()
    peak.start()
    result = evaluate(given.rows, plan, given.jobs)
    peak.done.set()
    peak.join()
    memory = peak.most / 1e9
    print(
        f"{result.positions} positions, V = {result.vocabulary:,}, samplers: {given.samplers}, {given.jobs} processes"
    )
    scale = 1000 / result.positions
    print(f"  {result.seconds:.1f} s, {result.seconds * scale:.1f} s for 1,000 positions (aim {SECONDS})")
    print(f"  {memory:.2f} GB at the most (aim {GIGABYTES})")
    if result.failures:
        sys.exit(f"failures: {result.failures}")


if __name__ == "__main__":
    main()
