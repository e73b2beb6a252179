"""Tiny pairs: a target and a draft that any engine can load, and whose next-token distributions are known.

The folder of a pair has `target/` and `draft/`, each as transformers saves a model (safetensors, config, tokenizer),
and `manifest.json` with the distributions after every short context, computed in float64 from the weights.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from spechub_lp._util import reading, strict_json
from spechub_lp._util.extras import extra
from spechub_lp._util.io import write_json, write_text
from spechub_lp.distributions import from_logits
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.generation.tiny_llama import TinyLlama, configuration, random_llama
from spechub_lp.typing import Array, IntArray

_LOWER = [a + b for a, b in zip("acegikmoqsuwy", "bdfhjlnprtvxz", strict=True)]
WORDS = (
    *_LOWER, *(w.upper() for w in _LOWER), *(w.title() for w in _LOWER), *(w.title().swapcase() for w in _LOWER),
    "01", "23", "45", "67", "89", "10", "32", "54", "76", "98", "..", ",,",
)  # fmt: skip
"""The tokens are the first V of these. Of two characters each, so that a stop string may end inside one; and the first
three are "abcdef" together, a text that transformers encodes to learn about a tokenizer."""
FEWEST, MOST = 3, len(WORDS)
MOST_CONTEXTS = 400
"""The manifest has contexts up to the depth at which there are no more than this."""
FORMAT = "spechub-tiny-pair-1"
Tokens = tuple[int, ...]


@dataclass(frozen=True)
class TinyPair:
    """Hold a target and a draft of a few thousand weights.

    Examples
    --------
    >>> pair = make_pair(vocabulary=3, distance=0.3)
    >>> pair.target_distribution((0, 1)).shape, round(pair.distance, 2)
    ((3,), 0.3)
    """

    target: TinyLlama
    draft: TinyLlama
    seed: int = 0
    own_tokens: bool = False
    """Whether the draft has a tokenizer of its own: the words in the reverse order, and one more of two of them."""
    folder: Path | None = field(default=None, compare=False)
    """Where it was read from, or written to."""

    @property
    def vocabulary(self) -> int:
        """V of the target."""
        return self.target.vocabulary

    @property
    def words(self) -> tuple[str, ...]:
        """The text of each token of the target."""
        return WORDS[: self.vocabulary]

    @property
    def prompt(self) -> Tokens:
        """A prompt in which drafts can be looked up: what it ends with comes twice."""
        return (0, 1, 2, 0, 1)

    def target_distribution(self, context: Sequence[int]) -> Array:
        """[V] the target's next-token distribution after a context of one token at least."""
        return self._distribution("target", tuple(context))

    def draft_distribution(self, context: Sequence[int]) -> Array:
        """[V] the draft's, after a context in the draft's own tokens."""
        return self._distribution("draft", tuple(context))

    def text(self, tokens: Sequence[int]) -> str:
        """Spell out tokens of the target."""
        return "".join(WORDS[t] for t in tokens)

    @property
    def distance(self) -> float:
        """Mean total variation distance between the two next-token distributions, over the contexts of two tokens."""
        if self.own_tokens:
            return float("nan")
        contexts = np.array(list(product(range(min(self.vocabulary, 8)), repeat=2)))
        p, q = (_next_token(model, contexts) for model in (self.target, self.draft))
        return float(np.abs(p - q).sum(axis=-1).mean() / 2)

    @cached_property
    def _known(self) -> dict[tuple[str, Tokens], Array]:
        return {}

    def _distribution(self, which: str, context: Tokens) -> Array:
        key = (which, context)
        if key not in self._known:
            self._known[key] = _next_token(getattr(self, which), np.array([context]))[0]
        return self._known[key]


def _next_token(model: TinyLlama, contexts: IntArray) -> Array:
    """[..., V] distributions after [..., n] contexts."""
    return from_logits(model.logits(contexts)[..., -1, :])


def make_pair(
    vocabulary: int = 3, seed: int = 0, distance: float = 0.3, own_tokens: bool = False, layers: int = 1
) -> TinyPair:
    """Make a pair.

    Parameters
    ----------
    vocabulary
        V, 3 to 64.
    seed
        Of all weights.
    distance
        How far the draft is from the target: the mean total variation distance of their next-token distributions. 0
        makes them equal, weight by weight.
    own_tokens
        Give the draft a tokenizer of its own, for engines that translate; its distance is then not set.
    layers
        Of both models. An early exit needs two.

    Returns
    -------
    TinyPair
        Equal arguments give equal weights.

    Raises
    ------
    SpecHubError
        V or the distance is out of range.

    Examples
    --------
    >>> pair = make_pair(vocabulary=4, distance=0.1)
    >>> pair.words, round(pair.distance, 3)
    (('ab', 'cd', 'ef', 'gh'), 0.1)
    """
    if not FEWEST <= vocabulary <= MOST:
        raise SpecHubError(f"vocabulary = {vocabulary}; a tiny pair has {FEWEST} to {MOST} tokens")
    if not 1 <= layers <= 4:
        raise SpecHubError(f"layers = {layers}; a tiny model has 1 to 4")
    if not 0 <= distance < 1:
        raise SpecHubError(f"distance = {distance}; a mean total variation distance lies in [0, 1)")
    target = random_llama(vocabulary, seed, layers)
    if own_tokens:
        return TinyPair(target, random_llama(vocabulary + 1, seed + 1, layers), seed, True)
    if distance == 0:
        return TinyPair(target, target, seed)
    other = random_llama(vocabulary, seed + 1, layers)
    pair = TinyPair(target, other, seed)
    if distance > pair.distance:
        raise SpecHubError(
            f"distance = {distance}; with seed {seed} two unrelated models of {vocabulary} tokens are "
            f"{pair.distance:.3f} apart, which is the most: try another seed or a smaller distance"
        )
    low, high = 0.0, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        pair = TinyPair(target, target.mixed(other, middle), seed)
        low, high = (low, middle) if pair.distance > distance else (middle, high)
    return pair


def write_pair(pair: TinyPair, folder: Path) -> TinyPair:
    """Write both models and the manifest into a folder; the manifest comes last, so that a pair is whole or none.

    Parameters
    ----------
    pair
        As `make_pair` made it.
    folder
        Empty, of a pair, or to be made.

    Returns
    -------
    TinyPair
        The pair, which knows its folder now.

    Raises
    ------
    SpecHubError
        The folder cannot be made or has other files in it.
    MissingPackage
        No safetensors.

    Examples
    --------
    >>> pair = write_pair(make_pair(), Path("pair"))
    >>> sorted(p.name for p in pair.folder.iterdir())
    ['draft', 'manifest.json', 'target']
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = sorted(p.name for p in folder.iterdir() if p.name not in ("target", "draft", "manifest.json"))
        if strange:
            raise SpecHubError(f"{folder} has {strange[0]!r} in it; name an empty folder, or one that is to be made")
        (folder / "manifest.json").unlink(missing_ok=True)
        for name in ("target", "draft"):
            (folder / name).mkdir(exist_ok=True)
            _write_model(getattr(pair, name), folder / name, pair.words, name == "draft" and pair.own_tokens)
    except OSError as error:
        raise SpecHubError(f"cannot write {error.filename or folder}: {error.strerror or error}") from None
    write_json(folder / "manifest.json", strict_json.sealed(manifest(pair, folder)))
    return TinyPair(pair.target, pair.draft, pair.seed, pair.own_tokens, folder)


def read_pair(folder: Path) -> TinyPair:
    """Read a pair that `write_pair` wrote.

    Parameters
    ----------
    folder
        With `manifest.json`, `target/` and `draft/`.

    Returns
    -------
    TinyPair
        With the weights of the files.

    Raises
    ------
    SpecHubError
        It is no such folder, or a weight or a distribution is not what the manifest says.

    Examples
    --------
    >>> pair = write_pair(make_pair(), Path("pair"))
    >>> read_pair(Path("pair")).distance == pair.distance
    True
    """
    path = folder / "manifest.json"
    hint = "spechub-lp tiny-pair --out DIR writes a pair"
    if not reading.is_file(path):
        raise SpecHubError(f"{folder} has no manifest.json of a pair; {hint}")
    document = strict_json.read_json(path, "tiny-pair", hint)
    models = {}
    for name in ("target", "draft"):
        file = folder / name / "model.safetensors"
        data = reading.read_bytes(file)
        if hashlib.sha256(data).hexdigest() != document[name]["sha256"]:
            raise SpecHubError(f"{file} is not what it was when the pair was written; {hint}")
        with extra("capture", "reading a tiny pair"):
            from safetensors.numpy import load
        models[name] = TinyLlama({key: np.asarray(value) for key, value in load(data).items()})
    return TinyPair(models["target"], models["draft"], document["seed"], document["own_tokens"], folder)


def manifest(pair: TinyPair, folder: Path) -> dict[str, Any]:
    """Return what `manifest.json` says.

    Parameters
    ----------
    pair
        The pair.
    folder
        Where its weights are.

    Returns
    -------
    dict
        Tokens, seed, hashes of the weights, and [V] distributions after short contexts.

    Examples
    --------
    >>> pair = write_pair(make_pair(), Path("pair"))
    >>> manifest(pair, pair.folder)["tokens"]
    ['ab', 'cd', 'ef']
    """
    return {
        "schema": FORMAT,
        "vocabulary": pair.vocabulary,
        "tokens": list(pair.words),
        "seed": pair.seed,
        "own_tokens": pair.own_tokens,
        "mean_distance": None if pair.own_tokens else pair.distance,
        "target": {"sha256": _sha256(folder / "target")},
        "draft": {"sha256": _sha256(folder / "draft"), "vocabulary": pair.draft.vocabulary},
        "arithmetic": "float64, from the float32 weights; engines compute in float32 and differ by about 1e-7",
        "prompt": list(pair.prompt),
        "distributions": [row for contexts in _contexts(pair) for row in _distributions(pair, contexts)],
    }


def _contexts(pair: TinyPair) -> Iterator[IntArray]:
    """[count, length] contexts behind the prompt, of one length after the other."""
    length, count = 0, 1
    while count <= MOST_CONTEXTS:
        yield np.array([(*pair.prompt, *tail) for tail in product(range(pair.vocabulary), repeat=length)])
        length += 1
        count += pair.vocabulary**length


def _distributions(pair: TinyPair, contexts: IntArray) -> list[dict[str, Any]]:
    """Both distributions after each context."""
    p = _next_token(pair.target, contexts).tolist()
    q = [None] * len(contexts) if pair.own_tokens else _next_token(pair.draft, contexts).tolist()
    return [{"context": c, "target": a, "draft": b} for c, a, b in zip(contexts.tolist(), p, q, strict=True)]


def _sha256(folder: Path) -> str:
    return hashlib.sha256(reading.read_bytes(folder / "model.safetensors")).hexdigest()


def _write_model(model: TinyLlama, folder: Path, words: tuple[str, ...], own_tokens: bool) -> None:
    with extra("capture", "writing a tiny pair"):
        from safetensors.numpy import save_file

    save_file(model.weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = configuration(model.vocabulary, model.layers)
    write_text(folder / "config.json", json.dumps(config, indent=1) + "\n")
    write_text(folder / "generation_config.json", json.dumps({"do_sample": True}, indent=1) + "\n")
    tokenizer = _tokenizer((*reversed(words), words[0] + words[1]) if own_tokens else words)
    write_text(folder / "tokenizer.json", json.dumps(tokenizer, indent=1) + "\n")
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": config["max_position_embeddings"],
             "clean_up_tokenization_spaces": False}  # fmt: skip
    write_text(folder / "tokenizer_config.json", json.dumps(about, indent=1) + "\n")


def _tokenizer(words: tuple[str, ...]) -> dict[str, Any]:
    """A word is a token; of two words that begin alike the longer one is taken."""
    longest_first = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {
            "type": "Split", "pattern": {"Regex": longest_first}, "behavior": "Isolated", "invert": False,
        },
        "post_processor": None, "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(words)}, "unk_token": words[0]},
    }  # fmt: skip
