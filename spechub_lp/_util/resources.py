"""Where the data that ship with the project lie: in the wheel beside the code, in a checkout under validation/."""

from pathlib import Path

from spechub_lp.errors import SpecHubError

_PACKAGE = Path(__file__).parents[1]


def path(name: str) -> Path:
    """The shipped file or folder `name`, such as "text/northanger_abbey.txt" or "captured/smollm2.safetensors".

    Raises:
        SpecHubError: it is not there.
    """
    for root in (_PACKAGE / "data", _PACKAGE.parent / "validation"):
        if (root / name).exists():
            return root / name
    raise SpecHubError(f"the shipped file {name} is missing; install the package again, or run from a checkout")
