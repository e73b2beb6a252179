"""Finding the engine under test: `module:object` from the current folder or PYTHONPATH, or an adapter by name."""

import importlib
import os
import sys
from difflib import get_close_matches
from typing import Any

from spechub_lp.errors import SpecHubError


def load(name: str) -> Any:
    """Import `module:object` (dots allowed after the colon); a class is made into an object without arguments.

    Raises:
        SpecHubError: no such module or object, or its import failed; the message says which.
    """
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        raise SpecHubError(f"{name!r} is not an engine; write module:object, such as mymodule:verify")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        hint = "" if error.name != module_name.split(".")[0] else " (looked in the current folder and PYTHONPATH)"
        raise SpecHubError(f"cannot import {module_name}: {error}{hint}") from None
    except Exception as error:
        raise SpecHubError(f"importing {module_name} failed: {type(error).__name__}: {error}") from None
    for part in path.split("."):
        if not hasattr(found, part):
            near = get_close_matches(part, dir(found), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise SpecHubError(f"{module_name} has no {path!r}.{hint}")
        found = getattr(found, part)
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            raise SpecHubError(f"{name} is a class, and making it without arguments failed: {error}") from None
    return found
