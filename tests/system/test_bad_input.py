"""What the user can put right: one message with the place and the next step, status 4, no traceback, nothing lost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from plotbot.mock import MockServer, ModelSpec

pytest_plugins = ("pytester",)

RunPytest = Callable[..., subprocess.CompletedProcess[str]]

TITLES, PROMPT, SCHEMA = "data/titles_index.json", "data/prompt.txt", "data/story_seed.schema.json"
EVAL = "evals/test_story_seeds.py"
CONFIG = "config/config.json"
MARKED = "import pytest\n\n@pytest.mark.eval({})\ndef test_marked(reply):\n    assert reply\n"

# A name, files to write first (None: remove), arguments, and what the message has to say.
Row = tuple[str, dict[str, str | None], Sequence[str], Sequence[str]]
ROWS: list[Row] = [
    ("no titles", {TITLES: None}, (), ("titles_index.json", "--titles-path")),
    ("empty titles file", {TITLES: ""}, (), ("titles_index.json", "empty")),
    ("titles that are no JSON", {TITLES: '{"a": "b",\n "c" "d"}'}, (), ("titles_index.json", "line 2, column 6")),
    ("no title in the titles", {TITLES: "{}"}, (), ("titles_index.json", "add one")),
    ("a number for titles", {TITLES: "7"}, (), ("titles_index.json", "a number")),
    ("a title twice", {TITLES: '{"a": "b", "c": "d", "a": "e"}'}, (), ("entry 3", "'a'", "entry 1")),
    ("a title twice in a list", {TITLES: '[{"id": "a", "title": "b"}, {"id": "a", "title": "c"}]'}, (), ("entry 2",)),
    ("an empty id", {TITLES: '{"a": "b", "": "d"}'}, (), ("entry 2", "no id")),
    ("an empty title", {TITLES: '{"a": "b", "c": {"title": " "}}'}, (), ("entry 2", "'c'", "no title")),
    ("a list of numbers", {TITLES: "[1]"}, (), ("entry 1", "a number", '"id"')),
    ("half a surrogate pair", {TITLES: '{"a": "\\ud800"}'}, (), ("entry 1", "'a'", "surrogate")),
    ("titles elsewhere", {}, ("--titles-path=nowhere.json",), ("nowhere.json", "--titles-path")),
    ("a folder for titles", {}, ("--titles-path=data",), ("data", "cannot be read")),
    ("more than there is", {}, ("--test-sample-size=13",), ("SIZE is 13", "12 titles", "--test-sample-size 0")),
    ("no prompt", {PROMPT: None}, (), ("prompt.txt", "--prompt-path")),
    ("an empty prompt", {PROMPT: " \n"}, (), ("prompt.txt", "empty")),
    ("no schema", {SCHEMA: None}, (), ("story_seed.schema.json", "--schema-path")),
    ("an empty schema file", {SCHEMA: ""}, (), ("story_seed.schema.json", "empty")),
    ("a list for a schema", {SCHEMA: "[]"}, (), ("story_seed.schema.json", "an array")),
    ("no schema at all", {SCHEMA: '{"type": "arrray"}'}, (), ("story_seed.schema.json", "arrray", "$.type")),
    ("a misspelt keyword", {SCHEMA: '{"type": "array", "minItem": 1}'}, (), ("seed.schema.json", "minItems")),
    ("an unknown key", {CONFIG: '{"TEMPERATUR": 1}'}, (), ("config/config.json", "TEMPERATUR", "TEMPERATURE")),
    ("out of range", {CONFIG: '{"TEMPERATURE": 9}'}, (), ("config/config.json", "TEMPERATURE is 9", "from 0 to 5")),
    ("a wrong type", {CONFIG: '{"REPEATS": "many"}'}, (), ("config/config.json", "REPEATS", "a whole number")),
    ("a configuration that is no JSON", {CONFIG: "{"}, (), ("config/config.json", "line 1, column 2")),
    ("a bad option", {}, ("--write-strategy=never",), ("--write-strategy", "never", "immediate, batch")),
    ("an option out of range", {}, ("--shard=3/2",), ("--shard", "3/2")),
    ("answers where a file is", {"data/generated_data": "a file"}, (), ("generated_data", "another folder")),
    ("runs where a file is", {"data/runs": "a file"}, (), ("data/runs", "another folder")),
    ("reports where a file is", {"reports": "a file"}, (), ("reports", "another folder")),
    ("a marker's typing error", {EVAL: MARKED.format('prompts="x"')}, (), ("test_marked", "'prompts'", "schema")),
    ("a marker by position", {EVAL: MARKED.format('"x"')}, (), ("test_marked", "by name")),
    ("a marker of a wrong type", {EVAL: MARKED.format("prompt=7")}, (), ("test_marked", "prompt is a path", "7")),
    ("a marker's missing file", {EVAL: MARKED.format('titles="gone.json"')}, (), ("gone.json", "--titles-path")),
    ("a model that is not there", {}, ("--model=gone",), ("has no model gone", "--model")),
    ("no server", {}, ("--lm-studio-url=http://127.0.0.1:9",), ("127.0.0.1:9", "lms server start", "--embedded")),
]  # fmt: skip
MADE = {"generated_data", "runs", "reports"}
IN_WORKERS = {"no titles", "out of range", "a marker's typing error", "no server"}


def prepare(project: Path, files: dict[str, str | None]) -> None:
    for name, text in files.items():
        (project / name).parent.mkdir(exist_ok=True)
        if text is None:
            (project / name).unlink()
        else:
            (project / name).write_text(text, encoding="utf-8")


def check(status: int, output: str, says: Sequence[str]) -> None:
    assert status == 4, output
    assert [part for part in says if part not in output] == [], output
    assert len([line for line in output.splitlines() if all(part in line for part in says)]) == 1, output
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output


@pytest.fixture(scope="module")
def server(start_mock: Callable[..., MockServer]) -> MockServer:
    return start_mock()


@pytest.mark.parametrize(("name", "files", "arguments", "says"), ROWS, ids=[row[0] for row in ROWS])
def test_one_message_and_status_4(
    pytester: pytest.Pytester,
    make_project: Callable[[Path], Path],
    server: MockServer,
    name: str,
    files: dict[str, str | None],
    arguments: Sequence[str],
    says: Sequence[str],
) -> None:
    project = make_project(pytester.path)
    prepare(project, files)
    result = pytester.runpytest_inprocess("evals", "--lm-studio-url", server.url, *arguments)
    check(int(result.ret), result.stdout.str() + result.stderr.str(), says)
    assert not (project / "data" / "runs").is_dir()
    assert not (project / "data" / "generated_data").is_dir()


@pytest.mark.parametrize(
    ("name", "files", "arguments", "says"),
    [row for row in ROWS if row[0] in IN_WORKERS],
    ids=[row[0] for row in ROWS if row[0] in IN_WORKERS],
)
def test_one_message_and_status_4_with_workers(
    tmp_path: Path,
    make_project: Callable[[Path], Path],
    run_pytest: RunPytest,
    server: MockServer,
    name: str,
    files: dict[str, str | None],
    arguments: Sequence[str],
    says: Sequence[str],
) -> None:
    project = make_project(tmp_path)
    prepare(project, files)
    done = run_pytest(project, "evals", "-n", "2", "--lm-studio-url", server.url, *arguments)
    check(done.returncode, done.stdout + done.stderr, says)
    assert not (project / "data" / "runs").is_dir()


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ((ModelSpec("one"), ModelSpec("two")), ("several models: one, two", "--model")),
        ((ModelSpec("one", loaded=False), ModelSpec("two", loaded=False)), ("no model loaded", "lms load")),
    ],
)
def test_which_model_to_ask_is_the_users_choice(
    pytester: pytest.Pytester,
    make_project: Callable[[Path], Path],
    start_mock: Callable[..., MockServer],
    models: tuple[ModelSpec, ...],
    says: Sequence[str],
) -> None:
    make_project(pytester.path)
    result = pytester.runpytest_inprocess("evals", "--lm-studio-url", start_mock(models=models).url)
    check(int(result.ret), result.stdout.str() + result.stderr.str(), says)


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] in {"out of range", "a misspelt keyword"}])
def test_what_was_kept_before_stays_as_it_is(
    pytester: pytest.Pytester, make_project: Callable[[Path], Path], server: MockServer, row: Row
) -> None:
    project = make_project(pytester.path)
    assert pytester.runpytest_inprocess("evals", "--lm-studio-url", server.url).ret == 0
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file() and MADE & {*path.parts}}
    assert len(before) > 10
    prepare(project, row[1])
    assert pytester.runpytest_inprocess("evals", "--lm-studio-url", server.url, *row[2]).ret == 4
    assert {path: path.read_bytes() for path in before} == before


def test_a_title_file_that_is_not_the_titles_own_is_named_and_not_written_over(
    pytester: pytest.Pytester, make_project: Callable[[Path], Path], server: MockServer
) -> None:
    project = make_project(pytester.path)
    foreign = project / "data" / "generated_data" / "t01.json"
    foreign.parent.mkdir()
    content = json.dumps({"title_id": "t99", "title": "x", "llm_models": {}})
    foreign.write_text(content, encoding="utf-8")
    given = ("evals", "--lm-studio-url", server.url, "--test-sample-size=0", "-k", "t01")
    result = pytester.runpytest_inprocess(*given)
    output = result.stdout.str()
    assert result.ret == 10, "an answer that is not in its title file leaves the run incomplete"
    assert foreign.read_text(encoding="utf-8") == content
    assert "t01.json" in output
    assert "t99" in output
