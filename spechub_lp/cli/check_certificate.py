"""`spechub-lp check-certificate`: arguments in, exit code out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spechub_lp._util.io import check_outputs, write_text
from spechub_lp.cli.options import Json
from spechub_lp.cli.terminal import about, console_beside, save

if TYPE_CHECKING:
    from spechub_lp.certificate import TreeClaim


def check_certificate(
    file: Annotated[Path, typer.Argument(help="A certificate written by solve --certificate; - is stdin.")],
    json: Json = None,
    rocq: Annotated[
        Path | None, typer.Option(help="Write the optimum as a theorem that Rocq (Coq) checks, to this .v file.")
    ] = None,
) -> None:
    """Check a certificate of optimality; no solver is used.

    Example: spechub-lp check-certificate optimum.json --rocq optimum.v
    """
    from spechub_lp import certificate

    check_outputs(file, json=json, rocq=rocq)
    if rocq:
        from spechub_lp.rocq import rocq_text

        contents = certificate.read_contents(file)
        claim: certificate.Claim | TreeClaim = certificate.check(contents)
        write_text(rocq, rocq_text(contents))
    else:
        claim = certificate.check_any(file)
    if isinstance(claim, certificate.TreeClaim):
        _tree(claim, json)
        return
    proved = {name: value for name, value in claim._asdict().items() if name not in ("alpha", "H")}
    proved |= {"optimum": claim.alpha, "H": sorted(claim.H), "proved": True}
    save({**about("check-certificate"), **proved}, json)
    policy = claim.drafts if isinstance(claim.drafts, str) else "tabulated"
    console_beside(json, rocq).print(
        f"proved: no rule accepts more than {certificate.shown(claim.alpha)} = {float(claim.alpha):.12g} "
        f"with {claim.k} {policy} drafts at V = {len(claim.p)}, and the coupling reaches it "
        f"(H = {{{', '.join(map(str, sorted(claim.H)))}}})"
    )


def _tree(claim: "TreeClaim", json: Path | None) -> None:
    from spechub_lp.certificate import shown
    from spechub_lp.report import schemas

    proved = {
        "tree": claim.shape,
        "drafts": claim.drafts,
        "value": claim.value,
        "prices": sorted(claim.prices.items()),
        "proved": True,
    }
    save({**about("check-certificate"), "schema": schemas.identifier("check-tree"), **proved}, json)
    console_beside(json).print(
        f"proved: no lossless verifier accepts more than {shown(claim.value)} = {float(claim.value):.12g} drafts a "
        f"call of this tree with {claim.drafts} drafts at V = {len(claim.model[()][0])}, and the coupling reaches it "
        f"({len(claim.prices)} prices)"
    )
