"""The simplest protocol: a plain function on one node, `verify(p, q, drafts) -> (token, slot)`."""

import inspect
import operator
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.engines.declared import Arrays, Declared, handed
from spechub_lp.gate.engines.time_limit import Hang, time_limit
from spechub_lp.gate.noise.choice_sequence import ChoiceSequence, Run, Uncontrolled
from spechub_lp.gate.noise.interception import controlled
from spechub_lp.gate.noise.places import Places
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.results import Finding, Kind, Level
from spechub_lp.gate.search.thresholds import Call
from spechub_lp.gate.settings import TIME_LIMIT
from spechub_lp.typing import NumpyArray

with extra("gate", "the gate"):
    import torch

Verify = Callable[[torch.Tensor, torch.Tensor, list[int]], tuple[int, int]]

Journal = Callable[[Problem, Sequence[int]], None]


@dataclass(frozen=True)
class Emitted1:
    """What one node gave: the output token, and the slot of the accepted draft or -1.

    Examples
    --------
    >>> Emitted1(token=3, slot=-1)
    Emitted1(token=3, slot=-1)
    """

    token: int
    slot: int


@dataclass(frozen=True)
class Failure:
    """What an engine did instead of giving a token.

    Examples
    --------
    >>> Failure(Kind.HANG, "no answer within 5 seconds").message
    'no answer within 5 seconds'
    """

    kind: Kind
    message: str


Outcome = Emitted1 | Failure


def hung(outcome: Any) -> TypeGuard[Failure]:
    """Say whether a call did not end within its time.

    Parameters
    ----------
    outcome
        What came of the call.

    Returns
    -------
    bool
        False of tokens, and of other failures.

    Examples
    --------
    >>> hung(Failure(Kind.HANG, "no answer within 5 seconds")), hung(Emitted1(token=3, slot=-1))
    (True, False)
    """
    return isinstance(outcome, Failure) and outcome.kind is Kind.HANG


FEW_NUMBERS = 64
"""Up to which bytes are compared in an eighth of the time; of 50,000 numbers they take ten times as long."""
LOADING = 12
"""How many times the time limit the first call may take, which loads modules and compiles."""


class Hung(Exception):
    """A controlled call ran past its time limit. Never leaves the gate."""

    def __init__(self, problem: Problem, drafts: tuple[int, ...], failure: Failure):
        super().__init__(failure.message)
        self.case = (problem, drafts, failure)


def check_signature(verify: Verify, name: str | None) -> None:
    """Reject what cannot be called with p, q and drafts; where Python knows no signature, the first call tells.

    Parameters
    ----------
    verify
        A callable.
    name
        What errors call it; None for its own name.

    Raises
    ------
    SpecHubError
        It takes other arguments.

    Examples
    --------
    >>> check_signature(lambda p, q, drafts: (drafts[0], 0), None)
    >>> check_signature(lambda p: (0, -1), "mine")
    Traceback (most recent call last):
    spechub_lp.errors.SpecHubError: mine(p) is called as verify(p, q, drafts): too many positional arguments; wrap it in a function of these three
    """  # noqa: E501
    try:
        signature = inspect.signature(verify)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None, None, None)
    except TypeError as error:
        called = name or getattr(verify, "__name__", type(verify).__name__)
        raise SpecHubError(
            f"{called}{signature} is called as verify(p, q, drafts): {error}; wrap it in a function of these three"
        ) from None


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread within the block.

    Rows of a few numbers gain nothing from torch's thread pool, and waiting for it costs milliseconds a call.

    Examples
    --------
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class NodeEngine:
    """A verify function and its calls, controlled or real; whatever it does comes back as an Outcome.

    Parameters
    ----------
    verify
        Called as verify(p, q, drafts).
    seconds
        How long one call may take.
    journal
        Told every problem and its drafts before the call.

    Examples
    --------
    >>> from spechub_lp import drafts
    >>> problem = Problem("even", (0.5, 0.5), (0.5, 0.5), 1, drafts.IID())
    >>> NodeEngine(lambda p, q, drafts: (drafts[0], 0)).real(problem, [1])
    Emitted1(token=1, slot=0)
    """

    def __init__(self, verify: Verify, seconds: float = TIME_LIMIT, journal: Journal = lambda problem, drafts: None):
        self.verify, self.seconds, self.journal = verify, seconds, journal
        self.call: Verify = verify
        """What is called: the function itself, or what watches it."""
        self.arrays = Declared.of(verify).arrays
        self.places = Places(verify)
        self.calls = 0
        self.reused = False
        """Whether a call changed the token that an earlier one had handed out, as it lies in a buffer."""
        self._lent: tuple[Any, int] | None = None

    together = 1
    """Calls that an engine answers at once."""

    def warm_up(self, problem: Problem) -> Outcome:
        """The first call, on real noise and with time to load or compile what is needed."""
        outcome = self.real(problem, problem.tuples[0], seconds=LOADING * self.seconds)
        self.places = Places(self.verify)  # with the generators that the first call made
        return outcome

    def controlled(self, problem: Problem, calls: Sequence[Call]) -> list[Run]:
        """Calls on given drafts whose noise comes from choice sequences. Raises Uncontrolled on other noise."""
        return self.in_turn([(problem, call) for call in calls])

    def in_turn(self, calls: Sequence[tuple[Problem, Call]]) -> list[Run]:
        """The same, each on a problem of its own."""
        runs = []
        with controlled(self.places) as control:
            for problem, (drafts, prefix, rule) in calls:
                choices = control.choices = ChoiceSequence(prefix, rule)
                outcome = self.real(problem, drafts)
                if choices.rejected:
                    raise Uncontrolled(choices.rejected)
                if hung(outcome):
                    raise Hung(problem, drafts, outcome)
                runs.append(Run(tuple(choices.draws), tuple(choices.values), outcome))
        return runs

    def real(self, problem: Problem, drafts: Sequence[int], seconds: float | None = None) -> Outcome:
        """One call with whatever noise is in place."""
        p, q = (handed(row, self.arrays) for row in rows(problem))
        self.journal(problem, drafts)
        limit = seconds or self.seconds
        try:
            with time_limit(limit):
                return self._call(problem, p, q, list(drafts))
        except Hang:
            return Failure(Kind.HANG, f"no answer within {limit:g} seconds")

    def several(self, problem: Problem, tuples: Sequence[tuple[int, ...]]) -> Iterator[Outcome]:
        """Calls with whatever noise is in place, one for each tuple of drafts, made as they are asked for."""
        return (self.real(problem, drafts) for drafts in tuples)

    def _call(self, problem: Problem, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Outcome:
        self.calls += 1
        given = list(drafts)
        try:
            result = self.call(p, q, drafts)
        except (Uncontrolled, Hang, KeyboardInterrupt):
            raise
        except BaseException as error:
            return Failure(Kind.CRASH, crashed(error))
        for name, after, before in zip("pq", (p, q), problem.given, strict=True):
            if self.arrays is not Arrays.JAX and not _same(np.asarray(after), before):
                return Failure(Kind.OVERWRITTEN, f"{name} was changed by the call")
        if drafts != given:
            return Failure(Kind.OVERWRITTEN, "the list of drafts was changed by the call")
        if self._lent is not None and _whole(self._lent[0]) != self._lent[1]:
            self.reused = True
        outcome = read(result, problem, given)
        self._lent = None
        if isinstance(outcome, Emitted1) and isinstance(result[0], torch.Tensor | np.ndarray):
            self._lent = result[0], outcome.token
        return outcome


def in_a_buffer() -> Finding:
    """Advise the callers of an engine that hands out its output in a buffer.

    Returns
    -------
    Finding
        No proof of anything.

    Examples
    --------
    >>> in_a_buffer().proof
    False
    """
    text = "what a call puts out lies in a buffer that the next call fills: read it, or copy it, before"
    return Finding(Level.BOUNDARY, Kind.NOTE, text, proof=False)


def rows(problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    """Make fresh tensors of the distributions of a problem.

    Parameters
    ----------
    problem
        Of one node.

    Returns
    -------
    tuple of torch.Tensor
        p [V] and q [V], or q [k, V] for product drafts, in float64.

    Examples
    --------
    >>> from spechub_lp import drafts
    >>> rows(Problem("even", (0.5, 0.5), (0.25, 0.75), 1, drafts.IID()))[1]
    tensor([0.2500, 0.7500], dtype=torch.float64)
    """
    p, q = problem.given
    return torch.from_numpy(p.copy()), torch.from_numpy(q.copy())


def read(result: Any, problem: Problem, drafts: Sequence[int]) -> Outcome:
    """Read the answer of the function.

    Parameters
    ----------
    result
        What it returned.
    problem
        With its vocabulary.
    drafts
        The k drafts that it was given.

    Returns
    -------
    Outcome
        A token and a slot that can be, or a failure that says what is wrong with them.

    Examples
    --------
    >>> from spechub_lp import drafts
    >>> problem = Problem("even", (0.5, 0.5), (0.5, 0.5), 1, drafts.IID())
    >>> read((1, 0), problem, [1])
    Emitted1(token=1, slot=0)
    >>> read((2, -1), problem, [1]).message
    'token 2 is outside the vocabulary of 2'
    """
    token: Any
    slot: Any
    try:
        token, slot = result
    except (TypeError, ValueError):
        return Failure(Kind.SHAPE, f"it returned {_show(result)}, not (token, slot)")
    token, slot = _whole(token), _whole(slot)
    if token is None or slot is None:
        return Failure(Kind.SHAPE, f"it returned {_show(result)}; token and slot must be whole numbers (slot -1: none)")
    if not 0 <= token < problem.vocabulary:
        return Failure(Kind.ILLEGAL_TOKEN, f"token {token} is outside the vocabulary of {problem.vocabulary}")
    if not -1 <= slot < len(drafts):
        return Failure(Kind.ILLEGAL_SLOT, f"slot {slot} is neither -1 nor the index of one of {len(drafts)} drafts")
    if slot >= 0 and drafts[slot] != token:
        return Failure(Kind.ILLEGAL_SLOT, f"token {token} came with slot {slot}, but draft {slot} is {drafts[slot]}")
    return Emitted1(token, slot)


def crashed(error: BaseException) -> str:
    """Say in one line which error it is, and the last line of code outside this package that it passed.

    Parameters
    ----------
    error
        That was raised.

    Returns
    -------
    str
        Its type, the first line of its message, and the place.

    Examples
    --------
    >>> crashed(ValueError("no such token"))
    'ValueError: no such token'
    """
    text = (str(error).strip().splitlines() or [""])[0]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "spechub_lp" not in f.filename]
    place = f" (line {frames[-1].lineno} of {Path(frames[-1].filename).name})" if frames else ""
    return f"{type(error).__name__}: {text}{place}"


def _same(a: NumpyArray, b: NumpyArray) -> bool:
    if a.size <= FEW_NUMBERS and (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()):
        return True
    return np.array_equal(a, b) or np.array_equal(a, b, equal_nan=True)  # the second one takes longer


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, torch.Tensor | np.ndarray):
        if value.size != 1 if isinstance(value, np.ndarray) else value.numel() != 1:
            return None
        value = value.reshape(-1)[0].item()
    try:
        return operator.index(value)
    except TypeError:
        return None


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."
