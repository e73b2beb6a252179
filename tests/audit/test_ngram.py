"""The n-gram's distributions are exact, agree with Witten-Bell by hand, and its held-out places are held out."""

from fractions import Fraction

import pytest
from places import ROOT

from spechub_lp.audit.ngram import ALPHABET, WittenBell, letters, positions, split
from spechub_lp.errors import SpecHubError

CORPUS = ROOT / "validation" / "text" / "northanger_abbey.txt"


@pytest.fixture(scope="module")
def text() -> str:
    return letters(CORPUS.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model(text: str) -> WittenBell:
    return WittenBell.fit(split(text)[0], 6)


def test_letters_keeps_the_alphabet_and_collapses_the_rest() -> None:
    assert letters("It's 10 o'clock--\nEH?") == "it s o clock eh "
    assert len(ALPHABET) == 27


@pytest.mark.parametrize("order", [1, 2, 4, 6])
def test_every_distribution_is_a_positive_rational_distribution(text: str, model: WittenBell, order: int) -> None:
    for context in positions(split(text)[1], 100, order - 1, seed=1):
        distribution = model.distribution(context)
        assert len(distribution) == len(ALPHABET)
        assert all(type(m) is Fraction and m > 0 for m in distribution)
        assert sum(distribution) == 1


def test_distributions_of_a_text_of_five_characters_by_hand() -> None:
    """abaac: N(a) = 3, N(b) = 1, N(c) = 1 below the empty context; a is followed by b, a, c, and b by a."""
    model = WittenBell.fit("abaac", 2)

    def distribution(a: Fraction, b: Fraction, c: Fraction, other: Fraction) -> tuple[Fraction, ...]:
        return tuple({"a": a, "b": b, "c": c}.get(symbol, other) for symbol in ALPHABET)

    # (N + 3/27) / (5 + 3)
    assert model.distribution("") == distribution(Fraction(7, 18), Fraction(5, 36), Fraction(5, 36), Fraction(1, 72))
    # (1 + 3 P) / (3 + 3) for a, b and c; 3 P / 6 for the others
    assert model.distribution("a") == distribution(
        Fraction(13, 36), Fraction(17, 72), Fraction(17, 72), Fraction(1, 144)
    )
    # (1 + P) / (1 + 1) for a; P / 2 for the others
    assert model.distribution("b") == distribution(Fraction(25, 36), Fraction(5, 72), Fraction(5, 72), Fraction(1, 144))


def test_an_unseen_context_backs_off_to_its_longest_seen_end(model: WittenBell) -> None:
    assert model.distribution("zzzzz") == model.distribution("zzzz") == model.distribution("zzz")
    assert model.distribution("qxzth") == model.distribution("th")
    assert WittenBell.fit("", 3).distribution("ab") == (Fraction(1, 27),) * 27


def test_a_distribution_sees_order_minus_one_characters(text: str, model: WittenBell) -> None:
    assert model.distribution("catherine") == model.distribution("erine")
    assert WittenBell.fit(split(text)[0], 4).distribution("rine") == model.distribution("ine")


def test_the_held_out_places_are_not_in_the_training_part(text: str) -> None:
    train, held_out = split(text)
    assert train + held_out == text
    assert len(train) == len(text) * 9 // 10
    passages = positions(held_out, 50, context=60, seed=0)
    assert all(p in held_out and p not in train for p in passages)


def test_positions_are_a_function_of_the_seed(text: str) -> None:
    held_out = split(text)[1]
    first = positions(held_out, 30, context=40, seed=7)
    assert first == positions(held_out, 30, context=40, seed=7)
    assert first != positions(held_out, 30, context=40, seed=8)
    assert len(set(first)) == 30
    assert {len(p) for p in first} == {40}


def test_wrong_input_is_rejected_with_its_value() -> None:
    with pytest.raises(SpecHubError, match="order = 0"):
        WittenBell.fit("abc", 0)
    with pytest.raises(SpecHubError, match="'B' is not in the alphabet"):
        WittenBell.fit("aBc", 2)
    with pytest.raises(SpecHubError, match="'é' is not in the alphabet"):
        WittenBell.fit("abc", 2).distribution("é")
    with pytest.raises(SpecHubError, match="n_positions = 3"):
        positions("abcd", 3, context=2, seed=0)
