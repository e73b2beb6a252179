"""Searched problems, and what is kept from call to call, for engines of batches: at the root of their trees."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.checks.memory import check_memory
from spechub_lp.gate.checks.node_exact import Exact, exact_distributions, seconds_of
from spechub_lp.gate.checks.node_search import DRAWN, Searched, search_by_draws, search_exactly
from spechub_lp.gate.clock import now
from spechub_lp.gate.coverage.numbers import numbers
from spechub_lp.gate.engines.root import RootEngine, root_engine
from spechub_lp.gate.engines.tree import TreeEngine
from spechub_lp.gate.noise.interception import Generators
from spechub_lp.gate.problems.node import Problem, beside_a_hub, named_by_claim, problems
from spechub_lp.gate.problems.searched import Search
from spechub_lp.gate.results import Finding, Kind, Level, Report
from spechub_lp.gate.settings import Settings

SHARE = 0.2
"""Of the time, for searched problems."""


@dataclass
class AtRoot:
    """One engine at the root of its trees, and what was looked at there.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> class DrawsFromP:
    ...     protocol, branchings = "host", [(1,)]
    ...     def __call__(self, batch): ...
    >>> report = Report("draws", "host", "iid", 1)
    >>> at_root = AtRoot(TreeEngine(DrawsFromP(), 5), [(IID(), (1,))], report, Settings(searched=0))
    >>> at_root.search(exact=True)  # nothing was asked for
    >>> at_root.looked_at
    []
    """

    tried: TreeEngine
    claims: Sequence[tuple[DraftPolicy, tuple[int, ...]]]
    """How siblings are drafted, and the tree."""
    report: Report
    settings: Settings
    done: Searched = field(default_factory=Searched)
    again_at: list[Problem] = field(default_factory=list)
    planned: int = 0
    """Problems that the search was asked for."""

    def __post_init__(self) -> None:
        self.engine: RootEngine | None = root_engine(
            self.tried, [shape for _, shape in self.claims], self.settings.seed
        )

    @property
    def looked_at(self) -> list[Problem]:
        """The problems on one node."""
        return [*self.again_at, *self.done.exact, *self.done.drawn]

    @property
    def not_reached(self) -> int:
        """Problems that were planned and not looked at."""
        return max(0, self.planned - len(self.done.exact) - len(self.done.drawn))

    @property
    def draws(self) -> int:
        """Rows on real noise."""
        return DRAWN * len(self.done.drawn)

    def again(self, cases: Sequence[Problem]) -> bool:
        """Run saved problems on one node again; whether there were some."""
        if not cases:
            return False
        if self.engine is None or any(case.k not in self.engine.shapes for case in cases):
            raise SpecHubError("the engine takes no tree whose root has so many drafts as this problem")
        self.again_at = list(cases)
        exact = Exact(self.engine, self.report, self.settings, now() + self.settings.seconds)
        why = exact_distributions(exact, cases, len(cases))
        if why is not None and not self.report.proved:
            alpha = self.settings.false_alarm / (2 * len(cases))
            stop = now() + self.settings.seconds
            search_by_draws(self.engine, iter(cases), self.report, alpha, self.settings.seed, stop)
            self.report.inconclusive += [] if self.report.proved else [why]
        return True

    def search(self, *, exact: bool) -> None:
        """Problems that are searched, for each number of drafts that the engine takes, and then what it keeps."""
        wanted = {Level.EXACT, Level.DRAWS, Level.STREAM} & set(self.settings.levels)
        same = [policy for policy, _ in self.claims if not policy.different_drafters]
        if self.engine is None or not same or not wanted or not self.settings.searched:
            return
        claims = list(dict.fromkeys((policy, shape[0]) for policy, shape in self.claims if policy in same))
        claims = [(policy, k) for policy, k in claims if k in self.engine.shapes]
        hubs = [problem for claim in claims for problem in beside_a_hub(*claim)]
        hubs = list(map(named_by_claim, hubs)) if len(claims) > 1 else hubs
        self.planned = self.settings.searched + len(hubs)
        if getattr(self.tried.engine, "slow", False):
            beside = f" and {len(hubs)} beside a hub" if hubs else ""
            text = f"{self.settings.searched} searched problems{beside}: the engine says that it is slow"
            self.report.findings.append(Finding(Level.EXACT, Kind.LEFT_OUT, text, proof=False))
            return
        seen = self.tried.watcher.seen.values()
        search = Search(claims, self.settings.seed, numbers(each.routine for each in seen), float32=True)
        stop = now() + SHARE * self.settings.seconds
        todo = problems(*claims[0], seed=self.settings.seed)
        if exact and Level.EXACT in wanted:
            looked = Exact(self.engine, self.report, self.settings, stop)
            looked.seconds = seconds_of(self.engine, todo[0])
            looked.generators = Generators()
            self.done = search_exactly(looked, search, self.tried.watcher, self.settings.searched, hubs)
        if not self.report.proved and {Level.DRAWS, Level.STREAM} & wanted:
            whole = (replace(problem, explored=None) for problem in hubs)
            drawn = iter(self.done.drawn) if exact else chain(whole, search.all_drafts(self.settings.searched))
            alpha = self.settings.false_alarm / (8 * self.planned)
            self.done.drawn = search_by_draws(self.engine, drawn, self.report, alpha, self.settings.seed, stop)
        if not self.report.proved and {Level.DRAWS, Level.STREAM} & wanted:
            check_memory(self.engine, todo, self.report, self.settings, exact=exact)
