"""transformers' `_speculative_sampling`: a chain, batch 1, logits in, torch's global generator inside."""

import importlib
from typing import Any

import torch

from spechub_lp.errors import MissingPackage, SpecHubError
from spechub_lp.gate.protocols import Emitted, TreeBatch


class Transformers:
    """The released function under the host protocol.

    Layout: candidate_input_ids [1, L], candidate_logits [1, L, V], new_logits [1, L + 1, V]; the function returns
    tokens [1, m + 1] and the number of matches m. Logits are float32, -inf where p = 0.

    Parameters
    ----------
    function
        Of this layout.

    Examples
    --------
    >>> from spechub_lp.gate.problems.tree import TreeProblem
    >>> def likeliest(ids, draft_logits, length, logits):  # accepts nothing
    ...     return logits[:, 0].argmax(dim=1, keepdim=True), 0
    >>> Transformers(likeliest)(TreeProblem("chain", 4, (1, 1)).batch([0, 1])).n
    tensor([1, 1])
    """

    protocol = "host"
    branchings = [(1,), (1, 1)]
    takes_logits = True

    def __init__(self, function: Any):
        self.function = function

    def __call__(self, batch: TreeBatch) -> Emitted:
        """One row at a time; the drafts of a chain are the nodes 1 to L."""
        logits, draft_logits = batch.logits()
        assert draft_logits is not None
        length = batch.token.shape[1] - 1
        tokens, counts = [], []
        for b in range(batch.token.shape[0]):
            emitted, matches = self.function(
                batch.token[b : b + 1, 1:],
                draft_logits[b : b + 1, :length],
                length,
                logits[b : b + 1],
            )
            row = emitted[0].tolist()
            if len(row) != int(matches) + 1:
                raise ValueError(f"{len(row)} tokens came with n_matches = {int(matches)}")
            tokens.append(row + [-1] * (length + 1 - len(row)))
            counts.append(len(row))
        return Emitted(torch.tensor(tokens), torch.tensor(counts))


def engine(variant: str = "", drafts: str = "iid", k: int = 1) -> Transformers:
    """Load the installed function.

    Parameters
    ----------
    variant
        There is none; it is not looked at.
    drafts
        The draft policy by name, which the function does not ask for.
    k
        Number of siblings; a chain has one.

    Returns
    -------
    Transformers
        The function as an engine.

    Raises
    ------
    MissingPackage
        transformers is not installed.
    SpecHubError
        This release does not have the function.
    """
    try:
        utils = importlib.import_module("transformers.generation.utils")
    except ImportError:
        raise MissingPackage("transformers", "the gate adapter of transformers") from None
    function = getattr(utils, "_speculative_sampling", None)
    if function is None:
        raise SpecHubError("this release of transformers has no generation.utils._speculative_sampling")
    return Transformers(function)
