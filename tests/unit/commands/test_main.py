import contextlib
import re
from pathlib import Path

import pytest

from plotbot import __version__
from plotbot.commands import command_names, main
from plotbot.commands.shared import project_root
from plotbot.errors import UsageProblem

TESTS = Path(__file__).parents[2]


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"plotbot {__version__}\n"


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert [name for name in command_names() if name not in shown] == []


@pytest.mark.parametrize("name", command_names())
def test_the_help_of_a_command_fits_a_terminal_of_80_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        main([name, "-h"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: plotbot {name}")
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("name", command_names())
def test_every_command_is_run_by_a_test(name: str) -> None:
    called = re.compile(rf"""(plotbot\(|main\(\[|"plotbot", )"{name}\"""")
    assert any(called.search(path.read_text(encoding="utf-8")) for path in TESTS.rglob("test_*.py"))


@pytest.mark.parametrize("argv", [[], ["docter"], ["doctor", "--no-such-option"], ["doctor", "--temperature"]])
def test_a_mistake_in_the_call_is_said_with_status_4(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 4
    printed = capsys.readouterr()
    assert printed.err.startswith("plotbot: ")
    assert printed.err.rstrip().endswith(" --help")
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_a_wrong_setting_is_one_line_with_status_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pytest.ini").touch()
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--temperature", "hot"]) == 4
    printed = capsys.readouterr().err
    assert printed.startswith('plotbot: --temperature: TEMPERATURE is "hot", but must be a number from 0 to 5')
    assert printed.count("\n") == 1


def test_a_token_on_the_command_line_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pytest.ini").touch()
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--lm-api-token", "sk-hush"]) == 4
    printed = capsys.readouterr().err
    assert "environment variable LM_API_TOKEN only" in printed
    assert "sk-hush" not in printed


def test_the_project_is_the_nearest_folder_with_a_pytest_ini(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert project_root(None, tmp_path / "a" / "b") == tmp_path
    assert project_root("..", tmp_path / "a").resolve() == tmp_path.resolve()


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="--rootdir DIR"):
        project_root(str(tmp_path), Path.cwd())
