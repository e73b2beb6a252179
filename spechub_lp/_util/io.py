"""Output files are written whole or not at all; what is no plain file (a pipe, a device) is written in place."""

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from itertools import combinations, count
from math import isfinite
from pathlib import Path
from typing import Any

from spechub_lp._util import stdout
from spechub_lp._util.extras import require
from spechub_lp.certificate import rational_text
from spechub_lp.errors import SpecHubError

STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
"""Names of stdout; the paths would be stderr by the time they are opened (stdout.take)."""

_numbers = count()
_parts: set[Path] = set()


def write_text(path: str | Path, text: str) -> None:
    """Write a text file as UTF-8.

    A link is followed. A pipe or a character device is written in place, everything else through a neighbour.

    Parameters
    ----------
    path
        The file; "-" is stdout.
    text
        What it says.

    Raises
    ------
    SpecHubError
        It cannot be written.

    Examples
    --------
    >>> write_text("note.txt", "whole or not at all")
    >>> Path("note.txt").read_text()
    'whole or not at all'
    """
    if is_stdout(path):
        stdout.write(text.encode())
        return
    try:
        _write(Path(path), text.encode())
    except (OSError, ValueError) as error:
        raise SpecHubError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None


def replace_file(path: Path, data: bytes) -> None:
    """Write a plain file whole or not at all, through a neighbour that is renamed; it keeps its mode. Raises OSError.

    Parameters
    ----------
    path
        The file; of a link, the file that it points to is replaced.
    data
        Its bytes.

    Examples
    --------
    >>> replace_file(Path("data.bin"), b"1234")
    >>> Path("data.bin").read_bytes()
    b'1234'
    """
    path = Path(os.path.realpath(path))
    part = _neighbour(path)
    _parts.add(part)
    try:
        part.write_bytes(data)
        with suppress(FileNotFoundError):
            part.chmod(stat.S_IMODE(path.stat().st_mode))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
        _parts.discard(part)


def remove_parts() -> None:
    """Remove what is being written, for a process that ends without unwinding.

    Examples
    --------
    >>> remove_parts()
    """
    for part in list(_parts):
        with suppress(OSError):
            part.unlink()


def is_stdout(path: str | Path | None) -> bool:
    """Return whether a file's name stands for stdout.

    Parameters
    ----------
    path
        A name, or None.

    Returns
    -------
    bool
        True of "-" and of the system's names for it.

    Examples
    --------
    >>> is_stdout("-"), is_stdout("a.json")
    (True, False)
    """
    return str(path) in STDOUT


def check_writable(path: str | Path | None) -> None:
    """Check now, before long work, that a file can be written later.

    Parameters
    ----------
    path
        A file, stdout or None.

    Raises
    ------
    SpecHubError
        It could not.

    Examples
    --------
    >>> check_writable("a.json")
    """
    if path is None or is_stdout(path):
        return
    try:
        fault = _fault(Path(path))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        fault = getattr(error, "strerror", None) or str(error)
    if fault:
        raise SpecHubError(f"cannot write {path}: {fault}")


def check_outputs(*inputs: Path, **files: str | Path | None) -> None:
    """Check before the work that every output can be written and overwrites nothing that is needed.

    Parameters
    ----------
    inputs
        Files that are read, and must not be overwritten.
    files
        Option name (as a python name) and file, such as json=Path("a.json"), html=None. The tables that every command
        shows count too, so that a file which stdout was sent to is no output.

    Raises
    ------
    SpecHubError
        An output cannot be written, or would overwrite another one or an input.

    Examples
    --------
    >>> check_outputs(json="a.json", html=None)
    >>> check_outputs(json="a.json", junit="a.json")
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: --json and --junit both write to a.json; give each a place of its own
    """
    if files.get("html") is not None:
        require("html", "--html", "jinja2")
    asked = [("--" + name.replace("_", "-"), Path(file)) for name, file in files.items() if file is not None]
    for (one, first), (other, second) in combinations(asked, 2):
        if _same(first, second):
            place = "stdout" if is_stdout(first) else str(second)
            raise SpecHubError(f"{one} and {other} both write to {place}; give each a place of its own")
    for name, file in asked:
        if any(_same(file, source) and not is_stdout(file) for source in inputs):
            raise SpecHubError(f"{name} {file} would overwrite what this command reads; give {name} another file")
        if not is_stdout(file) and _receives_stdout(file):
            raise SpecHubError(f"{name} {file}: stdout goes to that file already; give {name} another one")
        check_writable(file)


def json_text(document: Any) -> str:
    r"""Return JSON as every file of the package has it.

    Parameters
    ----------
    document
        Rationals in it become strings such as "39/100".

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> json_text({"alpha": Fraction(39, 100)})
    '{\n "alpha": "39/100"\n}\n'
    """
    return json.dumps(document, indent=1, default=_plain) + "\n"


def write_json(path: str | Path, document: Any) -> None:
    """Write JSON; rationals become strings such as "39/100", and what is not finite null: JSON has no NaN.

    Parameters
    ----------
    path
        The file; "-" is stdout.
    document
        What it says.

    Examples
    --------
    >>> write_json("a.json", [Fraction(1, 2), float("nan")])
    >>> json.loads(Path("a.json").read_text())
    ['1/2', None]
    """
    write_text(path, json.dumps(_finite(document), indent=1, default=_plain, allow_nan=False) + "\n")


def _plain(value: Any) -> str:
    """What JSON has no type for; str() of a Fraction fails beyond 4,300 digits."""
    return rational_text(value) if isinstance(value, Fraction) else str(value)


def _write(path: Path, data: bytes) -> None:
    mode = _mode(path)
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        with path.open("wb") as out:
            out.write(data)
    elif mode == 0 or stat.S_ISREG(mode):
        replace_file(path, data)
    else:
        raise OSError(_not_a_file(mode))


def _fault(path: Path) -> str | None:
    """Why a file cannot be written, or None. Raises OSError when the system says so itself."""
    mode = _mode(path)
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return None if os.access(path, os.W_OK) else "it cannot be written to"
    if mode and not stat.S_ISREG(mode):
        return _not_a_file(mode)
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        return f"{target.parent if path.is_symlink() else path.parent} is not a folder that can be written to"
    if mode and not os.access(target, os.W_OK):
        return "it is read-only"
    part = _neighbour(target)
    try:
        part.touch(exist_ok=False)
    except OSError as error:
        return f"{path.parent} is not a folder that can be written to ({error.strerror})"
    finally:
        part.unlink(missing_ok=True)
    return None


def _mode(path: Path) -> int:
    """The mode of what a path leads to; 0 when there is nothing. Raises OSError, also for too long a name."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0


def _not_a_file(mode: int) -> str:
    return "it is a folder; name a file" if stat.S_ISDIR(mode) else "it is neither a file nor a pipe"


def _neighbour(path: Path) -> Path:
    """A name in the same folder, so that a rename moves no data; short, as the file's own may be as long as can be."""
    return path.parent / f".{os.getpid()}-{next(_numbers)}.part"


def _same(first: Path, second: Path) -> bool:
    """Whether one document would overwrite the other. A character device keeps neither, and takes both."""
    if is_stdout(first) or is_stdout(second):
        return is_stdout(first) and is_stdout(second)
    if os.path.realpath(first) == os.path.realpath(second):
        return not _is_device(first)
    try:
        return os.path.samefile(first, second) and not _is_device(first)
    except OSError:
        return False


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


def _receives_stdout(path: Path) -> bool:
    """Whether stdout was redirected to this very file."""
    try:
        here, there = os.fstat(stdout.ours().fileno()), path.stat()
    except (OSError, ValueError, AttributeError):  # no such file, or a stdout that is no file
        return False
    return stat.S_ISREG(there.st_mode) and os.path.samestat(here, there)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not isfinite(value) else value
