"""`plotbot label RUN`: a page on which people say how good a run's answers are, and the file of their labels."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from plotbot.commands.output import complain, say
from plotbot.commands.shared import add_settings_arguments, complain_of_damage, project_settings
from plotbot.errors import ExitStatus, InputError, KeepError, UsageProblem
from plotbot.keep.filesystem import Disk, describe, write_atomically
from plotbot.keep.pretty_json import spread
from plotbot.keep.run_finding import LAST, find_run
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.measure.agreement import COMPARED
from plotbot.plan.criteria import Criterion, read_criteria
from plotbot.records import Title, run_name
from plotbot.report.formatting import percent
from plotbot.report.page.labels import AskedCriterion, LabelledAnswer, write_label_page
from plotbot.run.answers import answer_titles
from plotbot.run.labelling import Taken, failed_answers, label_tasks, labels_json, take_labels
from plotbot.safe import one_line, plural, visible
from plotbot.settings import Settings
from plotbot.settings.keys import RUN_HELP

HELP = "write a page to label a run's answers on, and put the labels of several people together"
PAGE = "label.html"
CRITERIA, LABELS = Path("data") / "criteria.json", Path("data") / "labels.json"
_MOST = 100
_NAMED = COMPARED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_name", nargs="?", default=LAST, metavar="RUN", help=f"{RUN_HELP}; default: {LAST!r}")
    parser.add_argument("--criteria", type=Path, metavar="FILE", help=f"the questions; default: {CRITERIA.as_posix()}")
    parser.add_argument("--criterion", action="append", metavar="NAME", help="only this question; may be repeated")
    parser.add_argument(
        "--most", type=int, default=_MOST, metavar="N", help=f"answers to label for each question; default: {_MOST}"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help=f"the page; default: {PAGE} in the run's folder")
    parser.add_argument(
        "--take", action="append", type=Path, metavar="FILE", help="labels from the page, checked and put together"
    )
    parser.add_argument(
        "--into", type=Path, metavar="FILE", help=f"the file for all labels, with --take; default: {LABELS.as_posix()}"
    )
    add_settings_arguments(parser, ("RUNS_DIR",))


def run(args: argparse.Namespace) -> int:
    """Raises `InputError` where a file is missing or unusable, and names it."""
    _check(args)
    settings = project_settings(args)
    criteria = _criteria(args, settings)
    folder = find_run(args.run_name, settings, Path.cwd(), complain)
    recorded = read_run(folder, Disk())
    complain_of_damage(recorded)
    titles = answer_titles(recorded)
    if args.take:
        into = settings.root / LABELS if args.into is None else Path.cwd() / args.into
        _take([Path.cwd() / file for file in args.take], into, folder.run_id, criteria, titles)
    else:
        output = folder.path / PAGE if args.output is None else Path.cwd() / args.output
        _write_page(output, recorded, criteria, titles, args.most)
    return ExitStatus.OK


def _check(args: argparse.Namespace) -> None:
    if args.most < 1:
        raise UsageProblem(f"--most {args.most}: at least 1 answer is labelled")
    if args.into is not None and not args.take:
        raise UsageProblem("--into is where labels go that come with --take FILE: name that file, too")


def _criteria(args: argparse.Namespace, settings: Settings) -> Sequence[Criterion]:
    path = settings.root / CRITERIA if args.criteria is None else Path.cwd() / args.criteria
    if not path.exists():
        raise InputError(
            f"{path}: there are no criteria to label by: write yes-or-no questions into {CRITERIA.as_posix()}, or name "
            "a file of them with --criteria FILE"
        )
    criteria = read_criteria(path)
    names = [one.name for one in criteria]
    for wanted in args.criterion or ():
        if wanted not in names:
            raise InputError(f"--criterion {visible(wanted)}: {path} has {visible(', '.join(names))}")
    # A label of a question that is not asked now still counts.
    return [one for one in criteria if args.take or not args.criterion or one.name in args.criterion]


def _write_page(
    path: Path, recorded: RunOnDisk, criteria: Sequence[Criterion], titles: Sequence[Title], most: int
) -> None:
    failed = failed_answers(recorded.folder, criteria, Disk())
    run_id = recorded.folder.run_id
    tasks = label_tasks([title.id for title in titles], criteria, failed, run_id, most)
    answers = [_shown(title) for title in titles]
    asked = [AskedCriterion(one.name, one.wording, one.digest) for one in criteria]
    page = write_label_page(run_id, run_name(run_id, recorded.header), answers, asked, tasks)
    _write(path, page)
    asked_about = len({number for number, _ in tasks})
    say(f"{plural(len(tasks), 'question')} about {asked_about} of {plural(len(titles), 'answer')}")
    if any(failed.values()):
        say("half of the answers, as far as there are so many, are ones that the judge failed")
    say(f"open {visible(str(path))}, download your labels, and put them together:")
    say(f"  plotbot label {run_id} --take labels.json")


def _shown(title: Title) -> LabelledAnswer:
    answer = title.fields["answer"]
    return LabelledAnswer(title.id, title.text, answer if isinstance(answer, list) else [answer])


def _take(files: Sequence[Path], into: Path, run: str, criteria: Sequence[Criterion], titles: Sequence[Title]) -> None:
    taken = take_labels(files, into, run, criteria, frozenset(title.id for title in titles))
    _write(into, spread(labels_json(run, taken.labels), ascii_only=True).encode("ascii"))
    counts = f"{plural(len(taken.labels), 'label')}, {taken.new} of them new, {taken.changed} changed"
    say(f"{visible(str(into))}: {counts}")
    say("\n".join(_lines(taken)))


def _lines(taken: Taken) -> list[str]:
    counts = Counter(label.labeller for label in taken.labels)
    named = [f"{one_line(one, 40)} {count}" for one, count in sorted(counts.most_common(_NAMED))]
    more = f" and {plural(len(counts) - _NAMED, 'other')}" if len(counts) > _NAMED else ""
    return [
        f"labellers: {', '.join(named) or 'none'}{more}",
        *(
            f"{one_line(one.criterion, 40)}: {one_line(one.first, 40)} and {one_line(one.second, 40)} agree on "
            f"{one.alike} of {one.both} ({percent(one.alike / one.both)}), "
            + ("no kappa: all labels are the same" if one.kappa is None else f"kappa {one.kappa:.2f}")
            for one in taken.agreements
        ),
        *([f"of each question's labellers the {COMPARED} with the most labels are compared"] if more else ()),
        *taken.notes,
    ]


def _write(path: Path, data: bytes) -> None:
    disk = Disk()
    try:
        disk.make_folder(path.parent)
        write_atomically(path, data, disk)
    except OSError as error:
        raise KeepError(describe(error, path)) from error
