"""One optimum by four ways, as an equality; floats close to it; peaked distributions do not trip HiGHS."""

import doctest
import random
import re
import shutil
import subprocess
from dataclasses import FrozenInstanceError, dataclass, fields
from fractions import Fraction as F
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every import policies
from hypothesis import given, settings

from spechub_lp import certificate, drafts, exact, optimum, samplers
from spechub_lp._array.rational import rational_row
from spechub_lp.coupling import plain
from spechub_lp.drafts import DraftPolicy
from spechub_lp.drafts.adaptive import Adaptive
from spechub_lp.drafts.tempered import Tempered
from spechub_lp.errors import SolverError, SpecHubError, TooLarge, UnknownName
from spechub_lp.instance import check_tuples, enumerate_drafts
from spechub_lp.optimum import basis, cvxpy_model, export, highs, program
from spechub_lp.optimum import subsets as sets
from spechub_lp.optimum.max_flow import max_flow
from spechub_lp.optimum.solve import Optimum, cut_value
from spechub_lp.testing.strategies import instances, pairs
from spechub_lp.theorems.instances import family
from spechub_lp.typing import Array, Distribution, IntArray, NumpyArray

FLOAT_ERROR = 1e-12
"""Highs at our scale and tolerances erred by at most 1e-14 on 5,946 programs; two decimals of room."""


def parts(
    p: Distribution, q: Distribution, k: int, policy: DraftPolicy, dtype: type = object
) -> tuple[NumpyArray, IntArray, NumpyArray]:
    draft = rational_row(q) if dtype is object else np.asarray([q], dtype=float)
    target = rational_row(p)[0] if dtype is object else np.asarray(p, dtype=float)
    x, mass = enumerate_drafts(policy, draft, k)
    return target, np.asarray(x), mass


@pytest.mark.parametrize(
    ("policy", "k"), [pytest.param(p, k, id=f"{p.name}-{k}") for k in (1, 2, 3) for p in policies(k)]
)
@given(pq=pairs())
def test_program_flow_and_subsets_agree_exactly(
    policy: DraftPolicy, k: int, pq: tuple[Distribution, Distribution]
) -> None:
    best = optimum(*pq, k, policy)
    assert best.alpha == optimum(*pq, k, policy, method="flow").alpha
    row, draft = rational_row(pq[0])[0], rational_row(pq[1])
    assert best.alpha == plain(sets.over_subsets(row, draft, policy, k)[0])
    if policy.prefix_is_optimal:
        assert best.alpha == plain(sets.over_prefixes(row, draft, policy, k)[0])


@pytest.mark.parametrize(
    ("policy", "k"), [pytest.param(p, k, id=f"{p.name}-{k}") for k in (1, 2, 3) for p in policies(k)]
)
@given(pq=pairs(max_tokens=4))
@settings(max_examples=25)
def test_float_programs_agree_with_the_exact_optimum(
    policy: DraftPolicy, k: int, pq: tuple[Distribution, Distribution]
) -> None:
    alpha = float(optimum(*pq, k, policy).alpha)
    p, x, mass = parts(*pq, k, policy, float)
    for merged in (True, False):
        compact = program.compact(p, x, mass, merged=merged)
        for method in highs.METHODS:
            assert abs(highs.solve(compact, method).value - alpha) < FLOAT_ERROR
        assert abs(highs.solve(program.full(p, x, mass, merged=merged)).value - alpha) < FLOAT_ERROR


@pytest.mark.parametrize("policy", policies(2), ids=lambda policy: policy.name)
def test_cvxpy_states_the_same_programs(policy: DraftPolicy) -> None:
    for instance in family(16, seed=3):
        alpha = float(optimum(instance.p, instance.q, 2, policy).alpha)
        p, x, mass = parts(instance.p, instance.q, 2, policy, float)
        assert abs(cvxpy_model.compact(p, x, mass) - alpha) < FLOAT_ERROR
        assert abs(cvxpy_model.full(p, x, mass) - alpha) < FLOAT_ERROR


@given(pq=pairs())
def test_the_coupling_reaches_alpha_and_the_set_bounds_it(pq: tuple[Distribution, Distribution]) -> None:
    for k in (2, 3):
        for policy in policies(k):
            best = optimum(*pq, k, policy)
            coupling = best.coupling
            assert coupling.is_lossless
            assert coupling.acceptance == coupling.membership == best.alpha
            assert plain(cut_value(best.program, best.H)) == best.alpha
            entries = best.entries()
            assert sum(mass for _, _, mass in entries) == 1
            assert sum(mass for x, y, mass in entries if y in x) == best.alpha


def test_peaked_distributions_neither_infeasible_nor_wrong() -> None:
    """With default tolerances HiGHS calls 26 of 40 such full programs infeasible and errs in the seventh digit."""
    rng = np.random.default_rng(7)
    for _ in range(40):
        p, q = (rng.dirichlet([0.08] * 12) for _ in range(2))
        alpha = float(optimum(p, q).alpha)
        p, (tuples, mass) = p / p.sum(), enumerate_drafts(drafts.by_name("iid"), q[None] / q.sum(), 2)
        x = np.asarray(tuples)
        assert abs(highs.solve(program.compact(p, x, mass)).value - alpha) < FLOAT_ERROR
        assert abs(highs.solve(program.full(p, x, mass)).value - alpha) < FLOAT_ERROR


def test_rounding_of_a_sum_does_not_make_a_program_infeasible() -> None:
    """One row of supply 1 and demands that sum to 1 exactly, but not in floats: presolve must see room for that."""
    rng = random.Random(5)
    rows: list[Distribution] = [
        (F(5, 12), F(5, 48), F(5, 12), F(1, 16))
    ]  # infeasible to highspy before 1.16 with right-hand sides * 2^20
    for _ in range(60):
        weights = [rng.randint(1, 60) for _ in range(rng.randint(2, 9))]
        rows.append(tuple(F(weight, sum(weights)) for weight in weights))
    for row in rows:
        demand, mass = rational_row(row)[0], rational_row((F(1),))[0]
        one = program.compact(demand, np.arange(len(row))[None], mass)
        assert highs.solve(one).value == pytest.approx(1, abs=FLOAT_ERROR), row


def test_when_highs_fails_the_flow_takes_over_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise SolverError("no")

    monkeypatch.setattr(highs, "solve", fail)
    best = optimum(["1/7", "2/7", "4/7"], ["5/11", "5/11", "1/11"])
    assert best.method == "flow"
    assert best.coupling.acceptance == best.alpha


def test_a_basis_that_is_not_optimal_is_mended() -> None:
    p, x, mass = parts((F(1, 7), F(2, 7), F(4, 7)), (F(5, 11), F(5, 11), F(1, 11)), 2, drafts.by_name("iid"))
    compact = program.compact(p, x, mass)
    best, H = max_flow(compact)
    poor = best.copy()
    poor[np.flatnonzero(best)[:2]] = best[0] * 0
    again, same = max_flow(compact, poor)
    assert again.sum() == best.sum()
    assert plain(cut_value(compact, same)) == plain(cut_value(compact, H))


def test_an_infeasible_basis_gives_no_flow() -> None:
    p, x, mass = parts((F(1, 7), F(2, 7), F(4, 7)), (F(5, 11), F(5, 11), F(1, 11)), 2, drafts.by_name("iid"))
    compact = program.compact(p, x, mass)
    solution = highs.solve(compact)
    assert basis.exact_flow(compact, solution) is not None
    everything = highs.Solution(solution.solver)
    vars(everything).update(basic=solution.basic | True, slack=solution.slack & False)
    assert basis.exact_flow(compact, everything) is None


# The parts of a program


def test_sets_of_tuples() -> None:
    x = np.array([[2, 0], [0, 2], [1, 1], [0, 0]])
    sets = program.distinct(x, 3)
    assert sets.tolist() == [[0, 2], [0, 2], [1, 3], [0, 3]]
    merged, supply, member = program.merge(sets, np.array([0.1, 0.2, 0.3, 0.4]), 3)
    assert merged.tolist() == [[0, 2], [0, 3], [1, 3]]
    assert supply.tolist() == pytest.approx([0.3, 0.4, 0.3])
    assert member.tolist() == [0, 0, 2, 1]


def test_a_set_is_one_set_however_its_tokens_repeat() -> None:
    sets = program.distinct(np.array([[1, 1, 2], [2, 1, 2], [2, 2, 2]]), 3)
    assert sets.tolist() == [[1, 2, 3], [1, 2, 3], [2, 3, 3]]


def test_variables_gains_and_marginals() -> None:
    sets = np.array([[0, 2], [1, 3]])
    row, token = program.drafted_pairs(sets, 3)
    assert (row.tolist(), token.tolist()) == ([0, 0, 1], [0, 2, 1])
    row, token = program.all_pairs(sets, 3)
    assert (row.tolist(), token.tolist()) == ([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2])
    assert program.membership(sets, row, token).tolist() == [1, 0, 1, 0, 1, 0]
    compact = program.compact(np.array([0.2, 0.3, 0.5]), np.array([[0, 2], [1, 1]]), np.array([0.6, 0.4]))
    start, index, value = program.incidence(compact)
    assert compact.size == (5, 3)
    assert start.tolist() == [0, 2, 4, 6]
    assert index.tolist() == [0, 2, 0, 4, 1, 3]
    assert value.tolist() == [1] * 6


def test_sizes_are_the_paper_s() -> None:
    tuples, mass = enumerate_drafts(drafts.by_name("iid"), np.full((1, 4), 0.25), 2)
    p, x = np.full(4, 0.25), np.asarray(tuples)
    assert program.full(p, x, mass).size == (4**2 + 4, 4**3)
    assert program.compact(p, x, mass, merged=False).size[1] == 2 * 4**2 - 4
    assert program.compact(p, x, mass).size == (4 * 5 // 2 + 4, 4 * 4)


def test_lp_table_and_two_step_in_floats_and_in_batches() -> None:
    p, q = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]), np.array([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    x = np.array([[0, 2], [1, 1]])
    for name in ("lp_table", "two_step"):
        both = samplers.by_name(name).verify(p, q, x)
        for b in range(2):
            alone = samplers.by_name(name).verify(p[b : b + 1], q[b : b + 1], x[b : b + 1])
            assert np.array_equal(both.accept[b], alone.accept[0])
            assert np.array_equal(both.residual[b], alone.residual[0])


def test_policies_of_one_s_own() -> None:
    class Lazy(drafts.DraftPolicy):
        name = "lazy"

        def draft(self, q: Array, x: Array, k: int) -> Array:
            return q if x.shape[1] == 0 else drafts.by_name("top_k").draft(q, x, k)

    p, q = ["1/2", "1/4", "1/4"], ["1/4", "1/2", "1/4"]
    best = optimum(p, q, 2, Lazy())
    assert exact(samplers.by_name("lp_table").with_drafts(Lazy()), p, q).acceptance == best.alpha


def test_bad_requests() -> None:
    with pytest.raises(UnknownName, match="unknown method 'simplex'"):
        optimum(["1"], ["1"], method="simplex")
    with pytest.raises(UnknownName, match="unknown HiGHS method 'pdlp'"):
        highs.solve(program.compact(np.ones(1), np.zeros((1, 1), dtype=int), np.ones(1)), "pdlp")
    with pytest.raises(TooLarge, match=r"2\^17 token sets"):
        sets.over_subsets(np.full(17, 1 / 17), np.full((1, 17), 1 / 17), drafts.by_name("iid"), 2)
    with pytest.raises(SpecHubError, match="not for hub"):
        sets.over_prefixes(np.ones(1), np.ones((1, 1)), drafts.by_name("hub"), 2)
    wide = np.full((1, 1100), 1 / 1100)
    with pytest.raises(TooLarge, match="verdicts are too many"):
        samplers.by_name("lp_table").verify(wide, wide, np.zeros((1, 2), dtype=int))


# What is remembered between calls

P, Q = ["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"]


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint64])
def test_k_of_numpy_is_k(kind: type[np.integer[Any]]) -> None:
    import_module("spechub_lp.optimum.solve")._remembered.cache_clear()
    of_numpy: Any = kind(2)
    for k in (of_numpy, 2):
        best = optimum(P, Q, k)
        assert type(best.k) is int
        assert certificate.check(best.certificate()).alpha == F(39, 100)


@pytest.mark.parametrize("k", [2.0, "2", None, True, np.float64(2), np.array([2])])
def test_k_is_a_whole_number(k: Any) -> None:
    with pytest.raises(SpecHubError, match="k = "):
        optimum(P, Q, k)


def arrays(best: Optimum) -> dict[str, NumpyArray]:
    parts = {f"program.{f.name}": getattr(best.program, f.name) for f in fields(best.program)}
    parts |= {name: getattr(best, name) for name in ("flow", "tuples", "weights", "accept", "residual")}
    return parts | {f"coupling.{name}": getattr(best.coupling, name) for name in ("p", "tuples", "weights", "accept")}


@pytest.mark.parametrize("name", arrays(optimum(P, Q)))
def test_an_array_that_a_caller_changes_is_the_caller_s(name: str) -> None:
    array = arrays(optimum(P, Q))[name]
    before = array.copy()
    array[...] = 7
    assert np.array_equal(arrays(optimum(P, Q))[name], before)
    assert certificate.check(optimum(P, Q).certificate()).alpha == F(39, 100)


def test_policies_are_known_by_their_values() -> None:
    two = optimum(P, Q, 2, Tempered(2)).alpha
    with pytest.raises(FrozenInstanceError):
        setattr(Tempered(2), "power", 3)  # noqa: B010
    assert Tempered(3) != Tempered(2)
    assert optimum(P, Q, 2, Tempered(3)).alpha != two
    assert optimum(P, Q, 2, Adaptive(F(1, 2))).alpha != optimum(P, Q, 2, Adaptive(F(2, 3))).alpha
    for known in (*drafts.ALL, Tempered(2), Adaptive()):
        again = type(known)()
        assert again == known
        assert hash(again) == hash(known)


@pytest.mark.parametrize("as_value", [False, True])
def test_a_policy_of_one_s_own_with_a_state(as_value: bool) -> None:
    """A class that inherits the comparison of a policy without fields compares equal whatever it holds itself."""

    class Switch(drafts.IID):
        name = "switch"
        top: bool

        def __init__(self, top: bool) -> None:
            object.__setattr__(self, "top", top)

        def draft(self, q: Array, x: Array, k: int) -> Array:
            return drafts.by_name("top_k" if self.top else "iid").draft(q, x, k)

    @dataclass
    class Value(drafts.DraftPolicy):
        top: list[bool]
        name = "value"

        def draft(self, q: Array, x: Array, k: int) -> Array:
            return Switch(self.top[0]).draft(q, x, k)

    value, switch = Value([True]), Switch(True)
    policy: drafts.DraftPolicy = value if as_value else switch
    assert optimum(P, Q, 2, policy).alpha == F(1, 5)
    value.top[0] = False
    object.__setattr__(switch, "top", False)
    assert optimum(P, Q, 2, policy).alpha == F(39, 100)


def test_sizes_are_python_s_integers() -> None:
    quarter = ["1/4"] * 4
    sizes: tuple[Any, ...] = (np.int64(32), 32, np.int8(32))
    for k in sizes:
        with pytest.raises(TooLarge, match=r"V\^k = 4\^32 = 2e\+19 draft tuples are too many"):
            optimum(quarter, quarter, k)
    for k in (65, 10**9, 10**5000):
        with pytest.raises(TooLarge, match="drafts are too many to enumerate"):
            optimum(["1"], ["1"], k)
    assert optimum(["1"], ["1"], 64).alpha == 1
    pairs_of_sizes: tuple[tuple[Any, Any], ...] = ((np.int64(4), np.int64(32)), (np.int32(2), 31), (np.int16(200), 3))
    for vocabulary, k in pairs_of_sizes:
        with pytest.raises(TooLarge, match="tuples are too many"):
            check_tuples(vocabulary, k, 1_000_000, "tuples", "")
    with pytest.raises(TooLarge, match="verdicts are too many"):
        samplers.by_name("lp_table", 64).verify(np.ones((1, 2)) / 2, np.ones((1, 2)) / 2, np.zeros((1, 64), dtype=int))


# The program as a file for other exact solvers


def read_lp(text: str) -> tuple[list[str], dict[str, tuple[list[str], F]]]:
    """(the variables of the objective, {constraint: (its variables, its bound)}) of a file of ours."""
    text = re.sub(r"(?m)^\\.*$", "", text)
    parts = re.fullmatch(r"(?s)\s*(Problem\s+\w+)\s+Maximize(.*)Subject To(.*)End\s*", text)
    assert parts
    _, objective, rows = parts.groups()
    constraints = {}
    for name, left, right in re.findall(r"(\w+):([^<:]*)<=\s*(\S+)", rows):
        constraints[name] = (left.split()[::2], F(right))
    return objective.split(":")[1].split()[::2], constraints


@given(pqk=instances(max_tokens=4))
@settings(max_examples=40)
def test_the_lp_file_holds_the_program(pqk: tuple[Distribution, Distribution, int]) -> None:
    p, q, k = pqk
    best = optimum(p, q, k)
    objective, constraints = read_lp(export.to_lp(best))
    x, mass = enumerate_drafts(drafts.by_name("iid"), rational_row(q), k)
    by_set: dict[frozenset[int], F] = {}
    for drafted, m in zip(x.tolist(), mass, strict=True):
        by_set[frozenset(drafted)] = by_set.get(frozenset(drafted), F(0)) + plain(m)
    rows = {name: row for name, row in constraints.items() if name[0] == "Q"}
    sets = {name: frozenset(int(v.split("_")[1]) for v in names) for name, (names, _) in rows.items()}
    assert {sets[name]: bound for name, (_, bound) in rows.items()} == by_set
    assert sorted(v for names, _ in rows.values() for v in names) == sorted(objective)
    for name, (names, bound) in constraints.items():
        if name[0] == "p":
            assert bound == p[int(name[1:])]
            assert sorted(names) == sorted(v for v in objective if v.endswith(f"_{name[1:]}"))
    assert max(map(len, export.to_lp(best).splitlines())) < 500


def test_the_lp_file_of_a_page() -> None:
    assert doctest.testmod(export).failed == 0
    assert doctest.testmod(export).attempted == 2


@pytest.mark.skipif(shutil.which("esolver") is None, reason="QSopt_ex (Debian: qsopt-ex) is not installed")
def test_qsopt_ex_finds_the_same_optimum(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    floats = rng.dirichlet([0.4] * 7), rng.dirichlet([0.4] * 7)
    for p, q, k, policy in [(P, Q, 2, "iid"), (P, Q, 3, "without_replacement"), (*floats, 3, "without_replacement")]:
        best = optimum(p, q, k, policy)
        (tmp_path / "o.lp").write_text(export.to_lp(best))
        subprocess.run(
            ["esolver", "-L", "-O", "o.sol", "o.lp"], cwd=tmp_path, check=True, capture_output=True, timeout=60
        )
        value = re.search(r"Value = (\S+)", (tmp_path / "o.sol").read_text())
        assert value
        assert F(value[1]) == best.alpha
