"""Public names that are loaded at first use, so that help and completion load no solver and no torch."""

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any


class _Lazy(ModuleType):
    _homes: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        if name not in self._homes:
            return self._submodule(name)
        home = self._homes[name]
        module = import_module(f"{self.__name__}.{home}")
        if home != name:
            return getattr(module, name)
        found = getattr(module, name, module)  # the function of a module of its name, else the module
        return module if isinstance(found, ModuleType) else found

    def __setattr__(self, name: str, value: Any) -> None:
        # `optimum` is a function and a package of the same name: the import system would put the package in its place.
        if not (name in self._homes and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        own = vars(self).get("__all__", ())
        hidden = {name for name in vars(self) if name.startswith("__")}
        return sorted({*hidden, *own, *self._homes, *self._submodules()})

    def _submodules(self) -> set[str]:
        """Modules of this package that are no private ones: they complete before they are imported."""
        return {found.name for found in iter_modules(vars(self).get("__path__", ())) if not found.name.startswith("_")}

    def _submodule(self, name: str) -> ModuleType:
        if name.startswith("_") or name not in self._submodules():
            near = [] if name.startswith("_") else get_close_matches(name, dir(self), n=1)
            hint = f". Did you mean {near[0]!r}?" if near else ""
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}{hint}")
        try:
            return import_module(f"{self.__name__}.{name}")
        except (
            ImportError
        ) as error:  # an optional package is missing: who asks with hasattr, as completion does, gets no
            raise AttributeError(f"{self.__name__}.{name} cannot be imported: {error}") from error


def public(package: str, homes: Mapping[str, str] | None = None) -> None:
    """Give a package its public names, each loaded from its module at first use; and its modules.

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
    module.__dict__["_homes"] = dict(homes or {})
