"""Output files: what they are written to stays what it is, none is lost to another, and misuse is seen before the work.

No test writes to a device of /dev: those of a test are pipes and links in its own folder.
"""

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from spechub_lp import optimum
from spechub_lp._util import io
from spechub_lp.errors import SpecHubError

SOLVE = ("solve", "--p", "0,1/5,4/5", "--q", "3/5,3/10,1/10")


def run(*args: object, cwd: Path, shell: str = "", python: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, *python, "-m", "spechub_lp", *map(str, args)]
    return subprocess.run(
        ["bash", "-c", f'"$@" {shell}', "bash", *words], capture_output=True, text=True, timeout=120, cwd=cwd
    )


@pytest.fixture
def read_from() -> Iterator[Callable[[Path], list[bytes]]]:
    """What a reader gets from a named pipe."""
    readers = []

    def start(pipe: Path) -> list[bytes]:
        got = []
        readers.append(threading.Thread(target=lambda: got.append(pipe.read_bytes())))
        readers[-1].start()
        return got

    yield start
    for reader in readers:
        reader.join(timeout=10)
        assert not reader.is_alive()


def check_and_write(path: str | Path, text: str) -> None:
    io.check_writable(path)
    io.write_text(path, text)


def test_a_pipe_is_written_in_place(tmp_path: Path, read_from: Callable[[Path], list[bytes]]) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("pipe")
    for path in (pipe, link):
        got = read_from(pipe)
        check_and_write(path, "α" * 200_000)
        while not got:
            pass
        assert got == [("α" * 200_000).encode()]
        assert stat.S_ISFIFO(pipe.lstat().st_mode)
        assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_reader_that_leaves_a_pipe_is_an_error(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    threading.Timer(0.2, lambda: os.close(reader)).start()
    with pytest.raises(SpecHubError, match=r"cannot write .*pipe: Broken pipe"):
        io.write_text(pipe, "a" * 1_000_000)


def test_a_device_takes_what_is_written_in_place() -> None:
    """A terminal of the test's own is a character device."""
    main, terminal = os.openpty()
    name = os.ttyname(terminal)
    before = os.lstat(name)
    check_and_write(name, "hello")
    assert os.read(main, 100) == b"hello"
    assert os.path.samestat(os.lstat(name), before)
    io.check_outputs(json=name, html=name)  # a device keeps nothing that could be overwritten
    os.close(main)
    os.close(terminal)


def test_links_are_followed_and_stay(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    old, new, far = folder / "old.json", folder / "new.json", tmp_path / "far"
    old.write_text("old")
    for link, target in ((tmp_path / "a", old), (tmp_path / "b", new), (far, "a")):
        link.symlink_to(target)
    for link, target in ((tmp_path / "a", old), (tmp_path / "b", new), (far, old)):
        check_and_write(link, f"by {link.name}")
        assert link.is_symlink()
        assert target.read_text() == f"by {link.name}"
    assert sorted(path.name for path in folder.iterdir()) == ["new.json", "old.json"]


def test_links_that_lead_nowhere_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "lost").symlink_to("no/such/folder/x.json")
    (tmp_path / "folder").symlink_to(tmp_path)
    for name, message in (
        ("loop", "Too many levels of symbolic links"),
        ("lost", "is not a folder that can be written to"),
        ("folder", "it is a folder; name a file"),
    ):
        with pytest.raises(SpecHubError, match=message):
            io.check_writable(tmp_path / name)
        with pytest.raises(SpecHubError, match="cannot write"):
            io.write_text(tmp_path / name, "x")
        assert (tmp_path / name).is_symlink()


def test_what_is_no_file_and_no_pipe_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.chdir(tmp_path)  # names of sockets must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        attempts: tuple[Callable[[], object], ...] = (
            lambda: io.check_writable("socket"),
            lambda: io.write_text("socket", "x"),
        )
        for attempt in attempts:
            with pytest.raises(SpecHubError, match="neither a file nor a pipe"):
                attempt()
        assert stat.S_ISSOCK(Path("socket").lstat().st_mode)


@pytest.mark.parametrize("length", [1, 245, 250, 255, 256, 5000])
def test_the_check_knows_which_names_can_be_written(tmp_path: Path, length: int) -> None:
    path = tmp_path / ("a" * length)
    try:
        path.touch()
        path.unlink()
    except OSError:
        with pytest.raises(SpecHubError, match="File name too long"):
            io.check_writable(path)
    else:
        check_and_write(path, "x")
        assert path.read_text() == "x"
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["", "a\0b", "no/such/folder", "file/x"])
def test_the_check_rejects_what_cannot_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(SpecHubError, match="cannot write"):
        io.check_writable(name)
    with pytest.raises(SpecHubError, match="cannot write"):
        io.write_text(name, "x")
    assert os.listdir() == ["file"]


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    path.touch(mode=0o600)
    check_and_write(path, "x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    mask = os.umask(0o027)
    try:
        check_and_write(tmp_path / "new", "x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_two_outputs_in_one_place_are_misuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    Path("link").symlink_to("file")
    Path("to-come").symlink_to("folder/new")
    os.link("file", "hard")
    os.mkfifo("pipe")
    same: list[tuple[str, str | Path]] = [
        ("-", "-"), ("-", "/dev/stdout"), ("new", "new"), ("new", "./folder/../new"), ("new", tmp_path / "new"),
        ("file", "link"), ("file", "hard"), ("to-come", "folder/new"), ("pipe", "pipe"),
    ]  # fmt: skip
    for first, second in same:
        with pytest.raises(SpecHubError, match="--json and --html both write to"):
            io.check_outputs(json=first, markdown="other", html=second)
    io.check_outputs(json="new", html="folder/new", markdown="-", case=None)
    assert sorted(os.listdir()) == ["file", "folder", "hard", "link", "pipe", "to-come"]


@pytest.mark.parametrize(
    "args",
    [
        (*SOLVE, "--json", "x", "--certificate", "x"),
        (*SOLVE, "--json", "-", "--certificate", "-"),
        ("audit", "--json", "x", "--html", "x"),
        ("audit", "--json", "-", "--html", "-"),
        ("evaluate", "rows", "--json", "x", "--html", "x"),
        ("gate", "no:such", "--json", "x", "--junit", "x"),
        ("gate", "no:such", "--markdown", "-", "--junit", "-"),
        ("gate", "no:such", "--html", "x", "--case", "x"),
        ("check-certificate", "c.json", "--json", "c.json"),
    ],
    ids=lambda args: " ".join(args[:1] + args[-4:]),
)
def test_every_command_rejects_it_before_the_work(tmp_path: Path, args: list[str]) -> None:
    certificate = json.dumps(optimum("1/2,1/2", "1/3,2/3").certificate())
    (tmp_path / "c.json").write_text(certificate)
    done = run(*args, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "both write to" in done.stderr or "would overwrite what this command reads" in done.stderr
    assert os.listdir(tmp_path) == ["c.json"]
    assert (tmp_path / "c.json").read_text() == certificate


def test_a_file_that_stdout_goes_to_is_no_output(tmp_path: Path) -> None:
    done = run(*SOLVE, "--json", "out", cwd=tmp_path, shell="> out")
    assert (done.returncode, done.stderr) == (
        2, "error: --json out: stdout goes to that file already; give --json another one\n",
    )  # fmt: skip
    done = run(*SOLVE, "--json", "-", cwd=tmp_path, shell="> out")
    assert done.returncode == 0
    assert json.loads((tmp_path / "out").read_text())["optimum"] == "39/100"


def test_paths_of_stdout_are_stdout(tmp_path: Path) -> None:
    done = run(*SOLVE, "--json", "/dev/stdout", cwd=tmp_path)
    assert json.loads(done.stdout)["optimum"] == "39/100"
    assert "optimum = 39/100" in done.stderr
    done = run(*SOLVE, cwd=tmp_path, shell="--json >(cat >&2)")  # bash names a pipe /dev/fd/63
    assert '"optimum": "39/100"' in done.stderr


@pytest.mark.slow
def test_verify_reads_stdin(tmp_path: Path) -> None:
    run(*SOLVE, "--certificate", "c.json", cwd=tmp_path)
    assert run("check-certificate", "-", cwd=tmp_path, shell="< c.json").stdout.startswith("proved: ")
    done = run("check-certificate", "-", cwd=tmp_path, shell="<&-")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    (tmp_path / "c.json").write_text((tmp_path / "c.json").read_text().replace('"39/100"', '"40/100"'))
    done = run("check-certificate", "-", cwd=tmp_path, shell="< c.json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


@pytest.mark.parametrize("command", [("schema", "solve"), ("check-certificate", "none"), ("--version",)])
def test_no_stream_of_ours_is_left_open(tmp_path: Path, command: str) -> None:
    """Python warns of it where warnings are shown, and then bad input takes more than one line."""
    done = run(*command, cwd=tmp_path, python=("-W", "default"))
    assert "ResourceWarning" not in done.stderr
    assert len(done.stderr.splitlines()) == (done.returncode == 2)
