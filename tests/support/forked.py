"""Command lines, each in a process of its own, forked from an interpreter that has imported the list of commands."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path


def run_each(
    commands: Iterable[list[str]], cwd: Path | None = None, imports: Sequence[str] = ()
) -> list[tuple[list[str], subprocess.CompletedProcess[str]]]:
    """The arguments of each command line of spechub-lp, and what it did; they find the named modules imported."""
    given = list(commands)
    words = [sys.executable, __file__, *imports]
    parent = subprocess.run(words, input=json.dumps(given), capture_output=True, text=True, timeout=600, cwd=cwd)
    assert (parent.returncode, parent.stderr) == (0, "")
    said = json.loads(parent.stdout)
    return [(args, subprocess.CompletedProcess(args, *one)) for args, one in zip(given, said, strict=True)]


def run(args: list[str]) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of one command line in a fork of this process, which has one thread."""
    from spechub_lp.cli.app import main

    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = ["spechub-lp", *args]
            try:
                main()
            except SystemExit as end:
                sys.stderr.flush()  # main has closed stdout
                os._exit(int(end.code or 0))  # an interpreter that cleans up after torch takes a second
            os._exit(70)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return os.waitstatus_to_exitcode(status), out.read(), err.read()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        importlib.import_module(name)
    json.dump([run(args) for args in json.load(sys.stdin)], sys.stdout)
