"""Pictures as SVG."""

from spechub_lp._util.lazy import public

public(__name__)
