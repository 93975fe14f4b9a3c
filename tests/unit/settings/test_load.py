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
from plotbot.settings.keys import BY_NAME, KEYS, Key, keys_deciding, settings_table_markdown

PROJECT = Path(__file__).parents[3]
TOKEN = "sk-hush-0123456789"
ELSEWHERE = str(Path.cwd().anchor) + "elsewhere"

# For every key that `_another` has no value for: its form in the file, its text, and the value that a Settings holds.
SPECIAL: dict[str, tuple[Any, str, Any]] = {
    "REQUEST_TIMEOUT": (1.5, "1.5", 1.5),
    "WRITE_BATCH_SECONDS": (0.1, ".1", 0.1),
    "FILE_LOCK_TIMEOUT": (2, "2", 2.0),
    "FILE_LOCK_POLL_INTERVAL": (0.5, "5e-1", 0.5),
    "LM_STUDIO_URL": (
        ["http://a:1", "https://[::1]:2/v1"],
        "http://a:1, https://[::1]:2/v1",
        ("http://a:1", "https://[::1]:2/v1"),
    ),
    "MODEL": (["qwen/qwen3-4b@q8_0", "b"], "qwen/qwen3-4b@q8_0,b", ("qwen/qwen3-4b@q8_0", "b")),
    "RESPONSE_FORMAT": (["json_schema", "none"], "json_schema,none", ("json_schema", "none")),
    "PROMPT_PATH": (["/a b.txt", ELSEWHERE], f"/a b.txt, {ELSEWHERE}", (Path("/a b.txt"), Path(ELSEWHERE))),
    "TEMPERATURE": ([0.2, 1], "0.2,1", (0.2, 1.0)),
    "REASONING_EFFORT": (["none", "low"], "none,low", ("none", "low")),
    "TOLERATE": (["fenced", "prose_around"], "fenced,prose_around", frozenset({"fenced", "prose_around"})),
    "CONFIRM": ("skip", "skip", "skip"),
    "MIN_PASS_RATE": ({"*": 0.9, "b": 1}, "0.9,b=1", {"*": 0.9, "b": 1.0}),
    "EXECUTOR": ("dask://Box.local", "dask://Box.local", "dask://box.local:8786"),
    "SHOW_FAILURES": ("all", "all", "all"),
    "SHARD": ("2/5", "2/5", (2, 5)),
    "ANSWERS": ("last", "last", "last"),
    "NOTE": ("shorter  prompt, \x1b[2J", "shorter prompt, \x1b[2J", "shorter prompt, \x1b[2J"),
    "EMBEDDED_MODEL": (["a.gguf", "b"], "a.gguf,b", ("a.gguf", "b")),
}


def _another(key: Key) -> tuple[Any, str, Any]:
    """A value that is not the default; of two choices the last, of numbers an end of the range."""
    if key.kind == "path":
        return ELSEWHERE, ELSEWHERE, Path(ELSEWHERE)
    if key.kind == "choice":
        other = next(choice for choice in reversed(key.choices) if choice != key.default)
        return other, other, other
    assert key.kind in {"whole", "number"}, f"{key.name}: give SPECIAL a value of it"
    number = key.high if key.default == key.low else key.low
    return number, str(number), float(number) if key.kind == "number" else number


OTHER = {key.name: SPECIAL.get(key.name) or _another(key) for key in KEYS}
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


def test_the_fields_are_the_keys_in_lower_case() -> None:
    own = {"root", "origins", "lm_api_token", "lm_api_token_hosts"}
    assert {field.name for field in dataclasses.fields(Settings)} - own == {key.field for key in KEYS}
    assert set(SPECIAL) <= set(BY_NAME)


def test_without_any_source_every_value_is_the_default(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    assert settings.generated_dir == tmp_path / "data" / "generated_data"
    assert (settings.request_timeout, settings.write_strategy, settings.confirm) == (90.0, "immediate", "ask")
    assert settings.lm_studio_url == ("http://127.0.0.1:1234/v1/chat/completions",)
    assert (settings.model, settings.tolerate, settings.min_pass_rate) == ((), frozenset(), {})
    assert (settings.prompt_path, settings.reasoning_effort) == ((tmp_path / "data" / "prompt.txt",), ())
    unset = {"MAX_IN_FLIGHT", "CONTEXT_LENGTH", "SHARD"}
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


@pytest.mark.parametrize("name", sorted(OTHER))
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
    assert (settings.repeats, settings.temperature) == (2, (0.8,))


def test_a_seed_that_is_not_set_is_drawn(tmp_path: Path) -> None:
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
    params = _load(tmp_path).params
    assert params.items() >= {
        "temperature": 0.8, "top_p": 0.95, "top_k": 40, "min_p": 0.05, "repeat_penalty": 1.0, "max_tokens": 1024,
    }.items()  # fmt: skip
    assert params == {key.field: key.default for key in keys_deciding("request") if key.default is not None}
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


def test_comments_in_the_file_are_left_alone(tmp_path: Path) -> None:
    _write_config(tmp_path, '{"//": "a", "//": "b", "_TOP_K": "off", "$schema": "x", "TOP_K": 5}')
    assert _load(tmp_path).top_k == 5


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    _write_config(tmp_path, '\ufeff{"TOP_K": 5}')
    assert _load(tmp_path).top_k == 5


def test_the_token_is_read_and_never_shown(tmp_path: Path) -> None:
    settings = _load(tmp_path, environ={"LM_API_TOKEN": f" {TOKEN}\n"})
    assert settings.lm_api_token is not None
    assert settings.lm_api_token.reveal() == TOKEN
    assert TOKEN not in f"{settings!r} {settings} {settings.lm_api_token} {json.dumps(settings.to_json())}"
    assert "lm_api_token" not in repr(settings)
    assert "LM_API_TOKEN" not in settings.origins


@pytest.mark.parametrize("carry", [pickle.dumps, copy.deepcopy, json.dumps])
def test_a_token_is_not_carried_off_by_accident(carry: Any) -> None:
    with pytest.raises(TypeError):
        carry(Secret(TOKEN))


def test_secrets_are_equal_by_their_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1


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
    assert names == [*BY_NAME, "LM_API_TOKEN", "LM_API_TOKEN_HOSTS"]
    assert {row.count("|") for row in rows} == {5}


@pytest.mark.parametrize(
    ("url", "environ", "command_line", "sent"),
    [
        ("https://models.example/v1", {}, {}, False),
        ("http://93.184.216.34:1234", {}, {}, False),
        ("http://localhost.evil.example:1234", {}, {}, False),
        ("http://127.0.0.1.evil.example", {}, {}, False),
        ("http://[::ffff:93.184.216.34]:1234", {}, {}, False),
        ("http://[64:ff9b::93.184.216.34]:1234", {}, {}, False),
        ("http://[fe80::1%25eth0]:1234", {}, {}, True),
        ("http://127.0.0.1:1234", {}, {}, True),
        ("http://[::1]:1234", {}, {}, True),
        ("http://localhost:1234", {}, {}, True),
        ("http://192.168.1.7:1234", {}, {}, True),
        ("http://10.0.0.7:1234", {}, {}, True),
        ("http://169.254.169.254", {}, {}, False),
        ("http://[::ffff:169.254.169.254]", {}, {}, False),
        ("http://[::ffff:192.168.1.7]:1234", {}, {}, True),
        ("https://Models.Example", {"LM_API_TOKEN_HOSTS": "gpu, models.example"}, {}, True),
        ("https://evil.models.example", {"LM_API_TOKEN_HOSTS": "models.example"}, {}, False),
        ("https://models.example", {"PLOTBOT_LM_STUDIO_URL": "https://models.example"}, {}, True),
        ("https://models.example", {}, {"LM_STUDIO_URL": "https://models.example"}, True),
    ],
)
def test_the_token_goes_to_no_server_that_only_the_file_names(
    tmp_path: Path, url: str, environ: Mapping[str, str], command_line: Given, sent: bool
) -> None:
    settings = _load(tmp_path, {"LM_STUDIO_URL": url}, {"LM_API_TOKEN": TOKEN, **environ}, command_line)
    if sent:
        assert settings.token_for(url) == TOKEN
    else:
        with pytest.raises(SettingsError, match=r"LM_API_TOKEN is not sent to .*LM_API_TOKEN_HOSTS=") as refused:
            settings.token_for(url)
        assert TOKEN not in str(refused.value)
    assert _load(tmp_path, {"LM_STUDIO_URL": url}).token_for(url) is None


@pytest.mark.parametrize("host", ["127.0.0.1%2eevil.example", "127.0.0.1\\.evil.example", "evil.example%40localhost"])
def test_a_host_that_two_readers_read_in_two_ways_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match=r"config\.json: LM_STUDIO_URL is .* but must be"):
        _load(tmp_path, {"LM_STUDIO_URL": f"http://{host}:1234"}, {"LM_API_TOKEN": TOKEN})
    # A server's address comes from elsewhere, too.
    settings = _load(tmp_path, {"LM_STUDIO_URL": "http://models.example"}, {"LM_API_TOKEN": TOKEN})
    with pytest.raises(SettingsError, match="is not sent"):
        settings.token_for(f"http://{host}:1234")


def test_the_file_cannot_name_the_hosts_that_get_the_token(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="environment variable LM_API_TOKEN_HOSTS only"):
        _load(tmp_path, {"LM_API_TOKEN_HOSTS": ["evil.example"]})
