"""Calls of a batch engine: controlled noise in, one outcome a row out, whatever the engine does."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from spechub_lp._util.extras import extra
from spechub_lp.gate.coverage.watch import Watcher
from spechub_lp.gate.engines.declared import Declared, handed, returned, with_parameters
from spechub_lp.gate.engines.logprobs import with_logprobs
from spechub_lp.gate.engines.node import Failure, crashed, hung
from spechub_lp.gate.engines.time_limit import Hang, time_limit
from spechub_lp.gate.noise.choice_sequence import ChoiceSequence, Run, Uncontrolled
from spechub_lp.gate.noise.interception import controlled
from spechub_lp.gate.noise.places import Places
from spechub_lp.gate.problems.tree import TreeProblem
from spechub_lp.gate.protocols import NoiseKind, NoiseSpec, ProtocolName, TreeBatch, protocol_of
from spechub_lp.gate.results import Kind
from spechub_lp.gate.search.thresholds import Call

with extra("gate", "the gate"):
    import torch

AGAIN = 3
"""How many times the time limit the second call may take, of a batch that looked like a hang: threads of several
processes that wait for the same cores made calls ten times as long."""

ADAPTERS = "spechub_lp.gate.adapters"
WATCHED, WATCHED_OF_MANY = 300, 2
"""Batches of each size in which an engine's code is watched; few where they have many rows."""
MANY = 64


@dataclass(frozen=True)
class Tokens:
    """What one row gave: accepted drafts, then one more token.

    Examples
    --------
    >>> Tokens((4, 2)).tokens[:-1]  # the accepted drafts
    (4,)
    """

    tokens: tuple[int, ...]


class Drafted(Protocol):
    """Drafted trees of one shape, and the batches that any of them make.

    Examples
    --------
    >>> rows: Drafted = TreeProblem("a chain", vocabulary=3)
    >>> rows.batch([0, 5]).p.shape, rows.depth
    (torch.Size([2, 3, 3]), 2)
    """

    @property
    def vocabulary(self) -> int:
        """Number of tokens V."""

    @property
    def depth(self) -> int:
        """The most drafts that can be accepted."""

    @property
    def paths(self) -> Sequence[set[tuple[int, ...]]]:
        """The token paths of each tree, from the root."""

    def batch(self, rows: Sequence[int], /) -> TreeBatch:
        """These trees as one batch of fresh tensors."""


class TreeEngine:
    """An engine that verifies batches, and its calls, controlled or real; whatever it does comes back as an outcome.

    Parameters
    ----------
    engine
        Follows one of the protocols of `spechub_lp.gate.protocols`.
    seconds
        How long one call may take; 20 times as long where the engine says that it is slow.

    Examples
    --------
    >>> class DrawsFromP:
    ...     protocol = "host"
    ...     def __call__(self, batch): ...
    >>> TreeEngine(DrawsFromP(), seconds=5).protocol
    <ProtocolName.HOST: 'host'>
    """

    def __init__(self, engine: Any, seconds: float):
        self.engine, self.protocol = engine, protocol_of(engine)
        self.seconds = seconds * (20 if getattr(engine, "slow", False) else 1)
        self.rows = 0
        self.reused = False
        """Whether a batch changed the tokens that an earlier one had handed out, as they lie in a buffer."""
        self._lent: tuple[torch.Tensor, torch.Tensor] | None = None
        self._asked: tuple[Drafted, tuple[NoiseSpec, ...]] | None = None
        self.declared = Declared.of(engine)
        self.places = Places(engine)
        self.watcher = Watcher(engine)
        if type(engine).__module__.startswith(ADAPTERS):
            self.watcher.why_not = "the code of an installed library is not watched"
        self._watched = self.watcher.watched(engine)
        self._sizes: Counter[int] = Counter()

    def call(self, batch: TreeBatch, *args: Any, **kwargs: Any) -> Any:
        """The engine's answer. Its code is watched in the first batches of each size only, as that takes time."""
        size = len(batch.token)
        self._sizes[size] += 1
        closely = self._sizes[size] <= (WATCHED if size <= MANY else WATCHED_OF_MANY)
        arrays = self.declared.arrays
        given = [handed(each, arrays) for each in (with_parameters(batch, self.declared.rows), *args)]
        return (self._watched if closely else self.engine)(*given, **kwargs)

    def noise(self, batch: TreeBatch) -> tuple[NoiseSpec, ...]:
        """What arrays of explicit noise one call takes."""
        specs: tuple[NoiseSpec, ...] = self.watcher.watched(self.engine.noise)(handed(batch, self.declared.arrays))
        return specs

    def noise_of(self, problem: Drafted) -> tuple[NoiseSpec, ...]:
        """What one call takes on this problem, asked where it is another than the last time."""
        if self._asked is None or self._asked[0] is not problem:
            self._asked = problem, self.noise(problem.batch([0]))
        return self._asked[1]

    def warm_up(self, problem: TreeProblem) -> None:
        """One call first, because what is imported at first use may draw noise of its own."""
        self._call(problem, [0], lambda batch: self.call(batch))

    def evaluate(self, problem: Drafted, calls: Sequence[Call]) -> list[Run]:
        """Controlled calls; the key of a call is the index of a drafted tree."""
        return self._host(problem, calls) if self.protocol is ProtocolName.HOST else self._uniform(problem, calls)

    def _host(self, problem: Drafted, calls: Sequence[Call]) -> list[Run]:
        runs = []
        problem.batch([0])  # made before the noise is controlled: the problem's own distributions are random
        with controlled(self.places) as control:
            for tree, prefix, rule in calls:
                choices = control.choices = ChoiceSequence(prefix, rule)
                (outcome,) = self._call(problem, [tree], lambda batch: self.call(batch), again=False)
                if choices.rejected:
                    raise Uncontrolled(choices.rejected)
                runs.append(Run(tuple(choices.draws), tuple(choices.values), outcome))
        return runs

    def _uniform(self, problem: Drafted, calls: Sequence[Call]) -> list[Run]:
        trees = [key for key, _, _ in calls]
        specs = self.noise_of(problem)
        sequences = [ChoiceSequence(prefix, rule) for _, prefix, rule in calls]
        noise = {spec.name: torch.stack([read_noise(spec, each) for each in sequences]) for spec in specs}
        outcomes = self._call(problem, trees, lambda batch: self.call(batch, noise))
        if len(outcomes) > 1 and all(isinstance(o, Failure) for o in outcomes):
            # The batch fell as a whole: find out which rows did it.
            outcomes = []
            for b, tree in enumerate(trees):
                one = {name: a[b : b + 1] for name, a in noise.items()}
                outcomes += self._call(problem, [tree], lambda batch, one=one: self.call(batch, one))
        return [Run(tuple(t.draws), tuple(t.values), o) for t, o in zip(sequences, outcomes, strict=True)]

    def draw(
        self, problem: TreeProblem, rng: np.random.Generator, size: int, seed: int, step: int
    ) -> tuple[list[int], list[Any]]:
        """One batch of fresh drafts on the engine's own noise. An engine with a drafter of its own drafts itself."""
        mass = np.asarray([m for _, m in problem.trees])
        own = getattr(self.engine, "draft", None)
        if own is not None:
            trees = [int(t) for t in self.watcher.watched(own)(problem, size, seed=seed, offset=step)]
        else:
            trees = rng.choice(len(mass), size=size, p=mass / mass.sum()).tolist()
        return trees, self.verify(problem, trees, lambda spec: real_noise(spec, size, rng), seed=seed, step=step)

    def verify(
        self,
        problem: Drafted,
        trees: Sequence[int],
        noise: Callable[[NoiseSpec], torch.Tensor],
        *,
        seed: int,
        step: int,
    ) -> list[Any]:
        """The outcome of each of these trees; `noise` makes the arrays [len(trees), *shape] of explicit noise."""
        if self.protocol is ProtocolName.SEEDED:
            return self._call(problem, trees, lambda batch: self.call(batch, seed=seed, offset=step))
        if self.protocol is ProtocolName.UNIFORM:
            given = {spec.name: noise(spec) for spec in self.noise_of(problem)}
            return self._call(problem, trees, lambda batch: self.call(batch, given))
        return self._call(problem, trees, lambda batch: self.call(batch))

    def _call(self, problem: Drafted, trees: Sequence[int], call: Any, again: bool = True) -> list[Any]:
        """One call. What looks like a hang is called again with more time, where its noise can be had again."""
        outcomes = self._called(problem, trees, call, self.seconds)
        if again and all(map(hung, outcomes)):
            return self._called(problem, trees, call, AGAIN * self.seconds)
        return outcomes

    def _called(self, problem: Drafted, trees: Sequence[int], call: Any, seconds: float) -> list[Any]:
        batch = problem.batch(trees)
        given = [a.clone() for a in (batch.parent, batch.token, batch.p) if a is not None]
        self.rows += len(trees)
        try:
            with time_limit(seconds):
                emitted = call(batch)
        except Uncontrolled:
            raise
        except Hang:
            return [Failure(Kind.HANG, f"no answer within {seconds:g} seconds")] * len(trees)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return [Failure(Kind.CRASH, crashed(error))] * len(trees)
        names, now = ("parent", "token", "p"), (batch.parent, batch.token, batch.p)
        for name, after, before in zip(names, now, given, strict=True):
            if not torch.equal(after.nan_to_num(-7), before.nan_to_num(-7)):
                return [Failure(Kind.OVERWRITTEN, f"{name} was changed by the call")] * len(trees)
        outcomes = read_emitted(problem, trees, emitted)
        if self._lent is not None and not torch.equal(*self._lent):
            self.reused = True
        tokens = getattr(emitted, "tokens", None)
        self._lent = (tokens, tokens.clone()) if isinstance(tokens, torch.Tensor) else None
        if self.declared.logprobs is None:
            return outcomes
        shown = with_parameters(batch, self.declared.rows)  # anew: an engine may work in what it is handed
        return with_logprobs(outcomes, batch, shown, getattr(emitted, "logprobs", None), self.declared.logprobs)


def read_noise(spec: NoiseSpec, choices: ChoiceSequence) -> torch.Tensor:
    """Read one row of an array of noise from a choice sequence.

    Parameters
    ----------
    spec
        Shape and distribution of a row.
    choices
        Gives each number.

    Returns
    -------
    torch.Tensor
        [*spec.shape].

    Examples
    --------
    >>> read_noise(NoiseSpec("u", (2,)), ChoiceSequence((2**22, 2**23)))
    tensor([0.2500, 0.5000])
    """
    if spec.kind == NoiseKind.EXPONENTIAL:
        rows = [choices.race(spec.shape[-1], spec.name) for _ in range(int(np.prod(spec.shape[:-1], dtype=int)))]
        return torch.tensor(rows, dtype=torch.float64).reshape(spec.shape).to(spec.dtype)
    top = 2.0**spec.bits / (2.0**spec.bits - 1) if spec.includes_one else 1.0
    first = 2.0**-spec.bits if spec.excludes_zero else 0.0
    values = [first + top * choices.uniform(spec.bits, spec.name) for _ in range(int(np.prod(spec.shape, dtype=int)))]
    return torch.tensor(values, dtype=torch.float64).reshape(spec.shape).to(spec.dtype)


def real_noise(spec: NoiseSpec, rows: int, rng: np.random.Generator) -> torch.Tensor:
    """Draw an array of noise from a generator, on the same grid.

    Parameters
    ----------
    spec
        Shape and distribution of a row.
    rows
        How many.
    rng
        Source of randomness.

    Returns
    -------
    torch.Tensor
        [rows, *spec.shape].

    Examples
    --------
    >>> real_noise(NoiseSpec("u", (2,)), 3, np.random.default_rng(0)).shape
    torch.Size([3, 2])
    """
    shape = (rows, *spec.shape)
    if spec.kind == NoiseKind.EXPONENTIAL:
        return torch.from_numpy(rng.exponential(size=shape)).to(spec.dtype)
    places = rng.integers(0, 2**spec.bits, size=shape) + int(spec.excludes_zero)
    return torch.from_numpy(places * 2.0**-spec.bits).to(spec.dtype)


def read_emitted(problem: Drafted, trees: Sequence[int], emitted: Any) -> list[Any]:
    """Read the answer of an engine: Tokens for each row, or what is wrong with them.

    Parameters
    ----------
    problem
        With the drafted trees.
    trees
        B indices of the trees that the engine was given.
    emitted
        Its answer, with tokens [B, L+1] and n [B].

    Returns
    -------
    list of Any
        B outcomes, each Tokens or a Failure.

    Examples
    --------
    >>> read_emitted(None, [0], emitted=None)[0].message[:28]
    'the answer is not an Emitted'
    """
    try:
        tokens, n = returned(emitted.tokens), returned(emitted.n)
    except (AttributeError, TypeError, ValueError) as error:
        return [Failure(Kind.SHAPE, f"the answer is not an Emitted: {error}")] * len(trees)
    if tokens.ndim != 2 or tokens.shape[0] != len(trees) or tuple(n.shape) != (len(trees),):
        message = f"tokens have shape {tuple(tokens.shape)} and n {tuple(n.shape)} for {len(trees)} rows"
        return [Failure(Kind.SHAPE, message)] * len(trees)
    if tokens.is_floating_point() or n.is_floating_point():
        return [Failure(Kind.SHAPE, f"tokens are {tokens.dtype} and n is {n.dtype}; both must be integers")] * len(
            trees
        )
    return [
        _row(problem, tree, row, count) for tree, row, count in zip(trees, tokens.tolist(), n.tolist(), strict=True)
    ]


def _row(problem: Drafted, tree: int, row: list[int], n: int) -> Any:
    if not 1 <= n <= problem.depth + 1 or n > len(row):
        return Failure(Kind.SHAPE, f"n = {n} tokens were emitted; it must be 1 to {problem.depth + 1}")
    tokens = tuple(row[:n])
    if any(not 0 <= t < problem.vocabulary for t in tokens):
        return Failure(Kind.ILLEGAL_TOKEN, f"tokens {tokens} leave the vocabulary of {problem.vocabulary}")
    if any(t != -1 for t in row[n:]):
        return Failure(Kind.SHAPE, f"after {n} tokens the row goes on with {row[n:]} instead of -1")
    if tokens[:-1] not in problem.paths[tree]:
        return Failure(Kind.ILLEGAL_PATH, f"tokens {tokens[:-1]} were accepted, but nobody drafted them")
    return Tokens(tokens)
