"""The same cases once more: what `--lf`, `--ff` and `--sw` need so that the last run's failures exist again."""

from __future__ import annotations

from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import last_run
from plotbot.settings import Settings
from plotbot.settings.keys import BY_NAME, keys_deciding


def as_in_last_run(settings: Settings) -> Settings:
    """The settings with the last run's plan wherever nothing else was asked for; as they are where there was no run.

    Raises `InputError` where that run's plan cannot be read.
    """
    run = last_run(settings.runs_dir)
    if run is None:
        return settings
    header = run.read_json(run.plan, Disk())["header"]
    values = {key: header["settings"][key.name] for key in keys_deciding("files", "plan")}
    values[BY_NAME["MODEL"]] = header["models"]
    open_now = {key.field: value for key, value in values.items() if settings.left_open(key)}
    return settings.with_values(f"run {run.run_id}", **open_now)
