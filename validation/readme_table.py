"""Write the README's table of samplers from an audit's figures.

    spechub-lp audit --json audit.json && python validation/readme_table.py audit.json

Keeps the figures that the table shows in validation/results/audit.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

sys.path.insert(0, str(ROOT))
from spechub_lp._util.reading import read_json  # noqa: E402
from spechub_lp.report.schemas import of  # noqa: E402
from spechub_lp.report.text.markdown import markdown_table  # noqa: E402
from validation.pages import with_part  # noqa: E402

KEPT = ROOT / "validation" / "results" / "audit.json"


def keep(audit: dict[str, Any]) -> dict[str, Any]:
    """The summary figures of an audit, without its records."""
    kept = {name: audit[name] for name in ("tool", "seed", "certificates", "full_vocabulary", "dominance", "failures")}
    return {**kept, "lines": audit["lines"], "model": audit["model"]["model"]["name"]}


def table(figures: dict[str, Any]) -> str:
    """One row a sampler with two drafts of its own (naive: one): losslessness over all sources, and the acceptances."""
    heads = ("sampler", "drafts", "lossless", "n-gram text, exact", "optimum", "SmolLM2, V = 49,152", "optimum")
    rows = []
    lines = [line for line in figures["lines"] if line["first"]]
    for ngram in (line for line in lines if line["source"] == "n-gram"):
        same = [line for line in lines if line["sampler"] == ngram["sampler"]]
        instances, lossless = (sum(line[n] for line in same) for n in ("instances", "lossless"))
        verdict = (
            f"exactly, {lossless:,} of {instances:,}" if lossless == instances else f"NO, {lossless} of {instances}"
        )
        full = [row for row in figures["full_vocabulary"] if row["sampler"] == ngram["sampler"]]
        real = [f"{full[0][what]:.4f}" for what in ("acceptance", "optimum")] if full else ["V^2 table", ""]
        exact = [f"{ngram[what]:.4f}" for what in ("acceptance", "optimum")]
        rows.append([f"`{ngram['sampler']}`", f"{ngram['k']} `{ngram['drafts']}`", verdict, *exact, *real])
    return "\n".join(markdown_table(heads, rows))


def updated(readme: str, figures: dict[str, Any]) -> str:
    return with_part(readme, "samplers", "validation/readme_table.py", table(figures))


if __name__ == "__main__":
    figures = keep(read_json(sys.argv[1], of("audit")))
    KEPT.write_text(json.dumps(figures, indent=1) + "\n")
    page = ROOT / "README.md"
    page.write_text(updated(page.read_text(), figures))
