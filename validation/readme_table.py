"""Write the README's table of samplers, and its picture, from an audit's figures.

    spechub-lp audit --json audit.json && python validation/readme_table.py audit.json

Keeps the figures that the table shows in validation/results/audit.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

sys.path.insert(0, str(ROOT))
from spechub_lp._util.strict_json import read_json  # noqa: E402
from spechub_lp.report.schemas import of  # noqa: E402
from spechub_lp.report.text.markdown import markdown_table  # noqa: E402
from validation.pages import with_part  # noqa: E402

KEPT = ROOT / "validation" / "results" / "audit.json"
PICTURE = ROOT / "docs" / "pictures" / "acceptance.svg"
WHAT = {
    "naive": "keeps its one draft with probability min(1, p/q)",
    "nss": "draws from p, and accepts if that was drafted",
    "rrs": "tries the drafts in turn, each against the residual",
    "rrsw": "the same for drafts that are all different",
    "kseq": "tries the drafts in turn, all with one threshold",
    "spechub": "pairs the top token with one other, and is optimal for such pairs",
    "greedy_hubs": "the same for k drafts, k - 1 of them fixed",
    "two_step": "chooses a draft by a program for pairs, then verifies it",
    "lp_table": "looks up the solved program",
    "border": "chooses the best draft by nested groups, then verifies it; optimal",
    "border_wor": "the same for drafts that are all different; optimal",
}
"""What each does, in a line."""


def keep(audit: dict[str, Any]) -> dict[str, Any]:
    """The summary figures of an audit, without its records."""
    kept = {name: audit[name] for name in ("tool", "seed", "certificates", "full_vocabulary", "dominance", "failures")}
    return {**kept, "lines": audit["lines"], "model": audit["model"]["model"]["name"]}


def table(figures: dict[str, Any]) -> str:
    """One row a sampler with two drafts of its own (naive: one): losslessness over all sources, and the acceptances."""
    heads = (
        "sampler",
        "what it does",
        "drafts",
        "lossless, exactly",
        "accepts on n-gram text, of the optimum",
        "on SmolLM2, of the optimum",
    )
    rows = []
    lines = [line for line in figures["lines"] if line["first"]]
    for ngram in (line for line in lines if line["source"] == "n-gram"):
        same = [line for line in lines if line["sampler"] == ngram["sampler"]]
        instances, lossless = (sum(line[n] for line in same) for n in ("instances", "lossless"))
        verdict = f"{lossless:,} of {instances:,}" if lossless == instances else f"NO, {lossless} of {instances}"
        full = [row for row in figures["full_vocabulary"] if row["sampler"] == ngram["sampler"]]
        real = of_the_optimum(full[0]) if full else "needs a table of V^2"
        name = ngram["sampler"]
        drafts = f"{ngram['k']} `{ngram['drafts']}`"
        rows.append([f"`{name}`", WHAT[name], drafts, verdict, of_the_optimum(ngram), real])
    return "\n".join(markdown_table(heads, rows))


def of_the_optimum(row: dict[str, Any]) -> str:
    return f"{row['acceptance']:.4f} of {row['optimum']:.4f}"


def picture(figures: dict[str, Any]) -> str:
    """Acceptance of each sampler on SmolLM2 as bars, and the optimum of its drafts as a line at their end."""
    left, scale, step = 110, 640, 26
    shown = figures["full_vocabulary"]
    height = step * len(shown) + 44
    bars = []
    for place, row in enumerate(shown):
        y, accepted, best = 12 + step * place, row["acceptance"] * scale, row["optimum"] * scale
        bars.append(
            f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{row["sampler"]}</text>'
            f'<rect x="{left}" y="{y}" width="{accepted:.1f}" height="17" fill="#2f6fde"/>'
            f'<path d="M{left + best:.1f} {y - 3}v23" stroke="#d1242f" stroke-width="3"/>'
            f'<text x="{left + best + 8:.1f}" y="{y + 13}">{of_the_optimum(row)}</text>'
        )
    title = "Acceptance of two drafts on SmolLM2 (naive: one), and the certified optimum of the same drafts (red)"
    body = "\n".join(bars)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 {height}" width="680" height="{height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13">\n<title>{title}</title>\n'
        f'<rect width="680" height="{height}" rx="8" fill="#ffffff"/>\n<g fill="#1b1f24">\n{body}\n'
        f'<text x="12" y="{height - 12}" font-size="12" fill="#57606a">{title}</text>\n</g>\n</svg>\n'
    )


def updated(readme: str, figures: dict[str, Any]) -> str:
    return with_part(readme, "samplers", "validation/readme_table.py", table(figures))


if __name__ == "__main__":
    figures = keep(read_json(sys.argv[1], of("audit")))
    KEPT.write_text(json.dumps(figures, indent=1) + "\n")
    PICTURE.write_text(picture(figures))
    page = ROOT / "README.md"
    page.write_text(updated(page.read_text(), figures))
