"""A tiny model as a GGUF file, for llama.cpp."""

from pathlib import Path

import numpy as np

from spechub_lp._util.extras import extra
from spechub_lp.gate.generation.tiny_llama import EPSILON, HIDDEN, INNER, POSITIONS, THETA, TinyLlama
from spechub_lp.typing import NumpyArray

OUTER = {
    "model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}  # fmt: skip
INNER_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
"""The weights of a layer: transformers' names, and GGUF's."""
NORMAL = 1
"""The type of a token that is neither special nor unused."""


def write_gguf(model: TinyLlama, words: tuple[str, ...], path: Path) -> None:
    """Write a model in float32. Its tokenizer is of a kind that has no special tokens: nothing ends a text.

    Parameters
    ----------
    model
        The weights.
    words
        [V] the text of each token.
    path
        Of the file.

    Raises
    ------
    MissingPackage
        No gguf.

    Examples
    --------
    >>> from spechub_lp.gate.generation.tiny_llama import random_llama
    >>> write_gguf(random_llama(vocabulary=3, seed=0), ("ab", "cd", "ef"), Path("target.gguf"))
    >>> Path("target.gguf").read_bytes()[:4]
    b'GGUF'
    """
    with extra("models", "writing GGUF"):
        from gguf import GGUFWriter

    file = GGUFWriter(str(path), "llama")
    file.add_context_length(POSITIONS)
    file.add_embedding_length(HIDDEN)
    file.add_feed_forward_length(INNER)
    file.add_block_count(model.layers)
    file.add_head_count(1)
    file.add_head_count_kv(1)
    file.add_rope_dimension_count(HIDDEN)
    file.add_rope_freq_base(THETA)
    file.add_layer_norm_rms_eps(EPSILON)
    file.add_vocab_size(len(words))
    file.add_tokenizer_model("rwkv")
    file.add_token_list(list(words))
    file.add_token_types([NORMAL] * len(words))
    for name, weight in model.weights.items():
        file.add_tensor(_name(name), np.ascontiguousarray(_turned(name, weight)))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def _name(name: str) -> str:
    if name in OUTER:
        return OUTER[name]
    layer, inner = name.removeprefix("model.layers.").split(".", 1)
    return f"blk.{layer}.{INNER_NAMES[inner.removesuffix('.weight')]}.weight"


def _turned(name: str, weight: NumpyArray) -> NumpyArray:
    """Rotary positions turn neighbours in GGUF's Llama, and the halves of a head in transformers'."""
    if not name.endswith(("q_proj.weight", "k_proj.weight")):
        return weight
    return weight.reshape(2, HIDDEN // 2, HIDDEN).swapaxes(0, 1).reshape(HIDDEN, HIDDEN)
