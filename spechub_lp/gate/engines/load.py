"""Finding the engine under test: `module:object` from the current folder or PYTHONPATH, or an adapter by name."""

from typing import Any

from spechub_lp._util import objects


def load(name: str) -> Any:
    """Import an engine; a class is made into an object without arguments.

    Parameters
    ----------
    name
        `module:object` (dots allowed after the colon), from the current folder or PYTHONPATH.

    Returns
    -------
    object
        The engine. SpecHubError is raised where there is none, or its import failed; the message says which.

    Examples
    --------
    >>> load("math:sqrt")(4)
    2.0
    """
    return objects.made(name, objects.resolve(name, example="mymodule:verify", otherwise="not an engine"))
