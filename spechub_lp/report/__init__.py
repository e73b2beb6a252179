"""Results as tables for people and as JSON for machines."""

from spechub_lp._util.lazy import public

public(__name__)
