"""Adapters: one engine a file, importing the installed package. A name leads to the module that has `engine(...)`."""

import importlib
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from spechub_lp.errors import UnknownName
from spechub_lp.gate.checks.node import check_node
from spechub_lp.gate.checks.tree import check_tree
from spechub_lp.gate.protocols import ProtocolName, protocol_of
from spechub_lp.gate.results import Report
from spechub_lp.gate.settings import ADAPTERS as NAMES
from spechub_lp.gate.settings import Logits, Settings


def find(name: str) -> str:
    """The adapter's module for a name. Raises UnknownName with the nearest name."""
    head = name.partition("/")[0]
    if head not in NAMES:
        raise UnknownName("gate adapter", head, NAMES)
    return f"spechub_lp.gate.adapters.{head}"


def check(
    name: str,
    load: Callable[[str], Any] | None,
    drafts: str | None,
    k: int,
    settings: Settings,
    cases: Sequence[Any] | None = None,
    logits: Logits | None = None,
    journal: Callable[[bytes], None] = lambda entry: None,
) -> Report:
    """Find the engine, see which protocol it follows, and run the gate for that protocol.

    Parameters
    ----------
    load
        How to import `module:object`; None for an adapter's name.
    drafts
        The draft policy by name; None for a sampler's own, and for iid with everything else.
    cases
        The problems of a rerun, of the kind that the engine's protocol takes.
    logits
        Captured rows in the place of the built-in problems.
    journal
        Told, pickled, every input before its call.

    Raises
    ------
    SpecHubError
        No such engine, a package that is missing, or an unknown protocol.
    """
    if load is not None:
        engine = load(name)
    else:
        engine = importlib.import_module(find(name)).engine(name.partition("/")[2], drafts or "iid", k)
    if protocol_of(engine, name) is ProtocolName.NODE:
        return check_node(
            engine, drafts, k, name=name, settings=settings, cases=cases, logits=logits,
            journal=lambda problem, x: journal(pickle.dumps({"problem": problem.document(), "tuple": list(x)})),
        )  # fmt: skip
    return check_tree(engine, drafts or "iid", k, name=name, settings=settings, cases=cases, logits=logits)
