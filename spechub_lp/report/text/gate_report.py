"""A gate's report in lines and tables, which the terminal and `gate_summary` show."""

from math import isnan, sqrt

from spechub_lp._util.words import counted
from spechub_lp.evaluate.tally import Estimate
from spechub_lp.gate.results import ONCE, ONCE_OF_BATCHES, Evidence, Finding, Kind, Level, Report, Row, Status
from spechub_lp.gate.settings import NARROW

COVERED = "What was covered, what was not, what could still be wrong"
MOST_UNVISITED = 6
"""Places of unvisited code that the table names."""
WORST = 3
"""Searched problems in a table of problems; the rest is counted."""
TWO_SIDED = 1.96
"""Standard errors of a 95 % interval."""
WHOLE_RUN = "whole run"
"""The test in JUnit XML of what belongs to no problem."""


BELOW: dict[str, str] = {Kind.FLOOR: "below the floor", Kind.REGRESSION: "below the baseline"}
"""What a verdict says of acceptance that is too small."""


def verdict(report: Report) -> str:
    """Return the verdict in a word, and of a failure in brackets what kind of failure it is.

    Parameters
    ----------
    report
        The gate's.

    Returns
    -------
    str
        PASS, INCONCLUSIVE, FAIL (bias), or FAIL with what the engine did instead of a right answer.

    Examples
    --------
    >>> report = Report("mymodule:verify", "node", "iid", 2)
    >>> report.findings.append(Finding(0, Kind.CRASH, "on 'ties': it died"))
    >>> verdict(report)
    'FAIL (crash)'
    """
    if report.status is not Status.BIASED:
        return str(report.status).upper()
    if report.about_the_output:
        return "FAIL (bias)"
    kinds = dict.fromkeys(finding.kind for finding in report.findings if finding.proof)
    return f"FAIL ({next(BELOW.get(kind, kind) for kind in kinds)})"


def headline(report: Report) -> str:
    """Return the verdict in a line.

    Parameters
    ----------
    report
        The gate's.

    Returns
    -------
    str
        The line.
    """
    decided = f" ({report.decided})" if report.decided else ""
    unseen = report.coverage.unvisited if report.coverage and report.status is Status.PASS else []
    but = f", with {counted(len(unseen), 'place')} of its code that never ran" if unseen else ""
    but += f", {counted(len(report.waived), 'finding')} waived" if report.waived else ""
    what = "a logits processor" if report.protocol == "processor" else report.what_drafts
    return f"{verdict(report)}{but}: {report.engine}, {what}{decided}"


def what_was_missed(report: Report) -> str:
    """Say what the run could still have missed.

    Parameters
    ----------
    report
        The gate's.

    Returns
    -------
    str
        The beginning of a sentence; "" when the run proved a bias.
    """
    if report.status is Status.BIASED:
        return ""
    if report.status is Status.INCONCLUSIVE:
        return "the run ended without a verdict, so no distance is claimed"
    if report.smallest_caught >= 1:
        return "no distance at all would have been caught with the power asked for"
    power = report.settings.get("min_power", 0.99)
    rest = "" if report.exact else f" with power {power:g}"
    least = f"{report.smallest_caught:.3g}{report.scope}"
    where = f" on these {report.coverage.problems} problems" if report.coverage else ""
    scaled = report.exact and report.coverage and report.coverage.exact is not None
    wider = f" (times V/{NARROW} on V > {NARROW} tokens)" if scaled else ""
    return (
        f"any distance above {least}{wider} would have been caught{rest}{where}; below it, and on other inputs, "
        "nothing is claimed"
    )


def covered(report: Report) -> list[tuple[str, str, str]]:
    """Write the rows of the table of what was covered.

    Parameters
    ----------
    report
        Of a run.

    Returns
    -------
    list[tuple[str, str, str]]
        (what, covered, not covered); none where it was not noted.
    """
    c = report.coverage
    if c is None:
        return []
    met = [f"{name} ({count})" for name, count in c.kinds.items() if count]
    rows = [
        ("sizes", f"V = {_ranges(c.sizes)}" if c.sizes else "none", "every other size"),
    ]
    if c.policies:
        rows.append(("drafts", f"{', '.join(c.policies)}, k = {_ranges(c.k)}", "other policies, other k"))
    if c.kinds:
        rows.append(
            ("kinds of distributions", "; ".join(met), "; ".join(n for n, count in c.kinds.items() if not count))
        )
    reached = counted(c.problems, "problem")
    rows.append(("problems", reached, f"{c.not_reached} planned, and not reached" if c.not_reached else ""))
    if c.batches:
        rows.append(("batches", ", ".join(c.batches), "other shapes"))
    if c.once:
        from spechub_lp.gate.protocols import ProtocolName  # needs torch, and the commands must load without

        names = ONCE if report.protocol == ProtocolName.NODE else ONCE_OF_BATCHES
        missing = [name for name in names if not any(text.startswith(name) for text in c.once)]
        rows.append(("calls that come once", ", ".join(c.once), ", ".join([*missing, "others"])))
    if c.exact is not None:
        rest = f"noise and drafts of mass up to {c.left_out:.1g} on a problem" if c.left_out > 0 else ""
        only = f"{counted(c.by_draws_only, 'problem')} by draws only" if c.by_draws_only else ""
        exact = f"distances above {c.exact:g} times V/{NARROW}, or {c.exact:g}"
        if report.status is not Status.PASS:  # which claims no distance
            exact = counted(c.problems - c.by_draws_only, "problem")
        rows.append(("exact distributions", exact, "; ".join(filter(None, (rest, only)))))
    if c.draws:
        claims = c.drawn is not None and report.status is Status.PASS
        least = f": distances above {c.drawn:.2g}" if claims else ""
        seeds = "noise that begins each call with one of many seeds"
        rest = f"smaller ones; {seeds}" if least else seeds
        rows.append(("real noise", f"{c.draws:,} calls against p{least}", rest))
    if c.lines is not None and c.outcomes is not None:
        ran = f"{c.lines[0]} of {c.lines[1]} lines, {c.outcomes[0]} of {c.outcomes[1]} outcomes of conditions"
        rows.append(("its code", ran, "; ".join(c.unvisited[:MOST_UNVISITED]) + _more(c.unvisited)))
    else:
        rows.append(("its code", "not watched", c.unwatched or "lines that never ran"))
    return rows


def _more(unvisited: list[str]) -> str:
    left = len(unvisited) - MOST_UNVISITED
    return f"; and {left} more" if left > 0 else ""


def _ranges(numbers: list[int]) -> str:
    """2, 3, 4, 7 as "2 to 4, 7"."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(f"{r[0]} to {r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)


def listed(report: Report) -> tuple[list[Row], list[Row]]:
    """Split the rows of a run into those to print and those to count.

    Parameters
    ----------
    report
        Of a run.

    Returns
    -------
    tuple[list[Row], list[Row]]
        The rows to print, and those of searched problems that are only counted.
    """
    failed = {f.problem for f in report.findings if f.proof}
    searched = [row for row in report.rows if row.searched and row.problem not in failed]
    worst = sorted(searched, key=lambda row: -row.distance)[:WORST]
    counted = [row for row in searched if row not in worst]
    return [row for row in report.rows if row not in counted], counted


def number(value: float) -> str:
    """Write an acceptance.

    Parameters
    ----------
    value
        NaN where it was not measured.

    Returns
    -------
    str
        Six digits, or "" for NaN.
    """
    return "" if isnan(value) else f"{value:.6f}"


def cells(row: Row) -> list[str]:
    """Return a row of the table of problems.

    Parameters
    ----------
    row
        Of the report.

    Returns
    -------
    list of str
        Problem, distance, its upper end, acceptance and optimum.

    Examples
    --------
    >>> cells(Row("ties", 1, distance=0.0, bound=0.0, acceptance=0.8, optimum=0.9))
    ['ties', '0', '0', '0.800000', '0.900000']
    """
    return [row.problem, f"{row.distance:.3g}", f"{row.bound:.3g}", accepted(row), number(row.optimum)]


def accepted(row: Row) -> str:
    """Write the acceptance of a row, with its error where draws gave it.

    Parameters
    ----------
    row
        Of the report.

    Returns
    -------
    str
        "" where it was not measured.

    Examples
    --------
    >>> accepted(Row("ties", Level.DRAWS, 0.01, 0.02, acceptance=0.5, optimum=0.6, draws=900))
    '0.5000 ± 0.0327'
    """
    if isnan(row.acceptance) or row.level <= Level.EXACT or not row.draws:
        return number(row.acceptance)
    if not 0 < row.acceptance < 1:
        return f"{row.acceptance:.4f} ({counted(row.draws, 'draw')})"
    error = TWO_SIDED * sqrt(row.acceptance * (1 - row.acceptance) / row.draws)
    return str(Estimate(row.acceptance, error, row.draws, 0, 1))


def counted_line(rows: list[Row]) -> str:
    """Say in a line what a table leaves out.

    Parameters
    ----------
    rows
        At least one.

    Returns
    -------
    str
        How many they are, and their largest distance.
    """
    most = max(row.distance for row in rows)
    return f"and {counted(len(rows), 'searched problem')} more, each at most {most:.3g} away"


def measured_line(report: Report) -> str:
    r"""Say in a line what was measured on the problems of a run.

    Parameters
    ----------
    report
        The gate's.

    Returns
    -------
    str
        The largest distance and where it is, what was computed apart from what was drawn, and the acceptance that is
        furthest below its optimum; "" where nothing was measured.

    Examples
    --------
    >>> report = Report("mymodule:verify", "node", "iid", 2)
    >>> report.rows.append(Row("ties", 1, distance=0.0, bound=0.0, acceptance=0.8, optimum=0.9))
    >>> print(measured_line(report).replace("; ", ";\n"))
    1 problem: at most 0 away from the target (on 'ties');
    furthest below the optimum on 'ties': it accepts 0.8000 of 0.9000
    """
    if not report.rows:
        return ""
    computed = [row for row in report.rows if row.level <= Level.EXACT]
    drawn = [row for row in report.rows if row.level > Level.EXACT]
    parts = [_furthest(computed)] if computed else []
    if drawn:
        most = max(drawn, key=lambda row: row.bound)
        by_draws = f"{counted(len(drawn), 'problem')} by draws: at most {most.bound:.3g} away"
        parts.append(f"{by_draws} (on {most.problem!r}, where the frequencies are {most.distance:.3g} away)")
    compared = [row for row in computed or drawn if row.optimum > row.acceptance >= 0]
    if compared:
        row = max(compared, key=lambda row: row.optimum - row.acceptance)
        accepts = f"it accepts {accepted(row) if row in drawn else f'{row.acceptance:.4f}'} of {row.optimum:.4f}"
        parts.append(f"furthest below the optimum on {row.problem!r}: {accepts}")
    return "; ".join(parts)


def _furthest(computed: list[Row]) -> str:
    row = max(computed, key=lambda row: row.distance)
    return f"{counted(len(computed), 'problem')}: at most {row.distance:.3g} away from the target (on {row.problem!r})"


def shown(report: Report, most: int = 6) -> list[Finding]:
    """Choose the findings to print: one of each kind first, then the largest distances.

    Parameters
    ----------
    report
        The gate's.
    most
        How many.

    Returns
    -------
    list of Finding
        In that order.
    """
    first: dict[str, Finding] = {}
    for finding in sorted(report.findings, key=lambda f: (not f.proof, -(f.distance or 0))):
        first.setdefault(finding.kind, finding)
    return list(first.values())[:most]


def tokens_table(evidence: Evidence) -> tuple[list[str], list[list[str]]]:
    """Write the table of what came out, token by token.

    Parameters
    ----------
    evidence
        Of a failure.

    Returns
    -------
    tuple of list of str, and list of list of str
        The heads and the rows; a last row for calls that gave no token.
    """
    names = ["q"] if len(evidence.q) == 1 else [f"q {slot + 1}" for slot in range(len(evidence.q))]
    rows = [
        [f"{token}", f"{p:.6g}", *(f"{row[token]:.6g}" for row in evidence.q), f"{came:.6g}", _signed(off)]
        for token, (p, came, off) in enumerate(zip(evidence.p, evidence.output, evidence.off_by, strict=True))
    ]
    if evidence.no_token:
        rows.append(["none", "0", *("0" for _ in evidence.q), f"{evidence.no_token:.6g}", _signed(evidence.no_token)])
    return ["token", "p", *names, "came out", "off by"], rows


def drafts_table(evidence: Evidence) -> tuple[list[str], list[list[str]]]:
    """Write the table of what the engine does with each draft tuple.

    Parameters
    ----------
    evidence
        Of a failure.

    Returns
    -------
    tuple of list of str, and list of list of str
        The heads and the rows; no rows where there are too many tuples.
    """
    k, V = len(evidence.tuples[0]) if evidence.tuples else 0, len(evidence.p)
    heads = ["drafts", *(f"accepts draft {slot + 1}" for slot in range(k)), *(f"residual {y}" for y in range(V))]
    rows = [
        [", ".join(map(str, x)), *(f"{value:.4g}" for value in (*accept, *residual))]
        for x, accept, residual in zip(evidence.tuples, evidence.accept, evidence.residual, strict=True)
    ]
    return heads, rows


def nearest_line(evidence: Evidence) -> str:
    """Say which known wrong rule the engine is.

    Parameters
    ----------
    evidence
        Of a failure.

    Returns
    -------
    str
        A sentence.
    """
    if not evidence.nearest:
        return "No known wrong rule does the same with every draft tuple that was measured."
    return f"The known wrong rule that does the same on every problem that was compared: {evidence.nearest}."


def evidence_title(evidence: Evidence) -> str:
    """Name the problem of the tables.

    Parameters
    ----------
    evidence
        Of a failure.

    Returns
    -------
    str
        A title.
    """
    return f"What came out on {evidence.problem!r}, the smallest problem whose exact distribution is wrong"


def _signed(value: float) -> str:
    return f"{value:+.3g}" if abs(value) > 1e-12 else "0"
