"""The settings: a table of keys, the forms of their values, and one frozen object with the origin of every value."""

from plotbot.settings.load import Secret, Settings, draw_seed, load_settings, token_in

__all__ = ["Secret", "Settings", "draw_seed", "load_settings", "token_in"]
