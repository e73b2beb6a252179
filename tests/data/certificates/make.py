"""Make damaged.jsonl: valid certificates, and one or two of each kind of damage, with the exit code that each deserves.

0 proved, 1 read and false, 2 not of the format. A line is {"kind", "exit", "text"}; text is the file, its bytes as
Latin-1. The same seed makes the same file: `python tests/data/certificates/make.py`.
"""

import copy
import json
import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from spechub_lp import optimum

KEPT = Path(__file__).with_name("damaged.jsonl")
SEED = 20
Document = dict[str, Any]
P, Q = ["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"]


def valid() -> dict[str, Document]:
    """One certificate of each kind of drafts. The flow alone finds the coupling: a solver's next release may differ."""
    several = [["1/2", "1/3", "1/6"], ["0", "1/4", "3/4"]]
    made = {
        name: optimum(P, several if name == "product" else Q, 2, name, method="flow").certificate()
        for name in ("iid", "without_replacement", "hub", "greedy", "top_k", "product")
    }
    table = copy.deepcopy(made["hub"])
    table["claim"]["drafts"] = [[[1, 0], "3/10"], [[2, 0], "1/10"], [[0, 1], "9/20"], [[0, 2], "3/20"]]
    exhausted = optimum(["1/2", "1/2"], ["1", "0"], 3, "without_replacement", method="flow").certificate()
    single = optimum(["1/3", "2/3"], ["3/4", "1/4"], 1, method="flow").certificate()
    return {**made, "a table": table, "support used up": exhausted, "one draft": single}


def shift(text: str, by: Fraction = Fraction(1, 1000)) -> str:
    return str(Fraction(text) + by)


def put(*path: Any) -> Callable[[Document, random.Random], None]:
    """Set the field at path[:-1] to path[-1]."""

    def change(d: Any, _: random.Random) -> None:
        for step in path[:-2]:
            d = d[step]
        d[path[-2]] = copy.deepcopy(path[-1])

    return change


def drop(*path: Any) -> Callable[[Document, random.Random], None]:
    def change(d: Any, _: random.Random) -> None:
        for step in path[:-1]:
            d = d[step]
        d.pop(path[-1])

    return change


def on(name: str, edit: Callable[[Any], Any]) -> Callable[[Document, random.Random], None]:
    """Replace a part of the certificate by an edit of it; "entry", "tuple", "output" and "mass" are of one entry."""

    def change(d: Document, rng: random.Random) -> None:
        entry = rng.choice(d["coupling"])
        holder, key = {
            "coupling": (d, "coupling"), "H": (d, "H"), "claim": (d, "claim"), "format": (d, "format"),
            "entry": (d["coupling"], d["coupling"].index(entry)),
            "tuple": (entry, 0), "output": (entry, 1), "mass": (entry, 2),
        }.get(name) or (d["claim"], name)  # fmt: skip
        holder[key] = edit(copy.deepcopy(holder[key]))

    return change


def two_masses(d: Document, rng: random.Random) -> None:
    a, b = rng.sample(d["coupling"], 2)
    by = min(Fraction(a[2]), Fraction(b[2])) / 3
    a[2], b[2] = shift(a[2], by), shift(b[2], -by)


def move(d: Document, _: random.Random) -> None:
    """Another output for the first entry whose drafts leave one free."""
    taken = {(tuple(x), y) for x, y, _ in d["coupling"]}
    places = ((e, z) for e in d["coupling"] for z in range(len(d["claim"]["p"])) if (tuple(e[0]), z) not in taken)
    entry, z = next(places)
    entry[1] = z


def square(d: Document, _: random.Random) -> None:
    """Four masses of two tuples and two tokens, so that both marginals stay; what is accepted changes or not."""
    cells = {(tuple(x), y): Fraction(m) for x, y, m in d["coupling"]}
    tuples = sorted({x for x, _ in cells})
    for a in tuples:
        for b in tuples:
            for y in a:
                for z in range(len(d["claim"]["p"])):
                    if z not in a and y in b and z not in b and cells.get((a, y)) and cells.get((b, z)):
                        by = min(cells[a, y], cells[b, z]) / 2
                        for key, change in (((a, y), -by), ((b, z), -by), ((a, z), by), ((b, y), by)):
                            cells[key] = cells.get(key, Fraction(0)) + change
                        d["coupling"] = [[list(x), y, str(m)] for (x, y), m in cells.items() if m]
                        d["claim"]["alpha"] = str(Fraction(d["claim"]["alpha"]) + Fraction(1, 10**9))
                        return
    d["claim"]["alpha"] = shift(d["claim"]["alpha"])


def worse(d: Document, _: random.Random) -> None:
    """Drafts and output independent: a right coupling that accepts less than the optimum, and its value as alpha."""
    p, masses = d["claim"]["p"], dict[tuple[int, ...], Fraction]()
    for x, _y, mass in d["coupling"]:
        masses[tuple(x)] = masses.get(tuple(x), Fraction(0)) + Fraction(mass)
    cells = {(x, y): m * Fraction(share) for x, m in masses.items() for y, share in enumerate(p) if Fraction(share)}
    d["coupling"] = [[list(x), y, str(m)] for (x, y), m in cells.items()]
    d["claim"]["alpha"] = str(sum(m for (x, y), m in cells.items() if y in x))


LONG = "9" * 4400
FALSE: dict[str, Callable[[Document, random.Random], None]] = {
    "alpha larger": on("alpha", shift),
    "alpha smaller": on("alpha", lambda a: shift(a, Fraction(-1, 1000))),
    "alpha off by 1e-30": on("alpha", lambda a: shift(a, Fraction(1, 10**30))),
    "alpha 0": put("claim", "alpha", "0"),
    "alpha 2": put("claim", "alpha", "2"),
    "alpha of 4,400 digits": on("alpha", lambda a: f"{LONG}/1{LONG}"),
    "alpha that rounds to the right float": on("alpha", lambda a: shift(a, Fraction(1, 2**80))),
    "a mass larger": on("mass", shift),
    "a mass smaller": on("mass", lambda m: str(Fraction(m) / 2)),
    "a mass off by 1e-40": on("mass", lambda m: shift(m, Fraction(1, 10**40))),
    "a mass of 4,400 digits": on("mass", lambda m: f"{LONG}/1{LONG}"),
    "a mass above 1": on("mass", lambda m: shift(m, Fraction(1))),
    "two masses moved": two_masses,
    "masses moved in a square, alpha a little too large": square,
    "a worse coupling": worse,
    "all masses halved": on("coupling", lambda c: [[x, y, str(Fraction(m) / 2)] for x, y, m in c]),
    "all masses doubled": on("coupling", lambda c: [[x, y, str(Fraction(m) * 2)] for x, y, m in c]),
    "an entry missing": on("coupling", lambda c: c[:-1]),
    "the first entry missing": on("coupling", lambda c: c[1:]),
    "no entry": put("coupling", []),
    "the last tuple missing": on("coupling", lambda c: [e for e in c if e[0] != c[-1][0]]),
    "an output moved": move,
    "drafts of probability 0": on("coupling", lambda c: [*c, [[2] * len(c[0][0]), 0, "1/10"]]),
    "masses exchanged": on("coupling", lambda c: [[*c[0][:2], c[1][2]], [*c[1][:2], "1/7"], *c[2:]]),
    "H empty": put("H", []),
    "H everything": lambda d, _: d.update(H=[*range(len(d["claim"]["p"]))], claim=d["claim"] | {"alpha": "9/10"}),
    "H its complement": on("H", lambda H: [y for y in (0, 1, 2) if y not in H]),
    "H without a token": on("H", lambda H: H[:-1]),
    "p another": put("claim", "p", ["1/5", "0", "4/5"]),
    "p sums to less": put("claim", "p", ["0", "1/5", "3/5"]),
    "p sums to more": put("claim", "p", ["1/5", "1/5", "4/5"]),
    "p all 0": put("claim", "p", ["0", "0", "0"]),
    "p off by 1e-30": lambda d, _: d["claim"].update(p=["0", shift("1/5", Fraction(1, 10**30)), "4/5"]),
    "p with 4,400 digits": put("claim", "p", ["0", f"{LONG}/1{LONG}", "4/5"]),
    "q another": put("claim", "q", ["3/10", "3/5", "1/10"]),
    "q sums to less": put("claim", "q", ["3/5", "3/10", "0"]),
    "q sums to more": put("claim", "q", ["3/5", "3/10", "1/5"]),
    "q a little flatter": put("claim", "q", ["599/1000", "301/1000", "1/10"]),
}
TABLE_FALSE = {
    "table sums to less": put("claim", "drafts", 0, 1, "1/10"),
    "table sums to more": put("claim", "drafts", 0, 1, "4/10"),
    "table without a tuple": drop("claim", "drafts", 0),
    "table with its masses exchanged": lambda d, _: d["claim"].update(
        drafts=[[x, m] for (x, _), (_, m) in zip(d["claim"]["drafts"], d["claim"]["drafts"][::-1], strict=True)]
    ),
    "table of another law": put("claim", "drafts", [[[0, 1], "1/2"], [[1, 0], "1/2"]]),
}
TABLE_FORMAT = {
    "table with a repeated tuple": lambda d, _: d["claim"]["drafts"].append(d["claim"]["drafts"][0]),
    "table with mass 0": lambda d, _: d["claim"]["drafts"].append([[1, 1], "0"]),
    "table with a negative mass": put("claim", "drafts", 0, 1, "-3/10"),
    "table with a number": put("claim", "drafts", 0, 1, 0.3),
    "table with a short tuple": put("claim", "drafts", 0, 0, [1]),
    "table with a long entry": lambda d, _: d["claim"]["drafts"][0].append("1"),
    "table with a foreign token": put("claim", "drafts", 0, 0, [1, 3]),
    "table as an object": put("claim", "drafts", {"0": "1"}),
    "table of objects": put("claim", "drafts", [{"x": [0, 0], "mass": "1"}]),
}
POLICY_FALSE = {
    "iid as without_replacement": ("iid", put("claim", "drafts", "without_replacement")),
    "iid as top_k": ("iid", put("claim", "drafts", "top_k")),
    "hub as greedy": ("hub", put("claim", "drafts", "greedy")),
    "greedy as hub": ("greedy", put("claim", "drafts", "hub")),
    "without_replacement as iid": ("without_replacement", put("claim", "drafts", "iid")),
    "product with its laws exchanged": ("product", on("q", lambda q: q[::-1])),
    "product of one law": ("product", on("q", lambda q: q[0])),
}
FORMAT: dict[str, Callable[[Document, random.Random], None]] = {
    "no format": drop("format"),
    "no claim": drop("claim"),
    "no coupling": drop("coupling"),
    "no H": drop("H"),
    "no alpha": drop("claim", "alpha"),
    "no k": drop("claim", "k"),
    "no p": drop("claim", "p"),
    "a field more": put("proof", "yes"),
    "a field of the claim more": put("claim", "normalise", True),
    "a field's name in capitals": lambda d, _: d.update(h=d.pop("H")),
    "format 2": put("format", "spechub-lp certificate 2"),
    "format with a space": put("format", "spechub-lp certificate 1 "),
    "format a number": put("format", 1),
    "format a list": on("format", lambda f: [f]),
    "claim a list": on("claim", lambda c: list(c.values())),
    "claim null": put("claim", None),
    "k a string": put("claim", "k", "2"),
    "k true": put("claim", "k", True),
    "k a float": put("claim", "k", 2.0),
    "k 0": put("claim", "k", 0),
    "k negative": put("claim", "k", -2),
    "k one more": on("k", lambda k: k + 1),
    "k 10^9": put("claim", "k", 10**9),
    "k null": put("claim", "k", None),
    "alpha a number": put("claim", "alpha", 0.39),
    "alpha a whole number": put("claim", "alpha", 1),
    "alpha null": put("claim", "alpha", None),
    "alpha negative": on("alpha", lambda a: "-" + a),
    "alpha with a plus": on("alpha", lambda a: "+" + a),
    "alpha a decimal": put("claim", "alpha", "0.39"),
    "alpha with an exponent": put("claim", "alpha", "39e-2"),
    "alpha with a huge exponent": put("claim", "alpha", "1e-99999999"),
    "alpha with underscores": put("claim", "alpha", "3_9/1_00"),
    "alpha with a newline": on("alpha", lambda a: a + "\n"),
    "alpha with spaces": on("alpha", lambda a: a.replace("/", " / ") + " "),
    "alpha in other digits": put("claim", "alpha", "\u0663\u0669/\u0661\u0660\u0660"),
    "alpha in wide digits": put("claim", "alpha", "\uff13\uff19/100"),
    "alpha over 0": put("claim", "alpha", "39/0"),
    "alpha with a leading zero": on("alpha", lambda a: "0" + a),
    "alpha with a leading zero below": put("claim", "alpha", "39/0100"),
    "alpha with two bars": put("claim", "alpha", "39/100/1"),
    "alpha with a negative denominator": put("claim", "alpha", "39/-100"),
    "alpha empty": put("claim", "alpha", ""),
    "alpha a bar": put("claim", "alpha", "/"),
    "alpha nan": put("claim", "alpha", "nan"),
    "alpha inf": put("claim", "alpha", "inf"),
    "alpha in base 16": put("claim", "alpha", "0x27/0x64"),
    "alpha a list": put("claim", "alpha", ["39", "100"]),
    "p an object": on("p", lambda p: {str(y): m for y, m in enumerate(p)}),
    "p a string": put("claim", "p", "0,1/5,4/5"),
    "p empty": put("claim", "p", []),
    "p numbers": put("claim", "p", [0, 0.2, 0.8]),
    "p with null": put("claim", "p", 0, None),
    "p negative": put("claim", "p", ["-1/5", "2/5", "4/5"]),
    "p shorter": put("claim", "p", ["1/5", "4/5"]),
    "p nested": on("p", lambda p: [p]),
    "q an object": put("claim", "q", {"0": "1"}),
    "q empty": put("claim", "q", []),
    "q null": put("claim", "q", None),
    "q longer": put("claim", "q", ["3/5", "3/10", "1/10", "0"]),
    "q of mixed kinds": put("claim", "q", [["1", "0", "0"], "1"]),
    "q of an empty law": put("claim", "q", [[]]),
    "drafts unknown": put("claim", "drafts", "idd"),
    "drafts in capitals": put("claim", "drafts", "IID"),
    "drafts a number": put("claim", "drafts", 3),
    "drafts null": put("claim", "drafts", None),
    "coupling an object": put("coupling", {}),
    "coupling a number": put("coupling", 3),
    "coupling a string": put("coupling", "none"),
    "an entry an object": on("entry", lambda e: {"x": e[0], "y": e[1], "mass": e[2]}),
    "an entry of two parts": on("entry", lambda e: e[:2]),
    "an entry of four parts": on("entry", lambda e: [*e, 0]),
    "an entry null": on("entry", lambda _: None),
    "an entry repeated": on("coupling", lambda c: [*c, c[0]]),
    "an entry split in two": on("coupling", lambda c: [[*c[0][:2], str(Fraction(c[0][2]) / 2)]] * 2 + c[1:]),
    "a mass 0": on("coupling", lambda c: [*c, [[1] * len(c[0][0]), 0, "0"]]),
    "a mass negative": on("mass", lambda m: "-" + m),
    "a mass a float": on("mass", lambda m: float(Fraction(m))),
    "a mass a list": on("mass", lambda m: [m]),
    "a draft missing": on("tuple", lambda x: x[1:]),
    "a draft more": on("tuple", lambda x: [*x, x[0]]),
    "no drafts": on("tuple", lambda _: []),
    "drafts a string of digits": on("tuple", lambda x: "".join(map(str, x))),
    "drafts an object": on("tuple", lambda x: {str(j): y for j, y in enumerate(x)}),
    "a foreign draft": on("tuple", lambda x: [*x[:-1], 3]),
    "a negative draft": on("tuple", lambda x: [*x[:-1], -1]),
    "a draft a float": on("tuple", lambda x: [float(x[0]), *x[1:]]),
    "a draft true": on("tuple", lambda x: [True, *x[1:]]),
    "a draft a string": on("tuple", lambda x: [str(x[0]), *x[1:]]),
    "a foreign output": on("output", lambda _: 3),
    "an output negative": on("output", lambda y: y - 3),
    "an output true": on("output", lambda _: True),
    "an output null": on("output", lambda _: None),
    "an output a list": on("output", lambda y: [y]),
    "H null": put("H", None),
    "H an object": put("H", {"0": 0}),
    "H a string": put("H", "01"),
    "H with a token twice": on("H", lambda H: [*H, 0, 0]),
    "H with a foreign token": on("H", lambda H: [*H, 3]),
    "H with a negative token": on("H", lambda H: [*H, -1]),
    "H with a float": on("H", lambda H: [*H, 2.0]),
    "H with true": on("H", lambda _: [True]),
    "H nested": on("H", lambda H: [H]),
}
BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty file": lambda _: b"",
    "half a file": lambda b: b[: len(b) // 2],
    "one bracket short": lambda b: b.rstrip()[:-1],
    "one bracket more": lambda b: b + b"}",
    "two documents": lambda b: b + b,
    "byte order mark": lambda b: b"\xef\xbb\xbf" + b,
    "UTF-16": lambda b: b.decode().encode("utf-16"),
    "Latin-1 byte": lambda b: b.replace(b'"iid"', b'"i\xefd"'),
    "NUL at the end": lambda b: b + b"\0",
    "a comment": lambda b: b"// proof\n" + b,
    "single quotes": lambda b: b.replace(b'"', b"'"),
    "a trailing comma": lambda b: b.replace(b"]}", b"],}"),
    "k repeated": lambda b: b.replace(b'"k": 2', b'"k": 3, "k": 2'),
    "alpha repeated": lambda b: b.replace(b'"alpha"', b'"alpha": "1/2", "alpha"'),
    "H repeated": lambda b: b.replace(b'"H"', b'"H": [], "H"'),
    "H repeated by an escape": lambda b: b.replace(b'"H"', b'"\\u0048": [0], "H"'),
    "claim repeated": lambda b: b.replace(b'"claim"', b'"claim": {}, "claim"'),
    "NaN": lambda b: b.replace(b'"39/100"', b"NaN"),
    "Infinity": lambda b: b.replace(b'"39/100"', b"Infinity"),
    "k as 2.0": lambda b: b.replace(b'"k": 2', b'"k": 2.0'),
    "k as 2e0": lambda b: b.replace(b'"k": 2', b'"k": 2e0'),
    "k as 02": lambda b: b.replace(b'"k": 2', b'"k": 02'),
    "k as +2": lambda b: b.replace(b'"k": 2', b'"k": +2'),
    "a token as -0": lambda b: b.replace(b"[[0, 0]", b"[[-0, 0]"),
    "k of 4,400 digits": lambda b: b.replace(b'"k": 2', b'"k": ' + LONG.encode()),
    "a list": lambda b: b"[" + b + b"]",
    "a string": lambda b: json.dumps(b.decode()).encode(),
    "null": lambda _: b"null",
    "a number": lambda _: b"39",
    "deep nesting of lists": lambda b: b.replace(b'"H": [', b'"H": [' + b"[" * 3_000 + b"]" * 3_000),
    "deep nesting of objects": lambda b: b.replace(b'"H": [', b'"H": [' + b'{"a":' * 3_000 + b"0" + b"}" * 3_000),
    "deep nesting without end": lambda _: b"[" * 3_000,
    "a control character in a string": lambda b: b.replace(b'"iid"', b'"i\tid"'),
    "a lone surrogate": lambda b: b.replace(b'"iid"', b'"\\ud800"'),
}
RIGHT: dict[str, Callable[[Document, random.Random], None]] = {
    "entries in another order": lambda d, rng: rng.shuffle(d["coupling"]),
    "H in another order": on("H", lambda H: H[::-1]),
    "fields in another order": lambda d, _: d.update(claim=dict(reversed(d.pop("claim").items()))),
    "a rational not in lowest terms": put("claim", "alpha", "78/200"),
    "a whole number over 1": put("claim", "p", ["0/7", "1/5", "4/5"]),
    "a rational of 4,400 digits": put("claim", "alpha", f"39{'0' * 4398}/100{'0' * 4398}"),
}
RIGHT_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "spread over lines": lambda b: json.dumps(json.loads(b), indent=3).encode() + b"\r\n\t ",
    "without spaces": lambda b: json.dumps(json.loads(b), separators=(",", ":")).encode(),
    "with escapes in strings": lambda b: b.replace(b'"39/100"', b'"\\u0033\\u0039\\/100"'),
}


def cases() -> list[dict[str, Any]]:
    rng, good = random.Random(SEED), valid()
    out: list[dict[str, Any]] = []

    def add(kind: str, code: int, data: bytes) -> None:
        out.append({"kind": kind, "exit": code, "text": data.decode("latin-1")})

    def damage(kind: str, code: int, base: str, change: Callable[[Document, random.Random], None]) -> None:
        document = copy.deepcopy(good[base])
        change(document, rng)
        assert json.dumps(document) != json.dumps(good[base]), kind
        add(f"{kind} ({base})", code, json.dumps(document).encode())

    for name, document in good.items():
        add(f"valid ({name})", 0, json.dumps(document).encode())
    whole = json.dumps(good["iid"]).encode()
    for code, changes in ((0, RIGHT), (1, FALSE), (2, FORMAT)):
        for kind, change in changes.items():
            for base in ("iid",) if code == 0 else ("iid", "without_replacement"):
                damage(kind, code, base, change)
    for code, table in ((1, TABLE_FALSE), (2, TABLE_FORMAT)):
        for kind, change in table.items():
            damage(kind, code, "a table", change)
    for kind, (base, change) in POLICY_FALSE.items():
        damage(kind, 1, base, change)
    damage("product laws too many", 2, "product", on("q", lambda q: [*q, q[0]]))
    damage("product laws of two lengths", 2, "product", on("q", lambda q: [q[0], q[1][:-1]]))
    damage("several laws for iid", 2, "product", put("claim", "drafts", "iid"))
    damage("hub drafts for k = 1", 2, "one draft", put("claim", "drafts", "hub"))
    for code, edits in ((0, RIGHT_BYTES), (2, BYTES)):
        for kind, edit in edits.items():
            assert edit(whole) != whole, kind
            add(kind, code, edit(whole))
    return out


def text() -> str:
    return "".join(json.dumps(case) + "\n" for case in cases())


if __name__ == "__main__":
    KEPT.write_text(text(), encoding="ascii")
