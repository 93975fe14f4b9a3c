"""What SIGKILL costs: `python -m benchmarks.kills [--trials N] [--jobs N]` kills real runs and counts what is lost.

Each trial is a run of `pytest evals -n 4` over 40 titles against a stand-in server in a process of its own. At a random
moment one worker, or the whole process group, is killed. Then comes the next start: `plotbot fold`, `pytest evals
--resume`, or a new run of a single title, in turn. Every case that the terminal had shown as passed before the kill
must be on disk, every file must parse, and `plotbot verify` must prove it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from plotbot.keep.journal_reading import read_journal

REPOSITORY = Path(__file__).parents[1]
CASES = 40
LATENCY_SECONDS = 0.005
BATCHES = tuple((size, seconds) for size in (1, 10, 1000) for seconds in (0.1, 3600.0))
WORKER, GROUP = "one worker of four", "the whole process group"
VICTIMS = (WORKER, GROUP)
_FOLD, _RESUME, _ANEW = "plotbot fold", "pytest evals --resume", "a new run of one title"
_STARTS = (_FOLD, _RESUME, _ANEW)
_PASSED = re.compile(rb"PASSED evals/\S+\[\S+-(t\d\d)-r1\] *\n")
# Tells the trial which process is which worker.
_CONFTEST = """\
import os
from pathlib import Path

worker = os.environ.get("PYTEST_XDIST_WORKER")
if worker:
    Path(f"{worker}.pid").write_text(str(os.getpid()))
"""
_PATIENCE_SECONDS = 120.0
_KEPT_OUT = ("PYTEST_", "PLOTBOT_")


@dataclass(frozen=True, slots=True)
class Trial:
    """Who is killed, in a run with which batches; *number* decides the moment and the next start."""

    victim: str
    batch: tuple[int, float]
    number: int

    @property
    def next_start(self) -> str:
        return _STARTS[self.number % len(_STARTS)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many cases were shown as passed before the kill, and what was wrong afterwards; nothing where empty."""

    trial: Trial
    shown: int
    faults: tuple[str, ...]


def trials(victim: str, count: int) -> list[Trial]:
    """*count* trials that go through the batches and the next starts; in 18 of them each meets each."""
    return [Trial(victim, BATCHES[(number + number // 6) % len(BATCHES)], number) for number in range(count)]


def make_project(folder: Path) -> Path:
    """This repository's eval, prompt and schema, and 40 titles."""
    for name in (
        "conftest.py", "pytest.ini", "evals/test_story_seeds.py", "data/prompt.txt", "data/story_seed.schema.json"
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, folder / name)
    (folder / "evals" / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    titles = {f"t{number:02}": f"Headline {number:02}: a goose is elected" for number in range(CASES)}
    (folder / "data" / "titles_index.json").write_text(json.dumps(titles), encoding="utf-8")
    return folder


@contextmanager
def mock_server() -> Iterator[str]:
    """The URL of a stand-in server in a process of its own."""
    command = [sys.executable, "-m", "plotbot", "mock", "--port", "0", "--latency", str(LATENCY_SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, env=_environ()) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


def run_trial(trial: Trial, project: Path, url: str) -> Outcome:
    """Run, kill, start again, and look at what is on the disk in *project*."""
    make_project(project)
    output = project / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            _evals(trial, url), cwd=project, env=_environ(), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for_the_moment(trial, process, output)
        _kill(trial, process, project)
        process.wait(_PATIENCE_SECONDS)
    finally:
        _end_group(process)
    shown = set(_PASSED.findall(output.read_bytes()))
    faults = [] if shown else [f"nothing had been shown: {output.read_text(errors='replace')[-2000:]}"]
    faults += _next_start(trial, project, url)
    faults += _damage(project)
    missing = {name.decode() for name in shown} - _on_disk(project)
    faults += [f"shown as passed and not on disk: {', '.join(sorted(missing))}"] if missing else []
    return Outcome(trial, len(shown), tuple(faults))


def _evals(trial: Trial, url: str) -> list[str]:
    size, seconds = trial.batch
    return [
        *(sys.executable, "-m", "pytest", "evals", "-n", "4", "-v", "-p", "no:cacheprovider"),
        *("--lm-studio-url", url, "--confirm", "skip", "--test-sample-size", "0", "--sample-seed", "1"),
        *("--write-strategy", "batch", "--write-batch-size", str(size), "--write-batch-seconds", str(seconds)),
    ]


def _wait_for_the_moment(trial: Trial, process: subprocess.Popen[bytes], output: Path) -> None:
    """Until a random number of cases has been shown, and then some milliseconds more."""
    dice = random.Random(f"{trial.victim} {trial.number}")
    cases, more = dice.randrange(1, CASES), dice.random() * 0.01
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while len(_PASSED.findall(output.read_bytes())) < cases and process.poll() is None:
        if time.monotonic() > give_up:
            raise TimeoutError(f"{output}: the run does not get on")
        time.sleep(0.001)
    time.sleep(more)


def _kill(trial: Trial, process: subprocess.Popen[bytes], project: Path) -> None:
    if process.poll() is not None:
        return
    if trial.victim == GROUP:
        os.killpg(process.pid, signal.SIGKILL)
        return
    try:
        os.kill(int((project / f"gw{trial.number % 4}.pid").read_text()), signal.SIGKILL)
    except ProcessLookupError:
        # The run was over a moment earlier: then there is nobody left to kill.
        return


def _end_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _next_start(trial: Trial, project: Path, url: str) -> list[str]:
    verify = ("plotbot", "verify")
    if trial.next_start == _FOLD:
        return [*_command(project, "plotbot", "fold"), *_command(project, *verify)]
    evals = ("pytest", "evals", "-q", "--lm-studio-url", url, "--confirm", "skip")
    if trial.next_start == _ANEW:
        return [*_command(project, *evals, "--test-sample-size", "1"), *_command(project, *verify)]
    faults = [*_command(project, *evals, "--resume"), *_asked_twice(project), *_command(project, *verify)]
    left = CASES - len(_on_disk(project))
    return [*faults, f"{left} of {CASES} not on disk after --resume"] if left else faults


def _command(project: Path, module: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=project, env=_environ(), stdin=subprocess.DEVNULL,
        capture_output=True, timeout=_PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return []
    said = (done.stdout + done.stderr).decode(errors="replace")[-2000:]
    return [f"{module} {arguments[0]} ended with {done.returncode}: {said}"]


def _asked_twice(project: Path) -> list[str]:
    """Cases with two replies on record: somebody has paid twice. What was in flight at the kill has none."""
    journals = (project / "data" / "runs").glob("*/journal.jsonl")
    lines = (line for journal in journals for line in read_journal(journal).lines)
    records = (line.data for line in lines if line.kind == "exchange")
    asked = Counter(str(record["case"]) for record in records if record["reply"] is not None)
    return [f"asked {count} times: case {case}" for case, count in asked.items() if count > 1]


def _damage(project: Path) -> list[str]:
    """Files that are not whole. A journal's last line may be cut; `plotbot verify` looks into those."""
    faults = []
    for path in (project / "data").rglob("*"):
        if ".damaged-" in path.name:
            faults.append(f"{path.name} was moved aside as damaged")
        if path.suffix == ".json":
            try:
                json.loads(path.read_bytes())
            except ValueError as error:
                faults.append(f"{path.name} does not parse: {error}")
    return faults


def _on_disk(project: Path) -> set[str]:
    return {path.stem for path in (project / "data" / "generated_data").glob("*.json")}


def _environ() -> dict[str, str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_OUT)}
    return {**outside, "PYTHONPATH": str(REPOSITORY)}


def run_all(wanted: Sequence[Trial], folder: Path, jobs: int) -> list[Outcome]:
    """Run the trials, *jobs* at a time, each in a folder of its own below *folder*."""
    with mock_server() as url, ThreadPoolExecutor(jobs) as pool:
        projects = (folder / str(number) for number in range(len(wanted)))
        return list(pool.map(lambda trial, project: run_trial(trial, project, url), wanted, projects))


def main() -> None:
    options = _options()
    wanted = [trial for victim in VICTIMS for trial in trials(victim, options.trials)]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        outcomes = run_all(wanted, Path(name), options.jobs)
    for outcome in outcomes:
        for fault in outcome.faults:
            print(f"{outcome.trial}: {fault}")
    _show(outcomes)
    sys.exit(any(outcome.faults for outcome in outcomes))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100, help="kills of each kind")
    parser.add_argument("--jobs", type=int, default=1, help="trials at a time")
    parser.add_argument("--folder", type=Path, help="where to run: the disk that is put to the test")
    return parser.parse_args()


def _show(outcomes: Sequence[Outcome]) -> None:
    print(f"\n{'killed':<24} {'batch':>16} {'trials':>6} {'shown':>6} {'bad trials':>10}")
    for victim in VICTIMS:
        for batch in BATCHES:
            some = [one for one in outcomes if (one.trial.victim, one.trial.batch) == (victim, batch)]
            bad = sum(bool(one.faults) for one in some)
            size, seconds = batch
            words = f"{size} or {seconds:g} s"
            print(f"{victim:<24} {words:>16} {len(some):>6} {sum(one.shown for one in some):>6} {bad:>10}")


if __name__ == "__main__":
    main()
