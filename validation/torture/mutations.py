"""Changes of JSON documents and of their text, without knowledge of what they mean."""

import json
import random
import re
from copy import deepcopy
from fractions import Fraction
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 10**9, 10**30, 0.5, 1e308, float("nan"), float("inf"), "", "0", "1", "-1", "1/0",
    "1/3", " 1/3 ", "1/3\n", "3_9/1_00", "39e-2", "0.39", ".5", "5.", "+1/2", "١/٢", "²", "nan", "inf", "1e-99999999",
    "1e99999999", "9" * 5000, "1/" + "9" * 5000, "1/1" + "0" * 300, "iid", "hub", "top_k", "product", "greedy",
    "without_replacement", "IID", "x", [], [[]], [0], [0, 0], ["1"], [["1"]], {}, {"a": 1}, [[[0], "1"]],
    [[[0, 0], "1"]], "\x00", "é" * 100, "../../etc/passwd", "/dev/null", "a" * 300,
)  # fmt: skip


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(document, dict):
        for key, value in document.items():
            found += places(value, (*path, key))
    elif isinstance(document, list):
        for n, value in enumerate(document):
            found += places(value, (*path, n))
    return found


def mutate(document: Any, rng: random.Random) -> tuple[Any, str]:
    """A changed copy, and what was changed."""
    changed = deepcopy(document)
    path = rng.choice([path for path in places(changed) if path] or [()])
    if not path:
        return rng.choice(ODD), "the whole"
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    key, old = path[-1], holder[path[-1]]
    place = ".".join(map(str, path))
    turn = rng.randrange(8)
    if turn == 0:
        del holder[key]
        return changed, f"{place} deleted"
    if turn == 1 and isinstance(holder, list):
        holder.insert(key, deepcopy(old))
        return changed, f"{place} twice"
    if turn == 2 and isinstance(holder, list) and len(holder) > 1:
        other = rng.randrange(len(holder))
        holder[key], holder[other] = holder[other], holder[key]
        return changed, f"{place} and .{other} swapped"
    if turn == 3 and isinstance(holder, dict):
        holder[rng.choice(("extra", "", "k", "p", "file"))] = rng.choice(ODD)
        return changed, f"a field more beside {place}"
    if turn in (4, 5, 6):
        near = _near(old, rng)
        holder[key] = near
        return changed, f"{place} = {str(near)[:40]!r}"
    new = rng.choice(ODD)
    holder[key] = deepcopy(new)
    return changed, f"{place} = {str(new)[:40]!r}"


def _near(old: Any, rng: random.Random) -> Any:
    """Something of the same kind."""
    if isinstance(old, bool):
        return not old
    if isinstance(old, int):
        return old + rng.choice((-1, 1, 2, -old, 10**6))
    if isinstance(old, float):
        return old * rng.choice((-1, 0, 0.5, 2, 1 + 1e-9))
    if isinstance(old, str):
        try:
            value = Fraction(old if len(old) < 400 and not re.search(r"[eE]", old) else "x")
        except (ValueError, ZeroDivisionError):
            return rng.choice((old.upper(), old + " ", old[:-1], "x" + old, ""))
        other = rng.choice((value, value + Fraction(1, 10**30), value - Fraction(1, 997), -value, 1 - value, value / 2))
        return rng.choice((str(other), str(other), f"{2 * other.numerator}/{2 * other.denominator}", str(float(other))))
    if isinstance(old, list):
        return rng.choice((old[::-1], old[:-1], [*old, *old[:1]], [], [old], old[1:]))
    if isinstance(old, dict):
        return rng.choice(({}, [old], dict(list(old.items())[:-1])))
    return rng.choice(ODD)


def damaged_text(text: str, rng: random.Random) -> tuple[bytes, str]:
    """The text of a JSON document, damaged."""
    data, at = text.encode(), rng.randrange(max(1, len(text)))
    turn = rng.randrange(11)
    if turn == 0:
        return data[:at], f"cut after {at} bytes"
    if turn == 1:
        return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :], f"byte {at} changed"
    if turn == 2:
        return data[:at] + data[at + 1 :], f"byte {at} gone"
    if turn == 3:
        return b"\xef\xbb\xbf" + data, "a byte order mark"
    if turn == 4:
        return text.encode(rng.choice(("utf-16", "utf-32"))), "another encoding"
    if turn == 5:
        depth = rng.choice((100, 1000, 100_000))
        return b"[" * depth + b"]" * depth, f"{depth} brackets"
    if turn == 6:
        return data + rng.choice((b"x", b"{}", b"\n\n", b"\x00", data)), "something behind it"
    if turn == 7:
        return b"", "empty"
    if turn == 8:
        name = rng.choice(list(json.loads(text)) or ["k"]) if text.startswith("{") else "k"
        return f'{{"{name}": 1, {text[1:]}'.encode(), f"{name} twice"
    if turn == 9:
        old = f'"{rng.choice("0123456789")}'
        return text.replace(old, rng.choice(('"' + "9" * 5000, '"1e-99999999')), 1).encode(), "an endless number"
    return text.replace(rng.choice("0123456789"), "9" * 5000, 1).encode(), "a digit as 5000 digits"
