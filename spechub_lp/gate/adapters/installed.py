"""Loading one file of an installed package, without importing the package around it."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from spechub_lp.errors import MissingPackage, SpecHubError


def without_gpu() -> None:
    """Let Triton interpret its kernels. Must run before triton is imported; harmless on a machine with a GPU."""
    import torch

    if not torch.cuda.is_available() and "triton" not in sys.modules:
        os.environ.setdefault("TRITON_INTERPRET", "1")


def file_of(package: str, *candidates: str) -> Path:
    """The first of these files inside an installed package.

    Raises:
        MissingPackage: it is not installed. SpecHubError: this release has none of the files.
    """
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise MissingPackage(package, f"the gate adapter of {package}", f"--no-deps {package}")
    for folder in folders:
        for candidate in candidates:
            if (Path(folder) / candidate).is_file():
                return Path(folder) / candidate
    raise SpecHubError(f"this release of {package} has none of {', '.join(candidates)}")


def load_file(path: Path, name: str) -> ModuleType:
    """Run one file as a module. Raises SpecHubError when it does not import."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        del sys.modules[name]
        raise SpecHubError(f"{path.name} does not import: {error}") from None
    return module


def require(module: str, package: str, purpose: str) -> ModuleType:
    """Import a module, or raise MissingPackage."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingPackage(package, purpose) from None
