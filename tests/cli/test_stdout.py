"""Stdout is ours: what libraries print, from Python or from C, in this process or a worker, does not reach it."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from spechub_lp import optimum
from spechub_lp._util import io, resources, stdout
from spechub_lp.errors import SpecHubError

P, Q = "0,1/5,4/5", "3/5,3/10,1/10"
SOLVE = ("solve", "--p", P, "--q", Q)

NOISE = '''
import ctypes, os, sys

def noise():
    """What libraries do: print from Python, from C through its buffer, and past that."""
    print("NOISE from python")
    ctypes.CDLL(None).puts(b"NOISE from C")
    os.write(1, b"NOISE on the descriptor\\n")
'''

NOISY = (
    NOISE
    + """
from spechub_lp import certificate
from spechub_lp.capture import store

def noisy(function):
    def call(*args, **kwargs):
        noise()
        return function(*args, **kwargs)
    return call

certificate.check_any = noisy(certificate.check_any)
store.load = noisy(store.load)

if __name__ == "__main__":
    from spechub_lp.cli import main
    import atexit
    atexit.register(noise)
    main()
"""
)

ENGINE = (
    NOISE
    + """
def outside(p, q, drafts):
    noise()
    return len(p), -1
"""
)


@pytest.fixture
def noisy(tmp_path: Path) -> Callable[..., str]:
    """A command line whose libraries print while it works, in its workers too."""
    (tmp_path / "noisy.py").write_text(NOISY)
    (tmp_path / "noisy_engine.py").write_text(ENGINE)
    (tmp_path / "c.json").write_text(json.dumps(optimum(P, Q).certificate()))

    def run(*args: object, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "noisy.py", *map(str, args)], capture_output=True, text=True, timeout=300, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        for kind in ("from python", "from C", "on the descriptor"):
            assert f"NOISE {kind}\n" in done.stderr
        assert "NOISE" not in done.stdout
        return done.stdout

    return run


def test_documents_on_stdout_parse_and_tables_stand_alone(noisy: Callable[..., str]) -> None:
    assert json.loads(noisy("check-certificate", "c.json", "--json", "-"))["proved"] is True
    assert noisy("check-certificate", "c.json").startswith("proved: ")
    assert json.loads(noisy(*SOLVE, "--certificate", "-"))["format"].startswith("spechub-lp certificate")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_documents_of_commands_with_workers_parse(noisy: Callable[..., str], jobs: int) -> None:
    audit = ("audit", "--sampler", "naive", "--instances", 4, "--positions", 0, "--rows", 0, "--jobs", jobs)
    assert json.loads(noisy(*audit, "--json", "-"))["command"] == "audit"
    if jobs == 1:  # a page is written where a document is
        page = noisy(*audit, "--html", "-")
        assert page.startswith("<!")
        assert page.rstrip().endswith("</html>")
    rows = resources.path("captured/smollm2.safetensors")
    evaluate = ("evaluate", rows, "--samplers", "naive", "--temperatures", 1, "--positions", 17, "--draws", 2)
    document = json.loads(noisy(*evaluate, "--exact-every", 0, "--jobs", jobs, "--json", "-"))
    assert document["positions"] == 17


@pytest.mark.slow
def test_documents_of_the_gate_parse_whatever_the_engine_prints(noisy: Callable[..., str]) -> None:
    gate = ("gate", "noisy_engine:outside", "--k", 1, "--level", 0)
    assert json.loads(noisy(*gate, "--json", "-", code=1))["status"] == "biased"
    assert ET.fromstring(noisy(*gate, "--junit", "-", code=1)).get("errors") == "0"
    assert noisy(*gate, "--markdown", "-", code=1).startswith("### FAIL (illegal token)")
    assert json.loads(noisy(*gate, "--case", "-", code=1))["case"]
    assert noisy(*gate, "--html", "-", code=1).rstrip().endswith("</html>")


def command(*args: object, shell: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """A command, with redirections that a shell makes."""
    words = [sys.executable, "-m", "spechub_lp", *map(str, args)]
    return subprocess.run(
        ["bash", "-c", f'"$@" {shell}', "bash", *words], capture_output=True, text=True, timeout=120,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shell", "message"),
    [
        ("> /dev/full", "error: cannot write to stdout: No space left on device\n"),
        (">&-", "error: stdout is closed; send it to a file, or to /dev/null\n"),
        ("1< /dev/null", "error: cannot write to stdout: Bad file descriptor\n"),
    ],
)
@pytest.mark.parametrize("args", [("--version",), ("solve", "--help"), SOLVE, ("schema", "audit")])
def test_a_stdout_that_takes_nothing_is_one_line(args: list[str], shell: str, message: str) -> None:
    if "/dev/full" in shell and not Path("/dev/full").is_char_device():
        pytest.skip("no /dev/full")  # and the shell must not make a file of that name
    done = command(*args, shell=shell)
    assert (done.returncode, done.stderr) == (2, message)


def test_closed_stderr_and_stdin_cost_nothing() -> None:
    done = command(*SOLVE, "--json", "-", shell="2>&- <&-")
    assert done.returncode == 0
    assert json.loads(done.stdout)["optimum"] == "39/100"
    assert command("solve", "--p", "2", "--q", "1", shell="2>&-").returncode == 2


def test_an_ascii_terminal_gets_a_mark_for_what_it_lacks() -> None:
    for environment in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        done = command("sample", "--sampler", "π:λ", *SOLVE[1:], **environment)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
    code = (
        "from spechub_lp._util import stdout; stdout.take(); print('alpha = \\u03b1'); stdout.write('\\u03b1'.encode())"
    )
    written = subprocess.run([sys.executable, "-c", code], capture_output=True, env={**os.environ, **environment})
    assert written.stdout == b"alpha = ?\n" + "α".encode()


def test_library_use_prints_no_banner() -> None:
    code = """
import ctypes
import spechub_lp
ctypes.CDLL(None).puts(b"before")
assert spechub_lp.optimum("0,1/5,4/5", "3/5,3/10,1/10").alpha
from spechub_lp.optimum.compare import solve_every_way
solve_every_way("1/2,1/2", "1/3,2/3", 2, "iid", True, False)
print("after")
ctypes.CDLL(None).puts(b"C still prints")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()) == ["C still prints", "after", "before"]


def test_a_banner_is_dropped_and_stdout_is_what_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    libc = ctypes.CDLL(None)
    libc.puts(b"before")
    stdout.without_banner(lambda: libc.puts(b"banner"))
    libc.puts(b"after")
    libc.fflush(None)
    assert capfd.readouterr().out == "before\nafter\n"


def test_outside_a_command_documents_go_to_sys_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    io.write_text("-", "α\n")
    with stdout.apart():
        print("noise")
        io.write_text("/dev/stdout", "β\n")
        with stdout.apart():
            stdout.ours().write("γ\n")
    seen = capsys.readouterr()
    assert seen.out == "α\nβ\nγ\n"
    assert seen.err == "noise\n"
    assert stdout.ours() is sys.stdout


WRONG = """
import sys
from spechub_lp import certificate, cli
def check(source):
    {what}
certificate.check_any = check
cli.main()
"""


@pytest.mark.parametrize(
    ("what", "code", "message"),
    [
        (
            "raise RuntimeError('x\\ny')",
            70,
            "internal error: RuntimeError: x y; please report it with this command line ",
        ),
        ("sys.exit(1)", 70, "internal error: RuntimeError: a library ended the process with code 1; please report"),
        ("sys.exit(0)", 70, "internal error: RuntimeError: a library ended the process with code 0; please report"),
        ("1 / 0", 70, "internal error: ZeroDivisionError: division by zero; please report"),
        ("assert False", 70, "internal error: AssertionError: ; please report"),
        ("raise PermissionError(13, 'Permission denied', 'rows')", 2, "error: rows: Permission denied"),
        (
            "raise MemoryError('Unable to allocate 74.5 GiB')",
            2,
            "error: not enough memory; Unable to allocate 74.5 GiB",
        ),
        ("raise __import__('spechub_lp.errors').errors.Refuted('false')", 1, "error: false"),
    ],
)
def test_1_means_refuted_and_nothing_else(tmp_path: Path, what: str, code: int, message: str) -> None:
    (tmp_path / "wrong.py").write_text(WRONG.format(what=what))
    words = [sys.executable, "wrong.py", "check-certificate", "c.json"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert done.stderr.startswith(message)
    if code == 70:
        environment = {**os.environ, "SPECHUB_TRACEBACK": "1"}
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 70
        assert "Traceback (most recent call last)" in done.stderr


def test_a_folder_that_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "manifest.json").write_text("{}")
    closed.chmod(0)

    def without_privilege() -> None:
        """Root reads everything: drop CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH before python starts."""
        libc = ctypes.CDLL(None)
        for capability in (1, 2):
            libc.prctl(24, capability, 0, 0, 0)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(args, capture_output=True, text=True, preexec_fn=without_privilege, cwd=tmp_path)

    try:
        if run("ls", "closed").returncode == 0:
            pytest.skip("this user reads every folder")
        for args in (
            ["evaluate", "closed"],
            ["check-certificate", "closed/c.json"],
            ["evaluate", "closed/rows.safetensors"],
        ):
            done = run(sys.executable, "-m", "spechub_lp", *args)
            assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
            assert "Permission denied" in done.stderr or "is not readable" in done.stderr
        for option in ("--json", "--certificate"):
            done = run(sys.executable, "-m", "spechub_lp", *SOLVE, option, "closed/x.json")
            assert (done.returncode, done.stdout) == (2, ""), done.stderr
            assert done.stderr.startswith("error: cannot write closed/x.json: ")
    finally:
        closed.chmod(0o700)


def test_what_would_be_counted_twice_is_rejected() -> None:
    from spechub_lp.evaluate.evaluate import Plan

    for plan in (Plan(temperatures=(1.0, 2.0, 1.0)), Plan(ks=(2, 2)), Plan(samplers=("rrs", "rrs"))):
        with pytest.raises(SpecHubError, match="is there twice"):
            plan.check()
    done = command("evaluate", "rows", "--temperatures", "1,1.0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "temperature 1.0 is there twice" in done.stderr


def test_a_device_that_holds_no_numbers_is_one_line() -> None:
    rows = resources.path("captured/smollm2.safetensors")
    done = command("evaluate", rows, "--device", "meta", "--positions", 1, "--jobs", 1)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("error: device 'meta' cannot be used: ")


def test_every_command_keeps_stdout_to_itself() -> None:
    import typer

    from spechub_lp.cli.app import app
    from spechub_lp.cli.terminal import Command

    group: Any = typer.main.get_command(app)
    assert {type(each) for each in group.commands.values()} == {Command}
