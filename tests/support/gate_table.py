"""Writes spechub_lp/gate/MUTANTS.md: every wrong sampler, what the gate found, and what the published criteria say.

python tests/support/gate_table.py
"""

import numpy as np
from gate_chains import MUTANTS as CHAINS
from gate_chains import PROBE_MUTANTS
from gate_mutants import MUTANTS, WIDE_MUTANTS
from places import ROOT
from scipy.stats import chi2, ncx2

from spechub_lp.gate import Settings, check_node, check_tree
from spechub_lp.gate.results import Report

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


def line(what: str, report: Report) -> str:
    proofs = [f for f in report.findings if f.proof]
    first = min(proofs, key=lambda f: f.level, default=None)
    found = f"{first.level}: {first.kind}" if first else f"none: {report.status}"
    exact = [row.distance for row in report.rows if row.level == 1]
    distance = f"{max(exact):.3g}" if exact else "by draws"
    d = max(exact, default=0.0)
    lets = f"{chi_square_power(d):.2f} / {'passes' if cosine(d) > 0.99 else 'rejects'}" if exact else "not seen"
    cost = f"{report.calls:,} calls, {report.seconds:.1f} s"
    return f"| {what} | {distance} | {found} | {cost} | {lets} |"


def main() -> None:
    """Run every mutant and write the table."""
    lines = [
        "# Wrong samplers and what the gate says",
        "",
        "Written by `python tests/support/gate_table.py`; tests hold that the gate fails all rows. The largest exact",
        "distance over the problems tried (the gate stops after three biased ones), the lowest level with a proof,",
        f"the cost on two CPU cores, and two published criteria: the power of a chi-square test with {BINS} bins and",
        f"{DRAWS} draws against a bias of that size, and whether a cosine above .99 lets it through. (The third, the",
        "same order of the token frequencies, passes every bias that moves no token past another.) A distance of 0 at",
        "level 1 means that the distribution of one call is right and the calls depend on each other, or that "
        "the engine fails.",
        "",
        "| mutant | exact distance | level: finding | cost | chi-square power / cosine |",
        "|---|---|---|---|---|",
    ]
    lines += [
        line(m.what, check_node(m.engine, m.drafts, m.k, name=m.what, settings=Settings(searched=8)))
        for m in (*MUTANTS, *WIDE_MUTANTS)
    ]
    lines += [line(what, check_tree(engine, drafts, 1, name=what)) for what, engine, drafts, *_ in CHAINS]
    lines += [line(what, check_tree(engine, drafts, k, name=what)) for what, engine, drafts, k, *_ in PROBE_MUTANTS]
    (ROOT / "spechub_lp" / "gate" / "MUTANTS.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
