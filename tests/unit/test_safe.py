from __future__ import annotations

import re
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from plotbot.safe import digest, file_stem, is_plain_name, one_line, plural, slug, visible, without_folders

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
HOSTILE_IDS = [
    "../../x",
    "CON",
    "con",
    "nul.json",
    "a.",
    " ",
    "",
    "x" * 300,
    "a\x00b",
    "é",
    "e\u0301",
    "A",
    "a/b",
    "\ud800",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Qwen3 4B@Q8_0", "qwen3-4b-q8-0"),
        ("Österreich  déjà", "osterreich-deja"),
        ("日本", "x"),
        ("", "x"),
        ("--a--", "a"),
        ("a" * 60, "a" * 40),
        ("ab-" * 20, "ab-" * 12 + "ab-a"),
    ],
)
def test_a_slug_is_ascii_and_short(text: str, expected: str) -> None:
    assert slug(text) == expected


@pytest.mark.parametrize("name", ["1abc2d", "a", "a_b-c", "x" * 64])
def test_a_plain_id_is_its_own_file_name(name: str) -> None:
    assert file_stem(name) == name


def test_hostile_ids_have_file_names_of_their_own() -> None:
    stems = [file_stem(name) for name in HOSTILE_IDS]
    assert [is_plain_name(name) for name in HOSTILE_IDS] == [False] * len(HOSTILE_IDS)
    assert len({stem.lower() for stem in stems}) == len(HOSTILE_IDS), "also where the file system ignores case"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud83d", "\\ud83d"),
        ("\x9b\x7f\x00", "\\x9b\\x7f\\x00"),
        ("\r\v", "\\r\\x0b"),
        ("\u200b\ufeff", "\\u200b\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("line\n\ttab", "line\n\ttab"),
        ("naïve 👻 日本 غراب", "naïve 👻 日本 غراب"),
    ],
)
def test_control_and_invisible_characters_are_escaped(text: str, expected: str) -> None:
    assert visible(text) == expected


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("a\n b\t\tc", 20, "a b c"),
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("\x1b[31mred", 20, "\\x1b[31mred"),
        ("\x00" * 100, 10, "\\x00\\x00\\…"),
        ("abc", 1, "…"),
    ],
)
def test_one_line_is_one_line_of_a_length(text: str, limit: int, expected: str) -> None:
    assert one_line(text, limit) == expected


def test_a_huge_text_is_cut_before_it_is_looked_at() -> None:
    assert len(one_line("x " * 5_000_000, 50)) == 50


def test_one_thing_has_no_plural() -> None:
    assert [plural(number, "label") for number in (0, 1, 1204)] == ["0 labels", "1 label", "1,204 labels"]
    assert [plural(number, "story", "stories") for number in (1, 2)] == ["1 story", "2 stories"]
    assert [plural(number, "second") for number in (1.0, 0.5)] == ["1 second", "0.5 seconds"]


def test_a_digest_accepts_lone_surrogates_and_has_its_length() -> None:
    assert len(digest("\ud800", 6)) == 6
    assert digest("\ud800") != digest("\ud801")


POSIX, WINDOWS = PurePosixPath("/home/ada/my  seeds"), PureWindowsPath(r"C:\Users\Ada\seeds")
SHARE, SHORT = PureWindowsPath(r"\\nas\ada\seeds"), PurePosixPath("/app")


@pytest.mark.parametrize(
    ("root", "text", "shown"),
    [
        (POSIX, "No such file: '/home/ada/my  seeds/data/a.json'", "No such file: 'data/a.json'"),
        (POSIX, "/home/ada/my seeds/evals/test_a.py:3: in test", "evals/test_a.py:3: in test"),
        (POSIX, "in '/home/ada/my  seeds' and '/home/ada/my  seeds/'", "in './' and './'"),
        (POSIX, "not in /home/ada/my  seeds.", "not in ./."),
        (POSIX, "file:///home/ada/my%20%20seeds/a", "file://…/a"),
        (POSIX, r"'read:\n/home/ada/my  seeds/a' -I/home/ada/my  seeds/b", r"'read:\n…/a' -I…/b"),
        (POSIX, "/home/ada/my  seeds2/a /home/ada/my  seeds.old/a", "~/my  seeds2/a ~/my  seeds.old/a"),
        (POSIX, "/home/ada, /home/ada/.cache/a, /home/adam/a", "~, ~/.cache/a, /home/adam/a"),
        (WINDOWS, r"'C:\\Users\\Ada\\seeds\\data\\a.json'", r"'data\\a.json'"),
        (WINDOWS, r"c:/users/ada/seeds/a C:\Users\Ada\seeds, C:\Users\Ada\b", r"a ./, ~\b"),
        (SHARE, r"\\nas\ada\seeds\a \\\\nas\\ada\\seeds\\b", "a b"),
        (
            SHORT,
            "/app/a http://127.0.0.1:1234/app/v1 /usr/app/b (/app)",
            "a http://127.0.0.1:1234/app/v1 /usr/app/b (./)",
        ),
        (PurePosixPath("/"), "/data/a.json", "/data/a.json"),
        (PurePosixPath(), "/data/a.json", "/data/a.json"),
    ],
)
def test_a_shared_text_names_no_folder_of_the_machine(root: PurePath, text: str, shown: str) -> None:
    home = PureWindowsPath(r"C:\Users\Ada") if isinstance(root, PureWindowsPath) else PurePosixPath("/home/ada")
    assert without_folders(text, root, home) == shown


def test_a_folder_is_known_by_the_name_behind_a_symbolic_link_too(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    text = f"{tmp_path / 'real' / 'a'} {tmp_path / 'link' / 'a'}"
    assert without_folders(text, tmp_path / "link") == "a a"
