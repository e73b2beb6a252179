"""Results as one page: no script, no network."""

from spechub_lp._util.extras import require

require("html", "a page", "jinja2")
