"""Signs of the usual mistakes: what shows in the biased distribution of one problem.

`known_rules` says more, and needs more: a whole wrong rule that does the same on every problem.
"""

from collections.abc import Sequence

import numpy as np

from spechub_lp.gate.checks.measured import NodeDistribution

NEAR = 1e-5
"""Probabilities that differ by less are taken for equal."""
LITTLE = 1e-5
"""What a hub leaves of q, where computing it is worth a word."""
P_ITSELF = "p itself, not (p - q)+"


def explain(found: NodeDistribution) -> str:
    """Say what is known about a bias, as the end of a sentence.

    Parameters
    ----------
    found
        What a plain function does on a problem, wrongly.

    Returns
    -------
    str
        The usual mistakes that look like it, and the token that is off most.

    Examples
    --------
    >>> from spechub_lp.gate.problems.node import Problem
    >>> from spechub_lp.gate.search.thresholds import Distribution
    >>> from spechub_lp.gate.engines.node import Emitted1
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> found = {(x,): Distribution({Emitted1(x, 0): 1.0}, {}, 0.0, 24) for x in (0, 1)}  # every draft is accepted
    >>> explain(NodeDistribution.build(problem, found)).split("; ")[-1]
    'token 0 comes out too often, by 0.25'
    """
    said = [text for text in (_accept(found), _residual(found), _beside_a_hub(found)) if text is not None]
    over = found.output - found.problem.target
    worst = int(np.argmax(np.abs(over)))
    way = "too often" if over[worst] > 0 else "too rarely"
    said.append(f"token {worst} comes out {way}, by {abs(over[worst]):.3g}")
    return "; ".join(said)


def _accept(found: NodeDistribution) -> str | None:
    """Compare the accept probabilities of the first draft with the usual mistakes."""
    problem = found.problem
    if problem.drafts.different_drafters:
        return None
    p, q = problem.target, problem.given[1]
    first = [(x, a) for x, a in zip(problem.tuples, found.coupling.accept[:, 0], strict=True) if q[x[0]] > 0]
    ratios = [(a, min(1.0, p[x[0]] / q[x[0]])) for x, a in first]
    if all(a > 1 - NEAR for a, _ in ratios) and any(r < 1 - 1e-3 for _, r in ratios):
        return "the first draft is always accepted: an accept uniform that is fixed, or drafts that were never tested"
    scarce = [a / (p[x[0]] / q[x[0]]) for x, a in first if 0 < p[x[0]] / q[x[0]] < 0.5 and a > 0]
    # Below 1 the ratio is no sign: K-SEQ accepts with p/(gamma q), and shuffled drafts are not tested in their order.
    if len(scarce) > 1 and max(scarce) - min(scarce) < NEAR and scarce[0] > 1 + 1e-3:
        return (
            f"the first draft is accepted with {scarce[0]:.6g} p/q, a constant ratio 1/Z: the q that the engine "
            "divides by is not the distribution of the drafts"
        )
    sure = [(x, a) for (x, a), (_, r) in zip(first, ratios, strict=True) if a > 1 - NEAR and r < 1 - 1e-4]
    if sure and len(sure) < len(first):
        return f"draft {sure[0][0][0]} is accepted outright although p/q is {ratios[first.index(sure[0])][1]:.6g}"
    return None


def _residual(found: NodeDistribution) -> str | None:
    """Compare the distribution after a rejection with the usual mistakes."""
    problem = found.problem
    if problem.drafts.different_drafters:
        return None
    p, q = problem.target, problem.given[1]
    right = np.maximum(p - q, 0)
    wrong = {
        P_ITSELF: p,
        "|p - q|, not (p - q)+": np.abs(p - q),
        "q, the draft distribution": q,
        "(q - p)+, the wrong way round": np.maximum(q - p, 0),
    }
    seen = [row / row.sum() for row in found.coupling.residual if row.sum() > 1e-6]
    if not seen or (problem.k > 1 and not _same(seen)):
        return None
    if right.sum() > 0 and np.abs(seen[0] - right / right.sum()).max() < NEAR:
        return None
    for name, distribution in wrong.items():
        if distribution.sum() > 0 and np.abs(seen[0] - distribution / distribution.sum()).max() < NEAR:
            if name == P_ITSELF and not problem.drafts.is_random:
                continue
            return f"after rejecting all drafts it draws from {name}"
    return None


def _beside_a_hub(found: NodeDistribution) -> str | None:
    """Say where the drafts after a hub come from, which rounding may hide."""
    problem = found.problem
    if problem.drafts.different_drafters or problem.k < 2:
        return None
    q = problem.drafted / problem.drafted.sum()
    hub = int(np.argmax(q))
    left = float(np.delete(q, hub).sum())
    after = problem.conditionals[:, 1][[x[0] == hub for x in problem.tuples]]
    if not 0 < left < LITTLE or not len(after) or after[0, hub] > 0.5:
        return None
    return (
        f"the tokens beside token {hub} hold {left:.2g} of q, and the next draft is one of them all the same, with "
        "their q over what they hold: sum it from them, as 1 - q, an epsilon or a coarse grid may lose it"
    )


def _same(rows: Sequence[np.ndarray]) -> bool:
    return all(np.abs(row - rows[0]).max() < NEAR for row in rows)
