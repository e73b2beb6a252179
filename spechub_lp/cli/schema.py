"""`spechub-lp schema`: arguments in, exit code out."""

from pathlib import Path
from typing import Annotated

import typer

from spechub_lp._util.io import write_json
from spechub_lp.cli.options import one_of
from spechub_lp.cli.renamed import warn
from spechub_lp.report.schemas import DOCUMENTS, FILES, OLD_NAMES, of


def schema(
    command: Annotated[
        str,
        typer.Argument(
            help=f"One of {', '.join((*DOCUMENTS, *FILES))}.",
            autocompletion=one_of((*DOCUMENTS, *FILES)),
        ),
    ],
    version: Annotated[int | None, typer.Option(help="Version of the schema; the newest by default.")] = None,
) -> None:
    """Print the JSON Schema of what is written with --json. Or that of a kind of file that is read (draft 2020-12).

    Example: spechub-lp schema solve
    """
    if command in OLD_NAMES and version is None:
        warn(f"the document of {command}", f"that of {OLD_NAMES[command]}")
    write_json(Path("-"), of(command, version))
