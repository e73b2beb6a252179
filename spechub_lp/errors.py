"""Every error of the package: what is wrong, where, which value, and a hint."""

from collections.abc import Iterable
from difflib import get_close_matches


class SpecHubError(ValueError):
    """Base of all errors raised on purpose; the command line prints its message and exits with code 2."""


class LawError(SpecHubError):
    """A vector offered as a probability law is not one."""


class TooLarge(SpecHubError):
    """An exact table or program would not fit; the message says how large it is and what to use instead."""


class UnknownName(SpecHubError):
    """A sampler, draft policy, method or option of that name does not exist."""

    def __init__(self, kind: str, name: object, known: Iterable[str]):
        known = sorted(known)
        near = get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


class CertificateError(SpecHubError):
    """A certificate file is malformed or does not prove its claim."""


class SolverError(SpecHubError):
    """A solver stopped without an optimum."""


class MissingPackage(SpecHubError):
    """An optional package is not installed."""

    def __init__(self, package: str, purpose: str, install: str | None = None):
        super().__init__(f"{purpose} needs the package {package!r}: pip install {install or package}")
