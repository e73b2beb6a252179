"""Models that read trees of tokens.

What was read stays in a cache, and rejected branches are taken out of it again.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

from spechub_lp.capture.model_facts import positions_of
from spechub_lp.capture.models import Runner
from spechub_lp.errors import SpecHubError


class Reader(Protocol):
    """Reads nodes of a tree after the text so far. Nodes are numbered from 0 in the order of reading."""

    def read(self, tokens: Sequence[int], parents: Sequence[int]) -> Any:
        """Logits [n, V] after each new node; parents are node numbers, -1 the end of the kept text."""

    def keep(self, node: int) -> None:
        """The path to `node` joins the text, the other nodes are forgotten; -1 forgets them all."""


def reader(runner: Runner) -> "CachedReader | WindowReader":
    """Make the reader of a target or a draft.

    Parameters
    ----------
    runner
        The model, as `capture.models` made it.

    Returns
    -------
    CachedReader or WindowReader
        With a cache, unless the model sees the last few tokens only.

    Examples
    --------
    >>> type(reader(Runner(None, context=16))).__name__
    'WindowReader'
    """
    return WindowReader(runner) if runner.context else CachedReader(runner)


def cache_argument(forward: Callable[..., Any]) -> str:
    """Return what a model of transformers calls its key-value cache.

    Parameters
    ----------
    forward
        The model's method.

    Returns
    -------
    str
        "cache" since 5.24, "past_key_values" before.

    Examples
    --------
    >>> cache_argument(lambda ids, past_key_values: None)
    'past_key_values'
    """
    return "cache" if "cache" in inspect.signature(forward).parameters else "past_key_values"


class CachedReader:
    """A model with a key-value cache; a mask lets each node see the text and its own path.

    Parameters
    ----------
    runner
        The model.

    References
    ----------
    SpecInfer, arXiv 2305.09781, section 4.1.
    """

    def __init__(self, runner: Runner):
        from transformers import DynamicCache

        self.model, self.temperature = runner.model, runner.temperature
        self.cache = DynamicCache()
        self.cache_argument = cache_argument(self.model.forward)
        self.length = 0
        self.paths: list[list[int]] = []

    @torch.inference_mode()
    def read(self, tokens: Sequence[int], parents: Sequence[int]) -> torch.Tensor:
        """Read nodes: logits [n, V] after each."""
        device, before = self.model.device, len(self.paths)
        positions = positions_of(self.model)
        for parent in parents:
            above = self.paths[parent] if parent >= 0 else []
            self.paths.append([*above, len(self.paths)])
        fresh = self.paths[before:]
        if (longest := self.length + max(map(len, fresh), default=0)) > positions:
            raise SpecHubError(f"a text of {longest:,} tokens, and the model has {positions:,} positions")
        sees = torch.zeros(len(tokens), self.length + len(self.paths), dtype=torch.bool)
        sees[:, : self.length] = True
        for row, path in zip(sees, fresh, strict=True):
            row[[self.length + node for node in path]] = True
        dtype = self.model.dtype
        mask = torch.zeros(sees.shape, dtype=dtype).masked_fill(~sees, torch.finfo(dtype).min)
        places = torch.tensor([[self.length + len(path) - 1 for path in fresh]], device=device)
        out = self.model(
            torch.tensor([list(tokens)], device=device), attention_mask=mask[None, None].to(device),
            position_ids=places, use_cache=True, **{self.cache_argument: self.cache},
        )  # fmt: skip
        return torch.as_tensor(out.logits[0]).float() / self.temperature

    def keep(self, node: int) -> None:
        """Join the path to a node to the text, and forget the other nodes."""
        path = self.paths[node] if node >= 0 else []
        kept = torch.tensor([*range(self.length), *(self.length + n for n in path)], device=self.model.device)
        layers: list[Any] = self.cache.layers
        for layer in layers:
            if layer.keys is not None:
                layer.keys, layer.values = layer.keys.index_select(-2, kept), layer.values.index_select(-2, kept)
        self.length += len(path)
        self.paths = []


class WindowReader:
    """A model that sees the last few tokens only; nothing can be cached, as positions move with the window.

    Parameters
    ----------
    runner
        The model.

    Examples
    --------
    >>> window = WindowReader(Runner(None, context=16))
    >>> window.keep(-1)
    >>> window.text
    []
    """

    def __init__(self, runner: Runner):
        self.runner = runner
        self.text: list[int] = []
        self.paths: list[list[int]] = []

    @torch.inference_mode()
    def read(self, tokens: Sequence[int], parents: Sequence[int]) -> torch.Tensor:
        """Read nodes: logits [n, V] after each."""
        before = len(self.paths)
        for token, parent in zip(tokens, parents, strict=True):
            self.paths.append([*(self.paths[parent] if parent >= 0 else []), token])
        texts = [self.text + path for path in self.paths[before:]]
        return self.runner.log_distributions(texts, [[len(text)] for text in texts], batch=8)

    def keep(self, node: int) -> None:
        """Join the path to a node to the text, and forget the other nodes."""
        self.text += self.paths[node] if node >= 0 else []
        self.paths = []
