"""Every notebook opens with an answer, runs wherever its controls stand, and leads to its theory and back."""

import ast
import doctest
import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import marimo as mo
import pytest
from known import known
from places import ROOT
from typer.testing import CliRunner

from notebooks.pictures import reading
from scripts import rendered_notebooks
from spechub_lp.cli import names
from spechub_lp.cli import notebook as command
from spechub_lp.cli.app import app
from spechub_lp.gate import Settings, source

if TYPE_CHECKING:
    from playwright.sync_api import Browser


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
each = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
SERVED = "https://cdn.jsdelivr.net/npm/@marimo-team/frontend@"
"""Where an exported page looks for marimo's scripts."""


# What it says, without running it


@cache
def cells(notebook: Path) -> list[Any]:
    """The functions of a notebook that are cells, in order."""
    top = ast.parse(notebook.read_text(encoding="utf-8")).body
    return [f for f in top if isinstance(f, ast.FunctionDef) and "app.cell" in ast.unparse(f.decorator_list[0])]


def markdown(notebook: Path) -> list[str]:
    """The text of each mo.md(...), in order, without what is computed in between."""
    calls = [node for cell in cells(notebook) for node in ast.walk(cell) if isinstance(node, ast.Call) and node.args]
    said = [call.args[0] for call in sorted(calls, key=lambda c: c.lineno) if ast.unparse(call.func) == "mo.md"]
    pieces = [text.values if isinstance(text, ast.JoinedStr) else [text] for text in said]
    return ["".join(str(p.value) for p in each if isinstance(p, ast.Constant)) for each in pieces]


def links(notebook: Path) -> list[str]:
    return re.findall(r"\]\((?!https?:)([^)#]+)", "\n".join(markdown(notebook)))


@each
def test_it_opens_with_a_question_and_its_answer(notebook: Path) -> None:
    assert re.match(r"\s*# [^\n]*\?\n\n\s*\*\*Answer\.\*\* ", markdown(notebook)[0])


@each
def test_it_leads_to_its_theory_and_the_theory_leads_back(notebook: Path) -> None:
    assert links(notebook)
    for link in links(notebook):
        page = (notebook.parent / link).resolve()
        assert page.exists(), link
        if page.parent.parent == ROOT / "theory":
            assert f"../../notebooks/{notebook.name}" in page.read_text(encoding="utf-8"), f"{link} has no way back"


@each
def test_formulas_are_typeset(notebook: Path) -> None:
    """In the text, not in titles, which are anchors, nor in what is code."""
    text = re.sub(r"^ *#.*$", "", "\n".join(markdown(notebook)), flags=re.M)
    plain = re.sub(r"\$[^$]*\$|`[^`]*`|\]\([^)]*\)", "", text)
    assert not re.findall(
        r"alpha|[<>]=|\b[a-zA-Z]\([a-zA-Z]+\)|\bp ?/ ?[qb]\b|\)\+|(?<![\w'-])[pqbPFQH](?![\w'])", plain
    )


def test_the_table_has_every_notebook_and_nothing_else() -> None:
    text = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert {f"{n.stem}.py" for n in NOTEBOOKS} == set(re.findall(r"\]\((\w+\.py)\)", text))
    assert all(f"marimo run notebooks/{n.name}" in text for n in NOTEBOOKS)
    assert all((ROOT / "notebooks" / link).exists() for link in re.findall(r"\]\((?!https?:)([^)#]+)", text))


def test_the_command_names_every_notebook_and_its_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listed = CliRunner().invoke(app, ["notebook"]).output
    for notebook in NOTEBOOKS:
        question = re.findall(r"# ([^\n]*\?)", markdown(notebook)[0])[0]
        assert re.search(rf"^{notebook.stem} +{re.escape(question)}$", listed, re.M)
    assert set(names.NOTEBOOKS) == {notebook.stem for notebook in NOTEBOOKS}
    assert "Did you mean 'hub'" in str(CliRunner().invoke(app, ["notebook", "hubb"]).exception)


def test_the_command_starts_marimo_on_the_shipped_file_or_on_ones_own_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.chdir(tmp_path)

    def run_one(words: list[str], env: dict[str, str], check: bool) -> SimpleNamespace:
        started.append((words, env))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(command, "subprocess", SimpleNamespace(run=run_one))
    for words in (["hub"], ["hub", "--edit", "--headless", "--port", "2718"]):
        assert CliRunner().invoke(app, ["notebook", *words]).exit_code == 0
    Path("hub.py").write_text("mine")
    CliRunner().invoke(app, ["notebook", "hub", "--edit"])
    assert Path("hub.py").read_text() == "mine"
    (run, env), (edit, _), _ = started
    assert run[2:] == ["marimo", "run", str(ROOT / "notebooks" / "hub.py")]
    assert edit[2:4] + edit[-3:] == ["marimo", "edit", "--headless", "--port", "2718"]
    assert edit[4] == str(tmp_path / "hub.py")
    assert (Path(env["PYTHONPATH"].split(os.pathsep)[0]) / "notebooks" / "pictures").is_dir()
    manager = [sys.executable, "-c", "from marimo._config.manager import get_default_config_manager as m; "
               "print(m(current_path=None).get_config()['runtime']['auto_instantiate'])"]  # fmt: skip
    clean = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    assert subprocess.check_output(manager, env=env | clean, text=True) == "True\n"


def test_a_link_opens_beside_the_notebook_and_the_page_inside_it() -> None:
    said = reading.beside(mo.md("See [T2](../theory/T2_prefix/README.md), [out](https://example.org/a.md).")).text
    first, _, unfolded = said.partition("marimo-accordion")
    assert first.count('target="_blank"') == 2
    assert "../" not in unfolded
    assert unfolded.count("Read T2 here") == 1
    assert "accordion" not in reading.beside(mo.md("[T2](../theory/nowhere/README.md)")).text


@pytest.mark.parametrize("mode", ["run", "edit"])
def test_no_link_of_a_notebook_on_a_server_leads_to_a_file(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It serves none: the link would be dead."""
    monkeypatch.setattr(mo, "app_meta", lambda: SimpleNamespace(mode=mode))
    for notebook in NOTEBOOKS:
        shown = reading.beside(mo.md(markdown(notebook)[-1])).text
        assert not re.search(r'href="(?!https?:|#)', shown), notebook.name
        assert links(notebook)[-1].removeprefix("../") in shown
    assert 'href="https://example.org/a.md"' in reading.beside(mo.md("[out](https://example.org/a.md)")).text


@each
def test_no_notebook_needs_what_an_installed_package_has_not(notebook: Path) -> None:
    """The wheel has the package and the notebooks, not theory, tests and validation."""
    for node in ast.walk(ast.parse(notebook.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert str(node.module).partition(".")[0] not in {"theory", "tests", "validation"}


def test_marimo_finds_nothing_to_mend() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "marimo", "check", "--strict", *NOTEBOOKS], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# What it does


@cache
def loaded(notebook: Path) -> Any:
    """The notebook's app, its outputs and its values, with every control where it stands at the start."""
    spec = importlib.util.spec_from_file_location(f"notebook_{notebook.stem}", notebook)
    module = importlib.util.module_from_spec(known(spec))
    known(known(spec).loader).exec_module(module)
    return module.app, *module.app.run()


def positions(control: Any) -> list[Any]:
    """The same control in other positions: at its ends, or at everything else that can be chosen."""
    match control:
        case mo.ui.slider() if control.steps:
            ends = [v for v in (control.steps[0], control.steps[-1]) if v != control.value]
            return [mo.ui.slider(steps=control.steps, value=v) for v in ends]
        case mo.ui.slider():
            ends = [v for v in (control.start, control.stop) if v != control.value]
            return [mo.ui.slider(control.start, control.stop, control.step, value=v) for v in ends]
        case mo.ui.radio() | mo.ui.dropdown():
            others = [name for name, value in control.options.items() if value != control.value]
            others = others if len(others) < 8 else [others[0], others[-1]]
            return [type(control)(control.options, value=name) for name in others]
        case mo.ui.multiselect():
            return [mo.ui.multiselect(control.options, value=chosen) for chosen in ([], list(control.options))]
        case mo.ui.tabs():
            others = [name for name in control._tab_keys if name != control.value]
            return [mo.ui.tabs(dict.fromkeys(control._tab_keys, ""), value=name) for name in others]
        case mo.ui.checkbox():
            return [mo.ui.checkbox(value=not control.value)]
        case mo.ui.text() | mo.ui.code_editor():
            return [type(control)(value=text) for text in ("1/2, 1/3", "")]
        case mo.ui.array():
            moved = [positions(element) for element in control.elements]
            return [mo.ui.array([at[n % len(at)] for at in moved]) for n in range(max(map(len, moved)))]
        case mo.ui.table():
            return [control]
    raise AssertionError(f"teach this test where else a {type(control).__name__} can stand")


def is_control(value: object) -> bool:
    return type(value).__module__.startswith("marimo._plugins.ui.")


def groups(notebook: Path) -> Iterator[dict[str, Any]]:
    """For each cell that makes controls, all that it makes: name -> value."""
    app, _, values = loaded(notebook)
    for cell in app._cell_manager.cells():
        made = {name: values[name] for name in cell.defs if name in values}
        if any(map(is_control, made.values())):
            yield made


def shown(outputs: Any) -> str:
    return "\n".join(output.text for output in outputs if hasattr(output, "text"))


def strict(kind: str) -> Any:
    """The command that runs a script ("path") or a "module" with our warnings as errors and those of others unseen."""
    code = f"""if True:
        import runpy, sys, warnings
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", module="(spechub_lp|theory|__main__)")
        sys.argv = sys.argv[1:]
        runpy.run_{kind}(sys.argv[0], run_name="__main__")
    """
    return [sys.executable, "-c", code]


@pytest.mark.slow
@each
def test_it_runs_as_a_script_from_any_folder(notebook: Path, tmp_path: Path) -> None:
    command = [*strict("path"), notebook]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@each
def test_it_shows_its_answer_and_pictures(notebook: Path) -> None:
    _, outputs, _ = loaded(notebook)
    first = re.sub(r"<[^>]+>", " ", outputs[0].text)
    assert re.match(r"\s*[^?]+\?\s+Answer\.\s.*\d", first, flags=re.S)
    assert shown(outputs).count('<svg xmlns="http://www.w3.org/2000/svg"') >= 2
    assert "../theory/" in shown(outputs[-1:])


@pytest.fixture
def gated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text with the same settings is gated once, on two problems, and looks at real noise for seconds."""
    check, kept = source.check_source, dict[str, source.Checked]()

    def once(text: str, problems: Any, settings: Settings) -> source.Checked:
        key = repr((text, problems, settings))
        if key not in kept:
            kept[key] = check(text, problems[:2], replace(settings, seconds=4) if 2 in settings.levels else settings)
        return kept[key]

    monkeypatch.setattr(source, "check_source", once)


@pytest.mark.slow
@pytest.mark.usefixtures("gated_once")
@each
def test_it_runs_wherever_its_controls_stand(notebook: Path) -> None:
    """One cell's controls at a time: a control may depend on another one, and is then made anew."""
    app, outputs, _ = loaded(notebook)
    found = 0
    for group in groups(notebook):
        moved = {name: at for name, value in group.items() if is_control(value) and (at := positions(value))}
        alone = [{name: at[0]} for name, at in moved.items()]
        several = {name: at for name, at in moved.items() if len(at) > 1}  # a box to tick has been ticked alone
        most = max(map(len, several.values()), default=0)
        together = [{name: at[n % len(at)] for name, at in several.items()} for n in range(most)]
        for stands in alone + together:
            again, _ = app.run(defs=group | stands)
            assert shown(again).count("<svg") >= 1, stands
            assert shown(again) != shown(outputs) or stands in alone, f"nothing changed with {stands}"
        found += len(moved)
    assert found >= 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "says"),
    [
        ("1/2, 1/3", "p sums to 5/6, not 1"),
        ("2, -1", "p[1] = -1 is negative"),
        ("1/2, x", "p[1] = "),
        ("1/2, 1/2", "p has 2 tokens and q has 4"),
        ("", "p[0] = "),
    ],
)
def test_a_bad_distribution_is_answered_with_the_error_and_an_example(p: str, says: str) -> None:
    notebook = ROOT / "notebooks" / "how_far.py"
    (group,) = groups(notebook)
    outputs, _ = loaded(notebook)[0].run(defs=group | {"p_text": mo.ui.text(p)})
    assert says in shown(outputs)
    assert "Shown instead" in shown(outputs)
    assert "Traceback" not in shown(outputs)


@pytest.mark.parametrize("module", sorted((ROOT / "notebooks" / "pictures").glob("*.py")), ids=lambda path: path.stem)
def test_the_examples_of_its_pictures_print_what_they_say(module: Path) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"notebooks.pictures.{module.stem}"))
    assert tried > failed == 0


# What is seen


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Starts `marimo run` on a notebook, with nobody's settings, and gives its address."""
    started = []

    def serve(notebook: Path) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{free.getsockname()[1]}"
        command = [sys.executable, "-m", "marimo", "run", str(notebook), "--headless", "--no-token", "--port"]
        env = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
        with (tmp_path / "log").open("w") as log:
            started.append(
                subprocess.Popen([*command, address.rpartition(":")[2]], env=env, cwd=ROOT, stdout=log, stderr=log)
            )
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/health").close()
                return address
            except urllib.error.URLError:
                time.sleep(0.2)
        raise AssertionError((tmp_path / "log").read_text())

    yield serve
    for process in started:
        process.terminate()
        process.wait()


@pytest.mark.slow
@each
def test_its_picture_moves_with_a_control(notebook: Path, browser: "Browser", served: Callable[[Path], str]) -> None:
    """In a real browser, on a notebook that is really running, and with no word to the world outside."""
    address, asked = served(notebook), []
    page = browser.new_page(viewport={"width": 1280, "height": 2400})
    page.set_default_timeout(120_000)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.locator("h1").wait_for()
    page.locator("svg[role=img]").first.wait_for()
    pictures = "() => [...document.querySelectorAll('svg[role=img]')].map(svg => svg.innerHTML).join()"
    before = page.evaluate(pictures)
    slider = page.locator("[role=slider]").first
    slider.focus()
    slider.press("ArrowRight")
    page.wait_for_function(f"before => ({pictures})() != before", arg=before)
    assert page.get_by_text("internal error").count() == 0
    assert page.locator("h1").inner_text().endswith("?")
    assert {url for url in asked if not url.startswith((address, "data:", "blob:"))} == set()
    page.close()


@pytest.mark.slow
def test_a_rendered_page_shows_the_states_of_its_controls(
    browser: "Browser", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a server, a network and marimo's scripts: as the notebook itself shows them."""
    monkeypatch.setattr(rendered_notebooks, "MOST", 2)
    path = tmp_path / "trees.html"
    path.write_text(rendered_notebooks.page("trees"), encoding="utf-8")
    app, _, values = loaded(ROOT / "notebooks" / "trees.py")
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    opened = page.locator(".output").first.inner_text()
    (made,) = (group for group in groups(ROOT / "notebooks" / "trees.py") if "drafts" in group)
    page.locator("select[data-control=drafts]").select_option("iid")
    outputs, _ = app.run(defs=made | {"drafts": mo.ui.dropdown(values["drafts"].options, value="iid")})
    said = " ".join(re.sub(r"<[^>]+>", "", outputs[0].text).split())
    assert " ".join(page.locator(".output").first.inner_text().split()) == said
    page.locator("select[data-control=seed]").select_option(index=1)
    assert page.locator("select[data-control=drafts]").input_value() == values["drafts"].selected_key
    page.locator("select[data-control=seed]").select_option("1")
    assert page.locator(".output").first.inner_text() == opened
    assert page.locator("marimo-ui-element, marimo-slider, marimo-accordion, marimo-tex").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert {url for url in asked if url.startswith("http")} == set()
    page.close()


@pytest.mark.slow
@each
def test_it_exports_to_a_page_that_renders(notebook: Path, browser: "Browser", tmp_path: Path) -> None:
    """Text and pictures are in the page; marimo's scripts are not (notebooks/README.md), so they are served here."""
    page_file = tmp_path / "page.html"
    command = [*strict("module"), "marimo", "export", "html", notebook, "-o", page_file]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    beside, asked = Path(mo.__file__).parent / "_static", []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        wanted = beside / route.request.url.removeprefix(f"{SERVED}{mo.__version__}/dist/").partition("?")[0]
        route.fulfill(path=wanted) if wanted.is_file() else route.abort()

    page = browser.new_page(viewport={"width": 1280, "height": 2400})
    page.set_default_timeout(120_000)
    page.route(re.compile("^https?:"), answer)
    page.goto(page_file.as_uri())
    page.locator("h1").wait_for()
    page.locator("svg[role=img]").first.wait_for()
    assert page.locator("h1").inner_text().endswith("?")
    assert {url for url in asked if not url.startswith(SERVED)} == set()
    page.close()
