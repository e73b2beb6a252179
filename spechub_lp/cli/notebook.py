"""`spechub-lp notebook`: arguments in, a notebook in the browser."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from spechub_lp._util import resources
from spechub_lp._util.extras import require
from spechub_lp.cli.names import NOTEBOOKS
from spechub_lp.cli.options import one_of
from spechub_lp.cli.terminal import console_beside
from spechub_lp.errors import SpecHubError, UnknownName

RUN_AT_ONCE = "_MARIMO_CONFIG_OVERLOAD_RUNTIME_AUTO_INSTANTIATE"
"""What marimo calls its setting `auto_instantiate` in the environment."""


def notebook(
    name: Annotated[
        str | None,
        typer.Argument(help="Which one; all are listed where none is named.", autocompletion=one_of(NOTEBOOKS)),
    ] = None,
    edit: Annotated[
        bool, typer.Option("--edit", help="Copy it to the current folder, and open it with its code.")
    ] = False,
    port: Annotated[int | None, typer.Option(help="Port of the server; a free one by default.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Open no browser; the address is printed.")] = False,
) -> None:
    """Open a notebook that comes with the package. One question each, with sliders.

    Example: spechub-lp notebook hub
    """
    console = console_beside()
    if name is None:
        for each, question in NOTEBOOKS.items():
            console.print(f"{each:16} {question}")
        console.print("open one: spechub-lp notebook hub")
        return
    if name not in NOTEBOOKS:
        raise UnknownName("notebook", name, NOTEBOOKS)
    require("notebooks", "a notebook", "marimo", "matplotlib")
    shipped = folder() / f"{name}.py"
    path = _own_copy(shipped) if edit else shipped
    command = [sys.executable, "-m", "marimo", "edit" if edit else "run", str(path)]
    command += ["--skip-update-check"] * edit + ["--headless"] * headless
    command += [] if port is None else ["--port", str(port)]
    raise typer.Exit(subprocess.run(command, env=_environment(), check=False).returncode)


def folder() -> Path:
    """Return where the notebooks are: in the wheel beside the code, or in the checkout.

    Returns
    -------
    Path
        The folder, whose parent the notebooks import from.

    Raises
    ------
    SpecHubError
        They are not there.

    Examples
    --------
    >>> (folder() / "hub.py").is_file()
    True
    """
    for place in (resources.PACKAGE / "data" / "notebooks", resources.PACKAGE.parent / "notebooks"):
        if (place / "hub.py").is_file():
            return place
    raise SpecHubError("the notebooks are missing; install the package again, or run from a checkout")


def _own_copy(shipped: Path) -> Path:
    """The file in the current folder, as somebody left it, or new."""
    own = Path.cwd() / shipped.name
    if not own.exists():
        shutil.copy(shipped, own)
    return own


def _environment() -> dict[str, str]:
    """Where notebooks import their pictures from; and that one runs when it is opened, with its code too."""
    paths = [str(folder().parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), RUN_AT_ONCE: "true"}
