"""Title files, good and bad, in four formats: each is read, or refused by its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plotbot.errors import InputError
from plotbot.plan.titles import made_id, read_titles
from plotbot.records import Title

GOOSE, SAYS = "A goose", 'Say "hé" {now} 👻'
TWO = [Title("1abc2d", GOOSE), Title("x", SAYS)]
MADE = [Title(made_id(GOOSE), GOOSE), Title(made_id(SAYS), SAYS)]
ASKED = [Title("q1", "2+2?", {"expected": 4, "tags": ["sum", {"level": None}]}), Title("q2", "3+3?", {"expected": 6})]
TEXTS = [Title("a", "=cmd|' /C calc'!A0", {"note": 'two\nlines, and "quotes"'}), Title("b", "Plain", {"note": ""})]

GOOD: list[tuple[str, str, str | bytes, list[Title]]] = [
    (
        "an object of objects",
        "t.json",
        '{"1abc2d": {"title": "A goose"}, "x": {"title": "Say \\"hé\\" {now} 👻"}}',
        TWO,
    ),
    ("an object of texts", "t.json", '{"1abc2d": "A goose", "x": "Say \\"hé\\" {now} \\ud83d\\udc7b"}', TWO),
    ("a list of objects", "t.json", json.dumps([{"id": one.id, "title": one.text} for one in TWO]), TWO),
    ("a list of texts", "t.json", json.dumps([GOOSE, SAYS]), MADE),
    ("objects without ids", "t.json", json.dumps([{"title": GOOSE}, SAYS]), MADE),
    ("a byte order mark and CRLF", "t.json", '\ufeff{"1abc2d": "A goose",\r\n "x": "Say \\"hé\\" {now} 👻"}\n', TWO),
    ("another ending", "titles", json.dumps([GOOSE, SAYS]), MADE),
    (
        "fields with types",
        "t.json",
        json.dumps({one.id: {"title": one.text, **one.fields} for one in ASKED}),
        ASKED,
    ),
    (
        "JSON Lines",
        "t.jsonl",
        "\n".join(json.dumps({"id": one.id, "title": one.text, **one.fields}) for one in ASKED),
        ASKED,
    ),
    ("JSON Lines, blank lines", "t.NDJSON", f"\ufeff\n{json.dumps(GOOSE)}\r\n\r\n{json.dumps(SAYS)}\r\n", MADE),
    ("CSV", "t.csv", 'id,title\n1abc2d,A goose\nx,"Say ""hé"" {now} 👻"\n', TWO),
    ("CSV without ids", "t.csv", 'title\nA goose\n"Say ""hé"" {now} 👻"', MADE),
    (
        "CSV with a byte order mark, CRLF, line breaks in quotes, a formula and blank rows",
        "t.csv",
        '\ufeffnote,Title,ID\r\n"two\nlines, and ""quotes""",=cmd|\' /C calc\'!A0,a\r\n\r\n,Plain,b\r\n',
        TEXTS,
    ),
    ("CSV with semicolons", "t.csv", 'id;title\n1abc2d;A goose\nx;Say "hé" {now} 👻\n', TWO),
    ("tabs", "t.tsv", "title\tid\nA goose\t1abc2d\nWith, commas\tb\n", [TWO[0], Title("b", "With, commas")]),
    ("one a line", "t.txt", f"{GOOSE}\n\n  {SAYS}  \r\n", MADE),
    ("one a line, a byte order mark, old line ends", "t.txt", f"\ufeff{GOOSE}\r{SAYS}", MADE),
    ("ids that differ in case alone", "t.json", '{"a": "b", "A": "c"}', [Title("a", "b"), Title("A", "c")]),
]  # fmt: skip

BAD: list[tuple[str, str, str | bytes, str]] = [
    ("empty JSON", "t.json", "", "the titles file is empty"),
    ("JSON and more", "t.json", "{} trailing", "Extra data at line 1, column 4"),
    ("a missing comma", "t.json", '{"a": "b"\n"c"}', "at line 2, column 1"),
    ("null", "t.json", "null", "but this is null"),
    ("a text", "t.json", '"a"', "this is a text"),
    ("no title", "t.json", "[]", "there is no title in it"),
    ("a list of numbers", "t.json", "[1]", "entry 1 is a number, not a text or"),
    ("an object without title", "t.json", '[{"id": "a"}]', "entry 1 (id 'a') has no title"),
    ("a number for an id", "t.json", '[{"id": 7, "title": "a"}]', "entry 1 has no id"),
    ("a misspelt title", "t.json", '{"a": {"titel": "b"}}', "entry 1 (id 'a') has no title"),
    ("a list for a title", "t.json", '{"a": ["b"]}', "entry 1 (id 'a') has no title"),
    ("null for a title", "t.json", '{"a": {"title": null}}', "entry 1 (id 'a') has no title"),
    ("a blank id", "t.json", '{"b": "c", " ": "d"}', "entry 2 has no id"),
    ("a blank title", "t.json", '{"b": "c", "a": " \\n"}', "entry 2 (id 'a') has no title"),
    ("an id twice", "t.json", '{"a": "b", "c": "d", "a": "b"}', "entry 3 repeats the id 'a' of entry 1"),
    ("a title twice, without ids", "t.json", '["a", "b", "a"]', "entry 3 repeats entry 1: remove one"),
    ("half a pair in a title", "t.json", '{"a": "half \\ud83d"}', "its title holds half a surrogate pair"),
    ("half a pair in an id", "t.json", '{"\\udc00": "a"}', "its id holds half a surrogate pair"),
    ("half a pair in a field", "t.json", '[{"title": "a", "f": ["\\ud83d"]}]', "entry 1: its field 'f' holds half a"),
    ("NaN in a field", "t.json", '[{"title": "a", "f": NaN}]', "its field 'f' is no number that JSON knows"),
    ("a field twice", "t.json", '[{"title": "a", "f": 1, "f": 2}]', "entry 1 has the field 'f' twice"),
    ("a deep field", "t.json", '[{"title": "a", "f": ' + "[" * 40 + "]" * 40 + "}]", "is nested more than 32 deep"),
    ("too many digits", "t.json", '[{"title": "a", "f": ' + "9" * 5000 + "}]", "cannot be read: Exceeds the limit"),
    ("very deep", "t.json", "[" * 100_000, "nested too deeply"),
    ("UTF-16", "t.csv", "title\nA goose\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
    ("Latin-1", "t.txt", "A goose\nCafé\n".encode("latin-1"), "byte 11 cannot be read (line 2)"),
    ("a broken line", "t.jsonl", '"a"\n\n{"title": "b",}\n', "line 3 is not JSON: "),
    ("a number on a line", "t.jsonl", '"a"\n7\n', "line 2 is a number, not a text or"),
    ("nothing on any line", "t.jsonl", "\n \n", "there is no title in it"),
    ("an id twice in lines", "t.jsonl", '{"id": "a", "title": "b"}\n{"title": "c", "id": "a"}', "repeats the id"),
    ("CSV without a header", "t.csv", "A goose\nA swan\n", "line 1 is the header and needs a column `title`"),
    ("an empty CSV", "t.csv", "", "line 1 is the header and needs a column `title`; it has nothing"),
    ("a header alone", "t.csv", "id,title\n", "there is no title in it: add one, such as a row below the header"),
    ("a short row", "t.csv", "id,title\na,b\nc\n", "line 3 has 1 cell, the header has 2"),
    ("a long row below two lines", "t.csv", 'title,n\n"a\nb",1\nc,2,3\n', "line 4 has 3 cells, the header has 2"),
    ("an open quote", "t.csv", 'title\na\n"b\nc\n', "the row that begins on line 3 is not CSV: unexpected end of data"),
    ("text after a quote", "t.csv", 'title\n"a" b\n', "the row that begins on line 2 is not CSV"),
    (
        "one long row in a hundred thousand",
        "t.csv",
        "id,title\r\n" + "".join(f'i{n},"No. {n}"{",x" if n == 77_777 else ""}\r\n' for n in range(100_000)),
        "line 77779 has 3 cells, the header has 2",
    ),
    ("half a pair in CSV", "t.csv", b"title\na\nhalf \xed\xa0\xbd\n", "is not UTF-8: byte 13 cannot be read (line 3)"),
    ("a column twice", "t.csv", "title,x,x\na,b,c\n", "line 1: column 3 repeats the name 'x'"),
    ("a column without a name", "t.csv", "title,\na,b\n", "line 1: column 2 has no name"),
    ("an empty id cell", "t.csv", "id,title\n,b\n", "line 2 has no id"),
    ("a NUL in CSV", "t.csv", "title\na\nb\0c\n", "line 3 holds a NUL"),
    ("a NUL in text", "t.txt", "a\nb\0c\n", "line 2 holds a NUL"),
    ("an empty text", "t.txt", "\n\n", "there is no title in it: add one, such as a headline on a line"),
    ("a line twice", "t.txt", "a\nb\n a \n", "line 3 repeats line 1"),
]  # fmt: skip


def _write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(("name", "content", "titles"), [one[1:] for one in GOOD], ids=[one[0] for one in GOOD])
def test_a_good_file_is_read_in_its_order(tmp_path: Path, name: str, content: str, titles: list[Title]) -> None:
    read = read_titles(_write(tmp_path / name, content))
    assert list(read) == titles
    assert [type(value) for title in read for value in title.fields.values()] == [
        type(value) for title in titles for value in title.fields.values()
    ]


@pytest.mark.parametrize(("name", "content", "says"), [one[1:] for one in BAD], ids=[one[0] for one in BAD])
def test_a_bad_file_is_refused_with_the_place(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    path = _write(tmp_path / name, content)
    with pytest.raises(InputError) as refused:
        read_titles(path)
    assert says in str(refused.value)
    assert str(refused.value).startswith(str(path))


def test_a_made_id_is_plain_and_the_same_in_every_format() -> None:
    assert made_id(GOOSE) == made_id("  A \n goose ") == "dxdsog"
    assert made_id(GOOSE, 1) != made_id(GOOSE)


def test_one_text_with_other_fields_is_another_title(tmp_path: Path) -> None:
    rows = "title,context\nWho?,Rome\nWho?,Athens\n"
    first, second = read_titles(_write(tmp_path / "t.csv", rows))
    assert first.id == made_id("Who?") != second.id
    assert len(second.id) == 6


def test_a_hundred_thousand_rows_have_ids_of_their_own(tmp_path: Path) -> None:
    """About two of so many texts have the same first id."""
    path = _write(tmp_path / "t.txt", "\n".join(f"Headline {number}" for number in range(100_000)))
    read = read_titles(path)
    assert len({title.id for title in read}) == 100_000
    assert {len(title.id) for title in read} == {6}
