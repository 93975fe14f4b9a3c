"""How soon a page is there, and how soon it answers: `python -m benchmarks.page [--quick] [--folder F] [--cases N]`.

Each row is the page of a run in headless Chromium. Runs of up to 10,000 cases are real ones against a mock that spoils
three answers in ten; of larger ones the files are those of a real run, its cases repeated under other ids and
headlines. `made s` is `plotbot report`. `view s` is from the start of loading the file until the first rows are drawn.
`read s` is when the texts of all answers can be searched, while the page can be used. `search ms` is the slowest of
several queries, from the input to the rows laid out. `complaints` are errors on the console, in both widths and colour
schemes, `requests` all that the page asked for besides itself.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chromium import Browser, Page, chromium
from benchmarks.failing import FAILED, rules
from benchmarks.measuring import MODEL, checked, evals, measure, mock, options, project
from benchmarks.size import enlarge
from plotbot.keep.run_folder import RunFolder, last_run

WORDS = (
    "harbor", "clerk", "goose", "ladder", "winter", "mayor", "letter", "apology", "orchestra", "ferry", "lantern",
    "ballot", "widow", "recipe", "archive", "bicycle", "choir", "flood", "island", "kettle", "museum", "parade",
    "quarrel", "ribbon", "sermon", "ticket", "umbrella", "verdict",
)  # fmt: skip
QUERIES = ("harbor", "harbor kettle", "status:failed", "path:tone seconds<1", "-is:split reply:goose", "nothing at all")
COLUMNS = ("cases", "", "MB", "made s", "view s", "read s", "search ms", "complaints", "requests")
WIDTHS, SCHEMES = (1280, 390), ("light", "dark")
LARGEST_REAL, PATTERN = 10_000, 1000
LAST_ID = "99991231-235959-ffffff"
"""The id of an enlarged run: it is the last one of its project."""
FIRST_ROWS = """
(() => {
  const look = () => {
    if (document.querySelector(".m-body .m-row")) requestAnimationFrame(() => { window.seenAt = performance.now(); });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """A run: so many titles, models, repeats, and variants (prompts)."""

    titles: int
    models: int = 1
    repeats: int = 1
    variants: int = 1

    @property
    def cases(self) -> int:
        return self.titles * self.models * self.repeats * self.variants

    def __str__(self) -> str:
        return f"{self.models} x {self.titles:,} x {self.repeats} x {self.variants}"


SHAPES = (Shape(10), Shape(200, 3, 2, 2), Shape(10_000), Shape(100_000))
QUICK_SHAPES = (Shape(5), Shape(3, 2, 2, 2), Shape(60))


def main() -> None:
    parser = options(__doc__, repeat=3)
    parser.add_argument("--cases", type=int, help="only pages of up to so many cases")
    chosen = parser.parse_args()
    program = chromium()
    if program is None:
        sys.exit("no Chromium to drive over a pipe: install chromium")
    real = 40 if chosen.quick else LARGEST_REAL
    print("cases are models x titles x repeats x variants; medians; the search is the slowest of", len(QUERIES))
    print(_row(COLUMNS))
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, Path(profile))
        for shape in QUICK_SHAPES if chosen.quick else SHAPES:
            if chosen.cases and shape.cases > chosen.cases:
                continue
            with _page(shape, real, chosen.folder) as (path, made):
                _show(shape, path, made, browser, 1 if chosen.quick else chosen.repeat)
        browser.close()


@contextmanager
def _page(shape: Shape, real: int, folder: Path | None) -> Iterator[tuple[Path, float]]:
    """The page of such a run, and the seconds that `plotbot report` took for it."""
    pattern = shape if shape.cases <= real else Shape(min(PATTERN, real))
    with project(pattern.titles, folder) as root:
        _write_inputs(root, pattern)
        scenario = root / "scenario.json"
        names = [MODEL, *(f"model-{number}" for number in range(2, pattern.models + 1))]
        scenario.write_text(json.dumps({"models": [{"key": name} for name in names], "rules": rules("027")}), "utf-8")
        with mock(scenario=scenario) as url:
            more = ["--write-strategy=batch", f"--repeats={pattern.repeats}", f"--model={','.join(names)}"]
            checked(measure(evals(*more), root, url), FAILED)
        run = last_run(root / "data" / "runs")
        assert run is not None
        if pattern is not shape:
            larger = RunFolder(run.path.parent / LAST_ID)
            enlarge(run, larger, shape.titles, headline)
        began = time.perf_counter()
        checked(measure([sys.executable, "-m", "plotbot", "report", "last"], root, afresh=False))
        yield root / "reports" / "index.html", time.perf_counter() - began


def _write_inputs(root: Path, shape: Shape) -> None:
    index = {f"t{number:05}": headline(number) for number in range(shape.titles)}
    (root / "data" / "titles_index.json").write_text(json.dumps(index), encoding="utf-8")
    prompts = ["data/prompt.txt", *(f"data/other-{number}.txt" for number in range(1, shape.variants))]
    for path in prompts[1:]:
        (root / path).write_text("Answer in JSON alone.", encoding="utf-8")
    (root / "config").mkdir()
    (root / "config" / "config.json").write_text(json.dumps({"PROMPT_PATH": prompts}), encoding="utf-8")


def headline(number: int) -> str:
    """A headline of its own words; its number ends as the rules of `benchmarks.failing` have it."""
    chance = random.Random(number)
    before, after = ([chance.choice(WORDS) for _ in range(count)] for count in (3, 5))
    return f"{' '.join(before).title()} {number:05}: {' '.join(after)}"


def _show(shape: Shape, path: Path, made: float, browser: Browser, repeat: int) -> None:
    looks = [_look(browser, path, width, scheme) for width in WIDTHS for scheme in SCHEMES]
    looks += [_look(browser, path, WIDTHS[0], SCHEMES[0]) for _ in range(repeat - 1)]
    figures = [sorted(one[place] for one in looks)[len(looks) // 2] for place in range(3)]
    complaints, requests = (max(one[place] for one in looks) for place in (3, 4))
    size = path.stat().st_size / 1e6
    cells = [f"{size:.2f}", f"{made:.1f}", *(f"{one:.2f}" for one in figures[:2]), f"{figures[2]:.0f}"]
    print(_row([f"{shape.cases:,}", shape, *cells, complaints, requests]), flush=True)


def _row(cells: Sequence[object]) -> str:
    return "".join(f"{cell!s:>{20 if number == 1 else 11}}" for number, cell in enumerate(cells))


def _look(browser: Browser, path: Path, width: int, scheme: str) -> Sequence[float]:
    page = browser.open_page()
    page.size(width, 900, scheme)
    page.call("Page.addScriptToEvaluateOnNewDocument", {"source": FIRST_ROWS})
    page.show(path)
    view = page.until("window.seenAt")
    page.run("document.querySelector('#filter-text').value = 'a'")
    page.run("document.querySelector('#filter-text').dispatchEvent(new Event('input'))")
    page.until("!document.querySelector('#shown').textContent.includes('reading')", seconds=120)
    read = page.run("performance.now()")
    slowest = max(_search(page, query) for query in QUERIES)
    found = (view / 1000, read / 1000, slowest, len(page.complaints()), len(page.requests()) - 1)
    page.close()
    return found


def _search(page: Page, query: str) -> float:
    """Milliseconds from what is typed to the rows laid out."""
    script = (
        "(() => { const box = document.querySelector('#filter-text'); box.value = QUERY; const began = "
        "performance.now(); box.dispatchEvent(new Event('input')); void document.body.offsetHeight; "
        "return performance.now() - began; })()"
    )
    return float(page.run(script.replace("QUERY", json.dumps(query))))


if __name__ == "__main__":
    main()
