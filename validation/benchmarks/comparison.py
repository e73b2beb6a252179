"""What other ways of testing a sampler, and of finding its optimum, can and cannot tell. Writes docs/comparison.md.

    python validation/benchmarks/comparison.py --jobs 2      about a quarter of an hour on two free cores

1. The acceptance tests of vLLM, transformers and SGLang, rebuilt from their description, on the wrong samplers of
   tests/support/gate_mutants.py and on the right ones: each is run once, as its engine runs it, on the wrong sampler's
   real noise. Beside them the gate.
2. What N draws say about an acceptance and about a distance.
3. The full coupling written down by hand for scipy and cvxpy, beside the certified optimum, on peaked distributions.

`--page` rewrites the tables from the stored figures, without running anything; `--again NAME` measures one sampler,
`--test NAME` runs one of the tests.
"""

import argparse
import copy
import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch

from spechub_lp import drafts, exact, optimum, samplers
from spechub_lp._util.io import write_json, write_text
from spechub_lp._util.parallel import spread
from spechub_lp._util.strict_json import read_json
from spechub_lp.drafts import DraftPolicy
from spechub_lp.gate import Settings, check_node
from spechub_lp.instance import enumerate_drafts
from spechub_lp.report.text.markdown import markdown_table
from spechub_lp.sampling_torch import sample

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "validation" / "results" / "comparison.json"
PAGE = ROOT / "docs" / "comparison.md"

sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]
from gate_mutants import CONTROLS, MUTANTS, WIDE_MUTANTS  # noqa: E402

from validation.pages import with_part  # noqa: E402


@dataclass(frozen=True)
class Engine:
    """A verify function under test and the drafts that it is made for."""

    what: str
    verify: Any
    drafts: DraftPolicy
    k: int
    wrong: bool

    def draw(self, p: torch.Tensor, q: torch.Tensor, n: int) -> torch.Tensor:
        """[n] outputs on fresh drafts, each call with rows of its own. An error or an illegal id raises."""
        tokens: list[int] = []
        for start in range(0, n, 1024):
            for row in self.made(q, min(1024, n - start)).tolist():
                tokens.append(self.verify(p.clone(), q.clone(), row)[0])
        if not all(0 <= y < len(p) for y in tokens):
            raise ValueError("illegal token")
        return torch.tensor(tokens)

    def made(self, q: torch.Tensor, n: int) -> torch.Tensor:
        """[n, k] drafts."""
        if isinstance(self.drafts, drafts.IID):
            return torch.multinomial(q, n * self.k, replacement=True).view(n, self.k)
        x, rows = torch.zeros((n, 0), dtype=torch.int64), q.expand(n, -1)
        for _ in range(self.k):
            x = torch.cat(
                [x, torch.multinomial(torch.as_tensor(self.drafts.draft(rows, x, self.k)).expand(rows.shape), 1)], dim=1
            )
        return x


# -- 1. the engines' own tests: True when the sampler passes -------------------------------------------------------


def distance_shrinks(engine: Engine) -> bool:
    """vLLM, tests/v1/sample/test_rejection_sampler.py: the distance to the target falls with the number of draws, at
    least 20 times as much as that to random distributions; V = 10, up to 100,000 draws."""
    p, q = torch.softmax(torch.rand(2, 10), dim=-1).double()
    others = torch.softmax(torch.rand(100, 10), dim=-1).double()
    to_target, to_others = [], []
    for n in (10, 100, 1000, 10_000, 100_000):
        distribution = torch.bincount(engine.draw(p, q, n), minlength=10) / n
        to_target.append(float(torch.dist(p, distribution)))
        to_others.append(float(torch.dist(others, distribution)))
    return to_target[0] / to_target[-1] > 20 * to_others[0] / to_others[-1]


def chi_square(engine: Engine, p: torch.Tensor, q: torch.Tensor, n: int) -> bool:
    """The chi-square criterion of vLLM, tests/v1/spec_decode/test_rejection_sampler_utils.py: bins that expect fewer
    than 5 are merged, and the statistic must stay below df + 10 sqrt(2 df)."""
    seen, due = torch.bincount(engine.draw(p, q, n), minlength=len(p)).double(), p * n
    enough = due >= 5
    seen = torch.cat([seen[enough], seen[~enough].sum()[None]])
    due = torch.cat([due[enough], due[~enough].sum()[None]])
    seen, due = seen[due >= 5], due[due >= 5]
    df = len(due) - 1
    return float(((seen - due) ** 2 / due).sum()) < df + 10 * math.sqrt(2 * df)


def wide_chi_square(engine: Engine) -> bool:
    """V = 4096, independent random distributions, 40,960 draws."""
    p, q = torch.softmax(torch.randn(2, 4096), dim=-1).double()
    return chi_square(engine, p, q, 40_960)


def narrow_chi_square(engine: Engine) -> bool:
    """V = 16, the draft ranks the tokens in the opposite order, 200,000 draws."""
    logits = torch.randn(16, dtype=torch.float64)
    return chi_square(engine, torch.softmax(logits, dim=0), torch.softmax(-logits, dim=0), 200_000)


def order_kept(engine: Engine) -> bool:
    """transformers, pull request 34553: tokens that are more likely come out more often; 10,000 draws."""
    p = torch.tensor([8.0, 4, 2, 1, 1e-3, 1e-3, 1e-3, 1e-3], dtype=torch.float64)
    q = torch.tensor([1.0, 2, 2, 3, 1, 1, 1, 1], dtype=torch.float64)
    counts = torch.bincount(engine.draw(p / p.sum(), q / q.sum(), 10_000), minlength=8).tolist()
    return bool(counts[0] > counts[1] > counts[2] > counts[3] > max(counts[4:]))


def sure_targets(engine: Engine) -> bool:
    """SGLang, test/registered/spec/utils/test_tree_speculative_sampling.py: targets that sit on one token, V = 20."""
    q = torch.full((20,), 1 / 20, dtype=torch.float64)
    return all(
        bool((engine.draw(torch.nn.functional.one_hot(torch.tensor(y), 20).double(), q, 1) == y).all())
        for y in (3, 4, 5, 11, 12, 18)
    )


def within_two_percent(engine: Engine) -> bool:
    """SGLang, test/registered/unit/spec/test_chain_speculative_sampling.py: the first token's distribution is within
    .02 of the target; V = 8, a random draft that is sharper than the target, 20,000 draws."""
    p, q = (torch.softmax(sharpness * torch.randn(8), dim=0).double() for sharpness in (1.0, 2.0))
    drawn = torch.bincount(engine.draw(p, q, 20_000), minlength=8) / 20_000
    return float((drawn - p).abs().sum() / 2) < 0.02


TESTS: dict[str, Callable[[Engine], bool]] = {
    "SGLang: sure targets": sure_targets,
    "SGLang: distance below .02": within_two_percent,
    "transformers: order kept": order_kept,
    "vLLM: distance shrinks": distance_shrinks,
    "vLLM: chi-square, V = 4096": wide_chi_square,
    "vLLM: chi-square, V = 16": narrow_chi_square,
}


def engines() -> list[Engine]:
    wrong = [Engine(m.what, m.engine, drafts.by_name(m.drafts), m.k, True) for m in (*MUTANTS, *WIDE_MUTANTS)]
    return wrong + [Engine(what, verify, drafts.by_name(name), k, False) for what, verify, name, k in CONTROLS]


def tried(engine: Engine, name: str) -> dict[str, Any]:
    """One of the tests on one engine, once, with the seed 42; a sampler that raises is rejected."""
    torch.manual_seed(42)
    started = process_time()
    try:
        passes = TESTS[name](copy.deepcopy(engine))
    except (RuntimeError, ValueError, IndexError):
        passes = False
    return {"passes": passes, "seconds": process_time() - started}


def try_engine(place: int) -> dict[str, Any]:
    """All tests and the gate on one engine."""
    torch.set_num_threads(1)
    engine = engines()[place]
    figures: dict[str, Any] = {"what": engine.what, "wrong": engine.wrong}
    figures["tests"] = {name: tried(engine, name) for name in TESTS}
    started = process_time()
    report = check_node(engine.verify, engine.drafts.name, engine.k, name=engine.what, settings=Settings(seconds=300))
    proofs = sorted((f.level, f.kind) for f in report.findings if f.proof)
    distances = [row.distance for row in report.rows if row.level == 1]
    figures["tests"]["the gate"] = {"passes": report.status == "pass", "seconds": process_time() - started}
    figures["gate"] = {
        "status": report.status,
        "calls": report.calls,
        "level": proofs[0][0] if proofs else None,
        "kind": proofs[0][1] if proofs else None,
        "distance": max(distances, default=None),
    }
    return figures


# -- 2. what draws say ---------------------------------------------------------------------------------------------


def by_draws(repeats: int = 200, n: int = 10_000) -> dict[str, Any]:
    """Acceptance by n draws, the way of the papers' own code, beside the exact distribution; distances of
    frequencies."""
    weights = [2**i for i in range(8)]
    p = [Fraction(w, sum(weights)) for w in weights]
    q = p[::-1]
    sampler = samplers.by_name("rrs")
    started = perf_counter()
    distribution = exact(sampler, p, q)
    exact_seconds = perf_counter() - started
    rows = torch.tensor([[float(v) for v in distribution] for distribution in (p, q)], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    estimates, seconds = [], []
    for _ in range(repeats):
        started = perf_counter()
        drawn = sample(sampler, rows[:1].expand(n, -1), rows[1:].expand(n, -1), generator=generator)
        estimates.append(float((drawn.slots >= 0).double().mean()))
        seconds.append(perf_counter() - started)
    rng = np.random.default_rng(0)
    distances = {}
    for v in (16, 4096, 49_152):
        even = np.full(v, 1 / v)
        tilted = even * (1 + 0.06 * (-1.0) ** np.arange(v))
        distances[v] = [
            float(np.mean([np.abs(rng.multinomial(n, distribution) / n - even).sum() / 2 for _ in range(50)]))
            for distribution in (even, tilted)
        ]
    return {
        "n": n,
        "acceptance": str(distribution.acceptance),
        "lossless": distribution.is_lossless,
        "exact_seconds": exact_seconds,
        "spread": float(np.std(estimates)),
        "seconds": float(np.median(seconds)),
        "distances": distances,
    }


# -- 3. the program by hand ----------------------------------------------------------------------------------------


def full_by_scipy(p: Any, x: Any, mass: Any) -> float | None:
    from scipy import sparse
    from scipy.optimize import linprog

    n, v = len(x), len(p)
    gain = (x[:, :, None] == np.arange(v)).any(axis=1).astype(float)
    by_tuple, by_token = sparse.kron(sparse.eye(n), np.ones((1, v))), sparse.kron(np.ones((1, n)), sparse.eye(v))
    marginals = sparse.vstack([by_tuple, by_token]).tocsr()
    solved = linprog(-gain.ravel(), A_eq=marginals, b_eq=np.concatenate([mass, p]), method="highs")
    return -solved.fun if solved.status == 0 else None


def full_by_cvxpy(p: Any, x: Any, mass: Any, solver: str) -> float | None:
    from spechub_lp.optimum.cvxpy_model import load_cvxpy

    cp = load_cvxpy()

    drafted = (x[:, :, None] == np.arange(len(p))).any(axis=1).astype(float)
    C = cp.Variable((len(x), len(p)), nonneg=True)
    marginals = [cp.sum(C, axis=1) == mass, cp.sum(C, axis=0) == p]
    problem = cp.Problem(cp.Maximize(cp.sum(cp.multiply(drafted, C))), marginals)
    try:
        problem.solve(solver=solver)
    except cp.SolverError:
        return None
    return float(problem.value) if problem.status == "optimal" else None


def by_hand(instances: int = 40, v: int = 12) -> dict[str, Any]:
    """Peaked distributions: how often the program gets no answer from a solver, and how far off the value is
    otherwise."""
    rng = np.random.default_rng(7)
    ways: dict[str, Callable[..., float | None]] = {
        "scipy `linprog`, full coupling": full_by_scipy,
        "cvxpy, HiGHS, full coupling": partial(full_by_cvxpy, solver="HIGHS"),
        "cvxpy, CLARABEL, full coupling": partial(full_by_cvxpy, solver="CLARABEL"),
    }
    rows: dict[str, dict[str, list[float]]] = {name: {"errors": [], "seconds": []} for name in (*ways, "ours")}
    rejected = dict.fromkeys(ways, 0)
    for _ in range(instances):
        p, q = (rng.dirichlet([0.08] * v) for _ in range(2))
        p, q = p / p.sum(), q / q.sum()
        started = perf_counter()
        truth = optimum(p, q, k=2, drafts="iid", normalize=True).alpha
        rows["ours"]["seconds"].append(perf_counter() - started)
        x, mass = enumerate_drafts(drafts.IID(), q[None], 2)
        for name, solve in ways.items():
            started = perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = solve(p, x, mass)
            rows[name]["seconds"].append(perf_counter() - started)
            if value is None:
                rejected[name] += 1
            else:
                rows[name]["errors"].append(abs(float(value - truth)))
    return {
        "instances": instances,
        "v": v,
        "ways": {
            name: {
                "rejected": rejected.get(name, 0),
                "worst": max(row["errors"], default=0.0),
                "seconds": float(np.median(row["seconds"])),
            }
            for name, row in rows.items()
        },
    }


# -- the page ------------------------------------------------------------------------------------------------------


def rejects(row: dict[str, Any], name: str) -> bool:
    """Whether a test rejects a sampler; a gate that ends without a verdict does not."""
    return row["gate"]["status"] == "biased" if name == "the gate" else not row["tests"][name]["passes"]


def table_of_tests(figures: dict[str, Any]) -> list[str]:
    rows = figures["engines"]
    names = [*TESTS, "the gate"]
    wrong, right = ([row for row in rows if row["wrong"] is side] for side in (True, False))
    seconds = {name: sum(row["tests"][name]["seconds"] for row in right) / len(right) for name in names}
    heads = ("test", f"wrong samplers rejected, of {len(wrong)}", f"right ones rejected, of {len(right)}",
             "CPU seconds for a right one", "gate / test")  # fmt: skip
    lines = []
    for name in names:
        rejected = [sum(rejects(row, name) for row in side) for side in (wrong, right)]
        ratio = f"{seconds['the gate'] / seconds[name]:.3g}"
        lines.append([name, *map(str, rejected), f"{seconds[name]:.2g}", ratio])
    return markdown_table(heads, lines)


def table_of_missed(figures: dict[str, Any]) -> list[str]:
    """The wrong samplers that at least one of the two chi-square tests lets through."""
    chi = [name for name in TESTS if "chi-square" in name]
    lines = []
    for row in figures["engines"]:
        passes = [not rejects(row, name) for name in chi]
        if row["wrong"] and any(passes):
            distance = row["gate"]["distance"]
            size = "by draws" if distance is None else f"{distance:.2g}"
            cells = ["passes" if p else "rejected" for p in passes]
            gate = row["gate"]
            said = f"level {gate['level']}: {gate['kind']}" if gate["status"] == "biased" else gate["status"]
            lines.append([row["what"], size, *cells, said])
    return markdown_table(("wrong sampler", "exact distance", "V = 4096", "V = 16", "the gate"), lines)


def table_of_draws(figures: dict[str, Any]) -> list[str]:
    drawn = figures["draws"]
    heads = (f"{drawn['n']:,} draws", "distance of the frequencies, lossless", "biased by .03")
    rows = ([f"V = {int(v):,}", f"{a:.3f}", f"{b:.3f}"] for v, (a, b) in drawn["distances"].items())
    return markdown_table(heads, rows)


def table_of_programs(figures: dict[str, Any]) -> list[str]:
    ways = figures["programs"]["ways"]
    n = figures["programs"]["instances"]
    ours = ways["ours"]["seconds"]
    lines = []
    for name, way in ways.items():
        what, error = (
            ("`spechub_lp.optimum`, certified", "0, exact") if name == "ours" else (name, f"{way['worst']:.1e}")
        )
        error = error if name == "ours" or way["rejected"] < n else ""
        times = [f"{1e3 * way['seconds']:.3g}", f"{way['seconds'] / ours:.2g}"]
        lines.append([what, str(way["rejected"]), error, *times])
    return markdown_table(("way", f"no answer, of {n}", "worst error", "ms", "its time / ours"), lines)


TABLES = {"tests": table_of_tests, "missed": table_of_missed, "draws": table_of_draws, "programs": table_of_programs}


def updated(page: str, figures: dict[str, Any]) -> str:
    """The page with its tables written anew between their markers."""
    for name, table in TABLES.items():
        page = with_part(page, name, "validation/benchmarks/comparison.py", "\n".join(table(figures)))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--page", action="store_true", help="rewrite the tables from the stored figures")
    parser.add_argument("--again", metavar="NAME", help="measure this sampler again and keep the other figures")
    parser.add_argument("--test", choices=TESTS, help="run this test alone on every sampler and keep the other figures")
    options = parser.parse_args()
    if options.page or options.again or options.test:
        figures = read_json(KEPT)
        for place, engine in enumerate(engines()):
            if engine.what == options.again:
                figures["engines"][place] = try_engine(place)
            elif options.test:
                figures["engines"][place]["tests"][options.test] = tried(engine, options.test)
    else:
        figures = {"draws": by_draws(), "programs": by_hand()}
        figures["engines"] = list(spread(options.jobs, try_engine, range(len(engines()))))
    if not options.page:
        write_json(KEPT, {**figures, "date": date.today().isoformat()})
        figures = read_json(KEPT)
    if PAGE.exists():
        write_text(PAGE, updated(PAGE.read_text(encoding="utf-8"), figures))
    print("\n\n".join("\n".join(table(figures)) for table in TABLES.values()))


if __name__ == "__main__":
    main()
