"""Every schema says what its dataclass holds: the same fields, of the same types. Neither changes without the other."""

import enum
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Union, get_args, get_origin, get_type_hints

import pytest

from spechub_lp import certificate
from spechub_lp._util.strict_json import load_schema
from spechub_lp.audit import records
from spechub_lp.audit.draws import Sampling
from spechub_lp.capture.capture import Settings as CaptureSettings
from spechub_lp.drafts.base import DraftPolicy
from spechub_lp.evaluate.evaluate import Evaluation, Plan
from spechub_lp.gate import results, settings
from spechub_lp.gate.generation import exact, plan
from spechub_lp.gate.generation import results as generation
from spechub_lp.gate.problems.captured_rows import CapturedTree
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.processors.requests import Requests
from spechub_lp.gate.report_changes import Change, ReportChanges
from spechub_lp.optimum.compare import Solutions, Solve
from spechub_lp.report import schemas
from spechub_lp.samplers.base import Sampler
from spechub_lp.trees.compare import RuleOnTree, TreeSolution
from spechub_lp.typing import Array


class Told(NamedTuple):
    """An object of a schema, and the class whose instances it describes."""

    schema: str
    place: str
    """Where in the schema the object stands, as keys with dots between; "" is the document."""
    kind: type
    elsewhere: Mapping[str, str] = {}
    """Field of the schema -> where the class has it, when not under the same name; attributes with dots between."""
    added: frozenset[str] = frozenset()
    """Fields of the schema that are put beside the instance."""
    kept: frozenset[str] = frozenset()
    """Fields of the class that are not written: what a document has no room for, or says in other fields."""

    written: Mapping[str, Any] = {}
    """Field of the schema -> its type in the document, where that is another one."""

    def __str__(self) -> str:
        return f"{self.schema} {self.place or 'document'}"


HEAD = frozenset(load_schema("shared")["properties"])
"""What every document starts with."""

TOLD = [
    Told(
        "gate", "", results.Report,
        {"level": "decided", "smallest_distance_caught": "smallest_caught", "problems": "rows"},
        kept=frozenset({"level", "confirmed"}),
    ),
    Told("gate", "findings.items", results.Finding),
    Told(
        "gate", "problems.items", results.Row,
        written={"acceptance": float | None, "optimum": float | None},  # NaN is null
    ),
    Told("gate", "coverage", results.Coverage),
    Told("gate", "evidence", results.Evidence),
    Told("gate", "settings", settings.Settings, added=frozenset({"logits"})),
    Told("gate", "settings.waivers.items", settings.Waiver),
    Told("gate-engine", "", generation.EngineReport),
    Told("gate-engine", "rows.items", generation.Row),
    Told(
        "gate-engine", "settings", plan.Plan,
        {field.name: f"limits.{field.name}" for field in fields(exact.Limits)},
        kept=frozenset({"settings", "jobs", "checks", "plain", "remote"}),
    ),
    Told("compare-reports", "", ReportChanges, kept=frozenset({"unit"})),
    Told("compare-reports", "changes.items", Change),
    Told("gate-case", "$defs.on_a_node.problem", Problem, written={"explored": int}),  # absent for None
    Told("gate-case", "$defs.on_a_tree.tree_problem", CapturedTree),
    Told("gate-case", "$defs.requests.requests", Requests),
    Told("evaluate", "", Evaluation, {"source": "manifest"}),
    Told("evaluate", "plan", Plan, written={"samplers": list[str]}),
    Told("audit", "", records.Audit),
    Told("audit", "$defs.line", records.Line),
    Told("audit", "$defs.record", records.Record),
    Told("audit", "theorems.items", records.TheoremLine),
    Told("audit", "examples.items", records.Example),
    Told(
        "solve", "", Solutions,
        {name: f"optimum.{name}" for name in ("p", "q", "k", "H")}
        | {"drafts": "optimum.drafts.name", "optimum": "optimum.alpha", "coupling_from": "optimum.method",
           "methods": "solves"},
    ),
    Told("solve", "methods.items", Solve),
    Told(
        "solve-tree", "", TreeSolution,
        {"drafts": "best.policy.name", "value": "best.value", "exact_pivots": "best.pivots"},
        added=frozenset({"tree", "sets_of_paths", "constraints", "variables", "prices"}),
    ),
    Told("solve-tree", "rules.items", RuleOnTree),
    Told(
        "sample", "", Sampling,
        {"sampler": "sampler.name", "drafts": "sampler.drafts.name", "k": "sampler.k", "p": "coupling.p",
         "lossless": "coupling.is_lossless"}
        | {name: f"coupling.{name}" for name in ("output_distribution", "acceptance", "distance")},
        kept=frozenset({"drawn"}), written={"z_scores": list[float | None]},
    ),
    Told("check-certificate", "", certificate.Claim, {"optimum": "alpha"}, added=frozenset({"proved"})),
    Told(
        "check-tree", "", certificate.TreeClaim, {"tree": "shape"}, added=frozenset({"proved"}),
        kept=frozenset({"model"}), written={"prices": list[tuple[tuple[int, ...], Fraction]]},
    ),
    Told("capture", "settings", CaptureSettings),
]  # fmt: skip

BY_HAND = {
    ("audit", "dominance"): "counts and means by name",
    ("audit", "full_vocabulary.items"): "a table of means",
    ("capture", ""): "the manifest, and what was done",
    ("capture", "documents.items"): "of the manifest",
    ("capture", "shards.items"): "of the manifest",
    ("capture", "seconds"): "of the manifest",
    ("evaluate", "tally"): "sums, as a table",
    ("gate", "settings.logits"): "which rows there are",
    ("gate-case", ""): "a case and its checksum",
    ("gate-case", "$defs.on_a_node"): "a problem and the noise",
    ("gate-case", "$defs.on_a_tree"): "a problem and the noise",
    ("gate-case", "$defs.on_captured_rows"): "a problem and the drafts",
    ("gate-case", "$defs.on_captured_rows.problem"): "rows by their place",
    ("gate-case", "$defs.on_captured_rows.problem.captured"): "rows by their place",
    ("gate-case", "$defs.on_captured_rows.problem.captured.rows.items"): "rows by their place",
    ("gate-case", "$defs.requests"): "the requests",
    ("gate-case", "$defs.probe"): "the name of a probe and its size",
    ("manifest", "$defs.shard"): "of the manifest",
}
"""Closed objects of schemas that no class describes, and what they are."""


# Where they stand


def whole(schema: str) -> dict[str, Any]:
    return schemas.of(schema)


def at(schema: str, place: str) -> dict[str, Any]:
    """An object of a schema; a step is a key of the object or the name of a field."""
    found = whole(schema)
    for step in place.split(".") if place else ():
        found = found[step] if step in found else found["properties"][step]
    return found


def names(kind: Any) -> list[str]:
    """Fields of a dataclass or named tuple."""
    return [field.name for field in fields(kind)] if is_dataclass(kind) else list(kind._fields)


def hint(kind: Any, name: str) -> Any:
    """The type of a field, or of what a property returns."""
    for base in kind.__mro__:
        made = vars(base).get(name)
        getter: Callable[..., Any] | None = getattr(made, "fget", None) or getattr(made, "func", None)
        if getter is not None:
            return get_type_hints(getter)["return"]
    hints = get_type_hints(kind)
    assert name in hints, f"{kind.__name__} has no {name}"
    return hints[name]


def type_at(kind: type, path: str) -> Any:
    """The type at the end of attributes with dots between."""
    found: Any = kind
    for name in path.split("."):
        found = hint(found, name)
    return found


# Whether a type and a schema say the same


def complaints(type_: Any, schema: dict[str, Any], defs: dict[str, Any], path: str) -> Iterator[str]:
    """Where a value of the type would not fit the schema, or the schema takes what the type is not."""
    if "$ref" in schema:
        yield from complaints(type_, defs[schema["$ref"].rpartition("/")[2]], defs, path)
        return
    if type_ is Any:
        return
    options = list(get_args(type_)) if get_origin(type_) in (Union, types.UnionType) else [type_]
    wanted = {kind for option in options for kind in json_types(option)}
    taken = taken_types(schema, defs)
    if wanted != taken:
        yield f"{path} is {' or '.join(sorted(wanted))}; the schema takes {' or '.join(sorted(taken))}"
        return
    for option in options:
        yield from inside(option, schema, defs, path)


def inside(type_: Any, schema: dict[str, Any], defs: dict[str, Any], path: str) -> Iterator[str]:
    """The same of what a value holds."""
    origin, parts = get_origin(type_), get_args(type_)
    if isinstance(type_, type) and issubclass(type_, enum.Enum) and "enum" in schema:
        if {member.value for member in type_} != set(schema["enum"]):
            yield f"{path} is one of {[member.value for member in type_]}; the schema takes {schema['enum']}"
    elif origin in (list, tuple, frozenset, Sequence) and parts and "prefixItems" not in schema:
        if "items" in schema:
            yield from complaints(parts[0], schema["items"], defs, f"{path}[]")
    elif origin is tuple and parts and isinstance(schema.get("items"), bool):
        if len(parts) != len(schema["prefixItems"]):
            yield f"{path} has {len(parts)} parts; the schema {len(schema['prefixItems'])}"
        for n, (part, own) in enumerate(zip(parts, schema["prefixItems"], strict=False)):
            yield from complaints(part, own, defs, f"{path}[{n}]")
    elif origin is dict and isinstance(schema.get("additionalProperties"), dict):
        yield from complaints(parts[1], schema["additionalProperties"], defs, f"{path}.*")


def json_types(type_: Any) -> set[str]:
    """What a value is in JSON."""
    origin = get_origin(type_)
    if origin in (Union, types.UnionType):
        return {kind for part in get_args(type_) for kind in json_types(part)}
    if type_ is type(None):
        return {"null"}
    if origin is ClassVar:
        return json_types(*get_args(type_))
    if origin in (list, tuple, frozenset, Sequence) or type_ is Array:
        return {"array"}
    if origin is dict or is_dataclass(type_):
        return {"object"}
    for python, json in ((bool, "boolean"), (enum.IntEnum, "integer"), (int, "integer"), (float, "number")):
        if issubclass(type_, python):
            return {json}
    assert issubclass(type_, str | Fraction | Path | DraftPolicy | Sampler), f"teach this test what JSON {type_} is"
    return {"string"}  # rationals are written as text, policies and rules as their addresses


def taken_types(schema: dict[str, Any], defs: dict[str, Any]) -> set[str]:
    """What a schema takes in JSON."""
    if "$ref" in schema:
        return taken_types(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return {kind for part in schema["anyOf"] for kind in taken_types(part, defs)}
    if "enum" in schema:
        return {kind for value in schema["enum"] for kind in json_types(type(value))}
    if "const" in schema:
        return json_types(type(schema["const"]))
    kinds = schema["type"]
    return {kinds} if isinstance(kinds, str) else set(kinds)


def differences(told: Told) -> list[str]:
    """How an object of a schema and its class differ."""
    found, schema = [], at(told.schema, told.place)
    defs = whole(told.schema).get("$defs", {})
    fields_ = {name: own for name, own in schema["properties"].items() if not own.get("deprecated")}
    if not told.place:
        fields_ = {name: own for name, own in fields_.items() if name not in HEAD}
    used = {told.elsewhere.get(name, name).partition(".")[0] for name in fields_.keys() - told.added}
    if unsaid := set(names(told.kind)) - used - told.kept:
        found.append(f"{told.kind.__name__} has {', '.join(sorted(unsaid))}, which the schema lacks")
    if idle := told.kept & used | told.kept - set(names(told.kind)) | told.added - fields_.keys():
        found.append(f"this test excuses {', '.join(sorted(idle))} for nothing")
    for name in fields_.keys() - told.added:
        type_ = told.written.get(name) or type_at(told.kind, told.elsewhere.get(name, name))
        found += complaints(type_, fields_[name], defs, name)
    return found


@pytest.mark.parametrize("told", TOLD, ids=str)
def test_a_schema_has_the_fields_of_its_class_and_their_types(told: Told) -> None:
    assert differences(told) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda o: o.pop("bound"), "Row has bound, which the schema lacks"),
        (lambda o: o.update(bound={"type": "integer"}), "bound is number; the schema takes integer"),
        (
            lambda o: o.update(bound={"type": ["number", "null"]}),
            "bound is number; the schema takes null or number",
        ),
    ],
)
def test_a_schema_that_drifted_is_seen(change: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = schemas.of("gate")
    change(schema["properties"]["problems"]["items"]["properties"])
    monkeypatch.setattr(schemas, "of", lambda name: schema)
    told = next(told for told in TOLD if told.kind is results.Row)
    assert differences(told) == [said]


def closed(schema: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Places of the objects of a schema that take no other fields than theirs, as `Told.place` has them."""
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False:
            yield ".".join(path)
        for key, part in schema.items():
            yield from closed(part, path if key == "properties" else (*path, key))
    elif isinstance(schema, list):
        for part in schema:
            yield from closed(part, path)


SHARED = frozenset(load_schema("shared")["$defs"])
"""What documents share: rationals, and the certificate, which certificate.py reads."""


@pytest.mark.parametrize("schema", schemas.VERSIONS)
def test_every_closed_object_of_a_schema_has_its_class_or_is_said_to_have_none(schema: str) -> None:
    places = {place for place in closed(whole(schema)) if place.split(".")[1:2] != ["certificate"]}
    known = {told.place for told in TOLD if told.schema == schema} | {place for own, place in BY_HAND if own == schema}
    assert places == known
