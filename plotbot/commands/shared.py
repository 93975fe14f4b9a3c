"""What subcommands share: the project, its settings and evals, the runs that arguments name, complaints on stderr."""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from plotbot.commands.output import complain
from plotbot.errors import InputError, UsageProblem
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_finding import find_run
from plotbot.keep.run_folder import RunFolder, list_runs
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.measure.verdict_sheet import VerdictSheet, verdict_sheet
from plotbot.run.baseline import read_baseline
from plotbot.run.eval_files import EvalFiles
from plotbot.run.recovery import Recovered
from plotbot.safe import visible
from plotbot.settings import Settings, load_settings
from plotbot.settings.keys import KEYS, RUN_HELP, TOKEN_OPTION, TOKEN_OPTION_ARGUMENTS, given_options

if TYPE_CHECKING:
    import pytest

RUN_OR_BASELINE = f"{RUN_HELP}, or a baseline file"
FOLDING_SETTINGS = (
    "GENERATED_DIR", "RUNS_DIR", "FILE_LOCK_TIMEOUT", "FILE_LOCK_POLL_INTERVAL", "FILE_LOCK_STALE_SECONDS",
)  # fmt: skip
"""The settings that decide how answers get from a run into title files."""
EVALS = "evals"
"""The folder of a project's evals."""
_MARK = "pytest.ini"


def add_project_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--rootdir` alone, for a command that reads what runs have left."""
    parser.add_argument("--rootdir", metavar="DIR", help=f"the project; default: the nearest folder with a {_MARK}")


class _UnusedSetting(argparse.Action):
    """Refuses a setting that the command would ignore: an ignored `--model` exports every model's answers."""

    def __call__(
        self, parser: argparse.ArgumentParser, _namespace: object, _values: object, option_string: str | None = None
    ) -> None:
        raise UsageProblem(f"{parser.prog} does not use {option_string}; see {parser.prog} --help for what it takes")


def add_settings_arguments(
    parser: argparse.ArgumentParser, names: Collection[str], own_options: Collection[str] = ()
) -> None:
    """Add `--rootdir` and an option for each of the settings *names*; the other settings are refused by name.

    *own_options* are options of the command that share their name with a setting's.
    """
    add_project_argument(parser)
    group = parser.add_argument_group("settings", "as for pytest")
    for key in KEYS:
        if key.name in names:
            group.add_argument(key.option, **key.option_arguments())
        elif key.option not in own_options:
            group.add_argument(
                key.option, action=_UnusedSetting, dest=f"unused_{key.field}", nargs="?", help=argparse.SUPPRESS
            )
    group.add_argument(TOKEN_OPTION, **TOKEN_OPTION_ARGUMENTS)


def add_run_arguments(parser: argparse.ArgumentParser, otherwise: str, names: Collection[str]) -> None:
    """Add any number of RUN arguments and the settings *names*; *otherwise* tells the runs that no argument means."""
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"{RUN_HELP}; default: {otherwise}")
    add_settings_arguments(parser, names)


def project_settings(args: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the project that *args* choose, by the same rules as under pytest. Raises `UsageProblem`."""
    given = given_options(lambda destination: getattr(args, destination, None))
    return load_settings(project_root(args.rootdir, Path.cwd()), environ, given)


def project_root(rootdir: str | None, here: Path) -> Path:
    """The folder of pytest.ini: the one that was named, else the nearest at or above *here*. Raises `UsageProblem`."""
    candidates = [here, *here.parents] if rootdir is None else [here / rootdir]
    for folder in candidates:
        if (folder / _MARK).is_file():
            return folder
    raise UsageProblem(f"no {_MARK} in {candidates[0]}: go to the project's folder, or name it with --rootdir DIR")


def chosen_runs(settings: Settings, names: Sequence[str]) -> tuple[RunFolder, ...]:
    """The named runs; without names all runs of the project, oldest first. Raises `InputError` for an unknown name."""
    return tuple(find_run(name, settings, Path.cwd(), complain) for name in names) or list_runs(settings.runs_dir)


def readable(folders: Sequence[RunFolder], disk: Disk, unreadable: list[str]) -> Iterator[RunOnDisk]:
    """Read runs back, one at a time. The reason why one cannot be read goes to stderr and into *unreadable*."""
    for folder in folders:
        try:
            yield read_run(folder, disk)
        except InputError as error:
            unreadable.append(str(error))
            complain(str(error))


def find_sheet(name: str, settings: Settings, here: Path) -> VerdictSheet:
    """The verdicts of the run, or of the baseline file, that *name* means. Raises `InputError` if there is none.

    A relative path is looked for in *here* and then in the project root.
    """
    for path in (here / name, settings.root / name):
        # A note may be longer than a file name can be.
        with suppress(OSError):
            if path.is_file():
                return read_baseline(path).sheet
    try:
        folder = find_run(name, settings, here, complain)
    except InputError as error:
        if Path(name).suffix or len(Path(name).parts) > 1:
            raise InputError(f"{visible(name)}: no such file or folder; {error}; give {RUN_OR_BASELINE}") from None
        raise
    return sheet_of_run(folder)


def sheet_of_run(folder: RunFolder) -> VerdictSheet:
    """The verdicts of the run in a folder. Raises `InputError` if it cannot be read."""
    run = read_run(folder, Disk())
    return verdict_sheet(run.records(), run.questions)


def evals_of(target: str | None, settings: Settings) -> Sequence[EvalFiles]:
    """The files of the evals that pytest finds. It is told a model, so that it asks no server for one.

    *target* is an eval as pytest names it; None means all of the project. Raises `InputError` where there is none.
    """
    import pytest  # noqa: PLC0415  the commands that collect nothing need not wait for it

    found: dict[str, pytest.Mark | None] = {}
    said = io.StringIO()
    where = str(settings.root / EVALS) if target is None else _absolute(target)
    arguments = [
        f"--rootdir={settings.root}", f"--confcutdir={settings.root}", "-c", str(settings.root / "pytest.ini"),
        "--collect-only", "-q", "-p", "no:cacheprovider", "--model=preview", "--test-sample-size=1", where,
    ]  # fmt: skip
    with redirect_stdout(said), redirect_stderr(said):
        status = pytest.main(arguments, plugins=[_collector(found)])
    if not found:
        reason = said.getvalue().strip() if status not in {0, 5} else "there is no test that asks for `reply` in it"
        raise InputError(f"{where}: {reason}")
    return [
        EvalFiles.of_marker(*(((), {}) if marker is None else (marker.args, marker.kwargs)), settings, name)
        for name, marker in found.items()
    ]


def _collector(found: dict[str, pytest.Mark | None]) -> object:
    """A plugin that takes note of the evals and their markers before the run's own, which may refuse them."""
    import pytest  # noqa: PLC0415  as above

    class Collector:
        @pytest.hookimpl(tryfirst=True)
        def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
            if "reply" in metafunc.fixturenames:
                found[metafunc.definition.nodeid] = metafunc.definition.get_closest_marker("eval")

    return Collector()


def _absolute(target: str) -> str:
    path, found, test = target.partition("::")
    return f"{Path.cwd() / path}{found}{test}"


def complain_of_damage(run: RunOnDisk) -> None:
    """Name the lines of a run's journal that could not be used."""
    for damaged in run.damaged:
        complain(f"{run.folder.journal}: line {damaged.line_number}: {damaged.reason}")


def complain_of_folding(run_id: str, outcome: Recovered) -> None:
    """Name the title files that were damaged, and the answers that are in none."""
    for moved in outcome.damaged:
        complain(f"{moved.path} was damaged ({moved.reason}) and is now {moved.moved_to.name}")
    for case, reason in outcome.unfolded.items():
        complain(f"{run_id}: case {case} stays in the journal: {reason}")
