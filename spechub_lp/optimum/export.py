"""The compact program as an LP file with rational coefficients, for an exact solver that is not ours."""

from collections import defaultdict
from collections.abc import Iterable

from spechub_lp._array.rational import RATIONAL
from spechub_lp.optimum.solve import Optimum

NAMES_A_LINE = 8


def to_lp(best: Optimum) -> str:
    r"""Write the program that an optimum solves in the LP format that QSopt_ex reads.

    Variable `S2_0` is the mass of output 0 as an accepted draft where the drafted set is number 2. Constraint `Q2` says
    that set 2 has no more mass than its probability, and `p0` that token 0 is output no more often than p(0). The
    coefficients are rationals such as 39/100, which readers of floats do not take.

    Parameters
    ----------
    best
        The optimum.

    Returns
    -------
    str
        The program; its maximum is `best.alpha`.

    Examples
    --------
    >>> from spechub_lp import optimum
    >>> print(to_lp(optimum(["1/2", "1/2"], ["0", "1"], k=1)))
    \ The best acceptance of 1 iid drafts over 2 tokens: the maximum is 1/2.
    \ set 0: tokens 1
    Problem
     optimum
    Maximize
     alpha: S0_1
    Subject To
     Q0: S0_1 <= 1
     p1: S0_1 <= 1/2
    End
    <BLANKLINE>
    """
    program, vocabulary = best.program, len(best.p)
    pairs = list(zip(program.row.tolist(), program.token.tolist(), strict=True))
    of_row, of_token = defaultdict(list), defaultdict(list)
    for r, y in pairs:
        of_row[r].append(f"S{r}_{y}")
        of_token[y].append(f"S{r}_{y}")
    sets = ([str(y) for y in tokens if y < vocabulary] for tokens in program.sets.tolist())
    lines = [
        f"\\ The best acceptance of {best.k} {best.drafts.name} drafts over {vocabulary} tokens: "
        f"the maximum is {RATIONAL(best.alpha)}.",
        *(f"\\ set {r}: tokens {' '.join(tokens)}" for r, tokens in enumerate(sets)),
        "Problem",
        " optimum",
        "Maximize",
        f" alpha: {_sum(f'S{r}_{y}' for r, y in pairs)}",
        "Subject To",
        *(f" Q{r}: {_sum(names)} <= {program.supply[r]}" for r, names in sorted(of_row.items())),
        *(f" p{y}: {_sum(names)} <= {program.demand[y]}" for y, names in sorted(of_token.items())),
        "End",
    ]
    return "\n".join(lines) + "\n"


def _sum(names: Iterable[str]) -> str:
    """A sum over several lines: readers have a longest line."""
    names = list(names)
    parts = (" + ".join(names[i : i + NAMES_A_LINE]) for i in range(0, len(names), NAMES_A_LINE))
    return "\n  + ".join(parts)
