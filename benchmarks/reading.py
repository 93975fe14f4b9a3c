"""How many files of plotbot one more title enters: `python -m benchmarks.reading [--list]`.

What a reader has to open to follow a title from the plan to the reports. Counted are the files with a function that a
run of 21 titles calls at least 15 times more often than a run of one, in one process with immediate writes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benchmarks.measuring import REPOSITORY, environment, mock, options, project

FEW, MANY = 1, 21
_EVERY_TITLE = 15
_TRACED = """
import collections, json, sys, threading
calls = collections.Counter()
package = sys.argv[1] + "/plotbot/"
def count(frame, event, _argument):
    code = frame.f_code
    if event == "call" and code.co_filename.startswith(package) and code.co_name != "<module>":
        calls[code.co_filename[len(package):] + " " + code.co_qualname] += 1
threading.setprofile(count)
sys.setprofile(count)
import pytest
status = pytest.main(sys.argv[3:])
sys.setprofile(None)
threading.setprofile(None)
json.dump(calls, open(sys.argv[2], "w"))
sys.exit(status)
"""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--list", action="store_true", help="name the files")
    chosen = parser.parse_args()
    few, many = (_calls(chosen.folder, titles) for titles in (FEW, MANY))
    files = sorted({name.split()[0] for name, calls in many.items() if calls - few[name] >= _EVERY_TITLE})
    print(f"{len(files)} files of plotbot are entered by one more title")
    if chosen.list:
        print("\n".join(files))


def _calls(folder: Path | None, titles: int) -> Counter[str]:
    with project(MANY, folder) as root, mock() as url:
        counted = root / "calls.json"
        command = [sys.executable, "-c", _TRACED, str(REPOSITORY), str(counted), "evals", "-q"]
        subprocess.run(
            [*command, "--test-sample-size", str(titles), "--sample-seed", "7"],
            cwd=root,
            env=environment([url]),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return Counter(json.loads(counted.read_bytes()))


if __name__ == "__main__":
    main()
