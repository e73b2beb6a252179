"""Empty batches are batches; odd shapes, kinds of array and counts are one clear error in every face."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from every import every_pair

from spechub_lp import acceptance, draw, exact, optimum, reference, samplers, sampling_torch
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers.base import Sampler

P, Q = [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]
FACES = (draw, sampling_torch.draw)
RULES = [pair for pair in every_pair(2) if isinstance(sampler := pair.values[0], Sampler) and sampler.is_own_pair]


@pytest.mark.parametrize("sampler", every_pair(1, 2, 3))
@pytest.mark.parametrize("rows", [(1, 1), (0, 0), (0, 1), (1, 0)])
def test_no_rows(sampler: Sampler, rows: tuple[int, int]) -> None:
    p, q = (np.tile([distribution], (n, 1)) for distribution, n in zip((P, Q), rows, strict=True))
    u = np.zeros((0, sampler.k + 1))
    tensors = [torch.from_numpy(a) for a in (p, q, u)]
    for drawn in (draw(sampler, p, q, u), draw(sampler, *tensors), sampling_torch.draw(sampler, p, q, u)):
        assert tuple(drawn.tokens.shape) == tuple(drawn.slots.shape) == (0,)
        assert tuple(drawn.drafts.shape) == (0, sampler.k)
        assert "int64" in str(drawn.tokens.dtype)
    if 0 in rows:
        assert sampling_torch.sample(sampler, *tensors[:2]).tokens.shape == (0,)
        closed = sampler.acceptance(p, q)
        assert closed is None or closed.shape == (0,)
    for arrays in ((p, q), tensors[:2]):
        like = torch.from_numpy if arrays[0] is tensors[0] else np.asarray
        verdict = sampler.verify(arrays[0], arrays[1], like(np.zeros((0, sampler.k), dtype=np.int64)))
        assert tuple(verdict.accept.shape) == (0, sampler.k)
        assert verdict.residual.shape[0] in (0, 1)


@pytest.mark.parametrize("sampler", RULES)
@pytest.mark.parametrize("shape", [(2, 8, 3), (2, 2, 3), (2, 2, 2, 3), (1, 1, 3)])
def test_a_batch_of_batches_is_told_to_be_one_batch(sampler: Sampler, shape: tuple[int, ...]) -> None:
    wide = np.tile(np.asarray(P), (*shape[:-1], 1))
    for face in FACES:
        with pytest.raises(SpecHubError, match=r"p has shape .*reshape\(-1, 3\)"):
            face(sampler, wide, P, np.zeros((2, sampler.k + 1)))
        if sampler.drafts.name != "product":
            hint = r"drafts='product'" if len(shape) == 3 and shape[1] == sampler.k else r"reshape\(-1, 3\)"
            with pytest.raises(SpecHubError, match=hint):
                face(sampler, P, wide, np.zeros((2, sampler.k + 1)))


NO_LAW = [
    None, "a distribution", "", 3, 0.5, b"x", object(), {}, {0.5}, [[0.5], [0.5, 0.5]], [None], ["x"], [object()],
    [[[[1.0]]]], np.array("x"), np.array(0.5), np.array([1 + 0j]), [], [[]], np.zeros((0,)), float("nan"), [10**400, 1],
]  # fmt: skip


@pytest.mark.parametrize("face", [*FACES, reference, exact])
@pytest.mark.parametrize("bad", NO_LAW, ids=lambda bad: type(bad).__name__)
def test_what_is_no_distribution_is_named(face: Callable[..., Any], bad: Any) -> None:
    for at, name in enumerate("pq"):
        distributions = [bad if i == at else P for i in range(2)]
        more = [[[0.5, 0.5, 0.5]]] if face in FACES else []
        with pytest.raises(SpecHubError, match=rf"\b{name}\b"):
            face(samplers.RRS(), *distributions, *more)
    if face is exact:
        with pytest.raises(SpecHubError, match=r"\bq\b"):
            optimum(P, bad)


NO_UNIFORMS = [
    None, "u", 0.5, [0.5, 0.5, 0.5], [[0, 0]], [[None] * 3], np.zeros((1, 3), dtype=int), np.zeros((1, 3), dtype=bool),
    np.full((1, 3), "0"), np.zeros((1, 1, 3)), [[0, 0, 2]], [[0, 0, float("nan")]],
]  # fmt: skip


@pytest.mark.parametrize("bad", NO_UNIFORMS, ids=lambda bad: type(bad).__name__)
@pytest.mark.parametrize("face", FACES)
def test_what_are_no_uniforms_is_named(face: Callable[..., Any], bad: Any) -> None:
    with pytest.raises(SpecHubError, match=r"\bu\b"):
        face(samplers.RRS(), P, Q, bad)


@pytest.mark.parametrize("surplus", [(8, 1), (1, 8), (8, 8), (2, 4)])
@pytest.mark.parametrize("face", FACES)
def test_surplus_rows_are_rejected(face: Callable[..., Any], surplus: tuple[int, int]) -> None:
    p, q = (np.tile([distribution], (n, 1)) for distribution, n in zip((P, Q), surplus, strict=True))
    with pytest.raises(SpecHubError, match="p has"):
        face(samplers.RRS(), p, q, np.zeros((4, 3)), **({"memory": 1} if face is sampling_torch.draw else {}))


def test_arrays_of_two_libraries_are_rejected() -> None:
    arrays = np.asarray(P), np.asarray(Q), np.zeros((1, 3))
    for at in range(3):
        mixed = [torch.from_numpy(a) if i == at else a for i, a in enumerate(arrays)]
        with pytest.raises(SpecHubError, match="mixed arrays"):
            draw(samplers.RRS(), *mixed)
        assert sampling_torch.draw(samplers.RRS(), *mixed).tokens.shape == (1,)
    with pytest.raises(SpecHubError, match="mixed arrays"):
        reference(samplers.RRS(), torch.tensor(P), np.asarray(Q))
    assert exact(samplers.RRS(), torch.tensor(P), np.asarray(Q)).is_lossless


@pytest.mark.parametrize("rule", [type(s) for s in (*samplers.ALL, *samplers.VARIANTS)], ids=lambda r: r.name)
def test_counts_of_drafts(rule: type[Sampler]) -> None:
    right: tuple[Any, ...] = (np.int64(2), np.uint8(2), 2)
    for k in right:
        sampler = rule(k=k)
        assert type(sampler.k) is int
        assert type(samplers.by_name(rule.name, k).k) is int
    wrong: tuple[Any, ...] = (True, False, 0, -1, 2.0, "2", None, [2], np.True_, np.float64(2))
    for k in wrong:
        for make in (rule, lambda k: samplers.by_name(rule.name, k)):
            with pytest.raises(SpecHubError, match="k = "):
                make(k=k)


@pytest.mark.parametrize("policy", [3, None, "IID", samplers.RRS, ["iid"]], ids=repr)
def test_no_policy(policy: Any) -> None:
    with pytest.raises(SpecHubError, match=r"(unknown|no) draft policy"):
        samplers.RRS().with_drafts(policy)
    if policy is not None:
        with pytest.raises(SpecHubError, match=r"(unknown|no) draft policy"):
            samplers.RRS(drafts=policy)


def test_torch_settings() -> None:
    u = [[0.5, 0.5, 0.5]]
    for wrong in ({"device": "nowhere"}, {"dtype": "float32"}, {"dtype": torch.int64}, {"memory": 0}, {"memory": "1"}):
        with pytest.raises(SpecHubError):
            sampling_torch.draw(samplers.RRS(), P, Q, u, **wrong)
    with pytest.raises(SpecHubError, match="generator"):
        sampling_torch.sample(samplers.RRS(), P, Q, generator=cast("torch.Generator", np.random.default_rng()))


@pytest.mark.parametrize("rows", [3, 7])
def test_slices_do_not_change_product_drafts(rows: int) -> None:
    """Three drafters of one p are cut by rows of u, and never by drafters."""
    q = torch.eye(6, dtype=torch.float64)[:3]
    p = torch.full((6,), 1 / 6, dtype=torch.float64)
    sampler = samplers.RRS(k=3).with_drafts("product")
    u = torch.full((rows, 4), 0.5, dtype=torch.float64)
    for given in (q, q.repeat(rows, 1, 1)):
        drawn = sampling_torch.draw(sampler, p, given, u, memory=1)
        assert drawn.drafts.tolist() == [[0, 1, 2]] * rows
        assert sampling_torch.sample(sampler, p, given).drafts.tolist() == [[0, 1, 2]] * (1 if given is q else rows)


def test_the_distribution_of_one_pair() -> None:
    with pytest.raises(SpecHubError, match="one pair"):
        reference(samplers.RRS(), np.tile(P, (2, 1)), Q)
    with pytest.raises(SpecHubError, match=r"p has 3 tokens and q has 2"):
        reference(samplers.RRS(), P, [0.5, 0.5])
    with pytest.raises(SpecHubError, match="rows"):
        exact(samplers.RRS(), [P, P], Q)


@pytest.mark.parametrize("name", [s.name for s in (*samplers.ALL, *samplers.VARIANTS)])
def test_endless_work_for_a_number_of_drafts_is_an_error(name: str) -> None:
    with pytest.raises(SpecHubError, match=r"1,?000,?000,?000"):
        samplers.by_name(name, 10**9).acceptance(np.full((1, 3), 1 / 3), np.full((1, 3), 1 / 3))


@pytest.mark.parametrize("sampler", ["rrs", samplers.RRS])
def test_every_face_takes_a_name_or_a_class(sampler: Any) -> None:
    rule, u = samplers.RRS(), np.array([[0.1, 0.9, 0.5]])
    for face in FACES:
        assert face(sampler, P, Q, u) == face(rule, P, Q, u)
    made = [torch.Generator().manual_seed(0) for _ in range(2)]
    drawn, wanted = (sampling_torch.sample(s, P, Q, generator=g) for s, g in zip((sampler, rule), made, strict=True))
    assert drawn == wanted
    for measure in (exact, reference, acceptance):
        assert measure(sampler, P, Q) == measure(rule, P, Q)


def test_a_q_of_each_draft_for_one_drafter_has_a_hint() -> None:
    p, q, u = np.asarray([0.5, 0.5]), np.asarray([[0.25, 0.75], [0.75, 0.25]]), np.full((3, 3), 0.5)
    with pytest.raises(SpecHubError, match=r"q has 2 .*BorderProduct\(k=2\)\.with_drafts\('product'\)"):
        draw(samplers.BorderProduct(), p, q, u)
    assert len(draw(samplers.BorderProduct().with_drafts("product"), p, q, u).tokens) == 3
    with pytest.raises(SpecHubError, match=r"those of u$"):
        draw(samplers.BorderProduct(), p, np.concatenate([q, q]), u)
