"""The house holds: imports run one way, rooms know only what they should, and no comparison is thrown away."""

import ast
from pathlib import Path

import pytest

import spechub_lp

PACKAGE = Path(spechub_lp.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each room may import from the rooms before it; certificate is a room of its own, on errors alone.
JOURNEY = [
    "errors",
    "certificate",
    "stdout",
    "files",
    "rows",
    "laws",
    "drafts",
    "tuples",
    "coupling",
    "otm",
    "verdict",
    "samplers",
    "faces",
]


def imports(path: Path) -> set[str]:
    """Top-level names of imported packages; "spechub_lp.x" gives both "spechub_lp" and its room "spechub_lp.x"."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            if node.module == "spechub_lp":
                names = [f"spechub_lp.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            found |= {parts[0], ".".join(parts[:2])}
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    if room(path) not in JOURNEY:
        return
    later = JOURNEY[JOURNEY.index(room(path)) + 1 :]
    assert not {f"spechub_lp.{name}" for name in later} & imports(path)


@pytest.mark.parametrize("path", [p for p in MODULES if room(p) in ("samplers", "drafts")], ids=lambda p: p.name)
def test_samplers_and_drafts_name_no_arithmetic(path):
    assert not {"numpy", "torch", "gmpy2"} & imports(path)


def test_the_checker_imports_no_solver_and_no_numpy():
    assert imports(PACKAGE / "certificate.py") - {"spechub_lp", "spechub_lp.errors"} <= {
        "json", "collections", "collections.abc", "contextlib", "fractions", "pathlib", "re", "sys", "typing",
    }  # fmt: skip


def test_torch_stays_in_its_rooms():
    users = {room(path) for path in MODULES if "torch" in imports(path)}
    assert users <= {"torch_face", "logits", "gate", "trees"}


COMPARES = {"allclose", "array_equal", "isclose", "equal", "all", "any", "array_equiv"}


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.rglob("*.py")), ids=lambda p: p.name)
def test_no_comparison_is_thrown_away(path):
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


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.rglob("*.py")), ids=lambda p: p.name)
def test_no_assertion_chooses_what_it_asserts(path):
    assert chosen_asserts(ast.parse(path.read_text())) == []


@pytest.mark.parametrize("code", ["assert x <= a if k < 2 else b", "assert y and (not (x if k else b))"])
def test_a_chosen_assertion_is_seen(code):
    assert chosen_asserts(ast.parse(code)) == [1]


def test_a_bound_may_be_chosen():
    assert chosen_asserts(ast.parse("assert x <= (a if k < 2 else b)")) == []
