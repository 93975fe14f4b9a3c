"""Every page that plotbot writes, of real runs: groups, variants, an audit, a judge, labels, history."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from plotbot.mock import MockServer, ModelSpec, Rule, Scenario
from plotbot.mock.drafts import story_seed
from plotbot.mock.scenario import Latency
from plotbot.testing import make_project
from tests.processes import run_module

REPOSITORY = Path(__file__).parents[4]
EVAL = """
import pytest
from plotbot import explain, validate_entry

@pytest.mark.eval(titles="data/mine.json", group_by={by!r})
def test_seed(reply, judge, results):
    verdict = judge(check=validate_entry)
    assert verdict.ok, explain(verdict, reply)
    results.keep()
"""
JUDGE = "judge/of-seeds"
CRITERIA = ("hook", "stakes", "specific", "consistent")
TITLES = 10


@dataclass(frozen=True)
class Words:
    """What people and models may choose freely, each of which comes up on some page."""

    models: tuple[str, str] = ("qwen/qwen3-4b", "gemma-3-4b-it")
    prompt: str = "brief.txt"
    note: str = "shorter prompt"
    field: str = "kind"
    groups: tuple[str, ...] = ("animals", "politics", "weather")
    headline: str = "A goose is elected mayor of village"
    said: str = "I'm sorry, I cannot write about that headline."
    value: str = "wry and warm"
    question: str = "Does the story have a hook that makes one read on?"


@dataclass(frozen=True)
class Gallery:
    """The pages, by name, and the folder of the run that most of them are of."""

    run: Path
    pages: dict[str, Path]


def make_gallery(folder: Path, words: Words = Words()) -> Gallery:
    make_project(folder, titles={})
    _write_inputs(folder, words)
    models = tuple(
        ModelSpec(name, latency=Latency(0.002 * n, 0.4, n)) for n, name in enumerate((*words.models, JUDGE), 1)
    )
    with contextlib.ExitStack() as servers:
        url = servers.enter_context(MockServer(Scenario(models=models, rules=_rules(words)))).url
        evals = ("pytest", "evals", "-q", f"--lm-studio-url={url}", "--sample-seed=1", f"--note={words.note}")
        _call(folder, *evals, "--test-sample-size=6", "--temperature=0.1", expected=1)
        _call(folder, *evals, "--test-sample-size=0", "--repeats=2", "--min-pass-rate=0.6", expected=1)
        own = max((folder / "data" / "runs").iterdir())
        _call(folder, "plotbot", "audit", own.name)
        _call(folder, "plotbot", "judge", own.name, f"--judge-url={url}", f"--model={JUDGE}", "--repeats=1")
        _call(folder, "plotbot", "label", own.name)
        case = json.loads((own / "plan.json").read_bytes())["cases"][0]["id"]
        _call(folder, "plotbot", "report", own.name, f"--single-case={case}")
    reports = folder / "reports"
    named = {"index": reports / "index.html", "history": reports / "history.html", "label": own / "label.html"}
    (single,) = reports.glob("case-*.html")
    of_models = [path for path in sorted(reports.glob("*.html")) if path not in {*named.values(), single}]
    models_of = {f"model {number}": path for number, path in enumerate(of_models, 1)}
    return Gallery(own, {**named, "case": single, **models_of})


def _write_inputs(folder: Path, words: Words) -> None:
    fields = [{words.field: words.groups[n % len(words.groups)], "source": words.value} for n in range(TITLES)]
    titles = {f"t{n:02}": {"title": f"{words.headline} {n:02}", **fields[n]} for n in range(TITLES)}
    settings = {
        "MODEL": list(words.models),
        "PROMPT_PATH": ["data/prompt.txt", f"data/{words.prompt}"],
        "RESPONSE_FORMAT": ["none", "json_schema"],
    }
    criteria = json.loads((REPOSITORY / "data" / "criteria.json").read_bytes())
    criteria["properties"]["hook"]["description"] = words.question
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "data" / words.prompt).write_text("Be brief. Answer in JSON alone.", encoding="utf-8")
    (folder / "data" / "mine.json").write_text(json.dumps(titles), encoding="utf-8")
    (folder / "data" / "criteria.json").write_text(json.dumps(criteria), encoding="utf-8")
    (folder / "evals" / "test_story_seeds.py").write_text(EVAL.format(by=words.field), encoding="utf-8")


def _rules(words: Words) -> tuple[Rule, ...]:
    """Of ten headlines one is fenced, one refused, one lacks a field; the second model is worse; a host fails once."""
    seed = {**story_seed(f"{words.headline} 00", 7), "tone": words.value, "stakes": words.value}
    broken = {name: value for name, value in seed.items() if name != "themes"}
    bad = json.dumps([{**seed, "tone": "", "potential_story_hooks": [words.value]}])
    second = re.escape(words.models[1])
    return (
        Rule(model=JUDGE, headline="four numbered headlines", reply='{"why": "It is.", "choice": 2}'),
        Rule(model=JUDGE, headline="Was the seed written", reply='{"why": "It is.", "verdict": "yes"}'),
        Rule(model=JUDGE, headline="Answer each question", probability=0.5, reply=_judged("yes", words)),
        Rule(model=JUDGE, headline="Answer each question", reply=_judged("no", words)),
        Rule(headline=" 07", model=second, fault="F11"),
        Rule(headline="[2]$", fault="F05"),
        Rule(headline="[5]$", reply=words.said),
        Rule(headline="[3]$", reply=json.dumps([broken])),
        Rule(headline="[69]$", model=second, reply=bad),
        Rule(headline="[148]$", reply=json.dumps([{**seed, "title": "x"}]), probability=0.3),
    )


def _judged(verdict: str, words: Words) -> str:
    return json.dumps({name: {"why": words.said, "verdict": verdict} for name in CRITERIA})


def _call(folder: Path, module: str, *arguments: str, expected: int = 0) -> None:
    done = run_module(folder, module, *arguments)
    assert done.returncode in {expected, 10}, f"{module} {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
