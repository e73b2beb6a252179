"""The site: the Markdown of the repository and the docstrings, built by `make docs` into build/docs.

The source folder is the root of the repository, so that a relative link works on a forge and on the site alike.
"""

import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.ext.napoleon import Config, GoogleDocstring, NumpyDocstring

import spechub_lp

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from scripts.formulas import mathml, pieces  # noqa: E402
from theory.paper import assemble, values  # noqa: E402

project = "spechub_lp"
version = release = spechub_lp.__version__
author = "The spechub_lp authors"
copyright = f"{author}, Apache-2.0"
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/**.md",
    "theory/**.md",
    "spechub_lp/gate/*.md",
    "validation/README.md",
    "validation/results/gpu.md",
    "validation/results/report.md",
    "validation/text/README.md",
    "notebooks/README.md",
]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]

html_theme = "furo"
html_title = f"spechub_lp {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
RENDERED = ROOT / "build" / "rendered"  # of scripts/rendered_notebooks.py; `make docs` runs it before this
PAPER = ROOT / "build" / "paper"  # of `make paper`
html_extra_path = ["top", *(str(made) for made in (RENDERED, PAPER) if made.is_dir())]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

default_role = "code"
highlight_language = "text"
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]  # as forges have displayed formulas; in a fence they take no backslash for their own
html_math_renderer = "mathml"  # which every browser draws itself: no script and no network
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_type_aliases = {"Array": "Array"}
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_display_short_literal_types = True

# There are no inventories without a network, so names of other packages cannot be resolved; and these rooms are
# documented in part. All other names of ours must be there.
nitpick_ignore_regex = [
    ("py:.*", r"(?!spechub_lp).*"),
    ("py:.*", r"spechub_lp\.(gate|capture|evaluate|decoding|audit|report)\..*"),
]


def in_restructured_text(app, what, name, obj, options, lines):
    """Docstrings are plain prose with sections (numpydoc's, or `Args:` and `Raises:`), and with indented formulas and
    programs, which follow an empty line.

    A * or _ or | outside backticks is meant as it stands.
    """
    text, literal, said = [], False, ""
    for before, line in zip(["x", *lines], lines, strict=False):
        indented = line.startswith("    ")
        if indented and not before.strip() and not literal:
            text += [] if said.endswith("::") else ["::", ""]
            literal = True
        elif line.strip() and not indented:
            literal = False
        text.append(line if literal or line.startswith(">>> ") else escaped(line))
        said = line.rstrip() or said
    numpydoc = any(re.fullmatch(r"-{3,}", line) for line in lines)
    # "class", because napoleon would take the words before a colon in an attribute's docstring for its type.
    kind = NumpyDocstring if numpydoc else GoogleDocstring
    lines[:] = kind(
        text, Config(napoleon_use_rtype=False, napoleon_use_param=False), app, "class", name, obj, options
    ).lines()


def escaped(line):
    pieces = re.split(r"(`[^`]*`)", line)
    pieces[::2] = [re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(pieces)


def without_builtins(app, env):
    """viewcode lists the module of an alias such as `tuple[...]` and writes no page for it."""
    getattr(env, "_viewcode_modules", {}).pop("builtins", None)


def formula(translator, node):
    """A formula in the text, or on a line of its own, as MathML."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    if display == "block":
        translator.body.append(f'<div class="formula">{mathml(node.astext(), display)}</div>')
    else:
        *parts, last = pieces(node.astext())
        for part in [*parts, last + node.get("behind", "")]:
            translator.body.append(f'<span class="formula">{part}</span>')
    raise nodes.SkipNode


def with_signs_behind_formulas(app, doctree):
    """What follows a formula without a blank stays in its box, so that no line begins with it."""
    for formula in doctree.findall(nodes.math):
        behind = formula.next_node(descend=False, siblings=True)
        sign = re.match(r"[.,;:)?]+", behind.astext()) if isinstance(behind, nodes.Text) else None
        if sign:
            formula["behind"] = sign[0]
            behind.parent.replace(behind, nodes.Text(behind.astext()[sign.end() :]))


def with_rendered_notebooks(app, name, source):
    """Beside the command that opens a notebook, a link to the page that shows it, where the pages were made."""
    if name == "notebooks/README":
        for page in sorted((RENDERED / "notebooks").glob("*.html")):
            command = f"`marimo run notebooks/{page.stem}.py`"
            source[0] = source[0].replace(f"{command} |", f'<a href="{page.name}">look at it</a>, or {command} |')


def with_the_paper(app, name, source):
    """The paper's source with all that it includes, and a link to the PDF where it was made."""
    if name == "theory/paper/README":
        title, rest = assemble.assembled(values.value).split("\n", 1)
        pdf = '\n<a href="../../paper.pdf">This paper as a PDF</a>\n' if (PAPER / "paper.pdf").is_file() else ""
        source[0] = f"{title}\n{pdf}{rest}"


def with_room_for_prose(app, doctree):
    """Cells that hold text of some length, for which the style sheet keeps room."""
    for cell in doctree.findall(nodes.entry):
        if len(cell.astext()) > 30:
            cell["classes"].append("prose")


def setup(app):
    app.connect("source-read", with_rendered_notebooks)
    app.connect("source-read", with_the_paper)
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
    app.connect("doctree-read", with_room_for_prose)
    app.connect("doctree-read", with_signs_behind_formulas)
    app.connect("autodoc-process-docstring", in_restructured_text)
    app.connect("env-check-consistency", without_builtins)
