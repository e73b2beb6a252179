"""The matrix of whole engines: every way of transformers to draft, one page for docs/engine_transformers.md.

    python validation/gate_engine.py --rows build/rows --out docs/engine_transformers.md

Finished rows are kept in a file a variant, so that a run that was stopped goes on. `--stored` writes the page of the
rows that are there.
"""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from spechub_lp._util.io import write_text
from spechub_lp.gate.generation import settings
from spechub_lp.gate.generation.exact import Limits
from spechub_lp.gate.generation.pair import make_pair, write_pair
from spechub_lp.gate.generation.plan import JOINT, Plan
from spechub_lp.gate.generation.results import EngineReport
from spechub_lp.gate.generation.run import gate_engine
from spechub_lp.report.text.generation import markdown

PAIRS: dict[str, dict[str, Any]] = {"": {}, "own_tokens": {"own_tokens": True, "seed": 1}, "layers": {"layers": 2}}
VARIANTS = {
    "assistant": "", "prompt_lookup": "", "heuristic": "", "confidence": "", "early_exit": "layers",
    "universal": "own_tokens", "universal_in_order": "own_tokens",
}  # fmt: skip
"""Each way to draft, and the pair that it needs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=Path, default=Path("build/rows"))
    parser.add_argument("--out", type=Path, default=Path("docs/engine_transformers.md"))
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--settings", help="names with ; between; all by default")
    parser.add_argument("--pairs", action="store_true", help="settings in groups that hold every pair, too")
    parser.add_argument("--stored", action="store_true", help="only the rows that are there, of every variant")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=3, help="of the joint distribution")
    asked = parser.parse_args()
    asked.rows.mkdir(parents=True, exist_ok=True)
    chosen = [settings.find(n) for n in asked.settings.split(";")] if asked.settings else settings.matrix(asked.pairs)
    reports = []
    for variant in asked.variants.split(","):
        rows = asked.rows / f"{variant}.json"
        if asked.stored:
            if not rows.exists():
                continue
            done = {row["setting"] for row in json.loads(rows.read_text())["rows"]}
            chosen = [setting for setting in settings.matrix(True) if setting.name in done]
        kind = VARIANTS[variant]
        folder = asked.rows / f"pair{kind and '_' + kind}"
        write_pair(make_pair(3, **PAIRS[kind]), folder)
        limits = Limits(300, 60, clock="cpu")
        plan = Plan(tuple(chosen), tokens=asked.tokens, limits=limits, jobs=asked.jobs, checks=(JOINT,))
        reports.append(gate_engine(f"transformers/{variant}", folder, plan, rows, told))
    write_text(asked.out, page(reports))


def page(reports: list[EngineReport]) -> str:
    counts = "; ".join(f"{report.engine} {len(report.rows)}" for report in reports)
    single, grouped = len(settings.SINGLES), len(settings.pairwise())
    rows = [row for report in reports for row in report.rows]
    long = sum(row.seconds > 30 for row in rows)
    head = f"""# transformers {version("transformers")}: settings by verdicts

Written by `python validation/gate_engine.py`. Each row compares the joint distribution of what `generate()` gives with
drafts and without, both computed from controlled noise; a distance below 2e-6 is rounding. Settings that were run, of
{single} single ones and {grouped} groups that hold every pair: {counts}. What is not in a table was not run.

Seconds are processor time. A setting took {max(row.seconds for row in rows):.0f} s at most; {long} took more than 30 s.
All took {sum(row.seconds for row in rows) / 60:.0f} minutes, with {sum(row.calls for row in rows):,} calls.

What fails has pages for upstream in `validation/upstream`: `transformers_stop_strings.md`,
`transformers_processor_with_state.md` and `transformers_universal.md`. `universal` and `universal_in_order` differ in
the order in which the draft's tokenizer lists its words, which is random in use.

"""
    return head + "\n".join(map(markdown, reports))


def told(what: str, done: int, of: int) -> None:
    print(f"{done} of {of} {what}", file=sys.stderr)


if __name__ == "__main__":
    main()
