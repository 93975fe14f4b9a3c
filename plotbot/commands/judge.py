"""`plotbot judge RUN`: have another model judge the answers of a run, and add what it says to the run's report.

The judge's evals are pytest's, in evals/judging: they are run in a process of its own, and their run can be resumed and
replayed like any other. A judge's own failures do not count against the answers that it judges.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from plotbot.commands.init import starter_file, write_new
from plotbot.commands.output import complain, say
from plotbot.commands.shared import add_settings_arguments, complain_of_damage, project_settings
from plotbot.errors import ExitStatus, InputError, UsageProblem
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_finding import find_run
from plotbot.keep.run_folder import RunFolder, list_runs
from plotbot.keep.run_reading import read_run
from plotbot.measure.judged import ABOUT, QUALITY, Judgements
from plotbot.measure.judging import JudgedGate
from plotbot.plan.criteria import Criterion, read_criteria
from plotbot.report.judged import judged_lines
from plotbot.run.answers import answer_titles
from plotbot.run.artifacts import measure_recorded, short_path, write_artifacts
from plotbot.run.judged import judge_runs, judgements_of, read_judgements, unjudged, with_labels, write_judgements
from plotbot.run.labels import read_labels
from plotbot.run.resume_command import JUDGING, resume_command
from plotbot.safe import one_line, plural
from plotbot.settings import Settings
from plotbot.settings.keys import BY_NAME, RUN_HELP, given_options
from plotbot.settings.values import nearest

HELP = "have another model judge the answers of a run"
CRITERIA = "data/criteria.json"
FILES = (
    "evals/conftest.py",
    f"{JUDGING}/test_about_headline.py",
    f"{JUDGING}/test_quality.py",
    CRITERIA,
    "data/judging/prompt.txt",
    "data/judging/choice.schema.json",
    "data/judging/choice.template.txt",
    "data/judging/pair.schema.json",
    "data/judging/pair.template.txt",
    "data/judging/quality.template.txt",
)
"""What a judge asks with. A project gets the files that it has not when it first judges, and may change them."""
# A judge is asked alike whatever the project asks its subjects with; what is given on the command line comes after.
_AS_A_JUDGE: Mapping[str, str] = {
    "TEMPERATURE": "0",
    "RESPONSE_FORMAT": "json_schema",
    "TEST_SAMPLE_SIZE": "0",
    "REPEATS": "2",
    "TOLERATE": "",
    "MIN_PASS_RATE": "",
    "GATE": "point",
    "SHARD": "",
    "REASONING_EFFORT": "",
}
_PASSED_ON = (
    "MODEL", "TEST_SAMPLE_SIZE", "SAMPLE_SEED", "REPEATS", "RESPONSE_FORMAT", "MAX_TOKENS", "REASONING_EFFORT",
    "REQUEST_TIMEOUT", "LOAD_TIMEOUT", "MAX_IN_FLIGHT", "CONTEXT_LENGTH", "CONFIRM", "EMBEDDED_MODEL",
    "EMBEDDED_SLOTS", "EMBEDDED_THREADS", "EMBEDDED_GPU_LAYERS",
)  # fmt: skip
_JUDGED = frozenset({ExitStatus.OK, ExitStatus.FAILURES, ExitStatus.INCOMPLETE})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    parser.add_argument(
        "--judge-url", metavar="URL", help="the judge's server (default: LM_STUDIO_URL); one that has other models"
    )
    parser.add_argument("--embedded", action="store_true", help="the judge is the small model that comes with plotbot")
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="labels of people, from `plotbot label`, which correct the judge"
    )
    parser.add_argument(
        "--min-judged",
        action="append",
        metavar="NAME=RATE",
        help="a gate on a judged rate: about=0.9, quality.hook=0.7; may be repeated, or a list",
    )
    parser.add_argument(
        "-n", type=_workers, dest="workers", metavar="N", help="so many pytest-xdist workers judge, or auto"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the judge's last run on these answers")
    add_settings_arguments(parser, (*_PASSED_ON, "LM_STUDIO_URL", "RUNS_DIR", "GENERATED_DIR", "REPORT_DIR"))


def run(args: argparse.Namespace) -> int:
    """Judge, add the result to the run's report, and hold the gates.

    Without a model the judge's last verdicts are read again, with the labels that are given. The status is the judge's
    session's where it could not judge, else that of the gates.
    """
    settings, disk = project_settings(args), Disk()
    folder = find_run(args.run_id, settings, Path.cwd(), complain)
    recorded = read_run(folder, disk)
    complain_of_damage(recorded)
    answer_titles(recorded)
    labels = None if args.labels is None else read_labels(Path.cwd() / args.labels)
    for name in FILES:
        if write_new(settings.root / name, starter_file(name)):
            say(f"wrote {name}: the judge's, yours to change")
    _refuse_several_judges(args)
    thresholds = _thresholds(args.min_judged or (), read_criteria(settings.root / CRITERIA))
    if _asks(args):
        status, judgements = _judge(args, settings, folder, disk)
        if judgements is None:
            return status
    else:
        status, judgements = ExitStatus.OK, _judged_before(folder, disk)
    if labels is not None:
        runs = {run.run_id: run for run in list_runs(settings.runs_dir)}
        judgements = with_labels(judgements, labels, runs, disk)
    write_judgements(folder, replace(judgements, thresholds=thresholds), disk)
    measured, outcome = measure_recorded(recorded)
    files = write_artifacts([(measured, outcome)], settings.report_dir, settings.runs_dir, disk)
    assert measured.judged is not None
    say("\n".join(("", *judged_lines(measured.judged))))
    say(f"reports: {', '.join(short_path(file, settings.root) for file in files)}")
    return ExitStatus.INCOMPLETE if status == ExitStatus.INCOMPLETE else _status(measured.judged.gates)


def _asks(args: argparse.Namespace) -> bool:
    """Whether a judge is named. The project's MODEL is the subject's, so it does not count."""
    named = given_options(lambda destination: getattr(args, destination, None))
    return args.embedded or args.resume or bool({"MODEL", "EMBEDDED_MODEL"} & named.keys())


def _refuse_several_judges(args: argparse.Namespace) -> None:
    given = given_options(lambda destination: getattr(args, destination, None))
    for name in ("MODEL", "EMBEDDED_MODEL"):
        text = given.get(name, "")
        judges = [one for part in ([text] if isinstance(text, str) else text) for one in part.split(",") if one.strip()]
        if len(judges) > 1:
            raise UsageProblem(
                f"{BY_NAME[name].option}: one model judges at a time, not {len(judges)}: name one of them"
            )


def _judged_before(folder: RunFolder, disk: Disk) -> Judgements:
    judgements = read_judgements(folder, disk)
    if judgements is None:
        raise UsageProblem(
            f"{folder.path}: no judge has judged this run yet: name one with --model, --embedded or --embedded-model"
        )
    return judgements


def _judge(
    args: argparse.Namespace, settings: Settings, folder: RunFolder, disk: Disk
) -> tuple[int, Judgements | None]:
    """Run the judge's evals. The judgements are None where the session did not come to judge."""
    before = judge_runs(list_runs(settings.runs_dir), folder.run_id)
    if args.resume and not before:
        raise UsageProblem(f"{folder.path}: no judge's run on these answers can be resumed: leave --resume out")
    command = [sys.executable, "-m", "pytest", *_arguments(args, settings, folder)]
    if args.resume:
        command += ["--resume-run", before[-1].run_id]
    sys.stdout.flush()
    status = _session(command, settings.root)
    after = judge_runs(list_runs(settings.runs_dir), folder.run_id)
    mine = before[-1] if args.resume else next((run for run in reversed(after) if run not in before), None)
    if status not in _JUDGED or mine is None:
        hint = f"; go on with {resume_command(mine, mine.header(disk))}" if mine is not None else ""
        complain(f"the judge's session ended with status {status}: nothing is judged{hint}")
        return status or ExitStatus.NO_CASES, None
    judgements = judgements_of(mine, disk)
    if missing := unjudged(read_run(mine, disk)):
        again = resume_command(mine, mine.header(disk))
        complain(f"{plural(missing, 'question')} brought no verdict: {again} asks again")
        status = ExitStatus.INCOMPLETE
    return status, judgements


def _session(command: Sequence[str], root: Path) -> int:
    """Run pytest and wait for it to write down what it has, also after a signal.

    Ctrl-C reaches pytest as well as this process. SIGTERM reaches this process alone, so it is passed on.
    """
    with subprocess.Popen(command, cwd=root, env=_environment()) as process:  # noqa: S603  our own command
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    continue
        finally:
            signal.signal(signal.SIGTERM, before)


def _arguments(args: argparse.Namespace, settings: Settings, folder: RunFolder) -> Iterator[str]:
    given = given_options(lambda destination: getattr(args, destination, None))
    root = settings.root
    yield from (str(root / JUDGING), f"--rootdir={root}", "-c", str(root / "pytest.ini"), "-q")
    # The subjects' own reports stay, and what pytest knows of their last failures; the judge's are beside its answers.
    own = folder.path / "judge"
    yield from (f"--answers={folder.path}", f"--report-dir={own}", "-o", f"cache_dir={own / '.pytest_cache'}")
    yield f"--note=judge of {folder.run_id}"
    if args.embedded:
        yield "--embedded"
    if args.workers is not None:
        yield f"-n{args.workers}"
    values: dict[str, str] = {} if args.resume else dict(_AS_A_JUDGE)
    for name, text in given.items():
        if name in (*_PASSED_ON, "LM_STUDIO_URL", "RUNS_DIR", "GENERATED_DIR"):
            values[name] = text if isinstance(text, str) else ",".join(text)
    if args.judge_url is not None:
        values["LM_STUDIO_URL"] = args.judge_url
    for name, text in values.items():
        yield f"{BY_NAME[name].option}={text}"


def _workers(text: str) -> str:
    """What pytest-xdist takes for -n. Raises `ArgumentTypeError` for anything else, which it would answer at length."""
    if not text.isascii() or not (text.isdigit() or text in {"auto", "logical"}):
        raise argparse.ArgumentTypeError(f"a number of workers or auto, not {one_line(repr(text), 40)}")
    return text


def _environment() -> dict[str, str]:
    """The environment without pytest's options of the user's own sessions, which may select or stop."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}


def _thresholds(texts: Iterable[str], criteria: Iterable[Criterion]) -> dict[str, float]:
    """The least rates by name. Raises `InputError` for a name that is none, and for a rate that is none."""
    known = [ABOUT, *(f"{QUALITY}{one.name}" for one in criteria)]
    thresholds: dict[str, float] = {}
    for part in (one.strip() for text in texts for one in text.split(",")):
        name, _, rate = (one.strip() for one in part.partition("="))
        if name not in known:
            hint = nearest(name, known)
            raise InputError(
                f"--min-judged {one_line(part, 80)}: there is no such rate; {hint + ' ' if hint else ''}known: "
                f"{one_line(', '.join(known), 300)}"
            )
        if name in thresholds:
            raise InputError(f"--min-judged: {name} has a rate already")
        try:
            thresholds[name] = float(rate)
        except ValueError:
            thresholds[name] = -1
        if not 0 <= thresholds[name] <= 1:
            raise InputError(f"--min-judged {one_line(part, 80)}: a rate is a number from 0 to 1, as in {name}=0.9")
    return thresholds


def _status(gates: Iterable[JudgedGate]) -> int:
    return ExitStatus.OK if all(gate.verdict == "PASS" for gate in gates) else ExitStatus.FAILURES
