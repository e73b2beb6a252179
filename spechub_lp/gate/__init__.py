"""Other people's fast samplers against the exact distribution and the optimum. Start with README.md in this folder."""

from typing import TYPE_CHECKING

from spechub_lp._util.lazy import public
from spechub_lp.gate.results import Finding, Report
from spechub_lp.gate.settings import Settings

if TYPE_CHECKING:
    from spechub_lp.gate.checks.node import check_node
    from spechub_lp.gate.checks.tree import check_tree
    from spechub_lp.gate.problems.node import Problem, problems
    from spechub_lp.gate.processors.check import check_processor

__all__ = ["Finding", "Problem", "Report", "Settings", "check_node", "check_processor", "check_tree", "problems"]

public(
    __name__,
    {
        "Problem": "problems.node",
        "check_node": "checks.node",
        "check_processor": "processors.check",
        "check_tree": "checks.tree",
        "problems": "problems.node",
    },
)
