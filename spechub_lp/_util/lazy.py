"""Public names that are loaded at first use, so that help and completion load no solver and no torch."""

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


class _Lazy(ModuleType):
    _homes: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        if name not in self._homes:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        home = self._homes[name]
        module = import_module(f"{self.__name__}.{home}")
        return module if home == name and not hasattr(module, name) else getattr(module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # `optimum` is a function and a package of the same name: the import system would put the package in its place.
        if not (name in self._homes and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._homes})


def public(package: str, homes: Mapping[str, str]) -> None:
    """Give a package its public names, each loaded from its module at first use.

    Parameters
    ----------
    package
        Its `__name__`.
    homes
        Name -> module below the package that has it; a module itself is its own home.

    Examples
    --------
    >>> sys.modules["a_package"] = ModuleType("a_package")
    >>> public("a_package", {"f": "functions"})  # `a_package.f` will import a_package.functions
    >>> "f" in dir(sys.modules["a_package"])
    True
    """
    module = sys.modules[package]
    module.__class__ = _Lazy
    module.__dict__["_homes"] = dict(homes)
