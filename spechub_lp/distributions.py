"""Read and check p and q, once; everything after it trusts them.

Three kinds of distribution come in: rationals (Fractions, strings such as "1/3" and "0.2", whole numbers), floats, and
logits.
"""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from decimal import Decimal
from fractions import Fraction
from heapq import nlargest
from numbers import Rational, Real
from operator import index
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_numpy_array, is_torch_array

from spechub_lp._util import renamed
from spechub_lp._util.tolerances import SUM_TOLERANCE
from spechub_lp.certificate import shown
from spechub_lp.errors import InvalidDistribution, SpecHubError
from spechub_lp.typing import Array

Number = Fraction | int | float | str

NUMBER = re.compile(r"[+-]?(?:[0-9]+/[0-9]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,9}))?)")
"""What a string may hold: 1/3, 0.2, .2, 2e-1, 0."""
LONGEST_NUMBER = 2_000
"""Characters of a number in a string; the smallest float64, written out, has 1,076."""
LARGEST_EXPONENT = 2_000


@renamed.argument(normalise="normalize")
def parse(values: Sequence[Number] | Array, name: str = "p", normalize: bool = False) -> tuple[Fraction, ...]:
    """Read one distribution as exact rationals.

    Parameters
    ----------
    values : [V]
        Fractions, strings ("1/3", "0.2"), 0/1 as whole numbers, or floats. Floats are taken for the exact binary
        numbers they are, divided by their exact sum, which must be within 1e-6 of 1.
    name
        What errors call the distribution.
    normalize
        Divide by the sum, whatever it is; needed for counts such as [3, 1, 1].

    Returns
    -------
    [V]
        Fractions that sum to 1.

    Raises
    ------
    InvalidDistribution
        Names the entry and the value that is wrong.

    Examples
    --------
    >>> parse("1/3, 2/3")
    (Fraction(1, 3), Fraction(2, 3))
    >>> parse([3, 1], normalize=True)
    (Fraction(3, 4), Fraction(1, 4))
    """
    values = _entries(values.split(",") if isinstance(values, str) else values, name)
    if any(isinstance(v, list | tuple) or getattr(v, "ndim", 0) for v in values):
        raise InvalidDistribution(
            f"{name} has rows in it; an exact distribution is one row [V] of numbers: take one row at a time"
        )
    entries = [_rational(v, f"{name}[{i}]") for i, v in enumerate(values)]
    if not entries:
        raise InvalidDistribution(f"{name} is empty; a distribution needs at least one token")
    for i, v in enumerate(entries):
        if v < 0:
            raise InvalidDistribution(
                f"{name}[{i}] = {shown(v)} is negative; a distribution needs entries >= 0. Did you pass logits?"
            )
    mass = sum(entries, Fraction(0))
    rounded = any(isinstance(v, float | np.floating) for v in values)
    if mass == 0:
        raise InvalidDistribution(f"{name} sums to 0; a distribution needs some mass")
    if not normalize and mass != 1 and not (rounded and abs(mass - 1) <= SUM_TOLERANCE["float64"]):
        found = float(mass) if rounded else shown(mass)
        hint = " Did you pass logits, or counts?" if max(entries) > 1 else ""
        raise InvalidDistribution(
            f"{name} sums to {found}, not 1; pass normalize=True (--normalize) to divide by the sum.{hint}"
        )
    return tuple(v / mass for v in entries)


def _entries(values: Any, name: str) -> Sequence[Any]:
    values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping | Set):
        raise InvalidDistribution(
            f"{name} = {values!r:.60} is no distribution; pass a list of numbers, or a string such as '1/3, 2/3'"
        )
    return list(values)


@renamed.argument(normalise="normalize")
def parse_drafts(values: Sequence[Any] | Array, name: str = "q", normalize: bool = False) -> tuple[Any, ...]:
    """Read a draft distribution, or those of k different drafters (policy `product`), as exact rationals.

    Parameters
    ----------
    values : [V] or [k, V]
        As `parse` takes them.
    name, normalize
        As in `parse`.

    Returns
    -------
    [V] or [k, V]
        Fractions; every row sums to 1.

    Examples
    --------
    >>> parse_drafts([["1/2", "1/2"], ["0", "1"]])[1]
    (Fraction(0, 1), Fraction(1, 1))
    """
    values = values if isinstance(values, str) else _entries(values, name)
    if values and (isinstance(values[0], list | tuple) or getattr(values[0], "ndim", 0) == 1):
        return tuple(parse(row, f"{name}[{j}]", normalize) for j, row in enumerate(values))
    return parse(values, name, normalize)


@renamed.argument(normalise="normalize")
def pair(
    p: Sequence[Number] | Array, q: Sequence[Any] | Array, normalize: bool = False
) -> tuple[tuple[Fraction, ...], tuple[Any, ...]]:
    """Read a target and a draft distribution of one vocabulary.

    Parameters
    ----------
    p : [V]
        Target distribution, as `parse` takes it.
    q : [V] or [k, V]
        Draft distribution, or those of k different drafters.
    normalize
        Divide every row by its sum, whatever it is.

    Returns
    -------
    p [V], q [V] or [k, V]
        Fractions.

    Raises
    ------
    InvalidDistribution
        p or q is not a distribution, or they differ in length.

    Examples
    --------
    >>> p, q = pair("1/2, 1/2", "1/4, 3/4")
    >>> q
    (Fraction(1, 4), Fraction(3, 4))
    """
    target, draft = parse(p, "p", normalize), parse_drafts(q, "q", normalize)
    width = len(draft[0]) if isinstance(draft[0], tuple) else len(draft)
    widths = {len(row) for row in draft} if isinstance(draft[0], tuple) else {width}
    if widths != {len(target)}:
        raise InvalidDistribution(
            f"p has {len(target)} tokens and q has {sorted(widths)[0]}; both need the same vocabulary"
        )
    return target, draft


def count(value: Any, name: str = "k", least: int = 1, hint: str = "", error: type[SpecHubError] = SpecHubError) -> int:
    """Read a whole number such as k: a Python int or an integer of numpy; no bool, no float, no text.

    Parameters
    ----------
    value
        What was given.
    name
        What errors call it.
    least
        The smallest number that is allowed.
    hint
        Added to the error where the number is too small.
    error
        The class of the error.

    Returns
    -------
    int
        The number.

    Examples
    --------
    >>> count(np.int64(2))
    2
    >>> count(True)
    Traceback (most recent call last):
        ...
    spechub_lp.errors.SpecHubError: k = True is not a whole number; pass an int >= 1
    """
    try:
        if isinstance(value, bool | np.bool_) or np.ndim(value):
            raise TypeError
        number = index(value)
    except (TypeError, ValueError):  # ValueError: numpy on lists of unequal lengths
        raise error(f"{name} = {value!r} is not a whole number; pass an int >= {least}") from None
    if number < least:
        raise error(f"{name} = {number}; it must be at least {least}{f' ({hint})' if hint else ''}")
    return number


def same_library(**arrays: Any) -> None:
    """Check that all arrays come from one library and lie on one device.

    Parameters
    ----------
    arrays
        By name, of any shape: `same_library(p=p, q=q)`.

    Raises
    ------
    SpecHubError
        They do not; the message names both.

    Examples
    --------
    >>> same_library(p=np.ones(2), q=np.ones(3))
    """
    kinds = {name: (_library(a), str(device(a))) for name, a in arrays.items()}
    for at, what in enumerate(("arrays of {}", "arrays on {}")):
        if len({kind[at] for kind in kinds.values()}) > 1:
            seen = " and ".join(f"{name} {what.format(kind[at])}" for name, kind in kinds.items())
            raise SpecHubError(f"mixed arrays: {seen}; pass all of them from one library, on one device")


def batch(**arrays: Any) -> int:
    """Count the rows that arrays make together; an array of one row goes with any number of rows.

    Parameters
    ----------
    arrays : [B, ...] or [1, ...]
        By name: `batch(p=p, q=q)`.

    Returns
    -------
    int
        B, which may be 0.

    Raises
    ------
    SpecHubError
        Two arrays have different numbers of rows, and neither has one.

    Examples
    --------
    >>> batch(p=np.ones((1, 4)), q=np.ones((3, 4)))
    3
    """
    rows = {int(a.shape[0]) for a in arrays.values()} - {1}
    if len(rows) > 1:
        seen = ", ".join(f"{name} has {a.shape[0]}" for name, a in arrays.items())
        raise SpecHubError(f"numbers of rows differ: {seen}; they must agree, or be 1")
    return rows.pop() if rows else 1


def float_array(values: Any, name: str = "p") -> Array:
    """Return float rows as a batch; the entries are not looked at.

    Parameters
    ----------
    values : [V], [B, V] or [B, k, V]
        numpy, torch and their kin stay what they are; sequences of numbers become float64.
    name
        What errors call it.

    Returns
    -------
    [B, V] or [B, k, V]
        The rows.

    Raises
    ------
    InvalidDistribution
        Not an array of floats, no token, or more axes than a batch of distributions has.

    Examples
    --------
    >>> float_array([0.5, 0.5]).shape
    (1, 2)
    """
    a = as_array(values, name)
    if a.ndim == 0 or a.shape[-1] == 0:
        raise InvalidDistribution(f"{name} has shape {tuple(a.shape)}; a distribution needs at least one token")
    if a.ndim > 3:
        raise InvalidDistribution(
            f"{name} has shape {tuple(a.shape)}; distributions come as [V] or [B, V] ([B, k, V] for product drafts); "
            f"join the leading axes: {name}.reshape(-1, {a.shape[-1]})"
        )
    dtype = dtype_name(a)
    if dtype not in SUM_TOLERANCE:
        hint = "; divide counts by their sum" if "int" in dtype else ""
        raise InvalidDistribution(
            f"{name} has dtype {dtype}; distributions come as one of {', '.join(SUM_TOLERANCE)}{hint}"
        )
    return a if a.ndim > 1 else a[None]


def float_rows(values: Any, name: str = "p") -> Array:
    """Check float distributions and return them as a batch.

    Parameters
    ----------
    values : [V], [B, V] or [B, k, V]
        numpy or torch; other sequences become float64. B may be 0.
    name
        What errors call it.

    Returns
    -------
    [B, V] or [B, k, V]
        The rows.

    Raises
    ------
    InvalidDistribution
        An entry is negative or NaN, or a row does not sum to 1; names the row, the token and the value.

    Examples
    --------
    >>> float_rows([0.5, 0.5]).tolist()
    [[0.5, 0.5]]
    """
    a = float_array(values, name)
    xp = array_namespace(a)
    # A NaN fails every comparison, so the one test below catches negative entries and NaN alike.
    if not bool(xp.all(a >= 0)):
        at = np.argwhere(~_numpy(a >= 0))[0]
        where = ", ".join(str(int(i)) for i in at)
        raise InvalidDistribution(
            f"{name}[{int(at[-1])}] = {float(a[tuple(int(i) for i in at)])} is not a probability "
            f"(index [{where}]); a distribution needs entries >= 0. Did you pass logits?"
        )
    with np.errstate(over="ignore"):
        mass = _numpy(xp.sum(a, axis=-1, dtype=xp.float64))
    off = ~(np.abs(mass - 1) <= SUM_TOLERANCE[dtype_name(a)])
    if off.any():
        row = tuple(int(i) for i in np.argwhere(off)[0])
        raise InvalidDistribution(
            f"{name} sums to {mass[row]}, not 1 (row {', '.join(map(str, row))}); normalize it first"
        )
    return a


def dtype_name(a: Array) -> str:
    """Return the dtype of an array of any library by its short name.

    Parameters
    ----------
    a : [...]
        An array.

    Returns
    -------
    str
        "float32", "bfloat16", ...

    Examples
    --------
    >>> dtype_name(np.ones(2))
    'float64'
    """
    return str(a.dtype).removeprefix("torch.")


def as_array(values: Any, name: str, shape: str = "[V] or [B, V]") -> Array:
    """Return an array as it is, and anything else as float64.

    Parameters
    ----------
    values : [...]
        An array of any library, or a sequence of numbers.
    name
        What errors call it.
    shape
        The shape that errors ask for.

    Returns
    -------
    [...]
        The array.

    Raises
    ------
    InvalidDistribution
        It is neither.

    Examples
    --------
    >>> as_array([1, 2], "u").dtype
    dtype('float64')
    """
    if isinstance(values, np.ma.MaskedArray):
        raise InvalidDistribution(
            f"{name} is a masked array; a distribution has a number at every token: fill it with {name}.filled(0)"
        )
    if is_array_api_obj(values):
        return np.asarray(values) if is_numpy_array(values) else values  # in numpy.matrix, * is another operation
    what = f"{name} = {values!r:.60} is not an array of numbers"
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise InvalidDistribution(f"{what}; pass an array or a list of floats, {shape}")
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidDistribution(f"{what}: {error}") from None


def _library(a: Array) -> str:
    return "numpy" if is_numpy_array(a) else type(a).__module__.partition(".")[0]


_ROWS = "restrict takes distributions of one length, finite and not negative: restrict([p, q], tokens)"


def restrict(rows: Sequence[Any], tokens: int) -> tuple[tuple[Fraction, ...], ...]:
    """Restrict distributions of one vocabulary to the tokens that matter most to any of them, exactly.

    Parameters
    ----------
    rows : n sequences [V]
        Rationals or floats.
    tokens
        How many tokens stay, in their order; the lowest index wins ties.

    Returns
    -------
    n tuples [tokens]
        What is left of each distribution over its sum; uniform where nothing is left.

    Raises
    ------
    InvalidDistribution
        rows are no rows of one length with finite entries that are not negative, or tokens is no whole number above 0.

    Examples
    --------
    >>> restrict([[0.5, 0.25, 0.25, 0], [0, 0, 0.25, 0.75]], 2)
    ((Fraction(1, 1), Fraction(0, 1)), (Fraction(0, 1), Fraction(1, 1)))
    """
    tokens = count(tokens, "tokens", error=InvalidDistribution)
    try:
        rows = [list(row.tolist() if hasattr(row, "tolist") else row) for row in rows]
        best = [max(entries) for entries in zip(*rows, strict=True) if all(0 <= m < float("inf") for m in entries)]
    except (TypeError, ValueError) as error:
        raise InvalidDistribution(f"rows = {rows!r:.60}; {_ROWS} ({error})") from None
    if not best or len(best) < len(rows[0]):
        raise InvalidDistribution(f"rows = {rows!r:.60}; {_ROWS}")
    kept = sorted(nlargest(tokens, range(len(best)), key=best.__getitem__))
    small = [[Fraction(row[y]) for y in kept] for row in rows]
    return tuple(tuple(m / sum(row) if any(row) else Fraction(1, len(row)) for m in row) for row in small)


def from_logits(logits: Any, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None) -> Array:
    """Return softmax(logits / temperature), after top-k and then top-p (nucleus) truncation when asked.

    Parameters
    ----------
    logits : [..., V]
        numpy or torch; -inf marks a forbidden token. float16 and bfloat16 are raised to float32 first, whole numbers to
        float64.
    temperature
        Any finite number above 0, in every dtype.
    top_k
        How many tokens stay; ties at the border all do.
    top_p
        The mass that the tokens which stay must reach.

    Returns
    -------
    [..., V]
        Distributions.

    Raises
    ------
    InvalidDistribution
        A NaN or +inf logit, a row without a finite logit, or a setting outside its range.

    Examples
    --------
    >>> from_logits([0.0, 0.0, -np.inf]).tolist()
    [0.5, 0.5, 0.0]
    """
    temperature = _setting(temperature, "temperature")
    if not 0 < temperature < float("inf"):
        raise InvalidDistribution(
            f"temperature = {temperature:g}; it must be > 0 and finite (for greedy decoding pass a one-hot "
            f"distribution)"
        )
    top_k = None if top_k is None else count(top_k, "top_k", error=InvalidDistribution)
    top_p = None if top_p is None else _setting(top_p, "top_p")
    if top_p is not None and not 0 < top_p <= 1:
        raise InvalidDistribution(f"top_p = {top_p}; it must lie in (0, 1]")
    a = _logits(logits)
    xp = array_namespace(a)
    top = xp.max(a, axis=-1, keepdims=True)
    bad = _numpy(~xp.isfinite(top[..., 0]) | xp.any(xp.isnan(a), axis=-1))
    if bad.any():
        row = [int(i) for i in np.argwhere(bad)[0]]
        where = f"row {row} of the logits has" if row else "the logits have"
        raise InvalidDistribution(f"{where} a NaN, a +inf, or no finite entry at all")
    if top_k is not None and top_k < a.shape[-1]:
        a = xp.where(a >= xp.sort(a, axis=-1)[..., -top_k : a.shape[-1] - top_k + 1], a, -xp.inf)
    weights = _boltzmann(a, top, temperature)
    if top_p is not None and top_p < 1:
        order = xp.argsort(weights, axis=-1, descending=True, stable=True)
        falling = xp.take_along_axis(weights, order, axis=-1)
        before = xp.cumulative_sum(falling, axis=-1) - falling
        kept = before < top_p * xp.sum(falling, axis=-1, keepdims=True)
        weights = xp.where(xp.take_along_axis(kept, xp.argsort(order, axis=-1), axis=-1), weights, weights * 0)
    return weights / xp.sum(weights, axis=-1, keepdims=True)


def _boltzmann(a: Array, top: Array, temperature: float) -> Array:
    """exp((a - top) / temperature). float32 cannot hold every temperature: 1e-50 would be 0, and 0 / 0 a NaN."""
    xp, dtype = array_namespace(a), a.dtype
    if not 2.0**-100 < temperature < 2.0**100:
        a, top = xp.astype(a, xp.float64), xp.astype(top, xp.float64)
    with np.errstate(over="ignore"):  # a gap that overflows to -inf has weight 0, as it should
        return xp.astype(xp.exp((a - top) / temperature), dtype, copy=False)


def _logits(values: Any) -> Array:
    a = as_array(values, "logits")
    xp = array_namespace(a)
    if a.ndim == 0 or a.shape[-1] == 0:
        raise InvalidDistribution(f"logits have shape {tuple(a.shape)}; a distribution needs at least one token")
    dtype = dtype_name(a)
    if dtype in ("float16", "bfloat16"):
        return xp.astype(a, xp.float32)
    if "int" in dtype:
        return xp.astype(a, xp.float64)
    if dtype not in SUM_TOLERANCE:
        raise InvalidDistribution(f"logits have dtype {dtype}; pass one of {', '.join(SUM_TOLERANCE)}")
    return a


def _setting(value: Any, name: str) -> float:
    """A real number as a Python float, so that numpy's scalars do not change the dtype of the rows."""
    value = value.item() if getattr(value, "ndim", None) == 0 else value
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise InvalidDistribution(f"{name} = {value!r} is not a number")
    return float(value)


def _numpy(a: Array) -> np.ndarray:
    return a.detach().cpu().numpy() if is_torch_array(a) else np.asarray(a)


def _rational(value: Any, place: str) -> Fraction:
    try:
        if isinstance(value, str | Decimal):
            return _from_text(str(value).strip())
        if isinstance(value, Rational):  # int() because other rationals carry integers of their own kind
            return Fraction(int(value.numerator), int(value.denominator))
        if isinstance(value, Real):
            return Fraction(float(value))
        return Fraction(value)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise InvalidDistribution(f"{place} = {shown(value)} is not a number (write 1/3, 0.2 or 0): {error}") from None


def _from_text(text: str) -> Fraction:
    """A number as people write it. Its size is looked at first: 1e-99999999 would be computed for hours."""
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"{len(text):,} characters are more than {LONGEST_NUMBER:,}")
    match = NUMBER.fullmatch(text)
    if not match:
        raise ValueError("it is no fraction and no decimal number")
    if abs(int(match[1] or 0)) > LARGEST_EXPONENT:
        raise ValueError(f"its exponent is beyond {LARGEST_EXPONENT:,}")
    if "/" in text and not int(text.partition("/")[2]):
        raise ValueError("it divides by 0")
    return Fraction(text)


__getattr__ = renamed.attributes(__name__, {"law": "parse", "draft_laws": "parse_drafts"})
