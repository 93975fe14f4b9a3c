from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from plotbot.commands import main
from plotbot.commands.init import STARTER_FILES, starter_file
from plotbot.errors import InputError
from plotbot.plan.titles import read_titles
from plotbot.settings import load_settings


def test_a_new_project_has_everything_that_a_run_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = tmp_path / "some" / "project"
    assert main(["init", str(project)]) == 0
    assert {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()} == {*STARTER_FILES}
    said = capsys.readouterr().out
    assert all(f"wrote {name}" in said for name in STARTER_FILES)
    assert "pytest evals --embedded" in said
    settings = load_settings(project, {}, {})
    assert len(read_titles(settings.titles_path)) >= settings.test_sample_size
    assert len([key for key, origin in settings.origins.items() if origin.startswith("config")]) == 5
    jsonschema.Draft202012Validator.check_schema(json.loads(settings.schema_path.read_bytes()))
    assert settings.prompt_path[0].read_text(encoding="utf-8").strip()


def test_what_is_there_is_left_as_it_is_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prompt.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "conftest.py").touch()
    assert main(["init", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if "left as it is" in line] == [
        "there already, left as it is: conftest.py",
        "there already, left as it is: data/prompt.txt",
    ]
    assert (tmp_path / "data" / "prompt.txt").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "conftest.py").read_bytes() == b""
    assert (tmp_path / "pytest.ini").is_file()
    assert main(["init", str(tmp_path)]) == 0
    assert "wrote" not in capsys.readouterr().out


def _file_for_folder(folder: Path) -> Path:
    folder.touch()
    return folder


def _folder_for_file(folder: Path) -> Path:
    (folder / "conftest.py").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("spoil", [_file_for_folder, _folder_for_file])
def test_where_nothing_can_be_written_it_says_so_with_status_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], Path]
) -> None:
    assert main(["init", str(spoil(tmp_path / "here"))]) == 4
    assert "conftest.py: " in capsys.readouterr().err


def test_a_file_that_no_installation_has_is_named() -> None:
    with pytest.raises(InputError, match=r"lacks nothing\.txt; install plotbot again"):
        starter_file("nothing.txt")


def test_the_wheel_carries_every_starter_file() -> None:
    project = Path(__file__).parents[3]
    packed = (project / "pyproject.toml").read_text(encoding="utf-8")
    for name in STARTER_FILES:
        assert f'"{name}" = "plotbot/starter/{name}"' in packed or (project / "plotbot" / "starter" / name).is_file()
