"""The command that goes on with a run: the arguments that it was started with, and `--resume`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from plotbot.keep.run_folder import RunFolder, judged_in, last_run
from plotbot.settings.keys import BY_NAME

ARGUMENTS = "arguments"
"""In a run's header: what pytest was told to run."""
JUDGING = "evals/judging"
"""Where the evals of `plotbot judge` are, which start its session."""
_EVALS = "evals"
_NOT_RECORDED = ("LM_STUDIO_URL", "RUNS_DIR", "GENERATED_DIR")
"""The settings that `--resume` does not take from the run, and without which it goes on elsewhere."""


def resume_command(folder: RunFolder, header: Mapping[str, Any]) -> str:
    """The command that goes on with the run in *folder*, whose *header* says how it was started."""
    if (judged := judged_by_command(header)) is not None:
        given = ("--judge-url" if one == BY_NAME["LM_STUDIO_URL"].option else one for one in _given(header))
        return shlex.join(["plotbot", "judge", judged, "--resume", *given])
    last = last_run(folder.path.parent)
    which = ["--resume"] if last is not None and last.run_id == folder.run_id else ["--resume-run", folder.run_id]
    return shlex.join(["pytest", *_arguments(header, [_EVALS]), *which, *_given(header)])


def judged_by_command(header: Mapping[str, Any]) -> str | None:
    """The id of the run that a `plotbot judge` with this header judges; None for any other run."""
    return judged_in(header) if _arguments(header, [JUDGING]) == [JUDGING] else None


def _arguments(header: Mapping[str, Any], unrecorded: list[str]) -> list[str]:
    """What pytest was told to run. Runs of earlier versions have no record of it."""
    recorded = header.get(ARGUMENTS)
    return [str(one) for one in recorded] if isinstance(recorded, list) else unrecorded


def _given(header: Mapping[str, Any]) -> Iterator[str]:
    """The options of the command line that have to be given again."""
    settings, origins = header.get("settings"), header.get("origins")
    if not isinstance(settings, Mapping) or not isinstance(origins, Mapping):
        return
    for name in _NOT_RECORDED:
        value = settings.get(name)
        option = BY_NAME[name].option
        if origins.get(name) == option and value:
            yield option
            yield ",".join(map(str, value)) if isinstance(value, list) else str(value)
