"""How much the gate catches, and whom it wrongs: engines of validation/benchmarks/power/, run as a user runs the gate.

    python validation/benchmarks/gate_power.py                       every engine that has no verdict yet
    python validation/benchmarks/gate_power.py --share 1/2           every second one of them, beside --share 2/2
    python validation/benchmarks/gate_power.py --again missed        those that were missed, failed or left open
    python validation/benchmarks/gate_power.py --only from_8 rrs     these, again
    python validation/benchmarks/gate_power.py --sizes               how wrong the wrong functions are, and how often
    python validation/benchmarks/gate_power.py --rivals --only from_8 rrs    the engines' own tests on these functions
    python validation/benchmarks/gate_power.py --table               print the tables from the stored figures
    python validation/benchmarks/gate_power.py --page                write them into docs/comparison.md

Each engine is one `spechub-lp gate` in a process of its own with default options (the draft policy and k that it is
made for are named), whose time is CPU time, so that other work on the machine changes no verdict; with --quick it is
the library's call in a fork, which saves three seconds an engine. A verdict is stored as soon as it is there, so the
run can be stopped and taken up again. Engines come in an order that mixes their kinds, and several runs may store into
one file.
"""

import argparse
import fcntl
import hashlib
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "validation" / "results" / "gate_power.json"
PAGE = ROOT / "docs" / "comparison.md"
HERE = Path(__file__).parent

PATHS = [str(ROOT), str(HERE), str(ROOT / "tests" / "support")]
"""Where engines are found, and the rules that they are made of."""

sys.path[:0] = PATHS
import comparison  # noqa: E402
from power.all_engines import ENTRIES, Entry  # noqa: E402
from power.inputs import WHAT  # noqa: E402
from power.sizes import reference, sizes  # noqa: E402

from spechub_lp._util.io import write_json, write_text  # noqa: E402
from spechub_lp._util.strict_json import read_json  # noqa: E402
from spechub_lp.drafts import by_name  # noqa: E402
from spechub_lp.gate import Settings  # noqa: E402
from spechub_lp.gate.engines.load import load  # noqa: E402
from spechub_lp.gate.run import run as run_gate  # noqa: E402
from spechub_lp.report.text.markdown import markdown_table  # noqa: E402
from validation.pages import with_part  # noqa: E402

BATCHES = ("batch", "chain", "tree", "stream", "held-out batch")
"""The kinds of engines that verify batches."""
TESTS = tuple(name for name in comparison.TESTS if "4096" not in name)
VERDICTS = {0: "pass", 1: "fail", 2: "misuse", 3: "open", 70: "our fault"}


def gate(entry: Entry, budget: str | None, quick: bool) -> dict[str, Any]:
    """One engine through the gate: verdict, first finding, seconds."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "report.json"
        started, before = perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        code, error = (by_library if quick else by_command)(entry, budget, kept)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    proofs = [f for f in told.get("findings", []) if f["proof"]]
    says = proofs[0]["message"] if proofs else "; ".join(told.get("inconclusive", [])) or error[-300:]
    return {
        "verdict": VERDICTS.get(code, f"exit {code}"),
        "level": proofs[0]["level"] if proofs else None,
        "finding": proofs[0]["kind"] if proofs else None,
        "says": says if code else told.get("level", ""),
        "seconds": round(perf_counter() - started, 1),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "budget": budget or "default",
        "revision": revision(),
    }


def by_command(entry: Entry, budget: str | None, kept: Path) -> tuple[int, str]:
    """`spechub-lp gate` in a process of its own: its exit code and stderr."""
    command = [sys.executable, "-m", "spechub_lp", "gate", entry.address, "--drafts", entry.drafts]
    command += ["--k", str(entry.k), "--json", str(kept), "--clock", "cpu"]
    command += [*entry.options, *(["--budget", budget] if budget else [])]
    paths = {"PYTHONPATH": os.pathsep.join(PATHS), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=os.environ | paths, cwd=HERE, text=True, capture_output=True, check=False)
    return done.returncode, done.stderr


def by_library(entry: Entry, budget: str | None, kept: Path) -> tuple[int, str]:
    """The same in a fork of this process, where torch is loaded already: its exit code."""

    def work() -> None:
        settings = Settings(clock="cpu", seconds=Settings.seconds if budget is None else float(budget.rstrip("s")))
        report = run_gate(entry.address, entry.drafts, entry.k, settings)
        write_json(kept, report.document())
        os._exit(report.exit_code)

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    return (child.exitcode or 0, "") if kept.exists() else (70, f"no report, exit code {child.exitcode}")


def revision() -> str:
    """The commit that the gate was at."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True, capture_output=True, check=False
    )
    return done.stdout.strip() or "unknown"


def as_it_should(entry: Entry, row: dict[str, Any]) -> bool:
    return bool(row["verdict"] == ("fail" if entry.wrong else "pass"))


def table(figures: dict[str, Any]) -> list[str]:
    """Caught, missed and left open for each kind of wrong engines; the same for the styles of right ones."""
    rows = figures["engines"]
    head = ("engines", "kind", "in the zoo", "run", "as it should be", "the contrary", "no verdict", "median CPU s")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for side in (True, False):
        groups: dict[str, list[Entry]] = defaultdict(list)
        for entry in ENTRIES:
            if entry.wrong is side:
                groups[entry.kind].append(entry)
        groups["all"] = [e for group in groups.values() for e in group]
        for kind, group in groups.items():
            run = [(e, rows[e.address]) for e in group if e.address in rows]
            good = sum(as_it_should(e, row) for e, row in run)
            bad = sum(row["verdict"] == ("pass" if side else "fail") for _, row in run)
            cpu = sorted(row["cpu_seconds"] for _, row in run)
            cells = ("wrong" if side else "right", kind, len(group), len(run), good, bad, len(run) - good - bad)
            lines.append(f"| {' | '.join(map(str, cells))} | {f'{cpu[len(cpu) // 2]:.0f}' if cpu else ''} |")
    return lines


def shown(entry: Entry, size: dict[str, Any]) -> str:
    """The distance of a wrong engine: measured where draws show it, else as known from its construction."""
    if not entry.wrong:
        return ""
    if size.get("distance", 0) > 3 * size.get("spread", 1):
        return f"{size['distance']:.2g}"
    return f"about {entry.distance}"


def missed(figures: dict[str, Any]) -> list[str]:
    """Every engine that got another verdict than it should."""
    rows, known = figures["engines"], figures["sizes"]
    head = ("engine", "kind", "what", "where", "distance", "measure", "verdict", "what the gate said", "s (CPU)")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for entry in ENTRIES:
        row, size = rows.get(entry.address), known.get(entry.address, {})
        if row and not as_it_should(entry, row):
            cells = (
                f"{entry.address} --drafts {entry.drafts} --k {entry.k}",
                f"{'wrong' if entry.wrong else 'right'}: {entry.kind}",
                entry.what,
                entry.where if entry.wrong else "",
                shown(entry, size),
                f"{size['measure']:.2g}" if size else "",
                row["verdict"],
                " ".join(str(row["says"]).split())[:200].replace("|", "/"),
                f"{row['seconds']} ({row['cpu_seconds']})",
            )
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def table_of_rivals(figures: dict[str, Any]) -> list[str]:
    """The tests of the engines' projects and the gate, on the functions that both were run on."""
    both = [e for e in ENTRIES if e.address in figures["rivals"] and e.address in figures["engines"]]
    sides = [[e for e in both if e.wrong is side] for side in (True, False)]
    wrong, right = map(len, sides)
    heads = ("test", f"wrong functions rejected, of {wrong}", f"right ones rejected, of {right}", "CPU s")
    lines = []
    for name in TESTS:
        kept = {e.address: figures["rivals"][e.address][name] for e in both}
        rejected = [sum(not kept[e.address]["passes"] for e in side) for side in sides]
        middle = sorted(row["seconds"] for row in kept.values())[len(kept) // 2] if kept else 0
        lines.append([name, *map(str, rejected), f"{middle:.2g}"])
    rows = {e.address: figures["engines"][e.address] for e in both}
    rejected = [sum(rows[e.address]["verdict"] == "fail" for e in side) for side in sides]
    middle = sorted(row["cpu_seconds"] for row in rows.values())[len(rows) // 2] if rows else 0
    return markdown_table(heads, [*lines, ["the gate", *map(str, rejected), f"{middle:.2g}"]])


TABLES = {"power": table, "not as it should be": missed, "power beside": table_of_rivals}


def updated(page: str, figures: dict[str, Any]) -> str:
    """The page with the tables written anew between their markers."""
    for name, made in TABLES.items():
        page = with_part(page, name, "validation/benchmarks/gate_power.py", "\n".join(made(figures)))
    return page


def chosen(options: argparse.Namespace, rows: dict[str, dict[str, Any]]) -> list[Entry]:
    """The engines to run now."""
    if options.only:
        unknown = set(options.only) - {e.name for e in ENTRIES}
        if unknown:
            sys.exit(f"no engine of the zoo is called {', '.join(sorted(unknown))}")
        return [e for e in ENTRIES if e.name in options.only]
    entries = [e for e in ENTRIES if not options.kind or e.kind in options.kind]
    entries.sort(key=lambda e: hashlib.sha256(e.address.encode()).digest())
    part, of = map(int, options.share.split("/"))
    entries = entries[part - 1 :: of]
    if options.again == "missed":
        return [e for e in entries if e.address in rows and not as_it_should(e, rows[e.address])]
    if options.again == "all":
        return entries
    return [e for e in entries if e.address not in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="ENGINE")
    parser.add_argument("--kind", nargs="+", metavar="KIND")
    parser.add_argument("--again", choices=("missed", "all"))
    parser.add_argument("--budget", help="passed on to the gate")
    parser.add_argument("--quick", action="store_true", help="the library's call in a fork, which loads nothing anew")
    parser.add_argument("--share", default="1/1", metavar="I/N", help="only this part of them, for several processes")
    parser.add_argument("--kept", type=Path, default=KEPT)
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--page", action="store_true", help="run nothing, and write docs/comparison.md")
    parser.add_argument(
        "--rivals", action="store_true", help="the rebuilt tests of vLLM, SGLang and transformers instead"
    )
    parser.add_argument("--sizes", action="store_true", help="call the wrong functions themselves, not the gate")
    options = parser.parse_args()
    figures = read(options.kept)
    if options.sizes:
        measure(figures, options.kept)
    elif options.rivals:
        rivals(chosen(options, {}), figures, options.kept)
    elif options.page:
        write_text(PAGE, updated(PAGE.read_text(encoding="utf-8"), figures))
    elif not options.table:
        run(chosen(options, figures["engines"]), options)
        figures = read(options.kept)
    print("\n\n".join("\n".join(made(figures)) for made in TABLES.values()))


def read(kept: Path) -> dict[str, Any]:
    """The stored figures."""
    figures = {"reference": WHAT, "engines": {}, "sizes": {}, "rivals": {}}
    return figures | (read_json(kept) if kept.exists() else {})


def store(kept: Path, part: str, address: str, row: dict[str, Any]) -> None:
    """Put the figures of one engine into the file, which other processes write too."""
    with open(f"{kept}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        figures = read(kept)
        figures[part][address] = row
        write_json(kept, figures)


def run(todo: Sequence[Entry], options: argparse.Namespace) -> None:
    """The gate on each of these; every verdict is stored at once."""
    for n, entry in enumerate(todo, 1):
        row = gate(entry, options.budget, options.quick)
        store(options.kept, "engines", entry.address, row)
        good = "as it should" if as_it_should(entry, row) else "NOT as it should"
        side = "wrong" if entry.wrong else "right"
        print(
            f"{n}/{len(todo)} {entry.address} ({side}): {row['verdict']}, {good}, {row['seconds']:.0f} s",
            file=sys.stderr, flush=True,
        )  # fmt: skip


def measure(figures: dict[str, Any], kept: Path) -> None:
    """The size of every wrong function that has none yet."""
    torch.set_num_threads(1)
    inputs = reference()
    todo = [e for e in ENTRIES if e.wrong and e.kind not in BATCHES and e.address not in figures["sizes"]]
    for n, entry in enumerate(todo, 1):
        figures["sizes"][entry.address] = sizes(entry, inputs)
        print(f"{n}/{len(todo)} {entry.address}: {figures['sizes'][entry.address]}", file=sys.stderr, flush=True)
        write_json(kept, figures)


def rivals(todo: Sequence[Entry], figures: dict[str, Any], kept: Path) -> None:
    """The tests of comparison.py, the widest apart (13 s of CPU and weaker than the narrow one), on plain functions."""
    torch.set_num_threads(1)
    for n, entry in enumerate(todo, 1):
        engine = comparison.Engine(entry.what, load(entry.address), by_name(entry.drafts), entry.k, entry.wrong)
        figures["rivals"][entry.address] = {name: comparison.tried(engine, name) for name in TESTS}
        says = {name: row["passes"] for name, row in figures["rivals"][entry.address].items()}
        print(f"{n}/{len(todo)} {entry.address}: {says}", file=sys.stderr, flush=True)
        write_json(kept, figures)


if __name__ == "__main__":
    main()
