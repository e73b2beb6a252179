"""JSON that is read strictly, checked against a published schema, and never believed beyond what was checked.

RFC 8259 leaves open what a reader does with duplicate keys, huge numbers and deep nesting; here each is an error, as
are NaN and Infinity, which are not JSON. A document may carry a checksum of itself, so that any edit is noticed.
"""

import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from math import isinf
from pathlib import Path
from typing import Any

from spechub_lp._util.extras import extra
from spechub_lp._util.reading import one_line, read_text
from spechub_lp.errors import SpecHubError

DEEPEST = 32
"""Levels of nesting; the documents of the package have 9 at most."""
LARGEST_INTEGER = 1 << 64
CHECKSUM = "checksum"
EDITED = f"restore it or make it again; if the edit is meant, delete its {CHECKSUM!r}"


def read_json(path: str | Path, schema: str | dict[str, Any] | None = None, hint: str = "") -> Any:
    """Read a JSON file strictly.

    Every key stands once, numbers are finite, size and depth bounded, and a checksum, if there is one, is right.

    Parameters
    ----------
    path
        Its name.
    schema
        What the document must fit: a name in report/schemas, or the schema itself.
    hint
        What to do about a file that does not fit; ends the error.

    Returns
    -------
    object
        The document.

    Raises
    ------
    SpecHubError
        The file cannot be read or does not fit; names file, field and value.

    Examples
    --------
    >>> _ = Path("a.json").write_text('{"k": 2}')
    >>> read_json("a.json", {"type": "object", "required": ["k"]})
    {'k': 2}
    """
    document = parse_json(read_text(path), str(path), hint)
    if schema is not None:
        check(document, load_schema(schema) if isinstance(schema, str) else schema, str(path), hint)
    if isinstance(document, dict) and CHECKSUM in document and document[CHECKSUM] != checksum(document):
        raise SpecHubError(f"{path} is not what it was when it was written ({CHECKSUM} differs): {EDITED}")
    return document


def parse_json(text: str, name: str, hint: str = "") -> Any:
    """Parse a document as strictly as `read_json` reads one.

    Parameters
    ----------
    text
        JSON.
    name
        What errors call it.
    hint
        What to do about it; ends the error.

    Returns
    -------
    object
        The document.

    Raises
    ------
    SpecHubError
        It is no JSON, or JSON that readers take differently.

    Examples
    --------
    >>> parse_json('{"k": 2, "k": 3}', "a.json")
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: a.json has the key 'k' twice in one object
    """
    end = f"; {hint}" if hint else ""
    try:
        document = json.loads(
            text, object_pairs_hook=_once, parse_int=_integer, parse_float=_number, parse_constant=_constant
        )
        _check_depth(document)
    except json.JSONDecodeError as error:
        raise SpecHubError(f"{name} is not JSON: {error}{end}") from None
    except _NotStrict as error:
        raise SpecHubError(f"{name} {error}{end}") from None
    except RecursionError:
        raise SpecHubError(f"{name} nests deeper than {DEEPEST} levels{end}") from None
    return document


def check(document: Any, schema: dict[str, Any], name: str, hint: str = "") -> None:
    """Check that a document fits a JSON Schema.

    Parameters
    ----------
    document
        What was read.
    schema
        The schema.
    name
        What errors call the document.
    hint
        What to do about it; ends the error.

    Raises
    ------
    SpecHubError
        It does not; names the field and its value.

    Examples
    --------
    >>> check({"k": "2"}, {"properties": {"k": {"type": "integer"}}}, "a.json")
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: a.json: k = '2'; needed is integer
    """
    with extra("gate", f"checking {name}"):
        from jsonschema.exceptions import best_match

    error = best_match(_validator(json.dumps(schema)).iter_errors(document))
    if error is not None:
        raise SpecHubError(f"{name}: {_fault(error)}{f'; {hint}' if hint else ''}")


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Load a schema of report/schemas.

    Parameters
    ----------
    name
        Of the file, without its end.

    Returns
    -------
    dict
        As it stands there.

    Examples
    --------
    >>> load_schema("manifest")["type"]
    'object'
    """
    schema: dict[str, Any] = json.loads(
        files("spechub_lp").joinpath("report", "schemas", f"{name}.json").read_text(encoding="utf-8")
    )
    return schema


def checksum(document: dict[str, Any]) -> str:
    """Compute the sha256 of a document without its checksum; spaces and the order of keys do not count.

    Parameters
    ----------
    document
        What is written.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> checksum({"a": 1, "b": 2}) == checksum({"b": 2, "a": 1, "checksum": "old"})
    True
    """
    bare = {key: value for key, value in document.items() if key != CHECKSUM}
    return hashlib.sha256(json.dumps(bare, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sealed(document: dict[str, Any]) -> dict[str, Any]:
    """Add its checksum to a document; `read_json` compares it.

    Parameters
    ----------
    document
        What is written.

    Returns
    -------
    dict
        The document as JSON has it, and the field `checksum`.

    Examples
    --------
    >>> sorted(sealed({"a": 1}))
    ['a', 'checksum']
    """
    plain = json.loads(json.dumps(document, default=str, allow_nan=False))
    return {**plain, CHECKSUM: checksum(plain)}


class _NotStrict(ValueError):
    """JSON that some readers take and that means different things to them."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _NotStrict(f"has the key {one_line(twice)} twice in one object")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 21 or abs(int(digits)) >= LARGEST_INTEGER:
        raise _NotStrict(f"has the integer {digits[:24]}{'...' if len(digits) > 24 else ''}; at most 64 bits are read")
    return int(digits)


def _number(digits: str) -> float:
    if isinf(float(digits)):
        raise _NotStrict(f"has the number {digits[:24]}{'...' if len(digits) > 24 else ''}, too large for a float")
    return float(digits)


def _constant(name: str) -> float:
    raise _NotStrict(f"has {name}, which JSON does not")


def _check_depth(document: Any) -> None:
    """Raise on deep nesting, and on strings with half a surrogate pair, which no file and no terminal takes."""
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise _NotStrict(f"nests deeper than {DEEPEST} levels")
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.keys()
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and not value.isascii() and re.search("[\ud800-\udfff]", value):
                raise _NotStrict(f"has the string {one_line(value)}, which is not Unicode (half a surrogate pair)")
        level = [value for value in below if isinstance(value, dict | list | str)]


@cache
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    def integer(_: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    # JSON Schema takes 8.0 for an integer; an index must not be a float.
    kind = extend(Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", integer))
    return kind(json.loads(schema))


def _fault(error: Any) -> str:
    """A violation in words: the field, its value, what is needed."""
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    field, value, wanted = one_line(where.lstrip("."), 100, str), one_line(error.instance), error.validator_value
    match error.validator:
        case "required":
            missing = next(name for name in wanted if name not in error.instance)
            return f"{field or 'the document'} lacks {missing!r}" if isinstance(error.instance, dict) else error.message
        case "type":
            need = wanted if isinstance(wanted, str) else " or ".join(wanted)
        case "const":
            need = repr(wanted)
        case "enum":
            need = f"one of {', '.join(map(str, wanted))}"
        case "minimum":
            need = f"at least {wanted}"
        case "maximum":
            need = f"at most {wanted}"
        case "exclusiveMinimum":
            need = f"above {wanted}"
        case "minItems":
            need = f"at least {wanted} entries" if wanted != 1 else "at least one entry"
        case "pattern":
            need = f"text of the form {wanted}"
        case _:
            return f"{field or 'the document'}: {one_line(error.message, 160, str)}"
    return f"{field or 'the document'} = {value}; needed is {need}"
