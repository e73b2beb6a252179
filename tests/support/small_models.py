"""Language models of a few thousand weights, saved as transformers saves them."""

from pathlib import Path

import torch
import transformers

LETTERS = "abcdefghijklmnopqrstuvwxyz .,"


def small_model(folder: Path, letters: str = LETTERS, layers: int = 3, padded: int = 0, seed: int = 0) -> str:
    """A random GPT-2 of a few thousand weights that reads letters, saved as transformers saves one."""
    from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import WordLevel

    words = Tokenizer(WordLevel({c: i for i, c in enumerate(letters)}, unk_token=letters[0]))
    words.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    words.decoder = decoders.Fuse()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        vocab_size=len(letters) + padded, n_positions=256, n_embd=16, n_layer=layers, n_head=2, initializer_range=0.5,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    return str(folder)
