"""Results as one page: no script, no network."""

from spechub_lp._util.extras import require
from spechub_lp._util.lazy import public

require("html", "a page", "jinja2")

public(__name__)
