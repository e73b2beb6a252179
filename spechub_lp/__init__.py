"""Exact laws, certified optima and tests for multi-draft speculative decoding samplers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spechub_lp import certificate, drafts, samplers
    from spechub_lp.coupling import Coupling
    from spechub_lp.errors import SpecHubError
    from spechub_lp.exact import exact, reference
    from spechub_lp.optimum.full_vocabulary import Cut, cut
    from spechub_lp.optimum.solve import Optimum, optimum
    from spechub_lp.samplers.base import Sampler, Verdict
    from spechub_lp.sampling import Draw, draw

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

# Loaded at first use, so that `spechub-lp --help` and `spechub-lp verify` load no solver and no torch.
_MODULES = ("certificate", "drafts", "samplers")
_HOMES = {
    "Coupling": "coupling",
    "Cut": "otm",
    "Draw": "faces",
    "Optimum": "otm",
    "Sampler": "verdict",
    "SpecHubError": "errors",
    "Verdict": "verdict",
    "cut": "otm",
    "draw": "faces",
    "exact": "faces",
    "optimum": "otm",
    "reference": "faces",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"spechub_lp.{name}")
    if name in _HOMES:
        return getattr(import_module(f"spechub_lp.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'spechub_lp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
