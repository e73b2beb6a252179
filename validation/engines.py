"""Released engines through the gate, beside the verdict that is expected of each: `make engines`.

    python validation/engines.py                     every engine of engines.toml, two at a time
    python validation/engines.py --only vllm         those whose name has this text
    python validation/engines.py table               write the table of docs/comparison.md from results/engines.json

Writes results/engines.json and the table. Exit codes: 0 every engine did what is expected of its release, 1 one did
not, is missing or has another release, 2 a wrong option.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from spechub_lp._util.io import write_json, write_text  # noqa: E402
from spechub_lp.report.text.markdown import markdown_table  # noqa: E402
from validation.pages import with_part  # noqa: E402

RESULTS = ROOT / "validation" / "results" / "engines.json"
PAGE = ROOT / "docs" / "comparison.md"
WALL, GRACE = 4, 300
"""An engine is stopped after so many times its budget, which is CPU time, and so many seconds more."""


@dataclass(frozen=True)
class Expected:
    """An engine, and what the gate is expected to say of its release."""

    name: str
    package: str
    version: str
    seconds: float
    verdict: str
    most: float
    """The largest distance on any problem."""
    kinds: tuple[str, ...] = ()
    """The kinds of the findings that fail it."""
    reason: str = ""
    drafts: str = "iid"
    k: int = 1
    tokens: int | None = None
    """Chains of one and two drafts over so many tokens, in the place of the gate's own problems and probes: for engines
    that take 10 ms and more a row."""


@dataclass
class Outcome:
    """What the gate said of an engine, and how that differs from what is expected."""

    engine: Expected
    found: str | None
    """The installed release."""
    report: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    cpu: float = 0.0
    """CPU seconds."""

    @property
    def kinds(self) -> list[str]:
        """The kinds of the findings that fail the engine."""
        return sorted({f["kind"] for f in self.report.get("findings", []) if f["proof"]})

    @property
    def differences(self) -> list[str]:
        """What differs from what is expected, in words."""
        expected = self.engine
        if self.found != expected.version:
            return [f"{expected.package} {self.found or 'is not installed'}, expected {expected.version}"]
        if not self.report:
            return [f"no report: {self.error}"]
        out = []
        if self.report["status"] != expected.verdict:
            out.append(f"verdict {self.report['status']}, expected {expected.verdict}")
        if self.kinds != sorted(expected.kinds):
            out.append(f"proofs {self.kinds}, expected {sorted(expected.kinds)}")
        if not self.report["distance"] <= expected.most:
            out.append(f"distance {self.report['distance']:.3g}, expected at most {expected.most:g}")
        if not self.report["problems"]:
            out.append("no problem was measured")
        return out

    def document(self) -> dict[str, Any]:
        """The outcome as JSON."""
        problems = self.report.get("problems", [])
        left = [f["message"] for f in self.report.get("findings", []) if f["kind"] == "left out"]
        return {
            "engine": self.engine.name, "package": self.engine.package, "version": self.found,
            "drafts": self.engine.drafts, "k": self.engine.k,
            "verdict": self.report.get("status"), "proofs": self.kinds, "expected": self.engine.verdict,
            "reason": self.engine.reason, "differences": self.differences,
            "level": self.report.get("level"), "distance": self.report.get("distance"),
            "problems": problems, "left_out": left, "coverage": self.report.get("coverage"),
            "findings": [f["message"] for f in self.report.get("findings", [])],
            "calls": self.report.get("calls"), "cpu_seconds": round(self.cpu, 1),
        }  # fmt: skip


def expected(path: Path = ROOT / "validation" / "engines.toml") -> list[Expected]:
    """The engines of a list."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["engine"]
    return [Expected(**{**table, "kinds": tuple(table.get("kinds", ()))}) for table in tables]


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def command(engine: Expected, seconds: float, path: Path) -> list[str]:
    """The words for python that gate an engine and write its report."""
    if engine.tokens:
        return [__file__, "one", "--only", engine.name, "--seconds", str(seconds), "--json", str(path)]
    words = ["-m", "spechub_lp", "gate", engine.name, "--drafts", engine.drafts, "--k", str(engine.k)]
    return [*words, "--budget", f"{seconds:g}s", "--clock", "cpu", "--json", str(path)]


def gate_on_few_tokens(engine: Expected, seconds: float, path: Path) -> None:
    """Gate one engine on chains over few tokens, in this process, and write its report."""
    from spechub_lp.drafts import by_name
    from spechub_lp.gate import Settings, check_tree
    from spechub_lp.gate.adapters import find
    from spechub_lp.gate.problems.tree import TreeProblem

    assert engine.tokens
    policy = by_name(engine.drafts)
    cases = [
        TreeProblem(f"{'x'.join('1' * depth)}, {engine.tokens} tokens", engine.tokens, (1,) * depth, policy, True, seed)
        for depth, seed in ((1, 0), (1, 1), (2, 1))
    ]
    made = importlib.import_module(find(engine.name)).engine(engine.name.partition("/")[2], engine.drafts, engine.k)
    settings = Settings(seconds=seconds, clock="cpu")
    report = check_tree(made, engine.drafts, engine.k, name=engine.name, settings=settings, cases=cases)
    write_json(path, report.document())


def run(engine: Expected, scale: float = 1.0) -> Outcome:
    """One engine through the gate's command, in a process of its own."""
    found = installed(engine.package)
    if found is None:
        return Outcome(engine, None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        words = [sys.executable, "-W", "ignore", *command(engine, engine.seconds, path)]
        environment = {**os.environ, "TRITON_INTERPRET": "1", "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with (Path(folder) / "stderr").open("w+") as errors:
            process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
            stop = threading.Timer(scale * (WALL * engine.seconds + GRACE), process.kill)
            stop.start()
            _, status, used = os.wait4(process.pid, 0)  # the CPU time of this child and of those that it waited for
            stop.cancel()
            cpu = used.ru_utime + used.ru_stime
            if path.is_file():
                return Outcome(engine, found, json.loads(path.read_text(encoding="utf-8")), cpu=cpu)
            errors.seek(0)
            code = os.waitstatus_to_exitcode(status)
            return Outcome(engine, found, error=f"exit code {code}: {errors.read().strip()[-500:]}", cpu=cpu)


def said(outcome: Outcome) -> str:
    """A line on an engine that ended."""
    wrong = "; ".join(outcome.differences)
    verdict = f"{outcome.report.get('status', 'none')} {', '.join(outcome.kinds)}".strip()
    wall = outcome.report.get("seconds", 0)
    line = f"{outcome.engine.name} {outcome.found}: {verdict} in {wall:.0f} s ({outcome.cpu:.0f} of CPU)"
    return f"{line}: DIFFERS: {wrong}" if wrong else f"{line}, as expected"


def short(row: dict[str, Any], key: str) -> str:
    return "-" if row[key] is None else f"{row[key]:.6f}"


def table(documents: Sequence[dict[str, Any]]) -> str:
    """The table for the docs."""
    heads = ("engine", "release", "distance, at most", "accepts / optimum", "covered", "CPU s", "verdict")
    return "\n".join(markdown_table(heads, (list(_cells(document)) for document in documents)))


def _cells(document: dict[str, Any]) -> Iterator[str]:
    rows = document["problems"]
    yield f"`{document['engine']}`"
    yield f"{document['package']} {document['version']}"
    yield f"{max((row['bound'] for row in rows), default=1):.1e}"
    yield "<br>".join(f"{short(row, 'acceptance')} / {short(row, 'optimum')}" for row in rows)
    left = f"; {len(document['left_out'])} left out" if document["left_out"] else ""
    yield f"{', '.join(row['problem'] for row in rows)}; {document['calls']:,} rows{left}"
    yield f"{document['cpu_seconds']:.0f}"
    yield f"{document['verdict']}: {', '.join(document['proofs'])}".removesuffix(": ")


def updated(page: str, documents: Sequence[dict[str, Any]]) -> str:
    """The page with the table written anew between its marks."""
    return with_part(page, "engines", "validation/engines.py", table(documents))


def write_page(documents: Sequence[dict[str, Any]]) -> None:
    write_text(PAGE, updated(PAGE.read_text(encoding="utf-8"), documents))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["run", "table", "one"], default="run")
    parser.add_argument("--only", default="", help="Run the engines whose name has this text; writes no file.")
    parser.add_argument("--scale", type=float, default=1.0, help="Multiply the time after which an engine is stopped.")
    parser.add_argument("--jobs", type=int, default=2, help="Engines at a time.")
    parser.add_argument("--write", action="store_true", help="Write results/engines.json and the table of the docs.")
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.what == "one":
        gate_on_few_tokens(next(e for e in expected() if e.name == given.only), given.seconds, given.json)
        return 0
    if given.what == "table":
        write_page(json.loads(RESULTS.read_text(encoding="utf-8"))["engines"])
        return 0
    chosen = sorted((e for e in expected() if given.only in e.name), key=lambda e: -e.seconds)
    if not chosen:
        parser.error(f"no engine has {given.only!r} in its name")
    outcomes = {}
    with ThreadPoolExecutor(given.jobs) as pool:
        for outcome in pool.map(lambda engine: run(engine, given.scale), chosen):
            print(said(outcome), flush=True)
            outcomes[outcome.engine.name] = outcome
    wrong = sum(bool(outcome.differences) for outcome in outcomes.values())
    if given.write and not given.only:
        documents = [outcomes[engine.name].document() for engine in expected()]
        write_json(RESULTS, {"python": sys.version.split()[0], "engines": documents})
        write_page(documents)
    print(f"engines: {len(outcomes) - wrong} as expected, {wrong} not")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
