from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from plotbot.plan.plan import Plan, case_id, case_seed, former_slugs
from plotbot.records import Case, Question, Title, Variant
from plotbot.settings import Settings, load_settings

FREE = Question("p", {}, "none", "aaaaaaaaaaaa")
BOUND = Question("p", {}, "json_schema", "bbbbbbbbbbbb")
TITLES = {f"t{number}": f"Title {number}" for number in range(12)}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    path = tmp_path / "titles.json"
    path.write_text(json.dumps(TITLES), encoding="utf-8")
    return path


def settings(**values: Any) -> Settings:
    given: Mapping[str, str] = {"SAMPLE_SEED": "1", "TEST_SAMPLE_SIZE": "3", **values}
    return load_settings(Path("nowhere"), {}, given)


def asked(*questions: Question) -> dict[Variant, Question]:
    """The questions of variants that differ in their response formats."""
    formats = [question.response_format if len(questions) > 1 else "" for question in questions]
    return {
        Variant(name, "p.txt", question.response_format, 0.8): question
        for name, question in zip(formats, questions, strict=True)
    }


def names(cases: tuple[Case, ...]) -> list[tuple[str, str, str, int]]:
    return [(case.model, case.response_format, case.title.id, case.repeat) for case in cases]


def test_cases_go_model_by_model_format_by_format_title_by_title_repeat_by_repeat(index: Path) -> None:
    plan = Plan(settings(REPEATS="2"), ["b", "a"])
    got = names(plan.cases_of(asked(FREE, BOUND), index))
    titles = list(dict.fromkeys(title for _, _, title, _ in got))
    assert len(titles) == 3
    assert got == [
        (model, form, title, repeat)
        for model in ("b", "a")
        for form in ("none", "json_schema")
        for title in titles
        for repeat in (1, 2)
    ]


def test_asking_again_gives_the_same_cases_even_if_the_index_has_changed(index: Path) -> None:
    plan = Plan(settings(), ["a"])
    first = plan.cases_of(asked(FREE), index)
    index.write_text("{}", encoding="utf-8")
    assert plan.cases_of(asked(FREE), index) is first
    assert [case.title for case in plan.cases_of(asked(BOUND), index)] == [case.title for case in first]


def test_threads_that_ask_at_once_get_the_same_cases(index: Path) -> None:
    plan = Plan(settings(TEST_SAMPLE_SIZE="0"), ["a"])
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: plan.cases_of(asked(FREE), index), range(16)))
    assert len({id(answer) for answer in answers}) == 1
    assert len(plan.cases) == 12


def test_two_plans_of_the_same_settings_are_the_same(index: Path) -> None:
    assert Plan(settings(), ["a"]).cases_of(asked(FREE), index) == Plan(settings(), ["a"]).cases_of(asked(FREE), index)


def test_the_shards_are_the_sample_in_parts(index: Path) -> None:
    whole = names(Plan(settings(TEST_SAMPLE_SIZE="10"), ["a"]).cases_of(asked(FREE), index))
    parts = [
        names(Plan(settings(TEST_SAMPLE_SIZE="10", SHARD=f"{part}/3"), ["a"]).cases_of(asked(FREE), index))
        for part in (1, 2, 3)
    ]
    assert [len(part) for part in parts] == [4, 3, 3]
    assert sorted(name for part in parts for name in part) == sorted(whole)


def test_a_case_is_its_content() -> None:
    title = Title("t", "A goose")
    ids = {
        case_id("m", "h", title, 1),
        case_id("n", "h", title, 1),
        case_id("m", "i", title, 1),
        case_id("m", "h", Title("u", "A goose"), 1),
        case_id("m", "h", Title("t", "Two geese"), 1),
        case_id("m", "h", title, 2),
    }
    assert len(ids) == 6
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)
    assert case_id("m", "h", title, 1) == "e950702581db2c83", "the same on every machine and in every version"


def test_every_title_and_repeat_has_a_seed_of_its_own_and_every_model_the_same(index: Path) -> None:
    cases = Plan(settings(REPEATS="3", MODEL_SEED="5"), ["a", "b"]).cases_of(asked(FREE), index)
    seeds = {(case.title.id, case.repeat): case.seed for case in cases}
    assert len(set(seeds.values())) == 9
    assert all(case.seed == seeds[case.title.id, case.repeat] for case in cases)
    assert all(0 <= seed < 2**31 for seed in seeds.values())
    assert case_seed(5, "t0", 1) != case_seed(6, "t0", 1)


@pytest.mark.parametrize(
    ("model", "title_id", "form", "slug"),
    [
        ("qwen/qwen3-4b", "1abc2d", FREE, "qwen3-4b-goose-1abc2d-r1"),
        ("qwen/qwen3-4b", "1abc2d", BOUND, "qwen3-4b-goose-1abc2d-json-r1"),
        ("Mistral 7B@Q8_0:2", "Ä/b", FREE, "mistral-7b-q8-0-2-goose-a-b-r1"),
        ("日本", "غراب", FREE, "x-goose-x-r1"),
    ],
)
def test_a_case_has_an_ascii_slug(tmp_path: Path, model: str, title_id: str, form: Question, slug: str) -> None:
    index = tmp_path / "one.json"
    index.write_text(json.dumps({title_id: "A goose"}), encoding="utf-8")
    (case,) = Plan(settings(TEST_SAMPLE_SIZE="0"), [model]).cases_of(asked(form), index)
    assert case.slug == slug


@pytest.mark.parametrize(
    ("headline", "words"),
    [
        ("The Goose Sues a Town Over its Pond", "goose-sues-town-over"),
        ("Café’s naïve owner isn't sorry", "cafes-naive-owner-isnt"),
        ("Straße frei!", "strasse-frei"),
        ("Гусь судится с городом", ""),
        ("鹅起诉小镇", ""),
        ("Parrot ruins Гусь's Wi-Fi", "parrot-ruins-wi-fi"),
        ("of the and", ""),
        ("x" * 5000, ""),
        ("[brackets]::and/slashes \x1b[2J", "brackets-slashes-2j"),
        (
            "Antidisestablishmentarianism considered overwhelmingly antidemocratic",
            "antidisestablishmentarianism-considered",
        ),
    ],
)
def test_a_slug_has_a_few_words_of_the_headline(tmp_path: Path, headline: str, words: str) -> None:
    index = tmp_path / "one.json"
    index.write_text(json.dumps({"197lku": headline}), encoding="utf-8")
    (case,) = Plan(settings(TEST_SAMPLE_SIZE="0"), ["qwen/qwen3-4b"]).cases_of(asked(FREE), index)
    assert case.slug == "-".join(part for part in ("qwen3-4b", words, "197lku-r1") if part)


def test_a_slug_has_at_most_100_characters_and_knows_its_former_name(tmp_path: Path) -> None:
    index = tmp_path / "long.json"
    ids = ["i" * 60, "i" * 60 + "j"]
    index.write_text(json.dumps(dict.fromkeys(ids, "Goose sues town over pond again")), encoding="utf-8")
    cases = Plan(settings(TEST_SAMPLE_SIZE="0"), ["m" * 60]).cases_of(asked(BOUND), index)
    assert max(len(case.slug) for case in cases) <= 100
    assert len({case.slug for case in cases}) == 2
    former = former_slugs(cases)
    assert list(former.values()) == [case.slug for case in cases]
    assert all(re.fullmatch(r"m{40}-i{40}-json-r1-[0-9a-f]{6}", slug) for slug in former)


def test_slugs_that_would_collide_are_told_apart(tmp_path: Path) -> None:
    index = tmp_path / "close.json"
    index.write_text('{"a b": "One", "a-b": "One!", "A_B": "one", "c": "Four"}', encoding="utf-8")
    cases = Plan(settings(TEST_SAMPLE_SIZE="0"), ["x/m", "y/m"]).cases_of(asked(FREE), index)
    slugs = [case.slug for case in cases]
    assert len(set(slugs)) == len(slugs) == 8
    assert all(re.fullmatch(r"m-(one-a-b|four-c)-r1-[0-9a-f]{6}", slug) for slug in slugs)


def test_the_sample_is_drawn_from_the_settings_alone(index: Path) -> None:
    drawn = Plan(settings(), ["a"]).cases_of(asked(FREE), index)
    other = Plan(dataclasses.replace(settings(), sample_seed=2), ["a"]).cases_of(asked(FREE), index)
    assert {case.title for case in drawn} != {case.title for case in other}
