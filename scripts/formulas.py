"""Formulas in backticks become typeset ones: `F_j <= 1 - (1 - q(A))^k` becomes $F_j \\le 1 - (1 - q(A))^k$.

    python scripts/formulas.py theory/border/README.md ...

What names a file, a command or a thing of the code stays in backticks; so do headings, as their anchors are linked.
No backslash stands before a sign (as in \\{ or \\,): forges take it for an escape of their own.
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from latex2mathml.converter import convert
from markdown_it import MarkdownIt

TOKEN = re.compile(r"\d+\.\d+|\.\d+|\d+|\.\.\.|\.\.|<=|>=|!=|->|=>|[A-Za-z]+|'+|\)_?\+|\s+|.", re.S)
SIGNS = {
    "<=": r"\le", ">=": r"\ge", "!=": r"\ne", "->": r"\to", "=>": r"\Rightarrow", "<": r"\lt", ">": r"\gt",
    "...": r"\dots", "..": r"\dots", "\\": r"\backslash", "~": r"\sim", "{": r"\lbrace", "}": r"\rbrace",
    "°": r"^\circ", "×": r"\times", "∪": r"\cup", "∩": r"\cap", "∈": r"\in", "·": r"\cdot", "√": r"\sqrt",
}  # fmt: skip
AS_THEY_ARE = set("+-/=,;:()[]!'")
FUNCTIONS = {"min", "max", "sum", "prod", "log", "exp", "cos", "tan", "Pr", "int", "inf", "sqrt"}
GREEK = {"alpha", "beta", "gamma", "delta", "theta", "lambda", "mu", "pi", "rho", "sigma", "tau"}
PRODUCTS = {"tF": "t F", "dt": "dt"}
WORDS = {
    "after", "all", "among", "argmax", "at", "before", "below", "best", "child", "choose", "chord", "draft",
    "drafted", "drafts", "drawn", "earliest", "every", "Exp", "for", "from", "high", "hit", "hits", "hub", "iid",
    "Im", "in", "is", "it", "low", "mean", "not", "of", "on", "or", "output", "outside", "over", "product",
    "replacement", "rest", "right", "set", "sets", "side", "some", "sum", "support", "taken", "the", "to", "token",
    "Top", "tops", "TV", "way", "without",
}  # fmt: skip
"""Words that stand in formulas; a name that is none of them is code."""
TIDY = (
    (r"\s+", " "),
    (r" ?\} ?(a )?\\text\{ ?", r" \1"),  # words that stand together are one text
    (r" (?=[),\]])", ""),
    (r"([_^])\{(\w)\}", r"\1\2"),
)
CODE = re.compile(r"[A-Za-z]\.[A-Za-z]|[\"`=]{2}|--|(?!alpha_)\b[A-Za-z]{2,}_[A-Za-z]{2,}|/[a-z]{2,}")
LETTER = re.compile(r"[A-Za-z]$")


def is_formula(span: str) -> bool:
    """Whether all words of a span are those of formulas, and something in it is mathematics."""
    if CODE.search(span):
        return False
    tokens = [token for token in TOKEN.findall(span) if not token.isspace()]
    words = [token for token in tokens if token[0].isalpha() and not LETTER.match(token)]
    if not all(word in FUNCTIONS | GREEK | WORDS or word in PRODUCTS for word in words):
        return False
    known = SIGNS.keys() | AS_THEY_ARE | {"*", "^", "_", "|", ")+", ")_+"}
    if not all(token in known or token[0].isalnum() or token[0] in ".'" for token in tokens):
        return False
    return any(LETTER.match(token) or token in GREEK or token[0].isdigit() or token[0] == "." for token in tokens)


def latex(span: str) -> str:
    """A formula in LaTeX."""
    plain = re.sub(r"\b(sum|prod|min|max) over (?:token sets )?(.+?) of ", r"\1_(\2) ", " ".join(span.split()))
    tokens = TOKEN.findall(plain)
    text, rest = _run(tokens, None)
    assert not rest, span
    for pattern, new in TIDY:
        text = re.sub(pattern, new, text)
    return text.strip()


def _run(tokens: list[str], closing: str | None) -> tuple[str, list[str]]:
    """What stands before the closing sign, and what is left behind it."""
    out, bars, before = "", 0, ""
    while tokens:
        token, tokens = tokens[0], tokens[1:]
        if closing is not None and token[0] == closing and not (closing == ")" and token != ")"):
            return out, tokens
        if token in ("_", "^"):
            part, tokens = _argument(tokens)
            out = out.rstrip() + f"{token}{{{part}}}"
        elif token == "(":
            inside, tokens = _group(tokens)
            out += inside
        elif token == "*":
            own = before and not before.isspace() and not (tokens and tokens[0][0].isalnum())
            out = out.rstrip() + r"^\ast " if own else out + r" \cdot "
        elif token == "|":
            if before.isspace() and tokens and tokens[0].isspace():
                out += r"\mid "
            else:
                bars += 1
                out += r"\lvert " if bars % 2 else r"\rvert "
        elif token == "sqrt" and tokens and tokens[0] == "(":
            inside, tokens = _run(tokens[1:], ")")
            out += rf"\sqrt{{{inside}}}"
        else:
            out += _word(token, before, tokens)
        before = token
    assert closing is None
    return out, tokens


def _group(tokens: list[str]) -> tuple[str, list[str]]:
    """Round brackets, and the positive part of what is in them where a + stands right behind."""
    inside: list[str] = []
    depth = 1
    for place, token in enumerate(tokens):
        depth += (token == "(") - (token[0] == ")")
        if not depth:
            return f"({_run(inside, None)[0]})" + ("^+ " if token != ")" else ""), tokens[place + 1 :]
        inside.append(token)
    raise AssertionError("brackets")


def _argument(tokens: list[str]) -> tuple[str, list[str]]:
    """What stands below or above: brackets, or one word with its sign."""
    first, rest = tokens[0], tokens[1:]
    if first in "({":
        return _run(rest, ")" if first == "(" else "}")
    if first == "-":
        part, rest = _argument(rest)
        return f"-{part}", rest
    return _word(first, "", []).strip(), rest


def _word(token: str, before: str, after: list[str]) -> str:
    if token in FUNCTIONS:
        return {"inf": r"\infty "}.get(token, rf"\{token} ") if token != "sum" or _of_terms(after) else r"\text{sum}"
    if token in GREEK:
        return rf"\{token} "
    if token in SIGNS:
        return f" {SIGNS[token]} " if token != "°" else SIGNS[token]
    if token in PRODUCTS:
        return PRODUCTS[token]
    if token in WORDS:
        left = " " if before.isspace() else ""
        right = " " if after and after[0].isspace() else ""
        return rf"\text{{{left}{token}{right}}}"
    return token


def _of_terms(after: list[str]) -> bool:
    """Whether a sum is the sign, and not the word before "of" or "over"."""
    return not (len(after) > 1 and after[0].isspace() and after[1] == "of")


def converted(page: str) -> str:
    """A page with its formulas typeset."""
    lines = page.split("\n")
    places: list[list[int]] = []
    heading = False
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        heading = token.type == "heading_open" or (heading and token.type != "heading_close")
        if token.type == "inline" and token.map and not heading and token.map not in places:
            places.append(token.map)
    for start, end in sorted(places, reverse=True):
        text = re.sub(r"(?<!`)`([^`]+)`(?!`)", _typeset, "\n".join(lines[start:end]))
        lines[start:end] = text.split("\n")
    return "\n".join(lines)


def _typeset(span: re.Match[str]) -> str:
    return f"${latex(span[1])}$" if is_formula(span[1]) else span[0]


SPACE = "{http://www.w3.org/1998/Math/MathML}"
AT_HAND = {"\u29f5": "\u2216"}
"""Signs that are in few fonts, and what is drawn for them."""
NAMES = {"log", "exp", "cos", "tan", "min", "max", "Pr"}
OPENING, CLOSING = ("(", "[", "{"), (")", "]", "}")
RELATIONS, SUMS = ("=", "\u2264", "\u2265", "<", ">", "\u2260", "\u2208", "\u2192", "\u21d2"), ("+", "\u2212")
NO_TERM = (*OPENING, *RELATIONS, *SUMS, ",")
"""A sign behind one of these is that of a number."""
LONG = 24
"""Signs of a formula beyond which it may break."""
LIST = 3
"""Commas of a list, behind which a line may end; fewer are those of a function's arguments."""
THIN = "0.17em"
RAISED = ("\u2032", "\u2033", "*")
"""Primes and a star."""
ET.register_namespace("", SPACE[1:-1])


def mathml(formula: str, display: str = "inline") -> str:
    """A formula as MathML that fonts of all kinds can draw."""
    return ET.tostring(_element(formula, display), encoding="unicode")


def _element(formula: str, display: str) -> ET.Element:
    """A prime or a star is raised in its font already, so it stands beside its letter: raised twice it is lost."""
    root = ET.fromstring(convert(formula, display=display))
    for element in root.iter():
        element.text = AT_HAND.get(element.text or "", element.text)
    for element in list(root.iter()):
        said = "".join(element[-1].itertext()) if len(element) else ""
        if element.tag in (f"{SPACE}msup", f"{SPACE}msubsup") and said in RAISED:
            letter, *below = element[:-1]
            mark = ET.Element(f"{SPACE}mo", lspace="0", rspace="0")
            mark.text = said
            marked = ET.Element(f"{SPACE}mrow")
            marked.extend([letter, mark])
            element[:] = [marked, *below]
            element.tag = f"{SPACE}msub" if below else f"{SPACE}mrow"
    for row in root.iter(f"{SPACE}mrow"):
        _space_around_names(list(row))
    return root


def pieces(formula: str) -> list[str]:
    """A formula in a line of text as MathML; a long one in parts, between which a line may break, as TeX breaks it."""
    root = _element(formula, "inline")
    parts = _broken(list(root[0]))
    if len(parts) == 1:
        return [ET.tostring(root, encoding="unicode")]
    out = []
    for part in parts:
        whole = ET.Element(root.tag, root.attrib)
        ET.SubElement(whole, f"{SPACE}mrow").extend(part)
        if part[0].tag == f"{SPACE}mo" and part[0].text in (*RELATIONS, *SUMS):
            part[0].set("form", "infix")
        out.append(ET.tostring(whole, encoding="unicode"))
    return out


def _broken(row: list[ET.Element]) -> list[list[ET.Element]]:
    """The parts of a row: before its relations, else before its sums and differences, else behind a list's commas."""
    if _length(row) <= LONG:
        return [row]
    many = sum(_sign(element) == "," for element in row) >= LIST
    for signs, deepest in ((RELATIONS, 0), (SUMS, 0), *([((",",), 1)] if many else [])):
        parts: list[list[ET.Element]] = [[]]
        depth = 0
        for element in row:
            before = parts[-1][-1] if parts[-1] else None
            own, last = _sign(element), _sign(before)
            here = last == "," if "," in signs else own in signs and last not in NO_TERM
            if here and before is not None and depth <= deepest:
                parts.append([])
            depth += (own in OPENING) - (own in CLOSING)
            parts[-1].append(element)
        if len(parts) > 1:
            return _joined([smaller for part in parts for smaller in _broken(part)])
    return [row]


def _sign(element: ET.Element | None) -> str:
    """The operator or bracket that an element is, be it with an index or a power."""
    core = element if element is None or not len(element) or element.tag == f"{SPACE}mrow" else element[0]
    return (core.text or "") if core is not None and core.tag == f"{SPACE}mo" else ""


def _joined(parts: list[list[ET.Element]]) -> list[list[ET.Element]]:
    """The same parts, short ones put together."""
    out = parts[:1]
    for part in parts[1:]:
        if _length(out[-1]) + _length(part) <= LONG:
            out[-1] = [*out[-1], *part]
        else:
            out.append(part)
    return out


def _length(row: list[ET.Element]) -> int:
    return sum(len("".join(element.itertext())) for element in row)


def _space_around_names(row: list[ET.Element]) -> None:
    """As TeX spaces log, min and their like: apart from a letter, close to a bracket."""
    for place, element in enumerate(row):
        name = element[0] if element.tag != f"{SPACE}mrow" and len(element) else element
        if name.text in NAMES:
            before, after = (row[n].text if 0 <= n < len(row) else "(" for n in (place - 1, place + 1))
            name.tag = f"{SPACE}mo"
            name.set("lspace", "0" if before in OPENING or row[place - 1].tag == f"{SPACE}mo" else THIN)
            name.set("rspace", "0" if after in OPENING else THIN)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        file = Path(name)
        file.write_text(converted(file.read_text(encoding="utf-8")), encoding="utf-8")
