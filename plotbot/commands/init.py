"""`plotbot init DIR`: writes the files that a new project begins with. Existing files stay as they are."""

from __future__ import annotations

import argparse
from pathlib import Path

import plotbot
from plotbot.commands.output import say
from plotbot.errors import InputError

HELP = "write the files that a project of your own begins with"
STARTER_FILES = (
    "conftest.py",
    "pytest.ini",
    ".gitignore",
    "evals/test_story_seeds.py",
    "data/prompt.txt",
    "data/story_seed.schema.json",
    "data/titles_index.json",
    "config/config.json",
    ".github/workflows/evals.yml",
)
_PACKAGE = Path(plotbot.__file__).parent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the project's folder; it is made if need be")


def run(args: argparse.Namespace) -> int:
    """Write the missing files and name the existing ones. Raises `InputError` if a file cannot be written."""
    folder = Path.cwd() / args.folder
    written = [name for name in STARTER_FILES if write_new(folder / name, starter_file(name))]
    for name in STARTER_FILES:
        say(f"{'wrote' if name in written else 'there already, left as it is:'} {name}")
    there = "" if folder == Path.cwd() else f"cd {args.folder}, "
    say(f"\nNow: {there}load a model in LM Studio, then: pytest evals")
    say("Without LM Studio: pytest evals --embedded (needs pip install 'plotbot[embedded]')")
    say("An eval of your own: plotbot new NAME")
    return 0


def starter_file(name: str) -> bytes:
    """The content of a starter file: from the installed package, or from the repository in a checkout.

    Raises `InputError` if neither has it, as in an incomplete checkout.
    """
    for folder in (_PACKAGE / "starter", _PACKAGE.parent):
        if (folder / name).is_file():
            return (folder / name).read_bytes()
    raise InputError(f"{_PACKAGE}: this installation lacks {name}; install plotbot again")


def write_new(path: Path, content: bytes) -> bool:
    """Write a new file; False if it exists already. Raises `InputError` if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        if path.is_file():
            return False
        raise InputError(f"{path}: this is no file, or a file is where its folder should be; choose another") from None
    except OSError as error:
        raise InputError(f"{path}: it cannot be written: {error.strerror or error}; choose another folder") from None
    return True
