"""Kernels for one node: the distribution they give is the target's, and Border's is the optimum or near it."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from every import own_pairs
from every_choice import chosen

from spechub_lp import cut, draw, samplers
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError
from spechub_lp.kernels import border, classes, mixture, race
from spechub_lp.kernels.node import KERNELS, verify
from spechub_lp.kernels.residual import plain_draw
from spechub_lp.sampling import draw_drafts, inverse_cdf
from spechub_lp.typing import FloatArray

RULES = {True: "border", False: "border_wor"}
OWN = ("rrs", "rrsw", "kseq", "spechub", "greedy_hubs", "nss")


def rows(rng: np.random.Generator, tokens: int, kind: int) -> tuple[FloatArray, FloatArray]:
    """One pair [V]: zeros in p, zeros in q, a hub above 1/2, or nothing of the kind."""
    p, q = rng.dirichlet([0.5] * tokens), rng.dirichlet([0.5] * tokens)
    if kind == 1:
        p[0] = 0
    elif kind == 2:
        q[1] = 0
    elif kind == 3:
        q = 0.05 * q + 0.95 * np.eye(tokens)[2]
    return p / p.sum(), q / q.sum()


def drafted(policy: DraftPolicy, q: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """Drafts [B, k] for uniforms u [B, k]."""
    return torch.as_tensor(draw_drafts(policy, q, u))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize(("name", "k"), [("border", 2), ("border", 3), *(("border_wor", k) for k in (2, 3, 4))])
def test_the_chosen_draft_has_the_distribution_that_it_is_verified_against(
    name: str, k: int, sort: bool, dtype: torch.dtype
) -> None:
    rng, sampler = np.random.default_rng(k), samplers.by_name(name, k)
    for kind in range(4):
        target, draft = (torch.from_numpy(a)[None].to(dtype) for a in rows(rng, max(4, k + 1), kind))
        p, q = (np.asarray(a[0].double() / a.double().sum()) for a in (target, draft))
        found, b = chosen(sampler, target, draft, sort)
        assert found == pytest.approx(b, abs=1e-12)
        optimum = cut(p[None], q[None], k, sampler.drafts).alpha[0]
        accepted = np.minimum(p, b).sum()
        assert accepted <= optimum + 1e-9
        assert not sort or accepted == pytest.approx(optimum, abs=1e-9)


@pytest.mark.parametrize("sort", [True, False])
def test_light_drafts_have_the_distribution_that_they_are_verified_against(
    sort: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every tuple of few tokens, two of which are made light: what that leaves out is 1e-5 of a probability here."""
    monkeypatch.setattr(race, "HEAVY", 4)
    q = torch.tensor([[0.21, 0.09, 0.2, 0.19, 0.11, 0.2]], dtype=torch.float64)
    p = torch.from_numpy(np.random.default_rng(0).dirichlet([4.0] * 6))[None]
    found, b = chosen(samplers.by_name("border_wor", 3), p, q, sort)
    assert found == pytest.approx(b, abs=1e-5)


@pytest.mark.parametrize(("name", "k"), [("border", 2), *(("border_wor", k) for k in (2, 3, 4))])
@pytest.mark.parametrize("light", [1e-7, 1e-20])
def test_tokens_that_are_hardly_drafted_keep_the_distribution(name: str, k: int, light: float) -> None:
    """The lighter ones hold less than a grain, and the sums over three and more drafts do not see them."""
    q = torch.tensor([[*([1.0] * max(k - 1, 2)), light, 2 * light]], dtype=torch.float64)
    p = torch.from_numpy(np.random.default_rng(k).dirichlet([1.0] * q.shape[1]))[None]
    found, b = chosen(samplers.by_name(name, k), p, q / q.sum(), sort=True)
    assert found == pytest.approx(b, abs=1e-10)
    x, u = torch.zeros(1, k, dtype=torch.int64), torch.tensor([[0.5, 1.0, 0.5]])
    assert 0 <= int(verify(name, p, q / q.sum(), x, u).tokens) < q.shape[1]


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("others", [1e-3, 1e-7, 1e-8, 1e-17, 1e-35, 1e-300])
def test_beside_a_hub_tokens_that_hold_next_to_nothing_are_drafted_as_often_as_the_policy_says(
    others: float, k: int, dtype: torch.dtype, sort: bool
) -> None:
    """As in rows of low temperature: the second of two drafts is nearly always one of the others."""
    rng = np.random.default_rng(k)
    p, light = rng.dirichlet([1.0] * 5), others * rng.dirichlet([1.0] * 4)
    q = np.insert(light, 2, 1 - light.sum())
    target, draft = (torch.from_numpy(a)[None].to(dtype) for a in (p, q))
    found, b = chosen(samplers.by_name("border_wor", k), target, draft, sort)
    assert found == pytest.approx(b, abs=1e-8)
    assert b.sum() == pytest.approx(1, abs=1e-8)
    if sort and (k == 2 or others >= 1e-7):
        p, q = (np.asarray(a.double() / a.double().sum()) for a in (target, draft))
        assert np.minimum(p[0], b).sum() == pytest.approx(cut(p, q, k, "without_replacement").alpha[0], abs=1e-8)


@pytest.mark.parametrize("name", ["border", "border_wor", *OWN[:2]])
@pytest.mark.parametrize("tokens", [6, 60, 1500])
def test_one_draft_is_accepted_as_by_rejection(name: str, tokens: int) -> None:
    rng = np.random.default_rng(tokens)
    p, q = (torch.from_numpy(rng.dirichlet([0.3] * tokens, 40)) for _ in range(2))
    u = torch.from_numpy(rng.random((40, 4)))
    x = drafted(samplers.by_name(name, 1).drafts, q, u[:, :1])
    out = verify(name, p, q, x, u[:, 1:])
    taken = u[:, 2:3] < torch.minimum(torch.ones_like(x), p.gather(1, x) / q.gather(1, x))
    assert torch.equal(out.slots >= 0, taken[:, 0])
    assert torch.equal(out.tokens[taken[:, 0]], x[taken])
    assert bool((p > q).gather(1, out.tokens[:, None])[~taken].all())


def test_a_row_with_one_draft_is_not_raised_beside_its_hub() -> None:
    q = torch.tensor([[1.0, 2e-9, 1e-9]] * 2, dtype=torch.float64)
    p = torch.tensor([[0.2, 0.5, 0.3]] * 2, dtype=torch.float64)
    made, tokens = border.prepare(p, q, torch.tensor([[1], [2]]), replaced=False), torch.arange(3).expand(2, -1)
    one, two = (border.prepare(p[:1], q[:1], k, replaced=False).b(tokens[:1])[0] for k in (1, 2))
    assert torch.equal(made.b(tokens), torch.stack([one, two]))
    assert one.numpy() == pytest.approx(q[0].numpy() / q[0].numpy().sum(), rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("name", "k"), [("border", 3), ("border_wor", 2), *((n, 2) for n in OWN)])
def test_drawn_tokens_are_the_targets(name: str, k: int, dtype: torch.dtype) -> None:
    """Draws of one pair: each token within five standard errors of its probability."""
    rng, sampler, n = np.random.default_rng(3), samplers.by_name(name, k), 8_000
    p, q = (torch.from_numpy(a).to(dtype) for a in rows(rng, 5, 3))
    target = p.double() / p.double().sum()
    draft = q.double() / q.double().sum()
    x = drafted(sampler.drafts, draft[None], torch.from_numpy(rng.random((n, k))))
    out = verify(sampler, p.expand(n, -1), q.expand(n, -1), x, torch.from_numpy(rng.random((n, 3))))
    seen = torch.bincount(out.tokens, minlength=5) / n
    slack = 5 * (target * (1 - target) / n).sqrt() + 1e-5
    assert bool(((seen - target).abs() <= slack).all())
    taken = out.slots >= 0
    assert torch.equal(x.gather(1, out.slots.clamp_min(0)[:, None])[taken, 0], out.tokens[taken])


@pytest.mark.parametrize("name", OWN)
def test_the_same_uniform_gives_the_token_of_the_exact_face(name: str) -> None:
    rng, sampler = np.random.default_rng(4), samplers.by_name(name)
    p, q = (torch.from_numpy(rng.dirichlet([0.4] * 700, 64)) for _ in range(2))
    u = torch.from_numpy(rng.random((64, 3)))
    x = drafted(sampler.drafts, q, u[:, :2])
    verdict = sampler.verify(p, q, x)
    weights = torch.cat([torch.as_tensor(a) for a in (verdict.accept, verdict.residual)], dim=1)
    place = torch.as_tensor(inverse_cdf(weights, u[:, 2]))
    out = verify(sampler, p, q, x, torch.stack([u[:, 0], u[:, 2]], dim=1))
    assert torch.equal(torch.where(place < 2, place, -1), out.slots)
    taken = x.gather(1, place.clamp_max(1)[:, None])[:, 0]
    assert torch.equal(torch.where(place < 2, taken, place - 2), out.tokens)


@pytest.mark.parametrize("sampler", own_pairs(2))
def test_draws_go_through_the_kernels_where_the_uniforms_are_theirs(sampler: samplers.Sampler) -> None:
    """Where the rule is the same, tokens are those of one uniform for the verdict; Border's are those of its kernel."""
    rng, k = np.random.default_rng(6), sampler.k
    p, q = (torch.from_numpy(rng.dirichlet([0.4] * 5, 20)) for _ in range(2))
    u = torch.from_numpy(rng.random((20, k + 3)))
    if sampler.drafts.different_drafters:
        with pytest.raises(SpecHubError, match="of one drafter"):
            draw(sampler, p, q[:, None].expand(-1, k, -1), u)
        return

    def drawn(u: torch.Tensor, rows: slice = slice(None)) -> list[torch.Tensor]:
        found = draw(sampler, p[rows], q[rows], u)
        return [torch.as_tensor(a) for a in (found.drafts, found.tokens, found.slots)]

    wide, short = drawn(u[:, :-1]), drawn(torch.cat([u[:, :k], u[:, k + 1 : k + 2]], dim=1))
    out = verify(sampler, p, q, wide[0], u[:, k:-1])
    for ours, exact, kernels in zip(wide, short, (short[0], out.tokens, out.slots), strict=True):
        assert torch.equal(ours, kernels)
        assert type(sampler) in KERNELS or torch.equal(ours, exact)
    one_row = [a[:1] for a in drawn(u, slice(1))]
    assert all(map(torch.equal, one_row, drawn(u[:1], slice(1))))
    with pytest.raises(SpecHubError, match="tensors"):
        draw(sampler, p.numpy(), q.numpy(), u.numpy())


@pytest.mark.parametrize("name", ["border", "border_wor"])
@pytest.mark.parametrize("spread", [0.3, 1.5])
def test_classes_lose_little_at_full_vocabulary(name: str, spread: float) -> None:
    rng = np.random.default_rng(5)
    logits = rng.standard_normal((4, 3000)) * 3
    p, q = (
        torch.from_numpy(np.exp(a)) for a in (logits / spread, (logits + rng.standard_normal(logits.shape)) / spread)
    )
    p, q = p / p.sum(1, keepdim=True), q / q.sum(1, keepdim=True)
    for k in (2, 4):
        prepared = border.prepare(p, q, k, replaced=name == "border", sort=False)
        b = prepared.b(torch.arange(3000).expand(4, -1))
        optimum = cut(p, q, k, samplers.by_name(name).drafts).alpha
        assert bool((torch.minimum(p, b).sum(1) >= 0.999 * optimum).all())
        assert b.sum(1).numpy() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", ["border", "border_bucketed", "border_wor", *OWN])
@pytest.mark.parametrize("sort", [True, False])
def test_nothing_waits_for_the_device(name: str, sort: bool) -> None:
    """Tensors without numbers: whatever asks for one raises."""
    p, q, u = (torch.rand(3, width, device="meta") for width in (600, 600, 3))
    out = verify(name, p, q, torch.zeros(3, 2, dtype=torch.int64, device="meta"), u, sort=sort)
    assert (tuple(out.tokens.shape), out.tokens.device.type) == ((3,), "meta")
    if name == "border_wor":
        more = verify(name, p, q, torch.zeros(3, 4, dtype=torch.int64, device="meta"), u, sort=sort)
        assert more.tokens.device.type == "meta"
    with pytest.raises(RuntimeError, match="meta"):
        out.tokens[0].item()


@pytest.mark.parametrize(("name", "k"), [("border", 2), ("border_wor", 2), ("border_wor", 3), *((n, 2) for n in OWN)])
@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("tokens", [40, 100])
def test_a_row_of_nan_is_marked_and_spoils_no_other(name: str, k: int, sort: bool, tokens: int) -> None:
    rng = np.random.default_rng(6)
    p, q = (torch.from_numpy(rng.dirichlet([1.0] * tokens, 3)).float() for _ in range(2))
    x, u = torch.tensor([[3, 5, 6][:k]]).expand(3, k), torch.from_numpy(rng.random((3, 3)))
    whole = verify(name, p, q, x, u, sort=sort)
    for spoilt in range(2):
        pair = [p.clone(), q.clone()]
        pair[spoilt][1, 7] = torch.nan
        out = verify(name, pair[0], pair[1], x, u, sort=sort)
        assert (int(out.tokens[1]), int(out.slots[1])) == (-1, -1)
        for row in (0, 2):
            assert torch.equal(out.tokens[row], whole.tokens[row])
            assert torch.equal(out.slots[row], whole.slots[row])


@pytest.mark.parametrize(("name", "k"), [("border", 2), ("border_wor", 2), ("border_wor", 3)])
@pytest.mark.parametrize("sort", [True, False])
def test_a_row_does_not_depend_on_its_company(name: str, k: int, sort: bool) -> None:
    rng = np.random.default_rng(7)
    p, q = (torch.from_numpy(rng.dirichlet([0.3] * 900, 32)).float() for _ in range(2))
    u = torch.from_numpy(rng.random((32, k + 3)))
    x = drafted(samplers.by_name(name, k).drafts, q, u[:, :k])
    whole = verify(name, p, q, x, u[:, k:], sort=sort)
    for b in range(32):
        one = slice(b, b + 1)
        alone = verify(name, p[one], q[one], x[one], u[one, k:], sort=sort)
        assert torch.equal(alone.tokens[0], whole.tokens[b])
        assert torch.equal(alone.slots[0], whole.slots[b])


def test_the_ends_of_the_uniform_draw_what_can_be_drawn() -> None:
    p, q = torch.tensor([[0.0, 0.5, 0.5, 0.0]]), torch.tensor([[0.5, 0.25, 0.25, 0.0]])
    for name in ("border", "border_wor", *OWN):
        sampler = samplers.by_name(name)
        for u in product((0.0, 1.0), repeat=5):
            noise = torch.tensor([u], dtype=torch.float64)
            x = drafted(sampler.drafts, q, noise[:, :2])
            for given in (noise[:, 2:], noise[:, 2:4]):
                assert int(verify(sampler, p, q, x, given).tokens) in (1, 2)


def test_a_draw_never_gives_an_entry_without_weight() -> None:
    rng = np.random.default_rng(8)
    weights = torch.from_numpy(rng.random((500, 1000)) * (rng.random((500, 1000)) < 0.01))
    for u in (torch.zeros(500), torch.ones(500), torch.from_numpy(rng.random(500))):
        assert bool((weights.gather(1, plain_draw(weights, u)[:, None]) > 0).all())


@pytest.mark.parametrize(
    "change", [{"q": torch.ones(1, 3)}, {"drafts": torch.zeros(2, 2).long()}, {"u": torch.zeros(1, 4)}], ids=str
)
def test_shapes_that_do_not_fit(change: dict[str, Any]) -> None:
    fits = {
        "p": torch.ones(1, 4) / 4,
        "q": torch.ones(1, 4) / 4,
        "drafts": torch.zeros(1, 2).long(),
        "u": torch.zeros(1, 3),
    }
    with pytest.raises(SpecHubError, match="shape"):
        verify("border", **(fits | change))


def test_loops_and_whole_rows_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What numba runs on a CPU gives the tokens of the operations of torch that run on a device."""
    rng = np.random.default_rng(9)
    p, q = (torch.from_numpy(rng.dirichlet([0.3] * 700, 24)) for _ in range(2))
    q[0, :50] = 0
    q[1, 3] = 40 * q[1].sum()
    q = q / q.sum(1, keepdim=True)
    u = torch.from_numpy(rng.random((24, 5)))
    for dtype, name in ((torch.float32, "border"), (torch.float64, "border_wor")):
        target, draft = p.to(dtype), q.to(dtype)
        x = drafted(samplers.by_name(name).drafts, draft, u[:, :2])
        given = border.prepare(target, draft, 2, replaced=name == "border", sort=False)
        loops = verify(name, target, draft, x, u[:, 2:], sort=False)
        with monkeypatch.context() as patch:
            patch.setattr(classes, "has_numba", lambda: False)
            patch.setattr(mixture, "has_numba", lambda: False)
            plain = border.prepare(target, draft, 2, replaced=name == "border", sort=False)
            assert torch.equal(plain.mixture.density, given.mixture.density)
            whole = verify(name, target, draft, x, u[:, 2:], sort=False)
        assert torch.equal(loops.tokens, whole.tokens)
        assert torch.equal(loops.slots, whole.slots)
