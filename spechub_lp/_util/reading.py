"""Files that are read, with errors that say what could not be read and why."""

import os
from collections.abc import Callable
from errno import ENAMETOOLONG
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, BinaryIO

from spechub_lp.errors import SpecHubError

LARGEST = 256 << 20
"""Bytes of a JSON or text file that is read; the largest that the package writes, a long audit, has a few MB."""
PIECE = 1 << 20


def is_file(path: Path) -> bool:
    """Return whether a file is there. Raises SpecHubError where that cannot be seen, as in a folder without permission.

    Parameters
    ----------
    path
        Its name.

    Returns
    -------
    bool
        Whether a plain file is there.

    Examples
    --------
    >>> is_file(Path("no_such_file"))
    False
    """
    return _seen(path, S_ISREG)


def is_folder(path: Path) -> bool:
    """Return whether a folder is there. Raises SpecHubError where that cannot be seen.

    Parameters
    ----------
    path
        Its name.

    Returns
    -------
    bool
        Whether a folder is there.

    Examples
    --------
    >>> is_folder(Path("."))
    True
    """
    return _seen(path, S_ISDIR)


def read_bytes(path: str | Path, most: int = LARGEST) -> bytes:
    """Read the bytes of a file.

    Parameters
    ----------
    path
        Its name.
    most
        How many bytes it may have.

    Returns
    -------
    bytes
        All of them.

    Raises
    ------
    SpecHubError
        It cannot be read, is a folder, or is larger.

    Examples
    --------
    >>> _ = Path("a.txt").write_bytes(b"abc")
    >>> read_bytes("a.txt")
    b'abc'
    """
    try:
        with Path(path).open("rb") as file:
            data = _at_most(file, most + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise SpecHubError(f"cannot read {one_line(str(path), 200, str)}: {_reason(error)}") from None
    if len(data) > most:
        raise SpecHubError(f"{path} has more than {most:,} bytes; is it the file that was meant?")
    return data


def _at_most(file: BinaryIO, count: int) -> bytes:
    """The first bytes of a file, in pieces: one read of `count` would set that much memory aside, whatever is there."""
    data = bytearray()
    while len(data) < count and (part := file.read(min(PIECE, count - len(data)))):
        data += part
    return bytes(data)


def read_text(path: str | Path, most: int = LARGEST) -> str:
    r"""Read a text file in UTF-8, its line ends made one character.

    Parameters
    ----------
    path
        Its name.
    most
        How many bytes it may have.

    Returns
    -------
    str
        The text.

    Raises
    ------
    SpecHubError
        It cannot be read, or is something else.

    Examples
    --------
    >>> _ = Path("a.txt").write_bytes(b"one\r\ntwo")
    >>> read_text("a.txt")
    'one\ntwo'
    """
    data = read_bytes(path, most)
    try:
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise SpecHubError(
            f"{path} cannot be read as UTF-8: byte {data[error.start]:#04x} at position {error.start:,}"
        ) from None


def _seen(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == ENAMETOOLONG:
            return False  # "skip:0,1,2,..." may be asked for as if it were a file
        raise SpecHubError(f"cannot read {one_line(str(path), 200, str)}: {_reason(error)}") from None


def _reason(error: OSError | ValueError) -> str:
    return str(getattr(error, "strerror", None) or error)


def one_line(value: Any, most: int = 60, text: Any = repr) -> str:
    """Write a value for a message, cut so that it stays one line.

    Parameters
    ----------
    value
        Anything.
    most
        Characters.
    text
        What writes it: repr, or str.

    Returns
    -------
    str
        Ready to be printed.

    Examples
    --------
    >>> one_line("a" * 80, most=10)
    "'aaaaaa..."
    """
    if isinstance(value, dict | list):
        value, text = f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}", str
    said = " ".join(text(value).split())
    said = said if len(said) <= most else said[: most - 3] + "..."
    return said.encode("utf-8", "backslashreplace").decode()
