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
    name : the extra of pyproject.toml that installs them.
    purpose : what needs them, as the first words of the error.

    Raises
    ------
    MissingPackage
        One of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("spechub_lp"):
            raise
        raise _missing(error.name.partition(".")[0], name, purpose) from None


def require(name: str, purpose: str, *packages: str) -> None:
    """Raise MissingPackage when a package of an extra is not installed; import none of them."""
    for package in packages:
        if find_spec(package) is None:
            raise _missing(package, name, purpose)


def _missing(package: str, name: str, purpose: str) -> MissingPackage:
    return MissingPackage(package, purpose, f"'spechub-lp[{name}]'")
