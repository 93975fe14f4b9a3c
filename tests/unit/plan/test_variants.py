from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from plotbot.plan.plan import Plan
from plotbot.plan.variants import variants_of
from plotbot.records import Case, Question, Variant
from plotbot.settings import Settings, load_settings

ROOT = Path("/project")


def settings(**values: Any) -> Settings:
    return load_settings(ROOT, {}, {"SAMPLE_SEED": "1", "TEST_SAMPLE_SIZE": "0", **values})


def names(*prompts: str, **values: Any) -> list[str]:
    return [variant.name for variant in variants_of([ROOT / path for path in prompts], settings(**values))]


@pytest.mark.parametrize(
    ("prompts", "values", "expected"),
    [
        (["data/p.txt"], {}, [""]),
        (["data/p.txt", "data/short.txt"], {}, ["p.txt", "short.txt"]),
        (["p.txt"], {"TEMPERATURE": ["0.8,0.2", "1"]}, ["t=0.8", "t=0.2", "t=1"]),
        (["p.txt"], {"RESPONSE_FORMAT": ["none,json_schema"]}, ["free", "json"]),
        (["p.txt"], {"REASONING_EFFORT": ["none,high"]}, ["effort=none", "effort=high"]),
        (
            ["p.txt", "q.txt"],
            {"TEMPERATURE": ["0.8,0.2"]},
            ["p.txt t=0.8", "t=0.2", "q.txt", "q.txt t=0.2"],
        ),
        (["a/p.txt", "b/p.txt"], {}, ["a/p.txt", "b/p.txt"]),
        (["p.txt", "json"], {"RESPONSE_FORMAT": ["none,json_schema"]}, ["p.txt free", "json", "json#2", "json json"]),
        (["a,b .txt", "x\x1b[2J\u202e.txt"], {}, ["a-b-.txt", "x\\x1b[2J\\u202e.txt"]),
        (["p.txt", f"{'long' * 60}.txt"], {}, ["p.txt", f"{'long' * 14}.txt"]),
    ],
)
def test_a_name_says_what_differs_from_the_first(prompts: list[str], values: Mapping[str, Any], expected: Any) -> None:
    assert names(*prompts, **values) == expected


def test_an_eval_with_a_prompt_of_its_own_is_told_apart_where_the_run_has_several() -> None:
    given = settings(PROMPT_PATH=["data/p.txt,data/q.txt"], TEMPERATURE=["0.8,0.2"])
    for own, expected in (("q.txt", ["q.txt", "q.txt t=0.2"]), ("own.txt", ["own.txt", "own.txt t=0.2"])):
        assert [one.name for one in variants_of([ROOT / "data" / own], given)] == expected
    alone = variants_of([ROOT / "own.txt"], settings(TEMPERATURE=["0.8,0.2"]))
    assert [one.name for one in alone] == ["t=0.8", "t=0.2"]


def test_a_variant_knows_what_its_requests_state() -> None:
    given = settings(TEMPERATURE=["0.8,0.2"], REASONING_EFFORT="low", RESPONSE_FORMAT=["json_schema"])
    first, second = variants_of([ROOT / "data/p.txt"], given)
    assert second == Variant("t=0.2", "data/p.txt", "json_schema", 0.2, "low")
    assert [one.params["temperature"] for one in (first, second)] == [0.8, 0.2]
    assert variants_of([ROOT / "data/p.txt"], settings())[0].params == {}, "the run's own"


def cases_of(tmp_path: Path, variants: Mapping[str, Question], titles: Mapping[str, str]) -> tuple[Case, ...]:
    index = tmp_path / "titles.json"
    index.write_text(json.dumps(titles), encoding="utf-8")
    asked = {Variant(name, "p.txt", "none", heat): one for heat, (name, one) in enumerate(variants.items())}
    return Plan(settings(), ["org/m"]).cases_of(asked, index)


def test_variants_of_one_prompt_are_cases_of_their_own_with_the_same_seed(tmp_path: Path) -> None:
    question = Question("p", {}, "none", "aaaaaaaaaaaa")
    one, other = cases_of(tmp_path, {"t=0.8": question, "t=0.2": question}, {"t1": "A goose"})
    assert one.id != other.id
    assert (one.seed, one.prompt_hash) == (other.seed, other.prompt_hash)
    assert [case.slug for case in (one, other)] == ["m-t-0.8-goose-t1-r1", "m-t-0.2-goose-t1-r1"]
    assert Case.from_json(json.loads(json.dumps(other.to_json()))) == other


def test_a_case_of_a_run_with_one_variant_is_written_as_before(tmp_path: Path) -> None:
    (case,) = cases_of(tmp_path, {"": Question("p", {}, "none", "aaaaaaaaaaaa")}, {"t1": "A goose"})
    assert case.to_json().keys() == {
        "id", "slug", "model", "title", "prompt_hash", "response_format", "repeat", "seed"
    }  # fmt: skip


def test_the_longest_names_leave_an_item_id_of_100_characters(tmp_path: Path) -> None:
    question = Question("p", {}, "none", "aaaaaaaaaaaa")
    cases = cases_of(tmp_path, {"v" * 90: question, "v" * 91: question}, {"t" * 90: "One", "t" * 91: "Two"})
    assert len({case.slug for case in cases}) == 4
    assert all(len(case.slug) <= 100 and case.slug.isascii() for case in cases)
