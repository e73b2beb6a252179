"""What an engine is asked, and what it may answer.

An engine is a callable `generate(prompts, params)`: token ids in, and for each prompt (n times for n completions) the
new token ids, or a pair of token ids and their log-probabilities. With `params.drafts == 0` it must decode plainly:
that is what the same engine with drafts is held against.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.results import Kind

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Params:
    """Hold the arguments of one request. The defaults are plain sampling from the model's own distribution.

    Examples
    --------
    >>> Params(drafts=2, temperature=0.7).changed
    frozenset({'temperature'})
    """

    max_tokens: int = 3
    """Tokens that are generated at most."""
    drafts: int = 0
    """Drafts a step; 0 is plain decoding."""
    seed: int | None = None
    """Of this request's noise; None leaves it to the engine."""
    logprobs: bool = False
    """Whether the log-probability of each token is asked for."""
    temperature: float = 1.0
    top_k: int = 0
    """Keep the k most likely tokens; 0 keeps all."""
    top_p: float = 1.0
    """Keep the nucleus of this mass."""
    min_p: float = 0.0
    """Keep tokens of at least this share of the most likely one's probability."""
    typical_p: float = 1.0
    """Keep the most typical tokens of this mass (arXiv 2202.00666)."""
    repetition_penalty: float = 1.0
    """Divide positive logits of tokens in the text by this, multiply negative ones."""
    frequency_penalty: float = 0.0
    """Take this off a logit for each time that the token was generated."""
    no_repeat_ngram: int = 0
    """No n-gram of this length comes twice."""
    bad_words: tuple[Tokens, ...] = ()
    """Sequences that must not come out."""
    masked: Tokens = ()
    """Tokens that must not come out."""
    logit_bias: tuple[tuple[int, float], ...] = ()
    """Added to the logits of these tokens."""
    end_tokens: Tokens = ()
    """The text ends with the first of these, which is part of it."""
    min_tokens: int = 0
    """No end token before so many tokens."""
    stop: tuple[str, ...] = ()
    """The text ends when it contains one of these."""
    greedy: bool = False
    """The most likely token each time."""
    n: int = 1
    """Completions of each prompt."""
    batch: int = 1
    """Prompts of one request, which differ in tokens and length."""
    cache: str = ""
    """The engine's name of a kind of cache; "" is its default."""
    extra: str = ""
    """A word of the engine's own, such as a schedule of drafts."""

    @property
    def changed(self) -> frozenset[str]:
        """The names of the arguments that are not at their defaults, but for what every request sets."""
        apart = ("max_tokens", "drafts", "seed", "logprobs")
        return frozenset(f.name for f in fields(self) if f.name not in apart and getattr(self, f.name) != f.default)


class Engine(Protocol):
    """A whole engine."""

    name: str
    controlled: bool
    """Whether its noise comes from the host's generators, which the gate controls."""

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> Any:
        """Return len(prompts) * params.n completions, those of one prompt side by side."""


class NotOffered(SpecHubError):
    """An engine does not have this setting; it is no fault."""


@dataclass(frozen=True)
class Completion:
    """Hold the new tokens of one completion.

    Examples
    --------
    >>> Completion((0, 2), logprobs=(-0.5, -1.25)).tokens
    (0, 2)
    """

    tokens: Tokens
    logprobs: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Failure:
    """Say what an engine did instead of answering.

    Examples
    --------
    >>> Failure(Kind.CRASH, "ValueError: no").kind
    <Kind.CRASH: 'crash'>
    """

    kind: Kind
    message: str


Answer = tuple[Completion, ...] | Failure


def read_answer(answer: Any, prompts: int, params: Params, vocabulary: int) -> Answer:
    """Read the completions in what an engine returned, or say what is wrong with it.

    Parameters
    ----------
    answer
        Anything. Right are lists, tuples or arrays of token ids, pairs of those and log-probabilities, `Completion`s.
    prompts
        How many were asked.
    params
        The arguments of the request.
    vocabulary
        V; a token id of V or more is a failure.

    Returns
    -------
    Answer
        prompts * params.n completions, or a `Failure`.

    Examples
    --------
    >>> read_answer([([0, 2], [-0.5, -1.25])], prompts=1, params=Params(max_tokens=2), vocabulary=3)
    (Completion(tokens=(0, 2), logprobs=(-0.5, -1.25)),)
    >>> read_answer([[0, 3]], prompts=1, params=Params(max_tokens=2), vocabulary=3).message
    'token 3 is outside the vocabulary of 3'
    """
    try:
        parts = [_completion(part) for part in answer]
    except (TypeError, ValueError, IndexError) as error:
        return Failure(Kind.SHAPE, f"the answer is no list of token ids: {error}")
    if len(parts) != prompts * params.n:
        return Failure(Kind.SHAPE, f"{len(parts)} completions came for {prompts} prompts with n = {params.n}")
    for part in parts:
        strange = [t for t in part.tokens if not 0 <= t < vocabulary]
        if strange:
            return Failure(Kind.ILLEGAL_TOKEN, f"token {strange[0]} is outside the vocabulary of {vocabulary}")
        if len(part.tokens) > params.max_tokens:
            return Failure(Kind.SHAPE, f"{len(part.tokens)} tokens came where at most {params.max_tokens} were asked")
        if not part.tokens:
            return Failure(Kind.SHAPE, "a completion without tokens")
        if len(part.tokens) < params.max_tokens and not (params.end_tokens or params.stop):
            said = f"{len(part.tokens)} tokens came where {params.max_tokens} were asked, and nothing ends a text"
            return Failure(Kind.SHAPE, said)
        if part.logprobs is not None and len(part.logprobs) != len(part.tokens):
            return Failure(Kind.SHAPE, f"{len(part.logprobs)} log-probabilities for {len(part.tokens)} tokens")
    return tuple(parts)


def _completion(part: Any) -> Completion:
    if isinstance(part, Completion):
        return part
    if isinstance(part, tuple) and len(part) == 2 and not isinstance(part[0], int):
        ids, logprobs = part
        return Completion(_ids(ids), None if logprobs is None else tuple(float(x) for x in logprobs))
    return Completion(_ids(part))


def _ids(part: Any) -> Tokens:
    ids = part.tolist() if hasattr(part, "tolist") else list(part)
    for token in ids:
        if isinstance(token, bool) or int(token) != token:
            raise ValueError(f"{token!r} is no token id")
    return tuple(int(token) for token in ids)
