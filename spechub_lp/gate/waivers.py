"""Known small defects that a run shows and does not fail for, each with its reason."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import SupportsIndex

from spechub_lp.errors import SpecHubError, UnknownName
from spechub_lp.gate.results import ABOUT_THE_OUTPUT, Finding, Kind, Level, Report
from spechub_lp.gate.settings import Waiver

WRITTEN = re.compile(
    r"(?P<kind>[\w -]+?)(?: on (?P<quote>'?)(?P<problem>[^']+?)(?P=quote))?"
    r"(?: <= (?P<at_most>\S+))?: (?P<reason>.*\S.*)"
)
FORM = "write KIND [on PROBLEM] [<= SIZE]: REASON, such as bias <= 1e-6: float32, known since v2"
LARGEST = 0.01
"""No larger defect of the output is a small one."""


def read(text: str) -> Waiver:
    """Read a waiver as it is typed.

    Parameters
    ----------
    text
        "KIND [on PROBLEM] [<= SIZE]: REASON", with the words that findings have; the problem in quotes or without.

    Returns
    -------
    Waiver
        What it says.

    Raises
    ------
    UnknownName
        There is no such kind of finding.
    SpecHubError
        It has no reason, or it waives a bias of any size.

    Examples
    --------
    >>> read("bias on 'ties' <= 1e-6: float32 sums, known since v2").at_most
    1e-06
    """
    found = WRITTEN.fullmatch(text.strip())
    if found is None:
        raise SpecHubError(f"waiver {text!r} cannot be read; {FORM}")
    kinds = [str(kind) for kind in Kind]
    if found["kind"] not in kinds:
        raise UnknownName("kind of finding", found["kind"], kinds)
    try:
        at_most = None if found["at_most"] is None else float(found["at_most"])
    except ValueError:
        raise SpecHubError(f"waiver {text!r}: {found['at_most']!r} is no size; {FORM}") from None
    if found["kind"] in ABOUT_THE_OUTPUT and not (at_most is not None and 0 < at_most <= LARGEST):
        raise SpecHubError(f"waiver {text!r}: a wrong output needs its size, at most {LARGEST}; {FORM}")
    return Waiver(found["kind"], found["problem"], at_most, found["reason"])


class Findings(list[Finding]):
    """Findings of a run; one that a waiver covers is no proof against the engine.

    Parameters
    ----------
    waivers
        Of the run.

    Examples
    --------
    >>> found = Findings([read("crash on 'ties': the issue is open")])
    >>> found.append(Finding(0, Kind.CRASH, "on 'ties': it died", problem="ties"))
    >>> found[0].proof, found[0].waived
    (False, 'the issue is open')
    """

    def __init__(self, waivers: Iterable[Waiver] = ()):
        super().__init__()
        self.waivers = tuple(waivers)

    def append(self, finding: Finding) -> None:
        """Add a finding."""
        super().append(self._weighed(finding))

    def extend(self, findings: Iterable[Finding]) -> None:
        """Add findings."""
        super().extend(map(self._weighed, findings))

    def __iadd__(self, findings: Iterable[Finding]) -> "Findings":  # type: ignore[override,misc]
        self.extend(findings)
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[list[Finding]], tuple[list[Finding]]]:
        return list, (list(self),)

    def _weighed(self, finding: Finding) -> Finding:
        reason = next((waiver.reason for waiver in self.waivers if finding.proof and covers(waiver, finding)), None)
        return finding if reason is None else replace(finding, proof=False, waived=reason)


def covers(waiver: Waiver, finding: Finding) -> bool:
    """Say whether a waiver is about a finding.

    Parameters
    ----------
    waiver
        As it was read.
    finding
        Of a run.

    Returns
    -------
    bool
        A finding without a size is covered by no waiver with one.

    Examples
    --------
    >>> covers(read("bias <= 1e-6: known"), Finding(1, Kind.BIAS, "wrong", distance=0.1))
    False
    """
    small = waiver.at_most is None or (finding.distance is not None and finding.distance <= waiver.at_most)
    return finding.kind == waiver.kind and waiver.problem in (None, finding.problem) and small


def note_unused(report: Report, waivers: Iterable[Waiver]) -> None:
    """Add a note for each waiver that the run did not need, so that it can be taken out.

    Parameters
    ----------
    report
        Of the run.
    waivers
        Of the run.

    Examples
    --------
    >>> report = Report("mine:verify", "node", "iid", 2)
    >>> note_unused(report, [read("hang: the issue is open")])
    >>> report.findings[0].message
    "the waiver for 'hang' was not needed: the issue is open"
    """
    for waiver in waivers:
        if not any(finding.kind == waiver.kind and finding.waived == waiver.reason for finding in report.findings):
            message = f"the waiver for {waiver.kind!r} was not needed: {waiver.reason}"
            report.findings.append(Finding(Level.BOUNDARY, Kind.NOTE, message, proof=False))
