"""Every error of the package: what is wrong, where, which value, and a hint."""

import warnings
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any


class SpecHubError(ValueError):
    """Base of all errors raised on purpose; the command line prints its message and exits with its code.

    Every subclass passes through pickle, whatever its constructor takes: errors of worker processes do.
    """

    exit_code = 2
    """2: bad input. 1 is for a claim that was checked and does not hold, and for nothing else."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), self.args), self.__dict__ or None


def _remake(kind: type[SpecHubError], args: tuple[Any, ...]) -> SpecHubError:
    """An error from its message: the constructor would make the message once more from other arguments."""
    error = kind.__new__(kind)
    error.args = args
    return error


class InvalidDistribution(SpecHubError):
    """A vector offered as a probability distribution is not one."""


class TooLarge(SpecHubError):
    """An exact table or program would not fit; the message says how large it is and what to use instead."""


class UnknownName(SpecHubError):
    """A sampler, draft policy, method or option of that name does not exist."""

    def __init__(self, kind: str, name: object, known: Iterable[str]):
        known = sorted(known)
        near = _nearest(str(name).lower().replace("-", "_"), known)
        hint = f" Did you mean {near!r}?" if near else ""
        super().__init__(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """The word that looks like the name, or the one that it abbreviates: "wor" stands for without_replacement."""
    if near := get_close_matches(name, known, n=1):
        return near[0]
    longer = [word for word in known if word[:1] == name[:1] and _in_order(name, word)]
    return longer[0] if len(longer) == 1 else None


def _in_order(letters: str, word: str) -> bool:
    rest = iter(word)
    return all(letter in rest for letter in letters)


class CertificateError(SpecHubError):
    """A certificate cannot be read or is malformed; of `Refuted`, its subclass: it does not prove its claim."""


class Refuted(CertificateError):
    """A certificate that was read and checked does not prove its claim."""

    exit_code = 1


class MissingMethod(SpecHubError):
    """A draft policy does not define the method that this question needs; the message names it."""


class SolverError(SpecHubError):
    """A solver stopped without an optimum."""


class MissingPackage(SpecHubError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, purpose: str, install: str | None = None):
        super().__init__(f"{purpose} needs the package {package!r}: pip install {install or package}")


def __getattr__(name: str) -> Any:
    if name == "LawError":  # the name of the first release; `_util.renamed` is a later room
        warnings.warn(
            "LawError is called InvalidDistribution now; the old name goes with the next release", DeprecationWarning, 2
        )
        return InvalidDistribution
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
