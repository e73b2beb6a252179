"""Other people's fast samplers against the exact law and the optimum. Start with README.md in this folder."""

from spechub_lp.gate.check_node import Settings, check_node
from spechub_lp.gate.problem import Problem, problems
from spechub_lp.gate.report import Finding, Report

__all__ = ["Finding", "Problem", "Report", "Settings", "check_node", "problems"]
