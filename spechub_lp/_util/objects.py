"""Objects from outside the package, by their address `module:object`, from the current folder or PYTHONPATH."""

import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from inspect import get_annotations
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
    address
        `module:object`.
    example, otherwise
        What an error calls a right address, and what it calls this one where it has no module or no object.

    Returns
    -------
    object
        Whatever is there.

    Raises
    ------
    SpecHubError
        No such module or object, or its import failed; the message says which.

    Examples
    --------
    >>> resolve("fractions:Fraction").__name__
    'Fraction'
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
        if name.endswith(".py"):
            hint = f"; a module is named without .py: {name.removesuffix('.py')}:{path}"
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
    """Return what was found, or what a class makes without arguments.

    Parameters
    ----------
    address
        Where it was found, for errors.
    found
        An object or a class.

    Returns
    -------
    object
        No class.

    Raises
    ------
    SpecHubError
        The class makes nothing without arguments.

    Examples
    --------
    >>> made("builtins:list", list)
    []
    """
    if not isinstance(found, type):
        return found
    try:
        return found()
    except SpecHubError:
        raise
    except Exception as error:
        said = f"{address} is a class, and making it without arguments failed: {error}"
        raise SpecHubError(f"{said}; pass an object instead") from None


def find(address: str, kind: type[T], what: str) -> T:
    """Find the object at `module:object`.

    Parameters
    ----------
    address
        `module:object`.
    kind
        What it must be: an instance of this class, or a subclass of it that is made without arguments.
    what
        What errors call such an object.

    Returns
    -------
    object
        An instance of `kind`, which keeps its address.

    Raises
    ------
    SpecHubError
        Nothing is there, or something else.

    Examples
    --------
    >>> from spechub_lp.samplers import Sampler
    >>> find("spechub_lp.samplers:RRS", Sampler, "sampler")
    RRS(k=2, drafts=IID())
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


def stranger(what: str, found: Any, kind: type, known: str) -> SpecHubError:
    """Return the error for something that is neither a name nor of the kind that was asked for.

    Parameters
    ----------
    what
        What errors call such an object.
    found
        What was given instead.
    kind
        The class that it should be derived from.
    known
        What to write instead, as an example.

    Returns
    -------
    SpecHubError
        To raise.

    Examples
    --------
    >>> from spechub_lp.samplers import Sampler
    >>> print(stranger("sampler", 3, Sampler, "'rrs'"))
    3 is of type int and no sampler; give a name such as 'rrs', or an object of a class derived from Sampler
    """
    if isinstance(found, type):
        word = f"the class {found.__name__} is"
    else:
        word = f"{found!r:.60} is of type {type(found).__name__} and"
    return SpecHubError(
        f"{word} no {what}; give a name such as {known}, or an object of a class derived from {kind.__name__}"
    )


def undecorated(kind: type, settings: Mapping[str, Any]) -> SpecHubError | None:
    """Return the error for a class with settings that its constructor does not take: it lacks the dataclass decorator.

    Parameters
    ----------
    kind
        A subclass of a dataclass, or of a class for frozen dataclasses.
    settings
        Keyword arguments that it is made with.

    Returns
    -------
    SpecHubError or None
        None where it takes all its settings.

    Examples
    --------
    >>> class Mine:
    ...     strength: float = 1.0
    >>> print(undecorated(Mine, {}))
    Mine has the setting strength, and its constructor does not take it; write @dataclass(frozen=True) above class Mine
    """
    fields = getattr(kind, "__dataclass_fields__", {})
    own = get_annotations(kind)
    lacking = [name for name, hint in own.items() if name not in fields and "ClassVar" not in str(hint)]
    unknown = [name for name in settings if name not in fields and name not in lacking]
    if lacking and "__init__" not in kind.__dict__:
        names = ", ".join(lacking)
        return SpecHubError(
            f"{kind.__name__} has the setting {names}, and its constructor does not take it; write "
            f"@dataclass(frozen=True) above class {kind.__name__}"
        )
    made_by_us = "__init__" not in kind.__dict__ or "__dataclass_params__" in kind.__dict__
    if unknown and fields and made_by_us:
        return SpecHubError(f"{kind.__name__} takes no {unknown[0]!r}; it takes {', '.join(fields)}")
    return None


def at(address: str | None, thing: T) -> T:
    """Let an object keep the address at which it was found.

    Parameters
    ----------
    address
        `module:object`, or None.
    thing
        The object.

    Returns
    -------
    object
        The same.

    Examples
    --------
    >>> from spechub_lp.samplers import RRS
    >>> kept(at("my_rules:Mine", RRS()))
    'my_rules:Mine'
    """
    if address is not None:
        vars(thing)[ADDRESS] = address
    return thing


def kept(thing: Any) -> str | None:
    """Return the address that an object keeps.

    Parameters
    ----------
    thing
        The object.

    Returns
    -------
    str or None
        `module:object`.

    Examples
    --------
    >>> from spechub_lp.samplers import RRS
    >>> kept(RRS()) is None
    True
    """
    address: str | None = vars(thing).get(ADDRESS)
    return address


def address(thing: Any) -> str:
    """Return what finds an object again.

    Parameters
    ----------
    thing
        A sampler or a policy.

    Returns
    -------
    str
        Its name where the package knows one, else its address `module:object`.

    Examples
    --------
    >>> from spechub_lp.samplers import RRS
    >>> address(RRS())
    'rrs'
    """
    if known := kept(thing):
        return known
    kind = type(thing)
    inside = kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    return str(thing.name) if inside else f"{kind.__module__}:{kind.__qualname__}"
