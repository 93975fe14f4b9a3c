from __future__ import annotations

from pathlib import Path

import pytest

from plotbot.commands import main
from plotbot.plan.titles import read_titles

FILES = ["evals/test_haiku.py", "data/haiku/prompt.txt", "data/haiku/schema.json", "data/haiku/titles.json"]


def test_an_eval_is_written_with_its_files_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pytest.ini").touch()
    monkeypatch.chdir(tmp_path)
    assert main(["new", "haiku"]) == 0
    said = capsys.readouterr().out
    assert [line.removeprefix("wrote ") for line in said.splitlines() if line.startswith("wrote")] == FILES
    assert "  pytest evals/test_haiku.py\n" in said
    assert len(read_titles(tmp_path / "data" / "haiku" / "titles.json")) == 3
    assert not any(b"__NAME__" in (tmp_path / name).read_bytes() for name in FILES)
    assert not (tmp_path / "conftest.py").exists()
    (tmp_path / FILES[1]).write_text("mine", encoding="utf-8")
    assert main(["new", "haiku"]) == 0
    assert "left as it is: data/haiku/prompt.txt" in capsys.readouterr().out
    assert (tmp_path / FILES[1]).read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("name", "hint"), [("My Haiku", "such as my_haiku"), ("../x", "such as x"), ("", "use"), ("9", "use")]
)
def test_another_name_is_refused(capsys: pytest.CaptureFixture[str], name: str, hint: str) -> None:
    assert main(["new", name]) == 4
    said = capsys.readouterr().err
    assert "is no name for an eval: use lower-case letters" in said
    assert hint in said
