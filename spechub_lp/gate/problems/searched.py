"""Problems that are searched, not listed.

Each is chosen because it is unlike those before, or near a number in the code under test.
"""

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spechub_lp.drafts import DraftPolicy
from spechub_lp.gate.coverage.numbers import Number
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.problems.shapes import RELATIONS, SHAPES, Sketch, entropy, pair
from spechub_lp.typing import Array

SIZES = (
    *(2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15, 16, 17, 21, 24, 31, 32, 33, 40, 48, 51, 55, 61, 64, 65, 70),
    *(127, 128, 130, 200, 255, 257, 300, 1023, 1024, 1025, 1030),
)  # fmt: skip
SEARCHED = "searched "
"""Beginning of the names of these problems."""
WIDEST = 1100
"""Tokens of the largest problem; a number in the code above it is not aimed at by size."""
CANDIDATES = 8
WIDE = (33, 61, 257, 1025, 8, 65, 130, 17, 51, 70, 128)
"""Sizes that cost more than others: one of them on every fourth turn that aims at nothing."""
MOST_TUPLES, USUAL_TUPLES = 27, 16
"""Draft tuples of a searched problem that are explored, at most and in three of four problems."""
TAILS = (0.0, 0.0, 1e-3, 1e-5, 1e-7)
MOST_DENSE = 1200
"""Draft tuples V^k up to which all of positive mass are looked at."""
DENSE = 70
"""With one draft, q is on all tokens up to this size."""


def _near(problem: Problem, most: float) -> bool:
    return 0 < _distance(problem) < most


KINDS: dict[str, Callable[[Problem], Any]] = {
    "two tokens": lambda a: a.vocabulary == 2,
    "more than 50 tokens": lambda a: a.vocabulary > 50,
    "more than 256 tokens": lambda a: a.vocabulary > 256,
    "more than 1,024 tokens": lambda a: a.vocabulary > 1024,
    "a size that 8 does not divide": lambda a: a.vocabulary > 8 and a.vocabulary % 8,
    "a tie at the top of p": lambda a: a.vocabulary > 1 and a.p.count(max(a.p)) > 1,
    "a tie at the top of q": lambda a: a.vocabulary > 1 and (a.drafted == a.drafted.max()).sum() > 1,
    "a token of p above 0.99": lambda a: 0.99 < max(a.p) < 1,
    "a token of q above 0.99": lambda a: 0.99 < a.drafted.max() < 1,
    "a token of p below 1e-4": lambda a: any(0 < v < 1e-4 for v in a.p),
    "a token of p below 1e-9": lambda a: any(0 < v < 1e-9 for v in a.p),
    "a token of q below 1e-4": lambda a: bool(((a.drafted > 0) & (a.drafted < 1e-4)).any()),
    "zeros in p": lambda a: 0 in a.p,
    "zeros in q": lambda a: bool((a.drafted == 0).any()),
    "p = q": lambda a: _distance(a) == 0,
    "p near q, less than 0.1 away": lambda a: _near(a, 0.1),
    "p near q, less than 1e-3 away": lambda a: _near(a, 1e-3),
    "p near q, less than 1e-6 away": lambda a: _near(a, 1e-6),
    "p and q more than 0.9 apart": lambda a: _distance(a) > 0.9,
    "p/q above 10": lambda a: bool((np.asarray(a.p) > 10 * a.drafted).any()),
}
"""Kinds of problems, in the words of the report."""


def kinds(problems: Sequence[Problem]) -> dict[str, int]:
    """Count the problems of each kind.

    Parameters
    ----------
    problems
        Any problems on one node.

    Returns
    -------
    dict[str, int]
        A number for each of KINDS.

    Examples
    --------
    >>> problem = Problem("one", (0.5, 0.5), (0.25, 0.75), 1)
    >>> kinds([problem])["two tokens"], kinds([problem])["zeros in p"]
    (1, 0)
    """
    return {name: sum(bool(of(problem)) for problem in problems) for name, of in KINDS.items()}


def _distance(problem: Problem) -> float:
    return float(np.maximum(problem.given[0] - problem.drafted, 0).sum())


WEIGHTS = np.asarray([3.0 if name in ("near", "gain") else 1.0 for name in RELATIONS])
WEIGHTS /= WEIGHTS.sum()


def features(problem: Problem) -> dict[str, str]:
    """Say what a problem is like, by which it is told from those before.

    Parameters
    ----------
    problem
        On one node.

    Returns
    -------
    dict[str, str]
        A word for each property.

    Examples
    --------
    >>> problem = Problem("one", (0.5, 0.5), (0.25, 0.75), 1)
    >>> features(problem)["tokens at the top of p"]
    '2'
    """
    p, q, away = problem.given[0], problem.drafted, _distance(problem)
    gains = int((p > q).sum())
    ratio = float((p[q > 0] / q[q > 0]).max())
    top = int((p == p.max()).sum())
    return {
        "tokens": _bucket(len(p), (2, 5, 8, 16, 33, 50, 64, 70, 130, 260, 1024), "{}", "over {}"),
        "top of p": _bucket(p.max(), (0.3, 0.6, 0.9, 0.99, 0.9999), "up to {:g}", "over {:g}"),
        "top of q": _bucket(q.max(), (0.3, 0.6, 0.9, 0.97, 0.99, 0.9999), "up to {:g}", "over {:g}"),  # type: ignore[arg-type]
        "least of p": _decade(p[p > 0].min()),
        "least of q": _decade(q[q > 0].min()),  # type: ignore[arg-type]
        "mass of the residual": _decade(away),
        "tokens that gain": str(gains) if gains < 4 else "4 or more",
        "tokens at the top of p": str(top) if top < 4 else "4 or more",
        "ties in q": "yes" if (q == q.max()).sum() > 1 else "no",
        "zeros": ("p " if (p == 0).any() else "") + ("q" if (q == 0).any() else ""),
        "p/q": _bucket(ratio, (1.0001, 2, 10, 100), "up to {:g}", "over {:g}"),
        "entropy of p": _bucket(entropy(p), (0.3, 1, 2, 4), "up to {:g}", "over {:g}"),
        "entropy of q": _bucket(entropy(q), (0.3, 1, 2, 4), "up to {:g}", "over {:g}"),
        "size modulo 8": "0" if len(p) % 8 == 0 else "not 0",
        "same top": str(bool(p.argmax() == q.argmax())),
    }


def _bucket(value: float, ends: Sequence[float], up_to: str, over: str) -> str:
    return next((up_to.format(end) for end in ends if value <= end), over.format(ends[-1]))


def _decade(value: float) -> str:
    if value <= 0:
        return "0"
    if value >= 0.2:
        return "0.2 and more"
    return f"1e{max(-12, math.floor(math.log10(value)))}"


class Search:
    """Chooses problems, one after the other; the same seed and the same code give the same ones.

    Parameters
    ----------
    claims
        Draft policies and numbers of drafts, in turn.
    seed
        Of all that is drawn.
    numbers
        Numbers in the code under test.
    widest
        Tokens of the largest problem.
    float32
        Whether p and q are rounded to float32, as an engine of batches is handed them.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> search = Search([(IID(), 1)], seed=0)
    >>> a, b = search.next(), search.next()
    >>> a.name.startswith("searched "), a.p != b.p
    (True, True)
    """

    def __init__(
        self,
        claims: Sequence[tuple[DraftPolicy, int]],
        seed: int = 0,
        numbers: Iterable[Number] = (),
        widest: int = WIDEST,
        float32: bool = False,
    ):
        self.float32 = float32
        self.claims, self.widest = list(claims), widest
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.seen: Counter[tuple[object, ...]] = Counter()
        self.made: list[Problem] = []
        self.aims = [[(number, sketch) for sketch in _aims(number, widest)] for number in numbers]
        self._turns = itertools.count()

    def next(self, unvisited: Callable[[int], bool] = lambda line: False) -> Problem:
        """The next problem. unvisited(line): whether something on this line of the code has not run yet."""
        turn = next(self._turns)
        # One for each problem, as a generator that lives on would look like noise that the engine keeps.
        self.rng = np.random.default_rng([self.seed, 2026, turn])
        policy, k = self.claims[turn % len(self.claims)]
        aim = self._aim(unvisited) if turn % 2 else None
        if aim is not None:
            number, sketch = aim
            problem = self._make(sketch, policy, k, f", near {number.value:g} of line {number.line}")
        else:
            size = self._wide(turn // 2)
            problem = max((self._make(self._sketch(size), policy, k) for _ in range(CANDIDATES)), key=self._worth)
        return self.visit(problem)

    def all_drafts(self, count: int) -> Iterator[Problem]:
        """So many problems, without those of which some draft tuples are left out."""
        made = (self.next() for _ in range(count))
        return (problem for problem in made if not problem.left_out)

    def visit(self, problem: Problem) -> Problem:
        """Take note of a problem that is looked at."""
        self.seen.update(_marks(problem))
        self.made.append(problem)
        return problem

    def _aim(self, unvisited: Callable[[int], bool]) -> tuple[Number, Sketch] | None:
        """The next sketch of the number that was aimed at least, numbers on lines that have not run first."""
        left = [aims for aims in self.aims if aims]
        if not left:
            return None
        first = min(left, key=lambda aims: (not unvisited(aims[0][0].line), not aims[0][0].compared, -len(aims)))
        return first.pop(0)

    def _worth(self, problem: Problem) -> float:
        """How much of it is new, for what it costs."""
        new = sum((4.0 if len(mark) == 2 else 1.0) / (1 + 8 * self.seen[mark]) for mark in _marks(problem))
        return new / cost(problem) ** 0.5  # type: ignore[no-any-return]

    def _wide(self, turn: int) -> int | None:
        wide = [size for size in WIDE if size <= self.widest]
        return wide[turn // 4 % len(wide)] if turn % 4 == 3 and wide else None

    def _sketch(self, size: int | None) -> Sketch:
        rng = self.rng
        sizes = [size for size in SIZES if size <= self.widest]
        return Sketch(
            size or int(rng.choice(sizes)), str(rng.choice(list(SHAPES))), str(rng.choice(list(RELATIONS), p=WEIGHTS)),
            tail=float(rng.choice(TAILS)), turn=bool(rng.random() < 0.5),
        )  # fmt: skip

    def _make(self, sketch: Sketch, policy: DraftPolicy, k: int, why: str = "") -> Problem:
        rng, V = self.rng, sketch.size
        support = _support(V, policy, k, MOST_TUPLES if rng.random() < 0.25 else USUAL_TUPLES)
        sketch = replace(sketch, support=support)
        other = self._earlier(V) if not sketch.of and rng.random() < 0.3 else None
        p, q = pair(rng, sketch, other)
        if self.float32:
            p, q = (np.asarray(row, dtype=np.float32).astype(np.float64) for row in (p, q))
        drafted = tuple(q.tolist())
        if policy.different_drafters:
            inside = np.flatnonzero(q)
            drafted = tuple(tuple(_rolled(q, inside, j).tolist()) for j in range(k))
        wide = V**k > MOST_DENSE or (support is not None and support < V and sketch.tail > 0)
        # The digest keeps problems of runs on different code apart: `--baseline` compares by name.
        digest = hashlib.sha256(np.asarray([p, q]).tobytes()).hexdigest()[:6]
        name = f"{SEARCHED}{digest}: V = {V}, {sketch.base} and {sketch.relation.strip()}{why}"
        explored = max(1, min(MOST_TUPLES, (support or MOST_TUPLES) ** k))
        return Problem(name, tuple(p.tolist()), drafted, k, policy, explored=explored if wide else None)

    def _earlier(self, V: int) -> Array | None:
        """p or q of an earlier problem of this size, so that each p meets several q and the other way round."""
        same = [problem for problem in self.made if problem.vocabulary == V]
        if not same:
            return None
        problem = same[int(self.rng.integers(len(same)))]
        return problem.given[0] if self.rng.random() < 0.5 else problem.drafted


def _rolled(q: Array, inside: Array, j: int) -> Array:
    rolled = np.array(q)
    rolled[inside] = np.roll(q[inside], j)
    return rolled


def _support(V: int, policy: DraftPolicy, k: int, most: int) -> int | None:
    """How many tokens are drafted, so that the draft tuples stay few; None: all of them."""
    if not policy.is_random:
        return None
    if k == 1:
        return None if V <= DENSE else 12
    widest = max(m for m in range(1, most + 1) if m**k <= most or m <= 2)
    return None if widest >= V else max(widest if V <= 33 else min(widest, 3 if V <= 130 else 2), 2)


def cost(problem: Problem) -> float:
    """Estimate how many calls an exact distribution takes.

    Parameters
    ----------
    problem
        On one node.

    Returns
    -------
    float
        Calls.

    Examples
    --------
    >>> problem = Problem("one", (0.5, 0.5), (0.25, 0.75), 1)
    >>> cost(problem) < 100
    True
    """
    every = int(np.count_nonzero(problem.drafted)) ** problem.k
    tuples = min(every, problem.explored or every) if problem.drafts.is_random else 1
    return tuples * (20.0 + 10 * problem.k + 0.6 * problem.vocabulary)


def _marks(problem: Problem) -> list[tuple[object, ...]]:
    """Features, and pairs of them."""
    found = sorted(features(problem).items())
    return [*found, *itertools.combinations(found, 2)]


def _aims(number: Number, widest: int) -> Iterator[Sketch]:
    """Problems on both sides of a number, for everything that it could be compared with."""
    value = abs(number.value)
    if value == int(value) and 2 <= value <= widest - 1:
        n = int(value)
        for size in (n, n + 1, max(2, n - 1), n + 3):
            yield Sketch(size, "plain", "free")
        yield Sketch(min(max(n + 3, 4), widest), "plain", "free", places=(n, n + 1, n - 1))
        if n <= 8:
            yield Sketch(max(n + 2, 5), "plain", "gain", n, "gain")
            yield Sketch(max(n + 1, 4), "tied", "free", n, "tied")
            yield Sketch(max(n + 2, 9), "plain", "gain", n + 1, "gain")
    if 0 < value < 1:
        yield from _shares(value)
    if 0.05 < value < 12:
        size = max(5, min(64, int(math.exp(value) * 1.6) + 1))
        for near in (1.08 * value, 0.92 * value):
            yield Sketch(size, "entropy", "free", near, "entropy")
            yield Sketch(size, "plain", "entropy ", near, "entropy ")
    if value > 1:
        for near in (1.1 * value, 0.9 * value):
            yield Sketch(5, "plain", "ratio", near, "ratio", turn=True)
            yield Sketch(6, "tail", "ratio", near, "ratio", turn=True)


def _shares(value: float) -> Iterator[Sketch]:
    for near in (value * 0.8, min(value * 1.2, (1 + value) / 2)):
        yield Sketch(4, "plain", "near", near, "near")
        if value >= 0.2:
            yield Sketch(4, "peak", "free", near, "peak")
            yield Sketch(4, "peak", "free", near, "peak", turn=True)
            yield Sketch(4, "peak", "near", near, "peak")
        else:
            yield Sketch(5, "tail", "free", near, "tail")
            yield Sketch(5, "tail", "free", near, "tail", turn=True)
            yield Sketch(5, "plain", "close", near, "close")
        yield Sketch(4, "plain", "ratio", near, "ratio", turn=True)
        yield Sketch(4, "plain", "ratio", near, "ratio")
    for near in (value + 0.3 * (1 - value), value - 0.3 * (1 - value)):
        if 0.2 <= near < 1 and value > 0.7:
            yield Sketch(4, "peak", "free", near, "peak")
            yield Sketch(4, "peak", "free", near, "peak", turn=True)
