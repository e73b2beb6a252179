"""Pointing at the cause: what a biased distribution looks like."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spechub_lp.gate.engines.node import Emitted1
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.search.thresholds import Distribution

NEAR = 1e-5


@dataclass(frozen=True)
class Table:
    """The exact distribution of one problem, tuple by tuple."""

    problem: Problem
    accept: np.ndarray
    """[N, k] probability to output draft j as accepted."""
    residual: np.ndarray
    """[N, V] probability to output y after all drafts were rejected."""
    failed: np.ndarray
    """[N] probability of a failure."""
    unexplained: float

    @classmethod
    def build(cls, problem: Problem, distributions: Sequence[Distribution]) -> "Table":
        n = len(problem.tuples)
        accept, residual = np.zeros((n, problem.k)), np.zeros((n, problem.vocabulary))
        failed = np.zeros(n)
        for i, distribution in enumerate(distributions):
            for outcome, chance in distribution.chances.items():
                if not isinstance(outcome, Emitted1):
                    failed[i] += chance
                elif outcome.slot >= 0:
                    accept[i, outcome.slot] += chance
                else:
                    residual[i, outcome.token] += chance
        return cls(
            problem,
            accept,
            residual,
            failed,
            float(problem.mass @ [distribution.unexplained for distribution in distributions]),
        )

    @property
    def output(self) -> np.ndarray:
        """[V] the distribution of the output."""
        out = self.problem.mass @ self.residual
        for x, m, row in zip(self.problem.tuples, self.problem.mass, self.accept, strict=True):
            for token, chance in zip(x, row, strict=True):
                out[token] += m * chance
        return out

    @property
    def distance(self) -> float:
        return float(np.abs(self.output - self.problem.target).sum() / 2)

    @property
    def acceptance(self) -> float:
        return float(self.problem.mass @ self.accept.sum(axis=1))


def explain(table: Table) -> str:
    """What is known about the bias, as the end of a sentence; "" when nothing stands out."""
    said = [text for text in (_accept(table), _residual(table)) if text]
    over = table.output - table.problem.target
    worst = int(np.argmax(np.abs(over)))
    way = "too often" if over[worst] > 0 else "too rarely"
    said.append(f"token {worst} comes out {way}, by {abs(over[worst]):.3g}")
    return "; ".join(said)


def _accept(table: Table) -> str:
    problem = table.problem
    if problem.drafts.different_drafters:
        return ""
    p, q = problem.target, np.asarray(problem.q)
    first = [(x, a) for x, a in zip(problem.tuples, table.accept[:, 0], strict=True) if q[x[0]] > 0]
    ratios = [(a, min(1.0, p[x[0]] / q[x[0]])) for x, a in first]
    if all(a > 1 - NEAR for a, _ in ratios) and any(r < 1 - 1e-3 for _, r in ratios):
        return "the first draft is always accepted: an accept uniform that is fixed, or drafts that were never tested"
    scarce = [a / (p[x[0]] / q[x[0]]) for x, a in first if 0 < p[x[0]] / q[x[0]] < 0.5 and a > 0]
    if len(scarce) > 1 and max(scarce) - min(scarce) < NEAR and abs(scarce[0] - 1) > 1e-3:
        return (
            f"the first draft is accepted with {scarce[0]:.6g} p/q, a constant ratio 1/Z: the q that the engine "
            "divides by is not the distribution of the drafts"
        )
    sure = [(x, a) for (x, a), (_, r) in zip(first, ratios, strict=True) if a > 1 - NEAR and r < 1 - 1e-4]
    if sure and len(sure) < len(first):
        return f"draft {sure[0][0][0]} is accepted outright although p/q is {ratios[first.index(sure[0])][1]:.6g}"
    return ""


def _residual(table: Table) -> str:
    """Compare the distribution after a rejection with the usual mistakes."""
    problem = table.problem
    if problem.drafts.different_drafters:
        return ""
    p, q = problem.target, np.asarray(problem.q)
    right = np.maximum(p - q, 0)
    wrong = {
        "p itself, not (p - q)+": p,
        "|p - q|, not (p - q)+": np.abs(p - q),
        "q, the draft distribution": q,
        "(q - p)+, the wrong way round": np.maximum(q - p, 0),
    }
    seen = [row / row.sum() for row in table.residual if row.sum() > 1e-6]
    if not seen or (problem.k > 1 and not _same(seen)):
        return ""
    if right.sum() > 0 and np.abs(seen[0] - right / right.sum()).max() < NEAR:
        return ""
    for name, distribution in wrong.items():
        if distribution.sum() > 0 and np.abs(seen[0] - distribution / distribution.sum()).max() < NEAR:
            if name.startswith("p itself") and not problem.drafts.is_random:
                continue
            return f"after rejecting all drafts it draws from {name}"
    return ""


def _same(rows: Sequence[np.ndarray]) -> bool:
    return all(np.abs(row - rows[0]).max() < NEAR for row in rows)
