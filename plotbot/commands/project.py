"""Which project a command works on, and with which settings: the same rules as under pytest."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from plotbot.errors import UsageProblem
from plotbot.settings import Settings, load_settings
from plotbot.settings.keys import KEYS, TOKEN_OPTION, TOKEN_OPTION_ARGUMENTS, given_options

_MARK = "pytest.ini"


def add_project_argument(parser: argparse.ArgumentParser) -> None:
    """`--rootdir` alone, for a command that reads what runs have left."""
    parser.add_argument("--rootdir", metavar="DIR", help=f"the project; default: the nearest folder with a {_MARK}")


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """`--rootdir` and an option for every setting."""
    add_project_argument(parser)
    group = parser.add_argument_group("settings", "as for pytest")
    for key in KEYS:
        group.add_argument(key.option, **key.option_arguments())
    group.add_argument(TOKEN_OPTION, **TOKEN_OPTION_ARGUMENTS)


def project_settings(args: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the project that *args* choose; raises UsageProblem."""
    given = given_options(lambda destination: getattr(args, destination, None))
    return load_settings(project_root(args.rootdir, Path.cwd()), environ, given)


def project_root(rootdir: str | None, here: Path) -> Path:
    """The folder of pytest.ini: the one that was named, else the nearest at or above *here*."""
    candidates = [here, *here.parents] if rootdir is None else [here / rootdir]
    for folder in candidates:
        if (folder / _MARK).is_file():
            return folder
    raise UsageProblem(f"no {_MARK} in {candidates[0]}: go to the project's folder, or name it with --rootdir DIR")
