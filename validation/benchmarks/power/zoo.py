"""The list of engines: what each one is, whether it is right, and for which inputs it is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

On = Callable[[torch.Tensor, torch.Tensor, list[int]], Any]
"""(p [V], q [V], drafts) -> whether an engine is wrong on this input."""


def everywhere(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> bool:
    """Wrong wherever p and q differ."""
    return True


@dataclass(frozen=True)
class Entry:
    """One engine of the zoo."""

    name: str
    module: str
    kind: str
    what: str
    """What is wrong, or in which style it is right."""
    wrong: bool
    seen: str = ""
    """Where it was reported."""
    on: On | None = everywhere
    """The inputs on which it is wrong; None where that is no matter of p, q and the drafts."""
    where: str = "every input"
    """The same in words."""
    distance: float | None = None
    """Between its output distribution and p on a typical input of these."""
    drafts: str = "iid"
    k: int = 2
    options: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """As `spechub-lp gate` takes it, from the folder above."""
        return f"power.{self.module}:{self.name}"


ENTRIES: list[Entry] = []


def _listed(engine: Any, name: str, module: str, **fields: Any) -> Any:
    entry = Entry(name or engine.__name__, (module or engine.__module__).rsplit(".", 1)[-1], **fields)
    assert all(entry.address != e.address for e in ENTRIES), entry.address
    ENTRIES.append(entry)
    return engine


def wrong(
    kind: str, what: str, *, distance: float, name: str = "", module: str = "", **more: Any
) -> Callable[[Any], Any]:
    """Put an engine on the list as wrong; `more` are fields of Entry."""
    return lambda engine: _listed(engine, name, module, kind=kind, what=what, wrong=True, distance=distance, **more)


def right(style: str, what: str, *, name: str = "", module: str = "", **more: Any) -> Callable[[Any], Any]:
    """Put an engine on the list as right; `more` are fields of Entry."""
    return lambda engine: _listed(engine, name, module, kind=style, what=what, wrong=False, on=None, **more)
