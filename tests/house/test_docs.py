"""The site: it builds without a warning, every link in it leads somewhere, and its pages read without a network."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

import comparison
import pytest
from known import known
from places import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab


LOOKED_AT = (
    "docs/index.html",
    "docs/comparison.html",
    "docs/api/samplers.html",
    "genindex.html",
    "theory/T11_promise/README.html",
    "theory/border/README.html",
    "theory/paper/README.html",
    "spechub_lp/gate/README.html",
    "spechub_lp/gate/MUTANTS.html",
    "validation/results/report.html",
)


PICTURES = sorted(path for room in ("docs", "theory", "validation") for path in (ROOT / room).rglob("*.svg"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("furo")
    out = tmp_path_factory.mktemp("site")
    build = ["-m", "sphinx", "-b", "html", "-c", "docs", "-n", "-W", "--keep-going", "-q", "-d", str(out / "trees")]
    done = subprocess.run([sys.executable, *build, ".", str(out / "html")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / "html"


class Page(HTMLParser):
    """The anchors of a page, its links, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.ids.add(given.get("id", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("img", "script", "iframe", "source") and "src" in given:
            self.loads.append(given["src"])
        if tag == "link" and given.get("rel") not in ("canonical", "search", "index", "next", "prev"):
            self.loads.append(given["href"])


def dead_links(root: Path) -> list[str]:
    """The links of a folder of HTML that lead to no file or anchor; addresses outside must be well-formed https."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in root.rglob("*.html")}
    dead = []
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if not re.fullmatch(r"https://[\w.-]+\.\w+(/\S*)?", link) and parts.scheme != "data":
                    dead.append(f"{path.relative_to(root)}: {link} is no address")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            where = f"{path.relative_to(root)}: {link}"
            if not target.is_file():
                dead.append(where)
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                dead.append(f"{where} (no such anchor)")
    return dead


@pytest.mark.slow
def test_the_site_builds_and_its_links_are_alive(site: Path) -> None:
    assert len(list(site.rglob("*.html"))) > 40
    assert dead_links(site) == []


@pytest.mark.slow
def test_nothing_is_loaded_from_outside(site: Path) -> None:
    for path in site.rglob("*.html"):
        outside = [a for a in Page(path.read_text(encoding="utf-8")).loads if urlsplit(a).netloc]
        assert not outside, (path, outside)
    for path in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )[\"']?(https?:)?//", path.read_text(encoding="utf-8")), path


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#x">1</a> <a href="c.html">2</a> <a href="http:/d">3</a>')
    (tmp_path / "b.html").write_text('<p id="y"></p> <a href="a.html">1</a> <a href="https://example.org/">2</a>')
    assert len(dead_links(tmp_path)) == 3


def test_links_in_the_markdown_lead_somewhere() -> None:
    """On a forge, where there is no Sphinx to complain."""
    for page in [*ROOT.glob("*.md"), *(p for d in ("docs", "theory", "spechub_lp") for p in (ROOT / d).rglob("*.md"))]:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if not urlsplit(link).scheme:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_stored_pictures_are_legible_in_both_themes(picture: Path) -> None:
    """Each has paper of its own, or ink that follows the theme; words are in ink, or white on what is filled."""
    drawn = picture.read_text(encoding="utf-8")
    paper = '" fill="#ffffff"/>' in drawn
    assert paper or "prefers-color-scheme" in drawn
    colours = set(re.findall(r"<text[^>]*?fill[:=][\" ]*([#\w]+)", drawn))
    assert colours <= ({"#1b1f24", "#57606a"} if paper else {"currentColor", "#ffffff"})


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_in_a_browser(site: Path, browser: "Browser", width: int, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for name in LOOKED_AT:
        tab = context.new_page()
        said = complaints(tab)
        tab.goto((site / name).as_uri())
        assert said == [], (name, said)
        wide = tab.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} wide at {width}"
        ink, paper = tab.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).background]")
        assert (brightness(ink) > brightness(paper)) is (scheme == "dark"), (name, ink, paper)
        tab.close()
    context.close()


def complaints(tab: "Tab") -> list[str]:
    """What a page says, fails to get, and asks for outside, from now on."""
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    tab.on("request", lambda request: None if inside(request.url) else said.append(f"asked: {request.url}"))
    return said


def inside(address: str) -> bool:
    return urlsplit(address).scheme in ("file", "data")


def brightness(colour: str) -> int:
    """Sum of red, green and blue of the first rgb(...)."""
    channels = known(re.search(r"rgba?\((\d+), (\d+), (\d+)", colour)).groups()
    return sum(map(int, channels))


def test_the_comparison_is_that_of_the_stored_figures() -> None:
    page = comparison.PAGE.read_text(encoding="utf-8")
    figures = json.loads(comparison.KEPT.read_text(encoding="utf-8"))
    assert comparison.updated(page, figures) == page
    assert figures["date"]
