"""Level 1: the exact distribution of an engine from its noise, without sampling error.

An engine compares each uniform with thresholds, so what it does is constant on each acceptance region between them.
Every uniform is bisected on its float grid until the regions are found, every choice forks over its outcomes with its
own weights, and the masses are summed. Engines are black boxes here: `evaluate` runs many calls at once, by the batch
for a kernel.

That behaviour changes only where a starting point sees it is an assumption. It is tested afterwards on random noise:
a call that does something else than its region says adds a starting point there and the search starts again; what
still disagrees at the end is reported as the unexplained measure. A uniform that only moves a threshold of a later one
is not seen where the later ones are answered by fixed rules; so the search goes on with that call's answers as well.
"""

import bisect
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spechub_lp._util.words import counted
from spechub_lp.gate.clock import now
from spechub_lp.gate.noise.choice_sequence import FAR, DrawKind, Like, RandomDraw, Run, Uncontrolled, Value
from spechub_lp.gate.settings import FALSE_ALARM

Call = tuple[Any, Sequence[Value], Any]
"""(which input, the controlled beginning of the noise, the rule for the rest)."""
Evaluate = Callable[[list[Call]], list[Run]]

RULES = (0, 1)
START = (0.0, 0.0413, 0.1971, 0.3914, 0.6071, 0.8312, 1.0)
FINEST = 36
"""A threshold is placed to within 2^-36, far below what any float32 engine resolves."""
MOST_REGIONS = 96
CLOSER = tuple((2 * i + 1) / 32 for i in range(16))
"""More starting points, for a second look."""
LOOKS = 4
MOST_RANDOM, LEAST_RANDOM, AT_ONCE = 16_384, 1024, 512
"""Random calls of a second look; more would take minutes for a bias that nobody else can see."""
MOST_LIKE, FEW_LIKE = 12, 2
"""Calls for each input whose answers are tried again behind every value of a uniform; fewer where calls are slow."""
SMALLEST_MASS = 1e-13
"""Branches of less mass are left out and counted as unexplained (rejection loops end here)."""


class OutOfTime(Uncontrolled):
    """The deadline came before the enumeration ended."""


@dataclass
class Node:
    """Hold a place in the decision tree: the noise so far, its probability, and what happens next.

    Examples
    --------
    >>> root = Node("row", (), 1.0)
    >>> root.children = [Node("row", (value,), 0.5, outcome=value) for value in (0, 1)]
    >>> root.draw = RandomDraw(DrawKind.PICK, 2, weights=(0.5, 0.5))
    >>> [leaf.outcome for leaf in root.leaves()]
    [0, 1]
    """

    key: Any
    prefix: tuple[Value, ...]
    mass: float
    draw: RandomDraw | None = None
    outcome: Any = None
    children: list["Node"] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """uniform: region i ends before this place on the grid, and leads to children[owner[i]]."""
    owner: list[int] = field(default_factory=list)

    def find(self, run: Run) -> "Node | None":
        """Return the leaf that a run's noise leads to (or a branch that was left out).

        None where the run asked for other noise than this tree.
        """
        node = self
        while node.draw is not None:
            place = len(node.prefix)
            if place >= len(run.draws) or run.draws[place] != node.draw:
                return None
            value = run.values[place]
            region = node._region(value)
            if node.owner[region] < 0:
                return node
            node = node.children[node.owner[region]]
        return node

    def _region(self, value: Value) -> int:
        """Where a value of the next draw lies among its regions."""
        if isinstance(value, tuple):
            rates = [0.0 if i < 0 else self.children[i].mass for i in self.owner]
            return max(range(len(rates)), key=lambda i: rates[i] / max(value[i], 1 / FAR))
        assert self.draw is not None
        return bisect.bisect_right(self.ends, value) if self.draw.kind is DrawKind.UNIFORM else value

    def leaves(self) -> list["Node"]:
        """Return the places below this one (or this one) at which nothing more is drawn."""
        if self.draw is None:
            return [self]
        return [leaf for child in self.children for leaf in child.leaves()]


@dataclass
class Distribution:
    """Hold the exact distribution of the outcomes for one input.

    Examples
    --------
    >>> found = Distribution({"a": 0.25, "b": 0.75}, boundary={}, unexplained=0.0, probes=24)
    >>> found.chances["b"]
    0.75
    """

    chances: dict[Any, float]
    boundary: dict[Any, float]
    """Outcomes that occur only at single points of a uniform's grid, and the probability of those points."""
    unexplained: float
    """Share of random calls that the regions did not explain, plus the mass that was left out."""
    probes: int


Distributions = dict[Any, Distribution]


class Explorer:
    """Build decision trees, many inputs at a time.

    Parameters
    ----------
    evaluate
        Runs many calls of the engine, each (input, beginning of the noise, rule for the rest).
    deadline
        When the search must end, by `gate.clock.now`.
    most_calls
        How many calls may be made.
    coarse
        For engines whose calls are slow: what follows is looked at with all later uniforms at 1 only (at 0 a block
        verifier accepts everything), and thresholds are placed to within 2^-24.

    Examples
    --------
    An engine that accepts below 1/4:

    >>> from spechub_lp.gate.noise.choice_sequence import ChoiceSequence
    >>> def evaluate(calls):
    ...     runs = []
    ...     for _, prefix, rule in calls:
    ...         choices = ChoiceSequence(prefix, rule)
    ...         outcome = choices.uniform(24, "torch.rand") < 0.25
    ...         runs.append(Run(tuple(choices.draws), tuple(choices.values), outcome))
    ...     return runs
    >>> distributions, _ = Explorer(evaluate).distributions(["the only input"])
    >>> distributions["the only input"].chances[True]
    0.25
    """

    def __init__(
        self, evaluate: Evaluate, *, deadline: float = float("inf"), most_calls: int = 10**9, coarse: bool = False
    ):
        self.evaluate, self.deadline, self.most_calls = evaluate, deadline, most_calls
        self.coarse = self.at_once = coarse
        self.together = 1
        """The most nodes that are bisected at once; more than one where an engine takes whole batches."""
        self.start: tuple[float, ...] = START
        self.rules: tuple[int, ...] = RULES[1:] if coarse else RULES
        self.finest = 24 if coarse else FINEST
        self.smallest = SMALLEST_MASS
        self.calls = 0
        self.extra: dict[int, list[float]] = {}
        """More starting points for each place, where a random call did something that its region does not say."""
        self.like: dict[Hashable, list[Like]] = {}
        """For each input the answers of random calls that did something that their regions do not say."""
        self.guesses: Callable[[Any], Sequence[float]] = lambda key: ()
        """Where thresholds may lie for an input; a wrong guess costs a few calls, a right one saves a bisection."""
        self.known: set[tuple[int, int]] = set()
        """Neighbouring places between which some uniform changed what happens: tried first on the next uniform."""

    def run(self, calls: list[Call]) -> list[Run]:
        """Evaluate, with the budget kept."""
        if now() > self.deadline or self.calls + len(calls) > self.most_calls:
            raise OutOfTime(
                f"the budget ended after {counted(self.calls, 'call')}" if self.calls else "no time was left"
            )
        self.calls += len(calls)
        return self.evaluate(calls) if calls else []

    def signatures(self, nodes: Sequence[Node], values: Sequence[tuple[Value, ...]]) -> list[Any]:
        """What follows when `values` is appended to the prefix of each node."""
        rules = [(*self.rules, *self.like.get(n.key, ())) for n in nodes]
        given = [(*n.prefix, *v) for n, v in zip(nodes, values, strict=True)]
        runs = iter(self.run([(n.key, g, r) for n, g, each in zip(nodes, given, rules, strict=True) for r in each]))
        return [tuple(next(runs).signature(len(g)) for _ in each) for g, each in zip(given, rules, strict=True)]

    def explore(self, keys: Sequence[Hashable]) -> list[Node]:
        """The decision tree of each input."""
        roots = [Node(key, (), 1.0) for key in keys]
        frontier = roots
        while frontier:
            frontier = self._step(frontier)
        return roots

    def _step(self, nodes: list[Node]) -> list[Node]:
        """Find the next draw of each node and its children; returns the children that are not leaves yet."""
        for node, run in zip(nodes, self.run([(n.key, n.prefix, 0) for n in nodes]), strict=True):
            if len(run.draws) > len(node.prefix):
                node.draw = run.draws[len(node.prefix)]
            node.outcome = run.outcome
        for node in nodes:
            if node.draw is not None and node.draw.kind is DrawKind.PICK:
                weights = node.draw.weights
                self._adopt(node, [(w, i) if w > 0 else None for i, w in enumerate(weights)])
        uniform = [n for n in nodes if n.draw is not None and n.draw.kind is DrawKind.UNIFORM]
        for group in [uniform] if self.at_once else self._groups(uniform):
            self._split_uniforms(group)
        for node in nodes:
            if node.draw is not None and node.draw.kind is DrawKind.RACE:
                self._split_race(node, node.draw)
        return [child for node in nodes for child in node.children]

    def _groups(self, nodes: list[Node]) -> Iterator[list[Node]]:
        """Nodes to bisect together: first one, whose thresholds are then tried first on ever more of the others."""
        start, size = 0, 1
        while start < len(nodes):
            yield nodes[start : start + size]
            start, size = start + size, min(4 * size, self.together)

    def _adopt(self, node: Node, shares: list[tuple[float, Value] | None]) -> None:
        for share in shares:
            if share is None or node.mass * share[0] < self.smallest <= node.mass:
                node.owner.append(-1)
                continue
            node.owner.append(len(node.children))
            node.children.append(Node(node.key, (*node.prefix, share[1]), node.mass * share[0]))

    def _split_uniforms(self, nodes: list[Node]) -> None:
        """Bisect the next uniform of every node at once."""
        seen: list[dict[int, Any]] = [{} for _ in nodes]
        ask: list[tuple[int, int]] = []
        for i, node in enumerate(nodes):
            top = 2**node.draw.size - 1  # type: ignore[union-attr]
            ask += [(i, min(top, int(s * top))) for s in (*self.start, *self.extra.get(len(node.prefix), ()))]
        while ask:
            found = self.signatures([nodes[i] for i, _ in ask], [(place,) for _, place in ask])
            for (i, place), signature in zip(ask, found, strict=True):
                seen[i][place] = signature
            ask = [(i, middle) for i, node in enumerate(nodes) for middle in self._middles(node, seen[i])]
        for node, points in zip(nodes, seen, strict=True):
            self._regions(node, points)

    def _middles(self, node: Node, points: dict[int, Any]) -> list[int]:
        """Halfway points of the gaps whose two ends behave differently."""
        finest = 2 ** max(0, node.draw.size - self.finest)  # type: ignore[union-attr]
        order = sorted(points)
        guessed = self._guessed(node)
        changes = [(a, b) for a, b in itertools.pairwise(order) if points[a] != points[b]]
        if len(changes) > MOST_REGIONS:
            raise Uncontrolled(f"what it does changes at more than {MOST_REGIONS} places of one uniform")
        ask = []
        for a, b in changes:
            # The two outermost gaps go down to neighbours, so that a boundary case is told from a narrow region.
            if b - a <= (1 if a == 0 or b == order[-1] else finest):
                self.known.add((a, b))
                continue
            near = [place for gap in self.known if a <= gap[0] and gap[1] <= b for place in gap if a < place < b]
            near += [place for place in guessed if a < place < b]
            ask += near if len(near) <= 8 else [(a + b) // 2]
            ask += [] if near else [(a + b) // 2]
        return ask

    def _guessed(self, node: Node) -> list[int]:
        """Places around the thresholds that are guessed."""
        steps = 2.0**node.draw.size  # type: ignore[union-attr]
        ends = [math.ceil(share * steps) for share in self.guesses(node.key) if 0 < share < 1]
        return [end + near for end in ends for near in (-2, -1, 0, 1)]

    def _regions(self, node: Node, points: dict[int, Any]) -> None:
        size = 2**node.draw.size  # type: ignore[union-attr]
        order = sorted(points)
        regions: list[tuple[int, list[int]]] = []  # (end, points inside)
        for place, after in itertools.zip_longest(order, order[1:]):
            if not regions or regions[-1][0] >= 0:
                regions.append((-1, []))
            regions[-1][1].append(place)
            if after is None:
                regions[-1] = (size, regions[-1][1])
            elif points[place] != points[after]:
                regions[-1] = ((place + after + 1) // 2, regions[-1][1])
        groups: dict[Any, list[int]] = {}
        start = 0
        for i, (end, inside) in enumerate(regions):
            groups.setdefault((points[inside[0]], end - start == 1), []).append(i)
            start = end
        node.ends = [end for end, _ in regions]
        node.owner = [-1] * len(regions)
        for members in groups.values():
            width = sum(node.ends[i] - (node.ends[i - 1] if i else 0) for i in members)
            widest = max(members, key=lambda i: node.ends[i] - (node.ends[i - 1] if i else 0))
            inside = regions[widest][1]
            child = Node(node.key, (*node.prefix, inside[len(inside) // 2]), node.mass * width / size)
            if child.mass < self.smallest <= node.mass and width > 1:
                continue
            for i in members:
                node.owner[i] = len(node.children)
            node.children.append(child)

    def _split_race(self, node: Node, draw: RandomDraw) -> None:
        """The weights of a race argmax w_i / E_i, from the ratio at which each pair of runners ties."""
        n = draw.size
        alone = self.signatures([node] * n, [(_times(n, {i: 1.0}),) for i in range(n)])
        if len(set(alone)) == 1:
            self._adopt(node, [(1.0, _times(n, {0: 1.0}))])
            return
        all_start = self.signatures([node], [(tuple([1.0] * n),)])[0]
        if all_start not in alone:
            raise Uncontrolled(f"{draw.source} is not used as a race between its entries")
        # A runner of weight 0 loses even alone, to the heaviest; so runners that look like the heaviest are compared
        # with one that does not, and the others with the heaviest.
        other = next(i for i in range(n) if alone[i] != all_start)
        alike = {i: self._ratio(node, n, i, other, alone) for i in range(n) if alone[i] == all_start}
        first = max(alike, key=lambda i: alike[i])
        weights = [alike[i] if i in alike else self._ratio(node, n, i, first, alone) * alike[first] for i in range(n)]
        whole = sum(weights)
        self._adopt(node, [(w / whole, _times(n, {i: 1.0})) if w > 0 else None for i, w in enumerate(weights)])

    def _ratio(self, node: Node, n: int, i: int, j: int, alone: list[Any]) -> float:
        """w_i / w_j: the time at which runner i, starting against time 1 of runner j, stops winning."""
        low, high = -100.0, 60.0
        if self.signatures([node], [(_times(n, {i: 2.0**low, j: 1.0}),)])[0] != alone[i]:
            return 0.0
        while high - low > 2.0**-FINEST:
            middle = (low + high) / 2
            wins = self.signatures([node], [(_times(n, {i: 2.0**middle, j: 1.0}),)])[0] == alone[i]
            low, high = (middle, high) if wins else (low, middle)
        return float(2.0 ** ((low + high) / 2))

    def distributions(
        self, keys: Sequence[Hashable], *, probes: int = 24, seed: int = 0, repairs: int = 3
    ) -> tuple[Distributions, list[Node]]:
        """The distribution of every input, checked on `probes` random calls each."""
        rng = np.random.default_rng(seed)
        for attempt in range(repairs + 1):
            roots = self.explore(keys)
            missed = self._missed(roots, rng.permutation(np.repeat(np.arange(len(roots)), probes)), rng)
            if not missed or attempt == repairs:
                break
        return {root.key: _distribution(root, missed[root.key], probes) for root in roots}, roots

    def confirm(
        self,
        keys: Sequence[Hashable],
        mass: Sequence[float],
        excess: Callable[[Distributions], float],
        first: tuple[Distributions, list[Node]],
        *,
        seed: int = 0,
        most: int = MOST_RANDOM,
    ) -> tuple[Distributions, list[Node], float] | None:
        """Look at the distributions again before the engine fails, and say what could still speak for it.

        `excess` says how much of the probability must be told wrongly if the engine is right after all, when inputs
        come with `mass`. Regions of that mass that no starting point sees would do it. So random calls are made until
        one of them had met such a region in what was found `first`, but for a chance of FALSE_ALARM. A call that its
        region does not explain becomes a starting point, beside more of them, and the search begins again. The number
        returned is 0 when no such region is left to think of, else the mass below which one could have escaped
        `most` calls. None is returned when time is short.
        """
        rng = np.random.default_rng([seed, 1])
        self.start, self.rules, self.most_calls = (*self.start, *CLOSER), RULES, 10**12
        by_mass = np.asarray(mass) / np.sum(mass)
        for look in range(LOOKS):
            made = 0
            try:
                distributions, roots = self.distributions(keys, seed=seed, probes=8) if look else first
                missing = excess(distributions)
                if missing <= 0:
                    return distributions, roots, 0.0
                needed, missed = math.log(1 / FALSE_ALARM) / missing, 0
                while made < min(needed, most) and not missed:
                    # By mass for the promise; and each input alike, where narrow regions of rare inputs are met sooner.
                    inputs = [rng.choice(len(roots), size=AT_ONCE, p=by_mass), rng.integers(len(roots), size=AT_ONCE)]
                    missed = self._missed(roots, np.concatenate(inputs), rng).total()
                    made += AT_ONCE
            except OutOfTime:
                return None
            if not missed:
                return distributions, roots, 0.0 if made >= needed else math.log(1 / FALSE_ALARM) / made
        return None

    def _missed(self, roots: Sequence[Node], inputs: Any, rng: np.random.Generator) -> Counter[Hashable]:
        """How often a random call on each of the inputs did something else than its region says."""
        missed: Counter[Hashable] = Counter()
        for i, run in zip(inputs, self.run([(roots[i].key, (), rng) for i in inputs]), strict=True):
            root = roots[i]
            leaf = root.find(run)
            if leaf is None or (leaf.draw is None and leaf.outcome != run.outcome):
                missed[root.key] += 1
                if len(like := self.like.setdefault(root.key, [])) < (FEW_LIKE if self.coarse else MOST_LIKE):
                    like.append(Like(run.values))
                for place, (draw, value) in enumerate(zip(run.draws, run.values, strict=True)):
                    if draw.kind is DrawKind.UNIFORM:
                        self.extra.setdefault(place, []).append(value / (2**draw.size - 1))
        return missed


def _distribution(root: Node, missed: int, probes: int) -> Distribution:
    chances: dict[Any, float] = defaultdict(float)
    boundary: dict[Any, float] = defaultdict(float)
    whole = 0.0
    for leaf in root.leaves():
        chances[leaf.outcome] += leaf.mass
        whole += leaf.mass
        if leaf.mass <= 2.0**-24:
            boundary[leaf.outcome] += leaf.mass
    edge = {outcome: mass for outcome, mass in boundary.items() if chances[outcome] <= mass * 1.5}
    return Distribution(dict(chances), edge, max(0.0, 1 - whole) + missed / probes, probes)


def _times(n: int, early: dict[int, float]) -> tuple[float, ...]:
    return tuple(early.get(i, FAR) for i in range(n))
