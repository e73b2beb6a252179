"""Notebooks as pages that need no server, no network and no marimo: their states are computed here, and chosen there.

    rendered_notebooks.py FOLDER [NAME ...]    FOLDER/notebooks/NAME.html for each; `make docs` puts them on the site

A state moves one control from where it stands at the start. Only the outputs that it changes are kept. A page is made
anew when a file of the notebooks or of the package changed since.
"""

import hashlib
import html
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import marimo as mo

from spechub_lp._util.io import write_text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.formulas import mathml  # noqa: E402

NOTEBOOKS = ROOT / "notebooks"
MOST = 5
"""Places of a slider."""
ELEMENT = re.compile(r"<(/?)marimo-ui-element\b[^>]*?(?:object-id='([^']*)'[^>]*)?>")
TEX = re.compile(r'<marimo-tex class="arithmatex">\|\|[(\[](.*?)\|\|[)\]]</marimo-tex>', re.S)


class Place(NamedTuple):
    """Where a control can stand: what is shown, and the control that stands there."""

    name: str
    control: Any


class State(NamedTuple):
    """What changes where one control stands elsewhere: output -> HTML."""

    control: str
    place: str
    changed: dict[int, str]


def places(control: Any) -> list[Place]:
    """Where a control can stand, its start among them; nothing for texts, codes and lists, which stay."""
    match control:
        case mo.ui.slider():
            steps = list(control.steps or _grid(control.start, control.stop, control.step or 1))
            few = {round(n * (len(steps) - 1) / (MOST - 1)) for n in range(MOST)} | {steps.index(control.value)}
            values = [steps[n] for n in sorted(few)]
            return [Place(f"{v:g}", mo.ui.slider(steps=steps, value=v)) for v in values]
        case mo.ui.radio() | mo.ui.dropdown():
            return [Place(name, type(control)(control.options, value=name)) for name in control.options]
        case mo.ui.checkbox():
            return [Place(word, mo.ui.checkbox(value=value)) for word, value in (("no", False), ("yes", True))]
        case mo.ui.tabs():
            return [
                Place(name, mo.ui.tabs(dict.fromkeys(control._tab_keys, ""), value=name)) for name in control._tab_keys
            ]
    return []


def _grid(start: float, stop: float, step: float) -> Iterator[float]:
    """The values of a slider."""
    for n in range(int((stop - start) / step + 1e-9) + 1):
        yield start + n * step


def start(control: Any) -> str:
    """The name of the place where a control stands at the start."""
    match control:
        case mo.ui.slider():
            return f"{control.value:g}"
        case mo.ui.radio() | mo.ui.dropdown():
            return next(name for name, value in control.options.items() if value == control.value)
        case mo.ui.checkbox():
            return "yes" if control.value else "no"
    return str(control.value)


def states(app: Any, values: dict[str, Any], plain: list[str]) -> Iterator[State]:
    """Every control in every other place, the others as they stand at the start."""
    for cell in app._cell_manager.cells():
        made = {name: values[name] for name in cell.defs if name in values}
        for name, control in made.items():
            for place in places(control):
                if place.name != start(control):
                    outputs, _ = app.run(defs=made | {name: place.control})
                    texts = list(map(text, outputs))
                    changed = {n: new for n, new in enumerate(texts) if new and bare(new) != bare(plain[n])}
                    yield State(name, place.name, changed)


def text(output: Any) -> str:
    """The HTML of an output, its formulas as MathML."""
    shown = getattr(output, "text", "") or ""
    shown = re.sub(r"<marimo-accordion.*?</marimo-accordion>", "", shown, flags=re.S)
    shown = re.sub(r"<marimo-callout-output[^>]*data-html='([^']*)'[^>]*>\s*</marimo-callout-output>", _callout, shown)
    return TEX.sub(lambda found: mathml(html.unescape(found[1])), shown)


def _callout(found: re.Match[str]) -> str:
    return f'<div class="callout">{json.loads(html.unescape(found[1]))}</div>'


def bare(shown: str) -> str:
    """The HTML without what differs from run to run: the names of its elements."""
    return re.sub(r"(object|random)-id='[^']*'", "", shown)


def with_controls(shown: str, control: Callable[[str, str], str]) -> str:
    """Put something else in the place of every control; it is given the control's id, and its own HTML."""
    out, depth, begin, name, at = [], 0, 0, "", 0
    for found in ELEMENT.finditer(shown):
        if not found[1]:
            if depth == 0:
                out.append(shown[at : found.start()])
                begin, name = found.end(), found[2]
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                out.append(control(name, shown[begin : found.start()]))
                at = found.end()
    return "".join(out) + shown[at:]


def label(inside: str) -> str:
    """What stands before a control."""
    found = re.search(r"data-label='([^']*)'", inside)
    words = json.loads(html.unescape(found[1]).replace("&#92;", "\\")) if found else ""
    return re.sub(r"<[^>]+>", "", words or "").strip()


def page(name: str) -> str:
    """A notebook as a page."""
    spec = importlib.util.spec_from_file_location(f"notebook_{name}", NOTEBOOKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    outputs, values = module.app.run()
    plain = list(map(text, outputs))
    found = [state for state in states(module.app, values, plain) if state.changed]
    controls = {n: v for n, v in values.items() if type(v).__module__.startswith("marimo._plugins.ui.")}
    names = {control._id: name for name, control in controls.items()}
    moved = {state.control for state in found}

    def control(identity: str, inside: str) -> str:
        said, own = html.escape(label(inside)), names.get(identity)
        if own in moved:
            chosen = start(values[own])
            there = {chosen} | {state.place for state in found if state.control == own}
            return _select(own, said, [place.name for place in places(values[own]) if place.name in there], chosen)
        return _still(said, inside)

    shown = [with_controls(output, control) for output in plain]
    main = "\n".join(f'<div class="output" data-output="{n}">{said}</div>' for n, said in enumerate(shown) if said)
    kept = "\n".join(
        f'<template data-control="{html.escape(s.control)}" data-place="{html.escape(s.place)}" data-output="{n}">'
        f"{with_controls(new, control)}</template>"
        for s in found
        for n, new in s.changed.items()
    )
    title = re.sub(r"<[^>]+>", "", re.findall(r"<h1[^>]*>(.*?)</h1>", plain[0], re.S)[0]).strip()
    hint = PAGE_HINT.format(name=name)
    return PAGE.format(title=html.escape(title), hint=hint, main=links(main), states=links(kept))


def _select(name: str, said: str, options: list[str], chosen: str) -> str:
    words = [f"<option{' selected' if o == chosen else ''}>{html.escape(o)}</option>" for o in options]
    return f'<label class="control">{said} <select data-control="{html.escape(name)}">{"".join(words)}</select></label>'


def _still(said: str, inside: str) -> str:
    """A control that stays, as its label and value."""
    found = re.search(r"data-initial-value='([^']*)'", inside)
    value = html.unescape(found[1]).replace("&#92;", "\\") if found else ""
    if "<marimo-tabs" in inside:
        return ""
    if "code-editor" in inside:
        return f"<pre>{html.escape(json.loads(value))}</pre>" if value else ""
    parsed = json.loads(value) if value else ""
    words = ", ".join(map(str, parsed)) if isinstance(parsed, list) else str(parsed)
    return f'<span class="still">{said} <b>{html.escape(words)}</b></span>'


def links(shown: str) -> str:
    """Links to the pages of the site."""
    return re.sub(r'href="(\.\./[^"]+)\.md"', r'href="\1.html"', shown)


PAGE_HINT = (
    "A rendered notebook: move one control, and the others go back to their start. "
    "<code>spechub-lp notebook {name}</code> moves all of them, to any place. "
    '<a href="README.html">All notebooks</a>'
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
:root {{ --page: #fff; --text: #1d2226; --muted: #59626b; --line: #dfe2e4; --soft: #f1f2f0; --link: #1b5e9b; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --page: #14171a; --text: #e6e8ea; --muted: #a3acb4; --line: #343a40; --soft: #22272b; --link: #86bdf2; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--page); color: var(--text); overflow-wrap: break-word;
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }}
main {{ max-width: 52rem; margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 2rem) 4rem; }}
a {{ color: var(--link); }}
h1 {{ font-size: 1.9rem; line-height: 1.25; }} h2 {{ font-size: 1.35rem; margin: 2rem 0 .5rem; }}
.hint {{ color: var(--muted); font-size: .9rem; border-bottom: 1px solid var(--line); padding-bottom: .75rem; }}
.paragraph {{ display: block; margin: .75rem 0; }}
.output {{ margin: 1rem 0; max-width: 100%; }}
.output svg {{ max-width: 100%; height: auto; }}
.control, .still {{ display: inline-flex; flex-wrap: wrap; gap: .1rem .5rem; min-width: 0; max-width: 100%;
  overflow-wrap: anywhere; align-items: baseline; margin: .2rem 1.25rem .2rem 0; }}
.still {{ color: var(--muted); }}
select {{ font: inherit; color: inherit; background: var(--soft); border: 1px solid var(--line);
  border-radius: .35rem; padding: .1rem .4rem; max-width: 100%; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; max-width: 100%;
  font-variant-numeric: tabular-nums; }}
th, td {{ padding: .3rem .8rem; border-bottom: 1px solid var(--line); text-align: left; }}
pre {{ background: var(--soft); border: 1px solid var(--line); border-radius: .4rem; padding: .75rem;
  overflow-x: auto; font-size: .85rem; }}
.callout {{ border-left: 4px solid var(--line); padding: .25rem 1rem; background: var(--soft); }}
</style>
</head>
<body>
<main>
<p class="hint">{hint}</p>
{main}
</main>
{states}
<script>
const kept = [...document.querySelectorAll("template")], first = new Map();
const outputs = [...document.querySelectorAll("[data-output].output")];
const selects = [...document.querySelectorAll("select")];
for (const output of outputs) first.set(output.dataset.output, output.innerHTML);
const starts = new Map(selects.map(select => [select.dataset.control, select.value]));
document.addEventListener("change", event => {{
  const {{control}} = event.target.dataset, place = event.target.value;
  for (const output of outputs) {{
    const n = output.dataset.output;
    const state = kept.find(t => t.dataset.control === control && t.dataset.place === place && t.dataset.output === n);
    const holds = output.querySelector("select");
    if (!holds) output.innerHTML = state ? state.innerHTML : first.get(n);
  }}
  for (const select of document.querySelectorAll("select"))
    if (select.dataset.control !== control) select.value = starts.get(select.dataset.control) ?? select.value;
}});
</script>
</body>
</html>
"""


def fingerprint() -> str:
    """Of everything that a page is made of."""
    files = [*NOTEBOOKS.rglob("*.py"), *(ROOT / "spechub_lp").rglob("*.py"), Path(__file__)]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main(folder: Path, *names: str) -> None:
    """Write the pages that are not up to date."""
    sys.path.insert(0, str(ROOT))
    out = folder / "notebooks"
    out.mkdir(parents=True, exist_ok=True)
    stamp = f"<!-- {fingerprint()} -->\n"
    for name in names or sorted(path.stem for path in NOTEBOOKS.glob("*.py")):
        path = out / f"{name}.html"
        if not path.exists() or not path.read_text(encoding="utf-8").endswith(stamp):
            write_text(path, page(name) + stamp)
            print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
