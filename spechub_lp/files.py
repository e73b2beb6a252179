"""Output files are written whole or not at all."""

import json
import os
import sys
from collections.abc import Mapping
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import Any

from spechub_lp.certificate import rational_text
from spechub_lp.errors import SpecHubError


def write_text(path: str | Path, text: str) -> None:
    """Write a text file through a temporary neighbour; "-" is stdout. Raises SpecHubError when that is impossible."""
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        replace_file(Path(path), text.encode())
    except OSError as error:
        raise SpecHubError(f"cannot write {path}: {error.strerror or error}") from None


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, through a neighbour that is renamed. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: str | Path | None) -> None:
    """Raise SpecHubError now, before long work, when a file could not be written there later."""
    if path is None or str(path) == "-":
        return
    folder = Path(path).parent
    if Path(path).is_dir():
        raise SpecHubError(f"cannot write {path}: it is a folder; name a file")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise SpecHubError(f"cannot write {path}: {folder} is not a folder that can be written to")


def json_text(document: Any) -> str:
    """JSON as every file of ours has it; rationals become strings such as "39/100"."""
    return json.dumps(document, indent=1, default=_plain) + "\n"


def write_json(path: str | Path, document: Any) -> None:
    """Write JSON; rationals become strings such as "39/100", and what is not finite null: JSON has no NaN."""
    write_text(path, json.dumps(_finite(document), indent=1, default=_plain, allow_nan=False) + "\n")


def _plain(value: Any) -> str:
    """What JSON has no type for; str() of a Fraction fails beyond 4,300 digits."""
    return rational_text(value) if isinstance(value, Fraction) else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not isfinite(value) else value
