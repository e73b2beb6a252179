"""What an audit says: records of a sampler on an instance, their sums by line, and everything that is shown."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from spechub_lp._util.tabular import Tabular

RATIONAL, NGRAM, TOP = "rational", "n-gram", "captured, top 8"


@dataclass(frozen=True)
class Record:
    """One sampler on one instance, all numbers exact.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> Record("rational", "rrs", "iid", 2, True, True, half, half, Fraction(3, 4), Fraction(0)).optimum
    Fraction(3, 4)
    """

    source: str
    sampler: str
    drafts: str
    k: int
    own: bool
    """Whether the rule was made for these drafts."""
    first: bool
    """Whether they are the first policy of its own."""
    acceptance: Fraction
    membership: Fraction
    optimum: Fraction
    distance: Fraction
    """Total variation between output distribution and target: 0 means lossless."""


@dataclass
class Line:
    """Records of one sampler, one draft policy and one k on one source, added up.

    Examples
    --------
    >>> half, line = Fraction(1, 2), Line("rational", "rrs", "iid", 2, True, True)
    >>> line.add(Record("rational", "rrs", "iid", 2, True, True, half, half, Fraction(3, 4), Fraction(0)))
    >>> line.lossless, line.acceptance, line.gap
    (1, 0.5, 0.25)
    """

    source: str
    sampler: str
    drafts: str
    k: int
    own: bool
    first: bool
    """Whether these are the drafts that the rule takes when none are named."""
    instances: int = 0
    lossless: int = 0
    above: int = 0
    """Instances with an acceptance above the optimum, a proof of bias."""
    acceptance: float = 0.0
    optimum: float = 0.0
    gap: float = 0.0
    """Worst optimum - acceptance over the lossless instances."""
    distance: float = 0.0
    """Worst distance from the target distribution."""

    def add(self, record: Record) -> None:
        """Add one record to the sums."""
        n = self.instances
        self.acceptance = (self.acceptance * n + float(record.acceptance)) / (n + 1)
        self.optimum = (self.optimum * n + float(record.optimum)) / (n + 1)
        self.instances = n + 1
        self.lossless += record.distance == 0
        self.above += record.membership > record.optimum
        self.distance = max(self.distance, float(record.distance))
        if record.distance == 0:
            self.gap = max(self.gap, float(record.optimum - record.acceptance))


@dataclass(frozen=True)
class Example:
    """Where a sampler is furthest below the optimum of its own drafts; with other drafts, furthest above it.

    Examples
    --------
    >>> from spechub_lp import certificate
    >>> from spechub_lp.audit import run
    >>> example = run(1, 0, 0, jobs=1, samplers=["rrs"]).examples[0]
    >>> certificate.check(example.certificate).alpha == example.record.optimum
    True
    """

    record: Record
    certificate: dict[str, Any]
    """That the optimum of the record is one, as `spechub-lp check-certificate` reads it."""


@dataclass
class TheoremLine:
    """How often a theorem was tried, and how often it held.

    Examples
    --------
    >>> TheoremLine("T1", "the programs agree", tried=3, held=3).held
    3
    """

    id: str
    statement: str
    tried: int = 0
    held: int = 0


@dataclass
class Audit(Tabular):
    """Everything that `spechub-lp audit` shows.

    Examples
    --------
    >>> from spechub_lp.audit import run
    >>> audit = run(1, 0, 0, jobs=1, samplers=["rrs"])
    >>> audit.failures, audit.certificates
    ([], 2)
    """

    seed: int
    lines: list[Line] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    theorems: list[TheoremLine] = field(default_factory=list)
    false_statements: list[tuple[str, Fraction, Fraction]] = field(default_factory=list)
    """Statements that are not theorems, with the two sides at their counterexample; the first is smaller."""
    certificates: int = 0
    """Optima whose certificate the independent checker accepted."""
    examples: list[Example] = field(default_factory=list)
    """One for each sampler, draft policy and k, if one of its instances is small enough."""
    model: dict[str, Any] | None = None
    """The captured rows' manifest."""
    full_vocabulary: list[dict[str, Any]] = field(default_factory=list)
    dominance: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        told = f"{len(self.failures)} failures" if self.failures else "passed"
        return f"Audit({told}, {len(self.lines)} lines, {self.certificates:,} certificates checked)"

    def as_rows(self) -> list[dict[str, Any]]:
        """Return the lines: each sampler with its drafts on each source of instances."""
        return [
            {
                "source": line.source, "sampler": line.sampler, "drafts": line.drafts, "k": line.k,
                "which are": "its own" if line.own else "not its own", "lossless": f"{line.lossless}/{line.instances}",
                "acceptance": line.acceptance, "optimum": line.optimum, "worst distance": line.distance,
            }
            for line in self.lines
        ]  # fmt: skip

    @property
    def failures(self) -> list[str]:
        """What contradicts the promises; empty when the audit passes."""
        out = [
            f"{line.sampler} with its own {line.drafts} drafts is biased on {line.instances - line.lossless} of "
            f"{line.instances} {line.source} instances (k = {line.k}, distance up to {line.distance:.3g})"
            for line in self.lines
            if line.own and line.lossless < line.instances
        ]
        out += [
            f"{line.sampler} ({line.drafts}, k = {line.k}, {line.source}) accepts more than the optimum of its drafts"
            for line in self.lines
            if line.own and line.above
        ]
        out += [
            f"theorem {line.id} fails on {line.tried - line.held} of {line.tried} instances"
            for line in self.theorems
            if line.held < line.tried
        ]
        out += [f"{text}: {left} is not below {right}" for text, left, right in self.false_statements if left >= right]
        out += [
            f"{row['sampler']} (k = {row['k']}) accepts more than its optimum on {row['above']} full-vocabulary rows"
            for row in self.full_vocabulary
            if row["above"]
        ]
        if self.dominance.get("hub below iid inside the border"):
            out.append(f"dominance fails on {self.dominance['hub below iid inside the border']} full-vocabulary rows")
        return out
