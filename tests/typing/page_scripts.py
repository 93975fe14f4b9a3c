"""Type-checks the scripts of the pages with TypeScript, each page's as the one program that its browser runs.

Their types are JSDoc comments, and those of `plotbot/report/page/types.d.ts`, against which the data that Python writes
are held, too. TypeScript's version and options are beside this file. From the project's folder:

    python -m tests.typing.page_scripts [FOLDER]

FOLDER is kept, and makes the next time quicker. Where npm is missing, it says so and ends with 0.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from plotbot.report.page import document, history, labels
from plotbot.report.page.sealed import script_of
from tests.typing.page_data import typed_data

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCRIPTS = ROOT / "plotbot" / "report" / "page"
PAGES = {"index": document.SCRIPTS, "history": history.SCRIPTS, "label": labels.SCRIPTS}
_UNUSED = "TS6133"


def check(folder: Path) -> int:
    """The number of faults that TypeScript finds; each is printed with its place in the source."""
    for path in [*HERE.glob("*.json"), SCRIPTS / "types.d.ts"]:
        shutil.copy(path, folder)
    for page, names in PAGES.items():
        (folder / f"{page}.js").write_text(script_of(names), encoding="utf-8")
    with tempfile.TemporaryDirectory() as project:
        (folder / "data.ts").write_text(typed_data(Path(project)), encoding="utf-8")
    _run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], folder).check_returncode()
    done = _run(["node", "node_modules/typescript/bin/tsc", "--pretty", "false"], folder)
    if done.returncode and not done.stdout:
        sys.exit("TypeScript told nothing and failed")
    told = Counter(_in_source(line) for line in done.stdout.splitlines())
    # A page need not use all of a script, but one must.
    faults = [line for line, pages in told.items() if _UNUSED not in line or pages == _pages_of(line)]
    scripts = len(set().union(*PAGES.values()))
    _say(*faults or [f"{scripts} scripts of {len(PAGES)} pages, and the pages' data, fit their types"])
    return len(faults)


def _pages_of(line: str) -> int:
    script = Path(line.partition(".js:")[0]).name
    return sum(script in names for names in PAGES.values())


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which(command[0]) or command[0]
    return subprocess.run([program, *command[1:]], cwd=folder, stdout=subprocess.PIPE, text=True, check=False)


def _in_source(line: str) -> str:
    """A message of TypeScript with the file and line of the source in the place of those of the page's program."""
    match = re.match(r"(\w+)\.js\((\d+),(\d+)\)", line)
    if match is None:
        return line
    page, at = match[1], int(match[2]) - script_of([]).splitlines().index("")
    for name in PAGES[page]:
        length = (SCRIPTS / f"{name}.js").read_text(encoding="utf-8").count("\n") + 1
        if at <= length:
            return f"{(SCRIPTS / name).relative_to(ROOT)}.js:{at}:{match[3]}{line[match.end() :]}"
        at -= length
    return line


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def main(arguments: Sequence[str]) -> int:
    unchecked = {path.stem for path in SCRIPTS.glob("*.js")} - set().union(*PAGES.values())
    if unchecked:
        _say(f"no page has these scripts: {', '.join(sorted(unchecked))}")
        return 1
    if shutil.which("npm") is None:
        _say("skipped: the scripts of the pages are not type-checked, because there is no npm")
        return 0
    if not arguments:
        with tempfile.TemporaryDirectory() as temporary:
            return main([temporary])
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    return bool(check(folder))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
