"""Every public function and class explains itself: what it takes and gives, with shapes, and an example that runs.

Ruff sees to the form (its D rules, numpy's convention). It has no rule for missing Parameters, for shapes and for
examples; those are here. An example runs in an empty folder, and prints what it says.
"""

import ast
import doctest
import enum
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from places import ROOT

from spechub_lp.theorems import checks as theorems

PACKAGE = ROOT / "spechub_lp"

NOT_YET = ("gate", "trees", "report", "cli", "replay")
"""Rooms, and modules of rooms, whose docstrings are not done."""

MODEL = "loads a language model; its tests make one"
EXAMPLE_ELSEWHERE = {
    "spechub_lp.testing.pytest_plugin.GateItem": "pytest makes it",
    "spechub_lp.capture.capture.capture": MODEL,
    "spechub_lp.capture.capture.plan": MODEL,
    "spechub_lp.capture.models.load_pair": MODEL,
    "spechub_lp.capture.models.load_model": MODEL,
    "spechub_lp.capture.models.without_layers": MODEL,
    "spechub_lp.capture.models.model_facts": MODEL,
    "spechub_lp.decoding.readers.CachedReader": MODEL,
    "spechub_lp.decoding.speed.run_trees": MODEL,
    "spechub_lp.decoding.speed.call_costs": MODEL,
    "spechub_lp.decoding.speed.plain_seconds": MODEL,
}
"""Public names without an example of their own, and why."""

CHECKS = {f"{theorem.holds.__module__}.{theorem.holds.__name__}" for theorem in theorems.ALL}
"""The checks of the theorems take (p, q, k) and say whether the theorem holds there: `Theorem.holds` says so once."""

ARRAYS = re.compile(r"\b(\w*Array|ndarray|Tensor|Floats)\b")


class Public(NamedTuple):
    """A public function or class, as it stands in the source."""

    module: str
    name: str
    node: ast.FunctionDef | ast.ClassDef
    doc: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def named(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def public() -> list[Public]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = named(path)
        room = module.removeprefix("spechub_lp.")
        if any(f"{room}.".startswith(f"{name}.") for name in NOT_YET):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith(("_", "pytest_")):
                found.append(Public(module, node.name, node, ast.get_docstring(node) or ""))
    return found


PUBLIC = public()
FUNCTIONS = [p for p in PUBLIC if isinstance(p.node, ast.FunctionDef) and str(p) not in CHECKS]
each = pytest.mark.parametrize("thing", PUBLIC, ids=str)
each_function = pytest.mark.parametrize("thing", FUNCTIONS, ids=str)


def section(doc: str, title: str) -> str:
    """The text of a section of numpy's form, or nothing."""
    found = re.search(rf"^{title}\n-{{3,}}\n(.*?)(?=^\w[\w ]*\n-{{3,}}\n|\Z)", doc, re.M | re.S)
    return found[1] if found else ""


def entries(text: str) -> dict[str, str]:
    """Name -> its line and description; `p, q : [V]` describes both."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        if line and not line[0].isspace():
            names = [name.strip(" *") for name in line.partition(" : ")[0].split(",")]
        for name in names:
            found[name] = f"{found.get(name, '')}{line}\n"
    return found


def arguments(node: ast.FunctionDef) -> dict[str, str]:
    """Name -> annotation of what a caller gives; what a command's option explains itself is left out."""
    a = node.args
    given = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
    told = {arg.arg: ast.unparse(arg.annotation) if arg.annotation else "" for arg in given}
    # A Hypothesis strategy is not given its `draw`.
    return {name: kind for name, kind in told.items() if name not in ("self", "cls") and kind != "DrawFn"}


def constructor(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)


def is_command(node: ast.AST) -> bool:
    return "typer." in ast.unparse(node) if isinstance(node, ast.FunctionDef) else False


@each
def test_parameters_are_described(thing: Public) -> None:
    node = constructor(thing.node) if isinstance(thing.node, ast.ClassDef) else thing.node
    if node is None or str(thing) in CHECKS or is_command(node) or is_error(thing):
        return
    said = entries(section(thing.doc, "Parameters"))
    assert set(said) == set(arguments(node))
    for name, kind in arguments(node).items():
        if ARRAYS.search(kind) and "Callable" not in kind:
            assert "[" in said[name], f"{name}: say its shape"


@each_function
def test_the_first_line_opens_with_a_verb(thing: Public) -> None:
    first = thing.doc.split()[0]
    assert first.isalpha(), f"{first!r} is no verb"
    assert first[0].isupper()
    assert first not in ("A", "All", "An", "Every", "How", "It", "Its", "The", "This", "What", "Whether", "Where")


@each_function
def test_results_are_described(thing: Public) -> None:
    returns = thing.node.returns if isinstance(thing.node, ast.FunctionDef) else None
    kind = ast.unparse(returns) if returns else ""
    gives = section(thing.doc, "Returns") or section(thing.doc, "Yields")
    if kind in ("None", "NoReturn", "Iterator[None]"):
        assert not gives
    else:
        assert gives.strip(), "Returns is missing"
        if ARRAYS.search(kind) and "Callable" not in kind:
            assert "[" in gives, "say the shape of what it returns"


@each_function
def test_errors_raised_here_are_listed(thing: Public) -> None:
    """Those that its own lines raise by name; what is called may raise more."""
    raised = {
        node.exc.func.id
        for node in ast.walk(thing.node)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
    }
    public = {name for name in raised if name[0].isupper() and name not in ("AttributeError", "TypeError")}
    assert public <= set(entries(section(thing.doc, "Raises")))


def is_error(thing: Public) -> bool:
    found = getattr(import_module(thing.module), thing.name)
    return isinstance(found, type) and issubclass(found, BaseException | enum.Enum)


def is_protocol(thing: Public) -> bool:
    return isinstance(thing.node, ast.ClassDef) and any("Protocol" in ast.unparse(b) for b in thing.node.bases)


@each
def test_there_is_an_example(thing: Public) -> None:
    if str(thing) in CHECKS | EXAMPLE_ELSEWHERE.keys() or is_error(thing) or is_protocol(thing):
        return
    assert section(thing.doc, "Examples").count(">>> ") or (is_command(thing.node) and "Example: " in thing.doc)


def methods() -> list[Any]:
    return [
        pytest.param(thing, node.name, id=f"{thing}.{node.name}")
        for thing in PUBLIC
        if isinstance(thing.node, ast.ClassDef) and not is_protocol(thing)
        for node in thing.node.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


@pytest.mark.parametrize(("thing", "name"), methods())
def test_every_public_method_is_explained(thing: Public, name: str) -> None:
    """By its own docstring, or by that of the method that it overrides."""
    kind = getattr(import_module(thing.module), thing.name)
    assert inspect.getdoc(getattr(kind, name))


def test_what_has_no_example_is_there() -> None:
    assert set(EXAMPLE_ELSEWHERE) <= set(map(str, PUBLIC))


def test_a_poor_docstring_is_seen() -> None:
    said = "Say.\n\n    Parameters\n    ----------\n    p\n        Rows.\n    "
    code = f'def f(p: Array, k: int) -> Array:\n    """{said}"""'
    node = ast.parse(code).body[0]
    assert isinstance(node, ast.FunctionDef)
    poor = Public("m", "f", node, ast.get_docstring(node) or "")
    for check in (test_parameters_are_described, test_results_are_described, test_there_is_an_example):
        with pytest.raises((AssertionError, ModuleNotFoundError)):
            check(poor)


MODULES = sorted(named(path) for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried > failed == 0
