"""transformers' `generate()`, unmodified: with an assistant model, prompt lookup, an early exit, other tokenizers."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spechub_lp._util.extras import extra
from spechub_lp.errors import MissingPackage, UnknownName
from spechub_lp.gate.generation.requests import Completion, NotOffered, Params

with extra("gate", "the gate"):
    import torch

UNIVERSAL = {"universal": -1, "universal_in_order": 1}
"""A draft model with another tokenizer. A fast tokenizer lists its words in another order in every process; here the
order is fixed, so that verdicts are: against that of the ids, or with it."""
VARIANTS = ("assistant", "prompt_lookup", "early_exit", *UNIVERSAL, "heuristic", "confidence")
"""Where drafts come from: a draft model; the prompt; the target's first layer; a draft model with another tokenizer;
a draft model whose number of drafts is adapted, or that stops drafting when it is unsure."""
UNSUPPORTED = (ValueError, NotImplementedError)
"""What transformers raises for arguments that it does not take together."""


class Transformers:
    """Call the installed release of transformers. Each call starts from the models as they were loaded.

    Parameters
    ----------
    folder
        Of a pair that `tiny-pair` wrote.
    variant
        One of VARIANTS: where drafts come from.

    Raises
    ------
    UnknownName
        There is no such variant.
    NotOffered
        The pair does not suit the variant: its tokens, or its number of layers.
    MissingPackage
        transformers is not installed.
    """

    controlled = True
    seeded = False
    """Its noise is torch's global generator."""

    def __init__(self, folder: Path, variant: str = "assistant"):
        if variant not in VARIANTS:
            raise UnknownName("variant of transformers", variant, VARIANTS)
        self.library = _library()
        self.library.utils.logging.set_verbosity_error()
        self.library.utils.logging.disable_progress_bar()
        self.name, self.variant = f"transformers/{variant}", variant
        load = self.library.AutoModelForCausalLM.from_pretrained
        self.target = load(folder / "target").eval()
        self.draft = load(folder / "draft").eval()
        tokenizer = self.library.AutoTokenizer.from_pretrained
        self.tokenizer, self.draft_tokenizer = tokenizer(folder / "target"), tokenizer(folder / "draft")
        own_tokens = self.tokenizer.get_vocab() != self.draft_tokenizer.get_vocab()
        if variant in UNIVERSAL and not own_tokens:
            raise NotOffered(f"{self.name} needs a pair with other tokens: spechub-lp tiny-pair --own-tokens")
        if variant not in UNIVERSAL and own_tokens:
            raise NotOffered("the draft of this pair has tokens of its own; gate transformers/universal with it")
        if variant in UNIVERSAL:
            words = sorted(self.draft_tokenizer.get_vocab().items(), key=lambda word: word[1])[:: UNIVERSAL[variant]]
            self.draft_tokenizer.get_vocab = lambda: dict(words)
        if variant == "early_exit" and self.target.config.num_hidden_layers < 2:
            raise NotOffered("transformers/early_exit needs a pair of two layers: spechub-lp tiny-pair --layers 2")

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[Completion]:
        """Call `generate()` once."""
        given = {
            **self._sampling(params),
            **self._processing(params),
            **(self._drafting(params) if params.drafts else {}),
        }
        ids, mask = self._padded(prompts)
        try:
            if params.logprobs:
                return self._with_logprobs(ids, mask, params, given)
            out = self.target.generate(ids, attention_mask=mask, **given)
        except UNSUPPORTED as error:
            if params.drafts and (params.n > 1 or len(prompts) > 1 or params.cache):
                raise NotOffered(" ".join(str(error).split())) from None
            raise
        return [Completion(self._cut(row[ids.shape[1] :].tolist(), params)) for row in out]

    def _with_logprobs(
        self, ids: torch.Tensor, mask: torch.Tensor, params: Params, given: dict[str, Any]
    ) -> list[Completion]:
        """What `output_logits` says of each token."""
        given |= {"return_dict_in_generate": True, "output_logits": True}
        out = self.target.generate(ids, attention_mask=mask, **given)
        rows = []
        for n, row in enumerate(out.sequences):
            tokens = self._cut(row[ids.shape[1] :].tolist(), params)
            logs = [logits[n].double().log_softmax(-1) for logits in out.logits]
            rows.append(Completion(tokens, tuple(float(p[t]) for p, t in zip(logs, tokens, strict=False))))
        return rows

    def _padded(self, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """[prompts, longest] tokens and mask, padded on the left."""
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prompts])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
        return ids, mask

    def _cut(self, tokens: list[int], params: Params) -> tuple[int, ...]:
        """Without the padding behind an end token or a stop string, of a row that ended before its neighbours."""
        for place, token in enumerate(tokens):
            text = self.tokenizer.decode(tokens[: place + 1])
            if token in params.end_tokens or any(stop in text for stop in params.stop):
                return tuple(tokens[: place + 1])
        return tuple(tokens)

    def _sampling(self, params: Params) -> dict[str, Any]:
        return {
            "do_sample": not params.greedy,
            "max_new_tokens": params.max_tokens,
            "num_return_sequences": params.n,
            "temperature": params.temperature,
            "top_k": params.top_k,
            "top_p": params.top_p,
            "min_p": params.min_p or None,
            "typical_p": params.typical_p,
            # With a pad token of its own, an assistant would take that token in the prompt for padding.
            "pad_token_id": params.end_tokens[0] if params.end_tokens else None,
            "eos_token_id": list(params.end_tokens) or None,
            "min_new_tokens": params.min_tokens or None,
        } | ({"top_k": None, "temperature": None, "top_p": None, "typical_p": None} if params.greedy else {})

    def _processing(self, params: Params) -> dict[str, Any]:
        given: dict[str, Any] = {}
        if params.repetition_penalty != 1:
            given["repetition_penalty"] = params.repetition_penalty
        if params.no_repeat_ngram:
            given["no_repeat_ngram_size"] = params.no_repeat_ngram
        if params.bad_words:
            given["bad_words_ids"] = [list(word) for word in params.bad_words]
        if params.masked:
            given["suppress_tokens"] = list(params.masked)
        if params.logit_bias:
            given["sequence_bias"] = [[[token], bias] for token, bias in params.logit_bias]
        if params.stop:
            given |= {"stop_strings": list(params.stop), "tokenizer": self.tokenizer}
        if params.cache:
            given["cache_implementation"] = params.cache
        if processors := self._own_processors(params):
            given["logits_processor"] = self.library.LogitsProcessorList(processors)
        return given

    def _own_processors(self, params: Params) -> list[Any]:
        """What users pass as `logits_processor`."""
        made: list[Any] = []
        if params.frequency_penalty:
            made.append(FrequencyPenalty(params.frequency_penalty))
        if params.extra == "processor with state":
            made.append(CountsItsCalls())
        return made

    def _drafting(self, params: Params) -> dict[str, Any]:
        if self.variant == "prompt_lookup":
            return {"prompt_lookup_num_tokens": params.drafts, "max_matching_ngram_size": 2}
        config = (self.target if self.variant == "early_exit" else self.draft).generation_config
        config.num_assistant_tokens = params.drafts
        config.num_assistant_tokens_schedule = "heuristic" if self.variant == "heuristic" else "constant"
        config.assistant_confidence_threshold = 0.5 if self.variant == "confidence" else 0.0
        if self.variant == "early_exit":
            return {"assistant_early_exit": 1}
        tokenizers = {"tokenizer": self.tokenizer, "assistant_tokenizer": self.draft_tokenizer}
        return {"assistant_model": self.draft} | (tokenizers if self.variant in UNIVERSAL else {})


class FrequencyPenalty:
    """Process logits without state: take so much off a logit for each time that its token is in the text.

    Parameters
    ----------
    penalty
        What is taken off each time.

    Examples
    --------
    >>> FrequencyPenalty(0.5)(torch.tensor([[1, 1, 2]]), torch.zeros(1, 3))
    tensor([[ 0.0000, -1.0000, -0.5000]])
    """

    def __init__(self, penalty: float):
        self.penalty = penalty

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return [batch, V] scores of [batch, length] tokens."""
        counts = torch.zeros_like(scores).scatter_add_(1, input_ids, torch.ones_like(input_ids, dtype=scores.dtype))
        return scores - self.penalty * counts


class CountsItsCalls:
    """Process logits with state: the second call in a text, and every later one, favours token 0.

    Plain decoding calls a processor once a token. Assisted decoding also calls it for the draft and for each position
    that it verifies, so that such a processor means something else there.

    Examples
    --------
    >>> counts = CountsItsCalls()
    >>> [counts(torch.tensor([[1]]), torch.zeros(1, 2)).tolist() for _ in range(2)]
    [[[0.0, 0.0]], [[2.0, 0.0]]]
    """

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return [batch, V] scores of [batch, length] tokens."""
        self.calls += 1
        bias = torch.zeros_like(scores)
        bias[:, 0] = 2.0 * min(self.calls - 1, 3)
        return scores + bias


def _library() -> Any:
    try:
        return importlib.import_module("transformers")
    except ImportError:
        raise MissingPackage("transformers", "gating transformers", "'spechub-lp[gate]'") from None
