"""Solving the compact program: our function beside raw highspy on the same arrays, and beside cvxpy.

    python validation/benchmarks/solve.py [--repeats 7]

Times are medians of interleaved repeats on one thread; the ratios are what to quote.
"""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

import highspy
import numpy as np

from spechub_lp import drafts, optimum
from spechub_lp._util.stdout import without_banner
from spechub_lp.exact import exact
from spechub_lp.instance import enumerate_drafts
from spechub_lp.optimum import highs, program
from spechub_lp.samplers import ALL, by_name


def timed(calls: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each call, taken in turn so that drift hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            started = perf_counter()
            call()
            seconds[name].append(perf_counter() - started)
    return {name: median(times[1:]) for name, times in seconds.items()}


def raw_highspy(arrays: tuple[Any, ...], method: str) -> float:
    """passModel and run on ready-made arrays, nothing else."""
    without_banner(highspy.Highs)
    solver = highspy.Highs()
    solver.silent()
    for key, value in highs.METHODS[method].items():
        solver.setOptionValue(key, value)
    solver.setOptionValue("threads", 1)
    solver.passModel(*arrays)
    solver.run()
    return float(solver.getInfo().objective_function_value)


def arrays_of(compact: program.Program) -> tuple[Any, ...]:
    recorded: list[tuple[Any, ...]] = []

    class Recorder:
        def passModel(self, *arrays: Any) -> None:
            recorded.append(arrays)

    highs.load(Recorder(), compact)  # type: ignore[arg-type]
    return recorded[0]


def cvxpy_default(p: Any, x: Any, mass: Any) -> None:
    """What a reader of the paper would write, with cvxpy's default settings for HiGHS."""
    cp: Any = import_module("cvxpy")
    from scipy import sparse

    S = cp.Variable(x.shape, nonneg=True)
    outputs = sparse.csr_array((np.ones(x.size), (x.ravel(), np.arange(x.size))), shape=(len(p), x.size))
    covered = outputs @ cp.vec(S, order="C") <= p
    cp.Problem(cp.Maximize(cp.sum(S)), [cp.sum(S, axis=1) <= mass, covered]).solve(solver="HIGHS")


def ours(p: Any, x: Any, mass: Any) -> float:
    """Merge permuted tuples, build, pass and solve."""
    return highs.solve(program.compact(p, x, mass)).value


def programs(repeats: int) -> None:
    print("   V  k Dirichlet  rows x columns   ours ms  / raw highspy  cvxpy / ours")
    for size, k, spread in ((20, 2, 1), (50, 2, 1), (50, 2, 5), (20, 3, 0.3), (20, 3, 1), (20, 3, 5), (200, 2, 1)):
        rng = np.random.default_rng(0)
        p, q = rng.dirichlet([spread] * size), rng.dirichlet([spread] * size)
        tuples, mass = enumerate_drafts(drafts.by_name("iid"), q[None], k)
        x = np.asarray(tuples)
        compact = program.compact(p, x, mass)
        arrays = arrays_of(compact)
        calls = {
            "ours": partial(ours, p, x, mass),
            **{method: partial(raw_highspy, arrays, method) for method in highs.METHODS},
        }
        t = timed(calls, repeats)
        best = min(highs.METHODS, key=t.__getitem__)
        cvxpy = ""
        if size <= 50:  # a flat distribution takes cvxpy's default half a minute
            peer = timed({"ours": calls["ours"], "cvxpy": partial(cvxpy_default, p, x, mass)}, 1)
            cvxpy = f"{peer['cvxpy'] / peer['ours']:.1f}"
        shape = f"{compact.size[0]} x {compact.size[1]}"
        print(
            f"{size:4} {k:2} {spread:9} {shape:>15} {t['ours'] * 1e3:9.2f} {t['ours'] / t[best]:14.2f} {cvxpy:>13}  "
            f"(fastest raw: {best})",
            flush=True,
        )
    print("ours: merge permuted tuples, build, pass, solve; raw: pass and solve the merged arrays\n")


def audited(name: str, p: Any, q: Any, k: int) -> bool:
    return exact(by_name(name, k), p, q, normalize=True).is_lossless


def exact_work(repeats: int) -> None:
    print("exact, in rationals          ms")
    rng = np.random.default_rng(1)
    for size, k in ((5, 2), (6, 3), (27, 2)):
        p, q = (list(map(int, rng.integers(1, 30, size))) for _ in range(2))
        names = [s.name for s in ALL if k == 2 or s.name not in ("spechub", "two_step")]
        calls = {n: partial(audited, n, p, q, k) for n in names}
        t = timed(calls, repeats)
        slowest = max(t, key=t.__getitem__)
        middle, worst = median(t.values()) * 1e3, t[slowest] * 1e3
        print(f"  audit of a sampler, V = {size:2}, k = {k}: {middle:7.1f} (slowest: {slowest} {worst:.1f})")
    for size, k in ((20, 2), (50, 2), (20, 3), (200, 2)):
        p, q = (list(map(int, rng.integers(1, 1000, size))) for _ in range(2))
        started = perf_counter()
        best = optimum(p, q, k, normalize=True)
        print(f"  certified optimum, V = {size:3}, k = {k}: {(perf_counter() - started) * 1e3:7.1f} ({best.method})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    chosen = parser.parse_args()
    programs(chosen.repeats)
    exact_work(min(chosen.repeats, 3))
