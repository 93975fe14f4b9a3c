import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import SettingsError
from plotbot.settings import load_settings
from plotbot.settings.keys import BY_NAME

TOKEN = "sk-hush-0123456789"

Given = Mapping[str, Sequence[str] | str]


def _write_config(root: Path, text: str) -> None:
    (root / "config").mkdir(exist_ok=True)
    (root / "config" / "config.json").write_text(text, encoding="utf-8")


def _refusal(
    root: Path, config: object = None, environ: Mapping[str, str] | None = None, command_line: Given | None = None
) -> str:
    if config is not None:
        _write_config(root, json.dumps(config))
    with pytest.raises(SettingsError) as caught:
        load_settings(root, environ or {}, command_line or {})
    return str(caught.value)


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
    ("SHOW_FAILURES", -1, "-1"),
    ("SHOW_FAILURES", "every", '"every"'),
    ("SHOW_FAILURES", True, "true"),
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
    ("EXECUTOR", "", '""'),
    ("EXECUTOR", ["dask"], "['dask']"),
    ("EXECUTOR", "dask:", '"dask:"'),
    ("EXECUTOR", "dask://", '"dask://"'),
    ("EXECUTOR", "dask://box:0", '"dask://box:0"'),
    ("EXECUTOR", "dask://box:port", '"dask://box:port"'),
    ("EXECUTOR", "dask://my box:8786", '"dask://my box:8786"'),
    ("EXECUTOR", "dask://box:8786/status", '"dask://box:8786/status"'),
    ("EXECUTOR", "dask://user:secret@box:8786", '"…@box:8786"'),
    ("EXECUTOR", "tcp://box:8786", '"tcp://box:8786"'),
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
    assert "did you mean dask://box:8786?" in _refusal(tmp_path, {"EXECUTOR": "tcp://box:8786"})
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


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{\n  "TOP_K": 5,\n7}', ["is not JSON", "line 3, column 1"]),
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


@pytest.mark.parametrize(
    "url", [f"http://me:{TOKEN}@host:1", f"http://me:{TOKEN}/x@host", f"http://host/v1?key={TOKEN}", f"x:{TOKEN}@"]
)
def test_a_secret_in_a_url_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    message = _refusal(tmp_path, environ={"PLOTBOT_LM_STUDIO_URL": url})
    assert message.startswith("PLOTBOT_LM_STUDIO_URL: LM_STUDIO_URL is ")
    assert TOKEN not in message


def test_a_bad_value_is_refused_even_where_it_is_overridden(tmp_path: Path) -> None:
    assert "PLOTBOT_TOP_K" in _refusal(tmp_path, environ={"PLOTBOT_TOP_K": "many"}, command_line={"TOP_K": "4"})


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
