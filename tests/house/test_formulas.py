"""Formulas of the theory are typeset: none stands in backticks, and each becomes MathML on the site."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from places import ROOT

from scripts.formulas import RAISED, converted, is_formula, latex, mathml, pieces

PAGES = sorted((ROOT / "theory").rglob("*.md"))
OTHER_PAGES = [ROOT / "README.md", ROOT / "spechub_lp/gate/README.md", *sorted((ROOT / "docs").glob("*.md"))]
AS_TYPED = {
    "README.md": {"[k, V]"},  # a shape
    "certificate_format.md": {"q", "k"},  # fields of a document
    "engine_transformers.md": {"4 drafts", "5 drafts", "min-p 0.2"},  # names of settings
    "howto_gate.md": {"drafts = 3", "p"},  # an attribute, an argument
    "howto_gate_engine.md": {"p"},  # the variable of the program above
    "json.md": {"alpha", "H", "p", "q", "k"},  # fields of documents
    "kernels.md": {"n = 0"},  # a field of what is returned
    "comparison.md": {"from_1025"},  # the name of a test
    "trees.md": {"2^3", "3,2,1"},  # arguments of a command
}
"""What looks like a formula on the pages beside the theory's, and is typed as it stands."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.parent.name))
def test_no_formula_is_left_in_backticks_and_all_become_mathml(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert converted(text) == text, "run python scripts/formulas.py on the page"
    formulas = re.findall(r"\$([^$]+)\$", re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S))
    assert formulas or page.name == "references.md"
    for formula in formulas:
        assert not re.search(r"\\[^A-Za-z\s]", formula), f"{formula}: a forge takes the backslash for its own"
        assert drawn_well(mathml(formula))


SIGNS = set("−≤≥≠<>∈∖∑∏∫∞→⇒∘…·∣∪∩√∼×±′″\u00a0") | {chr(n) for n in range(0x391, 0x3CA)} | {"\u03d5"}
"""Beyond ASCII, what text fonts have too: a reader without a font for mathematics sees no empty box."""


def drawn_well(drawn: str) -> bool:
    root = ET.fromstring(drawn)
    said = "".join(root.itertext())
    raised_twice = [
        e for e in root.iter() if e.tag.endswith(("msup", "msubsup")) and "".join(e[-1].itertext()) in RAISED
    ]
    strange = {sign for sign in said if not sign.isascii()} - SIGNS
    assert not strange, f"{said}: {strange} is in few fonts"
    return not raised_twice and not any(e.tag.endswith("merror") for e in root.iter())


def test_no_formula_of_the_other_pages_is_left_in_backticks() -> None:
    left = {}
    for page in OTHER_PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        spans = {span for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text) if is_formula(span)}
        if found := spans - AS_TYPED.get(page.name, set()):
            left[page.name] = found
    assert left == {}


def test_what_was_read_of_a_source_stands_in_one_place() -> None:
    """In the list of references; and other pages name a paper by its number there."""
    for page in [*OTHER_PAGES, *(page for page in PAGES if page.name != "references.md")]:
        text = " ".join(page.read_text(encoding="utf-8").split())
        assert not re.search(r"(could|can) not (be )?read|whose text|arXiv", text), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.parent.name))
def test_displayed_formulas_become_mathml(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for formula in re.findall(r"```math\n(.*?)```", text, flags=re.S):
        drawn = mathml(formula, "block")
        assert drawn_well(drawn)
        rows = formula.count("\\\\") + 1 if "array" in formula else 0
        assert len(re.findall("<[^/>]*mtr", drawn)) == rows, f"{formula}: a row was lost"
        said = re.sub(r"<[^>]+>", "", re.sub(r"<annotation.*?</annotation>", "", drawn))
        assert not re.search(r"\\|&(?!\w+;|#)", said), f"{formula}: not read to its end"


def test_programs_are_displayed() -> None:
    """Those of the optimum and of the tree, as programs: max, subject to."""
    for name, programs in (("T1_one_optimum", 2), ("dominance", 1), ("trees", 2)):
        text = (ROOT / "theory" / name / "README.md").read_text(encoding="utf-8")
        shown = re.findall(r"```math\n(.*?)```", text, flags=re.S)
        assert sum(r"\max" in program and "subject to" in program for program in shown) == programs


@pytest.mark.parametrize(
    ("span", "text"),
    [
        ("alpha*_X(p) <= 1 - max_j [P_j - F_j]", r"\alpha^\ast_X(p) \le 1 - \max_j [P_j - F_j]"),
        ("(1 - (1-beta)^k) / beta", r"(1 - (1-\beta)^k) / \beta"),
        ("sum_(i<k) (p - t q)+ + x", r"\sum_{i \lt k} (p - t q)^+ + x"),
        ("max over A outside Top of f(A)", r"\max_{A \text{ outside Top}} f(A)"),
        ("Pr(output is a draft)", r"\Pr (\text{output is a draft})"),
        ("A = {y : p(y | c) < |n| q(y)}", r"A = \lbrace y : p(y \mid c) \lt \lvert n\rvert q(y) \rbrace"),
        ("2 * 3 / sqrt(k-1)", r"2 \cdot 3 / \sqrt{k-1}"),
        ("b°_j / q_j", r"b^\circ_j / q_j"),
    ],
)
def test_a_formula_reads_as_it_was_meant(span: str, text: str) -> None:
    assert is_formula(span)
    assert latex(span) == text


@pytest.mark.parametrize(
    "span",
    ["rrs", "theory/map.json", "border_wor", "make -C theory", "Prefix.v", "product", "a.b(c)", "--full", "x == y"],
)
def test_what_names_a_thing_stays_code(span: str) -> None:
    assert not is_formula(span)


def test_headings_programs_and_fences_stay_as_they_are() -> None:
    page = "# The set `H`\n\nA set `H`.\n\n    `H`\n\n```text\n`H`\n```\n"
    assert converted(page) == page.replace("A set `H`", "A set $H$")


@pytest.mark.parametrize(
    ("formula", "parts"),
    [
        (r"\alpha^\ast \le 1", ["α*≤1"]),
        (r"R_{m+1}(cy) = M(cy) + (R_m(c) - R(c)) p(y \mid c)", ["Rm+1(cy)=M(cy)", "+(Rm(c)−R(c))p(y∣c)"]),
        (r"1 - (1-u)^k = u(1 + (1-u) + \dots + (1-u)^{k-1})", ["1−(1−u)k", "=u(1+(1−u)+…+(1−u)k−1)"]),
        (r"p = (.41626, .29052, .0519, .07658, .16473)", ["p=(.41626,.29052,.0519,", ".07658,.16473)"]),
        (r"b(A) \le -1 - p(A) - q(A) - r(A) - s(A)", ["b(A)", "≤−1−p(A)−q(A)−r(A)−s(A)"]),
    ],
)
def test_a_long_formula_may_break_where_tex_would_break_it(formula: str, parts: list[str]) -> None:
    assert ["".join(ET.fromstring(part).itertext()) for part in pieces(formula)] == parts
