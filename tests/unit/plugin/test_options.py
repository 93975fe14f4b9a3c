from pathlib import Path

import pytest

from plotbot.errors import SettingsError
from plotbot.plugin.options import EMBEDDED, SHOW_REPLIES, add_options, command_line
from plotbot.settings import load_settings
from plotbot.settings.keys import GROUPS, KEYS, keys_in

pytest_plugins = ("pytester",)


class OptionsOnly:
    @staticmethod
    def pytest_addoption(parser: pytest.Parser) -> None:
        add_options(parser)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.plugins.append(OptionsOnly())
    return pytester


def test_nothing_given_is_nothing_collected(project: pytest.Pytester) -> None:
    config = project.parseconfig()
    assert command_line(config) == {}
    assert (config.getoption(EMBEDDED), config.getoption(SHOW_REPLIES)) == (False, False)


def test_options_are_collected_as_text_by_key(project: pytest.Pytester) -> None:
    config = project.parseconfig(
        "--temperature", "-1", "--model=a,b", "--model", "c", "--shard=2/5", "--embedded", "--show-replies"
    )
    assert command_line(config) == {"TEMPERATURE": ["-1"], "MODEL": ["a,b", "c"], "SHARD": "2/5"}
    assert (config.getoption(EMBEDDED), config.getoption(SHOW_REPLIES)) == (True, True)


def test_every_key_has_its_option(project: pytest.Pytester) -> None:
    given = command_line(project.parseconfig(*(f"--{key.name.lower().replace('_', '-')}={key.name}" for key in KEYS)))
    assert given == {key.name: [key.name] if key.is_list else key.name for key in KEYS}


def test_the_token_is_no_option_and_is_not_repeated(project: pytest.Pytester, tmp_path: Path) -> None:
    config = project.parseconfig("--lm-api-token=sk-hush")
    with pytest.raises(SettingsError, match="environment variable LM_API_TOKEN only") as caught:
        load_settings(tmp_path, {}, command_line(config))
    assert "sk-hush" not in str(caught.value)


def test_help_names_every_option_its_default_and_no_token(pytester: pytest.Pytester) -> None:
    lines = pytester.runpytest_inprocess("--help", plugins=[OptionsOnly()]).outlines
    shown = " ".join(" ".join(lines).split())
    assert [key.option for key in KEYS if key.option not in shown] == []
    assert "which titles are drawn (default: drawn, and printed)" in shown
    assert "--lm-api-token" not in shown


def test_help_has_a_group_for_each_kind_of_option_with_the_everyday_ones_first(pytester: pytest.Pytester) -> None:
    shown = "\n".join(pytester.runpytest_inprocess("--help", plugins=[OptionsOnly()]).outlines)
    titles = [f"plotbot: {title}:" for title in GROUPS.values()]
    assert sorted(titles, key=shown.index) == titles
    for name, title in GROUPS.items():
        part = shown.partition(f"plotbot: {title}:\n")[2].partition("\nplotbot: ")[0]
        places = [part.index(f"  {key.option}") for key in keys_in(name)]
        assert places == sorted(places)
        everyday = [key.everyday for key in keys_in(name)]
        assert everyday == sorted(everyday, reverse=True)
    assert sorted(key.name for name in GROUPS for key in keys_in(name)) == sorted(key.name for key in KEYS)
