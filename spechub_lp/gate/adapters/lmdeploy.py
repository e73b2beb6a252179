"""LMDeploy's portable rejection sampler: a dense chain in torch, torch's global generator inside.

    DefaultRejectionSamplingImpl().forward(target_logits [B, L, V], draft_token_ids [B, L], bonus_token_ids [B], *,
        is_greedy [B] or None, draft_probs [B, L, V] or None) -> (ids [B, L + 1] padded -1, rejected [B], last [B])

The bonus token is drawn by the caller, here with torch.multinomial. Only the sampler's file is loaded from the
installed wheel, because the package around it asks for a GPU.
"""

from collections.abc import Callable
from typing import Any

import torch

from spechub_lp.errors import UnknownName
from spechub_lp.gate.adapters.installed import load_part
from spechub_lp.gate.protocols import Emitted, TreeBatch

PARTS = ("pytorch/backends/rejection_sampling.py", "pytorch/backends/default/rejection_sampling.py")


class LMDeploy:
    """The released function under the host protocol.

    Parameters
    ----------
    function
        Of the signature above.
    point_mass
        Whether no draft distribution is passed.

    Examples
    --------
    >>> from spechub_lp.gate.problems.tree import TreeProblem
    >>> def likeliest(logits, drafts, bonus, *, is_greedy, draft_probs):  # accepts nothing
    ...     last = logits[:, 0].argmax(dim=1)
    ...     tokens = torch.cat([last[:, None], torch.full_like(drafts, -1)], dim=1)
    ...     return tokens, torch.full((len(last),), drafts.shape[1]), last
    >>> LMDeploy(likeliest)(TreeProblem("chain", 4, (1, 1)).batch([0, 1])).n
    tensor([1, 1])
    """

    protocol = "host"
    branchings = [(1,), (1, 1)]
    takes_logits = True

    def __init__(self, function: Callable[..., Any], point_mass: bool = False):
        self.function, self.point_mass = function, point_mass

    def __call__(self, batch: TreeBatch) -> Emitted:
        """The last logits row of a request is not handed over: its token is the bonus."""
        assert batch.q is not None
        drafts = batch.token.shape[1] - 1
        tokens, rejected, last = self.function(
            batch.logits()[0][:, :drafts].contiguous(),
            batch.token[:, 1:].contiguous(),
            torch.multinomial(batch.p[:, drafts], 1)[:, 0],
            is_greedy=None,
            draft_probs=None if self.point_mass else batch.q[:, :drafts].float().contiguous(),
        )
        n = drafts + 1 - rejected
        if not torch.equal(tokens.gather(1, n[:, None] - 1)[:, 0], last):
            raise ValueError(f"the last tokens are {last.tolist()}, and the rows end otherwise: {tokens.tolist()}")
        return Emitted(tokens, n)


def engine(variant: str = "", drafts: str = "iid", k: int = 1) -> LMDeploy:
    """Load the installed sampler.

    Parameters
    ----------
    variant
        "" or "point_mass", which passes no draft distribution.
    drafts
        The draft policy by name, which the function does not ask for.
    k
        Number of siblings; a chain has one.

    Returns
    -------
    LMDeploy
        The sampler as an engine.

    Raises
    ------
    MissingPackage
        LMDeploy is not installed.
    UnknownName
        No such variant.
    """
    if variant not in ("", "point_mass"):
        raise UnknownName("variant of lmdeploy", variant, ["point_mass"])
    module = load_part("lmdeploy", *PARTS)
    return LMDeploy(module.DefaultRejectionSamplingImpl().forward, variant == "point_mass")
