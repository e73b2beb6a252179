"""Exact distributions on one problem, from what the search found for each of its inputs."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spechub_lp._array.equality import equal_fields
from spechub_lp.coupling import Coupling
from spechub_lp.gate.checks.policy import TOLERANCE, tolerance
from spechub_lp.gate.engines.node import Emitted1, Failure
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.problems.tree import TreeProblem
from spechub_lp.gate.search.thresholds import Distributions


@dataclass(frozen=True)
class NodeDistribution:
    """What a plain function does with every draft tuple of one problem.

    Examples
    --------
    >>> from spechub_lp.gate.search.thresholds import Distribution
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> found = {(x,): Distribution({Emitted1(x, 0): 1.0}, {}, 0.0, 24) for x in (0, 1)}  # every draft is accepted
    >>> NodeDistribution.build(problem, found).distance
    0.25
    """

    problem: Problem
    coupling: Coupling
    """Accept probabilities [N, k] and residuals [N, V] of the N tuples; a failure is in neither."""
    failed: float
    """The largest probability of a failure, over the tuples."""
    unexplained: float
    left_out: float = 0.0
    """Mass of the draft tuples that were not looked at."""

    @classmethod
    def build(cls, problem: Problem, found: Distributions) -> "NodeDistribution":
        """The table of what was found for each tuple."""
        n, left_out = len(problem.tuples), problem.left_out
        accept, residual = np.zeros((n, problem.k)), np.zeros((n, problem.vocabulary))
        failed, unexplained = np.zeros(n), np.zeros(n)
        for i, x in enumerate(problem.tuples):
            unexplained[i] = found[x].unexplained
            for outcome, chance in found[x].chances.items():
                if not isinstance(outcome, Emitted1):
                    failed[i] += chance
                elif outcome.slot >= 0:
                    accept[i, outcome.slot] += chance
                else:
                    residual[i, outcome.token] += chance
        coupling = Coupling(problem.target, np.asarray(problem.tuples), problem.mass, accept, residual)
        return cls(problem, coupling, float(failed.max()), float(problem.mass @ unexplained), left_out)

    @property
    def output(self) -> np.ndarray:
        """[V] the distribution of the output."""
        return np.asarray(self.coupling.output_distribution)

    @property
    def distance(self) -> float:
        """Total variation distance of the output from the target.

        Where tuples were left out, the least that it can be: what they put out can only fill what is missing.
        """
        if not self.left_out:
            return float(self.coupling.distance)
        return float(np.maximum(self.output - self.problem.target, 0).sum())

    @property
    def accepted(self) -> float:
        """P(the output is an accepted draft)."""
        return float(self.coupling.acceptance)

    @cached_property
    def optimum(self) -> float:
        """The certified optimum of acceptance."""
        return float(self.problem.optimum)

    @property
    def tolerance(self) -> float:
        """A distance below this is rounding."""
        return tolerance(self.problem.vocabulary)

    @property
    def slack(self) -> float:
        """A distance below this proves nothing."""
        return self.tolerance + self.unexplained

    @property
    def above(self) -> float:
        """Acceptance above the optimum."""
        return self.accepted - self.optimum - self.left_out

    @property
    def excess(self) -> float:
        """How much of the probability must be told wrongly if the engine is right after all; <= 0: nothing must."""
        return max(self.distance if self.failed < TOLERANCE else 0.0, self.above) - self.slack


@dataclass(frozen=True)
class JointDistribution:
    """What a batch engine does with every drafted tree of one problem.

    Examples
    --------
    >>> from spechub_lp.gate.search.thresholds import Distribution
    >>> from spechub_lp.gate.engines.tree import Tokens
    >>> problem = TreeProblem("chain", 2, (1,))
    >>> found = {}
    >>> for tree in range(len(problem.trees)):  # a token of p, whatever was drafted
    ...     chances = {Tokens((y,)): float(problem.target(())[y]) for y in (0, 1)}
    ...     found[tree] = Distribution(chances, {}, 0.0, 24)
    >>> JointDistribution.build(problem, found).distance < 1e-12
    True
    """

    problem: TreeProblem
    out: np.ndarray
    """[V^(L+1)] the distribution of L + 1 tokens, L the depth, completed with draws from the target."""
    accepted: float
    """P(some draft at the root is accepted)."""
    failed: float
    unexplained: float

    __eq__ = equal_fields

    @classmethod
    def build(cls, problem: TreeProblem, found: Distributions) -> "JointDistribution":
        """The mixture of what was found for each tree, by index."""
        out, accepted, failed, unexplained = np.zeros_like(problem.joint), 0.0, 0.0, 0.0
        for key, (_, mass) in enumerate(problem.trees):
            unexplained += mass * found[key].unexplained
            for outcome, chance in found[key].chances.items():
                if isinstance(outcome, Failure):
                    failed += mass * chance
                else:
                    accepted += mass * chance * (len(outcome.tokens) > 1)
                    out += mass * chance * problem.completed(outcome.tokens)
        return cls(problem, out, accepted, failed, unexplained)

    @property
    def distance(self) -> float:
        """Total variation distance from the target's joint distribution."""
        return float(np.abs(self.out - self.problem.joint).sum() / 2)

    @cached_property
    def optimum(self) -> float:
        """The certified optimum of acceptance at the root."""
        return float(self.problem.node(()).optimum)

    @property
    def slack(self) -> float:
        """A distance below this proves nothing."""
        return TOLERANCE + self.unexplained

    @property
    def excess(self) -> float:
        """How much of the probability must be told wrongly if the engine is right after all; <= 0: nothing must."""
        return max(self.distance if self.failed < TOLERANCE else 0.0, self.accepted - self.optimum) - self.slack
