"""The whole paper as one Markdown text, from its source and what that names."""

import os.path
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from spechub_lp.errors import SpecHubError

HERE = Path(__file__).parent
SOURCE = HERE / "README.md"

FENCED = re.compile(r"(^```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) (.+?)(?: <!-- (\S+) -->)?$", re.MULTILINE)
INCLUDED = re.compile(r"^\[([^\]\n]*)\]\(([^)#\s]+\.md)(?:#([\w-]+))?\)$", re.MULTILINE)
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
SECTION = re.compile(r"(?:(\]\()([^)#\s]+\.md)(\)), )?\bsection (\d+)")
REFERENCE = re.compile(r"\[([Ss]ection)\]\((\S+?)\)")
ABOUT_THE_SOURCE = re.compile(r"^(> .*\n)+\n", re.MULTILINE)
VALUE = re.compile(r"\{\{ (.+?) \}\}")
CAPTION = re.compile(r"^\*(Figure|Table): ", re.MULTILINE)
OF_PAGES_ONLY = re.compile(r"^See it move: .*\n?", re.MULTILINE)
UNNUMBERED = ("Abstract", "References")


class PaperError(SpecHubError):
    """The source of the paper names something that is not there."""


def assembled(values: Callable[[str], str]) -> str:
    """The paper; its links and pictures are relative to theory/paper.

    `values` gives the text for what stands between {{ and }}.
    """
    source = ABOUT_THE_SOURCE.sub("", SOURCE.read_text(encoding="utf-8"), count=1)
    text = INCLUDED.sub(_section_of_a_page, source)
    text, titles = _numbered(text)
    text = _prose(text, lambda prose: REFERENCE.sub(lambda found: _by_number(found, titles), prose))
    text = _prose(text, lambda prose: LINK.sub(lambda found: found[1] + _inside(found[2], titles) + found[3], prose))
    text = _prose(text, lambda prose: VALUE.sub(lambda found: values(found[1]), prose))
    return _captioned(text)


def anchor(title: str) -> str:
    """The anchor of a heading, as forges, Sphinx and Pandoc make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def sections(page: str) -> dict[str | None, tuple[str, str]]:
    """Anchor, without its number -> (heading, text up to the next heading) of a page; None -> those of its title."""
    found: dict[str | None, tuple[str, str]] = {}
    covered = FENCED.sub(lambda program: program[0].replace("\n#", "\n "), page)  # a remark is no heading
    headings = [*HEADING.finditer(covered)]
    ends = [*(heading.start() for heading in headings[1:]), len(page)]
    for heading, end in zip(headings, ends, strict=True):
        text = page[heading.end() : end].strip()
        found[_unnumbered(anchor(heading[2])) if len(heading[1]) > 1 else None] = heading[2], text
    return found


def _unnumbered(name: str) -> str:
    return re.sub(r"^\d+-", "", name)


def _prose(text: str, change: Callable[[str], str]) -> str:
    """The text with everything changed that is not fenced."""
    return "".join(piece if piece.startswith("```") else change(piece) for piece in FENCED.split(text))


def _section_of_a_page(found: re.Match[str]) -> str:
    """What a paragraph stands for that is a link to a page or to one of its sections."""
    name, page, wanted = found.groups()
    file = HERE / page
    parts = sections(file.read_text(encoding="utf-8")) if file.is_file() else {}
    key = wanted and _unnumbered(wanted)  # a page may number its sections anew
    if key not in parts:
        raise PaperError(f"the paper includes {page}#{wanted or ''}, which is not there")
    title, text = parts[key]
    text = OF_PAGES_ONLY.sub("", text).strip()
    text = _prose(text, lambda prose: LINK.sub(lambda link: link[1] + _moved(link[2], page) + link[3], prose))
    text = _prose(text, lambda prose: SECTION.sub(lambda section: _keyed(section, page), prose))
    return text if wanted is None else f"### {name} <!-- {page}#{title.partition('. ')[0]} -->\n\n{text}"


def _moved(target: str, page: str) -> str:
    """A relative link of a page, as theory/paper has to say it."""
    if target.startswith("#") or ":" in target:
        return target
    return os.path.normpath(os.path.join(os.path.dirname(page), target))


def _keyed(section: re.Match[str], page: str) -> str:
    """The words "section 3" of a page, or of the page that is linked before them, as a reference by number."""
    if section[2] is None:
        return f"[section]({page}#{section[4]})"
    return f"{section[1]}{section[2]}{section[3]}, [section]({section[2]}#{section[4]})"


def _numbered(text: str) -> tuple[str, dict[str, str]]:
    """Headings with their numbers, 1, 1.1, ..; and the titles by what refers to them.

    That is "#anchor" for a heading of the paper, "page#number" for one of a page, and "page" for the chapter with the
    first section of that page.
    """
    count: Counter[int] = Counter()
    titles: dict[str, str] = {}
    chapter = ""

    def heading(found: re.Match[str]) -> str:
        nonlocal chapter
        level, title = len(found[1]), found[2]
        if level > 1 and title not in UNNUMBERED:
            count[level] += 1
            for deeper in range(level + 1, 7):
                count[deeper] = 0
            title = ".".join(str(count[n]) for n in range(2, level + 1)) + f" {title}"
        chapter = title if level == 2 else chapter
        if (key := f"#{anchor(found[2])}") in titles:
            raise PaperError(f"two sections of the paper are called {found[2]}")
        titles[key] = title
        if found[3]:
            titles[found[3]] = title
            titles.setdefault(found[3].partition("#")[0], chapter)
        return f"{found[1]} {title}"

    return _prose(text, lambda prose: HEADING.sub(heading, prose)), titles


def _by_number(found: re.Match[str], titles: dict[str, str]) -> str:
    word, key = found.groups()
    if key not in titles:
        raise PaperError(f"the paper refers to a section that it has not: {key}")
    return f"[{word} {titles[key].partition(' ')[0]}](#{anchor(titles[key])})"


def _inside(target: str, titles: dict[str, str]) -> str:
    """A link to a page that the paper includes, as one into the paper; others as they are."""
    if target == "../references.md":
        return "#references"
    return f"#{anchor(titles[target])}" if target in titles and not target.startswith("#") else target


def _captioned(text: str) -> str:
    count: Counter[str] = Counter()

    def caption(found: re.Match[str]) -> str:
        count[found[1]] += 1
        return f"*{found[1]} {count[found[1]]}: "

    return _prose(text, lambda prose: CAPTION.sub(caption, prose))
