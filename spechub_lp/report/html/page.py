"""A document of `audit`, `gate` or `evaluate` as one page: tables, pictures, what to run to get it again; no network.

The page is a file of its own: styles, pictures and attachments are inside, no script runs, and its policy forbids
every load. Everything that comes from the document is escaped.
"""

import base64
import gzip
import json
import re
from collections.abc import Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from spechub_lp._util.io import json_text, write_text
from spechub_lp.errors import SpecHubError
from spechub_lp.report.html.content import NO_PICTURES, Attachment, Cell, Content
from spechub_lp.report.plots.drawings import BAD, GOOD

LARGEST_ATTACHED = 1 << 20
"""Bytes of an attached file: browsers take links of 2 MB, a third of which is the price of base64."""

NUMBER = re.compile(r"[+-]?[\d,]*\.?\d+(e[+-]?\d+)?%?( ± [\d.]+)?|")
"""What stands on the right of its column."""


def write_page(path: str | Path, document: dict[str, Any]) -> None:
    """Write the page of a JSON document, whole or not at all.

    Parameters
    ----------
    path
        The file; "-" is stdout.
    document
        As `--json` writes it.

    Raises
    ------
    SpecHubError
        There is no page for its command, or the file cannot be written.
    """
    write_text(path, page(document))


def page(document: dict[str, Any]) -> str:
    """Make the page of a document.

    Parameters
    ----------
    document
        As `--json` writes it or as it is before.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    SpecHubError
        There is no page for its command.

    Examples
    --------
    >>> page({"command": "solve"})
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: command = 'solve'; a page is made of a document of audit, gate, gate-engine or
    evaluate
    """
    text = json_text(document)
    document = json.loads(text)
    content = _content(document)
    template = resources.files("spechub_lp.report.html").joinpath("page.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"cell": cell, "link": link, "inline": inline}
    return environment.from_string(template).render(
        page=content,
        document=document,
        whole=_whole(document["command"], text),
        limit=f"{LARGEST_ATTACHED / 2**20:g} MB",
        no_pictures="" if find_spec("matplotlib") else NO_PICTURES,
        numeric=numeric,
    )


def _content(document: dict[str, Any]) -> Content:
    match document.get("command"):
        case "audit":
            from spechub_lp.report.html.audit import content
        case "gate":
            from spechub_lp.report.html.gate import content
        case "gate-engine":
            from spechub_lp.report.html.generation import content
        case "evaluate" | "replay":  # version 1
            from spechub_lp.report.html.evaluation import content
        case other:
            raise SpecHubError(
                f"command = {other!r}; a page is made of a document of audit, gate, gate-engine or evaluate"
            )
    return content(document)


def cell(value: Any) -> Any:
    """Format a table's entry: numbers to four places, good and bad news in their colours, files as links.

    Parameters
    ----------
    value
        A number, a text, a `Cell` or an `Attachment`.

    Returns
    -------
    str or Markup
        The entry.

    Examples
    --------
    >>> cell(0.5)
    '0.5000'
    """
    if isinstance(value, Attachment):
        return link(value, "save")
    if isinstance(value, Cell):
        return Markup('<span class="{}">{}</span>').format(value.mood, value.text)
    if isinstance(value, float):
        return f"{value + 0.0 if abs(value) >= 5e-5 else 0.0:.4f}"
    return str(value)


def numeric(rows: Sequence[Sequence[Any]], column: int) -> bool:
    """Return whether a column holds numbers, perhaps with intervals; it then stands to the right.

    Parameters
    ----------
    rows
        Of the table.
    column
        Which.

    Returns
    -------
    bool
        Whether it does.

    Examples
    --------
    >>> numeric([["rrs", 0.5], ["nss", "0.4 ± 0.1"]], 1)
    True
    """
    cells = [row[column] for row in rows]
    plain = [c.text if isinstance(c, Cell) else f"{c}" for c in cells if not isinstance(c, Attachment)]
    return any(plain) and len(plain) == len(cells) and all(NUMBER.fullmatch(text) for text in plain)


def link(file: Attachment, says: str = "") -> Markup:
    """Make a link that saves the file, which it carries.

    Parameters
    ----------
    file
        The file.
    says
        Its label; by default the name.

    Returns
    -------
    Markup
        HTML.

    Examples
    --------
    >>> 'download="a.json"' in link(Attachment("a.json", "{}"))
    True
    """
    packed = file.name.endswith(".gz")
    data = gzip.compress(file.text.encode(), mtime=0) if packed else file.text.encode()
    kind = "application/gzip" if packed else "application/json"
    where = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    label = f"{says or file.name} ({_size(len(data))})"
    return Markup('<a href="{}" download="{}" title="{}">{}</a>').format(
        where, file.name, file.says or file.name, label
    )


def inline(svg: str, number: int) -> Markup:
    """Fit a picture among others, in the page's colours: ids that nothing refers to go, the rest become its own.

    Parameters
    ----------
    svg
        The picture.
    number
        Which it is on the page.

    Returns
    -------
    Markup
        HTML.

    Examples
    --------
    >>> str(inline('<svg><g id="a"/><use href="#a"/></svg>', 3))
    '<svg><g id="p3-a"/><use href="#p3-a"/></svg>'
    """
    svg = svg.replace(GOOD, "var(--pass)").replace(BAD, "var(--fail)")
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="p{number}-{m[1]}"' if m[1] in used else "", svg)
    return Markup(re.sub(r'(href="|url\()#', rf"\g<1>#p{number}-", svg))


def _whole(command: str, text: str) -> Attachment | None:
    """The document itself, packed when it is large; none when it is too large even then."""
    name = f"spechub-{command}.json"
    if len(text.encode()) <= LARGEST_ATTACHED:
        return Attachment(name, text, "every figure of this page")
    packed = Attachment(name + ".gz", text, "every figure of this page, packed by gzip")
    return packed if len(gzip.compress(text.encode(), mtime=0)) <= LARGEST_ATTACHED else None


def _size(count: int) -> str:
    return f"{count / 1000:.0f} kB" if count >= 1000 else f"{count} bytes"
