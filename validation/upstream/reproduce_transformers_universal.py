"""transformers: assisted decoding with two tokenizers. Needs transformers.

1. The assistant's head is cut to the shared words in the order of `get_vocab()`, and its logits are read in the order
   of the ids. A fast tokenizer's `get_vocab()` has another order in every process; unless it is that of the ids, the q
   that is verified is not the q that was drawn from.
2. The target's `bad_words_ids`, `sequence_bias`, `suppress_tokens` are applied to the logits of that head.
3. An assistant whose words are all the target's raises.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from unittest.mock import patch

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.generation import utils
from transformers.generation.candidate_generator import UniversalSpeculativeDecodingGenerator as Universal

TARGET, DRAFT = ["[UNK]", "a", "b", "c", "d", "e"], ["[UNK]", "x", "y", "d", "c", "b", "a"]
SHARED = {word: DRAFT.index(word) for word in TARGET if word in DRAFT}
PROMPT = torch.tensor([[1, 2, 3, 4, 1]])
DRAWS = 400
transformers.utils.logging.set_verbosity_error()
torch.set_num_threads(1)


def tokenizer(words: list[str]) -> Any:
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]")


def model(words: list[str], seed: int) -> Any:
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=len(words), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        initializer_range=0.7, bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )).eval()  # fmt: skip


def generate(order: Sequence[int], draft: list[str] = DRAFT, **options: Any) -> Iterator[tuple[int, torch.Tensor]]:
    """At most two new tokens, one draft, with the draft's words in an order; and the q that was verified first."""
    words, assistant = (tokenizer(TARGET), tokenizer(draft)), model(draft, 2)
    assistant.generation_config.update(
        num_assistant_tokens=1, num_assistant_tokens_schedule="constant", assistant_confidence_threshold=0.0
    )
    torch.manual_seed(3)
    verified: list[torch.Tensor] = []

    def watched(tokens: Any, logits: Any, *rest: Any, real: Any = utils._speculative_sampling, **named: Any) -> Any:
        verified.append(logits[0, 0].double().softmax(-1))
        return real(tokens, logits, *rest, **named)

    with (
        patch.object(words[1], "get_vocab", lambda: {draft[i]: i for i in order}),
        patch.object(utils, "_speculative_sampling", watched),
        torch.no_grad(),
    ):
        while True:
            out = target.generate(
                PROMPT, attention_mask=torch.ones_like(PROMPT), assistant_model=assistant, do_sample=True, top_k=0,
                max_new_tokens=2, pad_token_id=0, tokenizer=words[0], assistant_tokenizer=words[1], **options,
            )  # fmt: skip
            yield int(out[0, PROMPT.shape[1]]), verified[0]


def first_token(p: torch.Tensor, q: torch.Tensor, verified: torch.Tensor) -> torch.Tensor:
    """[V] the distribution of the first token where drafts come from q and are verified as if from another."""
    accepted = torch.minimum(torch.ones_like(p), p / verified)
    rest = (p - verified).clamp(min=0)
    found: torch.Tensor = q * accepted + (q * (1 - accepted)).sum() * rest / rest.sum()
    return found


def distance(p: torch.Tensor, q: torch.Tensor) -> float:
    return float((p - q).abs().sum() / 2)


def rounded(p: torch.Tensor) -> list[float]:
    return [round(x, 3) for x in p.tolist()]


with torch.no_grad():
    target = model(TARGET, 1)
    p = target(PROMPT).logits[0, -1].double().softmax(-1)
    prompt = torch.tensor([[SHARED[TARGET[i]] for i in PROMPT[0]]])
    q = torch.zeros_like(p)
    q[: len(SHARED)] = model(DRAFT, 2)(prompt).logits[0, -1, list(SHARED.values())].double().softmax(-1)

IDS = range(len(DRAFT))
orders = {tuple(tokenizer(DRAFT).get_vocab().values()) for _ in range(20)}
print(f"1. get_vocab() of 20 equal tokenizers: {len(orders)} orders")
for name, order in (("of the ids", IDS), ("reversed", IDS[::-1])):
    drawn = list(islice(generate(order), DRAWS))
    exact = first_token(p, q, drawn[0][1])
    found = torch.bincount(torch.tensor([token for token, _ in drawn]), minlength=len(p)) / DRAWS
    print(f"   in the order {name}: q is {distance(q, drawn[0][1]):.3f} from the one that is verified, the first token")
    print(f"   {distance(p, exact):.3f} from plain decoding ({DRAWS} draws: {distance(p, found):.3f})")
    print("  ", rounded(exact), "plain:", rounded(p))
    assert (distance(p, exact) < 1e-6) is (name == "of the ids"), "this release does not depend on the order"

print("2. the head's columns, in the order of the ids:", [DRAFT[i] for i in sorted(SHARED.values())])
given: dict[str, Any]
for given in ({"bad_words_ids": [[5]]}, {"bad_words_ids": [[1]]}, {"sequence_bias": [[[5], 1.0]]}):
    try:
        next(generate(IDS, **given))
    except (ValueError, RuntimeError) as error:
        print(f"   {given}: {type(error).__name__}: {error}")
    else:
        raise AssertionError("no error: this release translates the arguments")
_, banned = next(generate(IDS, suppress_tokens=[1]))
print("   suppress_tokens=[1], the word a: drafts come from", dict(zip(TARGET, rounded(banned), strict=True)))
assert [float(banned[TARGET.index(word)]) > 0 for word in "ad"] == [True, False], "this release translates them"


def changed(self: Any, *rest: Any, real: Any = Universal.__init__, **named: Any) -> None:
    """A way out: what names the target's tokens is not for the assistant."""
    real(self, *rest, **named)
    self.logits_processor = []
    self.generation_config.update(bad_words_ids=None, sequence_bias=None, suppress_tokens=None)


with patch.object(Universal, "__init__", changed):
    for given in ({"bad_words_ids": [[5]]}, {"bad_words_ids": [[1]]}, {"suppress_tokens": [1]}):
        assert distance(next(generate(IDS, **given))[1], q) < 1e-6
print("   not passed on: no error, and drafts come from q")

try:
    next(generate(range(len(SHARED)), draft=list(SHARED)))
except AttributeError as error:
    print("3. an assistant with the words", list(SHARED), f"AttributeError: {error}")
else:
    raise AssertionError("no error: this release takes such an assistant")
