"""A batch engine seen at the root of its trees, as a plain function on one node: its calls, one row a call or many.

Below the root every target and every draft is sure, so that what comes out there is known.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from spechub_lp._util.extras import extra
from spechub_lp.gate.engines.node import Emitted1, Failure, Hung, NodeEngine, Outcome, hung
from spechub_lp.gate.engines.tree import TreeEngine, real_noise
from spechub_lp.gate.noise.choice_sequence import Run
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.problems.root import RootProblem
from spechub_lp.gate.protocols import ProtocolName
from spechub_lp.gate.results import Kind
from spechub_lp.gate.search.thresholds import Call

with extra("gate", "the gate"):
    import numpy as np

ROWS = 64
"""Rows of a batch on real noise."""
KEPT = 8
"""Problems of which the rows are kept."""


class RootEngine(NodeEngine):
    """The view of a batch engine that the search for problems and the checks of memory call.

    Parameters
    ----------
    tried
        The engine.
    shapes
        For each number of drafts at the root, the tree that is verified.
    seed
        Of the noise that it is given.

    Examples
    --------
    >>> class Falls:
    ...     protocol, branchings = "host", [(1, 1)]
    ...     def __call__(self, batch):
    ...         raise ValueError("no batch is good enough")
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> RootEngine(TreeEngine(Falls(), 5), {1: (1, 1)}).real(problem, (0,)).kind
    <Kind.CRASH: 'crash'>
    """

    together = 8

    def __init__(self, tried: TreeEngine, shapes: dict[int, tuple[int, ...]], seed: int = 0):
        super().__init__(tried.engine, tried.seconds)
        self.tried, self.shapes, self.seed = tried, shapes, seed
        self.steps = 0
        self._rows: dict[int, RootProblem] = {}

    def rows(self, problem: Problem) -> RootProblem:
        """The rows of a problem, made once while it is looked at."""
        found = self._rows.get(id(problem))
        if found is None or found.node is not problem:
            while len(self._rows) >= KEPT:
                self._rows.pop(next(iter(self._rows)))
            found = self._rows[id(problem)] = RootProblem(problem, self.shapes[problem.k])
        return found

    def controlled(self, problem: Problem, calls: Sequence[Call]) -> list[Run]:
        """Calls on given drafts whose noise comes from choice sequences, one batch of them with explicit noise."""
        rows = self.rows(problem)
        runs = self.tried.evaluate(rows, [(rows.place[drafts], prefix, rule) for drafts, prefix, rule in calls])
        self.calls = self.tried.rows
        read = []
        for (drafts, _, _), run in zip(calls, runs, strict=True):
            outcome = self._read(rows, rows.place[drafts], run.outcome)
            if hung(outcome):
                raise Hung(problem, drafts, outcome)
            read.append(Run(run.draws, run.values, outcome))
        return read

    def real(self, problem: Problem, drafts: Sequence[int], seconds: float | None = None) -> Outcome:
        """One call with whatever noise is in place."""
        return next(self.several(problem, [tuple(drafts)]))

    def several(self, problem: Problem, tuples: Sequence[tuple[int, ...]]) -> Iterator[Outcome]:
        """Calls on real noise, many rows a batch."""
        for first in range(0, len(tuples), ROWS):
            rows = self.rows(problem)
            some = [rows.place[drafts] for drafts in tuples[first : first + ROWS]]
            self.steps += 1
            # One for each batch, as a generator that lives on would look like noise that the engine keeps.
            noise = partial(real_noise, rows=len(some), rng=np.random.default_rng([self.seed, 41, self.steps]))
            outcomes = self.tried.verify(rows, some, noise, seed=self.seed, step=self.steps)
            self.calls = self.tried.rows
            yield from (self._read(rows, i, outcome) for i, outcome in zip(some, outcomes, strict=True))

    def _read(self, rows: RootProblem, row: int, outcome: object) -> Outcome:
        if isinstance(outcome, Failure):
            return outcome
        tokens: tuple[int, ...] = outcome.tokens  # type: ignore[attr-defined]
        if wrong := rows.wrong_below(row, tokens):
            return Failure(Kind.IMPOSSIBLE_TOKEN, wrong)
        return Emitted1(tokens[0], rows.node.tuples[row].index(tokens[0]) if len(tokens) > 1 else -1)


def root_engine(tried: TreeEngine, shapes: Sequence[tuple[int, ...]], seed: int) -> RootEngine | None:
    """Return the view of an engine on its shortest trees.

    Parameters
    ----------
    tried
        The engine.
    shapes
        Of the trees that it takes.
    seed
        Of the noise that it is given.

    Returns
    -------
    RootEngine or None
        None where no tree is sure below the root, and for an engine with a drafter of its own.

    Examples
    --------
    >>> class DrawsFromP:
    ...     protocol = "host"
    ...     def __call__(self, batch): ...
    >>> tried = TreeEngine(DrawsFromP(), 5)
    >>> root_engine(tried, [(2, 2)], seed=0) is None, root_engine(tried, [(2,), (2, 1)], seed=0).shapes
    (True, {2: (2,)})
    """
    fit: dict[int, tuple[int, ...]] = {}
    for shape in sorted(shapes, key=len, reverse=True):
        if set(shape[1:]) <= {1}:
            fit[shape[0]] = shape
    own_drafter = hasattr(tried.engine, "draft") and tried.protocol is ProtocolName.SEEDED
    return RootEngine(tried, fit, seed) if fit and not own_drafter else None
