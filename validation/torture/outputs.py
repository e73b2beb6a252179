"""Outputs onto odd files of a temporary folder: written whole, written in place, or rejected before the work."""

import os
import random
import stat
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

from validation.torture import Checks, Doing, cli

SECONDS, MEMORY = 1500, None
COMMANDS = 3

DEVICES = {"/dev/null": (1, 3), "/dev/full": (1, 7)}
"""The only ones that anything is pointed at, with their numbers."""

TASKS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("solve", "--p", "1/2,1/2", "--q", "1/3,2/3"), ("json", "certificate")),
    (("sample", "--sampler", "rrs", "--p", "1/2,1/2", "--q", "1/3,2/3", "-n", "10"), ("json",)),
    (("audit", "--instances", "1", "--positions", "0", "--rows", "0", "--jobs", "1"), ("json", "html")),
)


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    for _ in range(COMMANDS):
        command, kinds = rng.choice(TASKS)
        with tempfile.TemporaryDirectory() as folder:
            yield from _one(rng, list(command), kinds, Path(folder))
    yield from _stdout(rng)


def _one(rng: random.Random, command: list[str], kinds: tuple[str, ...], folder: Path) -> Checks:
    name = rng.choice(tuple(TARGETS))
    kind = rng.choice(kinds)
    target = TARGETS[name](folder)
    yield Doing(f"{command[0]} onto {name}")
    line: list[Any] = [*command, f"--{kind}", target]
    twice = len(kinds) > 1 and rng.random() < 0.3
    if twice:
        other = next(k for k in kinds if k != kind)
        line += [f"--{other}", _alias(rng, target, folder)]
        name = f"{name}, twice"
    what = f"{command[0]} --{kind} onto {name}"
    yield Doing(what)
    if not _safe(target):
        return
    before = {path: path.lstat() for path in folder.rglob("*")}
    reader = _Reader(target) if name.startswith("a fifo that is read") else None
    try:
        done = cli.run(*line, cwd=folder, limit=cli.LIMIT)
    except subprocess.TimeoutExpired:
        yield None if "nobody reads" in name else f"{what}: no end after {cli.LIMIT:.0f} s"
        return
    finally:
        data = reader.end() if reader else b""
    yield from (f"{what}: {complaint}" for complaint in cli.complaints(done, (0, 1, 2)))
    if twice and str(target) not in DEVICES and done.returncode != 2:
        yield f"{what}: accepted, exit code {done.returncode}"
    if not twice and name in MUST and done.returncode != 0:
        yield f"{what}: rejected, {done.stderr[-150:]!r}"
    for path, was in before.items():
        now = path.lstat() if path.exists() or path.is_symlink() else None
        same = now is not None and stat.S_IFMT(now.st_mode) == stat.S_IFMT(was.st_mode)
        yield (
            None
            if same
            else f"{what}: {path.name} was {stat.filemode(was.st_mode)}, is {now and stat.filemode(now.st_mode)}"
        )
    left = [path.name for path in folder.rglob("*") if path not in before and path.name.endswith(".part")]
    yield f"{what}: left {left}" if left else None
    if done.returncode == 0 and not twice and str(target) not in DEVICES:
        whole = data if reader else Path(os.path.realpath(target)).read_bytes()
        wrong = cli.document(kind, whole)
        yield f"{what}: {wrong}" if wrong else None


def _safe(target: Path) -> bool:
    """Whether the target is inside a temporary folder or one of the two devices; lstat first, then where it leads."""
    if str(target) in DEVICES:
        found = target.lstat()
        return (
            stat.S_ISCHR(found.st_mode) and (os.major(found.st_rdev), os.minor(found.st_rdev)) == DEVICES[str(target)]
        )
    real = Path(os.path.realpath(target))
    inside = real.is_relative_to(os.path.realpath(tempfile.gettempdir()))
    return inside and not (
        os.path.exists(real) and (stat.S_ISCHR(real.lstat().st_mode) or stat.S_ISBLK(real.lstat().st_mode))
    )


class _Reader:
    """Reads a FIFO to its end in a thread; a writer that never comes is given up."""

    def __init__(self, fifo: Path):
        self.data, self.fifo = b"", fifo
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with self.fifo.open("rb") as pipe:
            self.data = pipe.read()

    def end(self) -> bytes:
        self.thread.join(1)
        if self.thread.is_alive() and stat.S_ISFIFO(self.fifo.lstat().st_mode):
            os.close(os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK))
        self.thread.join(5)
        return self.data


def _alias(rng: random.Random, target: Path, folder: Path) -> Any:
    """Another name of the same file."""
    link = folder / "alias"
    if str(target) not in DEVICES and not os.path.isdir(target) and len(target.name) < 200:
        link.symlink_to(target)
        return rng.choice(
            (target, link, target.parent / "." / target.name, f"{target.parent}/../{folder.name}/{target.name}")
        )
    return target


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


def _link(folder: Path, to: str) -> Path:
    (folder / "link").symlink_to(to)
    return folder / "link"


def _file(folder: Path, name: str, mode: int = 0o644) -> Path:
    (folder / name).write_text("old")
    (folder / name).chmod(mode)
    return folder / name


def _folder(folder: Path) -> Path:
    (folder / "folder").mkdir()
    return folder / "folder"


def _full_link(folder: Path) -> Path:
    _file(folder, "real.json")
    return _link(folder, "real.json")


def _hard_link(folder: Path) -> Path:
    _file(folder, "first.json")
    os.link(folder / "first.json", folder / "second.json")
    return folder / "second.json"


TARGETS: dict[str, Any] = {
    "a new file": lambda f: f / "new.json",
    "a file": lambda f: _file(f, "old.json"),
    "a read-only file": lambda f: _file(f, "old.json", 0o444),
    "a fifo that is read": _fifo,
    "a link to a file": _full_link,
    "a link to nothing": lambda f: _link(f, "nothing.json"),
    "a link to nowhere": lambda f: _link(f, "no/where.json"),
    "a link to itself": lambda f: _link(f, "link"),
    "a link to a folder": lambda f: _link(f, str(_folder(f))),
    "a hard link": _hard_link,
    "a folder": _folder,
    "a folder with a slash": lambda f: Path(str(_folder(f)) + "/."),
    "a file in no folder": lambda f: f / "none" / "new.json",
    "a file below a file": lambda f: _file(f, "old.json") / "new.json",
    "a name of 245 letters": lambda f: f / ("a" * 245),
    "a name of 255 letters": lambda f: f / ("a" * 255),
    "a name of 256 letters": lambda f: f / ("a" * 256),
    "a name with a line break": lambda f: f / "a\nb",
    "a name with an odd byte": lambda f: f / "a\udcffb",
    "a name of a blank": lambda f: f / " ",
    "a name that begins with -": lambda f: f / "-x",
    "/dev/null": lambda f: Path("/dev/null"),
    "/dev/full": lambda f: Path("/dev/full"),
    "no name": lambda f: f / "",
}
MUST = {
    "a new file",
    "a file",
    "a fifo that is read",
    "a name of 245 letters",
    "a name of a blank",
    "/dev/null",
    "a hard link",
}
"""Those that must be written."""


def _stdout(rng: random.Random) -> Checks:
    """A full, a closed and a closing stdout: an exit code that is not that of a verdict, and no traceback."""
    command, _ = rng.choice((*TASKS, (("schema", "solve"), ()), (("--help",), ()), (("--version",), ())))
    line, how = [*command, *rng.choice(((), ("--json", "-"))) * (command[0] in ("solve", "sample"))], rng.choice(HOWS)
    what = f"{' '.join(line[:1])} with {how} stdout"
    yield Doing(what)
    if how == "a full":
        if not _safe(Path("/dev/full")):
            return
        with open("/dev/full", "wb") as full:
            done = cli.run(*line, stdout=full, limit=cli.LIMIT)
    elif how == "a closed":
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *cli.CLI, *map(str, line)], stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, timeout=cli.LIMIT, env=cli.environment(), check=False,
        )  # fmt: skip
    else:
        read, write = os.pipe()
        os.close(read)
        try:
            done = cli.run(*line, stdout=write, limit=cli.LIMIT)
        finally:
            os.close(write)
    yield from (f"{what}: {complaint}" for complaint in cli.complaints(done, tuple(c for c in range(256) if c != 1)))
    quiet = how == "a closed" or not (how == "a full" and done.returncode == 0)
    yield None if quiet else f"{what}: exit code 0 although nothing could be written"


HOWS = ("a full", "a closed", "a broken")
