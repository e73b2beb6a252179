"""Compare every number of two checkouts: python scripts/same_numbers.py BEFORE AFTER [--only WORD] [--keep FOLDER].

Commands with fixed seeds and library calls on seeded instances run in both checkouts with this Python. Compared are all
numbers of the JSON documents, certificates byte for byte, and exit codes. Fields may have other names; dates, versions,
times and command lines do not count. Of gate runs the problems are compared that both checkouts have, up to rounding:
later gates search for more problems, and find thresholds in other ways. Exit code 1: something differs.
"""

import argparse
import hashlib
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

PASSING = {"schema", "tool", "date", "versions", "machine", "command_line"}
"""Fields that tell when, where and with what something ran."""
TIMES = re.compile(r"(^|[_ ])(seconds|time|minutes|elapsed)($|[_ ])")
NUMBER = re.compile(r"[+-]?\d+(/\d+|\.\d*)?([eE][+-]?\d+)?")
ROUNDED = 10
"""Digits behind the point of what a gate measures: its thresholds are found to 1e-11."""
MEASURED = ("distance", "bound", "acceptance", "optimum")
"""What a gate run says of a problem."""
SHOWN = 6
"""Differences shown for each case."""

ROWS = "validation/captured/smollm2.safetensors"
PAIR = ("--p", "1/10,1/5,3/10,2/5", "--q", "2/5,3/10,1/5,1/10")
ENGINES = '''
import numpy as np

GENERATOR = np.random.default_rng(0)


def drawn(weights):
    """A token; the last one that can come out where the uniform is within rounding of 1."""
    ends = np.cumsum(weights)
    place = int(np.searchsorted(ends, GENERATOR.random() * ends[-1], side="right"))
    return min(place, int(np.flatnonzero(weights)[-1]))


def right(p, q, drafts):
    """Accept with probability min(1, p/q); then draw from what is left of p."""
    x = drafts[0]
    if GENERATOR.random() * q[x] < p[x]:
        return x, 0
    rest = np.maximum(np.asarray(p) - np.asarray(q), 0)
    return drawn(rest if rest.any() else np.asarray(p)), -1


def wrong(p, q, drafts):
    """The same, but what is drawn after a rejection comes from the whole of p."""
    x = drafts[0]
    return (x, 0) if GENERATOR.random() * q[x] < p[x] else (drawn(np.asarray(p)), -1)
'''


@dataclass(frozen=True)
class Case:
    """One run: what it is called, the words after `python`, and the files it writes."""

    name: str
    words: tuple[str, ...]
    document: bool = True
    """Whether it takes --json FILE."""
    certificate: bool = False
    """Whether it takes --certificate FILE."""


def command(name: str, spelled: tuple[str, ...], *words: str, **files: bool) -> Case:
    """A case of `spechub-lp`; `spelled` are the names of the command, the newest first."""
    return Case(name, ("-m", "spechub_lp", "|".join(spelled), *words), **files)


def cases() -> list[Case]:
    """Everything that is run, in order: a certificate is checked after it was written."""
    return [
        command("audit", ("audit",), "--instances", "8", "--positions", "4", "--rows", "2", "--jobs", "1"),
        *(
            command(f"solve {drafts} k={k}", ("solve",), *PAIR, "--k", str(k), "--drafts", drafts, certificate=True)
            for drafts, k in (("iid", 2), ("iid", 3), ("without_replacement", 3), ("hub", 2), ("greedy", 2))
        ),
        command("solve top_k", ("solve",), *PAIR, "--drafts", "top_k", "--full", certificate=True),
        command(
            "solve product", ("solve",), "--p", "0.2,0.3,0.5", "--q", "0.5,0.25,0.25;0.1,0.8,0.1", "--drafts",
            "product", "--full", certificate=True,
        ),
        command("solve: p is not a distribution", ("solve",), "--p", "1/2,1/3", "--q", "1/2,1/2"),
        command("solve: unknown drafts", ("solve",), *PAIR, "--drafts", "idd"),
        *(
            command(f"check-certificate {name}", ("check-certificate", "verify"), f"{name}.certificate")
            for name in ("solve_iid_k=3", "solve_product", "altered", "missing")
        ),
        *(
            command(f"sample {name}", ("sample",), "--sampler", name, *PAIR, "-n", "20000", "--seed", "3")
            for name in ("naive", "nss", "rrs", "rrsw", "kseq", "spechub", "greedy_hubs", "two_step", "lp_table",
                         "border", "border_wor", "border_adaptive", "border_tempered", "border_bucketed")
        ),
        command("sample: a biased pair", ("sample",), "--sampler", "spechub", *PAIR, "--drafts", "iid", "-n", "5000"),
        *(
            command(f"gate {engine} k={k}", ("gate",), engine, "--k", str(k), "--budget", "2000draws", "--seed", "1")
            for engine, k in (("transformers", 1), ("spechub/rrs", 2), ("spechub/spechub", 2),
                              ("engines_of_the_comparison:right", 1), ("engines_of_the_comparison:wrong", 1))
        ),
        command("gate: unknown engine", ("gate",), "nobody", document=False),
        command(
            "evaluate captured rows", ("evaluate", "replay"), ROWS, "--positions", "6", "--temperatures", "0.6,1",
            "--k", "1,2", "--exact-every", "3", "--jobs", "1",
        ),
        command(
            "evaluate a capture", ("evaluate", "replay"), "validation/captured/austen", "--positions", "5",
            "--temperatures", "1", "--k", "3", "--top-k", "40", "--exact-every", "0", "--jobs", "1",
        ),
        Case("theory", ("-m", "theory")),
        *(Case(f"library: {name}", (str(Path(__file__).resolve()), "--probe", name)) for name in PROBES),
    ]  # fmt: skip


# In the subprocess of a checkout: library calls on seeded instances.


def instances(seed: int, batch: int, most: int = 5) -> Iterator[tuple[list[Fraction], list[Fraction], list[Fraction]]]:
    """p, q and another q: rational distributions of 2 to `most` tokens, some with zeros and ties."""
    import numpy as np

    generator = np.random.default_rng(seed)
    for i in range(batch):
        rows = generator.integers(0 if i % 3 == 0 else 1, 5 if i % 2 else 30, size=(3, 2 + i % (most - 1)))
        rows[:, 0] += rows.sum(axis=1) == 0
        p, q, r = ([Fraction(int(n), int(row.sum())) for n in row] for row in rows)
        yield p, q, r


def pairs() -> Iterator[tuple[str, Any, Any]]:
    """Every sampler with every policy: name, sampler, policy."""
    from spechub_lp import drafts, samplers

    for sampler in (*samplers.ALL, *samplers.VARIANTS):
        for policy in {policy.name: policy for policy in (sampler.drafts, *drafts.ALL)}.values():
            yield f"{sampler.name} {policy.name}", sampler, policy


def tried(call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call returns, or that it was rejected."""
    from spechub_lp import SpecHubError

    try:
        return call(*arguments)
    except SpecHubError:
        return "rejected"


def floats(row: Any) -> Any:
    import numpy as np

    return np.asarray([[float(x) for x in r] for r in row] if isinstance(row[0], list) else [float(x) for x in row])


def plain(value: Any) -> Any:
    """A value as JSON: rationals as text."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return f"{value.numerator}/{value.denominator}"


def whole(coupling: Any) -> dict[str, Any]:
    """All numbers of a sampler's distribution."""
    name = "output_distribution" if hasattr(coupling, "output_distribution") else "output_law"
    return {
        "acceptance": coupling.acceptance, "membership": coupling.membership, "output": getattr(coupling, name),
        "distance": coupling.distance, "mass": coupling.mass, "drafts": coupling.drafts, "accept": coupling.accept,
        "residual": coupling.residual, "lossless": coupling.is_lossless if coupling.is_exact else None,
    }  # fmt: skip


def probe_exact() -> Any:
    from spechub_lp import exact, reference

    out: dict[str, Any] = {}
    for name, sampler, policy in pairs():
        for i, (p, q, r) in enumerate(instances(11, 6, 4)):
            rows = [q, r] if policy.name == "product" else q
            rule = tried(sampler.with_drafts, policy)
            if isinstance(rule, str):
                out[name] = rule
                continue
            out[f"{name} {i} exact"] = tried(lambda *given: whole(exact(*given)), rule, p, rows)
            out[f"{name} {i} float64"] = tried(lambda *given: whole(reference(*given)), rule, floats(p), floats(rows))
    return out


def probe_optimum() -> Any:
    from spechub_lp import drafts, optimum

    out: dict[str, Any] = {}
    for policy in drafts.ALL:
        for k in (1, 2, 3):
            for i, (p, q, r) in enumerate(instances(12, 8)):
                rows = [q, r, p][:k] if policy.name == "product" else q

                def call(p: Any = p, rows: Any = rows, k: int = k, name: str = policy.name) -> Any:
                    best = optimum(p, rows, k, name)
                    proof = json.dumps(best.certificate(), indent=1).encode()
                    return [best.alpha, best.H, best.flow, whole(best.coupling), hashlib.sha256(proof).hexdigest()]

                out[f"{policy.name} k={k} {i}"] = tried(call)
    return out


def probe_cut() -> Any:
    import numpy as np

    from spechub_lp import cut, drafts

    generator, out = np.random.default_rng(13), {}
    for policy in drafts.ALL:
        for k in (1, 2, 3):
            for dtype in ("float64", "float32"):
                p, q = (generator.dirichlet(np.full(40, 0.3), size=5).astype(dtype) for _ in range(2))
                for sort in (False, True):

                    def call(p: Any = p, q: Any = q, k: int = k, name: str = policy.name, sort: bool = sort) -> Any:
                        found = cut(p, q, k, name, sort=sort)
                        return [found.alpha, found.H, found.error]

                    out[f"{policy.name} k={k} {dtype} {'sorted' if sort else 'by buckets'}"] = tried(call)
    return out


def probe_draw() -> Any:
    import numpy as np
    import torch

    from spechub_lp import draw

    generator, out = np.random.default_rng(14), {}
    p, q, r = (generator.dirichlet(np.full(6, 0.5), size=40) for _ in range(3))
    for name, sampler, policy in pairs():
        rule = tried(sampler.with_drafts, policy)
        u = generator.random((40, sampler.k + 1))
        rows = np.stack([q, r], axis=1)[:, : sampler.k] if policy.name == "product" else q
        for library, make in (("numpy", np.asarray), ("torch", torch.tensor)):

            def call(rule: Any = rule, rows: Any = rows, u: Any = u, make: Any = make) -> Any:
                drawn = draw(rule, make(p), make(rows), make(u))
                return [drawn.tokens, drawn.slots, drawn.drafts]

            out[f"{name} {library}"] = rule if isinstance(rule, str) else tried(call)
    return out


def probe_acceptance() -> Any:
    import numpy as np

    generator, out = np.random.default_rng(15), {}
    p, q, r = (generator.dirichlet(np.full(30, 0.4), size=6) for _ in range(3))
    for name, sampler, policy in pairs():
        for k in (1, 2, 3):

            def call(sampler: Any = sampler, policy: Any = policy, k: int = k) -> Any:
                rule = type(sampler)(k=k).with_drafts(policy)
                rows = np.stack([q, r, p], axis=1)[:, :k] if policy.name == "product" else q
                return rule.acceptance(p, rows)

            out[f"{name} k={k}"] = tried(call)
    return out


PROBES: dict[str, Callable[[], Any]] = {
    "exact": probe_exact,
    "optimum": probe_optimum,
    "cut": probe_cut,
    "draw": probe_draw,
    "acceptance": probe_acceptance,
}


# Here: running the cases, and comparing what they wrote.


@dataclass(frozen=True)
class Outcome:
    code: int
    """Exit code."""
    leaves: list[tuple[str, Any]]
    """(path, value) of each number in the document."""
    certificate: bytes
    stderr: str
    problems: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What a gate run measured on each problem."""


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of each number: ints, floats, booleans, null, and text that spells a number, in order."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in PASSING and not TIMES.search(key):
                yield from leaves(part, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from leaves(part, f"{path}[{i}]")
    elif isinstance(value, bool) or value is None or value == "rejected":
        yield path, str(value)
    elif isinstance(value, float):
        yield path, Fraction(value) if math.isfinite(value) else repr(value)
    elif isinstance(value, int) or NUMBER.fullmatch(value):
        yield path, Fraction(value)
    elif re.fullmatch("[0-9a-f]{64}", value):
        yield path, value


def problems(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of a gate run by the name of their problem, rounded; shapes of trees have had two spellings."""
    return {
        re.sub(r"(?<=\d)x(?=\d)", ",", row["problem"]): {
            name: round(row[name], ROUNDED) for name in MEASURED if row.get(name) is not None
        }
        for row in document.get("problems", [])
        if isinstance(row, dict) and "problem" in row
    }


def on_shared_problems(before: Outcome, after: Outcome) -> tuple[Outcome, Outcome]:
    """Two outcomes as they are, and those of gate runs cut to the problems that both have."""
    if not before.problems or not after.problems:
        return before, after
    shared = [name for name in before.problems if name in after.problems]
    one, other = ({name: outcome.problems[name] for name in shared} for outcome in (before, after))
    return replace(before, leaves=list(leaves(one))), replace(after, leaves=list(leaves(other)))


class Checkout:
    """One of the two, with a folder in which its commands run."""

    def __init__(self, root: Path, folder: Path):
        self.root, self.folder = root.resolve(), folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "engines_of_the_comparison.py").write_text(ENGINES, encoding="utf-8")
        path = os.pathsep.join([str(self.root), str(folder)])
        self.environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        self.help = self.call("-m", "spechub_lp", "--help").stdout
        where = self.call("-c", "import spechub_lp; print(spechub_lp.__file__)").stdout.strip()
        if not Path(where).is_relative_to(self.root):
            raise SystemExit(f"python imports {where}, not the package of {self.root}")

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def word(self, word: str) -> str:
        """A word of a case as this checkout spells it: a command's name, a file that the checkout has."""
        if "|" in word:
            return next((w for w in word.split("|") if re.search(rf"^\s+{w}\s", self.help, re.M)), word.split("|")[-1])
        return str(self.root / word) if word.startswith("validation/") else word

    def run(self, case: Case) -> Outcome:
        files = {
            "json": self.folder / f"{slug(case.name)}.json",
            "certificate": self.folder / f"{slug(case.name)}.certificate",
        }
        words = [self.word(word) for word in case.words]
        if case.document:
            words += ["--json", str(files["json"])]
        if case.certificate:
            words += ["--certificate", str(files["certificate"])]
        if "altered.certificate" in case.words:
            self.alter()
        done = self.call(*words)
        read = json.loads(files["json"].read_text(encoding="utf-8")) if files["json"].is_file() else {}
        proof = files["certificate"].read_bytes() if files["certificate"].is_file() else b""
        return Outcome(done.returncode, list(leaves(read)), proof, done.stderr, problems(read))

    def alter(self) -> None:
        """Write a certificate that claims more than the optimum."""
        proof = (self.folder / "solve_iid_k=2.certificate").read_text(encoding="utf-8")
        altered = proof.replace('"alpha": "79/100"', '"alpha": "4/5"')
        assert altered != proof, "the certificate of solve has another optimum or another form"
        (self.folder / "altered.certificate").write_text(altered, encoding="utf-8")


def slug(name: str) -> str:
    return re.sub(r"[^\w=.-]+", "_", name)


def differences(before: Outcome, after: Outcome) -> list[str]:
    """What differs between two outcomes, in words."""
    out = []
    if before.code != after.code:
        out.append(f"exit code {before.code}, now {after.code}: {(after.stderr or before.stderr).strip()[-300:]}")
    if before.certificate != after.certificate:
        out.append("the certificates differ")
    old, new = (Counter(value for _, value in outcome.leaves) for outcome in (before, after))
    for gone, outcome, said in ((old - new, before, "only before"), (new - old, after, "only after")):
        for path, value in outcome.leaves:
            if gone[value]:
                gone[value] -= 1
                out.append(f"{said}: {path} = {value if isinstance(value, str) else float(value)!r}")
    return out


def in_place(before: Outcome, after: Outcome) -> bool:
    """Whether the numbers are the same in the same order."""
    return [value for _, value in before.leaves] == [value for _, value in after.leaves]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", nargs="?", type=Path)
    parser.add_argument("after", nargs="?", type=Path)
    parser.add_argument("--only", default="", help="Run the cases whose name has this regular expression only.")
    parser.add_argument("--keep", type=Path, help="Keep what was written in this folder.")
    parser.add_argument("--probe", choices=PROBES, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.probe:
        sys.path.remove(str(Path(__file__).resolve().parent))
        given.json.write_text(json.dumps(plain(PROBES[given.probe]())), encoding="utf-8")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        two = [Checkout(given.before, folder / "before"), Checkout(given.after, folder / "after")]
        return compare(two, [case for case in cases() if re.search(given.only, case.name)])


def compare(two: list[Checkout], chosen: list[Case]) -> int:
    """Run the cases in both checkouts, side by side; print a line a case, then what differs. Returns the exit code."""
    numbers, wrong = 0, 0
    print(f"{'what':34} {'exit':>5} {'numbers':>8} {'order':>6} {'certificate':>11}  differences")
    with ThreadPoolExecutor(2) as pool:
        for case in chosen:
            before, after = on_shared_problems(*pool.map(lambda checkout, case=case: checkout.run(case), two))
            found = differences(before, after)
            numbers, wrong = numbers + len(before.leaves), wrong + bool(found)
            order = "same" if in_place(before, after) else "other"
            proof = f"{len(before.certificate):,} B" if before.certificate else "-"
            print(
                f"{case.name:34} {before.code:5} {len(before.leaves):8,} {order:>6} {proof:>11}  {len(found)}",
                flush=True,
            )
            for line in found[:SHOWN]:
                print(f"    {line}")
            if len(found) > SHOWN:
                print(f"    ... and {len(found) - SHOWN} more")
    print(f"{len(chosen)} runs in each checkout, {numbers:,} numbers: {wrong or 'no'} run(s) differ")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
