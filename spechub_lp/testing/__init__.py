"""What other people's tests import: hypothesis strategies and the pytest plugin."""

from spechub_lp._util.lazy import public

public(__name__)
