"""Every public function and class explains itself: what it takes and gives, with shapes, and an example that runs.

Ruff sees to the form (its D rules, numpy's convention). It has no rule for missing Parameters, for shapes and for
examples; those are here. An example runs in an empty folder, and prints what it says.
"""

import ast
import doctest
import enum
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from places import ROOT

from spechub_lp.theorems import checks as theorems

PACKAGE = ROOT / "spechub_lp"

MODEL = "loads a language model; its tests make one"
ROWS = "needs captured rows; tests/gate/test_logits.py has some"
ENGINE = "needs the engine's package; tests/gate/test_adapters*.py run it where it is installed"
TRITON = "needs triton; tests/kernels/test_triton.py runs it where it is installed"

EXAMPLE_ELSEWHERE = {
    "spechub_lp.testing.pytest_plugin.GateItem": "pytest makes it",
    "spechub_lp.cli.app.version": "what every command shows",
    "spechub_lp.cli.app.main": "ends the process",
    "spechub_lp.cli.gate.main": "ends the process",
    "spechub_lp.cli.terminal.run": "ends the process",
    "spechub_lp.cli.renamed.Group": "typer makes it",
    "spechub_lp.cli.renamed.Renaming": "typer makes it",
    "spechub_lp.cli.terminal.Command": "typer makes it",
    "spechub_lp.evaluate.cluster.runner": "needs a cluster",
    "spechub_lp.capture.capture.capture": MODEL,
    "spechub_lp.capture.capture.plan": MODEL,
    "spechub_lp.capture.models.load_pair": MODEL,
    "spechub_lp.capture.models.load_model": MODEL,
    "spechub_lp.capture.layers.without_layers": MODEL,
    "spechub_lp.capture.model_facts.model_facts": MODEL,
    "spechub_lp.decoding.readers.CachedReader": MODEL,
    "spechub_lp.decoding.speed.run_trees": MODEL,
    "spechub_lp.decoding.speed.call_costs": MODEL,
    "spechub_lp.decoding.speed.plain_seconds": MODEL,
    "spechub_lp.gate.adapters.eagle.engine": ENGINE,
    "spechub_lp.gate.adapters.flashinfer_chain.engine": ENGINE,
    "spechub_lp.gate.adapters.installed.without_gpu": "changes the environment of the process",
    "spechub_lp.gate.adapters.lmdeploy.engine": ENGINE,
    "spechub_lp.gate.adapters.mcsd.engine": ENGINE,
    "spechub_lp.gate.adapters.sglang_chain.engine": ENGINE,
    "spechub_lp.gate.adapters.sglang_dspark.engine": ENGINE,
    "spechub_lp.gate.adapters.sglang_tree.engine": ENGINE,
    "spechub_lp.gate.adapters.tensorrt_llm.engine": ENGINE,
    "spechub_lp.gate.adapters.tpu_inference.TPUInference": ENGINE,
    "spechub_lp.gate.adapters.tpu_inference.module": ENGINE,
    "spechub_lp.gate.adapters.tpu_inference.engine": ENGINE,
    "spechub_lp.gate.adapters.transformers.engine": ENGINE,
    "spechub_lp.gate.adapters.vllm_v1.engine": ENGINE,
    "spechub_lp.gate.adapters.vllm_v1.stubbed": ENGINE,
    "spechub_lp.gate.adapters.vllm_v2.VLLM2Explicit": ENGINE,
    "spechub_lp.gate.adapters.vllm_v2.engine": ENGINE,
    "spechub_lp.gate.adapters.vllm_v2.log1p": ENGINE,
    "spechub_lp.gate.generation.engines.llama_cpp.LlamaCpp": ENGINE,
    "spechub_lp.gate.generation.engines.own.OwnLoop": MODEL,
    "spechub_lp.gate.generation.engines.transformers.Transformers": MODEL,
    "spechub_lp.gate.checks.wide.draw_nodes": ROWS,
    "spechub_lp.gate.checks.wide.draw_trees": ROWS,
    "spechub_lp.kernels.triton_border.verify": TRITON,
    "spechub_lp.kernels.triton_rejection.verify": TRITON,
}
"""Public names without an example of their own, and why."""

RENDERED = ("report.html.", "report.text.", "report.plots.")
"""Rooms that render whole results, which a line cannot make: tests/report reads what they render."""

CHECKS = {f"{theorem.holds.__module__}.{theorem.holds.__name__}" for theorem in theorems.ALL}
"""The checks of the theorems take (p, q, k) and say whether the theorem holds there: `Theorem.holds` says so once."""

NO_VERBS = ("A", "All", "An", "Every", "How", "It", "Its", "The", "This", "What", "Whether", "Where")

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
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith(("_", "pytest_")):
                found.append(Public(module, node.name, node, ast.get_docstring(node) or ""))
    return found


PUBLIC = public()


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


def names_of(node: ast.AST | None) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} if node else set()


def is_command(node: ast.AST) -> bool:
    return "typer." in ast.unparse(node) if isinstance(node, ast.FunctionDef) else False


def told_of_parameters(thing: Public) -> Iterator[str]:
    node = constructor(thing.node) if isinstance(thing.node, ast.ClassDef) else thing.node
    if node is None or is_command(node) or is_error(thing):
        return
    said, given = entries(section(thing.doc, "Parameters")), arguments(node)
    if said.keys() != given.keys():
        yield f"takes {', '.join(given) or 'nothing'}, and Parameters has {', '.join(said) or 'nothing'}"
    for name, kind in given.items():
        if ARRAYS.search(kind) and "Callable" not in kind and "[" not in said.get(name, "["):
            yield f"{name} lacks its shape"


def told_of_the_verb(thing: Public) -> Iterator[str]:
    first = thing.doc.split()[0] if thing.doc else ""
    if not first.isalpha() or not first[0].isupper() or first in NO_VERBS:
        yield f"the first line opens with {first!r}, no verb"


def told_of_results(thing: Public) -> Iterator[str]:
    returns = thing.node.returns if isinstance(thing.node, ast.FunctionDef) else None
    kind = ast.unparse(returns) if returns else ""
    gives = section(thing.doc, "Returns") or section(thing.doc, "Yields")
    if bool(gives.strip()) is (kind in ("None", "NoReturn", "Iterator[None]")):
        yield f"returns {kind}, and has {'a' if gives else 'no'} section Returns"
    if gives and ARRAYS.search(kind) and "Callable" not in kind and "[" not in gives:
        yield "what it returns lacks its shape"


def raises(*nodes: ast.AST) -> dict[ast.Raise, str]:
    """Each line that raises an error by name."""
    return {
        node: node.exc.func.id
        for top in nodes
        for node in ast.walk(top)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
    }


def told_of_errors(thing: Public) -> Iterator[str]:
    """Those that its own lines raise by name; what is called may raise more. A command's docstring is its help."""
    caught = {
        line
        for attempt in ast.walk(thing.node)
        if isinstance(attempt, ast.Try)
        for line, name in raises(*attempt.body).items()
        if any(name in names_of(handler.type) for handler in attempt.handlers)
    }
    raised = {name for line, name in raises(thing.node).items() if line not in caught}
    ours = {name for name in raised if name[0].isupper() and name not in ("AttributeError", "TypeError")}
    if not is_command(thing.node) and (missing := ours - entries(section(thing.doc, "Raises")).keys()):
        yield f"raises {', '.join(sorted(missing))}, which Raises lacks"


def told_of_examples(thing: Public) -> Iterator[str]:
    rendered = thing.module.removeprefix("spechub_lp.").startswith(RENDERED)
    if str(thing) in EXAMPLE_ELSEWHERE or is_error(thing) or is_protocol(thing):
        return
    if rendered and isinstance(thing.node, ast.FunctionDef):
        return
    if ">>> " not in section(thing.doc, "Examples") and not (is_command(thing.node) and "Example: " in thing.doc):
        yield "has no example"


def told_of_methods(thing: Public) -> Iterator[str]:
    """Each needs a docstring, its own or that of the method that it overrides."""
    if is_protocol(thing):
        return
    kind = getattr(import_module(thing.module), thing.name)
    methods = [node.name for node in thing.node.body if isinstance(node, ast.FunctionDef)]
    yield from (f"{m} has no docstring" for m in methods if m[0] != "_" and not inspect.getdoc(getattr(kind, m)))


def complaints(thing: Public) -> list[str]:
    """What the docstring of a public function or class lacks."""
    if str(thing) in CHECKS:
        return [] if thing.doc else ["has no docstring"]
    of_functions = (told_of_the_verb, told_of_results, told_of_errors)
    rules = (told_of_parameters, *(of_functions if isinstance(thing.node, ast.FunctionDef) else (told_of_methods,)))
    return [said for rule in (*rules, told_of_examples) for said in rule(thing)]


def is_error(thing: Public) -> bool:
    if not isinstance(thing.node, ast.ClassDef):
        return False
    found = getattr(import_module(thing.module), thing.name)
    return isinstance(found, type) and issubclass(found, BaseException | enum.Enum)


def is_protocol(thing: Public) -> bool:
    return isinstance(thing.node, ast.ClassDef) and any("Protocol" in ast.unparse(b) for b in thing.node.bases)


@pytest.mark.parametrize("module", sorted({thing.module for thing in PUBLIC}))
def test_public_names_explain_themselves(module: str) -> None:
    found = {thing.name: complaints(thing) for thing in PUBLIC if thing.module == module}
    assert {name: said for name, said in found.items() if said} == {}


def test_what_has_no_example_is_there() -> None:
    assert set(EXAMPLE_ELSEWHERE) <= set(map(str, PUBLIC))


def test_a_poor_docstring_is_seen() -> None:
    said = "The rows.\n\n    Parameters\n    ----------\n    p\n        Rows.\n    "
    node = ast.parse(f'def parse(p: Array, k: int) -> Array:\n    """{said}"""\n    raise Refuted("no")').body[0]
    assert isinstance(node, ast.FunctionDef)
    poor = Public("spechub_lp.distributions", "parse", node, ast.get_docstring(node) or "")
    assert complaints(poor) == [
        "takes p, k, and Parameters has p",
        "p lacks its shape",
        "the first line opens with 'The', no verb",
        "returns Array, and has no section Returns",
        "raises Refuted, which Raises lacks",
        "has no example",
    ]


def test_an_error_that_is_caught_at_once_need_not_be_told() -> None:
    lines = 'def parse(k: int) -> None:\n try:\n  raise ValueError("no")\n except (TypeError, %s):\n  pass'
    told = {}
    for caught in ("ValueError", "KeyError"):
        node = ast.parse(lines % caught).body[0]
        assert isinstance(node, ast.FunctionDef)
        told[caught] = list(told_of_errors(Public("spechub_lp.distributions", "parse", node, "")))
    assert told == {"ValueError": [], "KeyError": ["raises ValueError, which Raises lacks"]}


MODULES = sorted(named(path) for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried > failed == 0
