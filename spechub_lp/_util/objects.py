"""Objects from outside the package, by their address `module:object`, from the current folder or PYTHONPATH."""

import os
import sys
from difflib import get_close_matches
from importlib import import_module
from operator import attrgetter
from typing import Any, TypeVar

from spechub_lp.errors import SpecHubError

T = TypeVar("T")

ADDRESS = "_address"
"""Attribute in which an object that was found keeps its address."""


def resolve(address: str, example: str = "my_rules:Mine", otherwise: str = "no address") -> Any:
    """Import `module:object` (dots allowed after the colon); the current folder is looked in first.

    Parameters
    ----------
    example, otherwise
        What an error calls a right address, and what it calls this one where it has no module or no object.

    Raises
    ------
    SpecHubError
        No such module or object, or its import failed; the message says which.
    """
    name, _, path = address.partition(":")
    if not name or not path:
        raise SpecHubError(f"{address!r} is {otherwise}; write module:object, such as {example}")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        hint = "" if error.name != name.split(".")[0] else " (looked in the current folder and PYTHONPATH)"
        raise SpecHubError(f"cannot import {name}: {error}{hint}") from None
    except Exception as error:
        raise SpecHubError(f"importing {name} failed: {type(error).__name__}: {error}") from None
    try:
        return attrgetter(path)(module)
    except AttributeError as error:
        near = get_close_matches(error.name or path, dir(error.obj), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise SpecHubError(f"{name} has no {path!r}.{hint}") from None


def made(address: str, found: Any) -> Any:
    """What was found, or what a class makes without arguments. Raises SpecHubError when it makes nothing."""
    if not isinstance(found, type):
        return found
    try:
        return found()
    except SpecHubError:
        raise
    except Exception as error:
        raise SpecHubError(f"{address} is a class, and making it without arguments failed: {error}") from None


def find(address: str, kind: type[T], what: str) -> T:
    """The object at `module:object`, an instance of `kind` or a subclass of it that is made without arguments.

    Raises
    ------
    SpecHubError
        Nothing is there, or something else.
    """
    found = resolve(address)
    if isinstance(found, type) and issubclass(found, kind):
        found = made(address, found)
    if not isinstance(found, kind):
        raise SpecHubError(
            f"{address} is {type(found).__name__} {found!r:.60}, not a {what}; derive it from {kind.__module__}."
            f"{kind.__name__}"
        )
    return at(address, found)


def at(address: str | None, thing: T) -> T:
    """The object, which keeps its address from now on."""
    if address is not None:
        vars(thing)[ADDRESS] = address
    return thing


def kept(thing: Any) -> str | None:
    """The address that an object keeps."""
    return vars(thing).get(ADDRESS)


def address(thing: Any) -> str:
    """What finds an object again: its name where the package knows one, else its address `module:object`."""
    if known := kept(thing):
        return known
    kind = type(thing)
    inside = kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    return str(thing.name) if inside else f"{kind.__module__}:{kind.__qualname__}"
