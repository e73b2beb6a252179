"""Requests that are made up: unlike in all parameters, that begin, end, and change their rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spechub_lp._array.equality import equal_fields
from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.processors.exact import FIELDS, Position, Processing, processed
from spechub_lp.gate.processors.protocol import Kept, Stage, StepBatch
from spechub_lp.typing import Array

with extra("gate", "the gate"):
    import torch

CLEAR = 1e-3
"""Logits are drawn again until no decision is nearer to the other way than this, so that rounding decides nothing."""
TRIES = 200
PROMPT = 5
LIFE = (2, 6)
"""Steps that a request lives."""
CHOICES: dict[str, tuple[float, ...]] = {
    "temperature": (0.0, 0.5, 0.8, 1.3, 2.0),
    "top_k": (1, 2, 3, 5),
    "top_p": (0.3, 0.6, 0.8, 0.95),
    "min_p": (0.02, 0.1, 0.3),
    "repetition_penalty": (0.8, 1.2, 1.7),
    "frequency_penalty": (-0.3, 0.4, 0.9),
    "presence_penalty": (-0.4, 0.5, 1.1),
    "masked": (True,),
}


@dataclass
class Request:
    """One request while it lives.

    Examples
    --------
    >>> request = Request(1, Processing(top_k=2), prompt=(4, 0), ends=3)
    >>> request.output
    ()
    """

    number: int
    parameters: Processing
    prompt: tuple[int, ...]
    ends: int
    """The step at which it is gone."""
    output: tuple[int, ...] = ()
    drafted: tuple[int, ...] = ()
    rejected: tuple[int, ...] = ()
    """Drafted at the step before, and not committed."""
    heir_of: "Request | None" = None
    """Whose row it took."""


@dataclass(frozen=True)
class Requests:
    """So many rows over so many steps; the same seed gives the same ones.

    Examples
    --------
    >>> case = Requests("two rows", 5, rows=2, steps=1)
    >>> [step.batch.logits.shape for step in case.steps_of(Kept.of(None))]
    [torch.Size([2, 1, 5])]
    """

    name: str
    vocabulary: int
    rows: int
    steps: int
    drafts: int = 0
    seed: int = 0

    def document(self) -> dict[str, Any]:
        """The requests as JSON."""
        return dict(vars(self))

    @classmethod
    def read(cls, document: dict[str, Any]) -> "Requests":
        """Read the inverse of `document`. Raises SpecHubError on something else."""
        try:
            return cls(
                str(document["name"]), *(int(document[n]) for n in ("vocabulary", "rows", "steps", "drafts", "seed"))
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SpecHubError(f"these are no saved requests: {error!r}") from None

    def steps_of(self, kept: Kept) -> "Iterator[Step]":
        """Each step, with its batch, for a processor that says this of itself."""
        rng = np.random.default_rng([self.seed, self.vocabulary, self.rows, self.drafts])
        numbers = iter(range(1, 10**9))
        living = [self._begin(rng, next(numbers), 0, kept, row) for row in range(self.rows)]
        for step in range(self.steps):
            for row, request in enumerate(living):
                if request.ends <= step:
                    living[row] = self._begin(rng, next(numbers), step, kept, row, request)
            if step % 3 == 2:
                living = [living[i] for i in rng.permutation(len(living))]
            for request in living:
                request.drafted = tuple(rng.integers(0, self.vocabulary, rng.integers(0, self.drafts + 1)).tolist())
            now = Step(step, [replace(request) for request in living], self, kept)
            yield now
            for row, request in enumerate(living):
                self._commit(rng, request, now.right[row])

    def _begin(
        self, rng: np.random.Generator, number: int, step: int, kept: Kept, row: int, heir_of: Request | None = None
    ) -> Request:
        """A new request: rows 0 to 5 of the first step have one stage each, later ones several, some none."""
        taken = [stage for stage in Stage if stage in kept.stages]
        chosen = taken[row : row + 1] if step == 0 and row < len(taken) else [s for s in taken if rng.random() < 0.5]
        names = [name for stage in chosen for name in FIELDS[stage]]
        values = {name: CHOICES[name][int(rng.integers(len(CHOICES[name])))] for name in names}
        if "top_k" in values:
            values["top_k"] = int(values["top_k"])
        prompt = tuple(rng.integers(0, self.vocabulary, rng.integers(1, PROMPT + 1)).tolist())
        ends = step + int(rng.integers(*LIFE))
        return Request(number, Processing(**values), prompt, ends, heir_of=heir_of)  # type: ignore[arg-type]

    def _commit(self, rng: np.random.Generator, request: Request, right: Sequence[Array]) -> None:
        """Some of the drafted tokens are accepted, and one more is drawn."""
        accepted = int(rng.integers(0, len(request.drafted) + 1))
        drawn = int(rng.choice(self.vocabulary, p=right[accepted]))
        request.rejected = request.drafted[accepted:]
        request.output = (*request.output, *request.drafted[:accepted], drawn)


@dataclass
class Step:
    """One step of the requests: what the processor gets, and what must come out.

    Examples
    --------
    >>> step = next(Requests("two rows", 5, rows=2, steps=1).steps_of(Kept.of(None)))
    >>> step.batch.logits.shape, step.right[0][0].shape
    (torch.Size([2, 1, 5]), (5,))
    """

    step: int
    requests: list[Request]
    of: Requests
    kept: Kept
    right: list[list[Array]] = field(init=False)
    """[V] the distribution at each position of each row."""
    positions: list[list[Position]] = field(init=False)

    __eq__ = equal_fields

    def __post_init__(self) -> None:
        self.positions = [
            [self.position(request, i) for i in range(len(request.drafted) + 1)] for request in self.requests
        ]
        self.right = [[self.process(at) for at in row] for row in self.positions]

    def process(self, at: Position) -> Array:
        """The distribution at a position."""
        return processed(at, self.kept.stages, self.kept.prompt_counts)[0]

    def position(self, request: Request, place: int) -> Position:
        """A position of a request, its logits drawn again until all is clear."""
        before = (*request.output, *request.drafted[:place])
        V = self.of.vocabulary
        for attempt in range(TRIES):
            rng = np.random.default_rng([self.of.seed, request.number, len(before), *before[-1:], attempt])
            logits = rng.normal(0, 2.0, V).astype(np.float32).astype(np.float64)
            allowed = rng.random(V) < 0.6 if request.parameters.masked else np.ones(V, dtype=bool)
            allowed[rng.permutation(V)[:2]] = True
            at = Position(logits, request.parameters, request.prompt, before, allowed)
            if processed(at, self.kept.stages, self.kept.prompt_counts)[1] > CLEAR / V:
                break
        return at

    @property
    def batch(self) -> StepBatch:
        """These rows, as fresh tensors."""
        B, N, V = len(self.requests), self.of.drafts + 1, self.of.vocabulary
        logits = torch.full((B, N, V), torch.nan)
        allowed = torch.zeros((B, N, V), dtype=torch.bool)
        for b, row in enumerate(self.positions):
            for i, at in enumerate(row):
                logits[b, i], allowed[b, i] = torch.from_numpy(at.logits), torch.from_numpy(at.allowed)
        numbers = {
            name: torch.tensor([getattr(r.parameters, name) for r in self.requests])
            for names in FIELDS.values() for name in names if name != "masked"
        }  # fmt: skip
        return StepBatch(
            logits,
            torch.tensor([r.number for r in self.requests]),
            _padded([r.prompt for r in self.requests]),
            _padded([r.output for r in self.requests]),
            _padded([r.drafted for r in self.requests], self.of.drafts),
            allowed,
            **{name: a if name == "top_k" else a.float() for name, a in numbers.items()},
        )


def _padded(rows: Sequence[tuple[int, ...]], width: int = 0) -> torch.Tensor:
    """[B, at least width] padded with -1."""
    width = max(width, *map(len, rows))
    return torch.tensor([[*row, *[-1] * (width - len(row))] for row in rows], dtype=torch.int64).reshape(
        len(rows), width
    )
