"""The old name of `spechub_lp.testing.pytest_plugin`, for one release."""

# By name: pytest has the plugin from its entry point too, and takes a name once.
pytest_plugins = ["spechub_lp.testing.pytest_plugin"]
