"""Everything that plotbot adds to pytest is in its plugin."""

pytest_plugins = ("plotbot.plugin",)
