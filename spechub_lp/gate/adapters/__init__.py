"""Adapters: one engine a file, importing the installed package. A name leads to the module that has `engine(...)`."""

import importlib
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from spechub_lp.errors import UnknownName
from spechub_lp.gate.checks.node import check_node
from spechub_lp.gate.checks.tree import check_tree
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
    drafts: str,
    k: int,
    settings: Settings,
    cases: Sequence[Any] | None = None,
    logits: Logits | None = None,
    journal: Callable[[bytes], None] = lambda entry: None,
) -> Report:
    """Find the engine, see which door it has, and run the gate for that door.

    Raises:
        SpecHubError: no such engine, a package that is missing, or an object without a door.

    Args:
        load: how to import `module:object`; None for an adapter's name.
        cases: the problems of a replay, of the kind that the engine's door takes.
        logits: captured rows in the place of the built-in problems.
        journal: told, pickled, every input before its call.
    """
    if load is not None:
        engine = load(name)
    else:
        engine = importlib.import_module(find(name)).engine(name.partition("/")[2], drafts, k)
    if getattr(engine, "door", "node") == "node":
        return check_node(
            engine, drafts, k, name=name, settings=settings, cases=cases, logits=logits,
            journal=lambda problem, x: journal(pickle.dumps({"problem": problem.document(), "tuple": list(x)})),
        )  # fmt: skip
    return check_tree(engine, drafts, k, name=name, settings=settings, cases=cases, logits=logits)
