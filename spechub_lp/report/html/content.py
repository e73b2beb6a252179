"""What a page is made of, before it is HTML."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from spechub_lp.errors import MissingPackage
from spechub_lp.report.plots.pictures import canvas, svg
from spechub_lp.report.text.evaluations import Section

PASS, FAIL, OPEN = "pass", "fail", "open"
"""How a page is meant: the claim holds, it does not, or nothing was settled."""
MOODS = {"pass": (PASS, "PASS"), "biased": (FAIL, "FAIL"), "inconclusive": (OPEN, "INCONCLUSIVE")}
"""How the page of a verdict is meant, and its headline."""

NO_PICTURES = "The pictures of this page need matplotlib: pip install 'spechub-lp[plots]'."


class Cell(NamedTuple):
    """A table's entry that says whether it is good news: PASS, FAIL or OPEN.

    Examples
    --------
    >>> Cell("lossless", PASS).mood
    'pass'
    """

    text: str
    mood: str


class Picture(NamedTuple):
    """A picture with what stands below it.

    Examples
    --------
    >>> Picture("<svg/>", "acceptance").caption
    'acceptance'
    """

    svg: str
    caption: str


class Attachment(NamedTuple):
    """A file that the page carries in a link.

    Examples
    --------
    >>> Attachment("a.json", "{}").name
    'a.json'
    """

    name: str
    text: str
    says: str = ""


@dataclass
class Part:
    """One section of a page, in the order in which it is read.

    Examples
    --------
    >>> Part("What failed", text=["nothing"]).heading
    'What failed'
    """

    heading: str
    text: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Section] = ()
    folded: Sequence[Section] = ()
    """Tables that open on demand."""
    more: Sequence[Picture] = ()
    """Pictures that open on demand, under the title `more_title`."""
    more_title: str = ""
    attachments: Sequence[Attachment] = ()
    code: str = ""
    """Something to copy."""


@dataclass
class Content:
    """What a page says.

    Examples
    --------
    >>> Content(PASS, "PASS", "audit", "every sampler is lossless").status
    'pass'
    """

    status: str
    """PASS, FAIL or OPEN."""
    word: str
    """The verdict in a word."""
    title: str
    """What was tested, for the browser's tab."""
    sentence: str
    """The verdict: what was proved, of what, on how much."""
    facts: Sequence[str] = ()
    """What else a reader must know before the first picture."""
    failures: Sequence[str] = ()
    parts: list[Part] = field(default_factory=list)
    seed: Any = None


def picture(
    draw: Callable[[Any], None], says: str, caption: str, width: float = 4.6, height: float = 3.4
) -> list[Picture]:
    """Make one picture; none, with the page's note, without matplotlib.

    Parameters
    ----------
    draw
        Called with the axes.
    says
        What it says to who cannot see it.
    caption
        What stands below it.
    width, height
        In inches.

    Returns
    -------
    list of Picture
        One, or none.

    Examples
    --------
    >>> picture(lambda axes: axes.plot([0, 1]), "a line", "A line.")[0].caption
    'A line.'
    """
    try:
        with canvas(width=width, height=height) as (figure, axes):
            draw(axes)
            return [Picture(svg(figure, says), caption)]
    except MissingPackage:
        return []
