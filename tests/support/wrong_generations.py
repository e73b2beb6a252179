"""Wrong engines: transformers' assisted generation, patched at one place while it drafts; right ones that look wrong.

Each is written here from a public report or a description (the gate's list of wrong samplers has the sources).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from transformers import cache_utils
from transformers.generation import candidate_generator, logits_process, utils

from spechub_lp.gate.generation.engines.transformers import FrequencyPenalty, Transformers
from spechub_lp.gate.generation.requests import Completion, Params

Assisted = candidate_generator.AssistedCandidateGenerator


class Verify:
    """Speculative sampling of a chain, in steps that a wrong one changes."""

    def __call__(
        self, ids: torch.Tensor, draft_logits: torch.Tensor, length: int, logits: torch.Tensor, **_: Any
    ) -> tuple[torch.Tensor, int]:
        drafts = ids[0, -length:].tolist()
        q, p = self.draft_rows(draft_logits), self.target_rows(logits)
        kept = self.kept(p, q, drafts)
        rows = self.residual(p, q, kept, drafts) if kept < length else self.bonus(logits)
        token = self.pick(rows)
        return torch.tensor([[*drafts[:kept], token]]), kept

    def draft_rows(self, logits: torch.Tensor) -> torch.Tensor:
        return logits[0].softmax(-1)

    def target_rows(self, logits: torch.Tensor) -> torch.Tensor:
        return logits[0].softmax(-1)

    def kept(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> int:
        u = self.uniforms(len(drafts))
        for n, x in enumerate(drafts):
            if not self.accepts(p[n], q[n], x, u[n]):
                return n
        return len(drafts)

    def uniforms(self, count: int) -> torch.Tensor:
        return torch.rand(count)

    def accepts(self, p: torch.Tensor, q: torch.Tensor, x: int, u: torch.Tensor) -> bool:
        return bool(u < p[x] / q[x])

    def residual(self, p: torch.Tensor, q: torch.Tensor, n: int, drafts: list[int]) -> torch.Tensor:
        return (p[n] - q[n]).clamp(min=0)

    def bonus(self, logits: torch.Tensor) -> torch.Tensor:
        return logits[0, -1].softmax(-1)

    def pick(self, weights: torch.Tensor) -> int:
        return int(torch.multinomial(weights, 1))


class ResidualIsTarget(Verify):
    def residual(self, p: torch.Tensor, q: torch.Tensor, n: int, drafts: list[int]) -> torch.Tensor:
        return p[n]


class ResidualIsAbsolute(Verify):
    def residual(self, p: torch.Tensor, q: torch.Tensor, n: int, drafts: list[int]) -> torch.Tensor:
        return (p[n] - q[n]).abs()


class OnlyTheDraftLowered(Verify):
    def residual(self, p: torch.Tensor, q: torch.Tensor, n: int, drafts: list[int]) -> torch.Tensor:
        rest = p[n].clone()
        rest[drafts[n]] = (rest[drafts[n]] - q[n][drafts[n]]).clamp(min=0)
        return rest


class RowAfterTheRejected(Verify):
    def residual(self, p: torch.Tensor, q: torch.Tensor, n: int, drafts: list[int]) -> torch.Tensor:
        return p[n + 1]


class AlwaysAccepts(Verify):
    def accepts(self, p: torch.Tensor, q: torch.Tensor, x: int, u: torch.Tensor) -> bool:
        return True


class LikelyTokensOutright(Verify):
    def accepts(self, p: torch.Tensor, q: torch.Tensor, x: int, u: torch.Tensor) -> bool:
        return bool(p[x] > 0.15) or super().accepts(p, q, x, u)


class TypicalAcceptance(Verify):
    """Medusa's: whatever the target finds likely enough is accepted."""

    def accepts(self, p: torch.Tensor, q: torch.Tensor, x: int, u: torch.Tensor) -> bool:
        return bool(p[x] > 0.1)


class SecondChance(Verify):
    """An independent draw from the target that equals the draft skips the test."""

    def accepts(self, p: torch.Tensor, q: torch.Tensor, x: int, u: torch.Tensor) -> bool:
        return self.pick(p) == x or super().accepts(p, q, x, u)


class UnlikelyDraftsDropped(Verify):
    """A draft is dropped when its own q is small, and the token comes from the target; kept ones keep their raw q."""

    def kept(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> int:
        self.dropped = next((n for n, x in enumerate(drafts) if q[n][x] < 0.3), None)
        kept = super().kept(p, q, drafts)
        return kept if self.dropped is None else min(kept, self.dropped)

    def residual(self, p: torch.Tensor, q: torch.Tensor, n: int, drafts: list[int]) -> torch.Tensor:
        return p[n] if n == self.dropped else super().residual(p, q, n, drafts)


class NoBreak(Verify):
    """Drafts behind a rejected one are counted as well."""

    def kept(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> int:
        u = self.uniforms(len(drafts))
        return sum(self.accepts(p[n], q[n], x, u[n]) for n, x in enumerate(drafts))


class OneUniform(Verify):
    def uniforms(self, count: int) -> torch.Tensor:
        return torch.rand(1).expand(count)


class BonusHotter(Verify):
    """The bonus token comes from the model's own distribution: no temperature."""

    def bonus(self, logits: torch.Tensor) -> torch.Tensor:
        return (0.6 * logits[0, -1]).softmax(-1)


class RawDraftRows(Verify):
    """q is what it was before the temperature."""

    def draft_rows(self, logits: torch.Tensor) -> torch.Tensor:
        return (0.6 * logits[0]).softmax(-1)


class ProbabilitiesAsLogits(Verify):
    def target_rows(self, logits: torch.Tensor) -> torch.Tensor:
        return super().target_rows(logits).softmax(-1)


class LessOrEqualAtZero(Verify):
    """Right: a test by <= accepts a token of probability 0 with probability 2^-24 only."""

    def accepts(self, p: torch.Tensor, q: torch.Tensor, x: int, u: torch.Tensor) -> bool:
        return bool(u <= p[x] / q[x])


class LookedUp(Verify):
    """Right: tokens are drawn from the target and looked up among the drafts."""

    def kept(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> int:
        self.drawn = [self.pick(row) for row in p]
        return next((n for n, x in enumerate(drafts) if self.drawn[n] != x), len(drafts))

    def residual(self, p: torch.Tensor, q: torch.Tensor, n: int, drafts: list[int]) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.tensor(self.drawn[n]), len(p[n])).float()


Patch = tuple[Any, str, Any]


def verified(made: type[Verify]) -> list[Patch]:
    return [(utils, "_speculative_sampling", made())]


def processed(kind: type, call: Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]) -> list[Patch]:
    return [(kind, "__call__", call)]


_candidates: Any = Assisted._generate_candidates
_crop = cache_utils.DynamicLayer.crop
_bad_words = logits_process.NoBadWordsLogitsProcessor.__call__


def greedy_drafts(self: Any, args: Any) -> Any:
    """The most likely draft, with the scores of one that was drawn."""
    args["generation_config"].do_sample = False
    return _candidates(self, args)


def point_mass(self: Any, args: Any) -> Any:
    """Right: a sampled draft that is verified as if nobody knew its distribution."""
    return _candidates(self, args)[0], None


def one_draft_less(self: Any, args: Any) -> Any:
    """Right: the last draft is dropped before it is looked at."""
    ids, logits = _candidates(self, args)
    return (ids, logits) if logits.shape[1] < 2 else (ids[:, :-1], logits[:, :-1])


def one_draft_less_unless_zero(self: Any, args: Any) -> Any:
    """The last draft is dropped unless it is token 0, and is verified with its own q: the cap looks at the token."""
    ids, logits = _candidates(self, args)
    return (ids, logits) if ids[0, -1] == 0 or logits.shape[1] < 2 else (ids[:, :-1], logits[:, :-1])


def keeps_the_rejected(self: Any, count: int) -> None:
    """The entry of the last rejected draft stays in the place of the last accepted token's."""
    keys, values = self.keys[..., -1:, :].clone(), self.values[..., -1:, :].clone()
    _crop(self, count)
    if count < 0:
        self.keys[..., -1:, :], self.values[..., -1:, :] = keys, values


def counts_twice(self: Any, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    counts = torch.nn.functional.one_hot(torch.cat([ids, ids[:, -1:]], -1), scores.shape[-1]).sum(1)
    return scores - self.penalty * counts  # type: ignore[no-any-return]


def mask_of_the_start(self: Any, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    return _bad_words(self, ids[:, :5], scores)  # type: ignore[no-any-return]


def leaves_out(self: Any, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    return scores


def twice_the_temperature(self: Any, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    return scores / self.temperature**2  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Case:
    """One patched engine."""

    name: str
    patches: Sequence[Patch]
    setting: str = "sampling"
    tokens: int = 2
    drafts: int = 1
    position: int | None = None
    """Where the first difference must be."""


WRONG = (
    Case("the residual is the target", verified(ResidualIsTarget), position=0),
    Case("the residual is |p - q|", verified(ResidualIsAbsolute), position=0),
    Case("only the draft's entry is lowered", verified(OnlyTheDraftLowered), position=0),
    Case("the row after the rejected draft", verified(RowAfterTheRejected), position=0),
    Case("every draft is accepted", verified(AlwaysAccepts), position=0),
    Case("likely tokens are accepted outright", verified(LikelyTokensOutright), position=0),
    Case("typical acceptance", verified(TypicalAcceptance), position=0),
    Case("a second chance", verified(SecondChance), position=0),
    Case("unlikely drafts are dropped", verified(UnlikelyDraftsDropped), position=0),
    Case("no break after a rejection", verified(NoBreak), tokens=3, drafts=2, position=0),
    Case("one uniform for all drafts", verified(OneUniform), tokens=3, drafts=2, position=1),
    Case("the bonus token has no temperature", verified(BonusHotter), "temperature 0.6", position=1),
    Case("q before the temperature", verified(RawDraftRows), "temperature 0.6", position=0),
    Case("probabilities for logits", verified(ProbabilitiesAsLogits), position=0),
    Case("drafts are greedy", [(Assisted, "_generate_candidates", greedy_drafts)], position=0),
    Case("the cap looks at the token", [(Assisted, "_generate_candidates", one_draft_less_unless_zero)],
         tokens=3, drafts=2),
    Case("a rejected draft stays in the cache", [(cache_utils.DynamicLayer, "crop", keeps_the_rejected)],
         tokens=3, drafts=1, position=1),
    Case("the penalty counts the last token twice", processed(FrequencyPenalty, counts_twice),
         "frequency penalty 0.7", position=0),
    Case("the mask is that of the step's start", processed(logits_process.NoBadWordsLogitsProcessor, mask_of_the_start),
         "bad words", position=1),
    Case("temperature twice", processed(logits_process.TemperatureLogitsWarper, twice_the_temperature),
         "temperature 0.6", position=0),
    Case("no top-k", processed(logits_process.TopKLogitsWarper, leaves_out), "top-k 2", position=0),
    Case("bias on one side", processed(logits_process.SequenceBiasLogitsProcessor, leaves_out), "logit bias",
         position=0),
)  # fmt: skip
RIGHT = tuple(
    Case(name, patches, "top-k 2", tokens=3, drafts=2)
    for name, patches in (
        ("a sampled draft as a point mass", [(Assisted, "_generate_candidates", point_mass)]),
        ("the last draft is dropped", [(Assisted, "_generate_candidates", one_draft_less)]),
        ("drawn from the target and looked up", verified(LookedUp)),
        ("a test by <=", verified(LessOrEqualAtZero)),
        ("textbook", verified(Verify)),
    )
)
"""Two drafts a step; of two tokens to choose from, so that all is enumerated."""


class Patched(Transformers):
    """transformers with patches in place, only while it drafts."""

    def __init__(self, folder: Path, case: Case):
        super().__init__(folder)
        self.case = case

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[Completion]:
        with self.patched() if params.drafts else ExitStack():
            return super().__call__(prompts, params)

    @contextmanager
    def patched(self) -> Iterator[None]:
        with ExitStack() as stack:
            for owner, name, made in self.case.patches:
                stack.enter_context(patch.object(owner, name, made))
            yield
