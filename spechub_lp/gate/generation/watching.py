"""Controlled noise that notes with what its uniforms are compared."""

from typing import Any

from spechub_lp._util.extras import extra
from spechub_lp.gate.noise.choice_sequence import Control
from spechub_lp.gate.noise.interception import ControlledTorch

with extra("gate", "the gate"):
    import torch


class Watching(ControlledTorch):
    """Note the numbers with which uniforms are compared: a threshold is then found in two calls, not in twenty-four.

    What was noted is a hint where to look, and nothing rests on it.

    Parameters
    ----------
    control
        The choice sequence, and where the numbers are noted.

    Examples
    --------
    >>> from spechub_lp.gate.noise.choice_sequence import ChoiceSequence
    >>> control = Control(ChoiceSequence((2**23,)))
    >>> with Watching(control):
    ...     print(torch.rand(1) < torch.tensor([0.25]))
    tensor([False])
    >>> control.compared
    [(1, 0.5, 0.25)]
    """

    def __init__(self, control: Control):
        super().__init__(control)
        control.watched = True

    def see(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator, and note what it compares."""
        if func in _COMPARISONS and _few(args[0]) and _few(args[1]):
            a, b = (torch.as_tensor(x, dtype=torch.float64).reshape(-1) for x in args[:2])
            sides = zip(*(x.tolist() for x in torch.broadcast_tensors(a, b)), strict=True)
            self.control.compared += [(len(self.control.choices.draws), *both) for both in sides]
        return self.answer(func, types, args, kwargs)


_COMPARISONS = {
    op for name in ("le", "lt", "ge", "gt") for op in (getattr(torch.ops.aten, name).Tensor,
                                                       getattr(torch.ops.aten, name).Scalar)
}  # fmt: skip
Watching.__torch_dispatch__ = Watching.see  # type: ignore[assignment]


def _few(x: Any) -> bool:
    return isinstance(x, float) or (isinstance(x, torch.Tensor) and x.is_floating_point() and x.numel() <= 64)
