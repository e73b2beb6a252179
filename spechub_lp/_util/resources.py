"""Where the data that ship with the project lie: in the wheel beside the code, in a checkout under validation/."""

from importlib.resources import files
from pathlib import Path

from spechub_lp.errors import SpecHubError

PACKAGE = Path(str(files("spechub_lp")))
"""The folder of the package."""


def path(name: str) -> Path:
    """Find a file or folder that ships with the project.

    Parameters
    ----------
    name
        Such as "text/northanger_abbey.txt" or "captured/smollm2.safetensors".

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    SpecHubError
        It is not there.

    Examples
    --------
    >>> path("text/northanger_abbey.txt").name
    'northanger_abbey.txt'
    """
    for root in (PACKAGE / "data", PACKAGE.parent / "validation"):
        if (root / name).exists():
            return root / name
    raise SpecHubError(f"the shipped file {name} is missing; install the package again, or run from a checkout")
