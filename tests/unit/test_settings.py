import copy
import dataclasses
import json
import pickle
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import SettingsError
from plotbot.settings import Secret, Settings, draw_seed, load_settings
from plotbot.settings_keys import BY_NAME, KEYS, settings_table_markdown

PROJECT = Path(__file__).parents[2]
TOKEN = "sk-hush-0123456789"
ELSEWHERE = str(Path.cwd().anchor) + "elsewhere"

# For every key: its form in the file, its text, and the value that a Settings then holds.
OTHER: dict[str, tuple[Any, str, Any]] = {
    "GENERATED_DIR": (ELSEWHERE, ELSEWHERE, Path(ELSEWHERE)),
    "REQUEST_TIMEOUT": (1.5, "1.5", 1.5),
    "LOAD_TIMEOUT": (30, "30", 30.0),
    "WRITE_STRATEGY": ("batch", "batch", "batch"),
    "WRITE_BATCH_SIZE": (7, "7", 7),
    "WRITE_BATCH_SECONDS": (0.1, ".1", 0.1),
    "WRITE_BATCH_RETRY_LIMIT": (0, "0", 0),
    "FILE_LOCK_TIMEOUT": (2, "2", 2.0),
    "FILE_LOCK_POLL_INTERVAL": (0.5, "5e-1", 0.5),
    "FILE_LOCK_STALE_SECONDS": (60, "60", 60.0),
    "LM_STUDIO_URL": (
        ["http://a:1", "https://[::1]:2/v1"],
        "http://a:1, https://[::1]:2/v1",
        ("http://a:1", "https://[::1]:2/v1"),
    ),
    "MODEL": (["qwen/qwen3-4b@q8_0", "b"], "qwen/qwen3-4b@q8_0,b", ("qwen/qwen3-4b@q8_0", "b")),
    "TITLES_PATH": (ELSEWHERE, ELSEWHERE, Path(ELSEWHERE)),
    "PROMPT_PATH": (ELSEWHERE, ELSEWHERE, Path(ELSEWHERE)),
    "SCHEMA_PATH": (ELSEWHERE, ELSEWHERE, Path(ELSEWHERE)),
    "TEST_SAMPLE_SIZE": (0, "0", 0),
    "SAMPLE_SEED": (42, "42", 42),
    "REPEATS": (3, "3", 3),
    "MAX_IN_FLIGHT": (8, "8", 8),
    "RESPONSE_FORMAT": (["json_schema", "none"], "json_schema,none", ("json_schema", "none")),
    "TOLERATE": (["fenced", "prose_around"], "fenced,prose_around", frozenset({"fenced", "prose_around"})),
    "TEMPERATURE": (0, "0", 0.0),
    "TOP_P": (1, "1", 1.0),
    "TOP_K": (0, "0", 0),
    "MIN_P": (0.2, "0.2", 0.2),
    "REPEAT_PENALTY": (1.1, "1.1", 1.1),
    "MAX_TOKENS": (5, "5", 5),
    "MODEL_SEED": (9, "9", 9),
    "REASONING_EFFORT": ("none", "none", "none"),
    "CONFIRM": ("skip", "skip", "skip"),
    "REQUEST_RETRY_LIMIT": (0, "0", 0),
    "MIN_PASS_RATE": ({"*": 0.9, "b": 1}, "0.9,b=1", {"*": 0.9, "b": 1.0}),
    "GATE": ("interval", "interval", "interval"),
    "CONTEXT_LENGTH": (8192, "8192", 8192),
    "EXECUTOR": ("dask://10.0.0.1:8786", "dask://10.0.0.1:8786", "dask://10.0.0.1:8786"),
    "SHARD": ("2/5", "2/5", (2, 5)),
    "PIN_PATH": (ELSEWHERE, ELSEWHERE, Path(ELSEWHERE)),
    "REPORT_DIR": (ELSEWHERE, ELSEWHERE, Path(ELSEWHERE)),
    "RUNS_DIR": (ELSEWHERE, ELSEWHERE, Path(ELSEWHERE)),
}
EVERY_OTHER = {name: file_form for name, (file_form, _, _) in OTHER.items()}

Given = Mapping[str, Sequence[str] | str]


def _write_config(root: Path, text: str) -> None:
    (root / "config").mkdir(exist_ok=True)
    (root / "config" / "config.json").write_text(text, encoding="utf-8")


def _load(
    root: Path, config: object = None, environ: Mapping[str, str] | None = None, command_line: Given | None = None
) -> Settings:
    if config is not None:
        _write_config(root, json.dumps(config))
    return load_settings(root, environ or {}, command_line or {}, draw=lambda: 7)


def _refusal(
    root: Path, config: object = None, environ: Mapping[str, str] | None = None, command_line: Given | None = None
) -> str:
    with pytest.raises(SettingsError) as caught:
        _load(root, config, environ, command_line)
    return str(caught.value)


def test_the_fields_are_the_keys_in_lower_case() -> None:
    own = {"root", "origins", "lm_api_token"}
    assert {field.name for field in dataclasses.fields(Settings)} - own == {key.field for key in KEYS}
    assert set(OTHER) == set(BY_NAME)


def test_without_any_source_every_value_is_the_default(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    assert settings.generated_dir == tmp_path / "data" / "generated_data"
    assert (settings.request_timeout, settings.write_strategy, settings.confirm) == (90.0, "immediate", "ask")
    assert settings.lm_studio_url == ("http://127.0.0.1:1234/v1/chat/completions",)
    assert (settings.model, settings.tolerate, settings.min_pass_rate) == ((), frozenset(), {})
    unset = {"MAX_IN_FLIGHT", "CONTEXT_LENGTH", "SHARD", "REASONING_EFFORT"}
    assert {name: getattr(settings, name.lower()) for name in unset} == dict.fromkeys(unset)
    assert set(settings.origins.values()) == {"default", "drawn"}


@pytest.mark.parametrize("name", OTHER)
def test_every_key_changes_its_field_from_the_file(tmp_path: Path, name: str) -> None:
    file_form, _, value = OTHER[name]
    settings = _load(tmp_path, {name: file_form})
    assert getattr(settings, name.lower()) == value
    assert type(getattr(settings, name.lower())) is type(value)
    assert settings.origins[name] == "config/config.json"


@pytest.mark.parametrize("name", OTHER)
def test_every_key_changes_its_field_from_the_environment(tmp_path: Path, name: str) -> None:
    _, text, value = OTHER[name]
    settings = _load(tmp_path, environ={f"PLOTBOT_{name}": text, "PATH": "/bin"})
    assert getattr(settings, name.lower()) == value
    assert settings.origins[name] == f"PLOTBOT_{name}"


@pytest.mark.parametrize("name", OTHER)
def test_every_key_changes_its_field_from_the_command_line(tmp_path: Path, name: str) -> None:
    _, text, value = OTHER[name]
    settings = _load(tmp_path, command_line={name: [text] if BY_NAME[name].is_list else text})
    assert getattr(settings, name.lower()) == value
    assert settings.origins[name] == "--" + name.lower().replace("_", "-")


@pytest.mark.parametrize("name", OTHER)
def test_a_key_changes_no_other_field(tmp_path: Path, name: str) -> None:
    before, after = _load(tmp_path).to_json(), _load(tmp_path, {name: EVERY_OTHER[name]}).to_json()
    assert [key for key, value in after["values"].items() if value != before["values"][key]] == [name]


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    config = {"REPEATS": 2, "TOP_K": 2, "MAX_TOKENS": 2}
    environ = {"PLOTBOT_TOP_K": "3", "PLOTBOT_MAX_TOKENS": "3"}
    settings = _load(tmp_path, config, environ, {"MAX_TOKENS": "4"})
    assert (settings.repeats, settings.top_k, settings.max_tokens) == (2, 3, 4)
    origins = [settings.origins[name] for name in ("REPEATS", "TOP_K", "MAX_TOKENS")]
    assert origins == ["config/config.json", "PLOTBOT_TOP_K", "--max-tokens"]


def test_a_bad_value_is_refused_even_where_it_is_overridden(tmp_path: Path) -> None:
    assert "PLOTBOT_TOP_K" in _refusal(tmp_path, environ={"PLOTBOT_TOP_K": "many"}, command_line={"TOP_K": "4"})


def test_a_list_is_an_option_repeated_or_commas(tmp_path: Path) -> None:
    assert _load(tmp_path, command_line={"MODEL": ["a,b", "c"]}).model == ("a", "b", "c")
    assert _load(tmp_path, {"MODEL": "a,b"}).model == ("a", "b")


def test_a_list_in_the_file_is_taken_as_it_is(tmp_path: Path) -> None:
    assert _load(tmp_path, {"MODEL": ["a,b"]}).model == ("a,b",)


@pytest.mark.parametrize("rate", [0.9, {"*": 0.9}])
def test_one_pass_rate_is_for_every_model(tmp_path: Path, rate: object) -> None:
    settings = _load(tmp_path, {"MIN_PASS_RATE": rate})
    assert settings.min_pass_rate_for("any") == 0.9


def test_a_model_s_own_pass_rate_comes_first(tmp_path: Path) -> None:
    settings = _load(tmp_path, command_line={"MIN_PASS_RATE": ["0.9", "qwen/qwen3-4b@q4=0.5"]})
    assert settings.min_pass_rate_for("qwen/qwen3-4b@q4") == 0.5
    assert settings.min_pass_rate_for("other") == 0.9
    assert _load(tmp_path).min_pass_rate_for("other") is None


def test_an_empty_option_or_null_unsets_what_may_be_unset(tmp_path: Path) -> None:
    environ = {"PLOTBOT_TOLERATE": "fenced", "PLOTBOT_MAX_IN_FLIGHT": "3"}
    settings = _load(tmp_path, environ=environ, command_line={"TOLERATE": [""], "MAX_IN_FLIGHT": ""})
    assert (settings.tolerate, settings.max_in_flight) == (frozenset(), None)
    assert _load(tmp_path, {"MODEL": None, "SHARD": None}).model == ()


def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path) -> None:
    settings = _load(tmp_path, {"REPEATS": 2}, {"PLOTBOT_REPEATS": "", "PLOTBOT_TEMPERATURE": " "})
    assert (settings.repeats, settings.temperature) == (2, 0.8)


def test_a_seed_that_nobody_set_is_drawn(tmp_path: Path) -> None:
    settings = _load(tmp_path, {"SAMPLE_SEED": None})
    assert (settings.sample_seed, settings.origins["SAMPLE_SEED"]) == (7, "drawn")
    assert _load(tmp_path, {"SAMPLE_SEED": 5}, command_line={"SAMPLE_SEED": ""}).origins["SAMPLE_SEED"] == "drawn"


def test_drawn_seeds_differ_and_are_short_to_type() -> None:
    seeds = {draw_seed() for _ in range(20)}
    assert len(seeds) > 1
    assert all(0 <= seed < 1_000_000 for seed in seeds)


def test_relative_paths_start_at_the_project_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    settings = _load(Path(".."), command_line={"REPORT_DIR": "out"})
    assert settings.report_dir.is_absolute()
    assert settings.report_dir.resolve() == tmp_path.resolve() / "out"


def test_a_tilde_is_the_home_folder(tmp_path: Path) -> None:
    assert _load(tmp_path, {"RUNS_DIR": "~/runs"}).runs_dir == Path.home() / "runs"


def test_params_are_stated_in_full(tmp_path: Path) -> None:
    assert _load(tmp_path).params == {
        "temperature": 0.8, "top_p": 0.95, "top_k": 40, "min_p": 0.05, "repeat_penalty": 1.0, "max_tokens": 1024,
    }  # fmt: skip
    assert _load(tmp_path, {"REASONING_EFFORT": "none"}).params["reasoning_effort"] == "none"


def test_settings_survive_json_whole_but_for_the_token(tmp_path: Path) -> None:
    settings = _load(tmp_path, EVERY_OTHER, {"LM_API_TOKEN": TOKEN})
    back = Settings.from_json(json.loads(json.dumps(settings.to_json())))
    assert back == dataclasses.replace(settings, lm_api_token=None)
    assert Settings.from_json(_load(tmp_path, {}).to_json()).origins["SAMPLE_SEED"] == "drawn"


def test_other_values_come_with_their_origin(tmp_path: Path) -> None:
    settings = _load(tmp_path).with_values("--embedded", lm_studio_url=("http://127.0.0.1:9",), model=("tiny",))
    assert (settings.lm_studio_url, settings.model) == (("http://127.0.0.1:9",), ("tiny",))
    assert settings.origins["MODEL"] == settings.origins["LM_STUDIO_URL"] == "--embedded"
    assert settings.origins["REPEATS"] == "default"


BAD_VALUES: list[tuple[str, Any, str]] = [
    ("REQUEST_TIMEOUT", 0, "0"),
    ("REQUEST_TIMEOUT", "90", '"90"'),
    ("REQUEST_TIMEOUT", True, "true"),
    ("REQUEST_TIMEOUT", None, "null"),
    ("TEMPERATURE", [], "[]"),
    ("TEMPERATURE", -0.1, "-0.1"),
    ("TEMPERATURE", 10**400, "1000"),
    ("TOP_P", 1.01, "1.01"),
    ("TEST_SAMPLE_SIZE", -1, "-1"),
    ("TEST_SAMPLE_SIZE", 10.0, "10.0"),
    ("TEST_SAMPLE_SIZE", False, "false"),
    ("REPEATS", 0, "0"),
    ("SAMPLE_SEED", -1, "-1"),
    ("WRITE_STRATEGY", "later", '"later"'),
    ("WRITE_STRATEGY", 1, "1"),
    ("GENERATED_DIR", "", '""'),
    ("GENERATED_DIR", "a\x00b", '"a\\u0000b"'),
    ("GENERATED_DIR", "~no-such-user-here/x", '"~no-such-user-here/x"'),
    ("MODEL", ["a", "a"], '"a"'),
    ("MODEL", ["a", 1], "1"),
    ("MODEL", "a,,b", '""'),
    ("MODEL", [" a"], '" a"'),
    ("MODEL", {"a": 1}, "{'a': 1}"),
    ("RESPONSE_FORMAT", [], "[]"),
    ("TOLERATE", ["fenced", "prose"], '"prose"'),
    ("MIN_PASS_RATE", 1.2, "1.2"),
    ("MIN_PASS_RATE", {"m": True}, "true"),
    ("MIN_PASS_RATE", {"": 0.5}, '""'),
    ("SHARD", "0/5", '"0/5"'),
    ("SHARD", "6/5", '"6/5"'),
    ("SHARD", 2, "2"),
    ("EXECUTOR", "ray", '"ray"'),
    ("EXECUTOR", "dask://nowhere", '"dask://nowhere"'),
    ("LM_STUDIO_URL", [], "[]"),
    ("LM_STUDIO_URL", "localhost:1234", '"localhost:1234"'),
    ("LM_STUDIO_URL", "ftp://a", '"ftp://a"'),
    ("LM_STUDIO_URL", "http://", '"http://"'),
    ("LM_STUDIO_URL", "http://a:99999", '"http://a:99999"'),
    ("LM_STUDIO_URL", "http://[::1", '"http://[::1"'),
    ("LM_STUDIO_URL", "http://a b", '"http://a b"'),
    ("LM_STUDIO_URL", 1234, "1234"),
]


@pytest.mark.parametrize(("name", "value", "came"), BAD_VALUES)
def test_a_bad_value_is_refused_with_source_key_value_and_what_to_do(
    tmp_path: Path, name: str, value: object, came: str
) -> None:
    message = _refusal(tmp_path, {name: value})
    assert message.startswith(f"config/config.json: {name} is {came}")
    assert f"must be {BY_NAME[name].allowed}" in message
    assert f"leave it out: then it is {BY_NAME[name].default_text}." in message


BAD_TEXTS = [
    ("TEMPERATURE", "warm"),
    ("TEMPERATURE", "nan"),
    ("TEMPERATURE", "inf"),
    ("TEMPERATURE", "1e999"),
    ("TEMPERATURE", "1_0"),
    ("TEMPERATURE", ""),
    ("TOP_K", "4.0"),
    ("TOP_K", "٣"),
    ("TOP_K", "9" * 5000),
    ("MIN_PASS_RATE", "model=high"),
    ("MIN_PASS_RATE", "0.5,0.6"),
    ("MIN_PASS_RATE", "m=0.5,m=0.6"),
    ("WRITE_STRATEGY", "Batch"),
    ("SHARD", "2/5/7"),
    ("SHARD", "0/0"),
    ("TITLES_PATH", "a\udcffb"),
]


@pytest.mark.parametrize(("name", "text"), BAD_TEXTS)
def test_a_bad_text_is_refused_by_its_option_in_one_short_line(tmp_path: Path, name: str, text: str) -> None:
    message = _refusal(tmp_path, command_line={name: [text]})
    assert message.startswith(f"{BY_NAME[name].option}: {name} is ")
    assert len(message) < 400
    assert message.isprintable()


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_without_a_value_is_refused(tmp_path: Path, literal: str) -> None:
    _write_config(tmp_path, f'{{"TEMPERATURE": {literal}}}')
    assert "must be a number from 0 to 5" in _refusal(tmp_path)


def test_the_nearest_choice_is_suggested(tmp_path: Path) -> None:
    assert "did you mean batch?" in _refusal(tmp_path, {"WRITE_STRATEGY": "Bach"})


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("TEMPERATUR", "TEMPERATURE"), ("temperature", "TEMPERATURE"), ("MODELS", "MODEL"), ("REPEAT", "REPEATS")],
)
def test_an_unknown_key_in_the_file_suggests_the_nearest(tmp_path: Path, name: str, suggestion: str) -> None:
    message = _refusal(tmp_path, {name: 12345})
    assert message.startswith(f'config/config.json: "{name}" (12345) is no setting')
    assert f"did you mean {suggestion}?" in message


def test_an_unknown_variable_suggests_the_nearest(tmp_path: Path) -> None:
    message = _refusal(tmp_path, environ={"PLOTBOT_TEMPERTURE": "0.5"})
    assert message == 'environment: "PLOTBOT_TEMPERTURE" ("0.5") is no setting; did you mean PLOTBOT_TEMPERATURE?'


def test_an_unknown_key_that_is_like_no_other_says_where_the_keys_are(tmp_path: Path) -> None:
    assert "`plotbot doctor` lists the keys" in _refusal(tmp_path, {"XYZZY": 1})


def test_comments_in_the_file_are_left_alone(tmp_path: Path) -> None:
    _write_config(tmp_path, '{"//": "a", "//": "b", "_TOP_K": "off", "$schema": "x", "TOP_K": 5}')
    assert _load(tmp_path).top_k == 5


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{\n  "TOP_K": 5,\n}', ["is not JSON", "line 3, column 1"]),
        ("", ["is not JSON", "line 1, column 1"]),
        ('{"TOP_K": 5, "TOP_K": 6}', ['"TOP_K" twice', "6"]),
        ('{"MIN_PASS_RATE": {"m": 0.5, "m": 0.6}}', ['"m" twice', "0.6"]),
        ("[1, 2]", ["must be an object", "[1, 2]"]),
        ("null", ["must be an object", "null"]),
        ('{"TOP_K": ' + "[" * 100_000, ["cannot be used"]),
        ('{"TOP_K": ' + "9" * 5000 + "}", ["cannot be used"]),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(tmp_path: Path, text: str, parts: list[str]) -> None:
    _write_config(tmp_path, text)
    message = _refusal(tmp_path)
    assert message.startswith("config/config.json")
    assert [part for part in parts if part not in message] == []


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config" / "config.json").mkdir(parents=True)
    assert "config/config.json cannot be read" in _refusal(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.json").write_bytes(b'{"MODEL": "\xff"}')
    assert "config/config.json cannot be read" in _refusal(tmp_path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    _write_config(tmp_path, '\ufeff{"TOP_K": 5}')
    assert _load(tmp_path).top_k == 5


@pytest.mark.parametrize(
    "url", [f"http://me:{TOKEN}@host:1", f"http://me:{TOKEN}/x@host", f"http://host/v1?key={TOKEN}", f"x:{TOKEN}@"]
)
def test_a_secret_in_a_url_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    message = _refusal(tmp_path, environ={"PLOTBOT_LM_STUDIO_URL": url})
    assert message.startswith("PLOTBOT_LM_STUDIO_URL: LM_STUDIO_URL is ")
    assert TOKEN not in message


def test_the_token_is_read_and_never_shown(tmp_path: Path) -> None:
    settings = _load(tmp_path, environ={"LM_API_TOKEN": f" {TOKEN}\n"})
    assert settings.lm_api_token is not None
    assert settings.lm_api_token.reveal() == TOKEN
    assert TOKEN not in f"{settings!r} {settings} {settings.lm_api_token} {json.dumps(settings.to_json())}"
    assert "LM_API_TOKEN" not in settings.origins


@pytest.mark.parametrize("carry", [pickle.dumps, copy.deepcopy, json.dumps])
def test_a_token_is_not_carried_off_by_accident(carry: Any) -> None:
    with pytest.raises(TypeError):
        carry(Secret(TOKEN))


def test_secrets_are_equal_by_their_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "caf\u00e9", "a\x00b"])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(tmp_path: Path, token: str) -> None:
    message = _refusal(tmp_path, environ={"LM_API_TOKEN": token})
    assert "LM_API_TOKEN" in message
    assert token not in message


@pytest.mark.parametrize("name", ["LM_API_TOKEN", "lm_api_token", "LM_API_TOKN", "API_TOKEN"])
def test_a_token_anywhere_but_in_its_variable_is_refused_and_not_shown(tmp_path: Path, name: str) -> None:
    messages = [
        _refusal(tmp_path, {name: TOKEN}),
        _refusal(tmp_path, {}, {f"PLOTBOT_{name}": TOKEN}),
        _refusal(tmp_path, {}, command_line={name: TOKEN}),
    ]
    assert [message for message in messages if TOKEN in message] == []
    if name.upper() == "LM_API_TOKEN":
        assert all("environment variable LM_API_TOKEN only" in message for message in messages)


def test_the_example_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    shutil.copy(PROJECT / "config" / "config.example.json", tmp_path / "config" / "config.json")
    example = _load(tmp_path)
    assert list(json.loads((tmp_path / "config" / "config.json").read_text(encoding="utf-8"))) == list(BY_NAME)
    (tmp_path / "config" / "config.json").unlink()
    assert example.to_json()["values"] == _load(tmp_path).to_json()["values"]


def test_the_readme_s_table_has_a_row_for_every_key() -> None:
    rows = settings_table_markdown().splitlines()
    names = [row.split("`")[1] for row in rows[2:]]
    assert names == [*BY_NAME, "LM_API_TOKEN"]
    assert {row.count("|") for row in rows} == {5}
