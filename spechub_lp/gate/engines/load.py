"""Finding the engine under test: `module:object` from the current folder or PYTHONPATH, or an adapter by name."""

from typing import Any

from spechub_lp._util import objects


def load(name: str) -> Any:
    """Import `module:object` (dots allowed after the colon); a class is made into an object without arguments.

    Raises:
        SpecHubError: no such module or object, or its import failed; the message says which.
    """
    return objects.made(name, objects.resolve(name, example="mymodule:verify", otherwise="not an engine"))
