"""Optional packages: the core installs without them, and what needs one says how to install it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from spechub_lp.errors import MissingPackage


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Import optional packages inside a `with`.

    Parameters
    ----------
    name
        The extra of pyproject.toml that installs them.
    purpose
        What needs them, as the first words of the error.

    Raises
    ------
    MissingPackage
        One of them is not installed.

    Examples
    --------
    >>> with extra("torch", "drawing with torch"):
    ...     import no_such_package
    Traceback (most recent call last):
        ...
    spechub_lp.errors.MissingPackage: drawing with torch needs the package 'no_such_package': pip install
    'spechub-lp[torch]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("spechub_lp"):
            raise
        raise _missing(error.name.partition(".")[0], name, purpose) from None


def require(name: str, purpose: str, *packages: str) -> None:
    """Check that the packages of an extra are installed; import none of them.

    Parameters
    ----------
    name, purpose
        As `extra` takes them.
    packages
        Names to import.

    Raises
    ------
    MissingPackage
        One is not installed.

    Examples
    --------
    >>> require("torch", "drawing", "json")
    """
    for package in packages:
        if find_spec(package) is None:
            raise _missing(package, name, purpose)


def _missing(package: str, name: str, purpose: str) -> MissingPackage:
    return MissingPackage(package, purpose, f"'spechub-lp[{name}]'")
