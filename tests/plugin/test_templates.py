"""A template of one's own: what the server is sent, what `plotbot prompt` shows, and what is refused before."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer, Rule

pytest_plugins = ("pytester",)

HOSTILE = "{schema} {title.__class__} %s {0}"
TITLES = {"a": {"title": HOSTILE, "context": "in {Rome} {fields}"}, "b": {"title": "Plain", "context": "in Athens"}}
MARKED = """
import pytest

@pytest.mark.skipif(False, reason="")
@pytest.mark.eval(template="data/template.txt", titles="data/mine.json"{more})
def test_marked(reply, title):
    assert title.fields["context"].startswith("in ")
"""
TEMPLATE = 'About {title}, {context}.\n{{literal}} {"a": 1}'
ANSWER = '[{"title": "A"}]'


@pytest.fixture
def marked(project: Path, write_eval: Callable[..., None]) -> Path:
    write_eval(MARKED.format(more=""))
    (project / "data" / "template.txt").write_text(TEMPLATE + "\n", encoding="utf-8")
    (project / "data" / "mine.json").write_text(json.dumps(TITLES), encoding="utf-8")
    return project


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_server_is_sent_what_plotbot_prompt_shows(
    pytester: pytest.Pytester,
    marked: Path,
    start_mock: Callable[..., MockServer],
    run_file: Callable[[Path, str], Any],
    capsys: pytest.CaptureFixture[str],
    workers: str,
) -> None:
    # The rules answer only what they were meant to be asked.
    rules = tuple(
        Rule(headline=re.escape(f'About {entry["title"]}, {entry["context"]}.\n{{literal}} {{"a": 1}}'), reply=ANSWER)
        for entry in TITLES.values()
    )
    server = start_mock(rules=rules)
    done = pytester.runpytest_inprocess("evals", f"--lm-studio-url={server.url}", "--test-sample-size=0", workers)
    done.assert_outcomes(passed=2)
    plan = run_file(marked, "plan.json")
    assert plan["questions"][0]["template"] == TEMPLATE
    assert plan["header"]["evals"][0]["files"]["template"] == "data/template.txt"
    capsys.readouterr()
    assert main(["prompt", "--rootdir", str(marked), "--title", "a", "--lm-studio-url", "http://127.0.0.1:9"]) == 0
    said = capsys.readouterr().out
    assert f'About {HOSTILE}, in {{Rome}} {{fields}}.\n{{literal}} {{"a": 1}}\n' in said
    assert re.search(r"# evals/test_own.py::test_marked, title a: [\d,]+ characters\n", said)
    assert "tokens" not in said.splitlines()[0]


def test_a_changed_template_is_another_prompt_and_refuses_to_resume(
    pytester: pytest.Pytester, marked: Path, start_mock: Callable[..., MockServer]
) -> None:
    options = (f"--lm-studio-url={start_mock().url}", "--test-sample-size=0")
    pytester.runpytest_inprocess("evals", *options)
    (marked / "data" / "template.txt").write_text("On {title}", encoding="utf-8")
    refused = pytester.runpytest_inprocess("evals", "--resume", *options[:1])
    assert refused.ret == 4
    assert "the template (" in refused.stderr.str()


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("About {titel}", "template.txt: line 1, column 7: {titel} is no field of the titles; did you mean {title}?"),
        ("{title.__class__}", "{title.__class__} is no field of the titles"),
        ("Hello", "names nothing of a title"),
        ("", "template.txt: the template is empty"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_before_anything_is_asked(
    pytester: pytest.Pytester, marked: Path, start_mock: Callable[..., MockServer], template: str, says: str
) -> None:
    (marked / "data" / "template.txt").write_text(template, encoding="utf-8")
    server = start_mock()
    refused = pytester.runpytest_inprocess("evals", f"--lm-studio-url={server.url}", "--test-sample-size=0")
    assert refused.ret == 4
    assert says in refused.stderr.str()
    assert server.stats().models["mock-model"].requests == 0


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_all_files_that_are_missing_are_named_at_once_with_the_markers_line(
    pytester: pytest.Pytester,
    marked: Path,
    write_eval: Callable[..., None],
    start_mock: Callable[..., MockServer],
    workers: str,
) -> None:
    write_eval(MARKED.format(more=', prompt="data/no.txt", schema="data/no.json"'))
    (marked / "data" / "mine.json").unlink()
    refused = pytester.runpytest_inprocess("evals", f"--lm-studio-url={start_mock().url}", workers)
    assert refused.ret == 4
    said = " ".join((refused.stderr.str() + refused.stdout.str()).split())
    assert "evals/test_own.py:5: test_marked: 3 of its files are not there" in said
    assert "prompt data/no.txt, schema data/no.json, titles data/mine.json. Make what is missing" in said
    assert "`plotbot new NAME` writes an eval with all of its files" in said
