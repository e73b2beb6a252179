"""Samplers side by side, as numbers, tables and pictures: as `exact`, `optimum`, `acceptance` and `cut` have them."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spechub_lp import (
    Instance,
    SpecHubError,
    acceptance,
    compare,
    cut,
    distributions,
    drafts,
    exact,
    optimum,
    plot,
    samplers,
    sweep,
)

P, Q = "4/10, 3/10, 2/10, 1/10", "1/10, 2/10, 3/10, 4/10"
LOGITS = np.random.default_rng(3).normal(size=(2, 3, 40)) * 2


def test_few_drafts_are_enumerated_right_pairs_and_wrong_ones() -> None:
    found = compare(P, Q, drafts=["iid", "without_replacement"])
    for row in found.rows:
        with_these = Instance.parse(P, Q, row.k, row.drafts)
        assert row.optimum == optimum(with_these).alpha
        assert row.lossless == (row.distance == 0)
        if row.own:
            assert row.lossless
            assert (
                row.acceptance == exact(samplers.by_name(row.sampler, row.k).with_drafts(row.drafts), P, Q).acceptance
            )
    wrong = next(row for row in found.rows if (row.sampler, row.drafts) == ("rrs", "without_replacement"))
    assert (str(wrong.acceptance), str(wrong.distance), wrong.own) == ("111/140", "17/392", False)
    assert found.best is not None
    assert found.best.lossless
    assert found.best.acceptance == max(row.acceptance for row in found.rows if row.lossless)


def test_a_rule_that_cannot_is_named_and_the_others_are_compared() -> None:
    found = compare(P, Q, k=3)
    assert {row.k for row in found.rows} == {1, 3}
    assert any(reason.startswith("spechub") for reason in found.left_out)
    with pytest.raises(SpecHubError, match="hub"):
        compare(P, Q, k=3, samplers=["spechub"])


def test_one_of_a_kind_needs_no_list_and_drafters_may_differ() -> None:
    assert compare(P, Q, samplers="rrs", drafts=drafts.IID) == compare(P, Q, samplers=["rrs"], drafts=["iid"])
    one, several = (sweep(LOGITS[0], LOGITS[1], t, samplers="rrs") for t in (0.5, [0.5]))
    assert one == several
    two = [["1/4", "3/4"], ["1/3", "2/3"]]
    (found,) = compare("1/2, 1/2", two, samplers="rrs", drafts="product").rows
    assert (found.lossless, found.optimum) == (True, optimum("1/2, 1/2", two, 2, "product").alpha)
    with pytest.raises(SpecHubError, match="q is missing"):
        compare(P)


@pytest.mark.parametrize("as_rows", [np.asarray, torch.as_tensor])
def test_a_sweep_is_the_acceptance_and_the_cut_at_each_temperature(as_rows: type) -> None:
    target, draft = as_rows(LOGITS[0]), as_rows(LOGITS[1])
    found = sweep(target, draft, (0.5, 1.5), (2, 3), samplers=["rrsw", "border"])
    assert [(row.temperature, row.asked) for row in found.rows[::2]] == [(0.5, 2), (1.5, 2), (0.5, 3), (1.5, 3)]
    for row in found.rows:
        p, q = (distributions.from_logits(rows, row.temperature) for rows in LOGITS)
        assert row.optimum == pytest.approx(cut(p, q, row.k, row.drafts).alpha.mean())
        if row.k == 2:
            assert row.acceptance == pytest.approx(acceptance(row.sampler, p, q).mean[0])
        assert row.acceptance <= row.optimum + 1e-9


def test_tables_and_html_have_every_figure_and_escape_what_they_show() -> None:
    found = compare(P, Q, samplers=["rrs", "border"])
    for text in (found.table(), found._repr_html_()):
        assert "18/25 = 0.7200" in text
        assert "79/100 = 0.7900" in text
    results = (
        optimum(P, Q),
        exact("rrs", P, Q),
        acceptance("rrs", *_rows()),
        cut(*_rows()),
        sweep(LOGITS[0], LOGITS[1], (1,)),
    )
    for result in results:
        lines = result.table().splitlines()
        assert lines[0] == repr(result)
        assert len(lines) == 2 + len(result.as_rows())
        html = result._repr_html_()
        assert html.count("<tr>") == 1 + len(result.as_rows())
        assert len(repr(result)) < 120
        assert max(map(len, result.table(60).splitlines())) <= 60


def test_one_sampler_is_one() -> None:
    assert repr(compare(P, Q, samplers="rrs")).startswith("Comparison(1 sampler, ")
    assert repr(sweep(LOGITS[0], LOGITS[1], 1, samplers="rrs")).startswith("Sweep(1 temperature, 1 row, ")


def test_a_data_frame_has_floats() -> None:
    pandas = pytest.importorskip("pandas")
    frame = compare(P, Q, samplers=["rrs", "border"]).frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.acceptance.tolist() == pytest.approx([0.72, 0.79])


def test_pictures_show_every_row_and_are_written(tmp_path: Path) -> None:
    found = compare(P, Q, drafts=["iid", "without_replacement"], samplers=["rrs", "border"])
    picture = found.plot()
    text = re.sub(r"<[^>]+>", "", picture._repr_html_())
    for row in found.rows:
        assert f"{row.sampler}, {row.drafts}" in text
        assert f"{float(row.acceptance):.4f}{'' if row.lossless else ' BIASED'}" in text
    picture.save(tmp_path / "a.svg")
    assert "prefers-color-scheme" in (tmp_path / "a.svg").read_text()
    picture.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[1:4] == b"PNG"
    both = sweep(LOGITS[0], LOGITS[1], (0.5, 1), (2, 3), samplers=["rrs", "border"]).plot()
    assert "2 drafts" in both.text
    assert "3 drafts" in both.text
    assert {"curves", "acceptance"} <= set(plot.__all__)


def _rows() -> tuple[list[float], list[float]]:
    return [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]


def test_results_of_floats_have_a_word_and_a_table() -> None:
    """Rationals of floats are long: they are shown rounded, on every version of Python."""
    p, q = [0.6, 0.3, 0.1], [0.2, 0.3, 0.5]
    found = compare(p, q, samplers="border")
    for result in (found, optimum(p, q), exact("rrs", p, q), cut(p, q), acceptance("rrs", p, q)):
        assert "\n" not in repr(result)
        assert result.table()
    assert repr(found) == "Comparison(1 sampler, k=2, V=3, best: border with iid drafts, 0.7600)"


@pytest.mark.parametrize(
    "rows", [None, 3, "ab", "", [], (), [1], [None], object()],
    ids=["None", "3", "ab", "''", "[]", "()", "[1]", "[None]", "object"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("draw", "source"),
    [(plot.acceptance, "compare(p, q).rows"), (plot.curves, "sweep(target, draft, temperatures).rows")],
    ids=["acceptance", "curves"],
)  # fmt: skip
def test_a_picture_says_what_are_no_rows_and_where_rows_come_from(draw: Any, source: str, rows: Any) -> None:
    with pytest.raises(SpecHubError, match=re.escape(source)):
        draw(rows)


@pytest.mark.parametrize("name", ["acceptance", "temperature", "asked", "optimum", "error"])
@pytest.mark.parametrize("draw", [plot.acceptance, plot.curves], ids=["acceptance", "curves"])
def test_a_picture_says_which_number_is_none(draw: Any, name: str) -> None:
    row = sweep(LOGITS[0], LOGITS[1], (0.5, 1), samplers=["rrs"]).rows[0]
    odd: list[Any] = [None, "a", -1.0 if name == "error" else None]
    for value in odd + [float("nan"), float("inf")] * (name in ("acceptance", "temperature", "asked")):
        with pytest.raises(SpecHubError, match=f"the {name} of rrs is"):
            draw([row, replace(row, **{name: value})])


@pytest.mark.parametrize("draw", [plot.acceptance, plot.curves], ids=["acceptance", "curves"])
def test_a_title_is_a_string(draw: Any) -> None:
    rows = sweep(LOGITS[0], LOGITS[1], (0.5, 1), samplers=["rrs"]).rows
    with pytest.raises(SpecHubError, match="title = 3 is of type int"):
        draw(rows, 3)


@pytest.mark.parametrize("name", ["a.nosuchformat", "no/such/folder/a.png", "no/such/folder/a.svg"])
def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path, name: str) -> None:
    picture = compare([0.5, 0.5], [0.25, 0.75], samplers=["rrs"]).plot()
    with pytest.raises(SpecHubError, match=f"cannot write .*{name}: "):
        picture.save(tmp_path / name)
    nothing: Any = None
    with pytest.raises(SpecHubError, match="path = None"):
        picture.save(nothing)


@pytest.mark.parametrize("name", ["a.png", "a.svg"])
def test_a_picture_of_text_alone_is_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecHubError, match="has no figure"):
        plot.Picture("<svg></svg>").save(tmp_path / name)
    assert not list(tmp_path.iterdir())
