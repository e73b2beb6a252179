"""The paper: it builds, its numbers are those of the results, and every theorem that it calls proved is there."""

import re
from pathlib import Path

import pytest
from known import known
from places import ROOT

from theory.paper import assemble, values
from theory.proved import HERE, PROVED, printed

MADE_BY_OTHER_CODE = ("validation/results/report.md", "validation/README.md", "docs/trees.md")
"""Pages with the same numbers, from the same files of results."""
SOURCES = ("smollm2", "austen")
MEASURED = re.compile(r"[+-]?\d\.\d{4}(?: ± \d\.\d{4})?|\d{2,3}\.\d(?= )")


@pytest.fixture(scope="module")
def paper() -> str:
    return assemble.assembled(values.value)


def test_every_theorem_that_is_called_proved_is_there_and_rests_on_no_axiom() -> None:
    compiled = (HERE / "_CoqProject").read_text(encoding="utf-8").split()
    for proved in PROVED:
        for file, names in proved.rocq.items():
            assert file in compiled
            text = (HERE / file).read_text(encoding="utf-8")
            for name in names:
                assert re.search(rf"^(Theorem|Corollary|Lemma) {name}\b", text, re.MULTILINE), (file, name)
                assert name in printed(file), (
                    f"Print Assumptions {name} is missing, so `make proofs` does not look at it"
                )


@pytest.mark.slow
def test_every_statement_of_the_paper_is_in_the_table_of_proofs(paper: str) -> None:
    said = " ".join(f"{proved.statement} {' '.join(proved.checks)}" for proved in PROVED)
    found = re.findall(r"\*\*(?:(Theorem|Lemma) (\d)|Theorem \((T\d+)\)|The dual \((T\d+)\))\.\*\*", paper)
    assert len(found) == 11
    for kind, number, *ids in found:
        named = rf"{kind}s? (\d and )?{number}" if number else "".join(ids)
        assert re.search(rf"\b{named}\b", said), f"theory/proved.py says nothing of {kind} {number} {ids}"


@pytest.mark.slow
def test_measured_numbers_are_those_that_other_code_made_of_the_results(paper: str) -> None:
    told = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in MADE_BY_OTHER_CODE).replace("\u00a0", " ")
    chapter = paper.partition("## 6 Experiments")[2].partition("\n## 7 ")[0].replace("\u00a0", " ")
    numbers = MEASURED.findall("\n".join(line for line in chapter.splitlines() if line.startswith("|")))
    assert len(numbers) > 130
    missing = [number for number in numbers if not re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", told)]
    assert missing == []


def test_the_source_has_no_measured_number_of_its_own() -> None:
    """In the chapter on experiments decimals and shares are named, not written; quotations are quoted."""
    chapter = assemble.SOURCE.read_text(encoding="utf-8").partition("## Experiments")[2].partition("## What a mach")[0]
    written = re.sub(r"\{\{[^}]*\}\}|\"[^\"]*\"|`[^`]*`|\$[^$]*\$|\(#\S+\)|\(\.\.\S+\)", "", chapter)
    assert re.findall(r"\d+\.\d+|\d+ %", written) == ["95 %", "95 %"]


@pytest.mark.slow
def test_what_is_said_of_trees_is_what_was_measured(paper: str) -> None:
    shares = [values.tree_share("3", "3,_then_1", "without_replacement", rule) for rule in ("traversal", "border_path")]
    assert "reaches {} and `BorderPath` {}".format(*shares) in " ".join(paper.split())  # an open question of a page
    assert "as near or nearer, in every row" in " ".join(paper.split())
    for rules in values.tree_cases().values():
        mean = {rule: sum(found) for rule, found in rules.items()}
        assert mean["border_path"] >= max(mean[rule] for rule in ("Border node by node", "rrs(w) node by node")) - 1e-9
        assert mean.get("look_ahead", mean["border_path"]) >= mean["border_path"] - 1e-9
    for shape in values.SHAPES:
        between = {source: values.difference(source, shape, "border_path", "traversal") for source in SOURCES}
        assert abs(between["smollm2"].mean) <= known(between["smollm2"].half_width)
        if shape.startswith("chain"):
            continue
        assert between["austen"].mean > known(between["austen"].half_width)
        for rule in ("traversal", "border_wor", "border_path"):
            assert all(values.difference(source, shape, rule, "rrsw").mean > 0 for source in SOURCES)


@pytest.mark.slow
def test_the_stored_pictures_are_those_that_are_drawn(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    if f"matplotlib=={matplotlib.__version__}\n" not in (ROOT / "lock.txt").read_text(encoding="utf-8"):
        pytest.skip("pictures are equal only from the same release of matplotlib")
    from theory.border.pictures import PICTURES, write
    from theory.paper import pictures

    for folder, drawn in ((pictures.HERE, pictures.OWN), (HERE / "border", PICTURES)):
        write(tmp_path, drawn)
        for name in drawn:
            assert (tmp_path / name).read_text(encoding="utf-8") == (folder / name).read_text(encoding="utf-8"), name


def test_the_sections_that_the_paper_includes_are_there() -> None:
    """Pages change: quick to say, as it reads no results."""
    text = assemble.assembled(lambda value: value)
    assert len(re.findall(r"^### 3\.\d ", text, re.MULTILINE)) >= 7
    assert len(re.findall(r"^### 5\.\d ", text, re.MULTILINE)) >= 5


def test_a_name_that_is_not_there_stops_the_paper(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for text, complaint in {
        "[x](../border/README.md#no-such-section)": "includes ../border/README.md#no-such-section",
        "See [section](#nowhere).": "refers to a section that it has not: #nowhere",
        "{{ guessed smollm2 }}": "there is no value guessed",
        "## A\n\n## A": "two sections of the paper are called A",
    }.items():
        source = tmp_path_factory.mktemp("paper") / "README.md"
        source.write_text(f"# Title\n\n{text}\n", encoding="utf-8")
        monkeypatch.setattr(assemble, "SOURCE", source)
        with pytest.raises(assemble.PaperError, match=complaint):
            assemble.assembled(values.value)


@pytest.mark.slow
def test_the_pdf_is_made_the_same_each_time(paper: str) -> None:
    pytest.importorskip("pypandoc")
    pytest.importorskip("typst")
    from theory.paper import pdf, pictures

    made = pdf.pdf(paper)
    assert made.startswith(b"%PDF")
    assert made == pdf.pdf(paper)
    typeset = pdf.typeset(paper)
    assert values.accepted("smollm2", "2", "border_wor", "1") in typeset
    assert "upright(" not in typeset
    for name in pictures.OWN:
        assert f"]({name})" in paper
