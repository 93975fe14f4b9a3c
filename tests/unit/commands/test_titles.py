from __future__ import annotations

import json
from pathlib import Path

import pytest

from plotbot.commands import main
from plotbot.plan.titles import read_titles

FEED = "<rss><item><title>Goose sues town</title><link>https://a.example</link></item><item><title>New</title></item></rss>"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "feed.xml").write_text(FEED, encoding="utf-8")
    (tmp_path / "mine.txt").write_text(
        "NEW!\nGoose sues a town today\nGoose sues the town\n\x1b[2J\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_headlines_are_collected_and_duplicates_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["titles", "feed.xml", "mine.txt"]) == 0
    said = capsys.readouterr().out
    assert f"{project / 'data/titles_index.json'}: 5 titles, 5 of them new" in said
    assert "1 left out, there already:\n" in said
    assert "NEW! (as " in said
    assert "1 nearly like another, kept: remove one of two that are one story:\n" in said
    assert "Goose sues the town" in said.partition("nearly like")[2]
    assert "\x1b" not in said
    titles = read_titles(project / "data" / "titles_index.json")
    assert [title.text for title in titles][:2] == ["Goose sues town", "New"]
    assert titles[0].fields == {"link": "https://a.example"}


def test_an_index_keeps_what_it_has(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = project / "mine.json"
    index.write_text(json.dumps({"a": {"title": "New", "rank": 3}, "b": "new"}), encoding="utf-8")
    assert main(["titles", "feed.xml", "--output", "mine.json"]) == 0
    said = capsys.readouterr().out
    assert "3 titles, 1 of them new" in said
    assert "1 in the index twice:\n  b new (as a New)" in said
    assert json.loads(index.read_bytes())["a"] == {"title": "New", "rank": 3}
    assert main(["titles", "feed.xml", "--output", "mine.json"]) == 0
    assert "3 titles, 0 of them new" in capsys.readouterr().out


def test_what_cannot_be_read_or_written_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["titles", "feed.xml", "--output", "mine.csv"]) == 4
    assert "name a .json file" in capsys.readouterr().err
    assert main(["titles", "gone.txt"]) == 4
    assert "gone.txt: there is no titles file here" in capsys.readouterr().err
    assert not (project / "data").exists()
