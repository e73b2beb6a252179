"""How much the gate catches, and whom it wrongs: engines of validation/benchmarks/power/, run as a user runs the gate.

    python validation/benchmarks/gate_power.py                       every engine that has no verdict yet
    python validation/benchmarks/gate_power.py --again missed        those that were missed, failed or left open
    python validation/benchmarks/gate_power.py --only from_8 rrs     these, again
    python validation/benchmarks/gate_power.py --sizes               how wrong the wrong functions are, and how often
    python validation/benchmarks/gate_power.py --table               print the table from the stored figures

Each engine is one `spechub-lp gate` in a process of its own with default options (the draft policy and k that it is
made for are named). A verdict is stored as soon as it is there, so the run can be stopped and taken up again.
"""

import argparse
import json
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
HERE = Path(__file__).parent

sys.path[:0] = [str(ROOT), str(HERE)]
from power.all_engines import ENTRIES, Entry  # noqa: E402
from power.inputs import WHAT  # noqa: E402
from power.sizes import reference, sizes  # noqa: E402

from spechub_lp._util.io import write_json  # noqa: E402
from spechub_lp._util.reading import read_json  # noqa: E402

BATCHES = ("batch", "chain", "tree", "stream")
"""The kinds of engines that verify batches."""
VERDICTS = {0: "pass", 1: "fail", 2: "misuse", 3: "open", 70: "our fault"}


def gate(entry: Entry, budget: str | None) -> dict[str, Any]:
    """One engine through the command line: verdict, first finding, seconds."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "spechub_lp", "gate", entry.address, "--drafts", entry.drafts]
        command += ["--k", str(entry.k), "--json", str(report), *entry.options]
        command += ["--budget", budget] if budget else []
        started, before = perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command, env=os.environ | {"PYTHONPATH": f"{ROOT}:{HERE}", "OMP_NUM_THREADS": "1"}, cwd=HERE, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = perf_counter() - started
        told = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    proofs = [f for f in told.get("findings", []) if f["proof"]]
    says = proofs[0]["message"] if proofs else "; ".join(told.get("inconclusive", [])) or done.stderr[-300:]
    return {
        "verdict": VERDICTS.get(done.returncode, f"exit {done.returncode}"),
        "level": proofs[0]["level"] if proofs else None,
        "finding": proofs[0]["kind"] if proofs else None,
        "says": says if done.returncode else told.get("level", ""),
        "claims": told.get("smallest_distance_caught"),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "revision": revision(),
    }


def revision() -> str:
    """The commit that the gate was at."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True, capture_output=True, check=False
    )
    return done.stdout.strip() or "unknown"


def as_it_should(entry: Entry, row: dict[str, Any]) -> bool:
    return row["verdict"] == ("fail" if entry.wrong else "pass")


def table(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Caught, missed and left open for each kind of wrong engines; the same for the styles of right ones."""
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


def missed(rows: dict[str, dict[str, Any]], known: dict[str, dict[str, Any]]) -> list[str]:
    """Every engine that got another verdict than it should."""
    head = ("engine", "kind", "what", "where", "distance", "measure", "verdict", "what the gate said", "s (CPU)")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for entry in ENTRIES:
        row, size = rows.get(entry.address), known.get(entry.address, {})
        if row and not as_it_should(entry, row):
            cells = (
                f"{entry.address} --drafts {entry.drafts} --k {entry.k}",
                f"{'wrong' if entry.wrong else 'right'}: {entry.kind}",
                entry.what,
                entry.where,
                f"{size['distance']:.2g}" if "distance" in size else f"about {entry.distance}",
                f"{size['measure']:.2g}" if size else "",
                row["verdict"],
                " ".join(str(row["says"]).split())[:200].replace("|", "/"),
                f"{row['seconds']} ({row['cpu_seconds']})",
            )
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def chosen(options: argparse.Namespace, rows: dict[str, dict[str, Any]]) -> list[Entry]:
    """The engines to run now."""
    if options.only:
        unknown = set(options.only) - {e.name for e in ENTRIES}
        if unknown:
            sys.exit(f"no engine of the zoo is called {', '.join(sorted(unknown))}")
        return [e for e in ENTRIES if e.name in options.only]
    entries = [e for e in ENTRIES if not options.kind or e.kind in options.kind]
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
    parser.add_argument("--kept", type=Path, default=KEPT)
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--sizes", action="store_true", help="call the wrong functions themselves, not the gate")
    options = parser.parse_args()
    figures = {"reference": WHAT, "engines": {}, "sizes": {}}
    figures |= read_json(options.kept) if options.kept.exists() else {}
    if options.sizes:
        measure(figures, options.kept)
    elif not options.table:
        run(chosen(options, figures["engines"]), figures, options)
    print("\n".join([*table(figures["engines"]), "", *missed(figures["engines"], figures["sizes"])]))


def run(todo: Sequence[Entry], figures: dict[str, Any], options: argparse.Namespace) -> None:
    """The gate on each of these; every verdict is stored at once."""
    for n, entry in enumerate(todo, 1):
        row = figures["engines"][entry.address] = gate(entry, options.budget)
        good = "as it should" if as_it_should(entry, row) else "NOT as it should"
        side = "wrong" if entry.wrong else "right"
        print(
            f"{n}/{len(todo)} {entry.address} ({side}): {row['verdict']}, {good}, {row['seconds']:.0f} s",
            file=sys.stderr, flush=True,
        )  # fmt: skip
        write_json(options.kept, figures)


def measure(figures: dict[str, Any], kept: Path) -> None:
    """The size of every wrong function that has none yet."""
    torch.set_num_threads(1)
    inputs = reference()
    todo = [e for e in ENTRIES if e.wrong and e.kind not in BATCHES and e.address not in figures["sizes"]]
    for n, entry in enumerate(todo, 1):
        figures["sizes"][entry.address] = sizes(entry, inputs)
        print(f"{n}/{len(todo)} {entry.address}: {figures['sizes'][entry.address]}", file=sys.stderr, flush=True)
        write_json(kept, figures)


if __name__ == "__main__":
    main()
