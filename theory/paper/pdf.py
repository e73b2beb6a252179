"""The assembled paper as a PDF: Markdown through Pandoc to Typst, with the pictures for print. Needs the extra docs."""

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pypandoc
import typst

import spechub_lp
from theory.paper import pictures
from theory.paper.assemble import PaperError

HERE = Path(__file__).parent
STYLE = HERE / "paper.typ"
READER = "gfm+tex_math_dollars+smart"
NOTE = f"Set from the text and the results of spechub_lp {spechub_lp.__version__}"
WIDE = 34
"""Letters of a cell from which on a table has columns of fixed widths, so that its text breaks."""

Element = dict[str, Any]
"""A block or an inline element of Pandoc: {"t": type, "c": content}."""
NOTHING: Element = {"t": "Null", "c": []}


def pdf(markdown: str) -> bytes:
    """The paper set on pages. Warnings of Typst are errors."""
    with tempfile.TemporaryDirectory() as folder:
        main = Path(folder) / "paper.typ"
        main.write_text(typeset(markdown), encoding="utf-8")
        for number, picture in enumerate(pictures.ALL.values()):
            (main.parent / f"{number}.svg").write_text(pictures.printed(picture), encoding="utf-8")
        made, warnings = typst.compile_with_warnings(main, ignore_system_fonts=True)
    if warnings:
        raise PaperError(f"Typst says: {warnings[0]}")
    return bytes(made)


def typeset(markdown: str) -> str:
    """The paper in Typst's language."""
    document = json.loads(pypandoc.convert_text(markdown, "json", format=READER))
    title, *blocks = document["blocks"]
    document["blocks"] = list(_arranged(blocks))
    body = pypandoc.convert_text(json.dumps(document), "typst", format="json", extra_args=["--wrap=preserve"])
    head = {"paper-title": _words(title["c"][2]), "paper-author": "The spechub_lp authors", "paper-note": NOTE}
    lets = "".join(f"#let {name} = {json.dumps(text, ensure_ascii=False)}\n" for name, text in head.items())
    return lets + STYLE.read_text(encoding="utf-8") + _as_typst_has_it(body)


def _arranged(blocks: list[Element]) -> Iterator[Element]:
    """Blocks for print: the abstract set apart, pictures with their captions, titles of tables, widths of columns."""
    blocks = [NOTHING, *(_without_links_to_files(block) for block in blocks), NOTHING]
    inside = False
    for before, block in pairwise(blocks):
        if block["t"] == "Header":
            if inside:
                yield _raw("]")
            inside = _words(block["c"][2]) == "Abstract"
            if inside:
                yield _raw("#abstract[")
                continue
        if _pictures(before):
            captioned = _caption(block) == "Figure"
            yield from (_raw(f"#picture({_files(before)})["), *([block] if captioned else []), _raw("]"))
            if captioned:
                continue
        if block["t"] == "Table":
            yield from _table(block, [before] if _caption(before) == "Table" else [])
        elif _caption(before) == "Table":
            raise PaperError(f"{_words(before)!r} stands before no table")
        elif formula := _displayed(block):
            yield formula
        elif not _pictures(block) and _caption(block) != "Table" and block is not NOTHING:
            yield block


def _pictures(block: Element) -> list[str]:
    """The pictures of a paragraph that has nothing else."""
    if block["t"] != "Para" or not all(part["t"] in ("Image", "Space", "SoftBreak") for part in block["c"]):
        return []
    return [part["c"][2][0] for part in block["c"] if part["t"] == "Image"]


def _files(block: Element) -> str:
    """The files of its pictures for print, and the width of the widest in inches."""
    known = list(pictures.ALL)
    named = _pictures(block)
    if missing := [name for name in named if name not in known]:
        raise PaperError(f"nothing draws {missing[0]}; theory/paper/pictures.py has {', '.join(known)}")
    files = ", ".join(f'"{known.index(name)}.svg"' for name in named)
    return f"({files},), {max(pictures.ALL[name].size[0] for name in named)}in"


def _displayed(block: Element) -> Element | None:
    """A displayed formula with its number at the margin, and the cells of an array in columns of their own."""
    if block["t"] != "Para" or len(block["c"]) != 1 or block["c"][0]["t"] != "Math":
        return None
    tex, _, number = block["c"][0]["c"][1].strip().partition(r"\qquad (")
    array = re.fullmatch(r"\\begin\{array\}\{(\w+)\}(.*)\\end\{array\}", tex.strip(), re.DOTALL)
    columns = len(array[1]) if array else 1
    cells = [cell.strip() for row in array[2].split(r"\\") for cell in row.split("&")] if array else [tex]
    parts = [_inline(f"#formula({columns}, [{'(' * bool(number)}{number}])")]
    for cell in cells:
        math = [{"t": "Math", "c": [{"t": "DisplayMath"}, cell]}] if cell else []
        parts += [_inline("["), *math, _inline("]")]
    return {"t": "Para", "c": parts}


def _caption(block: Element) -> str:
    """ "Figure" or "Table" for a paragraph in italics that begins so."""
    if block["t"] == "Para" and block["c"][0]["t"] == "Emph":
        first = _words(block["c"][0]["c"]).partition(" ")[0]
        return first if first in ("Figure", "Table") else ""
    return ""


def _without_links_to_files(element: Any) -> Any:
    """Links to files of the repository as plain words: a PDF has no files beside it."""
    if isinstance(element, list):
        return [_without_links_to_files(part) for part in element]
    if not isinstance(element, dict):
        return element
    if element.get("t") == "Link" and not element["c"][2][0].startswith(("#", "https:")):
        return {"t": "Span", "c": [["", [], []], _without_links_to_files(element["c"][1])]}
    return {name: _without_links_to_files(part) for name, part in element.items()}


def _table(table: Element, title: list[Element]) -> Iterator[Element]:
    """A table with its title: on one page, or broken over pages if its cells are long."""
    made = _with_widths(table)
    yield _raw(f"#titled({str(made is not table).lower()})[")
    yield from title
    yield _raw("][")
    yield made
    yield _raw("]")


def _with_widths(table: Element) -> Element:
    """A table whose cells are long, with columns as wide as their text asks for."""
    head, bodies = table["c"][3], table["c"][4]
    rows = [row[1] for row in head[1]] + [row[1] for body in bodies for row in body[3]]
    longest = [max(len(_words(cell[4])) for cell in column) for column in zip(*rows, strict=True)]
    if max(longest) < WIDE:
        return table
    most = [max(min(length, 150) ** 0.62, 3.0) for length in longest]
    specs = [
        [spec[0], {"t": "ColWidth", "c": width / sum(most)}] for spec, width in zip(table["c"][2], most, strict=True)
    ]
    return {"t": "Table", "c": [*table["c"][:2], specs, *table["c"][3:]]}


def _words(element: Any) -> str:
    """The text of an element."""
    if isinstance(element, list):
        return "".join(map(_words, element))
    kinds: dict[str, Callable[[Any], str]] = {
        "Str": str, "Space": lambda _: " ", "SoftBreak": lambda _: " ", "Code": lambda c: str(c[1]),
        "Math": lambda c: str(c[1]),
    }  # fmt: skip
    if isinstance(element, dict):
        if element.get("t") in kinds:
            return kinds[element["t"]](element.get("c"))
        return _words(element.get("c", []))
    return ""


def _raw(text: str) -> Element:
    return {"t": "RawBlock", "c": ["typst", text]}


def _inline(text: str) -> Element:
    return {"t": "RawInline", "c": ["typst", text]}


def _as_typst_has_it(body: str) -> str:
    r"""What Pandoc makes of \Big( and \lvert, of text in formulas and of alignments, in Typst's own words."""
    body = re.sub(r"#scale\(x: \d+%, y: \d+%\)\[(\\[(\[])\]", r"lr(\1", body)
    body = re.sub(r"#scale\(x: \d+%, y: \d+%\)\[(\\[)\]])\]", r"\1)", body)
    body = re.sub(r"\\\| (.{1,20}?) \\\|", r"lr(| \1 |)", body)
    body = re.sub(r'(?:(?<!\$) )?upright\("( ?)(.*?)( ?)"\)(?: (?!\$))?', r'\1"\2"\3', body)
    body = body.replace("#h(0em)", "thin")
    return re.sub(r"align: \((?:auto,)+\)", "align: left", body)
