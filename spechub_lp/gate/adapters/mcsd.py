"""MCSD-style host functions: one node, torch's generator inside, the target's row overwritten with the residual.

    acceptance_check(ground_probs [V], cand_probs [V], cand_tokens [k]) -> the accepted slot, or None

After None the caller draws the last token from what is left in ground_probs. Overwriting both rows is part of the
contract (the released caller reads neither again), so the function gets float32 copies.
"""

import importlib
from collections.abc import Callable
from typing import Any

import torch

from spechub_lp.errors import SpecHubError, UnknownName

FUNCTIONS = {"with": "_MCSSwReplacement", "without": "_MCSSwoReplacement", "naive": "_MCNS"}
DEFAULT = {"iid": "with", "without_replacement": "without"}


class MCSD:
    """A function of that signature as a plain function on one node.

    Parameters
    ----------
    function
        Called as function(ground_probs, cand_probs, cand_tokens).

    Examples
    --------
    >>> p = torch.tensor([0.5, 0.5])
    >>> MCSD(lambda ground, q, drafts: 1)(p, p, [1, 0])  # accepts the draft in slot 1
    (0, 1)
    """

    def __init__(self, function: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], int | None]):
        self.function = function
        self.__name__ = getattr(function, "__name__", "MCSD")

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        """Verify one node."""
        ground = p.float()
        slot: Any = self.function(ground, q.float(), torch.tensor(drafts))
        if slot is not None:
            return drafts[int(slot)], int(slot)
        return int(torch.multinomial(ground, 1)), -1


def engine(variant: str = "", drafts: str = "iid", k: int = 2) -> MCSD:
    """Load the function in `MCSD.inference.strategies`, a folder on PYTHONPATH: no package of it is published.

    Parameters
    ----------
    variant
        "with", "without" (replacement), "naive", or "": the one for these drafts.
    drafts
        The draft policy by name.
    k
        Number of drafts, which the function sees from its input.

    Returns
    -------
    MCSD
        The function as an engine.

    Raises
    ------
    UnknownName
        No such variant.
    SpecHubError
        The module cannot be imported, or has no such function.
    """
    if variant not in ("", *FUNCTIONS):
        raise UnknownName("variant of mcsd", variant, FUNCTIONS)
    name = FUNCTIONS[variant or DEFAULT.get(drafts, "naive")]
    try:
        module = importlib.import_module("MCSD.inference.strategies")
    except ImportError as error:
        raise SpecHubError(f"the gate adapter of MCSD needs its source folder on PYTHONPATH: {error}") from None
    if not hasattr(module, name):
        raise SpecHubError(f"this copy of MCSD has no {name}")
    return MCSD(getattr(module, name))
