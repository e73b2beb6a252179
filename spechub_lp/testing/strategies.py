"""Hypothesis strategies for distributions and instances.

They seek the boundaries, where rules and proofs break first.
"""

from fractions import Fraction

from spechub_lp._util.extras import extra
from spechub_lp.typing import Distribution

with extra("testing", "a Hypothesis strategy"):
    from hypothesis import strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy

# Zeros for the support, ones for ties, a large weight for peaks; 10^6 makes products that float tolerances miss.
_WEIGHTS = st.sampled_from([0, 0, 1, 1, 2, 3, 5, 12, 10**6])


@st.composite
def distributions(draw: DrawFn, tokens: int | None = None, max_tokens: int = 5) -> Distribution:
    """Draw a rational distribution: zeros, ties, one-hots, peaks.

    Parameters
    ----------
    tokens
        V; drawn from 1 to `max_tokens` by default.
    max_tokens
        The largest V.

    Returns
    -------
    SearchStrategy of [V]
        Fractions that sum to 1.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(distributions(tokens=3))
    ... def test_sums_to_one(q):
    ...     assert len(q) == 3 and sum(q) == 1
    >>> test_sums_to_one()
    """
    size = tokens or draw(st.integers(1, max_tokens))
    weights = draw(st.one_of(st.lists(_WEIGHTS, min_size=size, max_size=size), st.just([0] * size)))
    if not any(weights):
        weights = [0] * size
        weights[draw(st.integers(0, size - 1))] = 1
    return tuple(Fraction(w, sum(weights)) for w in weights)


@st.composite
def pairs(draw: DrawFn, max_tokens: int = 5, tokens: int | None = None) -> tuple[Distribution, Distribution]:
    """Draw a target p and a draft distribution q on one vocabulary; some are equal, disjoint, or have q(a) about 1/2.

    Parameters
    ----------
    max_tokens
        The largest V.
    tokens
        V; drawn from 1 to `max_tokens` by default.

    Returns
    -------
    SearchStrategy of (p [V], q [V])
        Fractions.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> from spechub_lp import exact, samplers
    >>> @given(pairs(max_tokens=3))
    ... @settings(max_examples=10, deadline=None)
    ... def test_lossless(pq):
    ...     assert exact(samplers.RRS(), *pq).is_lossless
    >>> test_lossless()
    """
    size = tokens or draw(st.integers(1, max_tokens))
    p, q = draw(distributions(size)), draw(distributions(size))
    kind = draw(st.sampled_from(["free"] * 6 + ["equal", "disjoint", "half"]))
    if kind == "equal":
        return p, p
    if kind == "disjoint" and size > 1:
        cut = draw(st.integers(1, size - 1))
        none = (Fraction(0),) * size
        return draw(distributions(cut)) + none[cut:], none[:cut] + draw(distributions(size - cut))
    if kind == "half" and size > 1:
        hub = Fraction(draw(st.sampled_from([48, 49, 50, 51, 52])), 100)
        return p, (hub, *(m * (1 - hub) for m in draw(distributions(size - 1))))
    return p, q


def instances(
    max_tokens: int = 5, drafts: tuple[int, ...] = (1, 2, 3)
) -> SearchStrategy[tuple[Distribution, Distribution, int]]:
    """Draw (p, q, k).

    Parameters
    ----------
    max_tokens
        The largest V.
    drafts
        The numbers of drafts to choose from.

    Returns
    -------
    SearchStrategy of (p [V], q [V], k)
        Fractions and a number of drafts.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(instances(max_tokens=3, drafts=(2,)))
    ... def test_k(pqk):
    ...     assert pqk[2] == 2
    >>> test_k()
    """
    return pairs(max_tokens).flatmap(lambda pq: st.tuples(st.just(pq[0]), st.just(pq[1]), st.sampled_from(drafts)))
