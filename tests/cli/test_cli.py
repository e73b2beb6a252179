"""The command line as a user meets it: output, files, exit codes."""

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest
from forked import run_each
from known import known
from rich.console import Console
from typer.testing import CliRunner

from spechub_lp import samplers
from spechub_lp._util.sheet import Sheet
from spechub_lp.cli import names
from spechub_lp.cli.app import app
from spechub_lp.report import schemas
from spechub_lp.report.text.tables import LINE, PAIR

P, Q = "0,1/5,4/5", "3/5,3/10,1/10"


COMMAND = [sys.executable, "-m", "spechub_lp"]
LINES_AND_BLOCKS = re.compile("[\u2500-\u259f]")
ESCAPE = "\x1b"


def run(*args: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        capture_output=True, text=True, timeout=300, cwd=cwd, env={**os.environ, **environment},
    )  # fmt: skip


WITHOUT_SIZE = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


class OnTerminal:
    """A command with stdin and stderr, and stdout if asked, on a terminal of its own."""

    def __init__(self, *args: object, columns: int = 80, stdout: bool = True, **environment: str) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.screen = master
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, args)], stdin=slave, stdout=slave if stdout else subprocess.PIPE, stderr=slave,
            env={**WITHOUT_SIZE, "TERM": "xterm", "COLORTERM": "", **environment}, process_group=0,
        )  # fmt: skip
        os.close(slave)
        self.shown = ""

    def until(self, word: str | None) -> str:
        """Read the screen until it shows a word, or to its end; returns what was shown so far."""
        while word is None or word not in self.shown:
            try:
                part = os.read(self.screen, 65536)
            except OSError:  # nobody has the terminal open any more
                break
            if not part:
                break
            self.shown += part.decode()
        return self.shown

    def finish(self) -> tuple[int, str]:
        """(exit code, what the terminal showed)"""
        shown = self.until(None)
        code = self.process.wait(timeout=60)
        os.close(self.screen)
        return code, shown


def test_solve_certify_verify(tmp_path: Path) -> None:
    file, figures = tmp_path / "c.json", tmp_path / "f.json"
    done = run(
        "solve", "--p", P, "--q", Q, "--k", 2, "--drafts", "iid", "--full", "--certificate", file, "--json", figures
    )
    assert done.returncode == 0, done.stderr
    assert "optimum = 39/100 = 0.39, proved by a coupling and by H = {0, 1}" in done.stdout
    document = json.loads(figures.read_text())
    assert document["optimum"] == "39/100"
    assert document["agree"] is True
    assert len(document["methods"]) == 9
    assert {m["value"] for m in document["methods"] if isinstance(m["value"], str)} == {"39/100"}
    done = run("check-certificate", file, "--json", "-")
    assert done.returncode == 0
    assert json.loads(done.stdout)["optimum"] == "39/100"
    assert "proved: no rule accepts more than 39/100" in done.stderr
    file.write_text(file.read_text().replace('"39/100"', '"40/100"'))
    done = run("check-certificate", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: certificate rejected: the coupling accepts 39/100; the claim is alpha = 2/5\n"


def solved(*words: str) -> str:
    """What `solve` shows, in this process."""
    done = CliRunner().invoke(app, ["solve", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_solve_other_drafts() -> None:
    for policy, alpha in [("without_replacement", "69/140"), ("hub", "9/20"), ("top_k", "1/5"), ("greedy", "9/20")]:
        assert f"optimum = {alpha} = " in solved("--p", P, "--q", Q, "--drafts", policy)
    assert "2 product drafts" in solved("--p", "1/2,1/2", "--q", "1/3,2/3;1,0", "--drafts", "product")


def test_sample(tmp_path: Path) -> None:
    figures = tmp_path / "s.json"
    done = run("sample", "--sampler", "spechub", "--p", P, "--q", Q, "-n", 20000, "--json", figures)
    assert done.returncode == 0, done.stdout
    assert "lossless, exactly" in done.stdout
    document = json.loads(figures.read_text())
    assert document["output_distribution"] == ["0", "1/5", "4/5"]
    assert sum(document["counts"]) == 20000
    done = run("sample", "--sampler", "rrs", "--drafts", "top_k", "--p", "1/2,1/2", "--q", "1/3,2/3", "-n", 1000)
    assert done.returncode == 1
    assert "BIASED: distance 1/4 = 0.25 from the target" in done.stdout


def test_audit_small(tmp_path: Path) -> None:
    figures = tmp_path / "a.json"
    done = run("audit", "--instances", 16, "--positions", 2, "--rows", 0, "--jobs", 1, "--json", figures)
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert f"PASS each of {', '.join(sampler.name for sampler in samplers.ALL)} keeps the target distribution" in said
    assert f"Not audited here: {', '.join(sampler.name for sampler in samplers.VARIANTS)}; --sampler" in said
    document = json.loads(figures.read_text())
    assert document["failures"] == []
    record = document["records"][0]
    assert set(record) >= {"sampler", "acceptance", "optimum", "distance"}
    assert isinstance(record["acceptance"], str)


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    said = [
        (["solve", "--p", "1/2,1/4", "--q", "1/2,1/2"], "error: p sums to 3/4, not 1"),
        (["solve", "--p", "1", "--q", "1", "--drafts", "idd"], "Did you mean 'iid'?"),
        (["sample", "--sampler", "rss", "--p", "1", "--q", "1"], "error: unknown sampler 'rss'. Did you mean 'rrs'?"),
        (["sample", "--sampler", "spechub", "--k", "3", "--p", "1", "--q", "1"], "spechub verifies two drafts"),
        (["check-certificate", "no-such-file.json"], "error: cannot read no-such-file.json"),
        (["solve", "--p", "1", "--q", "1", "--json", "no/such/folder/x.json"], "error: cannot write"),
        (["audit", "--captured", "no.safetensors"], "no.safetensors"),
    ]
    for (_, done), (_, message) in zip(run_each((args for args, _ in said), tmp_path), said, strict=True):
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_usage_errors_are_exit_code_2() -> None:
    for args, done in run_each([["solve"], ["nonsense"], ["solve", "--p", "1", "--q", "1", "--k", "0"]]):
        assert done.returncode == 2, args


def test_help_has_an_example() -> None:
    for args, done in run_each([command, "--help"] for command in ("schema", *schemas.DOCUMENTS)):
        assert done.returncode == 0, args
        assert "Example: spechub-lp" in done.stdout, args


def test_the_list_of_commands_cuts_no_sentence_short() -> None:
    listed = run("--help").stdout.partition("Commands:")[2]
    assert len(re.findall(r"^  [a-z]", listed, re.M)) > 10
    assert "..." not in listed


def test_bad_values_are_named_in_one_line() -> None:
    said = [
        (["slove"], "error: no such command 'slove'. Did you mean 'solve'? (see "),
        (["solve"], "error: missing option '--p' (see "),
        (["solve", "--p", "1", "--q", "1", "--k", "0"], "error: invalid value '0' for '--k': "),
        (["solve", "--p", "1", "--q", "1", "--k", "two"], "error: invalid value 'two' for '--k': "),
        (
            ["solve", "--p", "1", "--q", "1", "--ful"],
            "error: no such option: --ful (Possible options: --full, --lp) ",
        ),
        (["solve", "--p", "2,3", "--q", "1,0"], "error: p sums to 5, not 1; pass normalize=True (--normalize) to "),
        (["solve", "--p", "2,3", "--q", "1,0"], "Did you pass logits, or counts?"),
        (["sample", "--sampler", "rrs", "--p", "1", "--q", "1", "--seed", "-1"], "error: invalid value '-1' for '--s"),
        (["audit", "--instances", "0", "--positions", "0", "--rows", "0"], "leave nothing to audit"),
        (["evaluate", "rows", "--temperatures", "1,inf"], "error: temperatures = '1,inf'; write numbers"),
        (["gate", "x:y", "--budget", "soon"], "error: --budget 'soon' is neither seconds"),
        (["gate", "x:y", "--level", "one"], "error: invalid value 'one' for '--level'"),
        (["schema", "slove"], "Did you mean 'solve'?"),
    ]
    for (_, done), (_, message) in zip(run_each(args for args, _ in said), said, strict=True):
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert message in done.stderr


def test_folders_and_broken_files_in_the_place_of_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "other.json").write_text('{"a": 1}')
    (tmp_path / "rows.safetensors").write_text("")
    (tmp_path / "rows.json").write_text("")
    one = ("--p", "1", "--q", "1")
    said = [
        (["check-certificate", "folder"], "error: cannot read folder: Is a directory"),
        (["check-certificate", "empty.json"], "error: empty.json is not JSON: "),
        (
            ["check-certificate", "other.json"],
            "fields ['a'] are not the format's; `spechub-lp solve --certificate FILE` writes",
        ),
        (["solve", *one, "--json", "folder"], "error: cannot write folder: it is a folder; name a file"),
        (["solve", *one, "--certificate", "no/x.json"], "error: cannot write no/x.json: no is not a folder that"),
        (["evaluate", "rows.safetensors"], "(char 0); it is not the manifest of stored rows"),
        (["evaluate", "folder"], "folder has no manifest.json; give the --out folder of `spechub-lp capture`"),
        (["gate", "x:y", "--baseline", "folder"], "error: cannot read folder: Is a directory"),
        (["gate", "x:y", "--json", "folder"], "error: cannot write folder: it is a folder; name a file"),
    ]
    for (_, done), (_, message) in zip(run_each((args for args, _ in said), tmp_path), said, strict=True):
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert message in done.stderr


def test_no_command_is_a_usage_error_that_shows_the_help() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    for command in ("schema", *schemas.DOCUMENTS):
        assert f"\n  {command} " in done.stderr


SOLVE = ("solve", "--p", P, "--q", Q)


def test_a_pipe_gets_plain_text() -> None:
    environments: tuple[dict[str, str], ...] = ({}, {"TERM": "xterm-256color"}, {"NO_COLOR": "1"})
    for environment in environments:
        done = run(*SOLVE, cwd=None, **environment)
        assert done.stderr == ""
        assert ESCAPE not in done.stdout
        assert not LINES_AND_BLOCKS.search(done.stdout)
        assert any(line.startswith("compact, HiGHS, then exact ") for line in done.stdout.splitlines())
    done = run("sample", "--sampler", "spechub", "--p", P, "--q", Q, "-n", 300_000)
    assert done.stderr == ""


def test_colours_can_be_forced_and_rejected() -> None:
    assert ESCAPE in run(*SOLVE, FORCE_COLOR="1").stdout
    assert not LINES_AND_BLOCKS.search(run(*SOLVE, FORCE_COLOR="1").stdout)
    code, shown = OnTerminal(*SOLVE).finish()
    assert code == 0
    assert f"{ESCAPE}[1m" in shown
    assert LINES_AND_BLOCKS.search(shown)
    code, shown = OnTerminal(*SOLVE, TERM="dumb").finish()
    assert ESCAPE not in shown
    passing = ("audit", "--sampler", "naive", "--instances", 0, "--positions", 1, "--rows", 0, "--jobs", 1)
    assert f"{ESCAPE}[32mPASS" in OnTerminal(*passing).finish()[1]
    assert f"{ESCAPE}[32mPASS" not in OnTerminal(*passing, NO_COLOR="1").finish()[1]


def test_progress_is_on_the_stderr_of_a_terminal_only() -> None:
    command = ("sample", "--sampler", "spechub", "--p", P, "--q", Q, "-n", 1_500_000, "--json", "-")
    terminal = OnTerminal(*command, stdout=False)
    code, shown = terminal.finish()
    with known(terminal.process.stdout) as out:
        assert json.loads(out.read())["draws"] == 1_500_000
    assert code == 0
    assert re.search(r"draws .*/1500000.*\d:\d\d:\d\d", shown, re.S)
    shown = OnTerminal(*command[:-2], TERM="dumb").finish()[1]
    assert "/1500000" not in shown


def lines_of(shown: str) -> list[str]:
    """What was written on a terminal, lines that were written over among them."""
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;]*[mK]", "", shown))


def test_nothing_is_wider_than_the_terminal() -> None:
    for columns in (60, 80):
        code, shown = OnTerminal(*SOLVE, "--full", columns=columns, NO_COLOR="1").finish()
        assert code == 0
        lines = lines_of(shown)
        assert max(map(len, lines)) <= columns
        assert sum(line.startswith("compact, HiGHS ") for line in lines) >= 1


def test_columns_0_is_no_width() -> None:
    code, shown = OnTerminal(*SOLVE, COLUMNS="0", NO_COLOR="1").finish()
    assert code == 0
    assert "optimum = 39/100" in shown
    assert max(map(len, lines_of(shown))) <= 80


def table(width: int, *args: Any) -> list[str]:
    console = Console(file=io.StringIO(), width=width, record=True, markup=False)
    console.print(Sheet(*args))
    return console.export_text().splitlines()


def test_wide_tables_fold_and_split_and_lose_nothing() -> None:
    line = ["greedy_hubs", "without_replacement", 3, "634/634", 0.71234, 0.81234, 0.00012]
    shown = table(80, "Audit", LINE, [line, ["rrs", "iid", 2, "1/1", 0.5, 0.5, 0.0]])
    assert max(map(len, shown)) <= 80
    assert any(row.split() == ["greedy_hubs", "without_replacement", "3", "634/634", "0.7123", "0.8123", "0.0001"]
               for row in shown)  # fmt: skip
    wide = [
        ["kseq", "without_replacement", 2, "10/20", 0.14, 0.78, 0.80, 0],
        ["kseq", "top_k", 2, "1/2", 1.0, 0.7, 0.6, 7],
    ]
    shown = table(60, "Pairs", PAIR, wide)
    assert max(map(len, shown)) <= 60
    text = "\n".join(shown)
    for word in " ".join(PAIR).split():
        assert word in text
    for cell in ("10/20", "0.1400", "0.7800", "0.8000", "1/2", "0.7000", "0.6000"):
        assert cell in text
    assert text.count("without_replacement") == 2  # the columns that tell rows apart stand in both parts
    prose = table(
        50, "T", ["", "statement", "tried"], [["T1", "a long statement of many words that has to fold " * 2, 7]]
    )
    assert max(map(len, prose)) <= 50
    assert " ".join(" ".join(prose).split()).count("statement of many") == 2
    assert len(table(100_000, "Audit", LINE, [line])[2].rstrip()) < 100
    repeated = [["batch of unlike prompts", "inconclusive", "0.011 (at most 0.096)", str(n)] for n in range(2)]
    shown = table(50, "Settings", ["setting", "verdict", "distance", "calls"], repeated)
    assert max(map(len, shown)) <= 50
    assert "…" not in "".join(shown)


@pytest.mark.parametrize("command", [["sample", "--sampler", "spechub", "--p", P, "--q", Q, "-n", "900000000"]])
def test_ctrl_c_is_one_line_and_130(command: list[str]) -> None:
    terminal = OnTerminal(*command)
    terminal.until("draws")
    os.killpg(terminal.process.pid, 2)
    code, shown = terminal.finish()
    assert code == 130
    assert shown.count("interrupted") == 1
    assert "Traceback" not in shown


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_too() -> None:
    terminal = OnTerminal("audit", "--jobs", 2)
    terminal.until("exact distributions")
    children = Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children")
    stop = time.monotonic() + 60
    while len(children.read_text().split()) < 2:
        assert time.monotonic() < stop
        time.sleep(0.1)
    os.killpg(terminal.process.pid, 2)
    code, shown = terminal.finish()
    assert code == 130
    assert shown.count("interrupted") == 1
    assert "Traceback" not in shown
    assert "KeyboardInterrupt" not in shown


def test_a_reader_that_leaves_costs_no_file(tmp_path: Path) -> None:
    file, proof = tmp_path / "f.json", tmp_path / "c.json"
    process = subprocess.Popen([*COMMAND, *SOLVE, "--json", file, "--certificate", proof], stdout=subprocess.PIPE)
    known(process.stdout).close()
    assert process.wait(timeout=60) == 141
    assert json.loads(file.read_text())["optimum"] == "39/100"
    assert proof.exists()


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    for args in (SOLVE, (*SOLVE, "--json", "-"), ("schema", "audit")):
        process = subprocess.Popen([*COMMAND, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        known(process.stdout).close()
        stderr = known(process.stderr)
        lines = [line for line in stderr.read().splitlines() if "--json" not in args]
        stderr.close()
        assert process.wait(timeout=60) == 141
        assert lines == []


def completed(*words: str, cwd: Path | None = None) -> list[str]:
    """What bash offers for the last word, by the function that --show-completion gives it."""
    script = f"""
        spechub-lp() {{ {sys.executable} -m spechub_lp "$@"; }}
        source <(_SPECHUB_LP_COMPLETE=source_bash {sys.executable} -c 'import sys; sys.argv = ["spechub-lp"]
from spechub_lp.cli import main; main()')
        complete -p spechub-lp
        COMP_WORDS=(spechub-lp "$@"); COMP_CWORD=$#
        _spechub_lp_completion {Path(sys.executable).parent}/spechub-lp
        printf '%s\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words], capture_output=True, text=True, timeout=60, cwd=cwd
    )
    rule, *offered = done.stdout.splitlines()
    assert "-o default" in rule, done.stderr  # where nothing is offered bash completes file names
    return [word for word in offered if word]


def test_completion_in_bash() -> None:
    assert completed("sam") == ["sample"]
    assert completed("sample", "--sampler", "bor")[:2] == ["border", "border_wor"]
    assert set(completed("sample", "--sampler", "")) == {*names.SAMPLERS, *names.VARIANTS}
    assert completed("solve", "--drafts", "w") == ["without_replacement"]
    assert completed("gate", "x:y", "--drafts", "t") == ["top_k"]
    assert completed("gate", "vllm") == ["vllm_v1", "vllm_v2"]
    assert completed("evaluate", "rows", "--samplers", "rrs,rrs") == ["rrs,rrsw"]
    assert completed("evaluate", "rows", "--samplers", "rrs,two") == []  # evaluate does not take it
    assert completed("schema", "s") == ["solve", "sample"]
    assert completed("capture", "--dtype", "b") == ["bfloat16"]
    assert completed("solve", "--json", "c") == []
    assert completed("check-certificate", "c") == []


def test_completion_can_be_switched_on(tmp_path: Path) -> None:
    for shell, words in (
        ("bash", "complete -o default -F"),
        ("zsh", "#compdef spechub-lp"),
        ("fish", "complete --command"),
    ):
        environment = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
        done = subprocess.run(
            [Path(sys.executable).parent / "spechub-lp", "--show-completion", shell],
            capture_output=True, text=True, timeout=60, env={**os.environ, **environment},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
        installed = subprocess.run(
            [Path(sys.executable).parent / "spechub-lp", "--install-completion", shell],
            capture_output=True, text=True, timeout=60, env={**os.environ, **environment},
        )  # fmt: skip
        assert installed.returncode == 0, installed.stderr
        assert any(words in path.read_text() for path in tmp_path.rglob("*spechub-lp*")), installed.stdout


def test_version() -> None:
    import spechub_lp

    assert run("--version").stdout == f"spechub-lp {spechub_lp.__version__}\n"


def test_files_are_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spechub_lp._util import io as files
    from spechub_lp.errors import SpecHubError

    file = tmp_path / "x.json"
    file.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SpecHubError, match="No space left"):
        files.write_json(file, {"new": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert file.read_text() == "old"
