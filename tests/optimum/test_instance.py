"""An instance is read and checked once; the public functions take one where they take p, q, k and drafts."""

from fractions import Fraction as F
from typing import Any

import pytest

from spechub_lp import Instance, drafts, exact, optimum, samplers
from spechub_lp.drafts.tempered import Tempered
from spechub_lp.errors import InvalidDistribution, MissingMethod, SpecHubError, TooLarge, UnknownName
from spechub_lp.optimum.compare import solve_every_way
from spechub_lp.samplers.base import Sampler
from spechub_lp.typing import Array

P, Q = ["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"]


def test_what_is_written_is_read_once() -> None:
    instance = Instance.parse(P, Q, drafts="hub")
    assert (instance.p, instance.q) == ((F(0), F(1, 5), F(4, 5)), (F(3, 5), F(3, 10), F(1, 10)))
    assert (instance.policy, instance.k, instance.vocabulary) == (drafts.Hub(), 2, 3)
    assert instance.tuples is instance.tuples
    assert instance.mass.sum() == 1
    assert Instance.parse(instance) is instance


def test_instances_compare_by_value() -> None:
    one, same = (Instance.parse(P, Q, 2, Tempered(2)) for _ in range(2))
    assert one == same
    assert len({one, same, Instance.parse(P, Q, 2, Tempered(3)), Instance.parse(P, Q, 3, Tempered(2))}) == 3


def test_its_arrays_are_read_only() -> None:
    instance = Instance.parse(P, Q)
    for array in (instance.target_row, instance.draft_row, instance.tuples, instance.mass):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_the_repr_stays_short() -> None:
    assert repr(Instance.parse(P, Q)) == "Instance(p=(0, 1/5, 4/5), q=(3/5, 3/10, 1/10), k=2, drafts='iid')"
    assert repr(Instance.parse([1] * 27, [1] * 27, normalize=True)) == "Instance(V=27, k=2, drafts='iid')"
    assert repr(Instance.parse(P, [Q, P], drafts="product")) == "Instance(V=3, k=2, drafts='product')"


@pytest.mark.parametrize("sampler", [samplers.by_name(name) for name in ("rrs", "spechub", "border_wor")])
def test_functions_take_an_instance(sampler: Sampler) -> None:
    instance = Instance.parse(P, Q, sampler.k, sampler.drafts)
    assert exact(sampler, instance).output_distribution == exact(sampler, P, Q).output_distribution
    best = optimum(P, Q, sampler.k, sampler.drafts)
    assert optimum(instance).certificate() == best.certificate()
    assert optimum(instance).instance == best.instance == instance
    assert solve_every_way(instance).optimum.alpha == best.alpha


@pytest.mark.parametrize(
    ("error", "match", "arguments"),
    [
        (InvalidDistribution, "p sums to 9/10", (["1/10", "4/5"], ["1/2", "1/2"])),
        (InvalidDistribution, "both need the same vocabulary", (P, ["1/2", "1/2"])),
        (UnknownName, "Did you mean 'iid'", (P, Q, 2, "idd")),
        (SpecHubError, "k = 0; it must be at least 1", (P, Q, 0)),
        (SpecHubError, "hub drafts come in pairs; k = 3", (P, Q, 3, "hub")),
        (SpecHubError, "iid drafts come from one distribution", (P, [Q, Q])),
        (SpecHubError, "q is missing", (P,)),
        (SpecHubError, "which has its own", (Instance.parse(P, Q), Q)),
    ],
)
def test_what_is_no_instance(error: type[Exception], match: str, arguments: tuple[Any, ...]) -> None:
    for function in (Instance.parse, optimum):
        with pytest.raises(error, match=match):
            function(*arguments)


def test_an_instance_of_other_drafts_is_rejected() -> None:
    with pytest.raises(SpecHubError, match=r"rrs takes 2 iid drafts and Instance\(p=.* has 2 hub drafts"):
        exact(samplers.by_name("rrs"), Instance.parse(P, Q, 2, "hub"))


def test_too_many_tuples_are_said_when_they_are_asked_for() -> None:
    instance = Instance.parse([1] * 101, [1] * 101, 3, normalize=True)
    with pytest.raises(TooLarge, match="draft tuples are too many"):
        instance.tuples  # noqa: B018


class Empty(drafts.DraftPolicy):
    name = "empty"


def test_a_closed_form_that_is_missing_is_skipped() -> None:
    class Bare(drafts.DraftPolicy):
        name = "bare"

        def draft(self, q: Array, x: Array, k: int) -> Array:
            return q

    result = solve_every_way(P, Q, 2, Bare())
    assert result.agree
    assert any("Bare does not define prob_all_in(q, H, k)" in line for line in result.skipped)
    for method, arguments in (("prob_all_in", (None, None, 2)), ("best_draft", (None, 2)), ("draft", (None, None, 2))):
        with pytest.raises(MissingMethod, match=rf"Empty does not define {method}\("):
            getattr(Empty(), method)(*arguments)


def test_inside_is_the_old_name_of_prob_all_in() -> None:
    class Old(drafts.DraftPolicy):
        name = "old"

        def draft(self, q: Array, x: Array, k: int) -> Array:
            return q

        def inside(self, q: Array, H: Array, k: int) -> Array:
            return drafts.IID().prob_all_in(q, H, k)

    instance = Instance.parse(P, Q)
    H = instance.draft_row > F(1, 5)
    right = drafts.IID().prob_all_in(instance.draft_row, H, 2)
    with pytest.warns(DeprecationWarning, match="prob_all_in"):
        assert drafts.IID().inside(instance.draft_row, H, 2) == right
    with pytest.warns(DeprecationWarning, match="prob_all_in"):
        assert Old().prob_all_in(instance.draft_row, H, 2) == right
