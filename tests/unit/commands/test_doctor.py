import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plotbot.ask.embedded import MODEL_PATH
from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import find_server
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.commands import main
from plotbot.commands.doctor import Check, checks, report, settings_lines
from plotbot.errors import ServerProblem
from plotbot.settings import load_settings
from plotbot.settings.keys import KEYS

PROJECT = Path(__file__).parents[3]
TOKEN = "sk-hush-0123456789"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("PLOTBOT_", "LM_API_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "titles_index.json").write_text('{"a": "Cow elected mayor"}', encoding="utf-8")
    (tmp_path / "data" / "prompt.txt").write_text("Write a story seed.", encoding="utf-8")
    (tmp_path / "data" / "story_seed.schema.json").write_text('{"type": "array"}', encoding="utf-8")
    return tmp_path


@pytest.fixture
def closed_port() -> Iterator[str]:
    """The URL of a port on which nothing listens, and that no other process can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def _model(name: str, *, loaded: bool | None) -> ModelFacts:
    return ModelFacts(id=name, loaded=loaded, context_length=4096, slots=4)


def _found(root: Path, models: list[ModelFacts], **options: str) -> list[Check]:
    facts = ServerFacts(url="http://s", kind="llama-server", version="b1", models=tuple(models))
    return list(checks(load_settings(root, {}, options), lambda *_: facts))


def _refused(found: list[Check]) -> str:
    (check,) = [check for check in found if not check.ready]
    return f"{check.what}: {check.said}"


def test_every_setting_is_a_line_with_value_and_origin(root: Path) -> None:
    settings = load_settings(root, {"PLOTBOT_SHARD": "2/5"}, {"MIN_PASS_RATE": ["0.9,m=0.8"], "MODEL": ["a,b"]})
    cells = {line.split()[0]: [cell for cell in line.split("  ") if cell] for line in settings_lines(settings)}
    assert list(cells) == [*(key.name for key in KEYS), "LM_API_TOKEN"]
    said = {name: [cell.strip() for cell in row[1:]] for name, row in cells.items()}
    assert said["GENERATED_DIR"] == ["data/generated_data", "default"]
    assert said["SHARD"] == ["2/5", "PLOTBOT_SHARD"]
    assert said["MIN_PASS_RATE"] == ["*=0.9, m=0.8", "--min-pass-rate"]
    assert said["MODEL"] == ["a, b", "--model"]
    assert said["TOLERATE"] == ["none", "default"]
    assert said["SAMPLE_SEED"] == ["drawn, and printed", "drawn"]
    assert said["LM_API_TOKEN"] == ["not set", "environment"]


def test_a_number_that_is_zero_is_shown_as_zero(root: Path) -> None:
    settings = load_settings(root, {}, {"TEMPERATURE": "0", "TEST_SAMPLE_SIZE": "0"})
    values = {line.split()[0]: line.split()[1] for line in settings_lines(settings)}
    assert (values["TEMPERATURE"], values["TEST_SAMPLE_SIZE"]) == ("0.0", "0")


def test_the_columns_are_aligned(root: Path) -> None:
    lines = settings_lines(load_settings(root, {"PLOTBOT_MODEL": "m" * 300}, {}))
    assert len({line.rindex("  ") for line in lines}) == 1
    assert max(map(len, lines)) < 120


def test_one_loaded_model_is_ready_to_run(root: Path) -> None:
    found = _found(root, [_model("a", loaded=True), _model("b", loaded=False)])
    assert [check.said for check in found if not check.ready] == []
    assert found[3].said == "llama-server b1 answers"
    assert found[3].details == ("a: loaded, context 4096, 4 slots", "b: not loaded, context 4096, 4 slots")
    assert found[4] == Check("model", ready=True, said="a")


@pytest.mark.parametrize(
    ("loaded", "options", "said"),
    [
        ([True, True], {}, "has several models: m0, m1."),
        ([False], {}, "has no model loaded."),
        ([], {}, "has no model loaded."),
        ([True], {"MODEL": "other"}, "has no model other."),
    ],
)
def test_a_model_that_cannot_be_chosen_says_what_to_do(
    root: Path, loaded: list[bool], options: dict[str, str], said: str
) -> None:
    found = _found(root, [_model(f"m{place}", loaded=each) for place, each in enumerate(loaded)], **options)
    assert _refused(found).startswith(f"model: http://s {said}")
    assert "--model" in _refused(found)


def test_a_named_model_that_is_not_loaded_will_be(root: Path) -> None:
    found = _found(root, [_model("a", loaded=False), _model("b", loaded=True)], MODEL="a,b")
    assert found[4].said == "a (the server will load it when it is first asked), b"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("titles_index.json", "{}", "titles: "),
        ("prompt.txt", " ", "prompt: "),
        ("story_seed.schema.json", '{"type": "arry"}', "schema: "),
    ],
)
def test_a_file_that_cannot_be_used_is_said(root: Path, name: str, text: str, said: str) -> None:
    (root / "data" / name).write_text(text, encoding="utf-8")
    refusal = _refused(_found(root, [_model("a", loaded=True)]))
    assert refusal.startswith(said)
    assert name in refusal


def test_a_server_that_cannot_be_used_leaves_the_others_to_be_checked(root: Path) -> None:
    def find(url: str, *_: object) -> ServerFacts:
        if url == "http://a":
            raise ServerProblem("nobody answers")
        return ServerFacts(url="http://s", kind="ollama", version=None, models=(_model("m", loaded=None),))

    found = list(checks(load_settings(root, {}, {"LM_STUDIO_URL": "http://a,http://b"}), find))
    assert _refused(found) == "server http://a: nobody answers"
    assert found[4].said == "Ollama answers"


def test_the_server_is_asked_with_the_token_and_little_patience(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def discover(url: str, **arguments: object) -> ServerFacts:
        asked.update(arguments, url=url)
        return ServerFacts(url="http://s", kind="lmstudio", version=None, models=())

    monkeypatch.setattr("plotbot.ask.servers.host.discover", discover)
    list(checks(load_settings(root, {"LM_API_TOKEN": TOKEN}, {}), find_server))
    url = "http://127.0.0.1:1234/v1/chat/completions"
    assert asked == {"url": url, "token": TOKEN, "timeout": 10.0, "advise": True}


def test_a_long_list_of_models_is_cut(root: Path) -> None:
    found = _found(root, [_model(f"m{number}", loaded=number == 0) for number in range(50)])
    assert len(found[3].details) == 41
    assert found[3].details[-1] == "and 10 more"


@pytest.mark.parametrize(
    ("ready", "status", "first"),
    [(True, 0, "Ready: pytest evals"), (False, 4, "Not ready, see NO below: server \\x1b[1m")],
)
def test_the_report_begins_with_the_verdict(
    ready: bool, status: int, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report([Check("server \x1b[1m", ready=ready, said="\x1b[2J", details=("x\x07",))]) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == first
    assert lines[2:] == [f"{'ok' if ready else 'NO'}  server \\x1b[1m: \\x1b[2J", "      x\\x07"]


def test_only_what_is_set_is_shown_unless_all_is_asked_for(
    root: Path, closed_port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["doctor", f"--rootdir={root}", f"--lm-studio-url={closed_port}", "--gate", "interval"]
    main(ask)
    shown = capsys.readouterr().out
    assert [key.name for key in KEYS if f"\n{key.name} " in shown] == ["LM_STUDIO_URL", "GATE"]
    assert "LM_API_TOKEN" not in shown
    main([*ask, "--all"])
    shown = capsys.readouterr().out
    assert [key.name for key in KEYS if f"\n{key.name} " not in shown] == []


def test_without_a_server_the_doctor_says_so_and_ends_with_4(
    root: Path, closed_port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LM_API_TOKEN", TOKEN)
    assert main(["doctor", f"--rootdir={root}", f"--lm-studio-url={closed_port}"]) == 4
    shown = capsys.readouterr()
    assert f"NO  server {closed_port}: " in shown.out
    assert "--embedded" in shown.out
    assert "set, not shown" in shown.out
    assert TOKEN not in shown.out + shown.err


def test_a_configuration_file_with_a_token_is_refused_without_showing_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "config").mkdir()
    (root / "config" / "config.json").write_text(json.dumps({"LM_API_TOKEN": TOKEN}), encoding="utf-8")
    assert main(["doctor", f"--rootdir={root}"]) == 4
    assert TOKEN not in "".join(capsys.readouterr())


def test_a_reader_that_leaves_ends_the_command_quietly(root: Path, closed_port: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "plotbot", "doctor", f"--rootdir={root}", f"--lm-studio-url={closed_port}"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, cwd=PROJECT, check=False, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("options", "ready", "said"),
    [
        ((), True, "model that comes with plotbot: story-seeds.gguf, 2.04 MB, Q8_0, llama, 4 slots, 1 thread"),
        (("--embedded-model=a.gguf",), True, "needs about 96.5 MB of memory, "),
        (("--embedded-model=a.gguf",), True, "2048 tokens of context for each slot"),
        (("--embedded-model=a.gguf,bad.gguf",), False, "NO  model bad.gguf: "),
        (("--embedded-model=nothing-such",), False, "no model of that name"),
        (("--embedded-model=a.gguf", "--context-length=4096"), False, "a has 2048 tokens at most"),
    ],
)
def test_the_embedded_engines_files_are_looked_at_without_being_loaded(
    root: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], ready: bool, said: str
) -> None:
    pytest.importorskip("xllamacpp")
    (root / "a.gguf").write_bytes(MODEL_PATH.read_bytes())
    (root / "bad.gguf").write_bytes(b"no model")
    assert main(["doctor", "--embedded", "--rootdir", str(root), *options]) == (0 if ready else 4)
    assert said in capsys.readouterr().out


def test_the_models_that_a_pattern_means_are_shown_in_the_order_in_which_they_would_be_asked(root: Path) -> None:
    models = [_model("qwen-b", loaded=False), _model("gemma", loaded=True), _model("qwen-a", loaded=True)]
    check = _found(root, models, MODEL="qwen*")[-1]
    assert (check.ready, check.said) == (True, "qwen* is 2 models, in this order")
    assert check.details == ("qwen-a", "qwen-b (the server will load it when it is first asked)")
    assert "no language model matches qwenn*. Did you mean qwen-b" in _refused(_found(root, models, MODEL="qwenn*"))
