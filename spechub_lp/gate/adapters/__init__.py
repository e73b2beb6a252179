"""Adapters: one engine a file, importing the installed package. A name leads to the module that has `engine(...)`."""

import importlib
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from spechub_lp.errors import UnknownName
from spechub_lp.gate.checks.node import check_node
from spechub_lp.gate.checks.tree import check_tree
from spechub_lp.gate.processors.check import check_processor
from spechub_lp.gate.protocols import ProtocolName, protocol_of
from spechub_lp.gate.results import Report
from spechub_lp.gate.settings import ADAPTERS as NAMES
from spechub_lp.gate.settings import Logits, Settings


def find(name: str) -> str:
    """Return the adapter's module for a name.

    Parameters
    ----------
    name
        Such as "spechub/rrs".

    Returns
    -------
    str
        The dotted name of the module.

    Raises
    ------
    UnknownName
        With the nearest name.

    Examples
    --------
    >>> find("spechub/rrs")
    'spechub_lp.gate.adapters.spechub'
    """
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
    name
        `module:object`, or an adapter's name.
    load
        How to import `module:object`; None for an adapter's name.
    drafts
        The draft policy by name; None for a rule's own, and for iid with everything else.
    k
        Number of drafts.
    settings
        How hard to look.
    cases
        The problems of a rerun, of the kind that the engine's protocol takes.
    logits
        Captured rows in the place of the built-in problems.
    journal
        Told, pickled, every input before its call.

    Returns
    -------
    Report
        The verdict.

    Raises
    ------
    SpecHubError
        No such engine, a package that is missing, or an unknown protocol.

    Examples
    --------
    >>> check("spechub/rrs", None, "iid", 1, Settings(levels=(0,))).exit_code
    0
    """
    if load is not None:
        engine = load(name)
    else:
        adapter, variant = importlib.import_module(find(name)), name.partition("/")[2]
        if hasattr(adapter, "own_drafts"):
            drafts = drafts or adapter.own_drafts(variant)
        engine = adapter.engine(variant, drafts or "iid", k)
    protocol = protocol_of(engine, name)
    if protocol is ProtocolName.PROCESSOR:
        return check_processor(engine, name=name, settings=settings, cases=cases)
    if protocol is ProtocolName.NODE:
        return check_node(
            engine, drafts, k, name=name, settings=settings, cases=cases, logits=logits,
            journal=lambda problem, x: journal(pickle.dumps({"problem": problem.document(), "tuple": list(x)})),
        )  # fmt: skip
    return check_tree(engine, drafts or "iid", k, name=name, settings=settings, cases=cases, logits=logits)
