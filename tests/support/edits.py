"""Seeded edits of JSON documents and of bytes: what people, editors, disks and attackers do to files."""

import copy
import json
import random
from typing import Any

WRONG: tuple[Any, ...] = (
    None, True, False, "", "x", "../../etc/passwd", "/dev/zero", "a\0b", "\ud800", "1/0", [], {}, [[]], {"": 0},
    0, -1, 1, 2, 1.5, -0.0, 8.0, 1e308, 2**31, 2**63, 10**30,
)  # fmt: skip
TEXTS = ("NaN", "-Infinity", "1e999", "9" * 5000, "[" * 5000, '{"a":' * 3000, "'x'", "\\ud800", "﻿", "\x00", "//")


def places(document: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value in a document."""
    found = []
    for key in list(document if isinstance(document, dict) else range(len(document))):
        found.append((document, key))
        if isinstance(document[key], dict | list):
            found += places(document[key])
    return found


def edited(document: Any, seed: int) -> tuple[str, bytes]:
    """(what was done, the bytes of the file) after one edit; the document stays as it is."""
    rng, made = random.Random(seed), copy.deepcopy(document)
    where, key = rng.choice(places(made))
    kind = rng.choice(["delete", "wrong", "number", "swap", "twice", "rename", "key twice", "text", "cut", "bytes"])
    note = f"seed {seed}: {kind} at {key!r}"
    if kind == "delete":
        del where[key]
    elif kind == "wrong":
        where[key] = rng.choice(WRONG)
        note += f" = {where[key]!r:.40}"
    elif kind == "number" and isinstance(where[key], int | float):
        where[key] = rng.choice([where[key] + 1, where[key] - 1, -where[key], where[key] * 10**12, float(where[key])])
    elif kind == "swap":
        other = rng.choice(list(where) if isinstance(where, dict) else range(len(where)))
        where[key], where[other] = where[other], where[key]
    elif kind == "twice" and isinstance(where, list):
        where.insert(key, copy.deepcopy(where[key]))
    elif kind == "rename" and isinstance(where, dict):
        where[rng.choice(["", "x", "file ", str(key).upper()])] = where.pop(key)
    text = json.dumps(made, indent=rng.choice([None, 1]))
    if kind == "key twice" and isinstance(where, dict):
        again = json.dumps(rng.choice(WRONG))
        text = text.replace(f"{json.dumps(key)}:", f"{json.dumps(key)}: {again}, {json.dumps(key)}:", 1)
    data, at = text.encode(), rng.randrange(len(text))
    if kind == "text":
        data = data[:at] + rng.choice(TEXTS).encode("utf-8", "surrogatepass") + data[at:]
    elif kind == "cut":
        data = data[:at]
    elif kind == "bytes":
        data = damaged(data, seed)
    return note, data


def damaged(data: bytes, seed: int) -> bytes:
    """Some bytes changed, removed, added or zeroed, often near the front, where headers are."""
    rng, out = random.Random(seed), bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(out) if rng.random() < 0.5 else min(len(out), 400))
        match rng.randrange(4):
            case 0:
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                del out[at : at + rng.choice([1, 8, 100])]
            case 2:
                out[at:at] = rng.randbytes(rng.choice([1, 8]))
            case _:
                out[at : at + 8] = bytes(len(out[at : at + 8]))
        if not out:
            out = bytearray(b"\0")
    return bytes(out)
