"""The command line in a process, and what must hold however it is called."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

CLI = (sys.executable, "-m", "spechub_lp")
ROOT = Path(__file__).parents[2]
LIMIT = 300.0
"""Seconds of a clock: of a busy machine too, a hang apart."""


def environment(**changes: str) -> dict[str, str]:
    """This process's, with the package that runs here."""
    import spechub_lp

    where = str(Path(spechub_lp.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": where, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **changes}


def run(*arguments: Any, limit: float = LIMIT, cwd: Any = None, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command. Raises subprocess.TimeoutExpired."""
    stdout = options.pop("stdout", subprocess.PIPE)
    env = options.pop("env", None) or environment()
    return subprocess.run(
        [*CLI, *map(str, arguments)], stdin=options.pop("stdin", subprocess.DEVNULL), stdout=stdout,
        stderr=subprocess.PIPE, timeout=limit, cwd=cwd, env=env, check=False, **options,
    )  # fmt: skip


def complaints(done: subprocess.CompletedProcess[bytes], codes: tuple[int, ...] = (0, 1, 2, 3)) -> list[str]:
    """What is wrong with how a command ended."""
    found, said = [], done.stderr.decode("utf-8", "replace")
    if "Traceback" in said or "Error in sys.excepthook" in said or "Exception ignored" in said:
        found.append(f"a traceback, {said.strip().splitlines()[-1][:150]!r}")
    if done.returncode not in codes:
        found.append(f"exit code {done.returncode}, stderr {said[-150:]!r}")
    if done.returncode == 2 and len(said.strip().splitlines()) != 1:
        found.append(f"exit code 2 with {len(said.strip().splitlines())} lines on stderr: {said[-300:]!r}")
    if "Warning:" in said:
        found.append(f"a warning: {said.strip().splitlines()[0][:200]!r}")
    return found


def document(kind: str, data: bytes) -> str | None:
    """What is wrong with a whole document of this kind (json, junit, markdown, html), or None."""
    text = data.decode("utf-8", "replace")
    try:
        if kind in ("json", "certificate"):
            json.loads(text, parse_constant=lambda word: 1 / 0)
        elif kind == "junit":
            ElementTree.fromstring(text)
        elif kind == "html" and not (
            text.lstrip().lower().startswith("<!doctype html") and text.rstrip().endswith("</html>")
        ):
            return f"not one page: {text[:40]!r} ... {text[-40:]!r}"
        elif kind == "markdown" and not text.startswith("#"):
            return f"not Markdown alone: {text[:60]!r}"
    except (ValueError, ZeroDivisionError, ElementTree.ParseError) as error:
        return f"does not parse: {error}; {text[:80]!r} ... {text[-60:]!r}"
    return None
