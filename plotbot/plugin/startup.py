"""The start of a session in the main process: which run it is, from settings and options."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

from plotbot.errors import UsageProblem
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_finding import LAST, find_run
from plotbot.keep.run_folder import RunFolder, list_runs
from plotbot.keep.run_reading import RunOnDisk
from plotbot.keep.title_reading import answered_titles
from plotbot.plan.plan import Beside, Missing
from plotbot.plugin import options
from plotbot.plugin.terminal import question_at_terminal
from plotbot.records import Question, Title
from plotbot.run.again import like_run
from plotbot.run.recovery import recover_dead_runs
from plotbot.run.resume import ReplayedRun, ResumedRun, as_in, as_recorded, find_recorded, last_session, titles_in
from plotbot.run.reuse import ALL
from plotbot.run.servers import Servers
from plotbot.run.session import MainRun
from plotbot.settings import Settings, load_settings
from plotbot.settings.keys import RUN_HELP

if TYPE_CHECKING:
    from plotbot.run.kept_engine import WatchLink

WATCH: pytest.StashKey[WatchLink | None] = pytest.StashKey()
"""The way to the `plotbot watch` that has started this session."""
_LAST_SESSION = "plotbot/last_session"
_AGAIN = ("lf", "failedfirst", "stepwise")
"""pytest's options that select items of the last run, which exist only in the same sample."""


def begin_run(config: pytest.Config, warn: Callable[[str], None]) -> MainRun:
    """The run that settings and options describe. It has asked and written nothing yet.

    Raises `pytest.UsageError` for settings and options that cannot be used.
    """
    try:
        run = _run(config, load_settings(config.rootpath, os.environ, options.command_line(config)), warn)
        run.reuse = _reused(config, run.settings, warn)
        run.arguments = _arguments(config)
    except UsageProblem as problem:
        raise pytest.UsageError(str(problem)) from None
    return run


def link_to_watch(config: pytest.Config) -> None:
    """Find the watch that has started this session, if one has; most sessions load nothing for it."""
    if "_PLOTBOT_WATCH" not in os.environ:
        return
    from plotbot.run.kept_engine import WatchLink  # noqa: PLC0415  see above

    config.stash[WATCH] = WatchLink.taken_from(os.environ)


def _reused(config: pytest.Config, settings: Settings, warn: Callable[[str], None]) -> list[RunFolder]:
    """The runs that `--reuse` names, oldest first. Raises `InputError` for one that is not there."""
    names, here = config.getoption(options.REUSE), config.invocation_params.dir
    if ALL in names:
        return list(list_runs(settings.runs_dir))
    found = {folder.path: folder for folder in (find_run(name, settings, here, warn) for name in names)}
    return sorted(found.values(), key=lambda folder: folder.run_id)


def _run(config: pytest.Config, settings: Settings, warn: Callable[[str], None]) -> MainRun:
    contradiction = options.contradiction(config)
    if contradiction is not None:
        raise UsageProblem(contradiction)
    replay, resume_run = config.getoption(options.REPLAY), config.getoption(options.RESUME_RUN)
    stops_early = bool(config.getoption("maxfail"))
    beside = _beside(config.args)
    like, here = config.getoption(options.LIKE), config.invocation_params.dir
    for option, name in (("--replay", replay), ("--resume-run", resume_run), ("--like", like)):
        if name is not None and not name.strip():
            # An unset variable of a shell.
            raise UsageProblem(f"{option} needs the name of a run, and this one is empty: give {RUN_HELP}")
    if replay is not None or resume_run is not None or config.getoption(options.RESUME):
        recorded = find_recorded(replay or resume_run or LAST, settings, here, warn)
        settings = as_recorded(settings, recorded, may_differ=replay is not None)
        servers = _servers(config, settings, warn, embedded=bool(recorded.header.get("embedded")))
        if replay is not None:
            return ReplayedRun(settings, servers, recorded, warn=warn)
        return ResumedRun(settings, servers, recorded, warn=warn, stops_early=stops_early)
    if like is not None:
        return _like(config, settings, find_recorded(like, settings, here, warn), warn)
    if any(config.getoption(option, default=False) for option in _AGAIN):
        earlier = last_session(settings, _last_session(config), warn)
        if earlier is not None:
            # Its failures are what `--lf` is about, not those that pytest remembers of a model it did not ask.
            settings = as_in(earlier, settings, only_asked=config.getoption("lf", default=False))
            beside = _beside(config.args, titles_in(earlier))
    if config.getoption(options.MISSING) and settings.shard is not None:
        raise UsageProblem(
            f"--missing and SHARD ({settings.origins['SHARD']}) do not go together: each part would draw from what the "
            "others have left. Start one run with --missing, or shards of a run without it."
        )
    missing = _without_answer(settings, warn) if config.getoption(options.MISSING) else None
    servers = _servers(config, settings, warn)
    return MainRun(settings, servers, warn=warn, stops_early=stops_early, missing=missing, beside=beside)


def _arguments(config: pytest.Config) -> list[str]:
    """What pytest was told to run, seen from the project root: files, tests, and the expressions that select."""
    said = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
    selected = [("-k", config.getoption("keyword")), ("-m", config.getoption("markexpr"))]
    return [
        *(_from_root(one, config) for one in said),
        *(part for option, value in selected if value for part in (option, value)),
    ]


def _from_root(argument: str, config: pytest.Config) -> str:
    name, found, test = argument.partition("::")
    path = config.invocation_params.dir / name
    return (
        (path.relative_to(config.rootpath).as_posix() if path.is_relative_to(config.rootpath) else name) + found + test
    )


def _beside(args: Sequence[str], ids: Mapping[str, Collection[str]] | None = None) -> Beside:
    """The titles of the items that the command line names, and those with these *ids*."""
    names = [arg.partition("[")[2].removesuffix("]") for arg in args if "::" in arg and arg.endswith("]")]
    return Beside(ids, names, alone=len(names) == len(args))


def note_session(config: pytest.Config, run_id: str) -> None:
    """Note the run of this session where pytest notes its failures, for `--lf` and its like."""
    if (cache := _cache(config)) is not None:
        cache.set(_LAST_SESSION, run_id)


def _last_session(config: pytest.Config) -> str:
    cache = _cache(config)
    return LAST if cache is None else str(cache.get(_LAST_SESSION, LAST))


def _cache(config: pytest.Config) -> pytest.Cache | None:
    """None under `-p no:cacheprovider`."""
    return getattr(config, "cache", None)


def _like(config: pytest.Config, settings: Settings, recorded: RunOnDisk, warn: Callable[[str], None]) -> MainRun:
    like = like_run(settings, recorded)
    servers = _servers(config, like.settings, warn, embedded=like.embedded)
    stops_early = bool(config.getoption("maxfail"))
    beside = _beside(config.args)
    run = MainRun(like.settings, servers, warn=warn, stops_early=stops_early, beside=beside, samples=like.samples)
    run.like = recorded.folder.run_id
    run.announcements.append(like.told)
    return run


def _servers(
    config: pytest.Config, settings: Settings, warn: Callable[[str], None], *, embedded: bool = False
) -> Servers:
    return Servers(
        settings,
        embedded=embedded or config.getoption(options.EMBEDDED),
        load=config.getoption(options.LOAD),
        pinned=config.getoption(options.PINNED),
        workers=config.getoption("numprocesses", default=0) or 0,
        ask_user=question_at_terminal(config),
        warn=warn,
        watch=config.stash.get(WATCH, None),
    )


def _without_answer(settings: Settings, warn: Callable[[str], None]) -> Missing:
    def missing(titles: Sequence[Title], model: str, question: Question) -> list[Title]:
        disk = Disk()
        # An answer that a killed run has in its journal only is not missing.
        recover_dead_runs(settings, disk, warn)
        answered = answered_titles(settings.generated_dir, titles, model, question.hash, disk=disk)
        return [title for title in titles if title.id not in answered]

    return missing
