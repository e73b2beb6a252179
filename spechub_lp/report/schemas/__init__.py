"""JSON Schemas (draft 2020-12): of the documents that the commands write, and of the files that they read.

One file a command, with what they share in shared.json; one file a kind of file, whole. The folder v1 has the schemas
of version 1 as the first release printed them, so that old documents can still be checked.
"""

from typing import Any

from spechub_lp._util.strict_json import load_schema
from spechub_lp.errors import SpecHubError, UnknownName

DOCUMENTS = (
    "audit", "solve", "check-certificate", "sample", "gate", "gate-engine", "compare-reports", "evaluate", "capture",
)  # fmt: skip
"""Commands that write a JSON document, each with a schema in report/schemas/."""

TREES = ("solve-tree", "check-tree")
"""Documents of `solve --tree` and of `check-certificate` on a certificate of a tree."""

FILES = ("manifest", "rows", "gate-case", "tiny-pair")
"""Kinds of JSON files that commands read, each with a schema in report/schemas/: of a captured folder, beside compact
rows, of `gate --rerun`, and of a pair of tiny models."""

VERSIONS = {
    **dict.fromkeys(DOCUMENTS, 2), **dict.fromkeys(TREES, 1), "gate-engine": 1, "compare-reports": 1, "gate-case": 2,
    "manifest": 1, "rows": 1, "tiny-pair": 1,
}  # fmt: skip
"""The newest version of each schema."""

OLD_NAMES = {"verify": "check-certificate", "replay": "evaluate"}
"""Commands, and so their documents, by the names that they have in version 1."""

OLD_FIELDS = {
    "solve": {"alpha": "optimum"},
    "check-certificate": {"alpha": "optimum"},
    "sample": {"output_law": "output_distribution"},
    "gate": {"door": "protocol"},
}
"""Fields of version 1 that version 2 has under a new name; documents carry both until version 3."""


def of(name: str, version: int | None = None) -> dict[str, Any]:
    """Return the schema of a command's document, or of a kind of file that is read, whole.

    Parameters
    ----------
    name
        One of `DOCUMENTS`, `TREES` or `FILES`; a name of version 1 is taken too.
    version
        The newest by default.

    Returns
    -------
    dict
        JSON Schema, draft 2020-12.

    Raises
    ------
    UnknownName
        No such command or kind of file, or a command that writes no document.
    SpecHubError
        The schema has no such version.

    Examples
    --------
    >>> of("sample")["title"], of("check-certificate", version=1)["title"]
    ('spechub-sample-2', 'spechub-verify-1')
    """
    name = OLD_NAMES.get(name, name)
    if name not in VERSIONS:
        raise UnknownName("command or file with a schema", name, VERSIONS)
    version = VERSIONS[name] if version is None else version
    if not 1 <= version <= VERSIONS[name]:
        raise SpecHubError(f"version = {version}; schemas of {name} have versions 1 to {VERSIONS[name]}")
    folder = "" if version == VERSIONS[name] else f"v{version}/"
    if version == 1:
        name = _first_name(name)
    own = load_schema(folder + name)
    return _head(name, version) | (own if name in FILES else _whole(name, version, own, load_schema(f"{folder}shared")))


def identifier(name: str) -> str:
    """Return what the field `schema` of a new document says.

    Parameters
    ----------
    name
        As `of` takes it.

    Returns
    -------
    str
        Name and version.

    Examples
    --------
    >>> identifier("sample")
    'spechub-sample-2'
    """
    return f"spechub-{name}-{VERSIONS[name]}"


def with_old_fields(document: dict[str, Any]) -> dict[str, Any]:
    """Add to a document the fields that version 1 has under another name.

    Parameters
    ----------
    document
        Of version 2.

    Returns
    -------
    dict
        With both names.

    Examples
    --------
    >>> with_old_fields({"command": "gate", "protocol": "node"})["door"]
    'node'
    """
    renamed = OLD_FIELDS.get(document["command"], {})
    return document | {old: document[new] for old, new in renamed.items() if new in document}


def _first_name(name: str) -> str:
    return next((old for old, new in OLD_NAMES.items() if new == name), name)


def _whole(name: str, version: int, own: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    head = shared["properties"] | {
        "schema": {"description": "which schema this is", "const": f"spechub-{name}-{version}"}
    }
    fields = head | own["properties"]
    renamed = OLD_FIELDS.get(name, {}) if version == 2 else {}
    old_fields = {
        old: {**fields[new], "description": f"what is called {new} now; not in version 3", "deprecated": True}
        for old, new in renamed.items()
    }
    return {
        "description": own["description"],
        "type": "object",
        "properties": fields | old_fields,
        "required": [field for field in fields if field not in own.get("optional", ())],
        "additionalProperties": False,
        "$defs": shared["$defs"] | own.get("$defs", {}),
    }


def _head(name: str, version: int) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:spechub-lp:{name}:{version}",
        "title": f"spechub-{name}-{version}",
    }
