"""Writes spechub_lp/gate/MUTANTS.md: every wrong sampler, what the gate found, and what the published criteria say.

python tests/support/gate_table.py
"""

from collections.abc import Iterator

import numpy as np
from gate_chains import MUTANTS as CHAINS
from gate_chains import PROBE_MUTANTS
from gate_mutants import MUTANTS, WIDE_MUTANTS
from places import ROOT
from scipy.stats import chi2, ncx2

from spechub_lp.gate import Settings, check_node, check_tree
from spechub_lp.gate.results import Report
from spechub_lp.report.text.markdown import markdown_table

BINS, DRAWS = 4096, 7000
"""A chi-square test over a vocabulary: with these, power 1/2 at a distance of about .074, as published ones have."""


def chi_square_power(distance: float) -> float:
    """Power at level .05 against a bias of this size spread over half of the bins."""
    return float(ncx2.sf(chi2.ppf(0.95, BINS - 1), BINS - 1, max(DRAWS * (2 * distance) ** 2, 1e-9)))


def cosine(distance: float) -> float:
    """Cosine between the distribution and a uniform target over the bins, for the same bias."""
    distribution = np.full(BINS, 1 / BINS)
    distribution[::2] += 2 * distance / BINS
    distribution[1::2] -= 2 * distance / BINS
    return float(distribution.sum() / np.sqrt(BINS) / np.linalg.norm(distribution))


HEADS = ("mutant", "exact distance", "level: finding", "cost", "chi-square power / cosine")
ABOUT = f"""# Wrong samplers and what the gate says

Written by `python tests/support/gate_table.py`; tests hold that the gate fails all rows. The largest exact distance
over the problems tried (the gate stops after three biased ones), the lowest level with a proof, the cost in CPU time,
and two published criteria: the power of a chi-square test with {BINS} bins and {DRAWS} draws against a bias of that
size, and whether a cosine above .99 lets it through. (The third published one, the same order of the token
frequencies, passes every bias that moves no token past another.) A distance of 0 at level 1 means that the
distribution of one call is right and the calls depend on each other, or that the engine fails.
"""


def row(what: str, report: Report) -> list[str]:
    """The cells of one mutant."""
    proofs = [f for f in report.findings if f.proof]
    first = min(proofs, key=lambda f: f.level, default=None)
    finding = f"{first.level}: {first.kind}" if first else f"none: {report.status}"
    exact = [found.distance for found in report.rows if found.level == 1]
    distance = f"{max(exact):.3g}" if exact else "by draws"
    d = max(exact, default=0.0)
    lets = f"{chi_square_power(d):.2f} / {'passes' if cosine(d) > 0.99 else 'rejects'}" if exact else "not seen"
    return [what, distance, finding, f"{report.calls:,} calls, {report.seconds:.1f} s", lets]


def rows() -> Iterator[list[str]]:
    """Every mutant, put through the gate."""
    few, plain = Settings(searched=8, clock="cpu"), Settings(clock="cpu")
    for m in (*MUTANTS, *WIDE_MUTANTS):
        yield row(m.what, check_node(m.engine, m.drafts, m.k, name=m.what, settings=few))
    for what, chain, drafts, *_ in CHAINS:
        yield row(what, check_tree(chain, drafts, 1, name=what, settings=plain))
    for what, engine, drafts, k, *_ in PROBE_MUTANTS:
        yield row(what, check_tree(engine, drafts, k, name=what, settings=plain))


def main() -> None:
    """Write the table."""
    page = "\n".join([ABOUT, *markdown_table(HEADS, rows())])
    (ROOT / "spechub_lp" / "gate" / "MUTANTS.md").write_text(page + "\n")


if __name__ == "__main__":
    main()
