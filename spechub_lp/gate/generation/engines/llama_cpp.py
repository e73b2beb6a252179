"""llama.cpp's server inside this process, through the Python package xllamacpp, with a draft model or without."""

import importlib
import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spechub_lp.errors import MissingPackage, UnknownName
from spechub_lp.gate.generation.ask import Broken
from spechub_lp.gate.generation.gguf_file import write_gguf
from spechub_lp.gate.generation.pair import read_pair
from spechub_lp.gate.generation.requests import Completion, NotOffered, Params
from spechub_lp.gate.results import Kind

VARIANTS = ("match", "rejection")
"""How drafts are verified: the target's own draw is looked up among them; or by rejection (llama.cpp's
`probabilistic`)."""
OFFERED = frozenset({
    "temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "frequency_penalty", "masked",
    "logit_bias", "stop", "greedy", "n", "batch",
})  # fmt: skip
ORDER = ("penalties", "temperature", "top_k", "typ_p", "top_p", "min_p")
"""As in transformers; llama.cpp's own order has the temperature last."""


class LlamaCpp:
    """Call llama.cpp: `llama.cpp/match` and `llama.cpp/rejection`.

    A server is started at the first request with so many drafts.

    Parameters
    ----------
    folder
        Of a pair that `tiny-pair` wrote; the models are written as GGUF.
    variant
        One of VARIANTS; "" is the first.

    Raises
    ------
    UnknownName
        There is no such variant.
    NotOffered
        The draft has tokens of its own.
    MissingPackage
        xllamacpp is not installed.
    """

    controlled = False
    """Its noise is made in C++, from the seed of each request."""
    seeded = True
    own_meanings = frozenset({"frequency_penalty"})
    """Arguments for which the reference is its own plain decoding: it counts the prompt's tokens too."""

    def __init__(self, folder: Path, variant: str = ""):
        variant = variant or VARIANTS[0]
        if variant not in VARIANTS:
            raise UnknownName("variant of llama.cpp", variant, VARIANTS)
        self.library = _library()
        self.name, self.variant = f"llama.cpp/{variant}", variant
        self.pair = read_pair(folder)
        if self.pair.own_tokens:
            raise NotOffered("the draft of this pair has tokens of its own, which llama.cpp does not translate")
        self.files = TemporaryDirectory(prefix="spechub_lp")
        for name, model in (("target", self.pair.target), ("draft", self.pair.draft)):
            write_gguf(model, self.pair.words, Path(self.files.name) / f"{name}.gguf")
        self.servers: dict[int, Any] = {}

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[Completion]:
        """Send one request a completion."""
        if strange := params.changed - OFFERED:
            raise NotOffered(f"llama.cpp has no {min(strange)} in a request")
        if params.drafts not in self.servers:
            self.servers[params.drafts] = self._server(params.drafts)
        server = self.servers[params.drafts]
        return [self._one(server, prompt, params) for prompt in prompts for _ in range(params.n)]

    def _server(self, drafts: int) -> Any:
        library, given = self.library, self.library.CommonParams()
        given.model.path = f"{self.files.name}/target.gguf"
        given.n_ctx, given.n_parallel, given.warmup, given.fit_params = 512, 1, False, False
        given.verbosity = -1
        given.flash_attn_type = library.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        given.cache_type_k = given.cache_type_v = library.ggml_type.GGML_TYPE_F32
        if drafts:
            given.speculative.types = [library.common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
            draft = given.speculative.draft
            draft.mparams.path = f"{self.files.name}/draft.gguf"
            draft.n_max, draft.n_min, draft.p_min = drafts, 0, 0.0
            draft.probabilistic = self.variant == "rejection"
            draft.cache_type_k = draft.cache_type_v = library.ggml_type.GGML_TYPE_F32
        for threads in (given, *([given.speculative.draft] if drafts else [])):
            threads.cpuparams.n_threads = threads.cpuparams_batch.n_threads = 1
        return library.Server(given)

    def _one(self, server: Any, prompt: Sequence[int], params: Params) -> Completion:
        answer = server.handle_completions(self._body(prompt, params))
        try:
            (choice,) = answer["choices"]
            said = choice["logprobs"]["content"] if params.logprobs else None
            text = choice["text"]
        except (KeyError, TypeError, ValueError):
            raise Broken(Kind.SHAPE, f"the answer is no completion: {str(answer)[:200]}") from None
        if said is not None:
            return Completion(tuple(int(t["id"]) for t in said), tuple(float(t["logprob"]) for t in said))
        words = self.pair.words
        return Completion(tuple(words.index(text[i : i + 2]) for i in range(0, len(text), 2)))

    def _body(self, prompt: Sequence[int], params: Params) -> dict[str, Any]:
        seed = random.SystemRandom().getrandbits(32) if params.seed is None else params.seed
        biases = [*map(list, params.logit_bias), *([token, False] for token in params.masked)]
        body = {
            "prompt": list(prompt), "max_tokens": params.max_tokens, "seed": seed, "samplers": list(ORDER),
            "temperature": 0.0 if params.greedy else params.temperature, "top_k": params.top_k, "top_p": params.top_p,
            "min_p": params.min_p, "typical_p": params.typical_p, "repeat_penalty": params.repetition_penalty,
            "frequency_penalty": params.frequency_penalty, "logit_bias": biases, "stop": list(params.stop),
        }  # fmt: skip
        return body | ({"logprobs": 1} if params.logprobs else {})


def _library() -> Any:
    try:
        return importlib.import_module("xllamacpp")
    except ImportError:
        raise MissingPackage("xllamacpp", "gating llama.cpp", "xllamacpp 'spechub-lp[gate,models]'") from None
