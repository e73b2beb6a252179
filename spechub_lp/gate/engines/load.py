"""Finding the engine under test: `module:object` from the current folder or PYTHONPATH, or an adapter by name."""

import ast
from pathlib import Path
from typing import Any

from spechub_lp._util import objects


def beside(name: str) -> str | None:
    """Say how to name what is in a file of the current folder, where somebody wrote only the name of the file.

    Parameters
    ----------
    name
        What was given as an engine: mykernel, or mykernel.py.

    Returns
    -------
    str or None
        What to write instead; None where there is no such file.

    Examples
    --------
    >>> _ = Path("mykernel.py").write_text("def verify(p, q, drafts): ...")
    >>> beside("mykernel.py")
    'mykernel.py is a file of this folder; write mykernel:verify'
    """
    module = name.removesuffix(".py")
    path = Path(*module.split(".")).with_suffix(".py")
    if not module.replace(".", "").isidentifier() or not path.is_file():
        return None
    try:
        found = [n.name for n in ast.parse(path.read_bytes()).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    except (SyntaxError, ValueError) as error:
        return f"{path} is a file of this folder, which python cannot read: {error}"
    public = [name for name in found if not name.startswith("_")]
    best = "verify" if "verify" in public else next(iter(public), None)
    if best is None:
        return f"{path} is a file of this folder that defines no function; write verify(p, q, drafts) in it"
    more = [] if best == "verify" else [f"{module}:{other}" for other in public[1:4]]
    return f"{path} is a file of this folder; write {' or '.join([f'{module}:{best}', *more])}"


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
