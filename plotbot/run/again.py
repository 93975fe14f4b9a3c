"""The same cases once more: what `--lf`, `--ff` and `--sw` need so that the last run's failures exist again."""

from __future__ import annotations

from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import last_run
from plotbot.settings import Settings

_WHAT_MAKES_A_PLAN = (
    "titles_path", "prompt_path", "schema_path", "response_format",
    "test_sample_size", "sample_seed", "repeats", "shard",
)  # fmt: skip
_LEFT_OPEN = {"default", "drawn"}


def as_in_last_run(settings: Settings) -> Settings:
    """The settings with the last run's plan wherever nothing else was asked for; as they are where there was no run.

    Raises `InputError` where that run's plan cannot be read.
    """
    run = last_run(settings.runs_dir)
    if run is None:
        return settings
    header = run.read_json(run.plan, Disk())["header"]
    values = {name: header["settings"][name.upper()] for name in _WHAT_MAKES_A_PLAN}
    values["model"] = header["models"]
    open_now = {name: value for name, value in values.items() if settings.origins[name.upper()] in _LEFT_OPEN}
    return settings.with_values(f"run {run.run_id}", **open_now)
