"""The old name of `spechub_lp.testing.pytest_plugin`, for one release."""

from spechub_lp.testing.pytest_plugin import pytest_addoption, pytest_collection_modifyitems, spechub_gate

__all__ = ["pytest_addoption", "pytest_collection_modifyitems", "spechub_gate"]
