"""A Llama of a layer or two in float64: the witness for what engines compute in float32."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spechub_lp._array.equality import equal_fields
from spechub_lp.distributions import from_logits
from spechub_lp.typing import NumpyArray

HIDDEN, INNER, POSITIONS, THETA, EPSILON = 64, 64, 256, 10_000.0, 1e-6
"""One head of 64, which is what the attention kernels of fast engines take."""
SPREAD = 1.6
"""Standard deviation of a model's logits: distributions that are neither flat nor one-hot."""


@dataclass(frozen=True)
class TinyLlama:
    """Hold weights, and compute logits from them in float64.

    References
    ----------
    Touvron et al., *LLaMA: Open and Efficient Foundation Language Models* (arXiv 2302.13971), section 2.

    Examples
    --------
    >>> model = random_llama(vocabulary=3, seed=0)
    >>> model.logits([0, 1]).shape
    (2, 3)
    """

    weights: dict[str, NumpyArray]
    """[..] float32, by the names that transformers gives them."""

    __eq__ = equal_fields

    @property
    def vocabulary(self) -> int:
        """V."""
        return len(self.weights["lm_head.weight"])

    @property
    def layers(self) -> int:
        """How many."""
        return sum(name.endswith("q_proj.weight") for name in self.weights)

    def logits(self, tokens: Sequence[int] | NumpyArray) -> NumpyArray:
        """Compute [..., n, V] logits after each of [..., n] tokens, in float64."""
        w = self._outer
        x = w["model.embed_tokens.weight"][np.asarray(tokens)]  # [..., n, H]
        for layer in self._inner:
            x = _layer(x, layer)
        return _normed(x, w["model.norm.weight"]) @ w["lm_head.weight"].T

    @cached_property
    def _outer(self) -> dict[str, NumpyArray]:
        """All weights in float64."""
        return {name: value.astype(np.float64) for name, value in self.weights.items()}

    @cached_property
    def _inner(self) -> list[dict[str, NumpyArray]]:
        """The weights of each layer, by their names inside it."""
        starts = map(_layer_name, range(self.layers))
        return [{n.removeprefix(at): a for n, a in self._outer.items() if n.startswith(at)} for at in starts]

    def mixed(self, other: "TinyLlama", share: float) -> "TinyLlama":
        """Return the model whose weights are `share` of the other's and the rest of this one's."""
        pairs = {name: (value, other.weights[name]) for name, value in self.weights.items()}
        return TinyLlama({name: ((1 - share) * a + share * b).astype(np.float32) for name, (a, b) in pairs.items()})


def random_llama(vocabulary: int, seed: int, layers: int = 1) -> TinyLlama:
    """Make a model whose distributions depend on all tokens before, so that a wrong cache is seen.

    Parameters
    ----------
    vocabulary
        V.
    seed
        Of the weights.
    layers
        How many.

    Returns
    -------
    TinyLlama
        Equal arguments give equal weights.

    Examples
    --------
    >>> random_llama(vocabulary=3, seed=0, layers=2).layers
    2
    """
    rng = np.random.default_rng([seed, vocabulary])

    def matrix(rows: int, columns: int, gain: float = 1.0) -> NumpyArray:
        found: NumpyArray = (gain * rng.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)
        return found

    weights = {"model.embed_tokens.weight": matrix(vocabulary, HIDDEN, np.sqrt(HIDDEN))}
    for at in map(_layer_name, range(layers)):
        for name in "qkvo":
            weights[f"{at}self_attn.{name}_proj.weight"] = matrix(HIDDEN, HIDDEN, 1.5)
        weights[f"{at}mlp.gate_proj.weight"] = matrix(INNER, HIDDEN)
        weights[f"{at}mlp.up_proj.weight"] = matrix(INNER, HIDDEN)
        weights[f"{at}mlp.down_proj.weight"] = matrix(HIDDEN, INNER)
        weights[f"{at}input_layernorm.weight"] = np.ones(HIDDEN, dtype=np.float32)
        weights[f"{at}post_attention_layernorm.weight"] = np.ones(HIDDEN, dtype=np.float32)
    weights["model.norm.weight"] = np.ones(HIDDEN, dtype=np.float32)
    weights["lm_head.weight"] = matrix(vocabulary, HIDDEN, SPREAD)
    return TinyLlama(weights)


def configuration(vocabulary: int, layers: int) -> dict[str, object]:
    """Return what stands in `config.json`.

    Parameters
    ----------
    vocabulary
        V.
    layers
        How many.

    Returns
    -------
    dict
        Ready for JSON.

    Examples
    --------
    >>> configuration(vocabulary=3, layers=1)["vocab_size"]
    3
    """
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocabulary,
        "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": layers, "num_attention_heads": 1,
        "num_key_value_heads": 1, "head_dim": HIDDEN, "max_position_embeddings": POSITIONS, "rms_norm_eps": EPSILON,
        "rope_theta": THETA, "hidden_act": "silu", "tie_word_embeddings": False, "attention_bias": False,
        "mlp_bias": False, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None, "dtype": "float32",
    }  # fmt: skip


def _layer_name(n: int) -> str:
    return f"model.layers.{n}."


def _layer(x: NumpyArray, w: dict[str, NumpyArray]) -> NumpyArray:
    """[..., n, H] of [..., n, H]: attention to all tokens before, then the gated network."""
    y = _normed(x, w["input_layernorm.weight"])
    q, k, v = (y @ w[f"self_attn.{name}_proj.weight"].T for name in "qkv")
    scores = _rotated(q) @ _rotated(k).swapaxes(-1, -2) / np.sqrt(HIDDEN)
    scores[..., *np.triu_indices(x.shape[-2], 1)] = -np.inf
    x = x + from_logits(scores) @ v @ w["self_attn.o_proj.weight"].T
    y = _normed(x, w["post_attention_layernorm.weight"])
    gate = y @ w["mlp.gate_proj.weight"].T
    found: NumpyArray = x + (gate / (1 + np.exp(-gate)) * (y @ w["mlp.up_proj.weight"].T)) @ w["mlp.down_proj.weight"].T
    return found


def _normed(x: NumpyArray, weight: NumpyArray) -> NumpyArray:
    found: NumpyArray = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPSILON) * weight
    return found


def _rotated(x: NumpyArray) -> NumpyArray:
    """Rotary positions: the halves of the head turn by an angle that grows with the position."""
    half = HIDDEN // 2
    angles = np.arange(x.shape[-2])[:, None] * THETA ** (-np.arange(half) / half)
    cos, sin = np.cos(angles), np.sin(angles)
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
