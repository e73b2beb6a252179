"""What an engine says of itself beside its protocol, and what it is handed in consequence."""

import importlib
import sys
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.protocols import Logprobs, RowParameter, TreeBatch

with extra("gate", "the gate"):
    import torch

TEMPERATURES = (1.0, 0.5, 2.0)
"""Of rows that differ in nothing else that the gate cares about."""
GREEDY_GAP, GREEDY_STEP = 0.5, 0.3
"""Logits of a greedy row: the likeliest token is a little above the others, so that one that is sampled shows."""


class Arrays(StrEnum):
    """The library whose arrays an engine takes."""

    TORCH = "torch"
    NUMPY = "numpy"
    JAX = "jax"


@dataclass(frozen=True)
class Declared:
    """What an engine's attributes say.

    Examples
    --------
    >>> Declared.of(lambda p, q, drafts: (drafts[0], 0)).arrays
    <Arrays.TORCH: 'torch'>
    """

    arrays: Arrays = Arrays.TORCH
    """Attribute `arrays`: what it takes."""
    rows: frozenset[RowParameter] = frozenset()
    """Attribute `row_parameters`: what differs from row to row."""
    logprobs: Logprobs | None = None
    """Attribute `logprobs`: of what the log-probabilities are that it reports; None: it reports none."""

    @classmethod
    def of(cls, engine: Any) -> "Declared":
        """Read an engine's attributes. Raises SpecHubError on a word that is none of these."""
        said = getattr(engine, "row_parameters", ())
        rows = frozenset(_word(RowParameter, "row_parameters", word) for word in said)
        logprobs = getattr(engine, "logprobs", None)
        return cls(
            _word(Arrays, "arrays", getattr(engine, "arrays", Arrays.TORCH)),
            rows,
            None if logprobs is None else _word(Logprobs, "logprobs", logprobs),
        )


def _word(kind: Any, attribute: str, word: Any) -> Any:
    try:
        return kind(word)
    except ValueError:
        known = ", ".join(kind)
        raise SpecHubError(f"the engine has {attribute} = {word!r}; it must be one of {known}") from None


def handed(value: Any, arrays: Arrays) -> Any:
    """Return a value with its torch tensors as arrays of a library; containers and dataclasses are gone through.

    Parameters
    ----------
    value
        A tensor, a batch, a dictionary of noise, or anything else, which stays as it is.
    arrays
        The library; numpy's arrays share their memory with the tensors, so that what is overwritten shows.

    Returns
    -------
    Any
        The same, of the same shapes; with torch the value itself.

    Examples
    --------
    >>> type(handed({"u": torch.zeros(2)}, Arrays.NUMPY)["u"])
    <class 'numpy.ndarray'>
    """
    if arrays is Arrays.TORCH:
        return value
    if isinstance(value, torch.Tensor):
        own = value.detach().cpu().numpy()
        if arrays is Arrays.NUMPY:
            return own
        return importlib.import_module("jax.numpy").asarray(own)
    if isinstance(value, dict):
        return {name: handed(each, arrays) for name, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: handed(getattr(value, f.name), arrays) for f in fields(value) if f.init})
    return value


def returned(value: Any) -> torch.Tensor:
    """Return an engine's array of any library as a tensor on the CPU.

    Parameters
    ----------
    value
        An array of torch, numpy or jax, or nested lists of numbers.

    Returns
    -------
    torch.Tensor
        Of the same shape [...] and kind of number.

    Examples
    --------
    >>> returned(np.array([1, 2]))
    tensor([1, 2])
    """
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if "jax" in sys.modules or isinstance(value, np.ndarray):
        value = np.array(value)
    return torch.as_tensor(value)


def with_parameters(batch: TreeBatch, rows: frozenset[RowParameter]) -> TreeBatch:
    """Return a batch with just what its engine takes for each row; with temperatures, p is hidden and must be made.

    Parameters
    ----------
    batch
        Where it has no temperatures, rows are greedy if all their targets are one-hot, and others go by their drafts.
    rows
        What the engine takes.

    Returns
    -------
    TreeBatch
        With logits so that p = softmax(logits / temperature).

    Examples
    --------
    >>> p = torch.tensor([[[0.25, 0.75]]], dtype=torch.float64)
    >>> bare = TreeBatch(torch.tensor([[-1]]), torch.tensor([[-1]]), p, None, "iid", temperature=torch.tensor([2.0]))
    >>> batch = with_parameters(bare, frozenset({RowParameter.TEMPERATURE}))
    >>> (batch.logits_of_p[0, 0] / batch.temperature[0]).exp()
    tensor([0.2500, 0.7500])
    """
    seed = None
    if RowParameter.SEED in rows:
        seed = torch.full((len(batch.token),), -1) if batch.seed is None else batch.seed
    if RowParameter.TEMPERATURE not in rows:
        return replace(batch, seed=seed, temperature=None)
    p, temperature = batch.p, batch.temperature
    if temperature is None:
        sure = ((p == 1).any(dim=2) | torch.isnan(p).any(dim=2)).all(dim=1)
        other = torch.tensor(TEMPERATURES)[batch.token.clamp(min=0).sum(dim=1) % len(TEMPERATURES)]
        temperature = torch.where(sure, 0.0, other)
    at = temperature[:, None, None]
    greedy = GREEDY_GAP * p - GREEDY_STEP * torch.arange(p.shape[2]) / p.shape[2]
    logits = torch.where(at == 0, greedy, torch.where(at == 0, 1.0, at) * p.log()).float()
    return replace(
        batch, p=torch.full_like(p, torch.nan), logits_of_p=logits, temperature=temperature.float(), seed=seed
    )
