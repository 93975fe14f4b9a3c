from __future__ import annotations

from plotbot.plan.criteria import Criterion
from plotbot.run.labelling import label_tasks

CRITERIA = [Criterion("hook", "A?"), Criterion("stakes", "B?")]
ANSWERS = [f"a{number}" for number in range(200)]
FAILED = {"hook": frozenset(ANSWERS[:30]), "stakes": frozenset(ANSWERS[100:103])}


def failed_share(first: int, criterion: int) -> int:
    tasks = [number for number, asked in label_tasks(ANSWERS, CRITERIA, FAILED, "run", 60) if asked == criterion]
    return sum(ANSWERS[number] in FAILED[CRITERIA[criterion].name] for number in tasks[:first])


def test_half_of_the_answers_are_ones_that_the_judge_failed_as_far_as_there_are_any() -> None:
    assert [failed_share(first, 0) for first in (10, 20, 60)] == [5, 10, 30]
    assert failed_share(60, 1) == 3


def test_each_question_is_asked_once_in_an_order_that_the_run_decides() -> None:
    tasks = label_tasks(ANSWERS, CRITERIA, FAILED, "run", 60)
    assert len(tasks) == len(set(tasks)) == 120
    assert tasks == label_tasks(ANSWERS, CRITERIA, FAILED, "run", 60)
    assert tasks != label_tasks(ANSWERS, CRITERIA, FAILED, "another", 60)
    assert [{criterion for _, criterion in tasks[start : start + 10]} for start in (0, 10, 20)] == [{0}, {1}, {0}]


def test_the_verdict_cannot_be_told_from_the_place_in_the_order() -> None:
    places = [
        place
        for run in range(40)
        for place, (number, _) in enumerate(label_tasks(ANSWERS, CRITERIA[:1], FAILED, f"run{run}", 10))
        if ANSWERS[number] in FAILED["hook"]
    ]
    assert min(places.count(place) for place in range(10)) > 8


def test_few_answers_are_all_asked_about() -> None:
    assert len(label_tasks(["a"], CRITERIA, {"hook": frozenset("a")}, "run", 100)) == 2
    assert label_tasks([], CRITERIA, {}, "run", 100) == []
