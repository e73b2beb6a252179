"""Errors: every class passes through pickle as it is, and says which exit code it stands for."""

import copy
import pickle
from typing import Any

import pytest

from spechub_lp import errors
from spechub_lp.errors import MissingPackage, SpecHubError, UnknownName


def classes(base: type[SpecHubError] = SpecHubError) -> list[type[SpecHubError]]:
    """The base and all its subclasses in the package, theirs too."""
    return [base, *(heir for child in base.__subclasses__() for heir in classes(child))]


def an_error(kind: type[SpecHubError]) -> SpecHubError:
    arguments = {UnknownName: ("sampler", "spechob", ["spechub", "rrs"]), MissingPackage: ("torch", "--device", "t[x]")}
    return kind(*arguments.get(kind, ("alpha = 2 lies above 1",)))


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
@pytest.mark.parametrize("kind", classes())
def test_every_error_passes_through_pickle(kind: type[SpecHubError], again: Any) -> None:
    error = an_error(kind)
    error.add_note("seen by worker 3")
    vars(error)["place"] = "row 5"
    copied = again(error)
    assert type(copied) is kind
    assert str(copied) == str(error) != ""
    assert copied.args == error.args
    assert vars(copied)["place"] == "row 5"
    assert copied.__notes__ == ["seen by worker 3"]
    assert str(again(copied)) == str(error)


def test_only_a_refuted_claim_exits_with_1() -> None:
    assert {kind for kind in classes() if kind.exit_code != 2} == {errors.Refuted}
    assert errors.Refuted.exit_code == 1
    assert issubclass(errors.Refuted, errors.CertificateError)
