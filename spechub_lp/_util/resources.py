"""Where the data that ship with the project lie: in the wheel beside the code, in a checkout under validation/."""

from importlib.resources import files
from pathlib import Path

from spechub_lp.errors import SpecHubError


def path(name: str) -> Path:
    """The shipped file or folder `name`, such as "text/northanger_abbey.txt" or "captured/smollm2.safetensors".

    Raises:
        SpecHubError: it is not there.
    """
    package = Path(str(files("spechub_lp")))
    for root in (package / "data", package.parent / "validation"):
        if (root / name).exists():
            return root / name
    raise SpecHubError(f"the shipped file {name} is missing; install the package again, or run from a checkout")
