"""What breaks first as a run grows: `python -m benchmarks.size [--quick] [--sizes N N …] [--folder F]`.

Each row is a run of so many cases. Collecting is a `--collect-only` run of its own. The run's files are those of a
small real run, its lines repeated under other ids; reading them back is `read_run`, the reports are `plotbot report`.
A title file is one more in a folder that has so many already. Peak memory is that of the process that does it. The
last rows are no measurements: they go on in a straight line from the last two, but for the page, which has a limit.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import Run, Servers, checked, evals, measure, options, project
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.journal_reading import read_journal
from plotbot.keep.locks import LOCKS_FOLDER, TitleLocks
from plotbot.keep.run_folder import RunFolder, last_run
from plotbot.keep.run_reading import read_run
from plotbot.keep.title_files import fold
from plotbot.records import Answer, Title

SIZES, QUICK_SIZES = (1000, 10_000, 50_000), (40, 80)
LARGER = (100_000, 1_000_000)
PATTERN, QUICK_PATTERN, SLOTS = 1000, 40, 4
FOLDED = 200
COLUMNS = (
    "cases", "collect s", "MB", "plan MB", "journal MB", "read s", "report s", "MB", "page MB", "title file ms"
)  # fmt: skip
PAGE = COLUMNS.index("page MB")
Row = tuple[float, ...]


def main() -> None:
    parser = options(__doc__, repeat=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    chosen = parser.parse_args()
    sizes = QUICK_SIZES if chosen.quick else tuple(chosen.sizes)
    pattern = QUICK_PATTERN if chosen.quick else PATTERN
    print("".join(f"{column:>14}" for column in COLUMNS))
    rows: list[Row] = []
    with project(pattern, chosen.folder) as small:
        folder = _real_run(small)
        for size in sizes:
            with project(size, chosen.folder) as root:
                rows.append((size, *_row(root, folder, size)))
                _show(rows[-1])
    for size in (larger for larger in LARGER if larger > sizes[-1]):
        _show(_straight_on(rows[-2], rows[-1], size))


def _real_run(root: Path) -> RunFolder:
    servers = Servers(1, SLOTS, 0.0)
    checked(measure(evals("--write-strategy=batch"), root, *servers.urls))
    servers.end()
    folder = last_run(root / "data" / "runs")
    assert folder is not None
    return folder


def _row(root: Path, pattern: RunFolder, size: int) -> Row:
    collected = checked(measure(evals("--collect-only"), root))
    run = RunFolder(root / "data" / "runs" / pattern.run_id)
    enlarge(pattern, run, size)
    began = time.perf_counter()
    read_run(run, Disk())
    reading = time.perf_counter() - began
    reported = _report(root)
    page = root / "reports" / "index.html"
    return (
        collected.wall,
        collected.peak / 1e6,
        run.plan.stat().st_size / 1e6,
        run.journal.stat().st_size / 1e6,
        reading,
        reported.wall,
        reported.peak / 1e6,
        page.stat().st_size / 1e6,
        _title_file_ms(root / "data" / "generated_data", size),
    )


def _report(root: Path) -> Run:
    return checked(measure([sys.executable, "-m", "plotbot", "report"], root, afresh=False))


def enlarge(pattern: RunFolder, run: RunFolder, size: int, headline: Callable[[int], str] | None = None) -> None:
    """Write a run's files once more, with so many cases: each copy of a case has its own id, title id and item.

    *headline* gives the text of a case's title by the case's number; without it copies have their pattern's.
    """
    disk = Disk()
    plan = pattern.read_json(pattern.plan, disk)
    copies = range(-(-size // len(plan["cases"])))
    cases = [_case(case, copy) for copy in copies for case in plan["cases"]][:size]
    if headline is not None:
        for number, case in enumerate(cases):
            case["title"]["text"] = headline(number)
    items = [[_id(item, copy), _id(case, copy)] for copy in copies for item, case in plan["items"]][:size]
    run.create({**plan, "cases": cases, "items": items}, disk)
    wanted = {case["id"] for case in cases}
    lines = [line for line in read_journal(pattern.journal).lines if line.kind in {"exchange", "verdict"}]
    journal = Journal.open(run.journal, disk)
    for copy in copies:
        for line in lines:
            if _id(line.data["case"], copy) in wanted:
                journal.append(line.kind, _line(line.data, copy), durable=False)
    journal.close()


def _case(case: dict[str, Any], copy: int) -> dict[str, Any]:
    title = {**case["title"], "id": _id(case["title"]["id"], copy)}
    return {**case, "id": _id(case["id"], copy), "slug": _id(case["slug"], copy), "title": title}


def _line(data: Any, copy: int) -> dict[str, Any]:
    return {**data, **{key: _id(data[key], copy) for key in ("case", "item") if key in data}}


def _id(text: str, copy: int) -> str:
    return f"{text}-{copy}"


def _title_file_ms(folder: Path, there: int) -> float:
    """Milliseconds for each of a batch of new title files, in a folder that has so many."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(there):
        (folder / f"there-{number}.json").touch()
    disk = Disk()
    locks = TitleLocks(folder / LOCKS_FOLDER, disk)
    answers = [_answer(number) for number in range(FOLDED)]
    began = time.perf_counter()
    outcome = fold(answers, folder, locks=locks, disk=disk)
    seconds = time.perf_counter() - began
    assert outcome.files_written == FOLDED
    return seconds * 1000 / FOLDED


def _answer(number: int) -> Answer:
    meta = {"run": "r", "case": f"c{number}", "at": "2026-11-22T12:00:00Z"}
    response = [{"core_event": "x" * 1000}]
    return Answer(Title(f"new-{number}", "A headline"), "model", "9f2c41d0ab37", response, meta)


def _straight_on(before: Row, last: Row, size: int) -> Row:
    ahead = (size - last[0]) / (last[0] - before[0])
    figures = [max(end + (end - start) * ahead, 0.0) for start, end in zip(before, last, strict=True)]
    figures[PAGE] = math.nan
    return (size, *figures[1:])


def _show(row: Sequence[float]) -> None:
    figures = ("-" if math.isnan(figure) else f"{figure:.2f}" for figure in row[1:])
    print(f"{row[0]:14.0f}" + "".join(f"{figure:>14}" for figure in figures), flush=True)


if __name__ == "__main__":
    main()
