"""What must be there for a test to go on."""

from typing import TypeVar

T = TypeVar("T")


def known(value: T | None) -> T:
    """The value; None fails the test."""
    assert value is not None
    return value
