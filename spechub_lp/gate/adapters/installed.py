"""Loading one file of an installed package, without importing the package around it."""

import ast
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from spechub_lp.errors import MissingPackage, SpecHubError


def without_gpu() -> None:
    """Let Triton interpret its kernels on a machine without a GPU; must run before triton is imported."""
    import torch

    if not torch.cuda.is_available() and "triton" not in sys.modules:
        os.environ.setdefault("TRITON_INTERPRET", "1")


def file_of(package: str, *candidates: str) -> Path:
    """Find the first of these files inside an installed package, without importing it.

    Parameters
    ----------
    package
        Such as "vllm".
    candidates
        Paths inside it; releases put a file in different places.

    Returns
    -------
    Path
        Of a file that is there.

    Raises
    ------
    MissingPackage
        The package is not installed.
    SpecHubError
        This release has none of the files.

    Examples
    --------
    >>> file_of("numpy", "linalg/moved.py", "linalg/__init__.py").name
    '__init__.py'
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
    """Run one file as a module, once.

    Parameters
    ----------
    path
        Of the file.
    name
        What the module is called.

    Returns
    -------
    ModuleType
        The same one in later calls with this name.

    Raises
    ------
    SpecHubError
        It does not import.

    Examples
    --------
    >>> _ = Path("rule.py").write_text("k = 2")
    >>> load_file(Path("rule.py"), "a_rule").k
    2
    >>> del sys.modules["a_rule"]
    """
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


def load_part(package: str, *parts: str, known: Mapping[str, Any] | None = None) -> ModuleType:
    """Load the last of these files of an installed package; those before it are real, its other modules are stubs.

    Parameters
    ----------
    package
        The package's name, such as "vllm".
    parts
        Files inside it, such as "v1/sample/rejection_sampler.py"; each may import those before it.
    known
        What a name that is imported from a stub stands for; an empty class where it is not here.

    Returns
    -------
    ModuleType
        The last file; the package itself is as it was before.

    Raises
    ------
    MissingPackage
        The package is not installed.
    SpecHubError
        This release has not all of the files, or one does not import.

    Examples
    --------
    >>> load_part("json", "scanner.py").NUMBER_RE.match("12")[0]
    '12'
    """
    paths = [file_of(package, part) for part in parts]
    with _stubs(package) as put:
        for part, path in zip(parts, paths, strict=True):
            name = ".".join([package, *Path(part).with_suffix("").parts])
            for module, names in _imported(path, package, name):
                for wanted in names:
                    if not hasattr(put(module), wanted):
                        setattr(put(module), wanted, (known or {}).get(wanted, _class(wanted)))
            put(name.rpartition(".")[0])
            sys.modules.pop(name, None)
            loaded = load_file(path, name)
            setattr(sys.modules[name.rpartition(".")[0]], name.rpartition(".")[2], loaded)
    return loaded


def _class(name: str) -> type:
    """An empty class that can be subscripted, as a generic base can."""
    return type(name, (), {"__class_getitem__": classmethod(lambda cls, item: cls)})


@contextmanager
def _stubs(package: str) -> Iterator[Any]:
    """put(name) makes stub modules down to a name of the package; in the end the package is as it was."""

    def ours(name: str) -> bool:
        return f"{name}.".startswith(f"{package}.")

    def put(name: str) -> ModuleType:
        pieces = name.split(".")
        for n in range(1, len(pieces) + 1):
            stub = ModuleType(".".join(pieces[:n]))
            stub.__path__ = []
            sys.modules.setdefault(stub.__name__, stub)
        return sys.modules[name]

    before = {name: sys.modules.pop(name) for name in list(sys.modules) if ours(name)}
    try:
        yield put
    finally:
        for name in [name for name in sys.modules if ours(name)]:
            del sys.modules[name]
        sys.modules.update(before)


def _imported(path: Path, package: str, name: str) -> Iterator[tuple[str, list[str]]]:
    """(module of the package, names taken from it) for each import of a file that is loaded under a name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = name.rsplit(".", node.level)[0] if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            if module.partition(".")[0] == package:
                yield module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names if alias.name.partition(".")[0] == package)


def require(module: str, package: str, purpose: str) -> ModuleType:
    """Import a module.

    Parameters
    ----------
    module
        Its dotted name.
    package
        What to install for it.
    purpose
        What needs it, for the error.

    Returns
    -------
    ModuleType
        The module.

    Raises
    ------
    MissingPackage
        It does not import.

    Examples
    --------
    >>> require("math", "python", "an example").sqrt(4)
    2.0
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingPackage(package, purpose) from None
