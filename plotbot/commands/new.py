"""`plotbot new NAME`: writes an eval of one's own with its prompt, schema and titles."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from plotbot.commands.init import starter_file, write_new
from plotbot.commands.output import say
from plotbot.commands.shared import add_project_argument, project_root
from plotbot.errors import InputError, UsageProblem
from plotbot.safe import one_line, slug

HELP = "write an eval of your own, with a prompt, a schema and three titles"
_FILES = {
    "evals/test___NAME__.py": "new/eval.py.txt",
    "data/__NAME__/prompt.txt": "new/prompt.txt",
    "data/__NAME__/schema.json": "new/schema.json",
    "data/__NAME__/titles.json": "new/titles.json",
}
_PROJECT = ("conftest.py", "pytest.ini", ".gitignore")
"""What makes a folder a project: written where there is none yet."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="its name: lower-case letters, digits and underscores")
    add_project_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the missing files and name the existing ones. Raises `InputError` for a name or file that cannot be."""
    name = _checked(args.name)
    try:
        root, files = project_root(args.rootdir, Path.cwd()), {}
    except UsageProblem:
        root, files = Path.cwd() / (args.rootdir or ""), {file: starter_file(file) for file in _PROJECT}
    files |= {
        path.replace("__NAME__", name): starter_file(source).replace(b"__NAME__", name.encode())
        for path, source in _FILES.items()
    }
    # All before the first line is printed: a reader such as `head` closes the output early.
    written = {path: write_new(root / path, content) for path, content in files.items()}
    for path, is_new in written.items():
        say(f"{'wrote' if is_new else 'there already, left as it is:'} {path}")
    there = "" if root == Path.cwd() else f"cd {root} && "
    say(f"\nEdit the files in data/{name} and the check in evals/test_{name}.py. Load a model in LM Studio, then:")
    say(f"  {there}pytest evals/test_{name}.py")
    say(f"Without LM Studio: pytest evals/test_{name}.py --embedded")
    say(f"What a model would be sent: plotbot prompt evals/test_{name}.py")
    return 0


def _checked(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    better = slug(name).replace("-", "_")
    hint = f", such as {better}" if _NAME.fullmatch(better) else ""
    raise InputError(
        f"{one_line(repr(name), 80)} is no name for an eval: use lower-case letters, digits and underscores{hint}"
    )
