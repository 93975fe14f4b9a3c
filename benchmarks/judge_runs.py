"""How often whole runs of `plotbot judge` cover the truth: `python -m benchmarks.judge_runs [--quick]`.

A scripted server gives every answer a mark that says how good it is by each of six criteria, and judges by the mark
with a known sensitivity and specificity. Everything else is the real thing, in processes of its own: `pytest evals` of
twelve subjects with 200 titles each, `plotbot judge`, `plotbot label --take` and `plotbot judge --labels`, whose
summary.json is read. Which answers of a subject are labelled is drawn as the page of `plotbot label` draws it.

In the first group the judge also guesses among headlines, and says yes to planted mismatches at a known rate.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.measuring import REPOSITORY, checked, evals, measure, options, project
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import read_run
from plotbot.mock.drafts import headline_in, story_seed
from plotbot.plan.criteria import read_criteria
from plotbot.run.answers import answer_titles
from plotbot.run.labelling import failed_answers, label_tasks, labels_json
from plotbot.run.labels import FAIL, PASS, Label

SENSITIVITY, SPECIFICITY = 0.85, 0.8
FALSE_POSITIVES, OWN_POSITIVES = 0.2, 0.9
"""How often the judge says yes to a planted mismatch, and to an answer beside its own headline."""
TRUTHS, LABELS = (0.6, 0.8, 0.95), (50, 100)
CRITERIA = tuple(f"c{number}" for number in range(6))
_MARK = re.compile(r"mark (\d{5}) ([\d.,]+)")
_HEADLINE = re.compile(r'"headline": ?"Headline (\d{5})')
_AT = "2026-11-29T10:00:00+00:00"


@dataclass
class Script:
    """What the server plays: the share of good answers, and how its judge errs. Chance is seeded by each mark."""

    truth: float = 0.0

    def goodness(self, text: str) -> list[bool]:
        """Whether the answer with a mark in *text* is good, by criterion."""
        return [float(drawn) < self.truth for drawn in self._mark(text)[2].split(",")]

    def reply(self, model: str, prompt: str) -> object:
        headline = headline_in(prompt)
        if headline is not None:
            return self._seed(model, headline)
        chance = random.Random(f"{self.truth} {prompt}")
        if "four numbered headlines" in prompt:
            return {"why": "So.", "choice": chance.randint(1, 4)}
        if "Was the seed written" in prompt:
            return {"why": "So.", "verdict": _word(chance.random() < self._belonging(prompt))}
        said = [chance.random() < (SENSITIVITY if good else 1 - SPECIFICITY) for good in self.goodness(prompt)]
        return {name: {"why": "So.", "verdict": _word(yes)} for name, yes in zip(CRITERIA, said, strict=True)}

    def _belonging(self, prompt: str) -> float:
        shown = _HEADLINE.search(prompt)
        return OWN_POSITIVES if shown is not None and shown[1] == self._mark(prompt)[1] else FALSE_POSITIVES

    def _mark(self, text: str) -> re.Match[str]:
        mark = _MARK.search(text)
        if mark is None:
            raise ValueError("no mark in what is judged")
        return mark

    def _seed(self, model: str, headline: str) -> object:
        chance = random.Random(f"{model} {headline}")
        drawn = ",".join(f"{chance.random():.6f}" for _ in CRITERIA)
        return [{**story_seed(headline, model), "stakes": f"mark {headline.split()[1].rstrip(':')} {drawn}"}]


class _Handler(BaseHTTPRequestHandler):
    """The part of OpenAI's API that a run asks for."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        known = self.path == "/v1/models"
        self._send(200 if known else 404, {"object": "list", "data": [{"id": one} for one in self.server.models]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = self.server.script.reply(asked["model"], asked["messages"][-1]["content"])
        message = {"role": "assistant", "content": json.dumps(reply)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._send(200, {"object": "chat.completion", "model": asked["model"], "choices": [choice]})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass

    def _send(self, status: int, body: object) -> None:
        data = json.dumps(body).encode("ascii")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    def __init__(self, script: Script, models: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script, self.models = script, models


@dataclass
class Found:
    """By truth and number of labels: whether each interval held the truth. And what the other questions brought."""

    held: dict[tuple[float, int], list[bool]] = field(default_factory=lambda: defaultdict(list))
    guessed: list[bool] = field(default_factory=list)
    mismatches: list[tuple[int, int]] = field(default_factory=list)
    runs: int = 0


def measured(group: int, rows: int, titles: int, args: argparse.Namespace, found: Found) -> None:
    """One group of subjects: their run, a judge's run for each truth, and its labels."""
    subjects = [f"subject-{group}-{number}" for number in range(rows)]
    script = Script()
    with project(titles, args.folder) as root, _serving(script, [*subjects, "judge"]) as url:
        _write_criteria(root / "data" / "criteria.json")
        if group:
            (root / "evals" / "judging" / "test_about_headline.py").write_text("")
        server = (f"--lm-studio-url={url}", "--confirm=skip")
        run(root, found, *evals(*server, f"--model={','.join(subjects)}", "--write-strategy=batch"))
        for truth in TRUTHS[:1] if args.quick else TRUTHS:
            script.truth = truth
            run(root, found, *_plotbot("judge"), *server, "--model=judge", "--repeats=1", "--request-timeout=300")
            summary = _summary(root)
            intervals = [one["about"]["interval"] for one in summary["models"] if one["about"] is not None]
            found.guessed += [one["low"] <= 0 <= one["high"] for one in intervals]
            found.mismatches.append(tuple(summary["judge"]["yes_to_planted_mismatches"]))
            for labels in (10,) if args.quick else LABELS:
                _label(root, script, labels)
                run(root, found, *_plotbot("label"), "--take=new.json", f"--into=labels-{truth}-{labels}.json")
                run(root, found, *_plotbot("judge"), f"--labels=labels-{truth}-{labels}.json")
                found.held[truth, labels] += _held(_summary(root), truth, labels)


def run(root: Path, found: Found, *command: str) -> None:
    checked(measure(command, root, afresh=False))
    found.runs += 1


def _plotbot(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "plotbot", name, "last")


def _held(summary: Mapping[str, Any], truth: float, labels: int) -> Iterator[bool]:
    for one in summary["models"]:
        for criterion in one["criteria"]:
            if criterion["labels"] != labels or criterion["assumes_the_judge_errs_alike"]:
                raise SystemExit(f"{one['model']}, {criterion['name']}: {criterion['labels']} labels, not {labels}")
            interval = criterion["estimate"]["interval"]
            yield interval["low"] <= truth <= interval["high"]


def _label(root: Path, script: Script, most: int) -> None:
    """Write new.json: so many labels of each subject and criterion, by one person who sees how good an answer is."""
    folder = _subjects_run(root)
    criteria = read_criteria(root / "data" / "criteria.json")
    failed = failed_answers(folder, criteria, Disk())
    by_subject: dict[str, dict[str, list[bool]]] = defaultdict(dict)
    for title in answer_titles(read_run(folder, Disk())):
        by_subject[title.fields["subject"]][title.id] = script.goodness(json.dumps(title.fields["answer"]))
    labels = [
        Label(ids[answer], one.name, one.digest, PASS if good[ids[answer]][criterion] else FAIL, "ann", _AT)
        for subject, good in by_subject.items()
        for ids in [list(good)]
        for answer, criterion in label_tasks(ids, criteria, failed, f"{folder.run_id} {subject}", most)
        for one in [criteria[criterion]]
    ]
    (root / "new.json").write_text(json.dumps(labels_json(folder.run_id, labels)))


def _subjects_run(root: Path) -> RunFolder:
    return RunFolder(min(one for one in (root / "data" / "runs").iterdir() if (one / "plan.json").exists()))


def _summary(root: Path) -> dict[str, Any]:
    judged: dict[str, Any] = json.loads((_subjects_run(root).path / "summary.json").read_bytes())["judged"]
    return judged


def _write_criteria(path: Path) -> None:
    """Six criteria, each a question of its own; the rest is as it comes with plotbot."""
    schema = json.loads((REPOSITORY / "data" / "criteria.json").read_bytes())
    like = next(iter(schema["properties"].values()))
    schema["properties"] = {name: {**like, "description": f"Is it good by {name}?"} for name in CRITERIA}
    path.write_text(json.dumps({**schema, "required": CRITERIA}))


def _word(yes: bool) -> str:
    return "yes" if yes else "no"


@contextmanager
def _serving(script: Script, models: Sequence[str]) -> Iterator[str]:
    with _Server(script, models) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def main(args: argparse.Namespace) -> None:
    groups, rows, titles = (1, 2, 24) if args.quick else (args.groups, 12, 200)
    print(f"{titles} answers a subject; sensitivity {SENSITIVITY}, specificity {SPECIFICITY}; intervals are 95 %")
    found = Found()
    for group in range(groups):
        measured(group, rows, titles, args, found)
        print(f"{group + 1} of {groups} groups, {found.runs} commands, each a process of its own")
        _show(found)


def _show(found: Found) -> None:
    """What there is after each group, because a whole measurement takes long."""
    print(f"{'truth':>6} {'labels':>6} {'intervals':>9} {'covered':>8}")
    for (truth, labels), held in found.held.items():
        print(f"{truth:>6} {labels:>6} {len(held):>9} {sum(held) / len(held):>8.1%}")
    print(f"a judge that guesses: {sum(found.guessed)} of {len(found.guessed)} intervals hold 0")
    yes, planted = (sum(one[place] for one in found.mismatches) for place in (0, 1))
    print(f"yes to {yes} of {planted} planted mismatches, where {FALSE_POSITIVES:.0%} are expected", flush=True)


if __name__ == "__main__":
    parser = options(__doc__, repeat=1)
    parser.add_argument("--groups", type=int, default=7, help="groups of twelve subjects; 72 intervals each (7)")
    main(parser.parse_args())
