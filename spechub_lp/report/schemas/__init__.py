"""JSON Schemas (draft 2020-12) of the documents that the commands write: one file a command, and what they share."""

import json
from importlib.resources import files
from typing import Any

from spechub_lp.errors import UnknownName
from spechub_lp.names import DOCUMENTS


def of(command: str) -> dict[str, Any]:
    """The schema of a command's document, whole: its own file with the head and the definitions that all share.

    Raises:
        UnknownName: no such command, or one that writes no document.
    """
    if command not in DOCUMENTS:
        raise UnknownName("command with a JSON document", command, DOCUMENTS)
    shared, own = _read("shared"), _read(command)
    head = shared["properties"] | {"schema": {"description": "which schema this is", "const": f"spechub-{command}-1"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:spechub-lp:{command}:1",
        "title": f"spechub-{command}-1",
        "description": own["description"],
        "type": "object",
        "properties": head | own["properties"],
        "required": [*head, *own["properties"]],
        "additionalProperties": False,
        "$defs": shared["$defs"] | own.get("$defs", {}),
    }


def _read(name: str) -> dict[str, Any]:
    return json.loads(files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
