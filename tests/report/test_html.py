"""Pages: one file each that loads nothing, trusts nothing in its document, reads everywhere and proves its claims."""

import base64
import gzip
import json
import re
import subprocess
import sys
from dataclasses import asdict
from fractions import Fraction
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
import torch

from spechub_lp import certificate
from spechub_lp._util import resources
from spechub_lp._util.words import counted
from spechub_lp.audit import audit, records
from spechub_lp.capture import store
from spechub_lp.cli.terminal import about
from spechub_lp.errors import SpecHubError
from spechub_lp.evaluate import evaluate as evaluation
from spechub_lp.gate import Settings, check_node
from spechub_lp.gate.problems.node import problems
from spechub_lp.gate.results import Finding, Report, Row
from spechub_lp.report.html import gate as gate_page
from spechub_lp.report.html import page as pages
from spechub_lp.report.html.page import page, write_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser


HOSTILE = '<script>alert(1)</script>"><img src=http://example.org/x onerror=alert(2)> $\\frac{'
KINDS = ("audit", "audit failed", "gate", "gate rejected", "evaluate")


def right(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    residual = p.clone()
    for j, x in enumerate(drafts):
        if torch.rand(()) * q[x] < residual[x]:
            return x, j
        residual = (residual - q).clamp(min=0)
        residual = residual / residual.sum()
    return int(torch.multinomial(residual, 1)), -1


def biased(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    if torch.rand(()) * q[drafts[0]] < p[drafts[0]]:
        return drafts[0], 0
    return int(torch.multinomial(p, 1)), -1


def audited() -> dict[str, Any]:
    rows = resources.path("captured/smollm2.safetensors")
    result = audit.run(2, 0, 0, jobs=1)
    result.model = dict(store.load(rows).manifest)
    audit._full_vocabulary(result, rows, 1, 1, lambda what, done, of: None)
    return {**about("audit"), **asdict(result), "failures": result.failures}


def failed(document: dict[str, Any]) -> dict[str, Any]:
    """A sampler that lost one distribution, and acceptances above its optimum."""
    document = json.loads(json.dumps(document, default=str))
    line = next(line for line in document["lines"] if line["sampler"] == "rrs" and line["own"])
    line |= {"lossless": line["instances"] - 1, "distance": 0.125, "above": 1, "acceptance": line["optimum"] + 0.01}
    document["failures"] = [f"rrs with its own iid drafts is biased {HOSTILE}"]
    return document


def gated(engine: Any, name: str) -> dict[str, Any]:
    settings = Settings(seconds=60.0, levels=(0, 1))
    report = check_node(engine, "iid", 2, name=name, settings=settings, cases=problems("iid", 2)[:3])
    return {**about("gate"), **report.document()}


def evaluated() -> dict[str, Any]:
    plan = evaluation.Plan(("naive", "rrs", "spechub", "border_wor"), (0.6, 1.0), draws=2, exact_every=1, positions=3)
    result = evaluation.evaluate(resources.path("captured/smollm2.safetensors"), plan, 1)
    return {**about("evaluate"), **result.document()}


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    clean = audited()
    return {
        "audit": clean,
        "audit failed": failed(clean),
        "gate": gated(right, "engines:right"),
        "gate rejected": gated(biased, "engines:biased"),
        "evaluate": evaluated(),
    }


@pytest.fixture(scope="module")
def texts(documents: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {kind: page(document) for kind, document in documents.items()}


class Seen(HTMLParser):
    """Every element with its attributes, and the text of the elements asked for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def all(self, tag: str) -> list[Any]:
        return [attributes for name, attributes in self.elements if name == tag]


def attached(text: str) -> dict[str, bytes]:
    """name -> the bytes of every file that the page carries."""
    links = [a for a in Seen(text).all("a") if a.get("download")]
    return {a["download"]: base64.b64decode(a["href"].partition("base64,")[2], validate=True) for a in links}


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_one_file_that_loads_nothing(texts: dict[str, str], kind: str) -> None:
    text = texts[kind]
    seen = Seen(text)
    loading = ("src", "href", "xlink:href", "srcset", "poster", "action", "data", "background")
    addresses = [v for _, a in seen.elements for name, v in a.items() if name in loading]
    assert addresses
    assert all(v and v.startswith(("#", "data:")) for v in addresses)
    assert "@import" not in text
    assert set(text.split("url(")[1:]) == {part for part in text.split("url(")[1:] if part.startswith("#")}
    tags = {tag for tag, _ in seen.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "base"}
    assert not [name for _, a in seen.elements for name in a if name.startswith("on")]


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_a_language_a_title_headings_in_order_and_words_for_its_pictures(
    texts: dict[str, str], kind: str
) -> None:
    seen = Seen(texts[kind])
    assert seen.all("html") == [{"lang": "en"}]
    assert len(seen.all("title")) == 1
    levels = [int(tag[1]) for tag, _ in seen.elements if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    pictures = seen.all("svg")
    assert len(pictures) >= 2
    assert all(p["role"] == "img" and len(p["aria-label"]) > 20 for p in pictures)
    assert all("scope" in a for a in seen.all("th"))
    ids = [a["id"] for _, a in seen.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in seen.all("a") if a["href"].startswith("#")} <= set(ids)


@pytest.mark.parametrize(
    ("kind", "verdict", "says"),
    [
        ("audit", "PASS", "output distributions are the target distribution"),
        ("audit failed", "FAIL", "rrs with its own iid drafts is biased"),
        ("gate", "PASS", "keeps the target distribution: exact distance at most"),
        ("gate rejected", "FAIL (bias)", "does not keep the target distribution: on '"),
        ("evaluate", "PASS", "No sampler accepts more than the certified optimum of its drafts on 3 positions"),
    ],
)
def test_the_page_opens_with_its_verdict(texts: dict[str, str], kind: str, verdict: str, says: str) -> None:
    words = " ".join(" ".join(Seen(texts[kind]).words).split())
    body = words.partition(verdict + ":")[2]
    assert verdict in body[:200]
    assert says in body[:700]


def numbers_of(document: Any) -> set[str]:
    """Every number of a document, as a headline writes it, and how many there are of what."""
    if isinstance(document, dict):
        found = set().union(*(numbers_of(value) for value in document.values()))
    elif isinstance(document, list):
        found = set().union({str(len(document))}, *(numbers_of(value) for value in document))
    else:
        is_number = isinstance(document, int | float) and not isinstance(document, bool)
        found = {f"{document:.3g}", str(document)} if is_number else set()
    return found


@pytest.mark.parametrize(
    "rows",
    [
        [Row("a", 1, 3.2e-8, 4e-8, 0.5, 0.6)],
        [Row("a", 1, 3.2e-8, 4e-8, 0.5, 0.6), Row("full", 2, 0.055, 0.198, 0.5, 0.6, draws=768)],
        [Row("full", 2, 0.055, 0.198, 0.5, 0.6, draws=768)],
        [Row("wrong", 1, 0.0313, 0.0313, 0.5, 0.6), Row("crashes", 1, 0.0938, 0.0938, 0.5, 0.6)],
        [Row("crashes", 1, 0.0938, 0.0938, 0.5, 0.6)],
        [Row("right", 1, 3e-9, 4e-9, 0.5, 0.6), Row("full", 2, 0.3, 0.4, 0.5, 0.6, draws=768)],
    ],
)
def test_every_number_of_a_gate_s_headline_is_one_of_its_document(rows: list[Row]) -> None:
    findings = {
        "wrong": Finding(1, "bias", "x", distance=0.0313, problem="wrong"),
        "crashes": Finding(0, "crash", "x", problem="crashes"),
        "full": Finding(2, "bias", "x", problem="full"),
    }
    for found in ([], [findings[row.problem] for row in rows if row.problem in findings]):
        report = Report("mine:verify", "node", "iid", 2, rows=rows, findings=found)
        lead = gate_page.content(report.document()).sentence
        numbers = re.findall(r"(?<![\w.])\d[\d.]*(?:e-?\d+)?", lead.replace("mine:verify with 2 iid drafts", ""))
        known = {str(n) for n in range(1, len(rows) + 1)} | numbers_of(report.document())
        assert [n for n in (text.rstrip(".") for text in numbers) if n not in known] == [], lead
        exact = [row.distance for row in rows if row.level == 1]
        if not found and exact:
            assert f"exact distance at most {max(exact):.3g} on {counted(len(exact), 'problem')}" in lead


@pytest.mark.parametrize("kind", KINDS)
def test_the_foot_says_how_to_run_it_again(
    documents: dict[str, dict[str, Any]], texts: dict[str, str], kind: str
) -> None:
    document = json.loads(json.dumps(documents[kind], default=str))
    seed = {"audit": document, "gate": document.get("settings"), "evaluate": document.get("plan")}[document["command"]]
    foot = " ".join(Seen(texts[kind].partition("<footer>")[2]).words)
    wanted = [document[name] for name in ("tool", "date", "machine", "command_line")]
    wanted += [f"{name} {version}" for name, version in document["versions"].items()]
    assert [text for text in wanted if text not in foot] == []
    assert foot.partition("Seed ")[2].split()[0] == str(seed["seed"])


@pytest.mark.parametrize("kind", KINDS)
def test_no_acceptance_stands_without_a_verdict(texts: dict[str, str], kind: str) -> None:
    accepting = 0
    for table in texts[kind].split("<thead>")[1:]:
        head, _, body = table.partition("</tbody>")[0].partition("</thead>")
        if not any(f">{name}" in head for name in ("acceptance<", "accepts<", "T = ")):
            continue
        accepting += 1
        rows = [row for row in body.split("<tr>")[1:] if ">optimum" not in row]
        assert [row for row in rows if not re.search(r'<span class="(pass|fail|open)">[^<]', row)] == []
    assert accepting


def test_the_certificates_prove_what_the_page_says(documents: dict[str, dict[str, Any]], texts: dict[str, str]) -> None:
    files = {name: data for name, data in attached(texts["audit"]).items() if name.startswith("certificate")}
    examples = {
        (e["record"]["sampler"], e["record"]["drafts"], e["record"]["k"]): e["record"]
        for e in documents["audit"]["examples"]
    }
    assert len(files) == len(examples) > 20
    claims = [certificate.check(json.loads(data)) for data in files.values()]
    assert sorted(claim.alpha for claim in claims) == sorted(record["optimum"] for record in examples.values())
    assert examples["rrs", "iid", 2]["acceptance"] < examples["rrs", "iid", 2]["optimum"]
    assert any(not r["own"] and r["membership"] > r["optimum"] and r["distance"] > 0 for r in examples.values())


def test_an_example_is_the_worst_of_its_sampler(documents: dict[str, dict[str, Any]]) -> None:
    for example in documents["audit"]["examples"]:
        r = example["record"]
        if not r["own"] or r["k"] != 2:
            continue
        small = [
            other for other in documents["audit"]["records"]
            if (other["sampler"], other["drafts"], other["k"]) == (r["sampler"], r["drafts"], 2)
            and other["source"] == records.RATIONAL
        ]  # fmt: skip
        assert Fraction(r["optimum"]) - r["acceptance"] == max(o["optimum"] - o["acceptance"] for o in small)


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_document_is_attached(documents: dict[str, dict[str, Any]], texts: dict[str, str], kind: str) -> None:
    name = f"spechub-{documents[kind]['command']}.json"
    data = attached(texts[kind]).get(name) or gzip.decompress(attached(texts[kind])[name + ".gz"])
    assert json.loads(data) == json.loads(json.dumps(documents[kind], default=str))
    assert page(json.loads(data)) == texts[kind]


def test_a_large_document_is_packed_and_a_huge_one_left_out(
    documents: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(documents["evaluate"], indent=1, default=str)
    monkeypatch.setattr(pages, "LARGEST_ATTACHED", len(text) - 10)
    packed = page(documents["evaluate"])
    assert json.loads(gzip.decompress(attached(packed)["spechub-evaluate.json.gz"])) == json.loads(text)
    monkeypatch.setattr(pages, "LARGEST_ATTACHED", 1 << 10)
    bare = page(documents["evaluate"])
    assert not attached(bare)
    assert "add --json FILE" in bare


def hostile(document: dict[str, Any]) -> Any:
    """The document with hostile text in every string that comes from a user, an engine or a file."""
    document = json.loads(json.dumps(document, default=str))
    document["command_line"] += HOSTILE
    if document["command"] == "audit":
        document["model"]["model"]["name"] = HOSTILE
        document["theorems"][0]["statement"] += HOSTILE
        for line in document["lines"]:
            line["source"] += HOSTILE
        document["examples"][0]["record"]["drafts"] += HOSTILE
    if document["command"] == "gate":
        document["engine"] = HOSTILE
        document["problems"][0]["problem"] += HOSTILE
        document["findings"] += [vars(Finding(0, HOSTILE, HOSTILE))]
    if document["command"] == "evaluate":
        document["source"]["model"]["name"] = HOSTILE
        document["domains"] = {HOSTILE + name: names for name, names in document["domains"].items()}
        document["failures"] = [HOSTILE]
    return document


@pytest.mark.parametrize("kind", KINDS)
def test_everything_from_the_document_is_escaped(
    documents: dict[str, dict[str, Any]], texts: dict[str, str], kind: str
) -> None:
    text = page(hostile(documents[kind]))
    seen = Seen(text)
    of_more_parts = {"ul", "li", "nav"}  # the finding adds a part, and a page with three has a list of them
    assert {tag for tag, _ in seen.elements} <= {tag for tag, _ in Seen(texts[kind]).elements} | of_more_parts
    assert not [name for _, a in seen.elements for name in a if name.startswith("on")]
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(1)") >= 4


def test_an_inconclusive_run_says_why_and_a_missing_acceptance_is_no_zero() -> None:
    rows = [Row("a", 2, 0.01, 0.2, float("nan"), 0.5, draws=1000), Row("b", 2, 0.02, 0.3, 0.4, 0.5, draws=1000)]
    report = Report("engine", "seeded", "iid", 2, rows, inconclusive=["more time"], settings={"distance": 0.05})
    text = page({**about("gate"), **report.document()})
    words = " ".join(Seen(text).words)
    assert "INCONCLUSIVE" in words
    assert "more time" in words
    assert "not measured" in words
    assert "within 0.3" in text
    assert not [a for _, a in Seen(text).elements if a.get("class") in ("pass", "fail")]


def test_draws_are_failed_by_the_problem_of_a_finding_and_not_by_the_names_in_its_message() -> None:
    rows = [Row(name, 2, 0.01, 0.02, 0.4, 0.5, draws=1000) for name in ("a", "b")]
    found = [Finding(2, "bias", "unlike the draws on 'a'", problem="b")]
    report = Report("engine", "seeded", "iid", 2, rows, found, settings={"distance": 0.05})
    document = json.loads(json.dumps(report.document()))
    check = gate_page.read(document)
    assert [gate_page._mood(row, check) for row in check.rows] == ["pass", "fail"]
    old = gate_page.read(
        document | {"findings": [{k: v for k, v in document["findings"][0].items() if k != "problem"}]}
    )
    assert old.findings[0].problem is None


def test_a_crash_is_rejected_by_its_kind() -> None:
    report = Report("engine", "node", "iid", 2, findings=[Finding(0, "crash", "it died")])
    words = " ".join(" ".join(Seen(page({**about("gate"), **report.document()})).words).split())
    assert "engine with 2 iid drafts is rejected: crash." in words
    assert "crash: it died" in words


def test_without_matplotlib_the_page_says_so(
    documents: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = page(documents["gate"])
    assert "<svg" not in text
    assert "pip install &#39;spechub-lp[plots]&#39;" in text


def test_a_document_without_a_page_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(SpecHubError, match="command = 'solve'"):
        write_page(tmp_path / "a.html", about("solve"))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_writes_the_page_and_its_certificates_pass_verify(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "spechub_lp"]
    audit_it = [*run, "audit", "--instances", "4", "--positions", "0", "--rows", "0", "--jobs", "1"]
    subprocess.run([*audit_it, "--html", "a.html", "--json", "a.json"], cwd=tmp_path, check=True, capture_output=True)
    files = attached((tmp_path / "a.html").read_text())
    assert files.pop("spechub-audit.json") == (tmp_path / "a.json").read_bytes()
    name, data = next(iter(files.items()))
    (tmp_path / name).write_bytes(data)
    done = subprocess.run([*run, "check-certificate", name], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("proved:")


@pytest.fixture(scope="module")
def files(texts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for kind, text in texts.items():
        (folder / f"{kind}.html").write_text(text)
    return folder


def visit(
    browser: "Browser", file: Path, width: int = 1280, scheme: Literal["light", "dark"] = "light", unfold: bool = True
) -> tuple[Any, list[str], list[str]]:
    """(the page, what it complained about, what it asked for besides itself)."""
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints, asked = list[str](), list[str]()
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))

    def reject(route: Any) -> None:
        if route.request.url == file.as_uri():
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    tab.route("**/*", reject)
    tab.goto(file.as_uri())
    if unfold:
        tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    return tab, complaints, asked


CONTRAST = """() => {
  const light = c => {
    const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => linear(v / 255));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (c !== 'rgba(0, 0, 0, 0)' && c !== 'transparent') return c;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || ['STYLE', 'style', 'title'].includes(e.tagName)) continue;
    const drawn = e.namespaceURI.endsWith('svg');
    const [a, b] = [light(drawn ? getComputedStyle(e).fill : getComputedStyle(e).color), light(behind(e))];
    found.push([(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.tagName, e.textContent.slice(0, 40)]);
  }
  return [getComputedStyle(document.body).backgroundColor, found];
}"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_renders_without_complaint_and_asks_for_nothing(browser: "Browser", files: Path, kind: str) -> None:
    tab, complaints, asked = visit(browser, files / f"{kind}.html")
    assert tab.locator("h1").inner_text().startswith(("PASS", "FAIL"))
    shapes = tab.locator("svg").evaluate_all("all => all.map(s => s.getBoundingClientRect().height)")
    assert min(shapes) > 60
    assert complaints == []
    assert asked == []
    tab.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("kind", KINDS)
def test_only_tables_scroll_sideways(browser: "Browser", files: Path, kind: str, width: int) -> None:
    tab, *_ = visit(browser, files / f"{kind}.html", width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    boxes = tab.locator(".scroll").evaluate_all("all => all.map(b => b.scrollWidth - b.clientWidth)")
    assert boxes
    assert width > 400 or max(boxes) > 0
    tab.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_word_can_be_read_in_light_and_in_dark(
    browser: "Browser", files: Path, kind: str, scheme: Literal["light", "dark"]
) -> None:
    tab, *_ = visit(browser, files / f"{kind}.html", scheme=scheme)
    ground, found = tab.evaluate(CONTRAST)
    assert (sum(map(float, ground[4:-1].split(",")[:3])) < 150) == (scheme == "dark")
    assert len(found) > 40
    assert [entry for entry in found if entry[0] < 4.5] == []
    tab.close()


@pytest.mark.slow
def test_paper_is_white_and_shows_what_is_folded(browser: "Browser", files: Path) -> None:
    tab, *_ = visit(browser, files / "audit.html", scheme="dark", unfold=False)
    tab.emulate_media(media="print")
    ground, found = tab.evaluate(CONTRAST)
    assert ground == "rgb(255, 255, 255)"
    assert [entry for entry in found if entry[0] < 4.5] == []
    heights = tab.locator("details table").evaluate_all("all => all.map(t => t.checkVisibility())")
    assert heights
    assert all(heights)
    tab.close()


@pytest.mark.slow
def test_a_saved_certificate_verifies(browser: "Browser", files: Path, tmp_path: Path) -> None:
    tab, complaints, asked = visit(browser, files / "audit.html")
    links = tab.locator('a[download^="certificate"]')
    for n in (0, links.count() - 1):
        with tab.expect_download() as download:
            links.nth(n).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        assert file.name.startswith("certificate-")
        assert certificate.check(file).alpha <= 1
    assert complaints == []
    assert asked == []
    tab.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_run_nothing(
    browser: "Browser", documents: dict[str, dict[str, Any]], tmp_path: Path, kind: str
) -> None:
    write_page(tmp_path / "hostile.html", hostile(documents[kind]))
    tab, complaints, asked = visit(browser, tmp_path / "hostile.html", 390)
    assert complaints == []
    assert asked == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.close()
