"""Adapters: one engine a file, importing the installed package. A name leads to the module that has `engine(...)`."""

import importlib
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from spechub_lp.errors import UnknownName
from spechub_lp.gate.check_node import Settings, check_node
from spechub_lp.gate.check_tree import check_tree
from spechub_lp.gate.report import Report

NAMES = (
    "transformers",
    "spechub",
    "eagle",
    "sglang_chain",
    "sglang_tree",
    "vllm_v1",
    "vllm_v2",
    "flashinfer_chain",
    "tensorrt_llm",
    "mcsd",
)
"""The engines that have an adapter; `name/variant` passes the variant on (spechub/rrs, sglang_chain/block)."""


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
    journal: Callable[[bytes], None] = lambda entry: None,
) -> Report:
    """Find the engine, see which door it has, and run the gate for that door.

    Raises:
        SpecHubError: no such engine, a package that is missing, or an object without a door.

    Args:
        load: how to import `module:object`; None for an adapter's name.
        cases: the problems of a replay, of the kind that the engine's door takes.
        journal: told, pickled, every input before its call.
    """
    if load is not None:
        engine = load(name)
    else:
        engine = importlib.import_module(find(name)).engine(name.partition("/")[2], drafts, k)
    if getattr(engine, "door", "node") == "node":
        return check_node(
            engine, drafts, k, name=name, settings=settings, cases=cases,
            journal=lambda problem, x: journal(pickle.dumps({"problem": problem.document(), "tuple": list(x)})),
        )  # fmt: skip
    return check_tree(engine, drafts, k, name=name, settings=settings, cases=cases)
