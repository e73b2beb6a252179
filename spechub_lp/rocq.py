"""A certificate as a file that Rocq (Coq) checks: its numbers as data, and the optimum as a theorem.

`theory/certificates` has the program that checks the data, `check`, and the proof that what passes is an optimum,
`certified`. So whoever compiles the file trusts Rocq's kernel: no solver, and none of this project's Python.
"""

from collections.abc import Iterable
from fractions import Fraction

from spechub_lp.certificate import Contents, Row, Tuple, decimal

HEAD = """\
(* A certificate that Rocq checks, written by spechub-lp check-certificate --rocq.

   {count} at {vocabulary} tokens. Compile it in the folder theory of spechub_lp, after `make`:

     coqc -Q dominance Dominance -Q border Border -Q certificates Certificates FILE.v

   It compiles only if alpha is the optimum. Print Assumptions says what the proof rests on. *)

From Coq Require Import BinPos BinInt.
From Dominance Require Import Program.
From Certificates Require Import Fractions Checker Policies.
From mathcomp Require Import all_ssreflect ssralg ssrnum.

"""
THEOREM = """\
Lemma accepted : well_formed {last} {k} drafted && check {last}.+1 {k} (computed drafted) proof.
Proof. by vm_compute. Qed.

(* `joint` is the distribution of the drafts, and p as a function of tokens is `masses R p` *)
Theorem optimum (R : realFieldType) :
  [/\\ law (joint R {last} {k} drafted), law (masses R p : 'I_{last}.+1 -> R)
    & is_optimum (joint R {last} {k} drafted) (masses R p) (rational R ({alpha}))].
Proof. exact: certified accepted. Qed.

Print Assumptions optimum.
"""


def rocq_text(contents: Contents) -> str:
    """Write a certificate as a Rocq file with the theorem that its alpha is the optimum.

    It is not checked here: the file of a false one does not compile.

    Parameters
    ----------
    contents
        A certificate, as `certificate.read_contents` reads it.

    Returns
    -------
    str
        The text of the file, for `coqc` in the folder `theory`.

    Examples
    --------
    >>> from spechub_lp import certificate, optimum
    >>> proof = optimum(["1/2", "1/2"], ["1/4", "3/4"]).certificate()
    >>> "(rational R (15 // 16))" in rocq_text(certificate.read_contents(proof))
    True
    """
    claim = contents.claim
    alpha = _fraction(claim.alpha)
    parts = {
        "p : seq fraction": _row(claim.p),
        "drafted : policy": _policy(contents),
        "proof : certificate": f"Certificate p\n  {_rows(contents)}\n  {_tokens(sorted(claim.H))} ({alpha})",
    }
    definitions = "".join(f"Definition {name} :=\n  ({body})%fraction.\n\n" for name, body in parts.items())
    count = "One draft" if claim.k == 1 else f"{claim.k} drafts"
    last = len(claim.p) - 1
    return HEAD.format(count=count, vocabulary=len(claim.p)) + definitions + THEOREM.format(
        last=last, k=claim.k, alpha=alpha
    )  # fmt: skip


def _policy(contents: Contents) -> str:
    """The constructor of `policy` with its data."""
    claim = contents.claim
    if isinstance(contents.drafts, dict):
        entries = (f"({_tokens(x)}, {_fraction(mass)})" for x, mass in sorted(contents.drafts.items()))
        return f"Table {_list(entries)}"
    several = claim.q if isinstance(claim.q[0], tuple) else (claim.q,) * claim.k
    if contents.drafts == "product":
        return f"Product {_list(map(_row, several))}"
    q: Row = several[0]
    ranking = sorted(range(len(q)), key=q.__getitem__, reverse=True)
    if contents.drafts == "iid":
        return f"Iid {_row(q)}"
    name, tops = {
        "without_replacement": ("WithoutReplacement", ""),
        "hub": ("Hub", ""),
        "greedy": ("Tops", _tokens(_in_turn(q, ranking, claim.k - 1))),
        "top_k": ("Tops", _tokens(_in_turn(q, ranking, claim.k))),
    }[contents.drafts]
    return f"{name} {_row(q)} {ranking[0]} {tops}".rstrip()


def _in_turn(q: Row, ranking: list[int], count: int) -> Tuple:
    """The most likely tokens, then the first of them again where no other has positive q."""
    likely = [y for y in ranking if q[y]]
    return tuple([*likely, *ranking[:1] * count][:count])


def _rows(contents: Contents) -> str:
    rows: dict[Tuple, list[str]] = {}
    for (x, y), mass in sorted(contents.coupling.items()):
        rows.setdefault(x, []).append(f"({y}, {_fraction(mass)})")
    return _list((f"({_tokens(x)}, {_list(ends, ' ')})" for x, ends in rows.items()), "\n     ")


def _row(q: Row) -> str:
    return _list(map(_fraction, q), " ")


def _tokens(tokens: Iterable[int]) -> str:
    return _list((f"{y}" for y in tokens), " ")


def _fraction(value: Fraction) -> str:
    return f"{decimal(value.numerator)} // {decimal(value.denominator)}"


def _list(items: Iterable[str], space: str = " ") -> str:
    return f"[:: {f';{space}'.join(items)}]".replace(":: ]", "::]")
