from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from plotbot.errors import InputError
from plotbot.plan.plan import Plan
from plotbot.records import Case, PlannedItem, Question, Title, Variant
from plotbot.run.shards import Joined, Part, join
from plotbot.settings import Settings, load_settings

FREE = Question("p", {}, "none", "aaaaaaaaaaaa")
BOUND = Question("p", {}, "json_schema", "bbbbbbbbbbbb")
OTHER = Question("q", {}, "none", "cccccccccccc")
# Ids that make the same slug, and so need a hash in the whole but not in a part that has one of them alone.
ALIKE = ("a b", "a-b", "A_B", "a.b", "c d", "c-d")
MODELS = ("x/m", "y/m", "z")
Titles = dict[str, str]
Index = Callable[[str, Titles], Path]


@pytest.fixture
def index(tmp_path: Path) -> Index:
    def write(name: str, titles: Titles) -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(titles), encoding="utf-8")
        return path

    return write


def settings(**values: object) -> Settings:
    return load_settings(
        Path("nowhere"), {}, {"SAMPLE_SEED": "1", **{key: str(value) for key, value in values.items()}}
    )


def as_pytest_has_them(tests: dict[str, Sequence[Case]]) -> tuple[PlannedItem, ...]:
    """Test by test as collected, then sorted by the models' turns."""
    items = [
        (case, f"evals/t.py::{name.replace('*', case.slug)}", case.id)
        for name, cases in tests.items()
        for case in cases
    ]
    turns = list(dict.fromkeys(case.model for case, _, _ in items))
    ordered = sorted(items, key=lambda item: turns.index(item[0].model))
    return tuple(PlannedItem(item, case_id) for _, item, case_id in ordered)


def part_of(plan: Plan, number: int, tests: dict[str, Sequence[Case]]) -> Part:
    items = as_pytest_has_them(tests)
    wanted = {item.case for item in items}
    return Part(f"run-{number}", number, {key: case for key, case in plan.cases.items() if key in wanted}, items)


def joined(parts: Sequence[Part], models: Sequence[str], questions: Sequence[Question], seed: int = 1) -> Joined:
    return join(parts, models=models, questions=[question.hash for question in questions], seed=seed)


def simple(index: Path, number: int, of: int = 3, size: int = 9, **values: object) -> Part:
    plan = Plan(settings(TEST_SAMPLE_SIZE=size, SHARD=f"{number}/{of}", **values), ["m"])
    return part_of(plan, number, {"test_a[*]": plan.cases_of(in_variants([FREE]), index)})


def in_variants(questions: Sequence[Question], temperatures: Sequence[float] = (0.8,)) -> dict[Variant, Question]:
    several = len(questions) * len(temperatures) > 1
    return {
        Variant(f"{question.hash[0]} t={heat}" if several else "", "p.txt", question.response_format, heat): question
        for question in questions
        for heat in temperatures
    }


def titles(count: int, prefix: str = "t") -> Titles:
    return {f"{prefix}{number:03}": f"Title {prefix}{number}" for number in range(count)}


@pytest.mark.parametrize("seed", range(40))
def test_parts_joined_are_the_plan_without_parts(index: Index, seed: int) -> None:
    rng = random.Random(seed)
    one = index("one.json", titles(rng.randrange(8)) | {title: f"About {title}" for title in ALIKE})
    two = index("two.json", titles(rng.randrange(1, 9), "u"))
    of, models = rng.randrange(1, 6), MODELS[: rng.randrange(1, 4)]
    asked = in_variants([FREE, BOUND][: rng.randrange(1, 3)], [0.8, 0.2][: rng.randrange(1, 3)])
    size = rng.choice([0, 1, 6])
    values = {
        "TEST_SAMPLE_SIZE": 0 if size > len(json.loads(two.read_bytes())) else size,
        "REPEATS": rng.randrange(1, 4),
    }
    values["SAMPLE_SEED"] = seed

    def planned(**shard: object) -> tuple[Plan, dict[str, Sequence[Case]]]:
        plan = Plan(settings(**values, **shard), models)
        return plan, {
            "test_a[*]": plan.cases_of(asked, one),
            "test_b[*-x]": plan.cases_of(asked, one),
            "test_c[*]": plan.cases_of(in_variants([OTHER]), one),
            # The same questions about other titles.
            "test_d[y-*]": plan.cases_of(asked, two),
        }

    whole, tests = planned()
    parts = []
    for number in range(1, of + 1):
        plan, its_tests = planned(SHARD=f"{number}/{of}")
        parts.append(part_of(plan, number, its_tests))
    rng.shuffle(parts)
    got = joined(parts, models, list(whole.questions.values()), seed)
    assert got.cases == tuple(whole.cases.values())
    assert got.items == as_pytest_has_them(tests)


def test_a_name_that_two_parts_have_becomes_two(index: Index) -> None:
    path = index("one.json", {title: f"About {title}" for title in ALIKE})
    parts = [simple(path, number, size=0) for number in (1, 2, 3)]
    old = [(item.item, item.case) for part in parts for item in part.items]
    got = joined(parts, ["m"], [FREE])
    assert len({name for name, _ in old}) < len(ALIKE)
    assert len({got.names[key] for key in old}) == len(ALIKE)
    assert {(item.item, item.case) for item in got.items} == {(got.names[key], key[1]) for key in old}


def test_without_a_part_the_others_are_in_their_order(index: Index) -> None:
    path = index("one.json", titles(10))
    parts = {number: simple(path, number, size=0) for number in (1, 2, 3)}
    whole = joined(list(parts.values()), ["m"], [FREE])
    got = joined([parts[3], parts[1]], ["m"], [FREE])
    assert got.items == tuple(item for item in whole.items if item not in parts[2].items)


def test_repeats_and_parameters_of_a_test_stay_in_their_order(index: Index) -> None:
    path = index("one.json", titles(6))

    def tests(cases: Sequence[Case]) -> tuple[PlannedItem, ...]:
        return tuple(PlannedItem(f"t.py::t[{case.slug}-{word}]", case.id) for case in cases for word in "zy")

    plans = [
        Plan(settings(TEST_SAMPLE_SIZE=0, REPEATS=2, **shard), ["m"])
        for shard in ({"SHARD": "1/2"}, {"SHARD": "2/2"}, {})
    ]
    cases = [plan.cases_of(in_variants([FREE]), path) for plan in plans]
    parts = [Part(str(number), number, plans[number - 1].cases, tests(cases[number - 1])) for number in (1, 2)]
    assert joined(parts, ["m"], [FREE]).items == tests(cases[2])


@pytest.mark.parametrize("size", [0, 9], ids=["all", "sample"])
@pytest.mark.parametrize(
    "there",
    [titles(12) | {"t003x": "One more"}, {key: f"Title {key}" for key in titles(12) if key != "t004"}, titles(12, "v")],
    ids=["one-more", "one-fewer", "all-others"],
)
def test_titles_of_another_index_are_refused(index: Index, there: Titles, size: int) -> None:
    paths = [index("here.json", titles(12)), index("there.json", there), index("here.json", titles(12))]
    parts = [simple(path, number, size=size) for number, path in enumerate(paths, start=1)]
    with pytest.raises(InputError, match=r"run run-\d does not belong to the others: its title \w+ (is in|stands)"):
        joined(parts, ["m"], [FREE])


def test_a_title_with_other_words_in_another_part_is_refused(index: Index) -> None:
    path = index("one.json", titles(6))
    first, second = simple(path, 1, of=2, size=0), simple(path, 2, of=2, size=0)
    stolen = next(iter(first.cases.values()))
    twin = replace(stolen, id="f" * 16, title=Title(stolen.title.id, "Other words"))
    items = (*second.items, PlannedItem(f"evals/t.py::test_a[{twin.slug}]", twin.id))
    with pytest.raises(InputError, match=rf"its title {twin.title.id} is in run run-1 too"):
        joined([first, replace(second, cases={**second.cases, twin.id: twin}, items=items)], ["m"], [FREE])


def test_a_part_with_a_case_deselected_is_refused(index: Index) -> None:
    parts = [simple(index("one.json", titles(9)), number) for number in (1, 2, 3)]
    parts[0] = replace(parts[0], items=parts[0].items[1:])
    with pytest.raises(InputError, match="with no case deselected"):
        joined(parts, ["m"], [FREE])


def test_an_item_without_its_case_is_named(index: Index) -> None:
    part = simple(index("one.json", titles(9)), 1)
    with pytest.raises(InputError, match="run run-1: damaged: its plan lacks the case of evals"):
        joined([replace(part, cases={})], ["m"], [FREE])
