from __future__ import annotations

from plotbot.measure.audit import Reused, Story, Unvaried, audit
from plotbot.measure.duplicates import copies
from plotbot.records import Title

LONG = "The goose waits on the frozen pond until the mayor signs the letter that gives it back. Nobody saw it coming."
EXAMPLE = "A baker finds a ring in the dough and must choose between honesty and rent"


def story(number: int, *texts: str, model: str = "m", **values: str) -> Story:
    return Story(model, Title(f"t{number}", f"Headline {number}"), "h", texts, values)


def words(number: int) -> str:
    return " ".join(f"w{number}x{place}" for place in range(30))


def test_copies_are_named_with_the_first_of_their_kind() -> None:
    edited = LONG.replace("frozen", "muddy")
    found = audit(
        [story(1, LONG), story(2, edited), story(3, LONG.upper()), story(4, edited), story(5, words(5))], [], {}
    )
    assert [(copy.first, copy.second, copy.same) for copy in found.copies] == [
        (0, 1, False), (0, 2, True), (0, 3, False),
    ]  # fmt: skip
    (model,) = found.models
    assert (model.stories, model.distinct, model.exact, model.near) == (5, 2, 1, 2)


def test_a_story_that_another_model_has_too_is_distinct_for_each() -> None:
    found = audit([story(1, LONG), story(2, LONG, model="z"), story(3, LONG, model="z")], [], {})
    assert [(one.model, one.distinct, one.exact) for one in found.models] == [("m", 1, 0), ("z", 1, 1)]
    assert len(found.copies) == 2


def test_scripts_without_spaces_are_compared_too() -> None:
    told = "市長は池のほとりで鵞鳥に手紙を渡し、町の人々は誰もその理由を知らなかった"
    assert [copy.same for copy in copies([" ".join(told), " ".join(told.replace("手紙", "花束"))])] == [False]


def test_a_sentence_that_comes_again_and_fields_that_hardly_vary_are_told() -> None:
    seeds = [story(n, f"{words(n)}. Nobody saw it coming!", tone="Wry", place=f"in {n}") for n in range(4)]
    found = audit([*seeds, story(9, words(9), tone="sad", place="in 9")], [], {})
    (model,) = found.models
    assert model.reused == Reused("Nobody saw it coming", 4)
    assert model.unvaried == [Unvaried("tone", "Wry", 4, 5)]


def test_what_stands_in_the_prompt_is_a_copy_of_it() -> None:
    prompt = {"h": f"Write a seed. For example: {EXAMPLE}. Nothing else.", "other": "..."}
    told = [story(1, EXAMPLE), story(2, words(2), EXAMPLE.upper()), story(3, words(3))]
    found = audit([*told, Story("m", Title("t", "T"), "unknown", (EXAMPLE,), {})], [], prompt)
    assert found.copied == [0, 1]


def test_without_texts_the_values_are_compared() -> None:
    assert len(audit([story(1, score="3"), story(2, score="3"), story(3, score="4")], [], {}).copies) == 1
