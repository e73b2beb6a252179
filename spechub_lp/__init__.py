"""Exact laws, certified optima and tests for multi-draft speculative decoding samplers."""

from spechub_lp import certificate, drafts, samplers
from spechub_lp.coupling import Coupling
from spechub_lp.errors import SpecHubError
from spechub_lp.faces import Draw, draw, exact, reference
from spechub_lp.otm import Cut, Optimum, cut, optimum
from spechub_lp.verdict import Sampler, Verdict

__version__ = "0.1.0"

__all__ = [
    "Coupling",
    "Cut",
    "Draw",
    "Optimum",
    "Sampler",
    "SpecHubError",
    "Verdict",
    "certificate",
    "cut",
    "drafts",
    "draw",
    "exact",
    "optimum",
    "reference",
    "samplers",
]
