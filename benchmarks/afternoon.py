"""An afternoon with a prompt: `python -m benchmarks.afternoon [--titles N] [--folder FOLDER] [pytest arguments]`.

`plotbot watch` runs in a terminal of 80 columns, and five prompts are saved one after the other, each when the run
before has ended. It prints what was on the screen, then the seconds from each save to its answer, then what
history.html has. Without arguments for pytest the packaged tiny model is asked; `--embedded-model FILE.gguf` asks a
real one.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from struct import pack
from tempfile import TemporaryDirectory
from termios import TIOCSWINSZ

from plotbot.testing import make_project

ROOT = Path(__file__).parents[1]
COLUMNS, LINES = 80, 24
WAITS = "Waiting for a save"
FIRST = (ROOT / "data" / "prompt.txt").read_text(encoding="utf-8")
PROMPTS = (
    "Write a story.\n",
    "Write a story seed as JSON.\n",
    FIRST + "Never say more than you must.\n",
    FIRST.replace("odd news headlines", "headlines"),
    FIRST,
)
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the screen showed after a save, and how many seconds later the watch waited again."""

    text: str
    seconds: float

    @property
    def verdict(self) -> str:
        """The sentence that says whether it is better."""
        found = re.search(r"^since .*?(?=\n===|$(?!\n))", self.text, re.MULTILINE | re.DOTALL)
        return " ".join(found[0].split()) if found else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--titles", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where the project is made and kept; otherwise it is removed")
    given, asked = parser.parse_known_args()
    with TemporaryDirectory() as place:
        project = make_project(given.folder or Path(place), titles=_headlines(given.titles))
        answers = _afternoon(project, [f"--test-sample-size={given.titles}", *(asked or ["--embedded"])])
        for answer in answers:
            print(answer.text)
        for number, answer in enumerate(answers):
            print(f"prompt {number}: {answer.seconds:6.1f} s  {answer.verdict}")
        _show_history(project)


def _afternoon(project: Path, asked: Sequence[str]) -> list[Answer]:
    screen, process = _start(project, asked)
    answers = [_until_it_waits(screen)]
    for prompt in PROMPTS:
        (project / "data" / "prompt.txt").write_text(prompt, encoding="utf-8")
        answers.append(_until_it_waits(screen))
    os.write(screen, b"q")
    process.wait()
    return answers


def _start(project: Path, asked: Sequence[str]) -> tuple[int, subprocess.Popen[bytes]]:
    screen, terminal = pty.openpty()
    ioctl(terminal, TIOCSWINSZ, pack("HHHH", LINES, COLUMNS, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "plotbot", "watch", "evals", "--sample-seed=1", *asked],
        cwd=project,
        env={**environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    return screen, process


def _until_it_waits(screen: int) -> Answer:
    began, text = time.monotonic(), ""
    while WAITS not in text:
        text += os.read(screen, 65_536).decode("utf-8", "replace")
    return Answer(_as_seen(text), time.monotonic() - began)


def _as_seen(text: str) -> str:
    """The lines as they stand when all is written: without colours, and of a line that is overwritten the last."""
    lines = _CONTROLS.sub("", text.replace("\r\n", "\n")).split("\n")
    return "\n".join(line.rpartition("\r")[2] for line in lines)


def _headlines(count: int) -> list[str]:
    index = json.loads((ROOT / "data" / "titles_index.json").read_text(encoding="utf-8"))
    return [entry["title"] for entry in index.values()][:count]


def _show_history(project: Path) -> None:
    page = (project / "reports" / "history.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="index">(.*?)</script>', page, re.DOTALL)
    assert found is not None, "history.html has its runs as JSON"
    index = json.loads(found[1])
    runs = index["runs"]
    for series in index["series"]:
        for point in series["points"]:
            print(series["label"], point["shown"], ", ".join(point["changes"]), runs[point["run"]]["note"] or "")
    print(f"{project / 'reports' / 'history.html'}: {len(page):,} bytes")


if __name__ == "__main__":
    main()
