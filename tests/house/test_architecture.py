"""The house holds: every module has its room, imports run one way, and no comparison in a test is thrown away."""

import ast
from pathlib import Path

import pytest
from places import ROOT

import spechub_lp

PACKAGE = Path(spechub_lp.__file__).parent

# Data walk through the rooms in this order: a room imports only from itself and from those before it. A module belongs
# to the longest name here that it begins with. `certificate` is the stand-alone checker, on errors alone.
JOURNEY = """
errors  typing  certificate  rocq  _util  report.schemas  _array  distributions  drafts  instance  coupling  optimum
samplers  kernels  exact  sampling  acceptance  sampling_torch  trees  theorems  testing.strategies  capture  evaluate
decoding  audit  gate.clock  gate.settings  gate.results  gate.waivers  gate.report_changes  gate.serialize
gate.protocols  gate.coverage  gate.noise  gate.search  gate.problems  gate.engines  gate.statistics  gate.checks
gate.processors  gate.adapters  gate.source  gate.generation  gate  report  plot  compare
testing.pytest_plugin
gate.pytest_plugin  testing  cli
""".split()  # noqa: SIM905
ENTRIES = {"", "__main__", "gate.__main__"}
"""What only starts something else."""


def name_of(path: Path) -> str:
    """The dotted name below the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room(module: str) -> str | None:
    return max((r for r in JOURNEY if f"{module}.".startswith(f"{r}.")), key=len, default=None)


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports; what is ours without the package's name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole.removeprefix("spechub_lp.") in MODULES else str(node.module))
    ours = {name for name in found if f"{name}.".startswith("spechub_lp.")}
    # `typing` and others of the standard library have the names of rooms: a dot in front keeps them apart
    return {name.removeprefix("spechub_lp.") for name in ours} | {
        f".{name}" if name in MODULES else name for name in found - ours
    }


@pytest.mark.parametrize("module", sorted(MODULES.keys() - ENTRIES))
def test_every_module_has_its_room(module: str) -> None:
    assert room(module) is not None, f"{module}: name its room in JOURNEY"


@pytest.mark.parametrize("module", sorted(MODULES.keys() - ENTRIES))
def test_imports_run_one_way(module: str) -> None:
    mine = JOURNEY.index(str(room(module)))
    later = {name for name in imports(MODULES[module]) & MODULES.keys() if JOURNEY.index(str(room(name))) > mine}
    assert not later


def test_no_room_is_empty() -> None:
    assert {room(module) for module in MODULES.keys() - ENTRIES} == set(JOURNEY)


def test_no_two_modules_import_each_other() -> None:
    graph = {module: imports(path) & MODULES.keys() for module, path in MODULES.items() if module}
    seen: dict[str, bool] = {}

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert not seen.get(module, False), f"a circle: {' -> '.join((*way, module))}"
        if module not in seen:
            seen[module] = True
            for name in sorted(graph.get(module, ())):
                visit(name, (*way, module))
            seen[module] = False

    for module in sorted(graph):
        visit(module, ())


RULES = sorted(m for m in MODULES if m.startswith(("samplers.", "drafts.")) and "._" not in m)
NUMERICS = {
    "samplers.border.preparation", "samplers.border.merge_tree", "samplers.border.selection", "samplers.rejected_mass",
    "samplers.weights", "samplers.border.hits", "samplers.border.pairs", "samplers.border.set_tree",
}  # fmt: skip


@pytest.mark.parametrize("module", [m for m in RULES if m not in NUMERICS])
def test_rules_and_policies_name_no_arithmetic(module: str) -> None:
    assert not {"numpy", "torch", "gmpy2"} & {name.partition(".")[0] for name in imports(MODULES[module])}


def test_the_checker_imports_no_solver_and_no_numpy() -> None:
    assert {name.removeprefix(".") for name in imports(MODULES["certificate"])} - {"errors"} <= {
        "collections", "collections.abc", "fractions", "contextlib", "itertools", "json", "pathlib", "re", "sys",
        "typing",
    }  # fmt: skip


def test_torch_stays_in_its_rooms() -> None:
    users = {room(module) for module in MODULES.keys() - ENTRIES if "torch" in imports(MODULES[module])}
    assert not users & (set(JOURNEY[: JOURNEY.index("sampling_torch")]) - {"kernels"})
    assert not users & {"trees", "theorems", "report", "cli"}


def test_the_gate_renders_nothing() -> None:
    shown = {"rich", "typer", "jinja2"}
    assert not shown & {name for m in MODULES if m.startswith("gate.") for name in imports(MODULES[m])}


COMPARES = {"allclose", "array_equal", "isclose", "equal", "all", "any", "array_equiv"}


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda p: p.name)
def test_no_comparison_is_thrown_away(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            name = getattr(node.value.func, "attr", getattr(node.value.func, "id", ""))
            assert name not in COMPARES, f"{path.name}:{node.lineno} {name}(...) stands alone"


def chosen_asserts(tree: ast.AST) -> list[int]:
    """Lines of `assert A if C else B`: where C fails the assertion is B alone, a bound say, and holds whatever A is."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            parts = [node.test]
            while parts:
                part = parts.pop()
                if isinstance(part, ast.IfExp):
                    lines.append(node.lineno)
                elif isinstance(part, ast.BoolOp):
                    parts += part.values
                elif isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not):
                    parts.append(part.operand)
    return lines


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda p: p.name)
def test_no_assertion_chooses_what_it_asserts(path: Path) -> None:
    assert chosen_asserts(ast.parse(path.read_text())) == []


@pytest.mark.parametrize("code", ["assert x <= a if k < 2 else b", "assert y and (not (x if k else b))"])
def test_a_chosen_assertion_is_seen(code: str) -> None:
    assert chosen_asserts(ast.parse(code)) == [1]


def test_a_bound_may_be_chosen() -> None:
    assert chosen_asserts(ast.parse("assert x <= (a if k < 2 else b)")) == []


def test_no_test_imports_a_test() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        assert not {name for name in imports(path) if name.rpartition(".")[2].startswith("test_")}, path


def test_no_two_tests_have_one_name() -> None:
    """Pytest imports them by their bare names, and stops at the second."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
