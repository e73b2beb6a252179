"""JSON Schemas (draft 2020-12): of the documents that the commands write, and of the files that they read.

One file a command, with what they share in shared.json; one file a kind of file, whole.
"""

from typing import Any

from spechub_lp._util.reading import load_schema
from spechub_lp.errors import UnknownName

DOCUMENTS = ("audit", "solve", "verify", "sample", "gate", "replay", "capture")
"""Commands that write a JSON document, each with a schema in report/schemas/."""

FILES = ("manifest", "rows", "gate-case")
"""Kinds of JSON files that commands read, each with a schema in report/schemas/: of a captured folder, beside compact
rows, and of `gate --replay`."""


def of(name: str) -> dict[str, Any]:
    """The schema of a command's document, or of a kind of file that is read, whole.

    Raises:
        UnknownName: no such command or kind of file, or a command that writes no document.
    """
    if name in FILES:
        return _head(name) | load_schema(name)
    if name not in DOCUMENTS:
        raise UnknownName("command or file with a schema", name, (*DOCUMENTS, *FILES))
    shared, own = load_schema("shared"), load_schema(name)
    head = shared["properties"] | {"schema": {"description": "which schema this is", "const": f"spechub-{name}-1"}}
    return _head(name) | {
        "description": own["description"],
        "type": "object",
        "properties": head | own["properties"],
        "required": [*head, *own["properties"]],
        "additionalProperties": False,
        "$defs": shared["$defs"] | own.get("$defs", {}),
    }


def _head(name: str) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:spechub-lp:{name}:1",
        "title": f"spechub-{name}-1",
    }
