"""The JSON documents: those of real runs fit their schemas, changed ones do not, and there is no NaN in them."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from forked import run_each
from places import ROOT
from stored_rows import stored

import spechub_lp
from spechub_lp._util import io
from spechub_lp.errors import SpecHubError, UnknownName
from spechub_lp.evaluate.evaluate import Evaluation
from spechub_lp.gate import Settings
from spechub_lp.gate.results import Report, Row
from spechub_lp.gate.serialize import compare, read_case, read_report
from spechub_lp.report import schemas
from spechub_lp.report.html.page import page

PAGE = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
COMMANDS = [line.split() for line in re.findall(r"`spechub-lp ([^`]*--json \w+\.json)` \|", PAGE)]
"""A command for each kind of document, as the page has it."""
MADE_OTHERWISE = {"capture", "gate-engine", "compare-reports"}
"""A model that is an extra of 93 MB, a pair that is to be made: other tests have small ones; two reports."""

P, Q = "0,1/5,4/5", "3/5,3/10,1/10"

ENGINE = """
import torch

def biased(p, q, drafts):
    x = drafts[0]
    if torch.rand(()) * q[x] < p[x]:
        return x, 0
    return int(torch.multinomial(p, 1)), -1
"""


def written(runs: Sequence[tuple[Sequence[object], int]], cwd: Path, imports: Sequence[str]) -> list[Any]:
    """What commands, each with its exit code, write to stdout with `--json -`, where nothing but it may stand."""
    made = []
    lines = [[*map(str, words), "--json", "-"] for words, _ in runs]
    for (_, done), (_, code) in zip(run_each(lines, cwd, imports), runs, strict=True):
        assert done.returncode == code, done.stderr
        made.append(json.loads(done.stdout, parse_constant=lambda word: pytest.fail(f"{word} is no JSON")))
    return made


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page's commands write, and more where another kind of run fills other fields."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "json_engine.py").write_text(ENGINE)
    (folder / "validation").symlink_to(ROOT / "validation")
    product = ("--p", "1/2,1/2", "--q", "1/3,2/3;1,0", "--drafts", "product")
    biased = ("--sampler", "rrs", "--drafts", "top_k", "--p", "1/2,1/2", "--q", "1/3,2/3", "-n", 10)
    few = ("--sampler", "rrs", "--instances", 0, "--positions", 1, "--rows", 0, "--jobs", 1)
    rows = stored(folder / "rows")
    runs: list[tuple[Sequence[object], int]] = [
        *((words[:-2], 0) for words in COMMANDS if words[0] not in MADE_OTHERWISE),
        (("solve", "--p", P, "--q", Q, "--full"), 0),
        (("solve", *product), 0),
        (("sample", "--sampler", "nss", *product, "-n", 10), 0),
        (("sample", *biased), 1),
        (("gate", "json_engine:biased", "--k", 1), 1),
        (("audit", *few), 0),
        (("evaluate", rows, "--temperatures", 1, "--positions", 4, "--jobs", 1), 0),
    ]
    made: dict[str, Any] = {}
    for (words, _), one in zip(runs, written(runs, folder, ["torch", "spechub_lp.cli.app"]), strict=True):
        made.setdefault(str(words[0]), []).append(one)
    for name, report in zip(("base.json", "now.json"), made["gate"], strict=True):
        (folder / name).write_text(json.dumps(report))
    made["compare-reports"] = written([(("compare-reports", "base.json", "now.json"), 1)], folder, [])
    return made


def check(command: str, made: Any) -> None:
    jsonschema.Draft202012Validator(schemas.of(command)).validate(made)


@pytest.mark.parametrize("command", schemas.DOCUMENTS)
def test_schemas_are_schemas_and_describe_every_field(command: str) -> None:
    schema = schemas.of(command)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["schema"]["const"] == schemas.identifier(command)
    old = {name for name, field in schema["properties"].items() if field.get("deprecated")}
    newer = LATER.get(command, set())  # documents of version 2 from before it are still read
    assert set(schema["required"]) == set(schema["properties"]) - old - newer
    assert old == set(schemas.OLD_FIELDS.get(command, ()))
    for name, field in schema["properties"].items():
        shared = schema["$defs"].get(field.get("$ref", "").rpartition("/")[2], {})
        assert "description" in field or "description" in shared or "const" in field, name


@pytest.mark.slow
def test_documents_of_the_page_and_of_other_runs_fit_their_schemas(documents: dict[str, Any]) -> None:
    for command, some in documents.items():
        for made in some:
            check(command, made)
            assert next(iter(made)) == "schema"
            assert made["command"] == command
            assert made["tool"] == f"spechub-lp {spechub_lp.__version__}"


LATER = {"gate": {"coverage", "evidence"}}
"""Fields that came within a version: documents without them stay valid."""


@pytest.mark.slow
def test_changed_documents_are_rejected(documents: dict[str, Any]) -> None:
    for command, (made, *_) in documents.items():
        for name in set(made) - set(schemas.OLD_FIELDS.get(command, ())) - LATER.get(command, set()):
            with pytest.raises(jsonschema.ValidationError, match=f"{name!r} is a required property"):
                check(command, {key: value for key, value in made.items() if key != name})
        with pytest.raises(jsonschema.ValidationError, match="'more' was unexpected"):
            check(command, made | {"more": 1})
        with pytest.raises(jsonschema.ValidationError, match="was expected"):
            check(command, made | {"schema": "spechub-solve-3"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("solve", ("optimum",)),
        ("solve", ("p", 1)),
        ("check-certificate", ("optimum",)),
        ("sample", ("acceptance",)),
        ("sample", ("output_distribution", 0)),
        ("audit", ("records", 0, "optimum")),
        ("audit", ("false_statements", 0, 1)),
        ("audit", ("examples", 0, "certificate", "claim", "alpha")),
    ],
)
def test_a_float_in_the_place_of_a_rational_is_rejected(documents: dict[str, Any], command: str, path: Any) -> None:
    for wrong in (0.39, "0.39", "2/04", "1/0", "-0"):
        made = copy.deepcopy(documents[command][0])
        place = made
        for step in path[:-1]:
            place = place[step]
        assert isinstance(place[path[-1]], str)
        place[path[-1]] = wrong
        with pytest.raises(jsonschema.ValidationError):
            check(command, made)


@pytest.mark.slow
def test_a_capture_writes_one_too(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from small_models import small_model

    small_model(tmp_path / "target")
    small_model(tmp_path / "draft", layers=1, seed=1)
    (tmp_path / "verse_1.txt").write_text("the sea was wet as wet could be, the sands were dry as dry. ")
    args = ("--target", "target", "--draft", "draft", "--text", "verse_1.txt", "--out", "rows", "--device", "cpu")
    run = (("capture", *args, "--per-document", 4), 0)
    for made in written([run, run], tmp_path, ["transformers"]):  # the second goes on with a capture that is whole
        check("capture", made)
        assert made["positions"] == 4
        with pytest.raises(jsonschema.ValidationError, match="'identity' is a required property"):
            check("capture", {key: value for key, value in made.items() if key != "identity"})


OLD = sorted((ROOT / "tests" / "data" / "documents_1").glob("*.json"))
"""What every command of the first release wrote with --json, and a case that its gate saved."""


@pytest.mark.parametrize("file", OLD, ids=lambda file: file.stem)
def test_documents_of_the_first_release_fit_version_1_and_no_other(file: Path) -> None:
    made = json.loads(file.read_text())
    schema = schemas.of(file.stem, version=1)
    assert made["schema"] == schema["title"] == f"spechub-{file.stem}-1"
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(made)
    for name in set(schema["required"]) - {"schema"}:
        with pytest.raises(jsonschema.ValidationError, match="is a required property"):
            jsonschema.Draft202012Validator(schema).validate({key: made[key] for key in made if key != name})
    if file.stem != "gate-case":  # the schema of what is read takes both versions
        with pytest.raises(jsonschema.ValidationError):
            check(file.stem, made)


def test_every_document_has_an_example_of_version_1() -> None:
    names = {file.stem for file in OLD}
    assert {schemas.OLD_NAMES.get(name, name) for name in names} == {
        n for n, newest in schemas.VERSIONS.items() if newest > 1
    }
    for name in names:
        assert schemas.of(schemas.OLD_NAMES.get(name, name), 1) == schemas.of(name, 1)
    with pytest.raises(SpecHubError, match="version = 3; schemas of sample have versions 1 to 2"):
        schemas.of("sample", 3)


@pytest.mark.slow
def test_a_script_for_version_1_finds_its_fields_in_version_2(documents: dict[str, Any]) -> None:
    for command, renamed in schemas.OLD_FIELDS.items():
        (stored,) = (file for file in OLD if schemas.OLD_NAMES.get(file.stem, file.stem) == command)
        before = json.loads(stored.read_text())
        for made in documents[command]:
            assert set(before) <= set(made)
            for old, new in renamed.items():
                assert made[old] == made[new]


def test_version_1_is_read_where_documents_are_read() -> None:
    stored = {file.stem: file for file in OLD}
    assert read_report(stored["gate"])["problems"]
    assert Evaluation.read(json.loads(stored["replay"].read_text())).positions == 4
    assert read_case(stored["gate-case"])["engine"] == "json_engine:biased"
    for command in ("audit", "gate", "replay"):
        assert "<html" in page(json.loads(stored[command].read_text()))


def test_the_schema_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spechub_lp", "schema", "solve"], capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout) == schemas.of("solve")
    with pytest.raises(UnknownName, match="Did you mean 'solve'"):
        schemas.of("slove")


def test_what_is_not_finite_becomes_null(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    io.write_json(file, {"a": [float("nan"), 1.0], "b": (float("inf"),), "c": {"d": -float("inf")}})
    assert json.loads(file.read_text()) == {"a": [None, 1.0], "b": [None], "c": {"d": None}}


def test_a_gate_that_did_not_measure_acceptance_says_null_and_is_no_regression() -> None:
    row = Row("tree 2", 2, 0.01, 0.1, float("nan"), 0.5, draws=100)
    report = Report("x", "seeded", "iid", 2, rows=[row], settings=dict(vars(Settings())))
    assert report.document()["problems"][0]["acceptance"] is None
    check("gate", json.loads(json.dumps({**head("gate"), **report.document()}, allow_nan=False)))
    compare(report, report.document(), "before.json")
    assert report.findings == []


def test_the_page_names_every_command_and_only_fields_that_there_are() -> None:
    assert [words[0] for words in COMMANDS][:2] == ["solve", "check-certificate"]
    assert {words[0] for words in COMMANDS} == set(schemas.DOCUMENTS)
    rows = dict(re.findall(r"^\| `([\w-]+)` \|(.*?)\|", PAGE, re.M))
    assert set(rows) == set(schemas.DOCUMENTS)
    for command, text in rows.items():
        assert set(re.findall(r"`(\w+)`", text)) <= set(schemas.of(command)["properties"]), command


def head(command: str) -> Any:
    from spechub_lp.cli.terminal import about

    return about(command)
