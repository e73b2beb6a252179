"""Pages that a notebook leads to: opened beside it, so that its controls stay where they are, and read inside it."""

import re
from pathlib import Path

import marimo as mo

NOTEBOOKS = Path(__file__).resolve().parents[1]
LINK = re.compile(r'<a href="([^"#:]+\.md)"[^>]*>(.*?)</a>', re.S)


def beside(said: mo.Html) -> mo.Html:
    """Let the links of a text open in a tab of their own, and put the pages themselves under it, to unfold.

    A notebook that runs on a server serves no other files: there a link becomes the name of the page and where it is.

    >>> shown = beside(mo.md("[T5](../theory/T5_never_without_replacement/README.md)")).text
    >>> 'target="_blank"' in shown, "marimo-accordion" in shown
    (True, True)
    """
    pages = {re.sub(r"<[^>]+>", "", name): NOTEBOOKS / path for path, name in LINK.findall(said.text)}
    served = mo.app_meta().mode in ("run", "edit")
    linked = LINK.sub(_named, said.text) if served else said.text
    text = mo.Html(re.sub(r'<a href="(?!https?:|#)', '<a target="_blank" rel="noopener" href="', linked))
    here = {" ".join(name.split()): path for name, path in pages.items() if path.is_file()}
    if not here:  # an installed package has the notebooks without the theory
        return text
    unfolded = {
        f"Read {name} here": mo.md(without_links(path.read_text(encoding="utf-8"))) for name, path in here.items()
    }
    return mo.vstack([text, mo.accordion(unfolded, multiple=True)])


def _named(link: re.Match[str]) -> str:
    """What stands in a link's place on a server: where it leads outside, the link."""
    path, name = link[1], link[2]
    if path.startswith(("http:", "https:")):
        return link[0]
    return f"<b>{name}</b> (<code>{path.removeprefix('../')}</code>)"


def without_links(page: str) -> str:
    """The text of a page, its title one level down, its links to other files as words and its pictures left out.

    >>> without_links("See [T2](../T2/README.md), [the paper](https://arxiv.org/abs/2310.15141) ![x](a.svg)")
    'See T2, [the paper](https://arxiv.org/abs/2310.15141) '
    >>> without_links("Hu et al. [[5]](../references.md)")
    'Hu et al. [5]'
    >>> without_links("# A prefix is enough")
    '## A prefix is enough'
    """
    page = re.sub(r"\A# ", "## ", page)
    page = re.sub(r"```math\n(.*?)```", r"$$\n\1$$", page, flags=re.S)  # as marimo displays formulas
    page = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", page)
    return re.sub(r"\[((?:\[[^\]]*\]|[^\[\]])*)\]\((?!https?:)[^)]*\)", r"\1", page)
