"""Signals: whatever ends a command ends its workers, closes its pipes and takes its unfinished files away."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from places import ROOT

from spechub_lp._util import resources

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked at in /proc")

BUSY = """
import os, time
from pathlib import Path
import typer
from spechub_lp._util import io, parallel
from spechub_lp.cli.terminal import Command, run

app = typer.Typer(pretty_exceptions_enable=False)

def announce():
    Path(f"pid-{os.getpid()}").touch()

def busy(number):
    announce()
    time.sleep(600)

@app.command(cls=Command)
def spread():
    list(parallel.spread(2, busy, range(8)))

@app.command(cls=Command)
def write():
    def stuck(*_):
        announce()
        time.sleep(600)
    os.replace = stuck
    io.write_text("out.json", "new")

@app.command(cls=Command)
def stubborn():
    parallel.GRACE = 0.5
    def stuck(*_):
        announce()
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass
    os.replace = stuck
    io.write_text("out.json", "new")

if __name__ == "__main__":
    run(app)
"""

DEAF = """
import os, signal, time
from pathlib import Path

def verify(p, q, drafts):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    Path(f"pid-{os.getpid()}").touch()
    while True:
        time.sleep(1)
"""

WORDS = {signal.SIGINT: "interrupted\n", signal.SIGTERM: "ended by SIGTERM\n", signal.SIGHUP: "ended by SIGHUP\n"}
SEVERAL = pytest.mark.parametrize("number", WORDS, ids=lambda number: number.name)


class Running:
    """A command in a session of its own that has `workers` processes at work."""

    def __init__(self, folder: Path, *words: object, workers: int, before: Callable[[], None] | None = None) -> None:
        (folder / "busy.py").write_text(BUSY)
        (folder / "deaf.py").write_text(DEAF)
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, *map(str, words)], cwd=folder, text=True, start_new_session=True, preexec_fn=before,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        wait_until(lambda: len(self.pids()) >= workers or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.communicate()

    def pids(self) -> list[int]:
        return [int(path.name.removeprefix("pid-")) for path in self.folder.glob("pid-*")]

    def ended(self) -> tuple[int, str, str]:
        """(exit code, stdout, stderr); the pipes are at their end, so that no process has them any more."""
        out, err = self.process.communicate(timeout=60)
        wait_until(lambda: not any(map(runs, self.pids())))
        wait_until(lambda: not in_session(self.process.pid))
        return self.process.returncode, out, err


def wait_until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def status(pid: int | str) -> tuple[str, int] | None:
    """(state, session) of a process, or None when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[3])


def runs(pid: int | str) -> bool:
    return (status(pid) or "Z")[0] != "Z"


def in_session(session: int) -> list[str]:
    """Processes of a session that still run."""
    found = {pid: status(pid) for pid in os.listdir("/proc") if pid.isdigit()}
    return [pid for pid, of in found.items() if of and of[0] != "Z" and of[1] == session]


@SEVERAL
def test_a_signal_ends_the_workers_and_is_the_exit_code(tmp_path: Path, number: signal.Signals) -> None:
    running = Running(tmp_path, "busy.py", "spread", workers=2)
    running.process.send_signal(number)
    assert running.ended() == (128 + number, "", WORDS[number])


@pytest.mark.slow
@SEVERAL
def test_a_signal_to_the_whole_group_and_again_is_no_different(tmp_path: Path, number: signal.Signals) -> None:
    running = Running(tmp_path, "busy.py", "spread", workers=2)
    running.process.send_signal(number)  # as `timeout` does: to the command, then to its group
    os.killpg(running.process.pid, number)
    assert running.ended() == (128 + number, "", WORDS[number])


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    running = Running(tmp_path, "busy.py", "spread", workers=2)
    running.process.kill()
    assert running.ended()[0] == -signal.SIGKILL


@SEVERAL
def test_a_file_that_is_being_written_is_taken_away(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "out.json").write_text("old")
    running = Running(tmp_path, "busy.py", "write", workers=1)
    assert len(list(tmp_path.glob(".*.part"))) == 1
    running.process.send_signal(number)
    assert running.ended() == (128 + number, "", WORDS[number])
    assert list(tmp_path.glob(".*.part")) == []
    assert (tmp_path / "out.json").read_text() == "old"


def test_what_catches_every_exception_is_ended_all_the_same(tmp_path: Path) -> None:
    running = Running(tmp_path, "busy.py", "stubborn", workers=1)
    running.process.terminate()
    assert running.ended()[0] == 143
    assert list(tmp_path.glob(".*.part")) == []


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    def nohup() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    running = Running(tmp_path, "busy.py", "write", workers=1, before=nohup)
    running.process.send_signal(signal.SIGHUP)
    running.process.terminate()
    assert running.ended() == (143, "", "ended by SIGTERM\n")


@pytest.mark.slow
@SEVERAL
def test_the_gates_child_ends_though_the_engine_is_deaf(tmp_path: Path, number: signal.Signals) -> None:
    gate = ("-m", "spechub_lp", "gate", "deaf:verify", "--k", 1, "--time-limit", 600, "--budget", 600)
    running = Running(tmp_path, *gate, workers=1)
    running.process.send_signal(number)
    assert running.ended() == (128 + number, "", WORDS[number])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a forked child hears of its parent's end on Linux only")
def test_the_gates_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    gate = ("-m", "spechub_lp", "gate", "deaf:verify", "--k", 1, "--time-limit", 600, "--budget", 600)
    running = Running(tmp_path, *gate, workers=1)
    running.process.kill()
    assert running.ended()[0] == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
@pytest.mark.parametrize("command", ["audit", "evaluate", "validation"])
def test_commands_with_workers_leave_none_behind(tmp_path: Path, command: str, number: signal.Signals) -> None:
    words = {
        "audit": ("-m", "spechub_lp", "audit", "--jobs", 2, "--instances", 800),
        "evaluate": ("-m", "spechub_lp", "evaluate", resources.path("captured/smollm2.safetensors"), "--jobs", 2),
        "validation": (ROOT / "validation" / "run.py", "evaluate", "--jobs", 2),
    }[command]
    running = Running(tmp_path, *words, workers=0)
    wait_until(lambda: len(in_session(running.process.pid)) >= 4)  # itself, its resource tracker, two workers
    running.process.send_signal(number)
    code, out, err = running.ended()
    if number == signal.SIGKILL:  # workers that were just starting may say that nobody tells them what to do
        assert code == -number
    else:
        assert (code, out) == (128 + number, "")
        assert err == ("" if command == "validation" else WORDS[number])


LEAVES_A_PROCESS = """
import os, time

def verify(p, q, drafts):
    if not os.path.exists("left"):
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
        open("left", "w").write(str(child))
    ENDS
"""


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["raise ValueError('enough')", "os._exit(0)"])
def test_a_process_that_an_engine_leaves_behind_holds_neither_stdout_nor_the_gate(tmp_path: Path, ends: str) -> None:
    (tmp_path / "leaves.py").write_text(LEAVES_A_PROCESS.replace("ENDS", ends))
    words = [sys.executable, "-m", "spechub_lp", "gate", "leaves:verify", "--k", "1", "--json", "-"]
    try:
        with (tmp_path / "err").open("w") as err:
            done = subprocess.run(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=err, timeout=120)
        assert done.returncode == 1
        assert json.loads(done.stdout)["status"] == "biased"
        assert runs(int((tmp_path / "left").read_text()))
    finally:
        os.kill(int((tmp_path / "left").read_text()), signal.SIGKILL)
