"""Files that are read: a damaged one is an error in one line or changes nothing, and never ends in a traceback."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
import typer
from edits import damaged, edited
from safetensors.torch import save
from typer.testing import CliRunner

from spechub_lp._util import reading, resources, strict_json
from spechub_lp._util.strict_json import CHECKSUM, parse_json, read_json, sealed
from spechub_lp.capture import shards, store
from spechub_lp.cli.gate import gate
from spechub_lp.errors import SpecHubError
from spechub_lp.evaluate.evaluate import Evaluation, Plan, evaluate
from spechub_lp.gate import check_node, run
from spechub_lp.gate.problems.captured import captured as opened
from spechub_lp.gate.serialize import case_document, read_case, read_report
from spechub_lp.gate.settings import Settings
from spechub_lp.report import schemas

FEW, MANY = 60, 600
PLAN = Plan(("rrs",), draws=2, verdict_every=1, exact_every=0)


def captured(folder: Path, n: int = 12, v: int = 7) -> Path:
    """A finished capture of two documents in three shards, with every field of its manifest."""
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    target, draft = (torch.log_softmax(torch.randn(n, v, generator=generator), dim=-1) for _ in range(2))
    place = torch.arange(n, dtype=torch.int32)
    entries = [
        shards.write_shard(folder, number, {
            "target": target[part].contiguous(), "draft": draft[part].contiguous(),
            "document": place[part] // (n // 2), "index": place[part] % (n // 2) + 8,
        })
        for number, part in enumerate((slice(0, 5), slice(5, 8), slice(8, n)))
    ]  # fmt: skip
    digest = hashlib.sha256(b"x").hexdigest()
    listed = [
        {"name": f"{name}_1", "domain": name, "sha256": digest, "tokens": 40, "positions": n // 2} for name in "ab"
    ]
    models = {"target": {"name": "t", "files": {"model.safetensors": digest}}, "draft": {"name": "skip:1", "files": {}}}
    shards.write_manifest(folder, {
        "format": shards.FORMAT, "identity": digest, "settings": {"seed": 0}, "documents": listed, "contexts": digest,
        "vocabulary": v, **models, "arithmetic": "float32 on cpu, torch 2", "complete": True, "shards": entries,
        "seconds": {"target": 1.5},
    })  # fmt: skip
    return folder


def compact(path: Path, n: int = 6, v: int = 24) -> Path:
    """Compact rows of two documents."""
    generator = np.random.default_rng(0)
    target, draft = generator.normal(size=(n, v)), generator.normal(size=(n, v))
    place = np.arange(n)
    tensors = store.pack(target, draft, 5) | {
        "tokens": np.arange(40, dtype=np.uint16),
        "document": (place // 3).astype(np.uint8),
        "index": (place % 3 + 8).astype(np.uint16),
    }
    documents = [{"name": f"{name}_1", "domain": name, "tokens": 20} for name in "ab"]
    store.save(path, tensors, {"documents": documents, "keep": 5, "model": {"name": "m", "vocabulary": v}})
    return path


def figures(path: Path) -> dict[str, Any]:
    """What an evaluation says: its sums, and which rows they are of."""
    result = evaluate(path, PLAN, jobs=1)
    return {"tally": result.tally.document(), "domains": result.domains, "vocabulary": result.vocabulary}


def in_all(path: Path) -> dict[Any, tuple[int, float]]:
    """The same without the names of documents."""
    tally = evaluate(path, PLAN, jobs=1).tally
    return {key: (tally.count(key), round(mean.mean, 9)) for key in tally.columns() if (mean := tally.mean(key))}


def unless_rejected(call: Callable[..., Any], *args: Any) -> Any:
    """The result of a call, or None where it is rejected; every other error goes through."""
    try:
        return call(*args)
    except SpecHubError as error:
        message = str(error)
    assert 10 < len(message) < 5000
    assert set(message).isdisjoint("\r\n\0"), message
    return None


def sweep(count: int, good: Path, document: dict[str, Any], file: Path, call: Callable[..., Any], expected: Any) -> int:
    """Edit a file `count` times; returns how many edits were rejected."""
    rejected = 0
    for seed in range(count):
        note, data = edited(document, seed)
        file.write_bytes(data)
        found = unless_rejected(call, good)
        assert found in (None, expected), note
        rejected += found is None
    return rejected


def slowly(few: int, many: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("count", [few, pytest.param(many, marks=pytest.mark.slow)])


@slowly(FEW, MANY)
def test_an_edited_manifest_is_rejected_or_changes_nothing(tmp_path: Path, count: int) -> None:
    folder = captured(tmp_path / "rows")
    document, expected = json.loads((folder / "manifest.json").read_text()), figures(folder)
    assert sweep(count, folder, document, folder / "manifest.json", figures, expected) > 0.6 * count


@slowly(FEW, MANY)
def test_without_a_checksum_the_shards_still_decide(tmp_path: Path, count: int) -> None:
    folder = captured(tmp_path / "rows")
    document, expected = json.loads((folder / "manifest.json").read_text()), in_all(folder)
    del document[CHECKSUM]
    assert sweep(count, folder, document, folder / "manifest.json", in_all, expected) > 0.3 * count


@slowly(FEW, MANY)
def test_an_edited_manifest_of_compact_rows_is_rejected_or_changes_nothing(tmp_path: Path, count: int) -> None:
    path = compact(tmp_path / "rows.safetensors")
    file = path.with_suffix(".json")
    document, expected = json.loads(file.read_text()), figures(path)
    assert sweep(count, path, document, file, figures, expected) > 0.6 * count
    compact(path)
    del document[CHECKSUM]
    assert sweep(count, path, document, file, in_all, in_all(path)) > 0.3 * count


@slowly(FEW, MANY)
@pytest.mark.parametrize("kind", ["folder", "compact"])
def test_damaged_tensors_are_rejected_even_where_the_hash_was_made_to_fit(
    tmp_path: Path, kind: str, count: int
) -> None:
    if kind == "folder":
        path = captured(tmp_path / "rows")
        file, manifest = path / "shard-00001.safetensors", path / "manifest.json"
    else:
        path = file = compact(tmp_path / "rows.safetensors")
        manifest = path.with_suffix(".json")
    good, document = file.read_bytes(), json.loads(manifest.read_text())
    del document[CHECKSUM]
    kept = json.dumps(document)
    for seed in range(count):
        data = damaged(good, seed)
        file.write_bytes(data)
        manifest.write_text(kept)
        if data != good:
            with pytest.raises(SpecHubError, match=r"sha256|bytes"):
                store.load(path)
        entry = document["shards"][1] if kind == "folder" else document["data"]
        before = dict(entry)
        entry |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        manifest.write_text(json.dumps(document))
        entry |= before
        rows = unless_rejected(store.load, path)
        if rows is not None:
            for row in rows.logits(range(len(rows))):
                assert not np.isnan(row).any(), seed
            assert len(rows) == (12 if kind == "folder" else 6)


def shard(**changed: torch.Tensor) -> dict[str, torch.Tensor]:
    log = torch.log_softmax(torch.arange(12.0).reshape(3, 4), dim=-1)
    place = torch.arange(3, dtype=torch.int32)
    return {"target": log, "draft": log.clone(), "document": place * 0, "index": place + 8} | changed


NAN, BOTTOM = (torch.full((3, 4), value) for value in (float("nan"), -float("inf")))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (shard(target=torch.zeros(2, 4)), r"target of shape \[2, 4\], its manifest says positions = 3"),
        (shard(draft=torch.zeros(3, 5)), r"5 columns in draft, its manifest says vocabulary = 4"),
        (shard(target=torch.zeros(3, 4, dtype=torch.int64)), "target in I64; needed is one of F16"),
        (shard(document=torch.zeros(3)), "document in F32; needed is one of I32, I64"),
        (shard(draft=NAN), r"has nan as the largest entry of draft\[0\]"),
        (shard(target=-BOTTOM), r"has inf as the largest entry of target\[0\]"),
        (shard(target=BOTTOM), r"has -inf as the largest entry of target\[0\]"),
        (shard(document=torch.tensor([0, 0, 1], dtype=torch.int32)), "document = 1, and documents 0 to 0 are listed"),
        (shard(document=torch.tensor([-1, 0, 0], dtype=torch.int32)), "document = -1"),
        (shard(index=torch.tensor([8, 8, 9], dtype=torch.int32)), "in document 0 index 8 comes after 8"),
        (shard(index=torch.tensor([9, 8, 10], dtype=torch.int32)), "in document 0 index 8 comes after 9"),
        (shard(index=torch.tensor([-1, 8, 9], dtype=torch.int32)), "index = -1, before the first token"),
        (shard(index=torch.tensor([8, 9, 20], dtype=torch.int32)), "index = 20 in document 'a' of 20 tokens"),
        ({k: v for k, v in shard().items() if k != "index"}, "has no tensor 'index'"),
    ],
)
def test_a_shard_is_what_its_manifest_says(tmp_path: Path, tensors: dict[str, torch.Tensor], message: str) -> None:
    data = save(tensors)
    entry = {"file": "s.safetensors", "positions": 3, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = {"format": shards.FORMAT, "documents": [{"name": "a", "domain": "a", "tokens": 20}], "vocabulary": 4}
    (tmp_path / "s.safetensors").write_bytes(data)
    shards.write_manifest(tmp_path, manifest | {"shards": [entry]})
    with pytest.raises(SpecHubError, match=message):
        store.load(tmp_path)


def test_no_file_outside_the_folder_is_read(tmp_path: Path) -> None:
    folder = captured(tmp_path / "rows")
    manifest = json.loads((folder / "manifest.json").read_text())
    outside = tmp_path / "outside.safetensors"
    outside.write_bytes((folder / "shard-00000.safetensors").read_bytes())
    for name in (
        "../outside.safetensors",
        str(outside),
        "a/../../outside.safetensors",
        ".safetensors",
        "x\n.safetensors",
    ):
        manifest["shards"][0]["file"] = name
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(SpecHubError, match=r"shards\[0\]\.file"):
            store.load(folder)
    captured(folder)
    (folder / "shard-00000.safetensors").unlink()
    (folder / "shard-00000.safetensors").symlink_to(outside)
    with pytest.raises(SpecHubError, match="a link that leads out of its folder"):
        store.load(folder)
    (folder / "kept").write_bytes(outside.read_bytes())
    (folder / "shard-00000.safetensors").unlink()
    (folder / "shard-00000.safetensors").symlink_to("kept")
    assert len(store.load(folder)) == 12


def test_a_shard_is_named_once(tmp_path: Path) -> None:
    folder = captured(tmp_path / "rows")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest[CHECKSUM]
    (folder / "manifest.json").write_text(
        json.dumps(manifest | {"shards": [*manifest["shards"], manifest["shards"][0]]})
    )
    with pytest.raises(SpecHubError, match=r"shards has shard-00000\.safetensors twice"):
        store.load(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest | {"shards": manifest["shards"][:2]}))
    with pytest.raises(SpecHubError, match=r"2 positions of document 'b_1', and it lists 6"):
        store.load(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 1}', "has the key 'a' twice in one object"),
        ('[{"a": {"b": 1, "b": 2}}]', "has the key 'b' twice"),
        ("[NaN]", "has NaN, which JSON does not"),
        ("[-Infinity]", "has -Infinity"),
        ("[1e999]", "has the number 1e999, too large for a float"),
        ("[" + "9" * 5000 + "]", r"has the integer 9{24}\.\.\.; at most 64 bits"),
        ("[18446744073709551616]", r"has the integer 18446744073709551616; at most 64 bits"),
        ("[" * 40 + "]" * 40, "nests deeper than 32 levels"),
        ("[" * 100_000, "nests deeper than 32 levels"),
        ('["\\ud800"]', r"has the string '\\ud800', which is not Unicode \(half a surrogate pair"),
        ('{"\\udfff": 1}', r"has the string .* which is not Unicode \(half a surrogate pair"),
        ("", "is not JSON: Expecting value"),
        ("{} {}", "is not JSON: Extra data"),
    ],
)
def test_json_is_read_strictly(text: str, message: str) -> None:
    with pytest.raises(SpecHubError, match=f"^x {message}"):
        parse_json(text, "x")


def test_what_json_allows_is_read() -> None:
    text = '{"a": [1, -2.5e-3, 18446744073709551615, true, null, "\\ud83d\\ude00"], "b": {"a": {}}}'
    assert parse_json(text, "x") == json.loads(text)
    assert parse_json("[" * 32 + "]" * 32, "x")


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes('{"a": "é"}'.encode("latin-1"))
    os.symlink("loop", tmp_path / "loop")
    for name, message in (
        ("latin", "cannot be read as UTF-8: byte 0xe9 at position 7"),
        ("loop", "Too many levels of symbolic links"),
        (".", "Is a directory"),
        ("nowhere", "No such file"),
        ("a" * 300, "File name too long"),
        ("a\0b", "null byte"),
    ):
        with pytest.raises(SpecHubError, match=message):
            read_json(tmp_path / name)
    for call in (store.load, shards.read_manifest, reading.is_file):
        with pytest.raises(SpecHubError, match="Too many levels of symbolic links"):
            call(tmp_path / "loop")
    with pytest.raises(SpecHubError, match="has more than 4 bytes"):
        reading.read_bytes(tmp_path / "latin", 4)


def test_the_field_its_value_and_a_hint_are_named() -> None:
    schema = {"properties": {"n": {"type": "integer"}, "rows": {"items": {"required": ["k"], "minimum": 1}}}}
    for document, message in (
        ({"n": 8.0}, "x: n = 8.0; needed is integer; do this"),
        ({"n": True}, "x: n = True; needed is integer"),
        ({"rows": [{"k": 1}, {}]}, r"x: rows\[1\] lacks 'k'"),
        ({"rows": [0]}, r"x: rows\[0\] = 0; needed is at least 1"),
    ):
        with pytest.raises(SpecHubError, match=message):
            strict_json.check(document, schema, "x", "do this")


def test_a_checksum_sees_every_change_of_content_and_no_change_of_form(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    document = sealed({"a": [1, 0.1], "b": {"c": "é"}})
    for text in (json.dumps(document), json.dumps(document, indent=3, ensure_ascii=False, sort_keys=True)):
        file.write_text(text, encoding="utf-8")
        assert read_json(file) == document
    for changed in ({"a": [1, 0.2]}, {"a": [1.0, 0.1]}, {"d": None}, {CHECKSUM: "0" * 64}, {CHECKSUM: None}):
        file.write_text(json.dumps(document | changed))
        with pytest.raises(SpecHubError, match="checksum differs"):
            read_json(file)


@pytest.mark.parametrize("name", schemas.FILES)
def test_kinds_of_files_have_schemas(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas.of(name))
    for field, about in schemas.of(name)["properties"].items():
        assert "description" in about, field


def test_shipped_and_written_files_fit_their_schemas(tmp_path: Path) -> None:
    for name, file in (("manifest", "captured/austen/manifest.json"), ("rows", "captured/smollm2.json")):
        read_json(resources.path(file), name)
    written = json.loads((captured(tmp_path / "rows") / "manifest.json").read_text())
    assert set(written) == set(schemas.of("manifest")["properties"])


# -- the gate's files ----------------------------------------------------------------------------------------------


def always_first(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
    """A wrong rule with no noise."""
    return drafts[0], 0


def cases(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """A saved case of each kind."""
    quick = Settings(levels=(0, 1), seconds=20)
    rows = captured(tmp_path / "rows", n=12, v=40)
    node = case_document(check_node(always_first, "iid", 2, settings=quick))
    tree = {"tree_problem": {
        "name": "tree 2", "vocabulary": 3, "branching": [2], "drafts": "iid", "zeros": True, "seed": 3, "shift": 0.0,
    }, "tree": [[-1, -1], [0, 1], [0, 2]], "values": None}  # fmt: skip
    digest = json.loads((rows / "manifest.json").read_text())["shards"][0]["sha256"]
    wide = {"problem": {
        "name": "rows[2] T=1", "drafts": "iid", "k": 2, "vocabulary": 40,
        "captured": {"path": str(rows), "rows": [{"position": 2, "temperature": 1.0, "sha256": digest}]},
    }, "tuple": [1, 2]}  # fmt: skip
    made = {"node": node}
    for name, case in (
        ("tree", tree),
        ("wide", wide),
        ("probe", {"probe": "iid", "k": 2, "vocabulary": 9, "tuple": [1]}),
    ):
        made[name] = sealed({"schema": "spechub-gate-case-1", "engine": "x:y", "door": "node", "case": case})
    return made


def saved(file: Path) -> tuple[Any, ...]:
    """What an evaluation would run, far enough that nothing is left to be believed."""
    document = read_case(file)
    drafts, k, settings, problems, plan = run._saved(document["case"], Settings())
    for problem in problems or ():
        made = problem.trees if hasattr(problem, "trees") else problem.tuples
        assert len(made) > 0
    rows = None
    if plan is not None:
        rows = len(opened(plan).rows)
    return document.get("engine"), drafts, k, settings.levels, repr(problems), repr(plan), rows


@slowly(FEW, MANY)
@pytest.mark.parametrize("kind", ["node", "tree", "wide", "probe"])
def test_an_edited_case_is_rejected_or_changes_nothing(tmp_path: Path, kind: str, count: int) -> None:
    document, file = cases(tmp_path)[kind], tmp_path / "case.json"
    file.write_text(json.dumps(document))
    assert sweep(count, file, document, file, saved, saved(file)) > 0.6 * count
    del document[CHECKSUM]
    for seed in range(count):
        file.write_bytes(edited(document, seed)[1])
        unless_rejected(saved, file)


def test_an_edited_case_ends_the_command_with_one_line(tmp_path: Path) -> None:
    document, file = cases(tmp_path)["node"], tmp_path / "case.json"
    document["case"]["problem"]["k"] = -1
    file.write_text(json.dumps(document))
    app = typer.Typer()
    app.command()(gate)
    done = CliRunner().invoke(app, ["--rerun", str(file)])
    assert done.exit_code == 2
    assert done.stderr == (
        f"error: {file}: case.problem.k = -1; needed is at least 1; give the file that `spechub-lp gate` saved\n"
    )


def test_a_baseline_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "gate.json"
    row = {"problem": "a", "level": 1, "distance": 0, "bound": 0, "acceptance": 0.5, "optimum": 1, "unexplained": 0}
    good = {"schema": "spechub-gate-1", "problems": [row | {"draws": 0}]}
    file.write_text(json.dumps(good))
    assert read_report(file) == good
    for seed in range(FEW):
        file.write_bytes(edited(good, seed)[1])
        unless_rejected(read_report, file)
    file.write_text(json.dumps(good | {"problems": [row]}))
    with pytest.raises(SpecHubError, match=r"problems\[0\] lacks 'draws'"):
        read_report(file)


def test_an_evaluation_that_is_read_back_is_checked(tmp_path: Path) -> None:
    made = json.loads(json.dumps(evaluate(captured(tmp_path / "rows"), PLAN, jobs=1).document()))
    assert Evaluation.read(made).tally.document() == made["tally"]
    for seed in range(FEW):
        try:
            document = parse_json(edited(made, seed)[1].decode("utf-8", "replace"), "x")
        except SpecHubError:
            continue
        unless_rejected(Evaluation.read, document)
