"""Other people's fast samplers against the exact law and the optimum. Start with README.md in this folder."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spechub_lp.gate.results import Finding, Report
from spechub_lp.gate.settings import Settings

if TYPE_CHECKING:
    from spechub_lp.gate.checks.node import check_node
    from spechub_lp.gate.checks.tree import check_tree
    from spechub_lp.gate.problems.node import Problem, problems

__all__ = ["Finding", "Problem", "Report", "Settings", "check_node", "check_tree", "problems"]

# These load torch and a solver; the command line and the pytest plugin must start without.
_HOMES = {
    "Problem": "problem",
    "check_node": "node_check",
    "check_tree": "tree_check",
    "problems": "problem",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"spechub_lp.gate.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'spechub_lp.gate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
