"""The log-probabilities that an engine reports beside its tokens, against those of the target."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spechub_lp._util.extras import extra
from spechub_lp.gate.engines.declared import returned
from spechub_lp.gate.engines.node import Failure
from spechub_lp.gate.protocols import Logprobs, TreeBatch
from spechub_lp.gate.results import Kind

with extra("gate", "the gate"):
    import torch

TOLERANCE = 1e-3
"""Of a log-probability: a softmax in float32 is off by less, one in bfloat16 by more."""


def with_logprobs(outcomes: Sequence[Any], batch: TreeBatch, shown: TreeBatch, said: Any, of: Logprobs) -> list[Any]:
    """Return the outcomes, with a failure in the place of each row that reports a wrong log-probability.

    Parameters
    ----------
    outcomes
        Tokens or a failure, for each of B rows.
    batch
        With the targets p.
    shown
        As the engine got it, with temperatures where it takes them.
    said
        [B, L+1] what the engine reports; anything else is a failure of every row.
    of
        Of what they are.

    Returns
    -------
    list of Any
        B outcomes, in the order of the rows.

    Examples
    --------
    >>> from spechub_lp.gate.engines.tree import Tokens
    >>> p = torch.tensor([[[0.25, 0.75]]], dtype=torch.float64)
    >>> batch = TreeBatch(torch.tensor([[-1]]), torch.tensor([[-1]]), p, None, "iid")
    >>> outcome = Tokens((1,))
    >>> with_logprobs([outcome], batch, batch, [[-0.2877]], Logprobs.PROCESSED)[0] is outcome
    True
    >>> with_logprobs([outcome], batch, batch, [[0.0]], Logprobs.PROCESSED)[0].message[:58]
    'it reports the processed log-probability 0.0000 of token 1'
    """
    try:
        reported = returned(said).double()
        if reported.ndim != 2 or len(reported) != len(outcomes):
            raise ValueError(f"their shape is {tuple(reported.shape)}")
    except (RuntimeError, TypeError, ValueError) as error:
        failure = Failure(Kind.LOGPROBS, f"it says that it reports log-probabilities, and {error}")
        return [failure] * len(outcomes)
    shown = replace(shown, logits_of_p=shown.logits()[0])  # for all rows at once
    return [
        outcome if isinstance(outcome, Failure) else _row(outcome, batch, shown, b, reported[b].tolist(), of)
        for b, outcome in enumerate(outcomes)
    ]


def _row(outcome: Any, batch: TreeBatch, shown: TreeBatch, b: int, said: list[float], of: Logprobs) -> Any:
    tokens: tuple[int, ...] = outcome.tokens
    if len(said) < len(tokens):
        return Failure(Kind.LOGPROBS, f"it reports {len(said)} log-probabilities for {len(tokens)} tokens")
    greedy = shown.temperature is not None and float(shown.temperature[b]) == 0
    for i, (token, nodes) in enumerate(zip(tokens, _ways(batch, b, tokens), strict=True)):
        raw = [float(_raw(shown, b, node)[token]) for node in nodes]
        processed = [float(batch.p[b, node].log()[token]) for node in nodes]
        # A greedy row has no distribution after its temperature: engines report 0, or leave the temperature out.
        right = raw if of is Logprobs.RAW else [*processed, *raw] if greedy else processed
        if not any(abs(said[i] - value) < TOLERANCE or said[i] == value for value in right):
            message = (
                f"it reports the {of} log-probability {said[i]:.4f} of token {token} at position {i}, "
                f"where it is {right[0]:.4f}{_guess(said[i], raw, processed)}"
            )
            return Failure(Kind.LOGPROBS, message)
    return outcome


def _guess(said: float, raw: list[float], processed: list[float]) -> str:
    """What the number is instead, as the end of a sentence."""
    known = {
        "before the temperature": raw,
        "after the temperature": processed,
        "of an accepted token as if sure": [0.0],
    }
    found = [what for what, values in known.items() if any(abs(said - value) < TOLERANCE for value in values)]
    return f" (it is the one {found[0]})" if found else ""


def _raw(shown: TreeBatch, b: int, node: int) -> torch.Tensor:
    """[V] log-probabilities before the temperature."""
    assert shown.logits_of_p is not None
    return torch.log_softmax(shown.logits_of_p[b, node].double(), dim=0)


def _ways(batch: TreeBatch, b: int, tokens: Sequence[int]) -> list[list[int]]:
    """The nodes after which each token may have come out; equal siblings make several."""
    parent, token = batch.parent[b].tolist(), batch.token[b].tolist()
    nodes, out = [0], []
    for emitted in tokens:
        out.append(nodes)
        nodes = [c for c in range(1, len(parent)) if parent[c] in nodes and token[c] == emitted]
    return out
